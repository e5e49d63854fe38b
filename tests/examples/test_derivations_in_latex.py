"""LaTeX of every derivation: read by mathtext everywhere, compiled where LaTeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from matplotlib.mathtext import MathTextParser

from omnizip_cost.specs import load_spec
from omnizip_cost.symbolic import (
    TOPICS,
    Point,
    checks,
    derivation,
    document,
    fragment,
    latex,
    number_rows,
)
from omnizip_cost.symbolic.tex import escaped

MACROS = {
    "alpha", "author", "begin", "bullet", "date", "documentclass", "emph", "end", "ensuremath",
    "epsilon", "footnotesize", "frac", "hline", "infty", "item", "labelitemi", "left", "leq", "lim",
    "maketitle", "mathrm", "noalign", "paragraph", "phi", "qquad", "renewcommand", "rho", "right",
    "section", "small", "smallskip", "sqrt", "sum", "textasciicircum", "texttt", "textwidth",
    "title", "to", "usepackage",
}  # fmt: skip
"""All that LaTeX with amsmath knows, and nothing else is written."""


@pytest.fixture(scope="module")
def whole() -> str:
    point = Point(tokens=10_004, ratios=(0.45, 0.35), flop_per_byte=200.0)
    specs = [load_spec(name) for name in ("qwen2.5-omni-7b", "qwen3-omni-30b-a3b")]
    parts = []
    for topic in TOPICS:
        found = derivation(topic)
        numbers = [row for spec in specs for row in number_rows(found, spec, point)]
        parts.append((found, checks(topic), numbers))
    return document(parts)


@pytest.mark.parametrize("topic", TOPICS)
def test_mathtext_reads_every_expression(topic: str) -> None:
    parser = MathTextParser("path")
    for _, step in derivation(topic).parts():
        parser.parse(f"${latex(step.expression)}$")


def test_braces_balance_and_macros_are_known(whole: str) -> None:
    bare = re.sub(r"\\[\\{}_%&#$]", "", whole)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert set(re.findall(r"\\([A-Za-z]+)", bare)) <= MACROS
    opened = re.findall(r"\\begin\{(\w+)\}", whole)
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", whole))
    assert whole.count(r"\section{") == len(TOPICS)


def test_the_document_compiles_and_fits_its_lines(whole: str, tmp_path: Path) -> None:
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("pdflatex is not installed: the document was not compiled")
    (tmp_path / "derivations.tex").write_text(whole)
    done = subprocess.run(
        [program, "-interaction=nonstopmode", "-halt-on-error", "derivations.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "derivations.log").read_text(errors="replace")
    assert "Overfull" not in log
    assert "Missing character" not in log
    assert (tmp_path / "derivations.pdf").read_bytes().startswith(b"%PDF")


def test_a_fragment_has_no_preamble() -> None:
    text = fragment(derivation("speedup"))
    assert text.startswith(r"\section{")
    assert "documentclass" not in text
    assert "Checked" not in text


@pytest.mark.parametrize(
    ("sentence", "written"),
    [
        ("50% of `rho_a` & more", r"50\% of \texttt{rho\_a} \& more"),
        ("rho_v falls, n -> 0", r"$\rho_v$ falls, n $\to$ 0"),
        ("1/r^2 at n_half", r"1/$r^2$ at $n_{\mathrm{half}}$"),
        ("a < b {c}", r"a \ensuremath{<} b \{c\}"),
    ],
)
def test_sentences_are_escaped(sentence: str, written: str) -> None:
    assert escaped(sentence) == written
