"""A stage's time as a function of the calibrated numbers alone, so that a fit costs nothing.

A prediction is made once per row, with neutral numbers; its operators are kept as seconds per
kind of work. What another set of numbers would give follows without asking for a kernel again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError

if TYPE_CHECKING:
    from omnizip_cost.latency.prediction import Prediction
    from omnizip_cost.latency.timed_op import TimedOp

Floats = NDArray[np.float64]

WORKS = ("gemm", "attention", "memory")
"""Kinds of work, each with a share of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageTerms:
    """One measured stage: its operators before calibration, and the seconds that were observed."""

    base_s: Floats
    """(operators,) seconds on the device with every share at 1."""
    work: NDArray[np.int64]
    """(operators,) places in ``WORKS``."""
    kernels: Floats
    """(operators,) how often each runs."""
    dispatched: float
    """Operators that the host dispatches one by one."""
    asynchronous: bool
    """Whether host and device overlap."""
    observed_s: float
    length: int
    """Tokens of the prompt before compression: what is held out goes by it."""
    retained: float
    """Nominal share of audio and video tokens kept: likewise."""
    name: str
    """For messages and records."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.observed_s) and self.observed_s > 0):
            raise InvalidValueError(self.name, "observed_s", "seconds above 0", self.observed_s)
        if not len(self.base_s) == len(self.work) == len(self.kernels):
            sizes = (len(self.base_s), len(self.work), len(self.kernels))
            raise InvalidValueError(self.name, "operators", "arrays of one length", sizes)


def terms_of(
    prediction: Prediction,
    stage: str,
    observed_s: float,
    *,
    length: int,
    retained: float,
    name: str,
) -> StageTerms | None:
    """Take one stage of a neutral prediction apart; None where the stage has nothing to do.

    Raises
    ------
    InvalidValueError
        A prediction that a calibration has already scaled, or no seconds.
    """
    if prediction.calibration.measured:
        raise InvalidValueError(name, "prediction", "made without a calibration", "one with")
    ops: Sequence[TimedOp] = [op for op in prediction.ops if op.stage == stage]
    if not ops:
        return None
    dispatched = prediction.backend.dispatches(stage, prediction.device)
    return StageTerms(
        base_s=np.array([op.base_s for op in ops], dtype=np.float64),
        work=np.array([WORKS.index(op.work) for op in ops], dtype=np.int64),
        kernels=np.array([op.kernels for op in ops], dtype=np.float64),
        dispatched=float(sum(op.kernels for op in ops)) if dispatched else 0.0,
        asynchronous=prediction.device.asynchronous,
        observed_s=observed_s,
        length=length,
        retained=retained,
        name=name,
    )


class TermTable:
    """All stages of a fit side by side: one call gives the seconds of every one."""

    def __init__(self, stages: Iterable[StageTerms]) -> None:
        self.stages = tuple(stages)
        if not self.stages:
            raise InvalidValueError("calibration", "rows", "at least one measured stage", 0)
        self.observed_s: Floats = np.array([one.observed_s for one in self.stages])
        self._owner = np.repeat(
            np.arange(len(self.stages)), [len(one.base_s) for one in self.stages]
        )
        self._base_s: Floats = np.concatenate([one.base_s for one in self.stages])
        self._work = np.concatenate([one.work for one in self.stages])
        self._kernels: Floats = np.concatenate([one.kernels for one in self.stages])
        self._dispatched: Floats = np.array([one.dispatched for one in self.stages])
        self._overlap = np.array([one.asynchronous for one in self.stages])

    def seconds(self, values: Mapping[str, float]) -> Floats:
        """Return predicted seconds of every stage, (stages,).

        An operator takes its time over the share of its kind of work, and ``launch_s`` for each
        kernel at least. The host's time runs beside the device's where the two overlap, else it
        is added.
        """
        shares = np.array([values[name] for name in WORKS])
        each = self._base_s / shares[self._work]
        floored = np.maximum(each, self._kernels * values["launch_s"])
        device = np.bincount(self._owner, weights=floored, minlength=len(self.stages))
        host = self._dispatched * values["host_s"]
        return np.where(self._overlap, np.maximum(device, host), device + host)

    def only(self, chosen: Sequence[bool]) -> TermTable:
        """Return the table of some of its stages."""
        kept = (one for one, keep in zip(self.stages, chosen, strict=True) if keep)
        return TermTable(kept)
