"""The page: well formed, alone in the world, harmless whatever a label holds, and complete."""

from __future__ import annotations

import base64
import hashlib
import re
from math import nan
from typing import Any

import pytest
from page_eyes import Eyes

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.report import (
    Column,
    Page,
    PageFigure,
    PageSection,
    html_table,
    inline_svg,
    render_page,
)
from omnizip_cost.report.cells import signed_percent, times
from omnizip_cost.report.found import found

DOT = "M 0 0 " + "C 0.123456 1 2 3.000001 4 5 " * 20
SVG = f"""<?xml version="1.0"?>
<svg xmlns:xlink="http://www.w3.org/1999/xlink" xmlns="http://www.w3.org/2000/svg"
 width="100pt" height="50pt" viewBox="0 0 100 50">
 <metadata><creator>someone</creator></metadata>
 <defs><style type="text/css">*{{stroke-linejoin: round}}</style></defs>
 <!-- OmniZip -->
 <g id="figure_1"><path id="mark" d="{DOT}" style="fill: red"/>
  <path d="{DOT}" clip-path="url(#clip)"/><path d="{DOT}" style="fill: url(#clip)"/>
  <use xlink:href="#mark" x="1.234567" transform="scale(0.015625)"/></g>
 <clipPath id="clip"><rect x="0" y="0" width="10" height="1e-05"/></clipPath>
</svg>"""
EVIL = "<script>alert('x')</script>"
COLUMNS = [
    Column(key="label", title="Configuration", align="left"),
    Column(key="speedup", title="observed", over="Speed-up", write=times, better="high"),
    Column(key="error", title="Eq. 9", over="Error", write=signed_percent, better="zero"),
    Column(key="spread", title="spread"),
]
ROWS: list[dict[str, Any]] = [
    {"label": "Full tokens", "speedup": 1.0, "error": None, "spread": None},
    {"label": EVIL, "speedup": 2.5, "error": -0.1, "spread": "2.40–2.61"},
    {"label": "b & c", "speedup": 10.25, "error": 0.2, "spread": "10.1–11"},
    {"label": "d", "speedup": nan, "error": 0.3, "spread": "OOM"},
]
TABLE = html_table(f"Of {EVIL}", COLUMNS, ROWS, unranked=[0])


def _page(*sections: PageSection) -> str:
    return render_page(Page(title=f"A {EVIL}", lead='"quoted" & <b>', sections=sections))


def _full() -> str:
    figure = PageFigure(name="speedup", caption=f"What {EVIL} saves", svg=SVG)
    return _page(
        PageSection(heading="First", text=(EVIL,), points=(EVIL,), typed=EVIL,
                    facts=((EVIL, EVIL),), figures=(figure,), tables=(TABLE,)),
        PageSection(heading="Second", figures=(figure,)),
    )  # fmt: skip


def test_it_is_well_formed_and_nothing_runs_but_its_own_script() -> None:
    page = _full()
    eyes = Eyes(page)
    assert page.startswith("<!DOCTYPE html>")
    assert len(eyes.scripts) == 1
    assert "alert" not in eyes.scripts[0]
    assert "".join(eyes.text).count(EVIL) >= 7
    assert EVIL not in page


