"""Closed forms with a model's sizes put in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from omnizip_cost.compression import make_plan
from omnizip_cost.compression.settings import FASTV_LAYER
from omnizip_cost.cost import CONVENTIONS, EQ9_DECODE_STEPS, count, total_flops
from omnizip_cost.errors import InvalidValueError, UnsupportedModelError, require_ratio
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.symbolic.elements import Derivation, Form
from omnizip_cost.symbolic.letters import K, R, Values, n, phi, put, r, spec_values
from omnizip_cost.symbolic.stack import decode, prefill
from omnizip_cost.units import si
from omnizip_cost.workload.workload import bare_workload

FAR = 1_000_000
"""A length at which every model's sliding window binds: the longest of the figures."""

LEAST_FIXED = 0.01
"""A smaller ratio is written with four digits, wherever they begin."""

_SI = {"FLOP": "FLOP", "bytes": "B"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where closed forms are evaluated."""

    tokens: int
    ratios: tuple[float, ...]
    decoded: int = EQ9_DECODE_STEPS
    fastv_layer: int = FASTV_LAYER
    flop_per_byte: float | None = None
    """phi of a device; None leaves forms that need it out."""

    def __post_init__(self) -> None:
        bare_workload(self.tokens)
        for name in ("decoded", "fastv_layer"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidValueError("derive", name, "a positive whole number", value)
        for ratio in self.ratios:
            if require_ratio("derive", "retained", ratio) == 0:
                raise InvalidValueError("derive", "retained", "above 0", ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRow(FlatRow):
    """One closed form at one point of one model."""

    topic: str
    statement: str
    convention: str | None
    """None where no convention decides it."""
    model: str
    tokens: int
    retained: float | None
    """None where the form does not depend on it."""
    value: float | int | None
    """None where no positive number comes out: see ``means``."""
    unit: str
    means: str

    @property
    def written(self) -> str:
        """The value as it stands in a table."""
        if self.value is None:
            return self.means
        if self.unit == "tokens":
            return f"{self.value:,.0f}"
        if self.unit == "x":
            return f"{self.value:.3f}x"
        if self.unit in _SI:
            return si(self.value, _SI[self.unit])
        if isinstance(self.value, int):
            return f"{self.value:,}"
        return f"{self.value:.4f}" if self.value >= LEAST_FIXED else f"{self.value:.4g}"


def number_rows(derivation: Derivation, spec: ModelSpec, point: Point) -> list[NumberRow]:
    """Evaluate every form of a derivation for one model.

    Raises
    ------
    InvalidValueError
        K is not below the model's number of layers.
    UnsupportedModelError
        The model's layers are not what the letters say.
    """
    values = _values(spec, point)
    in_use = any(form.expression.has(K) for form in derivation.forms)
    if in_use and point.fastv_layer >= spec.text.layers:
        raise InvalidValueError(
            "derive", "fastv_layer", f"below the {spec.text.layers} layers", point.fastv_layer
        )
    return [
        _row(derivation.name, form, spec, point, values, ratio)
        for form in derivation.forms
        if point.flop_per_byte is not None or not form.expression.has(phi)
        for ratio in (point.ratios if form.expression.has(r) else (None,))
    ]


def _row(
    topic: str, form: Form, spec: ModelSpec, point: Point, values: Values, ratio: float | None
) -> NumberRow:
    kept = {} if ratio is None else {r: sympy.Rational(str(ratio))}
    value = _number(put(form.expression, {**values, **kept}))
    return NumberRow(
        topic=topic,
        statement=form.name,
        convention=form.convention,
        model=spec.name,
        tokens=point.tokens,
        retained=ratio,
        value=value,
        unit=form.unit,
        means=form.otherwise if value is None else "",
    )


def _number(expression: Any) -> float | int | None:
    """Whole where it is whole; None where it is infinite, imaginary or negative."""
    if expression.is_Integer:
        return int(expression) if expression >= 0 else None
    if not expression.is_finite or not expression.is_real or expression < 0:
        return None
    return float(expression)


def _values(spec: ModelSpec, point: Point) -> Values:
    values = spec_values(spec)
    values |= {n: point.tokens, R: point.decoded, K: point.fastv_layer}
    if point.flop_per_byte is not None:
        values[phi] = sympy.Rational(point.flop_per_byte)
    for length in (point.tokens, FAR):
        require_uniform(spec, length)
    return values


def lines_of(numbers: Sequence[NumberRow]) -> list[tuple[str, ...]]:
    """Lines of a table, heading first; convention and r stand there where any row has one.

    Returns
    -------
    list
        One line per statement, convention and ratio; a written value for each model.
    """
    models = tuple(dict.fromkeys(row.model for row in numbers))
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in numbers:
        ratio = "" if row.retained is None else f"{row.retained:g}"
        key = (row.statement, row.convention or "", ratio)
        found.setdefault(key, {})[row.model] = row.written
    lines = [
        ("quantity", "convention", "r", *models),
        *((*key, *(values[model] for model in models)) for key, values in found.items()),
    ]
    empty = [place for place in (1, 2) if not any(line[place] for line in lines[1:])]
    return [tuple(cell for at, cell in enumerate(line) if at not in empty) for line in lines]


def require_uniform(spec: ModelSpec, tokens: int) -> None:
    """Refuse a model whose count is not the formula in one layer's letters.

    Raises
    ------
    UnsupportedModelError
        Layers differ, or some see a window of the tokens only.
    """
    chosen = CONVENTIONS["hardware"]
    plan = make_plan("full", bare_workload(tokens), spec)
    counted = total_flops(count(spec, plan, chosen, decode=1))
    values = {**spec_values(spec), n: tokens, R: 1}
    if put(prefill(chosen) + decode(chosen), values) != counted:
        raise UnsupportedModelError(
            spec.name,
            f"its layers are not all alike, or not all of them see {tokens:,} tokens, so no "
            "formula in the letters of one layer is its count at every length",
            "`flops` counts it exactly",
        )
