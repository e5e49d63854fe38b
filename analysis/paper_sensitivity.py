"""Speed-up over both pruning ratios: every pair predicted, the paper's settings among them.

    python analysis/paper_sensitivity.py [--out DIR] [--check]

Writes sensitivity.csv: for each pair (rho_a, rho_v) of a grid the predicted speed-up of prefill,
selection inside, with its interval, and the exact count's FLOPs as a share of those of all tokens;
sensitivity_marks.csv: the same for the paper's settings of OmniZip, and for the pairs that retained
ratios are turned into when no pair is given. Nothing is timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paper_program import Table, run
from paper_settings import CLIP, clip

import omnizip_cost as oz
from omnizip_cost.compression import PAPER_SETTINGS, Plan
from omnizip_cost.latency import Prediction, speedup
from omnizip_cost.results import FlatRow
from omnizip_cost.specs import ThinkerSpec, require_thinker

MODEL, DEVICE, BACKEND = "qwen2.5-omni-7b", "h100-sxm", "hf-sdpa"
EXACT = "sdpa"
PARTS = 20
"""Steps of each ratio from none to all; 1 itself leaves no token of one kind and is left out."""
LINE = (1.0, 0.9, 0.8, 0.75, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15)
"""Retained ratios that are turned into pairs."""
PASS = ("prefill", "selection")


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow(FlatRow):
    """One pair of pruning ratios."""

    kind: str
    """``grid``; ``setting``, one of the paper's; ``line``, the pair of a retained ratio."""
    model: str
    device: str
    backend: str
    clip: str
    av_tokens: int
    anchor_share: float
    label: str
    rho_a: float
    rho_v: float
    retained: float
    """Asked for, anchors counted."""
    realised: float
    seconds: float
    """Of prefill and selection."""
    speedup: float
    """Prefill of all tokens over ``seconds``, predicted."""
    speedup_low: float
    speedup_high: float
    flops: int
    """Of prefill and selection by the exact count."""
    flops_share: float
    """Of all tokens' prefill."""


class Sensitivity:
    """Predictions of one model on one prompt, beside that of all tokens."""

    def __init__(self, model: str = MODEL, device: str = DEVICE) -> None:
        self.spec: ThinkerSpec = require_thinker(oz.load_spec(model))
        self.device = device
        self.work = clip(self.spec)
        full = oz.plan("full", self.work, self.spec)
        self.full = self._predicted(full)
        self.full_flops = self._counted(full)

    def grid(self, parts: int = PARTS) -> Iterator[SensitivityRow]:
        """Every pair of ``parts`` steps, rho_v within rho_a; (0, 0) is all tokens."""
        for step_a in range(parts):
            for step_v in range(parts):
                yield self.row("grid", self._plan(step_a / parts, step_v / parts))

    def settings(self) -> Iterator[SensitivityRow]:
        """The paper's settings of OmniZip."""
        for setting in PAPER_SETTINGS:
            if setting.method == "omnizip" and setting.rho_a is not None:
                assert setting.rho_v is not None
                kept = self._plan(setting.rho_a, setting.rho_v)
                yield self.row("setting", kept, f"{setting.retained:.0%}")

    def line(self, ratios: Sequence[float] = LINE) -> Iterator[SensitivityRow]:
        """Pairs of retained ratios where none is given."""
        for ratio in ratios:
            kept = oz.plan("omnizip", self.work, self.spec, retained=ratio)
            yield self.row("line", kept, f"{ratio:.0%}")

    def row(self, kind: str, kept: Plan, label: str = "") -> SensitivityRow:
        """Predict and count one plan."""
        predicted = self._predicted(kept)
        gain = speedup(predicted, self.full, *PASS)
        assert gain is not None and kept.anchor_share is not None
        assert kept.rho_a is not None and kept.rho_v is not None
        flops = self._counted(kept)
        return SensitivityRow(
            kind=kind,
            model=self.spec.name,
            device=self.device,
            backend=BACKEND,
            clip=CLIP,
            av_tokens=kept.av_tokens,
            anchor_share=kept.anchor_share,
            label=label,
            rho_a=kept.rho_a,
            rho_v=kept.rho_v,
            retained=kept.retained,
            realised=kept.realised,
            seconds=predicted.seconds(*PASS),
            speedup=gain.ratio,
            speedup_low=gain.low,
            speedup_high=gain.high,
            flops=flops,
            flops_share=flops / self.full_flops,
        )

    def _plan(self, rho_a: float, rho_v: float) -> Plan:
        return oz.plan("omnizip", self.work, self.spec, audio_pruning=rho_a, video_pruning=rho_v)

    def _predicted(self, kept: Plan) -> Prediction:
        return oz.predict(self.spec, kept, self.device, backend=BACKEND, decode=0)

    def _counted(self, kept: Plan) -> int:
        return oz.total_flops(oz.count(self.spec, kept, EXACT, 0))


def tables() -> dict[str, Table]:
    """Both tables, by the name of their file."""
    found = Sensitivity()
    return {
        "sensitivity.csv": list(found.grid()),
        "sensitivity_marks.csv": [*found.settings(), *found.line()],
    }


if __name__ == "__main__":
    raise SystemExit(run(tables, __doc__))
