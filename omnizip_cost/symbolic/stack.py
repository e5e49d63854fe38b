"""The decoder stack in letters: the functions of :mod:`omnizip_cost.cost.decoder`, fed symbols.

Nothing is stated here that they state: which width, which pairs, which positions of the head a
convention takes is read by the very code that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from omnizip_cost.cost.conventions import Convention
from omnizip_cost.cost.decoder import (
    LayerWidths,
    OperatorClass,
    Phase,
    decode_work,
    head_work,
    prefill_work,
)
from omnizip_cost.symbolic.letters import Expression as Expr
from omnizip_cost.symbolic.letters import F, R, T, V, d, e, kv, m, n, q


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadratic:
    """Prefill FLOPs as linear * n + squared * n^2 + constant."""

    linear: Expr
    squared: Expr
    constant: Expr

    @classmethod
    def of(cls, expression: Expr) -> Quadratic:
        """Read the coefficients of an expression in n off."""
        polynomial = sympy.Poly(sympy.expand(expression), n)
        return cls(
            linear=sympy.factor_terms(polynomial.coeff_monomial(n)),
            squared=sympy.factor_terms(polynomial.coeff_monomial(n**2)),
            constant=sympy.factor_terms(polynomial.coeff_monomial(1)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExpertsInLetters:
    """What a layer's widths ask of a mixture; e = 0 makes it a plain FFN of width m."""

    experts: Expr = e
    experts_per_token: int = 1
    intermediate_size: Expr = m
    dense_layers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextInLetters:
    """What the count asks of a :class:`~omnizip_cost.specs.spec.TextSpec`, in letters."""

    hidden_size: Expr = d
    query_width: Expr = q
    kv_width: Expr = kv
    intermediate_size: Expr = m
    ffn_matrices: Expr = F
    vocab_size: Expr = V
    experts: _ExpertsInLetters = _ExpertsInLetters()

    def window_of(self, _: int) -> None:
        """No letter stands for a window."""


_TEXT: Any = _TextInLetters()


def attention(convention: Convention) -> Expr:
    """FLOPs of both attention products of one layer in prefill."""
    return convention.flop_per_multiply_add * _layer_work(convention, n)["attention"]


def feed_forward(convention: Convention) -> Expr:
    """FLOPs of one layer's FFN in prefill, its router apart."""
    return convention.flop_per_multiply_add * _layer_work(convention, n)["ffn"]


def matrices(convention: Convention, tokens: Expr = n) -> Expr:
    """FLOPs of all matrices of one layer for some tokens: projections, FFN, router."""
    work = _layer_work(convention, tokens)
    left = sum(terms for operator, terms in work.items() if operator != "attention")
    return convention.flop_per_multiply_add * left


def layer(convention: Convention) -> Expr:
    """Prefill FLOPs of one layer for n tokens."""
    return sympy.expand(matrices(convention) + attention(convention))


def head(convention: Convention) -> Expr:
    """FLOPs of the LM head in prefill; zero where it is not counted."""
    return _head(convention, "prefill")


def prefill(convention: Convention) -> Expr:
    """Prefill FLOPs of T layers and the LM head for n tokens."""
    return sympy.expand(T * layer(convention) + head(convention))


def decode(convention: Convention) -> Expr:
    """FLOPs of R decode steps after n cached tokens, LM head included; zero where not counted."""
    if not convention.decode:
        return sympy.S.Zero
    work = decode_work(_widths(convention), n, R)
    layers = convention.flop_per_multiply_add * T * sum(work.values())
    return sympy.expand(layers) + _head(convention, "decode")


def _widths(convention: Convention) -> LayerWidths:
    return LayerWidths.of(_TEXT, convention, 0)


def _layer_work(convention: Convention, tokens: Expr) -> dict[OperatorClass, Expr]:
    """Multiply-adds of one layer's prefill."""
    return prefill_work(_widths(convention), convention, tokens)


def _head(convention: Convention, phase: Phase) -> Expr:
    """FLOPs of the LM head in one phase."""
    work = head_work(_TEXT, convention, n, R)
    return convention.flop_per_multiply_add * work.get(phase, sympy.S.Zero)
