"""Latency and memory against clip length, predicted for each method, observed where measured.

    python analysis/clip_length.py
    python analysis/clip_length.py --tables DIR --out DIR

Writes DIR/<device>/clip_length.csv and DIR/<device>/memory_limits.csv. Nothing is timed: lines are
predictions from 3 s to 600 s, one cell per method of the campaign, and observed points are taken
from DIR/<device>/result.csv where the campaign measured such a clip. Past 300 s Qwen2.5-Omni hears
no more sound, and past 384 s its processor takes no more than 768 frames: the lines bend there.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from campaign_grid import DECODE_STEPS, PIXELS, TRACED

from omnizip_cost.compression import Plan, make_plan
from omnizip_cost.cost.memory import memory_peak
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.hardware import Device, load_device, plain_dtype
from omnizip_cost.latency import Calibration, Prediction, predict
from omnizip_cost.latency.calibration_file import read_calibration
from omnizip_cost.profiling.cell import Cell
from omnizip_cost.results import FlatRow
from omnizip_cost.results.tables import read_table, write_table
from omnizip_cost.specs import ThinkerSpec, load_spec, require_thinker
from omnizip_cost.workload import VideoSettings, Workload, workload
from omnizip_cost.workload.lengths import SAMPLE_RATE_HZ, max_samples

HERE = Path(__file__).parent
TABLES = HERE / "tables"
CPU_FOLDER = HERE / "measurements" / "cpu-calibration"

SECONDS = (3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 360, 384, 450, 600)
"""Lengths at which the lines are predicted, beside those at which a method stops fitting."""
CARDS = ("rtx-4090", "rtx-a6000", "h100-sxm")
"""One card of each size that is widely sold: 24, 48 and 80 GB."""
ATTENTION, BACKEND = "sdpa", "hf-sdpa"
_CLIP = re.compile(r"^(?P<seconds>\d+(\.\d+)?) s at (?P<height>\d+)x(?P<width>\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device and the model whose lines are drawn for it."""

    folder: str
    """Under the tables."""
    device: str
    """A bundled name, or a file."""
    model: str = "qwen2.5-omni-7b"
    dtype: str = "bf16"
    calibration: Path | None = None


TARGETS = (
    Target(folder="cpu", device=str(CPU_FOLDER / "cpu.toml"), model="omni-tiny", dtype="fp32",
           calibration=CPU_FOLDER / "calibration.toml"),
    Target(folder="h100-sxm", device="h100-sxm"),
    Target(folder="rtx-a6000", device="rtx-a6000"),
)  # fmt: skip
MEASURED_ONLY = (Target(folder="h200-sxm", device="h200-sxm"),)
"""Devices whose tables are made once a campaign has run there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLengthRow(FlatRow):
    """One method on one clip: predicted, or observed by the campaign."""

    model: str
    device: str
    dtype: str
    attention: str
    timed: str
    """"predicted" or "observed"."""
    kind: str
    """Of a prediction: "uncalibrated" or "calibrated"; empty where observed."""
    method: str
    label: str
    fastv_form: str | None
    seconds: float
    """Of the clip, sound and picture alike."""
    clip: str
    full_tokens: int
    """Prompt tokens before compression, text included."""
    audio_tokens: int | None
    video_tokens: int | None
    frames: int | None
    """That the model sees."""
    decode_steps: int
    weights: str
    """Empty where predicted."""
    status: str
    """"oom" where it does not fit the device, or ran out of memory there."""
    prefill_s: float | None
    ttft_s: float | None
    end_to_end_s: float | None
    peak_memory_bytes: int | None
    usable_bytes: int
    fits_up_to_s: float | None
    """Whole seconds of the longest clip that is predicted to fit; None where all do."""
    sound_ends_s: float | None
    """Length past which the model hears no more sound."""
    frames_end_s: float
    """Length past which the processor takes no more frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow(FlatRow):
    """What one device can hold."""

    device: str
    title: str
    memory_bytes: int
    """As it is sold."""
    usable_bytes: int
    """By one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Everything that the lines of one target share."""

    target: Target
    spec: ThinkerSpec
    device: Device
    calibration: Calibration

    @classmethod
    def of(cls, target: Target) -> Lines:
        """Read what the target names."""
        measured = target.calibration
        return cls(
            target=target,
            spec=require_thinker(load_spec(target.model)),
            device=load_device(target.device),
            calibration=read_calibration(measured) if measured else Calibration.none(),
        )

    @property
    def kind(self) -> str:
        """What the predictions rest on."""
        return "calibrated" if self.calibration.measured else "uncalibrated"

    def predicted(self, cell: Cell, seconds: float) -> Prediction:
        """Predict one method on one clip."""
        work = _clip(self.target.model, seconds)
        return predict(
            self.spec,
            _plan(cell, work, self.spec),
            self.device,
            workload=work,
            backend=BACKEND,
            dtype=self.target.dtype,
            decode=DECODE_STEPS,
            calibration=self.calibration,
        )

    def fits(self, cell: Cell, seconds: float) -> bool:
        """Whether the peak of one method on one clip is within the device."""
        work = _clip(self.target.model, seconds)
        peak = memory_peak(
            self.spec,
            _plan(cell, work, self.spec),
            work,
            backend=BACKEND,
            dtype=self.target.dtype,
            weight_dtype=None,
            cache_dtype=None,
            decode_steps=DECODE_STEPS,
        )
        return peak.peak_bytes <= self.device.usable_bytes

    def fits_up_to(self, cell: Cell) -> int | None:
        """Longest clip that fits, in whole seconds; 0 where none does, None where all do."""
        if self.fits(cell, SECONDS[-1]):
            return None
        low, high = 0, SECONDS[-1]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.fits(cell, middle) else (low, middle)
        return low


