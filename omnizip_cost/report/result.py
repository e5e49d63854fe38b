"""The result as a reader sees it: predicted against observed, table by table, and how far off.

One table for each model, clip and device, methods and ratios as rows. The same numbers in
Markdown, LaTeX and CSV; a printed number has enough digits to be found in its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from math import floor, log10
from pathlib import Path
from typing import Any, NamedTuple

from omnizip_cost.compare.errors import ErrorRow, ErrorSummaryRow
from omnizip_cost.compare.result_row import ResultRow
from omnizip_cost.report.cells import ABSENT, absent, percent, plain, signed_percent, times
from omnizip_cost.report.result_notes import result_notes
from omnizip_cost.report.tables import Column, csv_table, latex_table, latex_text, markdown_table
from omnizip_cost.results.tables import atomic_write_bytes
from omnizip_cost.units import GIBI, MILLI, TERA

Row = Mapping[str, Any]

_GROUP = (
    "model", "weights", "device", "dtype", "attention", "execution", "clip", "full_tokens",
    "decode_steps", "environment_id",
)  # fmt: skip
"""What rows of one table share: a speed-up over full tokens is of one such setting."""

_STATUS = {"oom": "OOM", "failed": "failed"}

_SPEEDUP = "Speed-up"
"""What stands over the columns of speed-ups."""

_INSTEAD = ("prefill_s", "speedup_observed", "peak_memory_bytes")
"""Columns in which a configuration without a measurement says why."""

_PREDICTORS = {
    "eq9": "Eq. 9",
    "exact": "exact count",
    "torch": "torch's counter",
    "predicted": "on record, uncalibrated",
    "calibrated": "on record, calibrated",
    "held out": "fitted afterwards, rows held out",
}


class ResultTable(NamedTuple):
    """One table: its heading, and what the writers of tables take."""

    heading: str
    columns: list[Column]
    lines: list[Row]
    unranked: list[int]
    """Places of full tokens, which take no part in bold and underline."""


def significant(value: Any, factor: float = 1.0) -> str:
    """Write a value in a unit with four significant digits, never as a power of ten.

    A text, which stands in place of a number, is kept.

    >>> significant(0.29081, 0.001), significant(12345678.0), significant(0.00001234)
    ('290.8', '12,345,678', '0.00001234')
    """
    if absent(value):
        return ABSENT
    if isinstance(value, str):
        return value
    amount = float(value) / factor
    rounded = float(f"{amount:.4g}")
    digits = 3 - floor(log10(abs(rounded))) if rounded else 3
    return f"{amount:,.{max(0, digits)}f}"


def _milliseconds(value: Any) -> str:
    return significant(value, MILLI)


def _tera(value: Any) -> str:
    return significant(value, TERA)


def _gibi(value: Any) -> str:
    return significant(value, GIBI)


def _times(value: Any) -> str:
    return value if isinstance(value, str) else times(value)


def _beside(over: str, kinds: Mapping[str, str], **how: Any) -> list[Column]:
    """Columns of one quantity beside each other, by key and title."""
    return [Column(key=key, title=title, over=over, **how) for key, title in kinds.items()]


_COLUMNS = (
    Column(key="label", title="Configuration", align="left"),
    *_beside("Kept", {"retained": "asked", "realised": "realised"}, write=percent),
    Column(key="kept_tokens", title="tokens", over="Kept", write=plain),
    *_beside(
        "TFLOP", {"flops_eq9": "Eq. 9", "flops_exact": "exact"}, write=_tera, better="low"
    ),
    *_beside(
        "Prefill (ms)",
        {
            "prefill_predicted_s": "predicted",
            "prefill_calibrated_s": "calibrated",
            "prefill_s": "observed",
        },
        write=_milliseconds,
        better="low",
    ),
    *_beside(
        "Observed (ms)",
        {
            "selection_s": "selection",
            "decode_s_per_token": "decode/token",
            "end_to_end_s": "end to end",
        },
        write=_milliseconds,
        better="low",
    ),
    *_beside(
        "Peak memory (GiB)",
        {"peak_memory_predicted_bytes": "predicted", "peak_memory_bytes": "observed"},
        write=_gibi,
        better="low",
    ),
    *_beside(
        _SPEEDUP,
        {
            "speedup_eq9": "Eq. 9",
            "speedup_exact": "exact",
            "speedup_predicted": "predicted",
            "speedup_calibrated": "calibrated",
            "speedup_observed": "observed",
        },
        write=_times,
        better="high",
    ),
    Column(key="spread", title="spread", over=_SPEEDUP),
    Column(key="end_to_end_speedup_observed", title="end to end", over=_SPEEDUP, write=times,
           better="high"),
    *_beside(
        "Error of the speed-up",
        {
            "error_eq9": "Eq. 9",
            "error_exact": "exact",
            "error_predicted": "predicted",
            "error_calibrated": "calibrated",
        },
        write=signed_percent,
        better="zero",
    ),
    *_beside(
        "Error of prefill",
        {"prefill_error_predicted": "predicted", "prefill_error_calibrated": "calibrated"},
        write=signed_percent,
        better="zero",
    ),
    Column(key="memory_error_predicted", title="predicted", over="Error of peak memory",
           write=signed_percent, better="zero"),
)  # fmt: skip


def result_tables(rows: Iterable[ResultRow | Row]) -> list[ResultTable]:
    """Lay the result out, a table for each model, clip, device and way of running.

    Parameters
    ----------
    rows : iterable of ResultRow, or of records of ``result.csv``

    Returns
    -------
    list of ResultTable
        Models in the order of the rows, short prompts first. Columns of calibrated predictions are
        there where any row of any table has one.
    """
    records = [dict(row) for row in rows]
    columns = [
        column
        for column in _COLUMNS
        if "calibrated" not in column.key or any(not absent(row[column.key]) for row in records)
    ]
    models = list(dict.fromkeys(row["model"] for row in records))
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in records:
        groups.setdefault(tuple(row[name] for name in _GROUP), []).append(row)
    return [
        ResultTable(
            heading=_heading(own[0]),
            columns=columns,
            lines=[_line(row) for row in own],
            unranked=[at for at, row in enumerate(own) if row["method"] == "full"],
        )
        for own in sorted(groups.values(), key=lambda own: _place(own[0], models))
    ]


def _place(row: Row, models: Sequence[Any]) -> tuple[int, int]:
    """Where a table stands: by its model, then by its prompt."""
    return models.index(row["model"]), int(row["full_tokens"])


def summary_table(summary: Iterable[ErrorSummaryRow | Row]) -> ResultTable:
    """Lay the mean and worst errors out, quantity by quantity."""
    return ResultTable(
        heading="How far predictions miss",
        columns=[
            Column(key="device", title="Device", align="left"),
            Column(key="quantity", title="Quantity", align="left"),
            Column(key="predictor", title="Predictor", align="left", write=_predictor),
            Column(key="configurations", title="Configurations", write=plain),
            Column(key="mean_error", title="Mean size of error", write=percent),
            Column(key="median_error", title="Median error", write=signed_percent),
            Column(key="worst_error", title="Worst error", write=signed_percent),
            Column(key="worst", title="of", align="left"),
            Column(key="target", title="Our target", write=percent),
            Column(key="verdict", title="", align="left"),
        ],
        lines=[
            {
                **record,
                "worst": f"{record['worst_label']}, {record['worst_model']}, "
                f"{record['worst_clip']}",
            }
            for record in map(dict, summary)
        ],
        unranked=[],
    )


def result_files(
    rows: Sequence[ResultRow], errors: Sequence[ErrorRow], summary: Sequence[ErrorSummaryRow]
) -> dict[str, bytes]:
    """Write the result in every notation.

    Returns
    -------
    dict of file name to bytes
        ``result.csv`` (every column, full precision), ``result.md``, ``result.tex``,
        ``errors.csv`` and ``error_summary.csv``.
    """
    return {
        "result.csv": rows_csv(ResultRow, rows),
        "result.md": _markdown(rows, summary).encode(),
        "result.tex": _latex(rows, summary).encode(),
        "errors.csv": rows_csv(ErrorRow, errors),
        "error_summary.csv": rows_csv(ErrorSummaryRow, summary),
    }


def write_result(
    folder: str | Path,
    rows: Sequence[ResultRow],
    errors: Sequence[ErrorRow],
    summary: Sequence[ErrorSummaryRow],
) -> tuple[Path, ...]:
    """Write :func:`result_files` into a folder, which is made where there is none."""
    written = []
    for name, data in result_files(rows, errors, summary).items():
        path = Path(folder) / name
        atomic_write_bytes(path, data)
        written.append(path)
    return tuple(written)


def rows_csv(kind: type, rows: Iterable[Any]) -> bytes:
    """Write rows of one class as CSV, its columns as headings even where there is no row."""
    return csv_table([item.name for item in fields(kind)], [dict(row) for row in rows]).encode()


def _heading(row: Row) -> str:
    run = "" if row["execution"] == "stock" else f", {row['execution']} execution"
    decoded = f", {row['decode_steps']} tokens decoded" if row["decode_steps"] else ""
    return (
        f"{row['model']} ({row['weights']} weights), {row['clip']}: {row['full_tokens']:,} tokens"
        f"{decoded}; {row['device']}, {row['dtype']}, {row['attention']}{run}"
    )


def _line(row: Row) -> Row:
    """Add the spread, and say in its place why nothing was measured; one sample has no spread."""
    ends = [row["speedup_observed_low"], row["speedup_observed_high"]]
    known = row["method"] != "full" and not any(absent(end) for end in ends) and ends[0] < ends[1]
    line = {**row, "spread": "–".join(f"{end:.2f}" for end in ends) if known else None}
    if row["status"] in _STATUS:
        line |= dict.fromkeys(_INSTEAD, _STATUS[row["status"]])
    return line


def _predictor(value: Any) -> str:
    return _PREDICTORS.get(value, str(value))


def _markdown(rows: Sequence[ResultRow], summary: Sequence[ErrorSummaryRow]) -> str:
    parts = ["# Predicted on record against observed"]
    parts += [f"- {note}" for note in result_notes(rows)]
    for table in (*result_tables(rows), *([summary_table(summary)] if summary else [])):
        parts += [
            f"\n## {table.heading}\n",
            markdown_table(table.columns, table.lines, unranked=table.unranked),
        ]
    return "\n".join(parts) + "\n"


def _latex(rows: Sequence[ResultRow], summary: Sequence[ErrorSummaryRow]) -> str:
    """One float for each table, as wide as the page; what it takes above what it saves."""
    parts = [r"% Needs \usepackage{booktabs,graphicx}."]
    parts += [f"% {' '.join(note.split())}" for note in result_notes(rows)]
    for table in (*result_tables(rows), *([summary_table(summary)] if summary else [])):
        parts += [
            r"\begin{table*}",
            r"\centering",
            r"\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{latex_text(table.heading)}}}",
        ]
        for columns in _parts(table.columns):
            written = latex_table(columns, table.lines, unranked=table.unranked)
            parts += [r"\resizebox{\textwidth}{!}{%", written + "}", r"\par\smallskip"]
        parts[-1] = r"\end{table*}"
    return "\n".join(parts) + "\n"


def _parts(columns: Sequence[Column]) -> list[Sequence[Column]]:
    """Cut a wide table where its speed-ups begin; the configuration stands in both parts."""
    cut = next((at for at, column in enumerate(columns) if column.over == _SPEEDUP), None)
    return [columns] if cut is None else [columns[:cut], [columns[0], *columns[cut:]]]
