"""One configuration under several conventions: each count by itself, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omnizip_cost.compression.build import make_plan
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention_lookup import definition
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS, Convention
from omnizip_cost.cost.decoder import layer_tokens
from omnizip_cost.cost.rows import CostRow, count, share_left, total_flops
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.workload.workload import Workload

YARDSTICK = "torch"
"""The convention that the others are held against: the one that anybody can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRow(FlatRow):
    """FLOPs of one configuration under one convention; a part it does not count is None."""

    model: str
    input: str
    method: str
    retained: float
    """Nominal ratio."""
    realised: float
    rho_a: float | None
    rho_v: float | None
    decode_steps: int
    convention: str
    definition: str | None
    """The choices of a convention of the user's own; None where it is built in."""
    n_tokens: int
    """Tokens that it counts in the last layer."""
    prefill_flops: int
    """Of the decoder stack."""
    decode_flops: int | None
    """Of the decoder stack, all steps together."""
    lm_head_flops: int | None
    encoder_flops: int | None
    """Of the audio and vision encoders."""
    selection_flops: int | None
    flops: int
    torch_ratio: float | None
    """FLOPs of the same configuration under ``torch`` over these; None where these are none."""
    prefill_torch_ratio: float | None
    """The same for the decoder stack's prefill alone."""
    share_left: float
    """Share of the full-token FLOPs left, under this convention."""


def side_by_side(
    spec: ModelSpec,
    plans: Iterable[Plan],
    work: Workload,
    conventions: Mapping[str, Convention],
    decode: int = EQ9_DECODE_STEPS,
) -> list[SideRow]:
    """Count every plan under every convention.

    Parameters
    ----------
    spec : ModelSpec
    plans : iterable of Plan
        All of ``work``.
    work : Workload
    conventions : mapping of name to Convention
        Such as :func:`~omnizip_cost.cost.convention_lookup.require_conventions` returns.
    decode : int
        R, where a convention counts decode.

    Returns
    -------
    list of SideRow
        Plan by plan, conventions in their order.

    Raises
    ------
    InvalidValueError
        As :func:`~omnizip_cost.cost.rows.count`.
    """
    full = make_plan("full", work, spec)
    whole = {
        name: total_flops(count(spec, full, convention, decode, workload=work))
        for name, convention in conventions.items()
    }
    table = []
    for plan in plans:
        measure = count(spec, plan, YARDSTICK, decode, workload=work)
        for name, convention in conventions.items():
            rows = count(spec, plan, convention, decode, workload=work)
            flops, prefill = total_flops(rows), _part(rows, "llm", phase="prefill") or 0
            table.append(
                SideRow(
                    model=spec.name,
                    input=work.name,
                    method=plan.method,
                    retained=plan.retained,
                    realised=plan.realised,
                    rho_a=plan.rho_a,
                    rho_v=plan.rho_v,
                    decode_steps=decode,
                    convention=name,
                    definition=definition(convention),
                    n_tokens=round(layer_tokens(plan, convention)[-1]),
                    prefill_flops=prefill,
                    decode_flops=_part(rows, "llm", phase="decode"),
                    lm_head_flops=_part(rows, "lm_head"),
                    encoder_flops=_part(rows, "audio_encoder", "vision_encoder"),
                    selection_flops=_part(rows, "selection"),
                    flops=flops,
                    torch_ratio=_over(total_flops(measure), flops),
                    prefill_torch_ratio=_over(_part(measure, "llm", phase="prefill") or 0, prefill),
                    share_left=share_left(flops, whole[name]),
                )
            )
    return table


def _part(rows: list[CostRow], *components: str, phase: str | None = None) -> int | None:
    """FLOPs of some components, None where the convention counts none of them."""
    part = [row for row in rows if row.component in components and phase in (None, row.phase)]
    return total_flops(part) if part else None


def _over(flops: int, own: int) -> float | None:
    return flops / own if own else None