@cache
def _clip(model: str, seconds: float) -> Workload:
    return workload(require_thinker(load_spec(model)), seconds=seconds, pixels=PIXELS)


def _plan(cell: Cell, work: Workload, spec: ThinkerSpec) -> Plan:
    return make_plan(
        cell.method,
        work,
        spec,
        retained=cell.retained,
        audio_pruning=cell.audio_pruning,
        video_pruning=cell.video_pruning,
        mode=cell.mode,
        fastv_layer=cell.fastv_layer,
        fastv_form=cell.fastv_form,
    )


def predicted_rows(lines: Lines, cells: Sequence[Cell] = TRACED) -> Iterator[ClipLengthRow]:
    """Predict every method at every length, and at the one up to which it fits."""
    for cell in cells:
        most = lines.fits_up_to(cell)
        ends = [] if most is None else [most] * (most >= SECONDS[0])
        for seconds in sorted({*SECONDS, *ends}):
            found = lines.predicted(cell, seconds)
            work = _clip(lines.target.model, seconds)
            yield ClipLengthRow(
                **_shared(lines, most),
                timed="predicted",
                kind=lines.kind,
                method=cell.method,
                label=cell.label,
                fastv_form=found.plan.fastv_form,
                seconds=seconds,
                clip=f"{seconds:g} s at {PIXELS[0]}x{PIXELS[1]}",
                full_tokens=work.av_tokens + work.text_before + work.text_after,
                audio_tokens=work.audio_tokens,
                video_tokens=work.video_tokens,
                frames=work.frames,
                weights="",
                status="ok" if found.fits else "oom",
                prefill_s=found.prefill_s,
                ttft_s=found.ttft_s,
                end_to_end_s=found.end_to_end_s,
                peak_memory_bytes=found.memory.peak_bytes,
            )


def _shared(lines: Lines, most: float | None) -> dict[str, Any]:
    samples = max_samples(lines.spec.family)
    settings = VideoSettings()
    return {
        "model": lines.spec.name,
        "device": lines.device.name,
        "dtype": lines.target.dtype,
        "attention": ATTENTION,
        "decode_steps": DECODE_STEPS,
        "usable_bytes": lines.device.usable_bytes,
        "fits_up_to_s": most,
        "sound_ends_s": None if samples is None else samples / SAMPLE_RATE_HZ,
        "frames_end_s": settings.max_frames / settings.fps,
    }


