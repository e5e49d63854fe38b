"""One device: the most it can multiply and move, as its vendor states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.units import MEBI, si

CPU = "CPU"
"""Architecture of a device that computes on the host itself."""

DTYPES = ("bf16", "fp16", "tf32", "fp32", "fp8", "int8")
"""Operand types for which a peak may be stated; products of 16 bits are summed in fp32."""

CONTEXT_BYTES = 512 * MEBI
"""What CUDA itself holds in a process that runs torch's kernels.

Reported between 471 MiB (RTX 4090, github.com/3DTopia/Phidias-Diffusion/issues/8), 543 MiB
(torch 1.11, github.com/pytorch/pytorch/issues/81257) and 612 MiB (H200); it grows with the kernels
that are loaded.
"""

REPORTED_PERCENT = 98
"""Share of the nominal memory that CUDA is taken to report where no report is known: below that of
every card in our list whose error correction takes no memory (98.5 to 99.2%)."""

_SPELLINGS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "half": "fp16"}


def plain_dtype(name: str) -> str:
    """Return the short name of a dtype.

    >>> plain_dtype("bfloat16"), plain_dtype("FP8")
    ('bf16', 'fp8')

    Raises
    ------
    UnknownNameError
    """
    short = _SPELLINGS.get(name.strip().lower(), name.strip().lower())
    if short not in DTYPES:
        raise UnknownNameError("dtype", name, DTYPES)
    return short


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Peaks of one device, never with sparsity: half of what a datasheet prints for 2:4 sparsity.

    Counts of bytes are exact; rates are the vendor's, to the digits it prints.
    """

    name: str
    title: str
    architecture: str
    peak_flop_per_s: Mapping[str, int]
    """Dense peak per dtype; a dtype that the vendor states no peak for is absent."""
    bandwidth_bytes_per_s: int
    """Of device memory."""
    memory_bytes: int
    """Nominal: a card sold with 48 GB has 48 * 2^30 bytes."""
    source: str
    notes: tuple[str, ...] = ()
    reported_bytes: int | None = None
    """Memory as CUDA reports it (``torch.cuda.get_device_properties(...).total_memory``): the
    driver keeps some for itself, error correction of GDDR takes a sixteenth. On a CPU: what the
    system says is available. None where no report is known."""
    reported_source: str = ""
    """Who reported it; given with ``reported_bytes``, and never without."""

    def __post_init__(self) -> None:
        for field in ("name", "title", "architecture", "source"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise InvalidValueError(f"device {self.name!r}", field, "a text", value)
        if not self.peak_flop_per_s:
            raise InvalidValueError(f"device {self.name!r}", "peaks", "at least one", {})
        amounts = {
            "bandwidth_bytes_per_s": self.bandwidth_bytes_per_s,
            "memory_bytes": self.memory_bytes,
            **self.peak_flop_per_s,
        }
        for field, amount in amounts.items():
            if not isinstance(amount, int) or isinstance(amount, bool) or amount <= 0:
                raise InvalidValueError(f"device {self.name!r}", field, "above zero", amount)
        for dtype in self.peak_flop_per_s:
            if dtype not in DTYPES:
                raise UnknownNameError("dtype", dtype, DTYPES)
        self._check_report()

    def _check_report(self) -> None:
        reported, owner = self.reported_bytes, f"device {self.name!r}"
        if (reported is None) != (not self.reported_source.strip()):
            raise InvalidValueError(
                owner,
                "reported_source",
                "given with reported_bytes, and never without",
                self.reported_source,
            )
        if reported is not None and not CONTEXT_BYTES < reported <= self.memory_bytes:
            raise InvalidValueError(
                owner,
                "reported_bytes",
                f"above {CONTEXT_BYTES} and at most the nominal {self.memory_bytes}",
                reported,
            )

    @property
    def asynchronous(self) -> bool:
        """Whether the host goes on while the device works: true of all but a CPU."""
        return self.architecture.strip().upper() != CPU

    @property
    def usable_bytes(self) -> int:
        """What one process can allocate when nothing else runs on the device.

        The memory that CUDA reports, else ``REPORTED_PERCENT`` of the nominal, less what CUDA
        holds itself (``CONTEXT_BYTES``); on a CPU, all that is reported.
        """
        reported = self.reported_bytes
        if reported is None:
            reported = self.memory_bytes * REPORTED_PERCENT // 100
        return max(reported - CONTEXT_BYTES, 0) if self.asynchronous else reported

    @property
    def usable_source(self) -> str:
        """Where ``usable_bytes`` comes from, in words."""
        known = self.reported_source or f"{REPORTED_PERCENT}% of the nominal memory (our rule)"
        return f"{known}, less {CONTEXT_BYTES // MEBI} MiB of CUDA" if self.asynchronous else known

    def peak(self, dtype: str = "bf16") -> int:
        """Dense peak in FLOP/s for products of this dtype.

        Raises
        ------
        UnknownNameError
            No such dtype, or the vendor states no peak for it on this device.
        """
        short = plain_dtype(dtype)
        if short not in self.peak_flop_per_s:
            raise UnknownNameError(f"dtype of {self.name}", dtype, self.peak_flop_per_s)
        return self.peak_flop_per_s[short]

    def ridge_flop_per_byte(self, dtype: str = "bf16") -> float:
        """FLOPs per byte above which the peak binds, and below which the bandwidth does."""
        return self.peak(dtype) / self.bandwidth_bytes_per_s

    def facts(self) -> dict[str, Any]:
        """Return the record as one flat row: a column per dtype, None where nothing is stated."""
        return {
            "device": self.name,
            "title": self.title,
            "architecture": self.architecture,
            **{f"{dtype}_flop_per_s": self.peak_flop_per_s.get(dtype) for dtype in DTYPES},
            "bandwidth_bytes_per_s": self.bandwidth_bytes_per_s,
            "memory_bytes": self.memory_bytes,
            "usable_bytes": self.usable_bytes,
            "usable_source": self.usable_source,
            "source": self.source,
            "notes": " ".join(self.notes),
        }

    def __str__(self) -> str:
        """Name the device with its bf16 peak, or with its first one."""
        dtype = "bf16" if "bf16" in self.peak_flop_per_s else next(iter(self.peak_flop_per_s))
        return f"{self.title} ({si(self.peak_flop_per_s[dtype], 'FLOP/s')} dense {dtype})"
