"""One row of the micro-benchmark: one operator of one shape on one machine, repeats included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results.row import FlatRow
from omnizip_cost.results.schema import record_of

MICRO_OPS = (
    "gemm",
    "prefill_attention",
    "decode_attention",
    "encoder_attention",
    "copy",
    "add",
    "silu",
    "dispatch",
    "log_mel",
    "patches",
)
"""What is measured. ``dispatch``: one tiny operator, as the host sees it. ``log_mel``: of
``amount`` seconds of sound; ``patches``: cutting and normalising ``amount`` pixels."""

MICRO_STATUSES = ("ok", "skipped", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroRow(FlatRow):
    """Seconds of one call, from repeats of many calls each."""

    environment_id: str
    device: str
    """The device's name, as in measured rows: "cpu", "NVIDIA H100 80GB HBM3"."""
    dtype: str
    op: str
    m: int | None = None
    n: int | None = None
    k: int | None = None
    query_tokens: int | None = None
    key_tokens: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    amount: float | None = None
    """Numbers of a tensor (copy, add, silu), seconds of sound, or pixels."""
    flops: int = 0
    """Two per multiply-add; of a causal attention, of the pairs it needs."""
    bytes_moved: int = 0
    """Each tensor read or written once."""
    calls: int = 1
    """In each sample."""
    median_s: float | None = None
    """Of one call."""
    low_s: float | None = None
    high_s: float | None = None
    samples_s: tuple[float, ...] = ()
    """Raw repeats: seconds of one sample over its calls."""
    warmup_s: tuple[float, ...] = ()
    clock: str = "wall"
    status: str = "ok"
    reason: str = ""
    """Why the status is not "ok"."""
    doubts: tuple[str, ...] = ()
    package_version: str = ""
    created_utc: str = ""

    def __post_init__(self) -> None:
        for field, value, known in (
            ("op", self.op, MICRO_OPS),
            ("status", self.status, MICRO_STATUSES),
        ):
            if value not in known:
                raise InvalidValueError("micro row", field, f"one of {', '.join(known)}", value)
        if any(not isfinite(value) or value < 0 for value in self.samples_s):
            raise InvalidValueError("micro row", "samples_s", "seconds, 0 or more", self.samples_s)
        if self.status == "ok" and (self.median_s is None or not self.samples_s):
            raise InvalidValueError(
                "micro row", "samples_s", "filled when the status is 'ok'", self.samples_s
            )

    @property
    def flop_per_s(self) -> float | None:
        """Rate of its arithmetic; None where nothing was measured."""
        return self.flops / self.median_s if self.median_s else None

    @property
    def bytes_per_s(self) -> float | None:
        """Rate of its bytes; None where nothing was measured."""
        return self.bytes_moved / self.median_s if self.median_s else None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build a row from a table's record.

        Raises
        ------
        UnknownNameError, InvalidValueError
            A column that is not known or missing, or a value that is not allowed.
        """
        return cls(**record_of(cls, values))
