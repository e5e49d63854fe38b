"""The time a campaign may take, and how much of what was foretold it really took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from omnizip_cost.errors import InvalidValueError

SECONDS_PER_MINUTE = 60

RESERVE_S = 8.0
"""Kept for the last table and the packed copy."""

SLOWEST, FASTEST = 20.0, 0.5
"""Bounds of the pace: one odd step must not stop all others, or let them overrun."""


class BudgetSpentError(BaseException):
    """Raised between two passes when time is up; no error of the cell that was running."""


@dataclass(slots=True, eq=False)
class Budget:
    """Minutes from a moment on; ``now`` is a clock in seconds."""

    minutes: float
    started_s: float
    now: Callable[[], float] = time.monotonic
    _foretold_s: float = field(default=0.0, init=False)
    _took_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise InvalidValueError("campaign", "--budget-minutes", "above 0", self.minutes)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the campaign began."""
        return self.now() - self.started_s

    @property
    def left_s(self) -> float:
        """Seconds for measuring that are left."""
        return self.minutes * SECONDS_PER_MINUTE - RESERVE_S - self.elapsed_s

    @property
    def pace(self) -> float:
        """Seconds that finished steps took, over those foretold; 1 until one has finished."""
        if not self._foretold_s:
            return 1.0
        return min(max(self._took_s / self._foretold_s, FASTEST), SLOWEST)

    def learn(self, *, foretold_s: float, took_s: float) -> None:
        """Note a step that ran to its end."""
        self._foretold_s += foretold_s
        self._took_s += took_s

    def require_time(self) -> None:
        """Stop when time is up.

        Raises
        ------
        BudgetSpentError
        """
        if self.left_s <= 0:
            raise BudgetSpentError
