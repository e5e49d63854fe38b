"""From a folder of measured rows to tables, figures and the report; nothing is computed here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnizip_cost.units import GIBI

if TYPE_CHECKING:
    from omnizip_cost.compare import CompareRow, WaterfallRow
    from omnizip_cost.report import FigureLink
    from omnizip_cost.results import MeasurementRow
    from omnizip_cost.runtime.clip_selection import ClipSelection
    from omnizip_cost.runtime.kept_tables import KeptWindow

CAPTIONS = {
    "speedup": "Prefill speed-up against the share of audio and video tokens kept: "
    "Eq. 9, the exact count, and what was observed (bars: quartiles).",
    "stages": "Time per stage of one pass.",
    "windows": "Audio kept and video pruned, window by window (as the paper's Fig. 7).",
    "kept": "What was kept of the clip: tokens of its frames, its sound, and the rates beneath. "
    "Without a checkpoint, scores and video features are the stated proxies.",
    "conventions": "FLOPs of one configuration under every named convention.",
}


def write_tables(
    folder: Path,
    measured: Sequence[MeasurementRow],
    compared: Sequence[CompareRow],
    steps: Sequence[WaterfallRow] = (),
) -> None:
    """Write the compare and stages tables to ``folder/tables``, and where gaps go if given."""
    from omnizip_cost.compare import stage_rows
    from omnizip_cost.results import write_table

    write_table(compared, folder / "tables" / "compare.csv")
    write_table(stage_rows(measured), folder / "tables" / "stages.csv")
    if steps:
        write_table(steps, folder / "tables" / "waterfall.csv")


def write_kept(folder: Path, case: ClipSelection) -> list[KeptWindow]:
    """Write what was kept of a clip to ``folder/tables``; return the rows of its windows."""
    from omnizip_cost.results import write_table
    from omnizip_cost.runtime.kept_tables import kept_tokens, kept_windows, shown_grids

    windows = kept_windows(case)
    tables = folder / "tables"
    write_table(windows, tables / "windows.csv")
    write_table(kept_tokens(case), tables / "kept.parquet")
    write_table(shown_grids(case), tables / "kept_frames.parquet")
    return windows


def draw_figures(
    folder: Path, names: Sequence[str] | None = None, *, width: str = "column"
) -> list[Path]:
    """Draw figures from ``folder/tables``, all that have their tables there by default."""
    from omnizip_cost.plotting import draw_all, drawable

    tables = folder / "tables"
    return draw_all(tables, folder / "figures", names or drawable(tables), width=width)


def write_report(
    folder: Path,
    target: Path,
    measured: Sequence[MeasurementRow],
    compared: Sequence[CompareRow],
    *,
    command: str,
    notes: Sequence[str] = (),
) -> Path:
    """Write the readable document about a folder that ``demo`` or ``profile`` filled."""
    from omnizip_cost.compare import stage_rows
    from omnizip_cost.report import ReportContext, render_report
    from omnizip_cost.results.tables import atomic_write_bytes

    first = measured[0]
    doubts = dict.fromkeys(
        f"{row.label}, {row.stage}: {doubt}" for row in measured for doubt in row.doubts
    )
    context = ReportContext(
        title=f"What compression saves: {first.model} on {first.clip}",
        command=command,
        model=first.model,
        workload=f"{first.clip}: {first.full_tokens:,} tokens, of which {first.video_tokens:,} "
        f"video and {first.audio_tokens:,} audio; {first.decode_steps} decoded",
        weights=first.weights,
        scores=first.scores,
        device_type="cpu" if first.device == "cpu" else "cuda",
        machine=machine_facts(folder, first.environment_id),
        comparison=tuple(dict(row) for row in compared),
        stages=tuple(dict(row) for row in stage_rows(measured)),
        figures=_figure_links(folder, target.parent),
        windows=windows_basis(folder, first.model),
        summary=tuple(verdicts(compared)),
        doubts=(*notes, *doubts),
        made_utc=max(row.created_utc for row in measured),
    )
    atomic_write_bytes(target, render_report(context).encode())
    return target


def verdicts(compared: Sequence[CompareRow]) -> list[str]:
    """Say in sentences how far each prediction misses, and how far the machine itself wavers."""
    from omnizip_cost.compare import noise_floor, summarise

    names = {
        "predicted": "The model of time, computed afterwards,",
        "eq9": "Eq. 9",
        "exact": f"The exact count (convention `{compared[0].exact_convention}`)",
        "torch": "torch's counter",
    }
    told = [row for row in summarise(compared) if compared[0].exact_convention != row.prediction]
    sentences = [
        f"{names[row.prediction]} misses the observed prefill speed-up by {row.mean_error:.1%} on "
        f"average, {row.worst_error:+.1%} at worst ({row.worst_label})."
        for row in told
    ]
    floor = noise_floor(compared)
    if floor is not None:
        sentences.append(
            f"Encoders do the same work in every configuration and yet differ by up to "
            f"{floor:.1%}: smaller gaps are the machine's noise."
        )
    return sentences


def windows_basis(folder: Path, timed: str) -> str:
    """Say whose layout and which scores the table of windows rests on; empty without a table.

    Parameters
    ----------
    folder
        Folder whose ``tables/windows.csv`` is read.
    timed
        Model of the measured rows.
    """
    from omnizip_cost.results import read_table

    path = folder / "tables" / "windows.csv"
    if not path.is_file():
        return ""
    table = read_table(path)
    named = {
        key: ", ".join(str(value) for value in table[key].dropna().unique())
        for key in ("model", "scores", "video_features")
        if key in table.columns
    }
    parts = []
    if layout := named.get("model"):
        other = f", not of {timed}, which was timed" if layout != timed else ""
        parts.append(f"Tokens are laid out as those of {layout}{other}.")
    sources = (("scores", "Audio scores"), ("video_features", "video features"))
    told = [f"{title}: {named[key]}" for key, title in sources if named.get(key)]
    return " ".join([*parts, *([f"{'; '.join(told)}."] if told else [])])


def machine_facts(folder: Path, environment: str) -> tuple[tuple[str, str], ...]:
    """Facts about the machine that a reader needs, from the store's sidecar."""
    from omnizip_cost.results import MeasurementStore

    store = MeasurementStore(measurements_of(folder))
    record = next(item for item in store.environments() if item["id"] == environment)
    facts: dict[str, Any] = {**record["sessions"][-1], **record["identity"]}
    named = {
        "Device": facts.get("device"),
        "CPU": facts.get("cpu"),
        "Cores, threads": f"{facts.get('cores')}, {facts.get('torch_threads')}",
        "Memory": f"{(facts.get('memory_bytes') or 0) / GIBI:.1f} GiB",
        "Precision, attention": f"{facts.get('dtype')}, {facts.get('attention')}",
        "torch, transformers": f"{facts.get('torch')}, {facts.get('transformers')}",
        "CUDA, driver": f"{facts['cuda']}, {facts.get('driver')}" if facts.get("cuda") else None,
    }
    return tuple((name, str(value)) for name, value in named.items() if value)


def measurements_of(folder: Path) -> Path:
    """Folder of measured rows inside ``folder``, or ``folder`` itself."""
    inner = folder / "measurements"
    return inner if inner.is_dir() else folder


def _figure_links(folder: Path, home: Path) -> tuple[FigureLink, ...]:
    from omnizip_cost.report import FigureLink

    links = []
    for name, caption in CAPTIONS.items():
        picture = folder / "figures" / f"{name}.png"
        if picture.is_file():
            path = Path(os.path.relpath(picture, home)).as_posix()
            links.append(FigureLink(name=name, path=path, caption=caption))
    return tuple(links)
