"""The report: one short Markdown document about one run, with its doubts on the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import jinja2

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.report.cells import absent, memory, milliseconds, percent, signed_percent, times
from omnizip_cost.report.tables import Column, markdown_table
from omnizip_cost.results import STAGES, STATUS_WORDS

Row = Mapping[str, Any]

_CONTEXT = (
    ("model", "Model"),
    ("device", "Device"),
    ("dtype", "Type"),
    ("attention", "Attention"),
    ("execution", "Run"),
    ("clip", "Clip"),
    ("timed", "Times"),
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PLACE = "\0"
"""Stands for a number while doubts are grouped; no text holds it."""
_NAMED_DOUBTS = 3
"""More measurements than this under one doubt are counted, not listed."""
_COMPARISON_KEYS = ("label", "method", "realised", "speedup_eq9", "speedup_exact",
                    "speedup_observed", "status")  # fmt: skip
_STAGE_KEYS = ("label", "stage", "seconds", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLink:
    """A figure to show: its name, its path relative to the report, what one sees in it."""

    name: str
    path: str
    caption: str

    def __post_init__(self) -> None:
        if PurePath(self.path).is_absolute():
            raise InvalidValueError("figure link", "path", "relative to the report", self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """Everything a report says, as plain fields. Nothing here is computed by the report."""

    title: str
    command: str
    """What was typed."""
    model: str
    workload: str
    """What went in, in words, such as ``clip.mp4, 20 s, 10 windows``."""
    weights: str
    """``random`` or ``checkpoint``."""
    scores: str
    """Where audio scores came from: ``encoder``, ``random-weights encoder`` or ``proxy``."""
    device_type: str
    """``cpu`` or ``cuda``."""
    machine: tuple[tuple[str, str], ...] = ()
    """Facts about the machine and the software, as (name, value)."""
    comparison: tuple[Row, ...] = ()
    """Rows of the compare table."""
    stages: tuple[Row, ...] = ()
    """Rows of the stages table."""
    figures: tuple[FigureLink, ...] = ()
    windows: str = ""
    """What the figures of the windows rest on: another layout and other scores than the run's."""
    summary: tuple[str, ...] = ()
    """Sentences for a reader in a hurry."""
    doubts: tuple[str, ...] = ()
    """What the measurements themselves say against being trusted."""
    made_utc: str = ""

    def __post_init__(self) -> None:
        for field in ("title", "command", "model", "workload", "weights", "device_type"):
            if not getattr(self, field).strip():
                raise InvalidValueError("report", field, "a text", getattr(self, field))
        _require("comparison", self.comparison, _COMPARISON_KEYS)
        _require("stages", self.stages, _STAGE_KEYS)


def _require(field: str, rows: Sequence[Row], keys: Sequence[str]) -> None:
    for row in rows:
        missing = [key for key in keys if key not in row]
        if missing:
            raise InvalidValueError(
                "report", field, f"rows with {', '.join(keys)}", f"a row without {missing[0]}"
            )


def render_report(context: ReportContext) -> str:
    """Write the report in Markdown.

    Parameters
    ----------
    context : ReportContext

    Returns
    -------
    str
        The document: what was run and where, predicted against observed, time per stage, where
        the gap goes, figures by relative path, and what to keep in mind.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("omnizip_cost.report"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("report.md.j2").render(
        context=context,
        comparison=comparison_table(context.comparison) if context.comparison else "",
        stages=stage_table(context.stages) if context.stages else "",
        gaps=gap_sentences(context.comparison),
        cautions=cautions(context),
        figures={figure.name: figure for figure in context.figures},
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def comparison_table(rows: Sequence[Row]) -> str:
    """Write *paper formula / exact count / observed*, one line per configuration.

    A configuration without a measurement says why in place of the observed speed-up.
    """
    return markdown_table(*comparison_lines(rows))


def comparison_lines(rows: Sequence[Row]) -> tuple[list[Column], list[Row]]:
    """Lay the comparison out: columns and lines, as the writers of tables take them.

    Columns of predicted seconds are there where any row has a prediction.
    """
    timed = any(not absent(row.get("speedup_predicted")) for row in rows)
    columns = [
        *_context_columns(rows),
        Column(key="label", title="Configuration", align="left"),
        Column(key="realised", title="Tokens kept", write=percent),
        Column(key="speedup_eq9", title="Paper formula (Eq. 9)", write=times),
        Column(key="speedup_exact", title="Exact count", write=times),
        *([Column(key="speedup_predicted", title="Predicted", write=times)] if timed else []),
        Column(key="observed", title="Observed", write=str),
        Column(key="error_eq9", title="Eq. 9 off by", write=signed_percent),
        Column(key="error_exact", title="Exact off by", write=signed_percent),
        *(
            [Column(key="error_predicted", title="Predicted off by", write=signed_percent)]
            if timed
            else []
        ),
        Column(key="prefill_s", title="Prefill (ms)", write=milliseconds),
        Column(key="selection_s", title="Selection (ms)", write=milliseconds),
        Column(key="peak_memory_bytes", title="Peak memory", write=memory),
    ]
    return columns, [{**_without_reference_errors(row), "observed": _observed(row)} for row in rows]


def stage_table(rows: Sequence[Row]) -> str:
    """Write milliseconds per stage, one line per configuration, stages in their order."""
    return markdown_table(*stage_lines(rows))


def stage_lines(rows: Sequence[Row]) -> tuple[list[Column], list[Row]]:
    """Lay the stages out: columns and lines, as the writers of tables take them."""
    keys = [key for key, _ in _CONTEXT]
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        where = (*(row.get(key) for key in keys), row["label"])
        line = lines.setdefault(where, {key: row.get(key) for key in (*keys, "label")})
        line[row["stage"]] = STATUS_WORDS.get(row["status"], row["seconds"])
    named = {row["stage"] for row in rows}
    stages = [*(s for s in STAGES if s in named), *sorted(named - set(STAGES))]
    columns = [
        *_context_columns(rows),
        Column(key="label", title="Configuration", align="left"),
        *(Column(key=s, title=_stage_title(s, rows), write=_time_or_status) for s in stages),
    ]
    return columns, list(lines.values())


def cautions(context: ReportContext) -> tuple[str, ...]:
    """Collect what a reader must keep in mind, the context's own doubts last."""
    notes = []
    if context.weights.startswith("random"):
        notes.append(
            "The weights are random: times, memory and token counts are real, the model's "
            "answers are not, and nothing here speaks of accuracy."
        )
    if context.device_type == "cpu":
        notes.append(
            "Measured on a CPU: where a CPU is bound by arithmetic a GPU may be bound by memory "
            "or by launches, so speed-ups there differ."
        )
    if context.scores and context.scores != "encoder":
        notes.append(
            f"Audio scores: {context.scores}. Which tokens are kept would differ with the "
            "released encoder; how many, hardly."
        )
    for status, words in STATUS_WORDS.items():
        labels = [str(row["label"]) for row in context.comparison if row["status"] == status]
        if labels:
            notes.append(f"No measurement ({words}): {', '.join(labels)}.")
    return (*notes, *condensed(context.doubts))


