"""The paper's ten memory rows beside what is counted, under other assumptions one at a time.

    python analysis/memory_published.py

Prints residuals in GB: printed less counted. Nothing is fitted; the first column is what the audit
shows (see omnizip_cost/audit/memory.py), each other one changes one assumption.
"""

from __future__ import annotations

from collections.abc import Callable

from omnizip_cost.audit import bundled_claims
from omnizip_cost.audit.memory_peak import counted_bytes
from omnizip_cost.audit.work import Case, case_of
from omnizip_cost.units import GIBI, GIGA

SPEECH = {"qwen2.5-omni-7b": 1_351_360_256 + 449_051_264}
"""Weights of the talker and the vocoder that the whole released model loads beside the thinker, as
the paper's evaluation does (github.com/KD-TAO/OmniZip, eval/eval.py). The talker: transformers'
class at the released sizes (24 layers, hidden 896, FFN 18,944, 12 and 4 heads of 128, 8,448 codes,
rows of 3,584); the vocoder: the class's defaults. The 3B's talker is not known to us."""

IMPLIED = 12_176
"""n that its FastV rows imply (`omnizip-cost audit --json`, quantity "out of memory")."""


def _gb(size: int | None, unit: int = GIGA) -> float | None:
    return None if size is None else size / unit


def _whole_model(case: Case) -> float | None:
    counted, beside = counted_bytes(case), SPEECH.get(case.claim.model)
    return None if counted is None or beside is None else (counted + 2 * beside) / GIGA


ASSUMPTIONS: dict[str, Callable[[Case], float | None]] = {
    "as audited": lambda case: _gb(counted_bytes(case)),
    "GB = 2^30": lambda case: _gb(counted_bytes(case), GIBI),
    "whole model": _whole_model,
    f"n = {IMPLIED:,}": lambda case: _gb(counted_bytes(case, IMPLIED)),
    "n = 25,000": lambda case: _gb(counted_bytes(case, 25_000)),
    "eager": lambda case: _gb(counted_bytes(case, backend="hf-eager")),
}


def main() -> None:
    """Print the table."""
    cases = [case_of(claim) for claim in bundled_claims() if claim.source == "omnizip"]
    print("model  method   kept  printed  " + "  ".join(f"{name:>11}" for name in ASSUMPTIONS))
    for case in cases:
        claim = case.claim
        if claim.memory_gb is None and not claim.out_of_memory:
            continue
        row = [f"{claim.model[-2:]:<6} {claim.method:<8} {claim.retained or 1:<5.0%}"]
        row.append("    oom" if claim.memory_gb is None else f"{float(claim.memory_gb):7.0f}")
        for counted_gb in (count(case) for count in ASSUMPTIONS.values()):
            if counted_gb is None:
                row.append(f"{'-':>11}")
            elif claim.memory_gb is None:
                row.append(f"({counted_gb:9.1f})")
            else:
                row.append(f"{float(claim.memory_gb) - counted_gb:+11.1f}")
        print("  ".join(row))
    print(
        "In brackets: what is counted, where the row ran out of the card's memory (50.5 GB usable)."
    )


if __name__ == "__main__":
    main()
