"""One prediction: stages of a pass in seconds, what they are made of, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.memory import MemoryEstimate
from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.backends import Backend
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.error_model import ErrorModel
from omnizip_cost.latency.schemes import Scheme
from omnizip_cost.latency.stages import StageTime
from omnizip_cost.latency.timed_op import TimedOp
from omnizip_cost.specs.spec import ModelSpec

FIRST_TOKEN = ("audio_encoder", "vision_encoder", "assembly", "selection", "prefill")
"""Stages before the first token, which prefill gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """How long one plan takes on one device.

    ``ttft_s`` is encoders, assembly, selection and prefill, which gives the first token;
    ``end_to_end_s`` adds R decode steps, which give R more. Resizing frames and log-mel happen on
    the host before all of it and are in neither (``preprocessing_s``), nor is what ``generate``
    does between forward calls. A bare count of tokens has no clip: its ``ttft_s`` is looking rows
    up and prefill.
    """

    spec: ModelSpec
    plan: Plan
    device: Device
    backend: Backend
    scheme: Scheme
    calibration: Calibration
    errors: ErrorModel
    decode_steps: int
    stages: tuple[StageTime, ...]
    """In the order in which they run; a stage that has nothing to do is left out."""
    ops: tuple[TimedOp, ...]
    launch_s: float
    """Taken for the least time of one kernel."""
    host_s: float
    """Taken for the host's time for one operator."""
    memory: MemoryEstimate
    """Most bytes alive on the device, stage by stage."""
    preprocessing_s: float | None
    """Host seconds before the first stage; None where nobody measured them."""
    unlisted: tuple[str, ...]
    """What runs, or may run, and is in no stage."""

    def stage(self, name: str) -> StageTime | None:
        """Return one stage by name; None where it has nothing to do."""
        return next((one for one in self.stages if one.stage == name), None)

    def seconds(self, *names: str) -> float:
        """Add up stages by name; those with nothing to do take no time."""
        return sum(one.seconds for one in self.stages if one.stage in names)

    def interval(self, *names: str) -> tuple[float, float]:
        """Least and most seconds of some stages together, their errors taken to agree."""
        chosen = [one for one in self.stages if one.stage in names]
        return sum(one.low_s for one in chosen), sum(one.high_s for one in chosen)

    @property
    def fits(self) -> bool:
        """Whether the peak is within what a process can allocate on the device."""
        return self.memory.peak_bytes <= self.device.usable_bytes

    @property
    def prefill_s(self) -> float:
        """Decoder and head on the prompt."""
        return self.seconds("prefill")

    @property
    def ttft_s(self) -> float:
        """Time to first token, from tensors on the device."""
        return self.seconds(*FIRST_TOKEN)

    @property
    def decode_s(self) -> float:
        """All R steps."""
        return self.seconds("decode")

    @property
    def decode_s_per_token(self) -> float | None:
        """Mean of the R steps; None where R is 0."""
        return self.decode_s / self.decode_steps if self.decode_steps else None

    @property
    def end_to_end_s(self) -> float:
        """Time to first token, and R steps."""
        return self.ttft_s + self.decode_s
