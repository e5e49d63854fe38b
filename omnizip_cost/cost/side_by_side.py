"""One configuration under several conventions: each count by itself, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from omnizip_cost.compression.build import make_plan
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention_lookup import definition
from omnizip_cost.cost.conventions import CONVENTIONS, EQ9_DECODE_STEPS, Convention
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
    """Torch over this: FLOPs of the same configuration under ``torch`` over these; None where
    these are none."""
    prefill_torch_ratio: float | None
    """The same for the decoder stack's prefill alone."""
    share_left: float
    """Share of the full-token FLOPs left, under this convention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Plans of one workload, each counted once under each convention."""

    spec: ModelSpec
    work: Workload
    plans: tuple[Plan, ...]
    conventions: Mapping[str, Convention]
    decode_steps: int
    """R, where a convention counts decode."""
    full: Plan
    """All tokens: what a share left is a share of."""
    rows: Mapping[tuple[Plan, str], Sequence[CostRow]]
    """By plan and name of the convention; all tokens and ``torch`` are always among them."""

    def flops(self, plan: Plan, convention: str) -> int:
        """Return the FLOPs of all components together."""
        return total_flops(self.rows[plan, convention])

    def share_left(self, plan: Plan, convention: str) -> float:
        """Return the share of the full-token FLOPs that a plan leaves."""
        return share_left(self.flops(plan, convention), self.flops(self.full, convention))


def counted(
    spec: ModelSpec,
    plans: Iterable[Plan],
    work: Workload,
    conventions: Mapping[str, Convention],
    decode: int = EQ9_DECODE_STEPS,
) -> Counts:
    """Count every plan under every convention, and all tokens and ``torch`` beside them.

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

    Raises
    ------
    InvalidValueError
        As :func:`~omnizip_cost.cost.rows.count`.
    """
    asked = tuple(plans)
    full = make_plan("full", work, spec)
    every = {YARDSTICK: CONVENTIONS[YARDSTICK], **conventions}
    return Counts(
        spec=spec,
        work=work,
        plans=asked,
        conventions=conventions,
        decode_steps=decode,
        full=full,
        rows={
            (plan, name): count(spec, plan, convention, decode, workload=work)
            for plan in dict.fromkeys((full, *asked))
            for name, convention in every.items()
        },
    )


def side_by_side(counts: Counts) -> list[SideRow]:
    """Lay counts side by side, plan by plan, conventions in their order.

    Examples
    --------
    >>> from omnizip_cost import bare_workload, load_spec, plan
    >>> spec, work = load_spec("qwen2.5-omni-7b"), bare_workload(1000)
    >>> eq9 = {"eq9": CONVENTIONS["eq9"]}
    >>> (row,) = side_by_side(counted(spec, [plan("full", work, spec)], work, eq9))
    >>> round(row.prefill_torch_ratio, 2)
    2.47
    """
    return [
        _side_row(counts, plan, convention)
        for plan in counts.plans
        for convention in counts.conventions.values()
    ]


def _side_row(counts: Counts, plan: Plan, convention: Convention) -> SideRow:
    rows, measure = counts.rows[plan, convention.name], counts.rows[plan, YARDSTICK]
    flops, prefill = total_flops(rows), _part(rows, "llm", phase="prefill") or 0
    return SideRow(
        model=counts.spec.name,
        input=counts.work.name,
        method=plan.method,
        retained=plan.retained,
        realised=plan.realised,
        rho_a=plan.rho_a,
        rho_v=plan.rho_v,
        decode_steps=counts.decode_steps,
        convention=convention.name,
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
        share_left=counts.share_left(plan, convention.name),
    )


def _part(rows: Sequence[CostRow], *components: str, phase: str | None = None) -> int | None:
    """FLOPs of some components, None where the convention counts none of them."""
    part = [row for row in rows if row.component in components and phase in (None, row.phase)]
    return total_flops(part) if part else None


def _over(flops: int, own: int) -> float | None:
    return flops / own if own else None
