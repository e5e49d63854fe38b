"""The count: spec + plan + convention -> rows of FLOPs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from omnizip_cost import formulas
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention_lookup import definition, require_convention
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS, Convention
from omnizip_cost.cost.decoder import Op, decoder_ops
from omnizip_cost.cost.encoders import encoder_ops
from omnizip_cost.cost.selection import SelectionOp, selection_ops
from omnizip_cost.errors import ConventionMismatchError, InvalidValueError
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec
from omnizip_cost.workload.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow(FlatRow):
    """FLOPs of one component in one phase under one convention."""

    model: str
    method: str
    retained: float
    """Nominal ratio."""
    realised: float
    """Share of audio+video tokens the plan's counts really keep."""
    rho_a: float | None
    rho_v: float | None
    convention: str
    phase: str
    component: str
    n_tokens: int
    """What runs through the component: tokens in the last layer of the LLM, positions with logits
    in the head, R in decode; in the encoders their own, patches and frames after the stride; in
    selection those it chooses among."""
    flops: int
    """Of matrix products and convolutions, in every component."""
    bytes_moved: int | None = None
    """Read and written; of selection in large tensors. None in the rows of :func:`count` but for
    selection: the account knows the others (:mod:`~omnizip_cost.cost.account`)."""
    kernels: int | None = None
    """Operators that torch dispatches, views apart, each at least one launch; None as above."""
    definition: str | None = None
    """The choices of a convention of the user's own, whose name alone says little; None where the
    convention is built in."""


def count(
    spec: ModelSpec,
    plan: Plan,
    convention: str | Convention = "hardware",
    decode: int = EQ9_DECODE_STEPS,
    workload: Workload | None = None,
    *,
    dtype: str = "bfloat16",
) -> list[CostRow]:
    """FLOPs of ``plan`` on ``spec`` under one convention, a row per component and phase.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
    convention : str, path or Convention
        A name of ``CONVENTIONS`` (``eq9``, ``torch``, ``hardware``, ...), or one of your own: what
        ``load_convention`` returns, or the path of its TOML file.
    decode : int
        R: decode steps, all together in one row; step i sees n + i keys.
    workload : Workload, optional
        Adds the encoders' rows under conventions that count them.
    dtype : {"bfloat16", "float16", "float32"}
        Of the prompt's rows, for the bytes that selection moves.

    Returns
    -------
    list of CostRow
        Whole FLOPs; ``eq9`` of a real-valued r * n is rounded once, at the end. Selection has a
        row under conventions that count it, where the method chooses tokens and states its steps.

    Raises
    ------
    UnknownNameError, InvalidValueError
    """
    chosen = require_convention(convention)
    ops = counted_ops(spec, plan, chosen, decode, workload)
    rows = list(_rows(spec, plan, chosen, ops))
    steps = selection_ops(spec, plan, dtype=dtype) if chosen.selection else None
    return [*rows, _selection_row(spec, plan, chosen, steps)] if steps else rows


def counted_ops(
    spec: ModelSpec, plan: Plan, convention: Convention, decode: int, workload: Workload | None
) -> list[Op]:
    """Ops of decoder, head and encoders that a convention counts, those of selection apart.

    Raises
    ------
    InvalidValueError
        R is no whole number, or the plan was made for another model.
    """
    if isinstance(decode, bool) or not isinstance(decode, int) or decode < 0:
        raise InvalidValueError("count", "decode", "a whole number of steps, zero or more", decode)
    if len(plan.layer_av_tokens) != spec.text.layers:
        raise InvalidValueError(
            "count",
            "plan",
            f"made for the {spec.text.layers} layers of {spec.name}",
            f"{len(plan.layer_av_tokens)} layers",
        )
    ops = list(decoder_ops(spec.text, plan, convention, decode))
    if workload is not None and convention.encoders and isinstance(spec, ThinkerSpec):
        ops += encoder_ops(spec, workload, convention)
    return ops


def _rows(spec: ModelSpec, plan: Plan, convention: Convention, ops: list[Op]) -> Iterator[CostRow]:
    for component, phase in dict.fromkeys((op.component, op.phase) for op in ops):
        part = [op for op in ops if (op.component, op.phase) == (component, phase)]
        yield _row(
            spec,
            plan,
            convention,
            component,
            phase,
            tokens=round(part[-1].tokens),
            multiply_adds=formulas.added(op.multiply_adds for op in part),
        )


def _selection_row(
    spec: ModelSpec, plan: Plan, convention: Convention, steps: tuple[SelectionOp, ...]
) -> CostRow:
    row = _row(
        spec,
        plan,
        convention,
        "selection",
        "prefill",
        tokens=plan.av_tokens,
        multiply_adds=sum(step.multiply_adds for step in steps),
    )
    return replace(
        row,
        bytes_moved=sum(step.bytes_moved for step in steps),
        kernels=sum(step.kernels for step in steps),
    )


def _row(
    spec: ModelSpec,
    plan: Plan,
    convention: Convention,
    component: str,
    phase: str,
    *,
    tokens: int,
    multiply_adds: float,
) -> CostRow:
    return CostRow(
        model=spec.name,
        method=plan.method,
        retained=plan.retained,
        realised=plan.realised,
        rho_a=plan.rho_a,
        rho_v=plan.rho_v,
        convention=convention.name,
        phase=phase,
        component=component,
        n_tokens=tokens,
        flops=round(convention.flop_per_multiply_add * multiply_adds),
        definition=definition(convention),
    )


def total_flops(rows: Iterable[CostRow]) -> int:
    """Sum of rows of one convention; rows of two conventions are never added.

    Two conventions of a user's own that share a name and count differently are two.

    Raises
    ------
    ConventionMismatchError
    """
    first: CostRow | None = None
    total = 0
    for row in rows:
        first = first or row
        if (first.convention, first.definition) != (row.convention, row.definition):
            raise ConventionMismatchError(*_told_apart(first, row))
        total += row.flops
    return total


def _told_apart(left: CostRow, right: CostRow) -> tuple[str, str]:
    """Name two conventions, with the choices in which they differ where they share a name."""
    if left.convention != right.convention:
        return left.convention, right.convention
    choices = zip(str(left.definition).split("; "), str(right.definition).split("; "), strict=False)
    ours, theirs = zip(*(pair for pair in choices if pair[0] != pair[1]), strict=True)
    return f"{left.convention} ({', '.join(ours)})", f"{right.convention} ({', '.join(theirs)})"


def share_left(flops: int, full_flops: int) -> float:
    """Share of the full-token FLOPs that is left (Tab. 1 prints it in whole percent).

    1 where the convention counts nothing of this input, as video tokens of a clip without video.
    """
    return flops / full_flops if full_flops else 1.0
