"""Which figures there are: one entry each, in the order in which they are listed and drawn."""

from __future__ import annotations

from omnizip_cost.plotting.accuracy import draw_accuracy
from omnizip_cost.plotting.anchors import draw_anchors
from omnizip_cost.plotting.attention_share import draw_attention_share
from omnizip_cost.plotting.audit import draw_audit
from omnizip_cost.plotting.clip_length import draw_clip_length
from omnizip_cost.plotting.conventions import draw_conventions
from omnizip_cost.plotting.counters import draw_counters
from omnizip_cost.plotting.entry import FigureEntry
from omnizip_cost.plotting.error_distribution import draw_error_distribution
from omnizip_cost.plotting.exact_ratio import draw_exact_ratio
from omnizip_cost.plotting.kept import draw_kept
from omnizip_cost.plotting.kernel_errors import draw_kernel_errors
from omnizip_cost.plotting.memory import draw_memory
from omnizip_cost.plotting.memory_bars import draw_memory_bars
from omnizip_cost.plotting.paper_tables import draw_paper_tables
from omnizip_cost.plotting.predicted_observed import draw_predicted_observed
from omnizip_cost.plotting.predicted_speedup import draw_predicted_speedup
from omnizip_cost.plotting.predictors import draw_predictors
from omnizip_cost.plotting.prefill_bars import draw_prefill_bars
from omnizip_cost.plotting.roofline import draw_roofline
from omnizip_cost.plotting.sensitivity import draw_sensitivity
from omnizip_cost.plotting.speedup import draw_speedup
from omnizip_cost.plotting.speedup_limits import draw_speedup_limits
from omnizip_cost.plotting.stages import draw_stages
from omnizip_cost.plotting.waterfall import draw_waterfall
from omnizip_cost.plotting.windows import draw_windows

