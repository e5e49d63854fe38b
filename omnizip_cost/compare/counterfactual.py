"""What a predicted pass would take if only some effects held: the same operators, fewer costs.

An effect is a reason for which time does not follow FLOPs. With none of them, a pass takes its
products alone, all at one rate. Each effect that is switched on changes what operators cost and
never which of them run, so that two passes may be compared with any set of effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from omnizip_cost.latency import Prediction, TimedOp
from omnizip_cost.latency.stages import overlapped

STAGE_EFFECTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "selection": ("selection",),
        "encoders": ("audio_encoder", "vision_encoder", "assembly"),
        "decode": ("decode",),
    }
)
"""Effects that bring stages into the timer, beside prefill, which is always in it."""

COST_EFFECTS = ("logits", "kernels", "bytes", "launches", "host")
"""``logits``: the head at every position that it runs on; ``kernels``: every product at the rate
of its own shape, not all at one; ``bytes``: what elementwise operators and copies move;
``launches``: the least time of a kernel; ``host``: dispatching."""

EFFECTS = (*COST_EFFECTS, *STAGE_EFFECTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A compressed pass and the full one, under whatever effects are asked for."""

    mine: Prediction
    full: Prediction

    def speedup(self, on: frozenset[str]) -> float | None:
        """How many times faster with these effects; None where the compressed pass takes no time.

        Without ``kernels`` every product runs at one efficiency, that of the full pass's prefill.
        As long as nothing but products counts, the ratio is that of their FLOPs.
        """
        rate = _efficiency(self.full)
        below = seconds(self.mine, on, rate)
        return seconds(self.full, on, rate) / below if below else None


def seconds(prediction: Prediction, on: frozenset[str], efficiency: float) -> float:
    """Seconds of a pass with some effects.

    Parameters
    ----------
    prediction : Prediction
    on : frozenset of str
        Of :data:`EFFECTS`.
    efficiency : float
        Share of the peak at which products run while ``kernels`` is off.
    """
    stages = {"prefill"}
    for effect, names in STAGE_EFFECTS.items():
        stages.update(names if effect in on else ())
    total = 0.0
    for stage in prediction.stages:
        if stage.stage in stages:
            ops = [op for op in prediction.ops if op.stage == stage.stage and _runs(op, on)]
            device_s = sum(_op_seconds(prediction, op, on, efficiency) for op in ops)
            # dispatching is charged per kernel: the head's one is left out with it
            share = sum(op.kernels for op in ops) / stage.kernels if stage.kernels else 1.0
            host_s = share * stage.host_s if "host" in on else 0.0
            total += overlapped(device_s, host_s, asynchronous=prediction.device.asynchronous)
    return total


def _runs(op: TimedOp, on: frozenset[str]) -> bool:
    """Whether the operator counts at all: without ``logits``, the prompt has no head."""
    return "logits" in on or op.stage != "prefill" or op.component != "lm_head"


def _op_seconds(
    prediction: Prediction, op: TimedOp, on: frozenset[str], efficiency: float
) -> float:
    """Seconds of one operator on the device."""
    calibrated_s = op.base_s / float(getattr(prediction.calibration, op.work))
    if op.kernel is None:
        taken = calibrated_s if "bytes" in on else 0.0
    else:
        taken = calibrated_s if "kernels" in on else op.compute_s / efficiency
    return max(taken, op.launch_s) if "launches" in on else taken


def _efficiency(full: Prediction) -> float:
    """Share of the peak that the products of the full prefill reach, all together."""
    products = [op for op in full.ops if op.stage == "prefill" and op.kernel is not None]
    taken = sum(op.base_s / float(getattr(full.calibration, op.work)) for op in products)
    return sum(op.compute_s for op in products) / taken
