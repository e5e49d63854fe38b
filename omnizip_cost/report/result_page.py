"""The page about measured campaigns: result tables and figures of one device or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnizip_cost.report.cells import absent
from omnizip_cost.report.document import Row, condensed, stage_lines
from omnizip_cost.report.found import found
from omnizip_cost.report.html_table import HtmlTable, html_table
from omnizip_cost.report.page import Page, PageFigure, PageSection
from omnizip_cost.report.result import result_tables, summary_table
from omnizip_cost.report.run_page import gap_sections, placed, unplaced
from omnizip_cost.results import STATUS_WORDS

_SAVED = ("Kept", "Speed-up", "Error of the speed-up")
"""What stands over the columns of the first half of a wide table; the second half has the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPart:
    """One folder of tables: rows of ``result.csv`` and of what lies beside it."""

    name: str
    """Of the folder, such as ``cpu``."""
    result: tuple[Row, ...] = ()
    summary: tuple[Row, ...] = ()
    """Rows of ``error_summary.csv``."""
    stages: tuple[Row, ...] = ()
    steps: tuple[Row, ...] = ()
    """Rows of ``waterfall.csv``."""
    figures: tuple[PageFigure, ...] = ()
    machine: tuple[tuple[str, str], ...] = ()


def result_page(parts: Sequence[ResultPart], provenance: Sequence[PageSection]) -> Page:
    """Lay out the page: each folder of tables a part of its own, provenance at the end."""
    sections = [section for part in parts for section in _sections(part)]
    devices = dict.fromkeys(str(row["device"]) for part in parts for row in part.result)
    return Page(
        title="Compressed omnimodal models: predicted against observed",
        lead=f"Measured on {', '.join(devices)}." if devices else "From stored tables.",
        sections=(*sections, *provenance),
    )


def _sections(part: ResultPart) -> list[PageSection]:
    drawn = {figure.name: figure for figure in part.figures}
    rows = part.result
    if not rows:
        return [PageSection(heading=f"Figures of {part.name}", figures=part.figures)]
    steps = {row["decode_steps"] for row in rows}
    decoded = f"{next(iter(steps))} decoded tokens" if len(steps) == 1 else "decoding"
    return [
        PageSection(
            heading=f"What was found on {part.name}",
            points=found(rows, _speedup_errors(part.summary), decoded),
        ),
        PageSection(
            heading="Result", level=3,
            text=(
                "Speed-ups are full prefill / (prefill + selection); spread: quartiles. Errors are "
                "predicted / observed − 1. Bold: best of the compressed configurations of a table; "
                "underlined: second.",
            ),
            tables=tuple(_halves(rows)),
        ),
        PageSection(
            heading="Predicted against observed", level=3, figures=placed(drawn, "against")
        ),
        PageSection(
            heading="Errors", level=3, figures=placed(drawn, "errors"),
            tables=_summary(part.summary),
        ),
        PageSection(
            heading="Time per stage", level=3, figures=placed(drawn, "stages"),
            tables=(html_table(_timed(part.stages), *stage_lines(part.stages)),)
            if part.stages else (),
        ),
        PageSection(heading="Memory", level=3, figures=placed(drawn, "memory")),
        *gap_sections((), part.steps, placed(drawn, "gap"), level=3),
        PageSection(heading="With the length of the clip", level=3,
                    figures=placed(drawn, "length")),
        PageSection(heading="Further figures", level=3, figures=(
            *placed(drawn, "windows"), *placed(drawn, "conventions"), *unplaced(drawn))),
        PageSection(heading="Read with care", level=3, points=_cautions(rows)),
        PageSection(heading="What was run", level=3, facts=_facts(part)),
    ]  # fmt: skip


def _halves(rows: Sequence[Row]) -> list[HtmlTable]:
    """Cut each table in two: what is saved, then what it takes; empty columns are left out."""
    tables = []
    for table in result_tables(rows):
        first, *others = [
            column
            for column in table.columns
            if any(not absent(line.get(column.key)) for line in table.lines)
        ]
        saved = [column for column in others if column.over in _SAVED]
        taken = [column for column in others if column.over not in _SAVED]
        for what, columns in (("Speed-up", saved), ("FLOPs, times and memory", taken)):
            caption = f"{what}: {table.heading}"
            tables.append(
                html_table(caption, [first, *columns], table.lines, unranked=table.unranked)
            )
    return tables


