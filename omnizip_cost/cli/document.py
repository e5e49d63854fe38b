"""From a folder to one readable document: what was measured there, as Markdown or as one page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from omnizip_cost.cli.folder_facts import machine_facts, records, sources, windows_basis
from omnizip_cost.cli.publish import measurements_of, verdicts
from omnizip_cost.errors import InputFileError, InvalidValueError, UnknownNameError
from omnizip_cost.results.row import FlatRow

if TYPE_CHECKING:
    from omnizip_cost.compare import CompareRow
    from omnizip_cost.report import FigureLink, PageFigure, ReportContext
    from omnizip_cost.results import MeasurementRow

Row = TypeVar("Row", bound=FlatRow)

CAPTIONS = {
    "speedup": "Prefill speed-up against the share of audio and video tokens kept: "
    "Eq. 9, the exact count, and what was observed (bars: quartiles).",
    "stages": "Time per stage of one pass.",
    "windows": "Audio kept and video pruned, window by window (as the paper's Fig. 7).",
    "kept": "What was kept of the clip: tokens of its frames, its sound, and the rates beneath. "
    "Without a checkpoint, scores and video features are the stated proxies.",
    "conventions": "FLOPs of one configuration under every named convention.",
}
"""What the Markdown report shows; a page shows all figures, others under their titles."""

HOW_TO_READ = {
    "clip_length": "Lines end where a clip no longer fits the device; they are flat past 384 s, "
    "where the processor takes no more frames.",
    "memory_bars": "Bars are measured, ticks were predicted beforehand; a dashed line is what one "
    "process can use of a card.",
}
"""What a page adds to the title of a figure that does not say it itself."""

WIDE = ("paper_tables",)
"""Figures that a page shows at page width."""

SUFFIXES = (".html", ".md")


def require_suffix(target: Path) -> None:
    """Refuse a document that would be neither a page nor Markdown."""
    if target.suffix.lower() not in SUFFIXES:
        raise InvalidValueError("report", "--out", "a name ending in .html or .md", target.name)


def write_documents(
    folder: Path, targets: Iterable[Path], *, command: str, notes: Sequence[str] = ()
) -> list[Path]:
    """Write documents about one run, each in the notation its name ends in.

    Parameters
    ----------
    folder
        What ``demo``, ``profile`` or ``compare --out`` wrote: ``tables/compare.csv`` and, where
        they are there, the measured rows behind it.
    targets
        Files to write.
    command
        What was typed.
    notes
        Further doubts, which come first.
    """
    from omnizip_cost.report import render_report
    from omnizip_cost.results.tables import atomic_write_bytes

    compared = compared_rows(folder)
    written = []
    for target in targets:
        context = _context(folder, target.parent, compared, command, notes)
        page = target.suffix.lower() == ".html"
        text = _page(folder, context, compared) if page else render_report(context)
        atomic_write_bytes(target, text.encode())
        written.append(target)
    return written


def compared_rows(folder: Path) -> list[CompareRow]:
    """Read the compare table of a folder back into its rows.

    Raises
    ------
    InputFileError
        If it is not there, or is no such table.
    """
    from omnizip_cost.compare import CompareRow, TimedCompareRow

    path = folder / "tables" / "compare.csv"
    rows = records(path)
    return rows_of(path, rows, TimedCompareRow if "speedup_predicted" in rows[0] else CompareRow)


def rows_of(path: Path, read: Sequence[Mapping[str, Any]], kind: type[Row]) -> list[Row]:
    """Turn records of a table into rows of a class.

    Raises
    ------
    InputFileError
        If a column is missing, unknown, or of another kind.
    """
    from omnizip_cost.results.schema import record_of

    try:
        return [kind(**record_of(kind, record)) for record in read]
    except (InvalidValueError, UnknownNameError) as error:
        raise InputFileError(path, f"is not the table that its name says: {error}") from None


def _context(
    folder: Path, home: Path, compared: Sequence[CompareRow], command: str, notes: Sequence[str]
) -> ReportContext:
    from omnizip_cost.report import ReportContext

    stages = folder / "tables" / "stages.csv"
    measured = measured_rows(folder)
    first = compared[0]
    clips = dict.fromkeys((row.clip, row.full_tokens) for row in compared)
    facts: dict[str, Any] = {
        "workload": "; ".join(f"{clip}: {tokens:,} tokens" for clip, tokens in clips)
    }
    if measured:
        facts = _measured_facts(folder, measured, notes)
    elif notes:
        facts["doubts"] = tuple(notes)
    return ReportContext(
        title=f"What compression saves: {first.model} on {first.clip}",
        command=command,
        model=first.model,
        weights=first.weights,
        scores=first.scores,
        device_type="cpu" if first.device == "cpu" else "cuda",
        comparison=tuple(dict(row) for row in compared),
        stages=tuple(records(stages)) if stages.is_file() else (),
        figures=_figure_links(folder, home),
        windows=windows_basis(folder, first.model),
        summary=tuple(verdicts(compared)),
        **facts,
    )


def _measured_facts(
    folder: Path, measured: Sequence[MeasurementRow], notes: Sequence[str]
) -> dict[str, Any]:
    """What only the measured rows say: the input in full, the machine, doubts, and when."""
    first = measured[0]
    doubts = dict.fromkeys(
        f"{row.label}, {row.stage}: {doubt}" for row in measured for doubt in row.doubts
    )
    return {
        "workload": f"{first.clip}: {first.full_tokens:,} tokens, of which {first.video_tokens:,} "
        f"video and {first.audio_tokens:,} audio; {first.decode_steps} decoded",
        "machine": machine_facts(measurements_of(folder), first.environment_id),
        "doubts": (*notes, *doubts),
        "made_utc": max(row.created_utc for row in measured),
    }


def measured_rows(folder: Path) -> list[MeasurementRow]:
    """Read the measured rows of a folder; none where there are none."""
    from omnizip_cost.results import MeasurementStore

    return list(MeasurementStore(measurements_of(folder)).rows())


def _page(folder: Path, context: ReportContext, compared: Sequence[CompareRow]) -> str:
    from omnizip_cost.compare import WaterfallRow, summarise
    from omnizip_cost.report import render_page, run_page

    tables = folder / "tables"
    steps = tables / "waterfall.csv"
    kept = {compared[0].exact_convention}  # under this name the exact count and torch's are one
    errors = [dict(row) for row in summarise(compared) if row.prediction not in kept]
    figures, missed = drawn_figures(tables)
    page = run_page(
        context,
        figures,
        errors=errors,
        steps=[dict(row) for row in rows_of(steps, records(steps), WaterfallRow)]
        if steps.is_file()
        else (),
        provenance=[sources([folder, tables], [measurements_of(folder)], missed)],
    )
    return render_page(page)


def drawn_figures(tables: Path) -> tuple[list[PageFigure], list[str]]:
    """Draw every figure whose tables are in a folder, in memory; say which had nothing to show."""
    from omnizip_cost.plotting import FIGURES, drawable, drawn_svg
    from omnizip_cost.report import PageFigure

    figures, notes = [], []
    for name in drawable(tables):
        said = CAPTIONS.get(name, f"{FIGURES[name].title}.")
        caption = f"{said} {HOW_TO_READ.get(name, '')}".rstrip()
        try:
            svg = drawn_svg(tables, name, width="page" if name in WIDE else "column")
        except InvalidValueError as error:
            notes.append(f"{name}: {error}")
        else:
            figures.append(PageFigure(name=name, caption=caption, svg=svg, wide=name in WIDE))
    return figures, notes


def _figure_links(folder: Path, home: Path) -> tuple[FigureLink, ...]:
    from omnizip_cost.report import FigureLink

    links = []
    for name, caption in CAPTIONS.items():
        picture = folder / "figures" / f"{name}.png"
        if picture.is_file():
            path = Path(os.path.relpath(picture, home)).as_posix()
            links.append(FigureLink(name=name, path=path, caption=caption))
    return tuple(links)


def result_folders(root: Path) -> list[Path]:
    """Folders of tables that make up a page of results: empty where none has a result."""
    from omnizip_cost.cli.figures import table_folders
    from omnizip_cost.plotting import drawable

    places = [root / place for place in table_folders(root)]
    if not any((place / "result.csv").is_file() for place in places):
        return []
    return [place for place in places if (place / "result.csv").is_file() or drawable(place)]


def write_result_page(root: Path, target: Path) -> Path:
    """Write the page about result tables, those of each device a part of its own."""
    from omnizip_cost.compare import ResultRow, StageRow, WaterfallRow
    from omnizip_cost.compare.errors import ErrorSummaryRow
    from omnizip_cost.report import ResultPart, render_page, result_page
    from omnizip_cost.results.tables import atomic_write_bytes

    kinds: dict[str, tuple[str, type[FlatRow]]] = {
        "result": ("result", ResultRow),
        "summary": ("error_summary", ErrorSummaryRow),
        "stages": ("stages", StageRow),
        "steps": ("waterfall", WaterfallRow),
    }
    parts, stores, missed = [], [], []
    for place in result_folders(root):
        read: dict[str, Any] = {
            field: tuple(dict(row) for row in rows_of(path, records(path), kind))
            for field, (stem, kind) in kinds.items()
            if (path := place / f"{stem}.csv").is_file()
        }
        store = _store_of(place)
        figures, notes = drawn_figures(place)
        missed += [f"{place.name}, {note}" for note in notes]
        stores += [] if store is None else [store]
        parts.append(
            ResultPart(
                name=place.name,
                figures=tuple(figures),
                machine=() if store is None else machine_facts(store),
                **read,
            )
        )
    parts.sort(key=lambda part: not part.result)
    page = result_page(parts, [sources([root, *result_folders(root)], stores, missed)])
    atomic_write_bytes(target, render_page(page).encode())
    return target


def _store_of(place: Path) -> Path | None:
    """Folder of the measured rows behind a folder of tables: beside it, or under its name."""
    for store in (place, place.parent.parent / "measurements" / place.name):
        if (store / "environment.json").is_file():
            return store
    return None
