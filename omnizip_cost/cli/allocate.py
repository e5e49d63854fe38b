"""``allocate``: Algorithm 1, the video pruning rate of each window."""

from __future__ import annotations

import csv
import math
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import InputOptions, MaxFramesOption, MaxPixelsOption
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN
from omnizip_cost.errors import InputFileError

if TYPE_CHECKING:
    from omnizip_cost.compression import WindowRow

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE.csv|CLIP",
        help="A table with the column `retention` (and optionally `video_tokens`), one row per "
        "window, empty retention = no audio; or a media file.",
    ),
]


def allocate_command(
    source: SourceArgument,
    video_pruning: Annotated[float, typer.Option("--video-pruning", help="rho_v, the budget.")],
    audio_pruning: Annotated[
        float, typer.Option("--audio-pruning", help="rho_a; used with a media file.")
    ] = 0.4,
    rho_min: Annotated[float, typer.Option("--rho-min", help="Least window rate.")] = RHO_MIN,
    rho_max: Annotated[float, typer.Option("--rho-max", help="Largest window rate.")] = RHO_MAX,
    mode: Annotated[str, typer.Option("--mode", help="`paper` or `official`.")] = "paper",
    model: Annotated[
        str, typer.Option("--model", help="Whose token layout; used with a media file.")
    ] = "qwen2.5-omni-7b",
    max_pixels: MaxPixelsOption = None,
    max_frames: MaxFramesOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Algorithm 1: video pruning rate per window, guided by the audio kept there.

    Example: `omnizip-cost allocate out/demo/clip.mp4 --video-pruning 0.7` (after `demo`)
    """
    if Path(source).suffix.lower() == ".csv":
        rows = _from_table(Path(source), video_pruning, mode, rho_min, rho_max)
    else:
        options = InputOptions(clip=source, max_pixels=max_pixels, max_frames=max_frames)
        rows = _from_clip(options, model, audio_pruning, video_pruning, mode, rho_min, rho_max)
    if emit(rows, as_json=as_json, as_csv=as_csv):
        return
    show(
        f"Algorithm 1 ({mode} mode) at rho_v = {video_pruning:g}",
        ("window", "audio", "video", "retention", "initial rate", "rate"),
        [
            (
                str(row.window),
                "-" if row.audio_tokens is None else f"{row.audio_tokens:,}",
                "-" if row.video_tokens is None else f"{row.video_tokens:,}",
                "no audio" if row.retention is None else f"{row.retention:.3f}",
                "-" if row.initial_rate is None else f"{row.initial_rate:.4f}",
                f"{row.rate:.4f}",
            )
            for row in rows
        ],
        notes=[f"scores: {rows[0].scores}"],
    )


def _from_clip(
    options: InputOptions,
    model: str,
    audio_pruning: float,
    video_pruning: float,
    mode: str,
    rho_min: float,
    rho_max: float,
) -> list[WindowRow]:
    from omnizip_cost.errors import require_ratio
    from omnizip_cost.runtime.windows import proxy_windows
    from omnizip_cost.specs import load_spec
    from omnizip_cost.workload import decode_clip

    require_ratio("allocation", "audio_pruning", audio_pruning)
    spec = load_spec(model)
    assert options.clip is not None
    clip = decode_clip(options.clip, spec, options.settings(spec))
    return proxy_windows(
        clip,
        clip.workload(spec),
        audio_pruning=audio_pruning,
        video_pruning=video_pruning,
        mode=mode,  # type: ignore[arg-type]
        rho_min=rho_min,
        rho_max=rho_max,
    )


def _from_table(
    path: Path, video_pruning: float, mode: str, rho_min: float, rho_max: float
) -> list[WindowRow]:
    from omnizip_cost.compression import allocation, window_rows

    retention, video_tokens = read_windows(path)
    result = allocation(
        retention,
        video_pruning=video_pruning,
        video_tokens=video_tokens,
        mode=mode,  # type: ignore[arg-type]
        rho_min=rho_min,
        rho_max=rho_max,
    )
    return window_rows(result, video_tokens=video_tokens, mode=mode)


def read_windows(path: Path) -> tuple[list[float | None], list[int] | None]:
    """Read the columns ``retention`` and, if there, ``video_tokens`` of a CSV file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            columns, *records = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "is not a readable CSV table"
        raise InputFileError(path, reason) from None
    if "retention" not in columns:
        raise InputFileError(
            path, "has no column 'retention'", f"its columns are {', '.join(columns) or 'none'}"
        )
    rows = [dict(zip_longest(columns, record, fillvalue="")) for record in records]
    if not rows:
        raise InputFileError(path, "has no rows", "give one row per window")
    weighted = "video_tokens" in columns
    retention: list[float | None] = []
    weights: list[int] = []
    for line, row in enumerate(rows, start=2):
        share = row["retention"].strip()
        retention.append(_number(path, line, "retention", share) if share else None)
        if weighted:
            tokens = row["video_tokens"].strip()
            if not tokens.isdecimal():
                raise InputFileError(
                    path, f"line {line}: video_tokens must be a whole number, got {tokens!r}"
                )
            weights.append(int(tokens))
    return retention, weights if weighted else None


def _number(path: Path, line: int, column: str, text: str) -> float:
    with suppress(ValueError):
        if math.isfinite(value := float(text)):
            return value
    raise InputFileError(path, f"line {line}: {column} must be a number, got {text!r}")
