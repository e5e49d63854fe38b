"""A claim: one row of a published table, with what it says and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.audit.printed import Printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One printed row. What the row does not say is None or empty, never guessed."""

    place: str
    """File and line, for messages."""
    source: str
    model: str
    """A bundled name, the path of a config.json, or a name that ends in ``unknown``."""
    device: str | None = None
    device_from: str = ""
    """Why this device is assumed, where the source does not state it with the row."""
    gpus: int = 1
    """Cards that worked on it; the bounds let them all work at once."""
    method: str = "full"
    retained: float | None = None
    benchmark: str = ""
    tokens: int | None = None
    """n before compression: audio+video tokens, or those of the plain prompt."""
    tokens_from: str = ""
    """Why this n is assumed, where the source does not state it with the row."""
    layer_tokens: str = ""
    """Tokens of every layer, such as ``18x2500+10x1250``."""
    decode_steps: int | None = None
    """R: steps after the prefill."""
    dtype: str | None = None
    frames: int | None = None
    """Video frames that the encoder sees, where FLOPs may include it."""
    frame_pixels: int | None = None
    timed: str = "prefill"
    """What ``prefill_ms`` really times: ``prefill``, or ``total`` with encoders and the rest."""
    note: str = ""
    prefill_ms: Printed | None = None
    end_to_end_s: Printed | None = None
    memory_gb: Printed | None = None
    out_of_memory: bool = False
    """Whether it says that the run did not fit on its cards."""
    flops_t: Printed | None = None
    flops_ratio_pct: Printed | None = None
    speedup: Printed | None = None
    end_to_end_speedup: Printed | None = None

    @property
    def full(self) -> bool:
        """Whether nothing is compressed."""
        return self.method == "full"

    @property
    def setting(self) -> tuple[str, str, str | None, str]:
        """What rows must share so that their times may be divided."""
        return self.source, self.model, self.device, self.benchmark
