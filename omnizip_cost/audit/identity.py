"""The columns and words that say which number of which claim a finding is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omnizip_cost.audit.finding import STATED
from omnizip_cost.audit.work import Case
from omnizip_cost.compression import METHODS
from omnizip_cost.units import KILO


def claim_columns(case: Case, quantity: str, claimed: float, unit: str) -> dict[str, Any]:
    """Columns of a finding that come from its claim."""
    claim = case.claim
    return {
        "source": claim.source,
        "place": claim.place,
        "model": claim.model,
        "device": claim.device,
        "device_from": claim.device_from or None,
        "gpus": claim.gpus,
        "method": claim.method,
        "retained": claim.retained,
        "benchmark": claim.benchmark or None,
        "quantity": quantity,
        "claimed": claimed,
        "unit": unit,
        "tokens": claim.tokens,
        "note": claim.note or None,
        "assumed": ", ".join(_assumed(case, quantity)) or None,
        "tokens_from": claim.tokens_from or (None if claim.tokens is None else STATED),
    }


def _assumed(case: Case, quantity: str) -> Iterator[str]:
    """Which facts that decide this quantity are not the row's own."""
    claim = case.claim
    timed = quantity in {"prefill", "end to end"}
    if claim.tokens is not None and claim.tokens_from and quantity != "memory":
        yield "n"
    if claim.device_from and timed:
        yield "device"
    counted = quantity != "memory" and case.computable and not claim.layer_tokens
    if counted and not claim.full and claim.method not in METHODS:
        yield "method"
    if claim.dtype is None and case.spec is not None and (timed or quantity == "memory"):
        yield "dtype"


def length_words(case: Case) -> str:
    """Name the length that a claim is held against, and what was kept of it."""
    claim = case.claim
    if claim.layer_tokens:
        return f"{claim.layer_tokens} tokens per layer"
    kept = "" if claim.full or claim.retained is None else f" with {claim.retained:.0%} kept"
    assumed = " (assumed)" if claim.tokens_from else ""
    return f"n = {claim.tokens:,}{assumed}{kept}"


def cards(case: Case) -> str:
    """Name the device of a claim, and how many of it."""
    assert case.device is not None
    return case.device.name if case.claim.gpus == 1 else f"{case.claim.gpus} x {case.device.name}"


def in_seconds(seconds: float) -> str:
    """Write a time with three digits, in ms below one second."""
    return f"{seconds * KILO:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