def condensed(doubts: Sequence[str]) -> list[str]:
    """Say once what is doubted of many measurements, with the range of its numbers.

    Doubts have the form ``which measurement: what``. One that is alone stays as it is.

    >>> condensed(["a, prefill: only 3 samples", "b, prefill: only 5 samples", "cold start"])
    ['only 3–5 samples (a, prefill; b, prefill)', 'cold start']
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for doubt in doubts:
        which, _, what = doubt.rpartition(": ")
        key = _NUMBER.sub(_PLACE, what) if which else doubt
        groups.setdefault(key, []).append((which, what))
    return [_one_doubt(key, members) for key, members in groups.items()]


def _one_doubt(key: str, members: Sequence[tuple[str, str]]) -> str:
    which = [place for place, _ in members]
    if len(members) == 1 or not all(which):
        return f"{which[0]}: {members[0][1]}" if which[0] else key
    found = zip(*(_NUMBER.findall(what) for _, what in members), strict=True)
    ranges = [sorted(set(numbers), key=float) for numbers in found]
    shown = iter(r[0] if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in ranges)
    words = re.sub(_PLACE, lambda _: next(shown), key)
    few = "; ".join(which) if len(which) <= _NAMED_DOUBTS else f"{len(which)} measurements"
    return f"{words} ({few})"


def _observed(row: Row) -> str:
    if row["status"] in STATUS_WORDS:
        return STATUS_WORDS[row["status"]]
    ends = [row.get("speedup_observed_low"), row.get("speedup_observed_high")]
    if any(absent(end) for end in ends) or row["method"] == "full":
        return times(row["speedup_observed"])
    return f"{times(row['speedup_observed'])} ({'–'.join(f'{end:.2f}' for end in ends)})"


def _without_reference_errors(row: Row) -> Row:
    """Full tokens are what the others are divided by: they have no error of their own."""
    none = dict.fromkeys(("error_eq9", "error_exact", "error_predicted"))
    return {**row, **none} if row["method"] == "full" else row


def gap_sentences(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Configurations whose largest gap is known, with its sentence."""
    return [
        (str(row["label"]), str(row["explanation"]).rstrip("."))
        for row in rows
        if not absent(row.get("largest_gap_stage")) and not absent(row.get("explanation"))
    ]


def _context_columns(rows: Sequence[Row]) -> list[Column]:
    """Columns that tell rows of several models, devices or clips apart."""
    return [
        Column(key=key, title=title, align="left")
        for key, title in _CONTEXT
        if len({row.get(key) for row in rows}) > 1
    ]


def _time_or_status(value: Any) -> str:
    return value if isinstance(value, str) else milliseconds(value)


def _stage_title(stage: str, rows: Sequence[Row]) -> str:
    """Heading of a stage; decode says how many tokens where all rows agree."""
    steps = {row.get("decode_steps") for row in rows}
    tokens = f", {next(iter(steps))} tokens" if stage == "decode" and len(steps) == 1 else ""
    tokens = "" if None in steps else tokens
    return f"{stage.replace('_', ' ').capitalize()}{tokens} (ms)"
