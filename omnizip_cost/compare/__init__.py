"""Predicted against observed: join, signed errors, where the gap goes."""

from omnizip_cost.compare.cells import MeasuredCell, measured_cells
from omnizip_cost.compare.counts import observed_plan, stage_flops
from omnizip_cost.compare.errors import ErrorRow, ErrorSummaryRow, error_rows, summarise_errors
from omnizip_cost.compare.gap import explain, noise
from omnizip_cost.compare.join import CompareRow, compare
from omnizip_cost.compare.predicted import (
    PredictedCell,
    TimedCompareRow,
    predicted_cell,
    predicted_row,
    timed,
)
from omnizip_cost.compare.recorded import RecordedPrediction
from omnizip_cost.compare.recorded_check import Recorded, recorded_for
from omnizip_cost.compare.recorded_file import read_recorded
from omnizip_cost.compare.reported_devices import reported_device
from omnizip_cost.compare.result import ResultRow, result_rows
from omnizip_cost.compare.summary import ErrorSummary, noise_floor, summarise
from omnizip_cost.compare.tables import (
    ConventionRow,
    StageRow,
    convention_rows,
    recorded_stage_rows,
    stage_rows,
)
from omnizip_cost.compare.waterfall import STEPS, TIMERS, WaterfallRow, waterfall

__all__ = [
    "STEPS",
    "TIMERS",
    "CompareRow",
    "ConventionRow",
    "ErrorRow",
    "ErrorSummary",
    "ErrorSummaryRow",
    "MeasuredCell",
    "PredictedCell",
    "Recorded",
    "RecordedPrediction",
    "ResultRow",
    "StageRow",
    "TimedCompareRow",
    "WaterfallRow",
    "compare",
    "convention_rows",
    "error_rows",
    "explain",
    "measured_cells",
    "noise",
    "noise_floor",
    "observed_plan",
    "predicted_cell",
    "predicted_row",
    "read_recorded",
    "recorded_for",
    "recorded_stage_rows",
    "reported_device",
    "result_rows",
    "stage_flops",
    "stage_rows",
    "summarise",
    "summarise_errors",
    "timed",
    "waterfall",
]
