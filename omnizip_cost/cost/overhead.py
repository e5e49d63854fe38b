"""The price of a saving: selection held against the prefill it shortens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from omnizip_cost.compression.build import make_plan
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.break_even import MOST_TOKENS, BreakEven, break_even, longest, same_mix
from omnizip_cost.cost.convention_lookup import require_convention
from omnizip_cost.cost.conventions import Convention
from omnizip_cost.cost.rows import CostRow, count
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.workload.workload import Workload

PlanAt = Callable[[Workload], Plan]
"""The plan of one setting on any clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Selection of one plan under one convention, beside what it saves of prefill."""

    convention: str
    flops: int
    bytes_moved: int
    kernels: int
    """Operators that torch dispatches, views apart; each is at least one launch."""
    saved_flops: int
    """Prefill of full tokens less that of the plan, decoder and LM head."""
    break_even: BreakEven
    """In windows of the clip (see :func:`~omnizip_cost.cost.break_even.same_mix`)."""
    work: Workload

    @property
    def share(self) -> float | None:
        """Selection as a share of what it saves; None where nothing is saved."""
        return self.flops / self.saved_flops if self.saved_flops > 0 else None

    @property
    def saves_from_tokens(self) -> int | None:
        """Fewest audio and video tokens that save; None where even one window does, or none."""
        first = self.break_even.first
        return None if first in (None, self.break_even.least) else self.tokens(first)

    @property
    def saves_to_tokens(self) -> int | None:
        """Most audio and video tokens that save; None where every longer clip does, or none."""
        last = self.break_even.last
        return None if last in (None, self.break_even.most) else self.tokens(last)

    @property
    def worded(self) -> str:
        """Break-even in a phrase, in audio and video tokens."""
        return self.break_even.worded(self.tokens)

    def tokens(self, length: int) -> int:
        """Audio and video tokens of a clip of this mix and length."""
        return same_mix(self.work, length).av_tokens


def overhead(
    spec: ModelSpec, work: Workload, plan_at: PlanAt, convention: str | Convention
) -> Overhead | None:
    """Hold a method's selection against the prefill FLOPs it saves.

    Parameters
    ----------
    spec : ModelSpec
    work : Workload
    plan_at : callable
        The method's plan, at one ratio, on any clip.
    convention : str or Convention

    Returns
    -------
    Overhead or None
        None where there is no selection to count: nothing is chosen, its steps are not stated,
        or the convention leaves selection out.
    """
    chosen = require_convention(convention)
    here = count(spec, plan_at(work), chosen, 0)
    selection = next((row for row in here if row.component == "selection"), None)
    if selection is None:
        return None

    @cache
    def at(length: int) -> tuple[int, int]:
        clip = same_mix(work, length)
        rows = count(spec, plan_at(clip), chosen, 0)
        return _saved(spec, clip, rows, chosen), _spent(rows)

    found = break_even(
        lambda length: at(length)[0],
        lambda length: at(length)[1],
        least=1,
        most=longest(work, max(MOST_TOKENS, work.av_tokens)),
    )
    return Overhead(
        convention=chosen.name,
        flops=selection.flops,
        bytes_moved=selection.bytes_moved or 0,
        kernels=selection.kernels or 0,
        saved_flops=_saved(spec, work, here, chosen),
        break_even=found,
        work=work,
    )


def _saved(spec: ModelSpec, work: Workload, rows: list[CostRow], convention: Convention) -> int:
    full = count(spec, make_plan("full", work, spec), convention, 0)
    return sum(row.flops for row in full) - sum(row.flops for row in rows) + _spent(rows)


def _spent(rows: list[CostRow]) -> int:
    return sum(row.flops for row in rows if row.component == "selection")
