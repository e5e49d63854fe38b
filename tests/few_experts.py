"""The small mixture of experts that other counters are shown, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.specs import ThinkerSpec

ANALYSIS = Path(__file__).resolve().parents[1] / "analysis"


def few_experts(**changes: Any) -> ThinkerSpec:
    """Return Qwen3-Omni with three layers of six experts, and ``changes`` to its text config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import counters_cases

        return counters_cases.few_experts(**changes)
