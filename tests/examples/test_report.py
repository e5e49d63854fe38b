"""The report and its tables: what is said, where figures are linked, what is escaped."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from math import nan
from typing import Any

import pytest

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.report import (
    Column,
    FigureLink,
    ReportContext,
    csv_table,
    latex_table,
    markdown_table,
    render_report,
)
from omnizip_cost.report.cells import milliseconds, percent, plain, signed_percent, times


def _compare_row(label: str, method: str, **changes: Any) -> dict[str, Any]:
    return {
        "model": "omni-tiny", "label": label, "method": method, "realised": 0.452,
        "speedup_eq9": 2.34, "speedup_exact": 2.45, "speedup_observed": 2.21,
        "speedup_observed_low": 2.08, "speedup_observed_high": 2.32, "error_eq9": 0.057,
        "error_exact": 0.109, "prefill_s": 0.186, "selection_s": 0.0123,
        "peak_memory_bytes": 3 * 2**29,
        "status": "ok", "largest_gap_stage": "selection", "explanation": "selection takes 12 ms",
    } | changes  # fmt: skip


def _stage_row(label: str, stage: str, seconds: float | None, status: str = "ok") -> dict[str, Any]:
    return {"model": "omni-tiny", "label": label, "method": "omnizip", "stage": stage,
            "seconds": seconds, "status": status}  # fmt: skip


COMPARISON = (
    _compare_row("Full tokens", "full", realised=1.0, speedup_eq9=1.0, speedup_exact=1.0,
                 speedup_observed=1.0, error_eq9=0.0, error_exact=0.0, largest_gap_stage="",
                 selection_s=None, explanation="the reference"),
    _compare_row("OmniZip 45% (0.3, 0.6)", "omnizip"),
    _compare_row("FastV 50%", "fastv", status="oom", realised=None, speedup_eq9=nan,
                 speedup_exact=nan, speedup_observed=nan, error_eq9=nan, error_exact=None,
                 prefill_s=None, selection_s=None, peak_memory_bytes=None, largest_gap_stage=None,
                 explanation=nan),
)  # fmt: skip

CONTEXT = ReportContext(
    title="Compression of omni-tiny",
    command="omnizip-cost demo --out out",
    model="omni-tiny",
    workload="demo.mp4, 12 s, 6 windows",
    weights="random",
    scores="random-weights encoder",
    device_type="cpu",
    machine=(("CPU", "2 cores"), ("torch", "2.13.0")),
    comparison=COMPARISON,
    stages=(
        _stage_row("Full tokens", "decode", 0.2),
        _stage_row("Full tokens", "prefill", 0.4123),
        _stage_row("OmniZip 45%", "selection", 0.0123),
        _stage_row("FastV 50%", "prefill", None, "oom"),
    ),
    figures=(
        FigureLink(name="speedup", path="figures/speedup.png", caption="Speed-up."),
        FigureLink(name="extra", path="figures/extra.png", caption="More."),
    ),
    summary=("The exact count is within 11%.",),
    doubts=("the clock is coarse.",),
)


def _lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


# ---------------------------------------------------------------- the document


def test_the_table_holds_paper_formula_exact_count_and_observed() -> None:
    text = render_report(CONTEXT)
    (head,) = _lines(text, "| Configuration | Tokens kept")
    assert "| Paper formula (Eq. 9) | Exact count | Observed |" in head
    (row,) = _lines(text, "| OmniZip 45% (0.3, 0.6)")
    assert row == (
        "| OmniZip 45% (0.3, 0.6) | 45.2% | 2.34× | 2.45× | 2.21× (2.08–2.32) | +5.7% | +10.9% "
        "| 186 | 12.3 | 1.5 GiB |"
    )


def test_the_reference_has_no_error_and_no_spread() -> None:
    row = _lines(render_report(CONTEXT), "| Full tokens | 100.0%")[0]
    assert row == "| Full tokens | 100.0% | 1.00× | 1.00× | 1.00× | – | – | 186 | – | 1.5 GiB |"


def test_out_of_memory_stands_in_place_of_numbers() -> None:
    text = render_report(CONTEXT)
    assert "| FastV 50% | – | – | – | out of memory | – | – | – | – | – |" in text
    assert "- No measurement (out of memory): FastV 50%." in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_stages_stand_in_the_order_of_the_work() -> None:
    text = render_report(CONTEXT)
    assert "| Configuration | Selection (ms) | Prefill (ms) | Decode (ms) |" in text
    assert "| Full tokens | – | 412 | 200 |" in text
    assert "| OmniZip 45% | 12.3 | – | – |" in text
    assert "| FastV 50% | – | out of memory | – |" in text


def test_models_and_devices_become_columns_only_where_they_differ() -> None:
    assert "| Model |" not in render_report(CONTEXT)
    both = (*COMPARISON, _compare_row("Full tokens", "full", model="qwen2.5-omni-7b"))
    text = render_report(replace(CONTEXT, comparison=both))
    assert "| Model | Configuration |" in text
    assert _lines(text, "| qwen2.5-omni-7b | Full tokens |")


def test_the_gap_is_told_for_configurations_that_have_one() -> None:
    text = render_report(CONTEXT)
    section = text.split("## Where the gap goes")[1].split("##")[0]
    assert _lines(section, "- ") == ["- **OmniZip 45% (0.3, 0.6)**: selection takes 12 ms."]


def test_figures_are_linked_by_relative_path_each_once() -> None:
    text = render_report(CONTEXT)
    assert text.count("![Speed-up.](figures/speedup.png)") == 1
    assert text.count("![More.](figures/extra.png)") == 1
    assert text.index("Speed-up.](") < text.index("## Time per stage") < text.index("More.](")


def test_both_figures_of_the_windows_stand_under_one_heading_with_what_they_rest_on() -> None:
    names = ("windows", "kept", "conventions")
    links = tuple(FigureLink(name=n, path=f"{n}.png", caption=f"{n}.") for n in names)
    basis = "Tokens are laid out as those of qwen2.5-omni-7b."
    text = render_report(replace(CONTEXT, figures=links, windows=basis))
    section = text.split("## Window by window")[1].split("##")[0]
    order = [section.index(part) for part in (basis, "![kept.](", "![windows.](")]
    assert order == sorted(order)
    assert text.count("![kept.](") == 1
    alone = render_report(replace(CONTEXT, figures=links[1:2]))
    assert "![kept.](" in alone.split("## Window by window")[1].split("##")[0]


def test_what_was_run_and_on_what() -> None:
    text = render_report(CONTEXT)
    assert "```\nomnizip-cost demo --out out\n```" in text
    for line in ("- Input: demo.mp4, 12 s, 6 windows", "- CPU: 2 cores", "- torch: 2.13.0",
                 "- scores: random-weights encoder",
                 "- Model: omni-tiny (random weights: timing only)"):  # fmt: skip
        assert line in text.splitlines()


def test_random_weights_cpu_scores_and_doubts_are_confessed() -> None:
    section = render_report(CONTEXT).split("## Read with care")[1]
    assert "The weights are random" in section
    assert "Measured on a CPU" in section
    assert "Audio scores: random-weights encoder" in section
    assert section.rstrip().endswith("- the clock is coarse.")


def test_many_equal_doubts_are_one_sentence() -> None:
    doubts = [f"row {at}, prefill: samples spread by {10 + at}% around 1.5 s" for at in range(4)]
    text = render_report(replace(CONTEXT, doubts=(*doubts, "x: busy", "x: busy, 1 of 2 cores")))
    assert _lines(text, "- ")[-3:] == [
        "- samples spread by 10–13% around 1.5 s (4 measurements)",
        "- x: busy",
        "- x: busy, 1 of 2 cores",
    ]


def test_decode_says_how_many_tokens_when_all_rows_agree() -> None:
    rows = tuple({**row, "decode_steps": 8} for row in CONTEXT.stages)
    assert "| Decode, 8 tokens (ms) |" in render_report(replace(CONTEXT, stages=rows))
    mixed = (*rows[:-1], {**rows[-1], "decode_steps": 4})
    assert "| Decode (ms) |" in render_report(replace(CONTEXT, stages=mixed))


def test_nothing_is_confessed_that_is_not_so() -> None:
    clean = replace(CONTEXT, weights="checkpoint", device_type="cuda", scores="encoder",
                    comparison=COMPARISON[:2], doubts=())  # fmt: skip
    text = render_report(clean)
    assert "Read with care" not in text
    assert "random" not in text


def test_empty_parts_leave_no_empty_headings() -> None:
    text = render_report(replace(CONTEXT, comparison=(), stages=(), figures=(), summary=()))
    headings = _lines(text, "#")
    assert headings == ["# Compression of omni-tiny", "## What was run", "## Read with care"]
    assert "\n\n\n" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_markdown_is_not_html_escaped() -> None:
    text = render_report(replace(CONTEXT, workload="R&D <clip>.mp4"))
    assert "- Input: R&D <clip>.mp4" in text


@pytest.mark.parametrize("field", ["title", "command", "model", "workload"])
def test_an_empty_field_is_refused(field: str) -> None:
    with pytest.raises(InvalidValueError, match=f"report: {field} must be a text, got ' '"):
        replace(CONTEXT, **{field: " "})


def test_rows_of_another_table_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="got 'a row without realised'"):
        replace(CONTEXT, comparison=({"label": "x", "method": "full"},))


def test_an_absolute_figure_path_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"relative to the report, got '/figures/f\.png'"):
        FigureLink(name="f", path="/figures/f.png", caption="")


# ---------------------------------------------------------------- tables

COLUMNS = (
    Column(key="label", title="Method", align="left"),
    Column(key="speedup", title="Speed-up", write=times, better="high"),
    Column(key="ms", title="ms", better="low"),
)
ROWS = (
    {"label": "full", "speedup": 9.0, "ms": 1},
    {"label": "a_b", "speedup": 2.0, "ms": 30},
    {"label": "c|d", "speedup": 3.0, "ms": 20},
    {"label": "e", "speedup": None, "ms": 20},
)


def test_markdown_marks_best_and_second_among_the_ranked() -> None:
    assert markdown_table(COLUMNS, ROWS, unranked=[0]).splitlines() == [
        "| Method | Speed-up | ms |",
        "|:---|---:|---:|",
        "| full | 9.00× | 1 |",
        "| a_b | <u>2.00×</u> | <u>30</u> |",
        "| c\\|d | **3.00×** | **20** |",
        "| e | – | **20** |",
    ]


def test_latex_is_booktabs_and_escaped() -> None:
    assert latex_table(COLUMNS, ROWS, unranked=[0]).splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Method & Speed-up & ms \\",
        r"\midrule",
        r"full & 9.00$\times$ & 1 \\",
        r"a\_b & \underline{2.00$\times$} & \underline{30} \\",
        r"c\textbar{}d & \textbf{3.00$\times$} & \textbf{20} \\",
        r"e & -- & \textbf{20} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_every_special_character_of_latex_is_escaped_once() -> None:
    text = latex_table(["x"], [{"x": r"\ & % $ # _ { } ~ ^"}]).splitlines()[4]
    assert text == (
        r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} \\"
    )


def test_values_that_print_alike_rank_alike() -> None:
    rows = [{"v": 2.001}, {"v": 2.004}, {"v": 1.5}, {"v": 1.0}]
    lines = markdown_table([Column(key="v", title="v", write=times, better="high")], rows)
    assert lines.splitlines()[2:] == ["| **2.00×** |", "| **2.00×** |", "| <u>1.50×</u> |",
                                      "| 1.00× |"]  # fmt: skip


def test_a_column_of_one_value_has_no_winner() -> None:
    column = Column(key="v", title="v", better="high")
    assert "**" not in markdown_table([column], [{"v": 1}, {"v": 1}])


def test_csv_keeps_full_precision_and_reads_back() -> None:
    rows = [{"label": 'a, "b"', "v": 0.1234567890123}, {"label": None, "v": nan}]
    text = csv_table([Column(key="label", title="Method"), "v"], rows)
    assert text == 'label,v\n"a, ""b""",0.1234567890123\n,\n'
    assert next(csv.DictReader(io.StringIO(text)))["label"] == 'a, "b"'


def test_a_table_without_rows_is_its_heading() -> None:
    assert markdown_table(["a", "b"], []) == "| a | b |\n|---:|---:|"
    assert csv_table(["a", "b"], []) == "a,b\n"


@pytest.mark.parametrize(("field", "value"), [("align", "middle"), ("better", "more")])
def test_column_settings_are_checked(field: str, value: str) -> None:
    with pytest.raises(InvalidValueError, match=f"column: {field} must be .* got '{value}'"):
        Column(key="a", title="a", **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("write", [plain, percent, signed_percent, times, milliseconds])
@pytest.mark.parametrize("value", [None, nan, ""])
def test_absent_values_are_a_dash(write: Any, value: object) -> None:
    assert write(value) == "–"


def test_numbers_are_written_for_readers() -> None:
    assert [milliseconds(s) for s in (12.0, 0.1, 0.0456, 0.00123)] == [
        "12,000", "100", "45.6", "1.23",
    ]  # fmt: skip
    assert (plain(10004), plain(0.123456), plain(True)) == ("10,004", "0.1235", "True")
    assert (signed_percent(-0.05), percent(1.0), times(10)) == ("−5.0%", "100.0%", "10.00×")
