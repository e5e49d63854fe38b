"""Derivations as LaTeX: one document that compiles with article and amsmath, or its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from omnizip_cost.symbolic.elements import Check, Derivation, Step
from omnizip_cost.symbolic.numbers import NumberRow, lines_of
from omnizip_cost.symbolic.writing import latex

PACKAGES = ("amsmath",)
WIDE = 130
"""Equations written with more characters than this are set smaller, to fit a line."""

_HEAD = r"""\documentclass{article}
\usepackage[margin=2.5cm]{geometry}
\usepackage{amsmath}
\renewcommand{\labelitemi}{$\bullet$}
\title{What token compression saves: the formulas in letters}
\author{\texttt{omnizip-cost derive}}
\date{}
\begin{document}
\maketitle
"""
_TAIL = "\\end{document}\n"
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&",
    "#": r"\#", "$": r"\$", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}",
}  # fmt: skip
_CODE = re.compile(r"`([^`]*)`")
_FORMULA = re.compile(
    r"\b(?P<base>[nrRx])\^2|\brho_(?P<rho>[av])\b|\b(?P<letter>[A-Za-z])_(?P<index>\w+)|->"
)


Part = tuple[Derivation, Sequence[Check], Sequence[NumberRow]]
"""A derivation, what was checked of it, and numbers put into it."""


def document(parts: Iterable[Part]) -> str:
    """Return a whole document, one section per derivation."""
    return _HEAD + "\n".join(fragment(*part) for part in parts) + _TAIL


def fragment(
    derivation: Derivation, checks: Sequence[Check] = (), numbers: Sequence[NumberRow] = ()
) -> str:
    """Return one derivation as a section, to be read into a document that loads amsmath."""
    limits = [line for limit in derivation.limits for line in _step(limit)]
    letters = "; ".join(
        f"${latex(letter)}$ {escaped(meaning)}" for letter, meaning in derivation.legend().items()
    )
    return "\n".join(
        [
            rf"\section{{{escaped(derivation.title)}}}",
            rf"\emph{{{escaped(derivation.question)}}}",
            "",
            *_list("Assumptions", derivation.assumptions),
            r"\paragraph{Steps.}",
            r"\begin{enumerate}",
            *(line for step in derivation.steps for line in _step(step)),
            r"\end{enumerate}",
            r"\paragraph{Result.}",
            *_said(derivation.result),
            *([r"\paragraph{Limits.}", r"\begin{itemize}", *limits, r"\end{itemize}"]
              if limits else []),
            *_list("Checked", [str(check) for check in checks]),
            rf"\paragraph{{Letters.}} {letters}.",
            *_table(numbers),
            rf"\paragraph{{Source.}} {escaped(derivation.source)}.",
            "",
        ]
    )  # fmt: skip


def _table(numbers: Sequence[NumberRow]) -> Iterator[str]:
    if not numbers:
        return
    (_, *names), *lines = lines_of(numbers)
    yield rf"\paragraph{{Numbers.}} {numbers[0].tokens:,} tokens."
    yield r"\begin{center}\footnotesize"
    sides = "".join("l" if name == "convention" else "r" for name in names)
    yield rf"\begin{{tabular}}{{p{{0.3\textwidth}}{sides}}}"
    heading = ["", *("$r$" if name == "r" else escaped(name) for name in names)]
    yield " & ".join(heading) + r" \\ \hline\noalign{\smallskip}"
    for line in lines:
        yield " & ".join(map(escaped, line)) + r" \\"
    yield r"\end{tabular}\end{center}"


def _step(step: Step) -> Iterator[str]:
    yield r"\item"
    yield from _said(step)


def _said(step: Step) -> Iterator[str]:
    body = latex(step.expression)
    yield escaped(step.says)
    if len(body) > WIDE:
        yield rf"{{\small\[ {body} \]}}"
    else:
        yield rf"\[ {body} \]"


def _list(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if not sentences:
        return
    yield rf"\paragraph{{{title}.}}"
    yield r"\begin{itemize}"
    yield from (rf"\item {escaped(sentence)}" for sentence in sentences)
    yield r"\end{itemize}"


def escaped(sentence: str) -> str:
    r"""Write a plain sentence as LaTeX: code upright, squares and arrows as mathematics.

    >>> escaped("`hardware` gives 1/r^2, 50%")
    '\\texttt{hardware} gives 1/$r^2$, 50\\%'
    """
    pieces = _CODE.split(sentence)
    return "".join(
        rf"\texttt{{{_characters(piece)}}}" if place % 2 else _mathematics(piece)
        for place, piece in enumerate(pieces)
    )


def _mathematics(sentence: str) -> str:
    done, written = 0, []
    for found in _FORMULA.finditer(sentence):
        written.append(_characters(sentence[done : found.start()]))
        part = found.groupdict()
        if part["base"]:
            written.append(f"${part['base']}^2$")
        elif part["rho"]:
            written.append(rf"$\rho_{part['rho']}$")
        elif part["letter"]:
            written.append(rf"${part['letter']}_{{\mathrm{{{part['index']}}}}}$")
        else:
            written.append(r"$\to$")
        done = found.end()
    return "".join([*written, _characters(sentence[done:])])


def _characters(sentence: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in sentence)
