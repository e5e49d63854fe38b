"""Rows of the comparison of predictors, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from printed_tables import aligned

from omnizip_cost.results.row import FlatRow

FLOPS, SECONDS = "FLOPs", "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup(FlatRow):
    """What one predictor says that keeping a share of the tokens gains in one phase."""

    predictor: str
    predicts: str
    """``FLOPs``, whose ratio is then taken for a speed-up, or ``seconds``."""
    model: str
    device: str
    """Empty where the predictor knows none."""
    phase: str
    """``prefill``, or ``decode``: per token, of the steps after that prefill."""
    tokens: int
    retained: float
    kept_tokens: int
    linear: float
    """tokens / kept_tokens: a cost exactly linear in tokens."""
    full: float
    """FLOPs or seconds, by ``predicts``."""
    kept: float
    speedup: float
    speedup_low: float | None = None
    speedup_high: float | None = None
    """The predictor's own interval; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelError(FlatRow):
    """How far one predictor is off measured kernel times that it had not seen."""

    predictor: str
    device: str
    op: str
    left_out: str
    """How records were left out; ``nothing fitted`` where nothing had to be."""
    records: int | None
    median: float
    """Absolute relative error."""
    p90: float | None
    bias: float | None
    """Median of predicted over measured, less one."""
    target: float | None
    """What this project set itself for the median; None elsewhere."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRatio(FlatRow):
    """A measured speed-up of a prefill beside what is predicted for it."""

    source: str
    device: str
    cards: int
    model: str
    method: str
    retained: float
    """The source's realised ratio where it states one, else its nominal one."""
    ratio_from: str
    full_ms: float
    kept_ms: float
    measured: float
    measured_low: float
    measured_high: float
    """Ends of what the printed digits allow."""
    tokens: int | None
    """Length at which the predicted full prefill takes as long as the measured one."""
    predicted: float | None
    predicted_low: float | None
    predicted_high: float | None
    residual: float | None
    """Predicted over measured, less one."""
    at_half_length: float | None
    at_double_length: float | None
    """Predicted ratios at half and at twice that length."""
    at_paper_length: float
    """Predicted ratio at the paper's n."""
    full_s_at_paper_length: float
    """Predicted full prefill there."""
    eq9: float | None
    exact: float | None
    """Ratios of FLOPs at ``tokens``: Eq. 9, and causal pairs with the head (``hardware``)."""
    kernels_from: str
    """Measured device whose efficiency is lent; empty where the device itself was measured."""
    note: str


def speedup_table(rows: Sequence[Speedup], model: str, phase: str) -> str:
    """Predicted speed-ups of one model and phase: a line per predictor and device."""
    chosen = [row for row in rows if (row.model, row.phase) == (model, phase)]
    ratios = sorted({row.retained for row in chosen}, reverse=True)
    lines = [[f"{model}, {phase}", *(f"{ratio:.0%}" for ratio in ratios)]]
    for name in dict.fromkeys((row.predictor, row.device) for row in chosen):
        by_ratio = {row.retained: row for row in chosen if (row.predictor, row.device) == name}
        label = ", ".join(part for part in name if part)
        lines.append([label, *(f"{by_ratio[ratio].speedup:.3f}" for ratio in ratios)])
    return aligned(lines)


def error_table(rows: Sequence[KernelError]) -> str:
    """Median errors on kernels: a line per predictor and kind of record."""
    devices = list(dict.fromkeys(row.device for row in rows if row.device))
    lines = [["kernel, records left out, predictor", *devices]]
    for key in dict.fromkeys((row.op, row.left_out, row.predictor) for row in rows):
        own = {r.device: r.median for r in rows if (r.op, r.left_out, r.predictor) == key}
        stated = own.get("")
        cells = [f"{own[d]:.1%}" if d in own else "-" for d in devices]
        if stated is not None:
            cells = [f"{stated:.1%} stated"] + [""] * (len(devices) - 1)
        lines.append([", ".join(key), *cells])
    return aligned(lines)


def published_table(rows: Sequence[PublishedRatio]) -> str:
    """Measured ratios beside predicted ones, a line each."""
    lines = [["measured elsewhere", "n", "measured", "predicted", "interval", "residual",
              "n/2", "2n", "Eq. 9"]]  # fmt: skip
    for row in rows:
        name = f"{row.source}, {row.device}, {row.model}, {row.method} {row.retained:.1%}"
        lines.append(
            [
                name,
                "-" if row.tokens is None else f"{row.tokens:,}",
                f"{row.measured:.2f}",
                _times(row.predicted),
                f"{_times(row.predicted_low)} to {_times(row.predicted_high)}",
                "-" if row.residual is None else f"{row.residual:+.1%}",
                _times(row.at_half_length),
                _times(row.at_double_length),
                _times(row.eq9),
            ]
        )
    return aligned(lines)


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
