"""When a pass breaks off: out of memory is a result, anything else a failure to try again."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_MEMORY_WORDS = (
    "not enough memory",  # torch's CPU allocator
    "can't allocate memory",  # the same, on other systems
    "cannot allocate memory",  # the operating system's own words
    "out of memory",  # CUDA errors that are no OutOfMemoryError
    "cublas_status_alloc_failed",
)

_LONGEST = 300
"""Characters of a message that a row keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How and where a pass ended."""

    status: str
    """"oom" or "failed"."""
    stage: str
    reason: str


def failure_of(error: Exception, stage: str) -> Failure:
    """Return what a row says about this error."""
    status = "oom" if is_out_of_memory(error) else "failed"
    lines = str(error).strip().splitlines()
    words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return Failure(status=status, stage=stage, reason=words[:_LONGEST])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host had no memory left (CPU torch says so in words only)."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _MEMORY_WORDS)