def test_it_asks_for_nothing_and_lets_a_browser_hold_it_to_that() -> None:
    page = _full()
    eyes = Eyes(page)
    assert all(link.startswith(("#", "data:")) for link in eyes.asked), eyes.asked
    assert all(link.startswith("#") for link in eyes.links)
    assert "@import" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert eyes.elements.isdisjoint(
        {"iframe", "object", "embed", "img", "base", "form", "metadata"}
    )
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    digest = base64.b64encode(hashlib.sha256(eyes.scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def test_identifiers_are_unique_and_every_reference_is_met() -> None:
    page = _full()
    eyes = Eyes(page)
    assert len(eyes.ids) == len(set(eyes.ids))
    referred = set(re.findall(r"url\(#([^)]+)\)", page)) | {
        link[1:] for link in (*eyes.asked, *eyes.links) if link.startswith("#")
    }
    assert referred <= set(eyes.ids)
    assert len(eyes.labels) == 2


def test_a_drawing_keeps_what_it_draws_and_loses_the_rest() -> None:
    drawn = inline_svg(SVG, "f1", 'a "label" <b>')
    assert drawn.startswith('<svg viewBox="0 0 100 50" role="img"')
    assert ' aria-label="a &quot;label&quot; &lt;b&gt;"' in drawn
    for gone in ("metadata", "someone", "OmniZip", "<style", "xmlns", "xlink", "figure_1", "0.123"):
        assert gone not in drawn
    assert drawn.count("C 0.12 1 2 3 4 5") == 40, "the marked path, and one for the two others"
    assert 'transform="scale(0.015625)"' in drawn
    assert 'height="1e-05"' in drawn
    assert drawn.count('href="#f1-0"') == 2
    assert 'x="1.23"' in drawn


@pytest.mark.parametrize(
    "text", ["", "<p>no</p>", "<svg", '<svg xmlns="http://www.w3.org/2000/svg"/>']
)
def test_what_is_no_drawing_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="figure: svg must be an SVG drawing"):
        inline_svg(text, "f", "x")


def test_tables_keep_marks_and_say_how_they_sort() -> None:
    (table,) = Eyes(_page(PageSection(heading="T", tables=(TABLE,)))).tables
    assert table.heads == [*("", "Speed-up", "Error", ""), *(column.title for column in COLUMNS)]
    assert [row[1] for row in table.rows] == ["1.00×", "2.50×", "10.25×", "–"]
    assert [row[1] for row in table.sorts] == ["1.0", "2.5", "10.25", None]
    assert [row[3] for row in table.sorts] == [None, "2.40", "10.1", None]
    assert [row[0] for row in table.sorts] == [None] * 4
    assert table.marked == {("strong", "10.25×"), ("u", "2.50×"), ("strong", "−10.0%"),
                            ("u", "+20.0%")}  # fmt: skip


def test_empty_sections_are_left_out_unless_parts_follow() -> None:
    page = _page(
        PageSection(heading="Nothing"),
        PageSection(heading="Whole"),
        PageSection(heading="Empty part", level=3),
        PageSection(heading="Part", level=3, text=("words",)),
        PageSection(heading="Last"),
    )
    assert Eyes(page).headings[1:] == ["Whole", "Part"]


def test_equal_pages_are_equal_text() -> None:
    assert _full() == _full()


MEASURED = [
    {"model": "m", "clip": "c", "device": "cpu", "method": "full", "label": "Full tokens",
     "status": "ok", "speedup_observed": 1.0, "prefill_s": 0.8},
    {"model": "m", "clip": "c", "device": "cpu", "method": "omnizip", "label": "OmniZip 45%",
     "status": "ok", "speedup_observed": 1.6, "speedup_observed_low": 1.5,
     "speedup_observed_high": 1.7, "prefill_s": 0.45, "selection_s": 0.05, "realised": 0.452,
     "end_to_end_speedup_observed": 1.25},
    {"model": "m", "clip": "c", "device": "cpu", "method": "fastv", "label": "FastV 50%",
     "status": "ok", "speedup_observed": 1.2, "prefill_s": 0.6, "realised": 0.5,
     "end_to_end_speedup_observed": 1.1},
    {"model": "m", "clip": "c", "device": "cpu", "method": "random", "label": "Random 40%",
     "status": "oom", "speedup_observed": None},
]  # fmt: skip


def test_three_sentences_with_the_numbers_of_the_tables() -> None:
    errors = [
        {"prediction": "eq9", "mean_error": 0.123, "worst_error": -0.4, "worst_label": "FastV 50%"},
        {"prediction": "predicted", "mean_error": 0.05, "worst_error": 0.09, "worst_label": "X"},
    ]
    assert found(MEASURED, errors, "8 decoded tokens") == (
        "Of 2 compressed configurations measured on cpu, OmniZip 45% gained most: its prompt, "
        "selection included, was read 1.60× (1.50–1.70) as fast as full tokens, 500 ms in place "
        "of 800 ms, with 45.2% of the audio and video tokens; FastV 50% gained least, 1.20×.",
        "Eq. 9 missed the observed speed-up by 12.3% on average (−40.0% at worst, FastV 50%), "
        "the prediction in seconds by 5.0% (+9.0%, X).",
        "From the clip to the last token, encoders and 8 decoded tokens included, the most that "
        "was gained is 1.25× (OmniZip 45%).",
    )


def test_nothing_is_found_where_nothing_was_measured() -> None:
    assert found(MEASURED[:1], []) == ()
    assert found(MEASURED[3:], []) == ()
    moved = [{**row, "clip": row["label"]} for row in MEASURED]
    assert "OmniZip 45% of m on OmniZip 45%" in found(moved, [])[0]
    assert "in place of" not in found(moved, [])[0], "full tokens of another clip are no reference"