FIGURES: dict[str, FigureEntry] = {
    entry.name: entry
    for entry in (
        FigureEntry(
            name="speedup",
            title="Speed-up of the prefill against the retained ratio",
            table="compare",
            made_by="omnizip-cost compare ROWS --out DIR",
            draw=draw_speedup,
        ),
        FigureEntry(
            name="windows",
            title="Audio retention and video pruning rate, window by window",
            table="windows",
            made_by="omnizip-cost demo --clip CLIP --out DIR",
            draw=draw_windows,
        ),
        FigureEntry(
            name="kept",
            title="Tokens kept of one clip, on its frames and its sound",
            table="kept",
            beside=("windows", "kept_frames"),
            made_by="omnizip-cost allocate CLIP --video-pruning R --out DIR",
            draw=draw_kept,
        ),
        FigureEntry(
            name="stages",
            title="Time per stage",
            table="stages",
            made_by="omnizip-cost compare ROWS --out DIR",
            draw=draw_stages,
        ),
        FigureEntry(
            name="conventions",
            title="FLOPs of one configuration under every convention",
            table="conventions",
            made_by="omnizip-cost demo --clip CLIP --out DIR",
            draw=draw_conventions,
        ),
        FigureEntry(
            name="counters",
            title="What other FLOP counters report beside the exact count",
            table="counters",
            made_by="python analysis/counters.py --out DIR",
            draw=draw_counters,
        ),
        FigureEntry(
            name="audit",
            title="Implied rate of every timed claim against the dense peak of its card",
            table="audit",
            made_by="omnizip-cost audit --out DIR",
            draw=draw_audit,
        ),
        FigureEntry(
            name="speedup_limits",
            title="Prefill FLOPs, full over kept, between 1/r and 1/r^2",
            table="speedup_limits",
            made_by="omnizip-cost derive --out DIR",
            draw=draw_speedup_limits,
        ),
        FigureEntry(
            name="attention_share",
            title="Attention's share of the prefill against the length",
            table="attention_share",
            made_by="omnizip-cost derive --out DIR",
            draw=draw_attention_share,
        ),
        FigureEntry(
            name="exact_ratio",
            title="The exact count over Eq. 9's against the length",
            table="exact_ratio",
            made_by="omnizip-cost derive --out DIR",
            draw=draw_exact_ratio,
        ),
        FigureEntry(
            name="predictors",
            title="Speed-ups that different predictors promise",
            table="predictors",
            made_by="python analysis/predictors.py --out DIR",
            draw=draw_predictors,
        ),
        FigureEntry(
            name="memory",
            title="Peak memory by part, against what devices hold",
            table="memory",
            beside=("memory_limits",),
            made_by="omnizip-cost predict --model M --device D --seconds S --pixels HxW --out DIR",
            draw=draw_memory,
        ),
        FigureEntry(
            name="waterfall",
            title="From the speed-up of Eq. 9 to the observed one, an effect at a time",
            table="waterfall",
            made_by="omnizip-cost compare ROWS --explain --out DIR",
            draw=draw_waterfall,
        ),
        FigureEntry(
            name="roofline",
            title="Operators under the roof of a device, before and after compression",
            table="roofline",
            made_by="python analysis/roofline.py --out DIR",
            draw=draw_roofline,
        ),
        FigureEntry(
            name="kernel_errors",
            title="Errors of kernel times on measurements left out",
            table="kernel_errors",
            made_by="python analysis/predictors.py --records DIR --out DIR",
            draw=draw_kernel_errors,
        ),
        FigureEntry(
            name="predicted_speedup",
            title="Speed-up against the retained ratio, predicted and then observed",
            table="result",
            made_by="python analysis/result_tables.py",
            draw=draw_predicted_speedup,
        ),
        FigureEntry(
            name="predicted_observed",
            title="Predicted against observed prefill, all cells",
            table="result",
            beside=("error_summary",),
            made_by="python analysis/result_tables.py",
            draw=draw_predicted_observed,
        ),
        FigureEntry(
            name="prefill_bars",
            title="Prefill of every configuration, with its speed-up and its prediction",
            table="result",
            made_by="python analysis/result_tables.py",
            draw=draw_prefill_bars,
        ),
        FigureEntry(
            name="memory_bars",
            title="Peak memory of every configuration, with its prediction, against cards",
            table="result",
            beside=("memory_limits",),
            made_by="python analysis/result_tables.py && python analysis/clip_length.py",
            draw=draw_memory_bars,
        ),
        FigureEntry(
            name="clip_length",
            title="Latency and memory against clip length, predicted and observed",
            table="clip_length",
            made_by="python analysis/clip_length.py",
            draw=draw_clip_length,
        ),
        FigureEntry(
            name="error_distribution",
            title="Signed errors of every predictor",
            table="errors",
            beside=("error_summary",),
            made_by="python analysis/result_tables.py",
            draw=draw_error_distribution,
        ),
        FigureEntry(
            name="accuracy",
            title="Published accuracy against FLOPs and time, WorldSense",
            table="accuracy",
            made_by="python analysis/paper_accuracy.py --out DIR",
            draw=draw_accuracy,
        ),
        FigureEntry(
            name="accuracy_av",
            title="Published accuracy against FLOPs and time, AVUT, VideoMME and ShortVid-Bench",
            table="accuracy_av",
            made_by="python analysis/paper_accuracy.py --out DIR",
            draw=draw_accuracy,
        ),
        FigureEntry(
            name="paper_tables",
            title="The paper's tables with FLOPs counted by every convention",
            table="paper_tables",
            made_by="python analysis/paper_tables.py --out DIR",
            draw=draw_paper_tables,
        ),
        FigureEntry(
            name="sensitivity",
            title="Speed-up over both pruning ratios, with lines of equal FLOPs",
            table="sensitivity",
            beside=("sensitivity_marks",),
            made_by="python analysis/paper_sensitivity.py --out DIR",
            draw=draw_sensitivity,
        ),
        FigureEntry(
            name="anchors",
            title="What G, the tokens merged into each anchor, changes in cost",
            table="anchors",
            made_by="python analysis/paper_anchors.py --out DIR",
            draw=draw_anchors,
        ),
    )
}
