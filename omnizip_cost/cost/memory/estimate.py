"""What memory takes, stage by stage: the record of one estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omnizip_cost.cost.memory.live import PARTS, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMemory:
    """The moment of one stage at which most was alive, part by part, in bytes."""

    stage: str
    weights: int
    inputs: int
    cache: int
    activations: int
    logits: int
    attention_weights: int
    audio_scores: int
    selection: int
    allocator: int

    @classmethod
    def of(cls, stage: str, parts: Mapping[Part, int]) -> StageMemory:
        """Name the stage that these parts are of."""
        return cls(stage=stage, **{part: parts[part] for part in PARTS})

    @property
    def parts(self) -> dict[str, int]:
        """Bytes of every part, by name."""
        return {part: getattr(self, part) for part in PARTS}

    @property
    def total_bytes(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Peak memory of one pass: a prompt taken in and answered."""

    model: str
    method: str
    backend: str
    dtype: str
    weight_dtype: str
    cache_dtype: str
    tokens: int
    """Of the whole prompt, text included."""
    kept_tokens: int
    """In the last layer."""
    decode_steps: int
    stages: tuple[StageMemory, ...]
    """Those that ran, in order; names of ``results.schema.STAGES``."""
    notes: tuple[str, ...] = ()

    @property
    def peak(self) -> StageMemory:
        """The stage that needs most; of equals the first."""
        return max(self.stages, key=lambda stage: stage.total_bytes)

    @property
    def peak_bytes(self) -> int:
        """Most bytes alive at any time."""
        return self.peak.total_bytes

    def stage(self, name: str) -> StageMemory | None:
        """Return one stage; None where it does not run."""
        return next((stage for stage in self.stages if stage.stage == name), None)
