"""What G, the tokens merged into each anchor, changes in cost: G = 0 to 15.

    python analysis/paper_anchors.py [--out DIR] [--check]

Writes anchors.csv: for both of the paper's settings and every G the tokens kept, the exact count's
FLOPs of prefill and of selection, what selection moves and launches, and predicted times. G = 0 is
no anchors at all, as in the published code; from G = 1 on every token that is left over is ranked
inside the group of its anchor whatever G is, so that no size depends on it. Nothing is timed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paper_program import Table, run
from paper_settings import CLIP, clip

import omnizip_cost as oz
from omnizip_cost.compression import PAPER_SETTINGS, Setting
from omnizip_cost.compression.counts import MERGE
from omnizip_cost.cost import selection_ops
from omnizip_cost.results import FlatRow
from omnizip_cost.specs import ThinkerSpec, require_thinker
from omnizip_cost.units import MILLI
from omnizip_cost.workload import Workload

MODEL, DEVICE, BACKEND = "qwen2.5-omni-7b", "h100-sxm", "hf-sdpa"
EXACT = "sdpa"
MOST = 15
"""The paper's G for tasks centred on audio (OmniZip, Sec. 4)."""
RATIOS = (0.45, 0.35)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRow(FlatRow):
    """One setting at one G."""

    model: str
    device: str
    backend: str
    clip: str
    av_tokens: int
    label: str
    method: str
    rho_a: float
    rho_v: float
    anchor_share: float
    merge: int
    """G."""
    default: bool
    """Whether it is the published default."""
    av_kept: int
    """Audio and video tokens."""
    prefill_flops: int
    selection_flops: int
    selection_bytes: int
    selection_operators: int
    """That torch dispatches to an accelerator, views apart: at least a kernel each."""
    prefill_ms: float
    selection_ms: float


def anchor_rows(model: str = MODEL, most: int = MOST) -> Iterator[AnchorRow]:
    """Rows of both settings, G by G."""
    spec = require_thinker(oz.load_spec(model))
    work = clip(spec)
    for ratio in RATIOS:
        chosen = [s for s in PAPER_SETTINGS if (s.method, s.retained) == ("omnizip", ratio)][-1]
        for merge in range(most + 1):
            yield _row(spec, work, chosen, merge)


def _row(spec: ThinkerSpec, work: Workload, setting: Setting, merge: int) -> AnchorRow:
    kept = oz.plan(
        "omnizip",
        work,
        spec,
        audio_pruning=setting.rho_a,
        video_pruning=setting.rho_v,
        merge=merge,
    )
    counted = oz.count(spec, kept, EXACT, 0)
    chosen = [row for row in counted if row.component == "selection"]
    steps = selection_ops(spec, kept)
    predicted = oz.predict(spec, kept, DEVICE, backend=BACKEND, decode=0)
    assert steps is not None and kept.anchor_share is not None
    assert setting.rho_a is not None and setting.rho_v is not None
    return AnchorRow(
        model=spec.name,
        device=DEVICE,
        backend=BACKEND,
        clip=CLIP,
        av_tokens=kept.av_tokens,
        label=setting.label,
        method=setting.method,
        rho_a=setting.rho_a,
        rho_v=setting.rho_v,
        anchor_share=kept.anchor_share,
        merge=merge,
        default=merge == MERGE,
        av_kept=round(kept.av_kept),
        prefill_flops=oz.total_flops(row for row in counted if row.component != "selection"),
        selection_flops=oz.total_flops(chosen),
        selection_bytes=sum(step.bytes_moved for step in steps),
        selection_operators=sum(step.kernels for step in steps),
        prefill_ms=predicted.seconds("prefill") / MILLI,
        selection_ms=predicted.seconds("selection") / MILLI,
    )


def tables() -> dict[str, Table]:
    """The table, by the name of its file."""
    return {"anchors.csv": list(anchor_rows())}


if __name__ == "__main__":
    raise SystemExit(run(tables, __doc__))
