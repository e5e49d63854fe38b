"""``allocate``: Algorithm 1, the video pruning rate of each window."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import InputOptions, MaxFramesOption, MaxPixelsOption
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.cli.profile import DEFAULT_DTYPES
from omnizip_cost.cli.progress import say
from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN
from omnizip_cost.errors import InputFileError, InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from omnizip_cost.compression import WindowRow
    from omnizip_cost.runtime.clip_selection import ClipSelection, Pruning
    from omnizip_cost.runtime.kept_tables import KeptWindow

MODEL = "qwen2.5-omni-7b"
AUDIO_PRUNING, DEVICE, WIDTH = 0.4, "cpu", "page"
"""With a media file. They stand here, not at the options, so that a table can refuse them."""
OUT = Path("out/allocate")
FIGURES = ("kept", "windows")
"""What is drawn of a media file."""

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
        float | None,
        typer.Option("--audio-pruning", help=f"rho_a; with a media file [{AUDIO_PRUNING}]."),
    ] = None,
    rho_min: Annotated[float, typer.Option("--rho-min", help="Least window rate.")] = RHO_MIN,
    rho_max: Annotated[float, typer.Option("--rho-max", help="Largest window rate.")] = RHO_MAX,
    mode: Annotated[str, typer.Option("--mode", help="`paper` or `official`.")] = "paper",
    model: Annotated[
        str | None,
        typer.Option("--model", help=f"Whose token layout; with a media file [{MODEL}]."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            help="Folder or hub id with weights: its encoders score sound and see video; "
            "else stated proxies do.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help=f"`cpu` or `cuda`; with --checkpoint [{DEVICE}]."),
    ] = None,
    max_pixels: MaxPixelsOption = None,
    max_frames: MaxFramesOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help=f"Folder for tables and figures of a media file [{OUT}]."),
    ] = None,
    width: Annotated[
        str | None, typer.Option("--width", help=f"Of the figures: `column` or `page` [{WIDTH}].")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Algorithm 1: video pruning rate per window, guided by the audio kept there.

    Of a media file, the whole selection is run, and a figure shows the tokens kept (with `--json`
    or `--csv`, only when `--out` is given).

    Example: `omnizip-cost allocate out/demo/clip.mp4 --video-pruning 0.7` (after `demo`)
    """
    printed = as_json or as_csv
    if Path(source).suffix.lower() == ".csv":
        _refuse_beside_table(
            audio_pruning=audio_pruning,
            model=model,
            checkpoint=checkpoint,
            device=device,
            max_pixels=max_pixels,
            max_frames=max_frames,
            out=out,
            width=width,
        )
        rows = _from_table(Path(source), video_pruning, mode, rho_min, rho_max)
        if not emit(rows, as_json=as_json, as_csv=as_csv):
            _show_table(rows, video_pruning, mode)
        return
    from omnizip_cost.cli.publish import draw_figures, write_kept
    from omnizip_cost.plotting.canvas import figure_width_in
    from omnizip_cost.runtime.clip_selection import Pruning
    from omnizip_cost.runtime.kept_tables import kept_windows

    width = WIDTH if width is None else width
    figure_width_in(width)
    pruning = Pruning(
        audio_pruning=AUDIO_PRUNING if audio_pruning is None else audio_pruning,
        video_pruning=video_pruning,
        mode=mode,  # type: ignore[arg-type]
        rho_min=rho_min,
        rho_max=rho_max,
    )
    options = InputOptions(clip=source, max_pixels=max_pixels, max_frames=max_frames)
    case = _selected(options, pruning, model=model, checkpoint=checkpoint, device=device)
    folder = out or (None if printed else OUT)
    windows = kept_windows(case) if folder is None else write_kept(folder, case)
    paths = [] if folder is None else draw_figures(folder, FIGURES, width=width)
    if not emit(windows, as_json=as_json, as_csv=as_csv):
        _show_clip(windows, case, [str(path) for path in paths if path.suffix == ".png"])


def _show_table(rows: Sequence[WindowRow], video_pruning: float, mode: str) -> None:
    show(
        f"Algorithm 1 ({mode} mode) at rho_v = {video_pruning:g}",
        ("window", "video", "retention", "initial rate", "rate"),
        [
            (
                str(row.window),
                "-" if row.video_tokens is None else f"{row.video_tokens:,}",
                *_rates(row),
            )
            for row in rows
        ],
        notes=[*_reached(rows), *_said(rows), f"scores: {rows[0].scores}"],
    )


