"""The page about one run: what ``demo``, ``profile`` and ``compare`` leave in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omnizip_cost.report.cells import memory, percent, signed_percent, times
from omnizip_cost.report.document import (
    ReportContext,
    Row,
    cautions,
    comparison_lines,
    gap_sentences,
    stage_lines,
)
from omnizip_cost.report.found import found
from omnizip_cost.report.html_table import HtmlTable, html_table
from omnizip_cost.report.page import Page, PageFigure, PageSection
from omnizip_cost.report.tables import Column

PLACES: dict[str, tuple[str, ...]] = {
    "against": ("speedup", "predicted_speedup", "predicted_observed", "prefill_bars"),
    "errors": ("error_distribution",),
    "stages": ("stages",),
    "memory": ("memory_bars", "memory"),
    "gap": ("waterfall",),
    "length": ("clip_length",),
    "windows": ("kept", "windows"),
    "conventions": ("conventions",),
}
"""Part of the page -> the figures that stand in it, in order; all others come after these."""

HOW_DIVIDED = (
    "Speed-ups are full prefill / (prefill + selection), predicted and observed, over full tokens "
    "of the same run; in brackets: quartiles. Eq. 9 is the paper's count of the decoder over audio "
    "and video tokens and has no selection; the exact count is that of selection, the decoder and "
    "the LM head, text included. Encoders and decode are in none of them. Errors are predicted / "
    "observed − 1."
)

_PREDICTORS = {
    "eq9": "Eq. 9",
    "exact": "exact count",
    "torch": "torch's counter",
    "predicted": "seconds predicted",
}

_STEPS = (
    Column(key="label", title="Configuration", align="left"),
    Column(key="model", title="Model", align="left"),
    Column(key="clip", title="Clip", align="left"),
    Column(key="place", title="Place"),
    Column(key="says", title="Step", align="left"),
    Column(key="factor", title="Factor", write=times),
    Column(key="speedup", title="Speed-up after it", write=times),
)


def run_page(
    context: ReportContext,
    figures: Sequence[PageFigure],
    *,
    errors: Sequence[Row] = (),
    steps: Sequence[Row] = (),
    provenance: Sequence[PageSection] = (),
) -> Page:
    """Lay out the page about one run.

    Parameters
    ----------
    context
        What the Markdown report says; its links to figures are passed over.
    figures
        The drawings.
    errors
        Rows of the summary of errors: ``prediction``, ``configurations``, ``mean_error``,
        ``worst_error``, ``worst_label``.
    steps
        Rows of ``waterfall.csv``.
    provenance
        Sections that end the page.
    """
    drawn = {figure.name: figure for figure in figures}
    rows, stages = context.comparison, context.stages
    steps_decoded = {row.get("decode_steps") for row in stages} - {None}
    decoded = (
        f"{next(iter(steps_decoded))} decoded tokens" if len(steps_decoded) == 1 else "decoding"
    )
    sections = (
        PageSection(heading="What was found", points=found(rows, errors, decoded)),
        PageSection(
            heading="Paper formula, exact count, observed",
            text=(HOW_DIVIDED,) if rows else (),
            tables=(html_table("Prefill speed-up", *comparison_lines(rows)),) if rows else (),
        ),
        PageSection(heading="Predicted against observed", figures=placed(drawn, "against")),
        PageSection(
            heading="Errors", tables=(_error_table(errors),) if errors else (),
            figures=placed(drawn, "errors"),
        ),
        PageSection(
            heading="Time per stage", figures=placed(drawn, "stages"),
            tables=(html_table("Medians", *stage_lines(stages)),) if stages else (),
        ),
        PageSection(
            heading="Memory", figures=placed(drawn, "memory"),
            tables=(_memory_table(rows),) if rows else (),
        ),
        *gap_sections(gap_sentences(rows), steps, placed(drawn, "gap")),
        PageSection(
            heading="Window by window", figures=placed(drawn, "windows"),
            text=(context.windows,) if context.windows else (),
        ),
        PageSection(
            heading="The same model under every counting convention",
            figures=placed(drawn, "conventions"),
        ),
        PageSection(heading="Further figures", figures=unplaced(drawn)),
        PageSection(heading="Read with care", points=cautions(context)),
        PageSection(
            heading="What was run", typed=context.command,
            facts=(
                ("Model", f"{context.model}, {context.weights} weights"),
                ("Input", context.workload),
                *((("Scores", context.scores),) if context.scores else ()),
                *context.machine,
                *((("Measured until", context.made_utc),) if context.made_utc else ()),
            ),
        ),
        *provenance,
    )  # fmt: skip
    lead = f"{context.model} ({context.weights} weights), {context.workload}"
    return Page(title=context.title, lead=lead, sections=sections)


def placed(drawn: Mapping[str, PageFigure], part: str) -> tuple[PageFigure, ...]:
    """Give the figures that stand in a part of the page, as far as they were drawn."""
    return tuple(drawn[name] for name in PLACES[part] if name in drawn)


def unplaced(drawn: Mapping[str, PageFigure]) -> tuple[PageFigure, ...]:
    """Give the figures that no part of the page names."""
    taken = {name for names in PLACES.values() for name in names}
    return tuple(figure for name, figure in drawn.items() if name not in taken)


def gap_sections(
    gaps: Sequence[tuple[str, str]],
    steps: Sequence[Row],
    figures: tuple[PageFigure, ...],
    level: int = 2,
) -> tuple[PageSection, ...]:
    """Say where the gap goes: a sentence each, the waterfall drawn, and its steps."""
    told = len({(row.get("model"), row.get("clip")) for row in steps}) > 1
    columns = [c for c in _STEPS if told or c.key not in ("model", "clip")]
    section = PageSection(
        heading="Where the gap goes",
        level=level,
        text=("The stage furthest from what its FLOPs predict, for each configuration:",)
        if gaps
        else (),
        points=tuple(f"{label}: {sentence}." for label, sentence in gaps),
        figures=figures,
        tables=(html_table("From Eq. 9 to the clock, an effect at a time", columns, steps),)
        if steps
        else (),
    )
    return (section,)


def _error_table(errors: Sequence[Row]) -> HtmlTable:
    columns = [
        Column(key="prediction", title="Predictor", align="left", write=_predictor),
        Column(key="configurations", title="Configurations"),
        Column(key="mean_error", title="Mean size of error", write=percent),
        Column(key="worst_error", title="Worst error", write=signed_percent),
        Column(key="worst_label", title="of", align="left"),
    ]
    return html_table("How far predicted prefill speed-ups miss the observed", columns, errors)


def _predictor(value: object) -> str:
    return _PREDICTORS.get(str(value), str(value))


def _memory_table(rows: Sequence[Row]) -> HtmlTable:
    columns, lines = comparison_lines(rows)
    keys = [column.key for column in columns]
    kept = [column for column in columns if column.key in keys[: keys.index("realised") + 1]]
    held = Column(key="peak_memory_bytes", title="Peak memory", write=memory, better="low")
    unranked = [at for at, row in enumerate(rows) if row["method"] == "full"]
    return html_table("Peak memory of a pass", [*kept, held], lines, unranked=unranked)