def _summary(rows: Sequence[Row]) -> tuple[HtmlTable, ...]:
    if not rows:
        return ()
    table = summary_table(rows)
    return (html_table(table.heading, table.columns, table.lines, unranked=table.unranked),)


def _speedup_errors(summary: Sequence[Row]) -> list[Row]:
    return [
        {**row, "prediction": row["predictor"]}
        for row in summary
        if row["quantity"] == "prefill speed-up"
    ]


def _cautions(rows: Sequence[Row]) -> tuple[str, ...]:
    notes = []
    if any(str(row["weights"]).startswith("random") for row in rows):
        notes.append(
            "Weights are random where a table says so: times, memory and token counts are real, "
            "the model's answers are not, and nothing here speaks of accuracy."
        )
    if any(row["device"] == "cpu" for row in rows):
        notes.append(
            "Measured on a CPU: where a CPU is bound by arithmetic a GPU may be bound by memory "
            "or by launches, so speed-ups there differ."
        )
    for basis in dict.fromkeys(str(row["memory_basis"]) for row in rows):
        if not absent(basis) and basis != "None":
            notes.append(f"Observed peak memory: {basis}.")
    for status, words in STATUS_WORDS.items():
        lost = [
            f"{row['label']} of {row['model']} on {row['clip']}"
            for row in rows
            if row["status"] == status
        ]
        if lost:
            notes.append(f"No measurement ({words}): {'; '.join(lost)}.")
    refused = [str(row["prediction_refused"]) for row in rows if _told(row, "prediction_refused")]
    notes += [
        f"No prediction on record for {refused.count(why)} of {len(rows)} configurations: {why}"
        for why in dict.fromkeys(refused)
    ]
    doubts = [
        f"{row['label']} of {row['model']} on {row['clip']}: {doubt}"
        for row in rows
        if _told(row, "doubts")
        for doubt in str(row["doubts"]).split("; ")
    ]
    return (*notes, *condensed(doubts))


def _facts(part: ResultPart) -> tuple[tuple[str, str], ...]:
    """What was run and on what machine, each thing once."""
    run = _run(part.result)
    told = {name for name, _ in run}
    return (*run, *(fact for fact in part.machine if fact[0] not in told))


def _timed(stages: Sequence[Row]) -> str:
    """Say what the table of stages holds."""
    alone = all(absent(row.get("timed")) or row["timed"] == "observed" for row in stages)
    return "Medians" if alone else "Observed: medians; the others: predicted beforehand"


def _run(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """What was run, and when it was predicted and measured."""

    def each(key: str) -> str:
        return "; ".join(dict.fromkeys(str(row[key]) for row in rows if _told(row, key)))

    clips = dict.fromkeys((str(row["clip"]), int(row["full_tokens"])) for row in rows)
    first = [str(row["measured_from_utc"]) for row in rows if _told(row, "measured_from_utc")]
    last = [str(row["measured_utc"]) for row in rows if _told(row, "measured_utc")]
    predicted = sorted({str(row["predicted_utc"]) for row in rows if _told(row, "predicted_utc")})
    facts = (
        ("Configurations", f"{len(rows)}"),
        ("Models", each("model")),
        ("Weights", each("weights")),
        ("Clips", "; ".join(f"{clip} ({tokens:,} tokens)" for clip, tokens in clips)),
        ("Precision, attention", f"{each('dtype')}; {each('attention')}"),
        ("Execution", each("execution")),
        ("Decoded tokens", each("decode_steps")),
        ("Audio scores", each("scores")),
        ("Environments", each("environment_id")),
        ("Predicted", " to ".join(dict.fromkeys((predicted[0], predicted[-1]))) if predicted
         else "no prediction was on record"),
        ("Predicted by", f"omnizip-cost {each('prediction_version')}" if predicted else ""),
        ("Measured", " to ".join(dict.fromkeys((min(first or last), max(last)))) if last else ""),
    )  # fmt: skip
    return tuple((name, value) for name, value in facts if value)


def _told(row: Row, key: str) -> bool:
    return not absent(row.get(key))
