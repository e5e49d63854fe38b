"""A small campaign whose seconds somebody chose, with predictions on record that somebody chose.

Full tokens take 4 s of prefill, 0.6 s of encoders and assembly and 0.2 s a decoded token; half of
them 1.5 s, 0.5 s of selection, the same encoders, and 0.1 s a token.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from planted_rows import planted

from omnizip_cost.compare.recorded import RecordedPrediction, Writer
from omnizip_cost.compression import make_plan
from omnizip_cost.hardware import load_device
from omnizip_cost.latency import predict
from omnizip_cost.results import MeasurementRow
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import workload

SPEC = load_spec("omni-tiny")
SPECS = {"omni-tiny": SPEC}
STARTED, WRITTEN = "2026-02-03T00:00:00+00:00", "2026-02-02T00:00:00+00:00"
STEPS = 2

ENCODERS = {"audio_encoder": 0.1, "vision_encoder": 0.4, "assembly": 0.1}
FULL_S = {"prefill": 4.0, "decode": STEPS * 0.2, **ENCODERS}
HALF_S = {"prefill": 1.5, "selection": 0.5, "decode": STEPS * 0.1, **ENCODERS}

CHOSEN = {
    "full": {
        "prefill_s": 5.0, "speedup": 1.0, "ttft_s": 5.5, "decode_s_per_token": 0.25,
        "end_to_end_s": 6.0, "ttft_speedup": 1.0, "end_to_end_speedup": 1.0,
    },
    "random": {
        "prefill_s": 1.2, "prefill_low_s": 1.0, "prefill_high_s": 1.6, "selection_s": 0.4,
        "ttft_s": 2.6, "decode_s_per_token": 0.08, "end_to_end_s": 2.81,
        "speedup": 2.2, "speedup_low": 2.1, "speedup_high": 2.4,
        "ttft_speedup": 2.3, "end_to_end_speedup": 1.8,
    },
}  # fmt: skip
"""What was predicted, by method."""


class Planted(NamedTuple):
    """Measured rows of one configuration, and what was on record of it."""

    rows: list[MeasurementRow]
    recorded: RecordedPrediction


@cache
def full_tokens() -> Planted:
    """The reference."""
    return _planted("full", 1.0, FULL_S)


@cache
def half(label: str = "Random 50%") -> Planted:
    """Half the audio and video tokens."""
    return _planted("random", 0.5, HALF_S, label)


def changed(one: Planted, **changes: Any) -> list[MeasurementRow]:
    """Rows of a configuration with other columns."""
    return [replace(row, **changes) for row in one.rows]


def broken(one: Planted, status: str, reason: str) -> list[MeasurementRow]:
    """The one row of a configuration that ended before its counts were known."""
    row = next(row for row in one.rows if row.stage == "prefill")
    counts = dict.fromkeys(("kept_tokens", "av_kept", "audio_kept", "video_kept", "realised"))
    times = dict.fromkeys(("median_s", "low_s", "high_s"))
    return [replace(row, **counts, **times, samples_s=(), status=status, reason=reason)]


def _planted(
    method: str, retained: float, seconds: dict[str, float], label: str = "Full tokens"
) -> Planted:
    work = workload(SPEC, seconds=4, pixels=(112, 112))
    plan = make_plan(method, work, SPEC, retained=retained)
    device = load_device("h100-sxm")
    prediction = predict(SPEC, plan, device, workload=work, decode=STEPS)
    rows = planted(
        prediction,
        work,
        lambda stage: seconds.get(stage, 0.0),
        label=label,
        device="NVIDIA H100 80GB HBM3",
        started_utc=STARTED,
        created_utc=STARTED,
    )
    writer = Writer(package_version="1.2.3", git_commit="", created_utc=WRITTEN)
    recorded = writer.record(
        prediction, prediction, clip=work.name, label=label, attention="sdpa", execution="stock"
    )
    return Planted(rows, replace(recorded, **CHOSEN[method]))
