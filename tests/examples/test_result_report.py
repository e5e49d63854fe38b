"""The result as Markdown, LaTeX and CSV: emphasis, what stands in place of numbers, escapes."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from planted_result import SPECS, STARTED, WRITTEN, broken, changed, full_tokens, half

from omnizip_cost.compare.errors import error_rows, summarise_errors
from omnizip_cost.compare.recorded_check import recorded_for
from omnizip_cost.compare.result import ResultRow, result_rows
from omnizip_cost.report.result import (
    result_files,
    result_tables,
    significant,
    summary_table,
    write_result,
)
from omnizip_cost.report.tables import Column, latex_table, markdown_table, marks
from omnizip_cost.results.tables import read_table


@pytest.fixture(scope="module")
def results() -> list[ResultRow]:
    """Full tokens, two that were measured, one out of memory, one that failed."""
    slower = changed(half(), label="Slow_50% & more")
    slower = [
        replace(row, samples_s=(3.0,) * 3, median_s=3.0) if row.stage == "prefill" else row
        for row in slower
    ]
    rows = [
        *full_tokens().rows,
        *half().rows,
        *slower,
        *(replace(row, label="FastV 50%") for row in broken(half(), "oom", "no {memory} left")),
        *(replace(row, label="FastV 35%") for row in broken(half(), "failed", "a_b")),
    ]
    recorded = [full_tokens().recorded, half().recorded]
    recorded += [
        replace(half().recorded, label=label) for label in ("Slow_50% & more", "FastV 50%")
    ]
    return result_rows(rows, SPECS, recorded_for(rows, recorded))


@pytest.fixture(scope="module")
def files(results: list[ResultRow]) -> dict[str, str]:
    errors = error_rows(results)
    made = result_files(results, errors, summarise_errors(errors))
    return {name: data.decode() for name, data in made.items()}


def _cells(text: str, label: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def _column(results: list[ResultRow], heading: str) -> int:
    (table,) = result_tables(results)
    return [column.heading for column in table.columns].index(heading)


def test_best_is_bold_and_second_underlined_among_the_compressed(
    results: list[ResultRow], files: dict[str, str]
) -> None:
    prefill = _column(results, "Prefill (ms), observed")
    speedup = _column(results, "Speed-up, observed")
    text = files["result.md"]
    assert _cells(text, "Full tokens")[prefill] == "4,000"
    assert _cells(text, "Random 50%")[prefill] == "**1,500**"
    assert _cells(text, "Slow_50% & more")[prefill] == "<u>3,000</u>"
    assert _cells(text, "Random 50%")[speedup] == "**2.00×**"
    assert _cells(text, "Slow_50% & more")[speedup] == "<u>1.14×</u>"


def test_an_error_is_better_the_nearer_to_zero_and_ties_share() -> None:
    column = Column(key="e", title="e", better="zero", write=lambda value: f"{value:+.1%}")
    rows = [{"e": value} for value in (-0.3, 0.02, -0.0201, 0.05, None)]
    assert marks(column, rows) == ["", "best", "best", "second", ""]
    assert marks(column, rows, unranked=[1, 2]) == ["second", "", "", "best", ""]


def test_out_of_memory_and_failed_stand_in_their_places(
    results: list[ResultRow], files: dict[str, str]
) -> None:
    for label, said in (("FastV 50%", "OOM"), ("FastV 35%", "failed")):
        cells = _cells(files["result.md"], label)
        for heading in ("Prefill (ms), observed", "Speed-up, observed"):
            assert cells[_column(results, heading)] == said
        assert cells[_column(results, "Peak memory (GiB), observed")] == said
    assert (
        _cells(files["result.md"], "FastV 50%")[_column(results, "Prefill (ms), predicted")]
        == _cells(files["result.md"], "Random 50%")[_column(results, "Prefill (ms), predicted")]
    )
    assert "Out of memory: FastV 50%" in files["result.md"]
    assert "no {memory} left" in files["result.md"]


def test_notes_say_when_it_was_predicted_and_what_was_not(files: dict[str, str]) -> None:
    text = files["result.md"]
    assert f"Predictions of 4 of 5 configurations were on record at {WRITTEN}" in text
    assert f"before the first sample ({STARTED}); omnizip-cost 1.2.3." in text
    assert "Refused for 1 of 5: No prediction of it is on record." in text
    assert "Weights are random" in text


def test_a_column_of_calibrated_predictions_is_there_where_one_is(
    results: list[ResultRow],
) -> None:
    (without,) = result_tables(results)
    (with_one,) = result_tables([*results[:-1], replace(results[-1], prefill_calibrated_s=1.0)])
    added = {column.key for column in with_one.columns} - {c.key for c in without.columns}
    assert added == {"prefill_calibrated_s"}


def test_models_clips_and_ways_of_running_have_tables_of_their_own(
    results: list[ResultRow],
) -> None:
    other = [replace(row, clip="another", execution="graph") for row in results]
    first, second = result_tables([*results, *other])
    assert first.unranked == second.unranked == [0]
    assert "graph execution" in second.heading
    assert "random weights" in first.heading


def test_the_csv_holds_every_column_and_reads_back(
    results: list[ResultRow], files: dict[str, str]
) -> None:
    records = list(csv.DictReader(io.StringIO(files["result.csv"])))
    assert list(records[0]) == [item.name for item in fields(ResultRow)]
    assert [record["status"] for record in records] == ["ok", "ok", "ok", "oom", "failed"]
    assert float(records[1]["prefill_error_predicted"]) == results[1].prefill_error_predicted
    assert records[3]["prefill_s"] == ""


def test_records_of_the_csv_make_the_same_tables_as_the_rows(
    results: list[ResultRow], files: dict[str, str], tmp_path: Path
) -> None:
    errors = error_rows(results)
    written = write_result(tmp_path, results, errors, summarise_errors(errors))
    assert [path.name for path in written] == list(files)
    (table,) = result_tables(read_table(written[0]).to_dict("records"))
    text = markdown_table(table.columns, table.lines, unranked=table.unranked)
    assert text in files["result.md"]


def test_latex_is_whole_and_nothing_in_it_is_a_command_by_accident(
    files: dict[str, str],
) -> None:
    text = files["result.tex"]
    _check_latex(text)
    assert r"Slow\_50\% \& more" in text
    assert r"\textbf{2.00$\times$}" in text
    assert "OOM" in text


def test_latex_of_hostile_labels_is_whole(results: list[ResultRow]) -> None:
    hostile = r"\end{x} $1 & 2% #3 ~^_ {a} [b] *c"
    rows = [replace(row, label=hostile, clip=hostile, reason=f"{hostile}\n\\x") for row in results]
    _check_latex(result_files(rows, [], [])["result.tex"].decode())


def test_what_columns_share_stands_once_above_them() -> None:
    columns = [
        Column(key="label", title="Configuration", align="left"),
        Column(key="a", title="one", over="Both"),
        Column(key="b", title="two", over="Both"),
    ]
    lines = latex_table(columns, [{"label": "x", "a": 1, "b": 2}]).splitlines()
    assert lines[2:5] == [
        r" & \multicolumn{2}{c}{Both} \\",
        r"\cmidrule(lr){2-3}",
        r"Configuration & one & two \\",
    ]
    assert (
        markdown_table(columns, []).splitlines()[0] == "| Configuration | Both, one | Both, two |"
    )


def test_the_summary_says_met_and_missed(results: list[ResultRow]) -> None:
    table = summary_table(summarise_errors(error_rows(results)))
    text = markdown_table(table.columns, table.lines, unranked=table.unranked)
    assert re.search(
        r"\| prefill speed-up \| on record, uncalibrated \| 2 \| .* \| 4.0% \| missed \|", text
    )
    assert "Eq. 9" in text


def test_quartiles_of_a_speedup_are_its_spread_and_one_sample_has_none(
    results: list[ResultRow],
) -> None:
    spread = replace(results[1], speedup_observed_low=1.91, speedup_observed_high=2.126)
    (table,) = result_tables([results[0], spread, results[2]])
    assert [line["spread"] for line in table.lines] == [None, "1.91–2.13", None]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0.000"), (9.9996, "10.00"), (1234.5, "1,234"), (None, "–"), ("OOM", "OOM")],
)
def test_four_digits_stay(value: float | str | None, written: str) -> None:
    assert significant(value) == written


def test_no_errors_leave_a_table_of_headings(results: list[ResultRow]) -> None:
    made = result_files(results, [], [])
    assert made["errors.csv"].decode().count("\n") == 1
    assert b"How far" not in made["result.md"]


def _check_latex(text: str) -> None:
    """Braces and environments close, every line of a table has its columns, specials are escaped.

    A small reader of the LaTeX that tables use; a comment ends with its line.
    """
    code = re.sub(r"(?<!\\)%.*", "", text)
    assert code.isascii()
    open_ones: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", code):
        if kind == "begin":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert not open_ones
    bare = re.sub(r"\\[{}]", "", code)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert len(re.findall(r"(?<!\\)\$", code)) % 2 == 0
    assert not re.search(r"(?<!\\)[#_^~]", code)
    assert not re.search(r"\\\\\s*[\[*]", code)
    for spec, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", code, re.S):
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(lines) > 1
        for line in lines:
            spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            columns = len(re.findall(r"(?<!\\)&", line)) + 1 + sum(n - 1 for n in spans)
            assert columns == len(spec), line
