"""How *long* it takes: kernel times from measured silicon, and what they add up to.

Records load at once; what needs NumPy or the kernels' tables loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnizip_cost.latency.backends import BACKENDS
    from omnizip_cost.latency.calibration import Calibration
    from omnizip_cost.latency.prediction import FIRST_TOKEN, Prediction
    from omnizip_cost.latency.ratio import Ratio, speedup
    from omnizip_cost.latency.rows import PredictionRow, prediction_row
    from omnizip_cost.latency.stages import StageTime
    from omnizip_cost.latency.timed_op import TimedOp
    from omnizip_cost.latency.whole_pass import predict

__all__ = [
    "BACKENDS",
    "FIRST_TOKEN",
    "Calibration",
    "Prediction",
    "PredictionRow",
    "Ratio",
    "StageTime",
    "TimedOp",
    "predict",
    "prediction_row",
    "speedup",
]

_LAZY = {
    "BACKENDS": "backends",
    "Calibration": "calibration",
    "FIRST_TOKEN": "prediction",
    "Prediction": "prediction",
    "PredictionRow": "rows",
    "Ratio": "ratio",
    "StageTime": "stages",
    "TimedOp": "timed_op",
    "predict": "whole_pass",
    "prediction_row": "rows",
    "speedup": "ratio",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