def observed_rows(
    lines: Lines, result: Iterable[dict[str, Any]], cells: Sequence[Cell] = TRACED
) -> Iterator[ClipLengthRow]:
    """Take the campaign's configurations that lie on one of the lines."""
    labels = {cell.label for cell in cells}
    for row in result:
        clip = _CLIP.match(str(row["clip"]))
        if clip is None or (int(clip["height"]), int(clip["width"])) != PIXELS:
            continue
        here = {"model": lines.spec.name, "attention": ATTENTION, "execution": "stock",
                "decode_steps": DECODE_STEPS}  # fmt: skip
        if row["label"] not in labels or any(row[name] != value for name, value in here.items()):
            continue
        if plain_dtype(str(row["dtype"])) != lines.target.dtype:
            continue
        yield ClipLengthRow(
            **_shared(lines, None),
            timed="observed",
            kind="",
            method=row["method"],
            label=row["label"],
            fastv_form=_there(row["fastv_form"]),
            seconds=float(clip["seconds"]),
            clip=row["clip"],
            full_tokens=int(row["full_tokens"]),
            audio_tokens=None,
            video_tokens=None,
            frames=None,
            weights=row["weights"],
            status=row["status"],
            prefill_s=_there(row["prefill_s"]),
            ttft_s=_there(row["ttft_s"]),
            end_to_end_s=_there(row["end_to_end_s"]),
            peak_memory_bytes=_there(row["peak_memory_bytes"]),
        )


def _there(value: Any) -> Any:
    """Return a cell of a table, None where it is empty."""
    return None if value is None or value != value else value  # noqa: PLR0124 - NaN alone differs


def limit_rows(own: Device) -> list[LimitRow]:
    """The device itself, then cards of the usual sizes that it is not one of."""
    cards = [load_device(name) for name in CARDS]
    known = [own, *(card for card in cards if card.memory_bytes != own.memory_bytes)]
    return [
        LimitRow(
            device=one.name,
            title=one.title,
            memory_bytes=one.memory_bytes,
            usable_bytes=one.usable_bytes,
        )
        for one in known
    ]


def clip_length(lines: Lines, folder: Path) -> list[ClipLengthRow]:
    """Lines of one target, then what the result table in a folder has on them."""
    table = folder / "result.csv"
    result = read_table(table).to_dict("records") if table.is_file() else []
    return [*predicted_rows(lines), *observed_rows(lines, result)]


def main(words: Sequence[str] | None = None) -> int:
    """Predict, join, save; print where each method stops fitting."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--tables", type=Path, default=TABLES, help="folders with result.csv")
    parser.add_argument("--out", type=Path, help="where to write; default: --tables")
    asked = parser.parse_args(words)
    out = asked.out or asked.tables
    measured = [
        one for one in MEASURED_ONLY if (asked.tables / one.folder / "result.csv").is_file()
    ]
    try:
        for target in (*TARGETS, *measured):
            lines = Lines.of(target)
            rows = clip_length(lines, asked.tables / target.folder)
            write_table(rows, out / target.folder / "clip_length.csv")
            write_table(limit_rows(lines.device), out / target.folder / "memory_limits.csv")
            print(summary(lines, rows))
    except OmnizipCostError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def summary(lines: Lines, rows: Sequence[ClipLengthRow]) -> str:
    """One line per method: how long a clip fits, and how many points were observed."""
    found = [f"{lines.device.name}, {lines.spec.name}, {lines.kind}"]
    for label in dict.fromkeys(row.label for row in rows):
        mine = [row for row in rows if row.label == label]
        most = mine[0].fits_up_to_s
        seen = sum(row.timed == "observed" for row in mine)
        reach = f"all to {SECONDS[-1]} s fit" if most is None else f"fits up to {most:g} s"
        found.append(f"  {label:<24} {reach:<20} {seen} observed")
    return "\n".join(found)


if __name__ == "__main__":
    raise SystemExit(main())
