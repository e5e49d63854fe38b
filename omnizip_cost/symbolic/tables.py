"""Tables that the figures of the derivations are drawn from: closed forms, evaluated on grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from omnizip_cost.compression.settings import FASTV_LAYER
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.symbolic.letters import Expression, K, n, r, spec_values
from omnizip_cost.symbolic.numbers import FAR, require_uniform
from omnizip_cost.symbolic.topics import crossover, exact, fastv, speedup

SETTINGS = (
    ("random", 0.55), ("fastv", 0.50), ("dycoke", 0.50), ("omnizip", 0.45), ("omnizip", 0.35),
)  # fmt: skip
"""Methods and retained ratios of the paper's FLOPs column (OmniZip, Tab. 1)."""

LENGTHS = (30_000, 100_000)
"""Drawn beside the paper's length; 1,000 tokens lie on 1/r, a million on 1/r^2."""

_RATIOS = tuple(0.2 * 5 ** (step / 30) for step in range(31))
_GRID = tuple(round(10 ** (2 + step / 12)) for step in range(49))
"""Lengths from 100 to a million tokens, twelve to a decade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow(FlatRow):
    """Speed-up of prefill at one ratio: a limit, a curve at one length, or a setting."""

    model: str
    convention: str
    kind: str
    """``short`` and ``long`` (limits), ``length`` (a curve), ``setting`` (of the paper)."""
    method: str | None
    tokens: int | None
    retained: float
    speedup: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow(FlatRow):
    """Share of prefill that attention's products take at one length."""

    model: str
    convention: str
    kind: str
    """``curve``, or what attention overtakes there: ``ffn``, ``rest``."""
    tokens: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioRow(FlatRow):
    """Layers of prefill over Eq. 9's at one length, or in a limit."""

    model: str
    convention: str
    kind: str
    """``curve``, ``paper`` (its length), ``short`` and ``long`` (limits)."""
    tokens: int | None
    ratio: float


def limit_rows(spec: ModelSpec, tokens: int) -> list[LimitRow]:
    """Speed-up against retained ratio at several lengths, and the paper's settings at its own."""
    require_uniform(spec, FAR)
    values = {**spec_values(spec), K: min(FASTV_LAYER, spec.text.layers - 1)}
    return [
        row for key in ("torch", "eq9") for row in _limits_under(key, spec.name, values, tokens)
    ]


def _limits_under(
    convention: str, model: str, values: dict[Any, Any], tokens: int
) -> Iterator[LimitRow]:
    before = speedup.ratio(convention).subs(values)
    inside = fastv.ratio(convention).subs(values)
    curves: list[tuple[str, int | None, Expression]] = [
        ("short", None, 1 / r),
        ("long", None, r**-2),
    ]
    curves += [("length", at, before.subs(n, at)) for at in sorted({*LENGTHS, tokens})]
    for kind, at, expression in curves:
        value = sympy.lambdify(r, expression, "math")
        for ratio in _RATIOS:
            yield LimitRow(
                model=model,
                convention=convention,
                kind=kind,
                method=None,
                tokens=at,
                retained=ratio,
                speedup=float(value(ratio)),
            )
    for method, ratio in SETTINGS:
        formula = inside if method == "fastv" else before
        yield LimitRow(
            model=model,
            convention=convention,
            kind="setting",
            method=method,
            tokens=tokens,
            retained=ratio,
            speedup=float(formula.subs({n: tokens, r: sympy.Rational(str(ratio))})),
        )


def share_rows(specs: Sequence[ModelSpec]) -> list[ShareRow]:
    """Attention's share against the length, and where it overtakes the FFN and all the rest."""
    for spec in specs:
        require_uniform(spec, FAR)
    return [
        row
        for key in crossover.SHOWN
        for spec in specs
        for row in _share_under(key, spec.name, spec_values(spec))
    ]


def _share_under(convention: str, model: str, values: dict[Any, Any]) -> Iterator[ShareRow]:
    share = sympy.lambdify(n, crossover.attention_share(convention).subs(values), "math")
    places = [("curve", float(at)) for at in _GRID]
    for kind, root in (("ffn", crossover.overtakes_ffn), ("rest", crossover.overtakes_all)):
        places.append((kind, float(root(convention).subs(values))))
    for kind, at in places:
        yield ShareRow(
            model=model, convention=convention, kind=kind, tokens=at, share=float(share(at))
        )


def ratio_rows(specs: Sequence[ModelSpec], tokens: int) -> list[RatioRow]:
    """Exact layers over Eq. 9 against the length, with both limits."""
    for spec in specs:
        require_uniform(spec, FAR)
    return [
        row
        for key in exact.SHOWN
        for spec in specs
        for row in _ratio_under(key, spec.name, spec_values(spec), tokens)
    ]


def _ratio_under(
    convention: str, model: str, values: dict[Any, Any], tokens: int
) -> Iterator[RatioRow]:
    formula = exact.ratio(convention, with_head=False).subs(values)
    ratio = sympy.lambdify(n, formula, "math")
    ends = [float(limit.subs(values)) for limit in exact.limits(convention)]
    rows: list[tuple[str, int | None, float]] = [("short", None, ends[0]), ("long", None, ends[1])]
    rows += [("curve", at, float(ratio(at))) for at in _GRID]
    rows.append(("paper", tokens, float(ratio(tokens))))
    for kind, at, value in rows:
        yield RatioRow(model=model, convention=convention, kind=kind, tokens=at, ratio=value)
