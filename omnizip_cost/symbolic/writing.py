"""Equations as they are written: one line of plain text, or LaTeX."""

from __future__ import annotations

import re
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

# ruff: noqa: N802 - the names of SymPy's printer methods
from omnizip_cost.symbolic.letters import Expression, kv


class _PositiveFirst:
    """Terms of a sum with those that are subtracted behind the others: T - K, not -K + T."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        terms = super()._as_ordered_terms(expr, order=order)  # type: ignore[misc]
        return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


class PlainPrinter(_PositiveFirst, StrPrinter):  # type: ignore[misc]
    """One line: a product is a space, a power a caret."""

    def _print_Mul(self, expr: Any) -> str:
        above, below = sympy.fraction(expr, exact=True)
        if below != 1:
            inside = self._print(above)
            inside = f"({inside})" if above.is_Add else inside
            under = self._print(below)
            return f"{inside}/({under})" if below.is_Add or below.is_Mul else f"{inside}/{under}"
        sign, expr = ("-", -expr) if expr.could_extract_minus_sign() else ("", expr)
        factors = expr.as_ordered_factors() if expr.is_Mul else [expr]
        written = [self._print(item) for item in factors]
        return sign + " ".join(
            f"({word})" if item.is_Add else word
            for item, word in zip(factors, written, strict=True)
            if item != 1
        )

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        base, exponent = expr.as_base_exp()
        if exponent == sympy.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        if exponent.is_negative:
            under = self._print(base**-exponent)
            return f"1/({under})" if (base**-exponent).is_Add else f"1/{under}"
        word = self._print(base)
        word = word if base.is_Symbol or base.is_Integer else f"({word})"
        return f"{word}^{self._print(exponent)}"

    def _print_Relational(self, expr: Any) -> str:
        sign = {"==": "=", "<=": "<="}[expr.rel_op]
        return f"{self._print(expr.lhs)} {sign} {self._print(expr.rhs)}"

    def _print_Tuple(self, expr: Any) -> str:
        return ",   ".join(self._print(item) for item in expr)

    def _print_Sum(self, expr: Any) -> str:
        letter, first, last = expr.limits[0]
        span = f"{letter} = {self._print(first)}..{self._print(last)}"
        return f"sum over {span} of {self._print(expr.function)}"

    def _print_Limit(self, expr: Any) -> str:
        inside, letter, place, _ = expr.args
        return f"lim {letter} -> {self._print(place)} of {self._print(inside)}"

    def _print_Infinity(self, expr: Any) -> str:
        return "infinity"


class TexPrinter(_PositiveFirst, LatexPrinter):  # type: ignore[misc]
    """SymPy's LaTeX, equations of a tuple side by side, words upright."""

    def _print_Tuple(self, expr: Any) -> str:
        return r" \qquad ".join(self._print(item) for item in expr)


_PLAIN = PlainPrinter()
_TEX = TexPrinter({"symbol_names": {kv: r"\mathrm{kv}", sympy.Symbol("share"): r"\mathrm{share}"}})
_WORD = re.compile(r"_\{([A-Za-z]\w+)\}")


def plain(expression: Expression) -> str:
    """Write an expression in one line.

    >>> n, d = sympy.symbols("n d")
    >>> plain(2 * n**2 * d / (n + d))
    '2 d n^2/(d + n)'
    """
    return str(_PLAIN.doprint(expression))


def latex(expression: Expression) -> str:
    r"""Write an expression as LaTeX, in what amsmath and matplotlib's mathtext both read.

    >>> latex(1 / sympy.Symbol("r"))
    '\\frac{1}{r}'
    """
    return _WORD.sub(r"_{\\mathrm{\1}}", str(_TEX.doprint(expression)))