def _show_clip(rows: Sequence[KeptWindow], case: ClipSelection, pictures: Sequence[str]) -> None:
    first = rows[0]
    show(
        f"{first.clip}, {first.label}: Algorithm 1 ({first.mode} mode) at rho_v = {first.rho_v:g}",
        ("window", "time (s)", "audio", "kept", "video", "kept", "retention", "initial rate",
         "rate"),
        [
            (
                str(row.window),
                f"{row.start_s:g}-{row.end_s:g}",
                f"{row.audio_tokens:,}",
                f"{row.audio_kept:,}",
                f"{row.video_tokens:,}",
                f"{row.video_kept:,}",
                *_rates(row, video=bool(row.video_tokens)),
            )
            for row in rows
        ],
        notes=[
            f"{first.realised:.1%} of audio and video tokens kept (nominal {first.nominal:.1%})",
            *_reached(rows),
            *case.workload.notes,
            *_said(rows),
            f"scores: {first.scores}"
            + (f"; video features: {first.video_features}" if case.layout.video_tokens else ""),
            *(f"figure: {path}" for path in pictures),
        ],
    )  # fmt: skip


def _reached(rows: Sequence[WindowRow]) -> list[str]:
    """Mean rate beside the budget: `official` mode stops near it."""
    from omnizip_cost.compression.windows import mean_rate

    mean = mean_rate(rows)
    if mean is None:
        return []
    return [f"mean rate of the windows with audio {mean:.4f} (budget {rows[0].rho_v:g})"]


def _said(rows: Sequence[WindowRow]) -> list[str]:
    return [rows[0].note] if rows[0].note else []


def _rates(row: WindowRow, *, video: bool = True) -> tuple[str, str, str]:
    """Three cells; a window without video has audio kept, and no rate."""
    return (
        "no audio" if row.retention is None else f"{row.retention:.3f}",
        f"{row.initial_rate:.4f}" if video and row.initial_rate is not None else "-",
        f"{row.rate:.4f}" if video else "-",
    )


def _refuse_beside_table(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise InvalidValueError("allocate", option, "left out beside a table", str(value))


def _selected(
    options: InputOptions,
    pruning: Pruning,
    *,
    model: str | None,
    checkpoint: str | None,
    device: str | None,
) -> ClipSelection:
    """Decode the clip and select on it, by a checkpoint's encoders or by the proxies."""
    from omnizip_cost.runtime.clip_selection import select_by_model, select_by_proxy
    from omnizip_cost.specs import load_spec, require_thinker
    from omnizip_cost.workload import decode_clip

    assert options.clip is not None
    if device is not None and device not in DEFAULT_DTYPES:
        raise UnknownNameError("device", device, DEFAULT_DTYPES)
    if checkpoint is None:
        if device is not None:
            raise InvalidValueError("allocate", "--device", "left out without --checkpoint", device)
        spec = require_thinker(load_spec(model or MODEL))
        return select_by_proxy(
            decode_clip(options.clip, spec, options.settings(spec)), spec, pruning
        )
    if model is not None:
        raise InvalidValueError("allocate", "--model", "left out beside --checkpoint", model)
    from omnizip_cost.runtime.build import load_checkpoint, quieten_transformers

    say(f"loading {checkpoint}")
    if not sys.stderr.isatty():
        quieten_transformers()
    device = DEVICE if device is None else device
    build: dict[str, str] = {"dtype": DEFAULT_DTYPES[device], "device": device}
    thinker, spec = load_checkpoint(checkpoint, **build)
    clip = decode_clip(options.clip, spec, options.settings(spec))
    return select_by_model(clip, spec, pruning, thinker, **build)


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
    """Read the columns ``retention`` and, if there, ``video_tokens`` of a CSV file.

    An empty or NaN retention is a window without audio. Blank lines at the end are no windows.
    """
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
    for column in columns:
        if columns.count(column) > 1:
            raise InputFileError(path, f"has more than one column {column!r}")
    while records and not records[-1]:
        records.pop()
    if not records:
        raise InputFileError(path, "has no rows", "give one row per window")
    for line, record in enumerate(records, start=2):
        if len(record) > len(columns):
            raise InputFileError(
                path, f"line {line} has more values ({len(record)}) than columns ({len(columns)})"
            )
    rows = [dict(zip_longest(columns, record, fillvalue="")) for record in records]
    weighted = "video_tokens" in columns
    retention: list[float | None] = []
    weights: list[int] = []
    for line, row in enumerate(rows, start=2):
        retention.append(_share(path, line, row["retention"].strip()))
        if weighted:
            tokens = row["video_tokens"].strip()
            if not tokens.isdecimal():
                raise InputFileError(
                    path, f"line {line}: video_tokens must be a whole number, got {tokens!r}"
                )
            weights.append(int(tokens))
    return retention, weights if weighted else None


def _share(path: Path, line: int, text: str) -> float | None:
    """Read a retention; None where the window has no audio."""
    with suppress(ValueError):
        value = float(text or "nan")
        if math.isnan(value) or 0 <= value <= 1:
            return None if math.isnan(value) else value
    raise InputFileError(
        path,
        f"line {line}: retention must be a number in [0, 1], or empty without audio, got {text!r}",
    )
