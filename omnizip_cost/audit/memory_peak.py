"""What a claim's run takes at its peak, counted under the assumptions of ``audit.memory``."""

from __future__ import annotations

from typing import Any

from omnizip_cost.audit.rows import Rows
from omnizip_cost.audit.work import Case, most_tokens
from omnizip_cost.cost.memory import memory_peak
from omnizip_cost.specs import ModelSpec
from omnizip_cost.units import GIGA

STEPS = 100
"""R where the claim states none: ``max_new_tokens`` of the paper's published evaluation."""

_WEIGHTS_ONLY = ("fp8", "int8")
"""Types of a claim that are its weights'; the rest then computes in bf16."""


def counted_bytes(case: Case, tokens: int | None = None, **settings: Any) -> int | None:
    """Peak of a claim's run; None where model, length or what is kept of it is open.

    Parameters
    ----------
    case : Case
    tokens : int, optional
        n, in place of the claim's.
    settings
        Of :func:`~omnizip_cost.cost.memory.memory_peak`, in place of the assumed ones.
    """
    if case.spec is None or not case.computable or (case.length is None and tokens is None):
        return None
    return _peak(case, case.spec, tokens, settings)


def _peak(case: Case, spec: ModelSpec, tokens: int | None, settings: dict[str, Any]) -> int:
    dtype = {"tf32": "fp32"}.get(case.dtype, case.dtype)
    quantised = dtype in _WEIGHTS_ONLY
    steps = case.claim.decode_steps
    given = {
        "dtype": "bf16" if quantised else dtype,
        "weight_dtype": dtype if quantised else None,
        "decode_steps": STEPS if steps is None else steps,
        **settings,
    }
    return memory_peak(spec, case.plan(tokens), **given).peak_bytes


def length_of(case: Case, budget_bytes: float, **settings: Any) -> int | None:
    """Longest n whose counted peak stays within a budget; 0: none; None where nothing is counted.

    A claim that states its tokens layer by layer has no other length.
    """
    if case.spec is None or not case.computable or case.claim.layer_tokens:
        return None
    spec = case.spec
    return most_tokens(lambda n: _peak(case, spec, n, settings) <= budget_bytes)


def implied_length(case: Case, rows: Rows) -> int | None:
    """Length at which the same method takes as much more than full tokens as printed elsewhere.

    Of a row that ran out of memory nothing is printed; another model's rows of the same table may
    print both the method and the full run. What the two share cancels: weights, cache, whatever is
    resident beside the thinker.

    Returns
    -------
    int or None
        None where no other model has both rows, or the difference is no more than rounding.
    """
    method = case.claim.method
    for other in rows.beside(case):
        printed, full = other.claim.memory_gb, rows.full_run(other, "memory_gb")
        if other.claim.method != method or printed is None or full is None or other.spec is None:
            continue
        whole = full.claim.memory_gb
        assert whole is not None and full.spec is not None
        wanted = (float(printed) - float(whole)) * GIGA
        if wanted <= float(printed.half + whole.half) * GIGA:
            continue
        return _length_of_difference(other, full, wanted)
    return None


def _length_of_difference(one: Case, two: Case, wanted_bytes: float) -> int:
    """Largest n at which one case takes no more than this above the other."""
    assert one.spec is not None and two.spec is not None
    specs = one.spec, two.spec

    def difference(n: int) -> int:
        return _peak(one, specs[0], n, {}) - _peak(two, specs[1], n, {})

    return most_tokens(lambda n: difference(n) <= wanted_bytes)
