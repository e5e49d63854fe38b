"""How a table looks: figures of printed size, drawn from finished tables and nothing else.

This room computes nothing: no ratio, no median; a column is drawn as it comes. Colour means
method, marker means model, hatch means stage. No function touches pyplot or needs a display.
"""

from omnizip_cost.plotting.accuracy import draw_accuracy
from omnizip_cost.plotting.anchors import draw_anchors
from omnizip_cost.plotting.attention_share import draw_attention_share
from omnizip_cost.plotting.audit import draw_audit
from omnizip_cost.plotting.canvas import figure_width_in, save_figure
from omnizip_cost.plotting.catalogue import FIGURES
from omnizip_cost.plotting.clip_length import draw_clip_length
from omnizip_cost.plotting.conventions import draw_conventions
from omnizip_cost.plotting.counters import draw_counters
from omnizip_cost.plotting.entry import FigureEntry
from omnizip_cost.plotting.error_distribution import draw_error_distribution
from omnizip_cost.plotting.exact_ratio import draw_exact_ratio
from omnizip_cost.plotting.kept import draw_kept
from omnizip_cost.plotting.kernel_errors import draw_kernel_errors
from omnizip_cost.plotting.lock import LOCK_NAME, FigureState, check_drawn
from omnizip_cost.plotting.memory import draw_memory
from omnizip_cost.plotting.memory_bars import draw_memory_bars
from omnizip_cost.plotting.paper_tables import draw_paper_tables
from omnizip_cost.plotting.predicted_observed import draw_predicted_observed
from omnizip_cost.plotting.predicted_speedup import draw_predicted_speedup
from omnizip_cost.plotting.predictors import draw_predictors
from omnizip_cost.plotting.prefill_bars import draw_prefill_bars
from omnizip_cost.plotting.registry import draw_all, drawn_svg, run_program
from omnizip_cost.plotting.roofline import draw_roofline
from omnizip_cost.plotting.sensitivity import draw_sensitivity
from omnizip_cost.plotting.speedup import draw_speedup
from omnizip_cost.plotting.speedup_limits import draw_speedup_limits
from omnizip_cost.plotting.stages import draw_stages
from omnizip_cost.plotting.tables import drawable, entry_of, present_tables, table_paths
from omnizip_cost.plotting.waterfall import draw_waterfall
from omnizip_cost.plotting.windows import draw_windows

__all__ = [
    "FIGURES",
    "LOCK_NAME",
    "FigureEntry",
    "FigureState",
    "check_drawn",
    "draw_accuracy",
    "draw_all",
    "draw_anchors",
    "draw_attention_share",
    "draw_audit",
    "draw_clip_length",
    "draw_conventions",
    "draw_counters",
    "draw_error_distribution",
    "draw_exact_ratio",
    "draw_kept",
    "draw_kernel_errors",
    "draw_memory",
    "draw_memory_bars",
    "draw_paper_tables",
    "draw_predicted_observed",
    "draw_predicted_speedup",
    "draw_predictors",
    "draw_prefill_bars",
    "draw_roofline",
    "draw_sensitivity",
    "draw_speedup",
    "draw_speedup_limits",
    "draw_stages",
    "draw_waterfall",
    "draw_windows",
    "drawable",
    "drawn_svg",
    "entry_of",
    "figure_width_in",
    "present_tables",
    "run_program",
    "save_figure",
    "table_paths",
]
