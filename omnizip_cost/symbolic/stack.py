"""The decoder stack in letters, under any convention: :mod:`omnizip_cost.formulas` fed symbols."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from omnizip_cost import formulas
from omnizip_cost.cost.conventions import Convention
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
class Widths:
    """Widths of one layer in letters, as a convention sees them."""

    q: Expr
    kv: Expr
    pair: Expr
    """Of the two products of a pair: the queries', or 0 where a convention counts no pairs."""
    m: Expr
    ffn_matrices: Expr
    router: Expr

    @classmethod
    def of(cls, convention: Convention) -> Widths:
        """Read them off a convention's choices."""
        grouped = convention.widths == "grouped"
        as_built = convention.ffn_matrices is None
        queries = q if grouped else d
        return cls(
            q=queries,
            pair=sympy.S.Zero if convention.attention == "none" else queries,
            kv=kv if grouped else d,
            m=4 * d if convention.ffn_width == "4d" else m,
            ffn_matrices=F if as_built else sympy.Integer(convention.ffn_matrices),
            router=e if as_built else sympy.S.Zero,
        )


def attention(convention: Convention) -> Expr:
    """FLOPs of both attention products of one layer in prefill."""
    causal = convention.attention == "causal"
    pairs = formulas.causal_pairs_doubled(n) if causal else formulas.full_pairs_doubled(n, n)
    return convention.flop_per_multiply_add * formulas.attention(pairs, Widths.of(convention).pair)


def feed_forward(convention: Convention) -> Expr:
    """FLOPs of one layer's FFN in prefill, its router apart."""
    widths = Widths.of(convention)
    return convention.flop_per_multiply_add * formulas.feed_forward(
        n, d, widths.m, widths.ffn_matrices
    )


def matrices(convention: Convention, tokens: Expr = n) -> Expr:
    """FLOPs of all matrices of one layer for some tokens: projections, FFN, router."""
    widths = Widths.of(convention)
    multiply_adds = (
        formulas.projections(tokens, d, widths.q, widths.kv)
        + formulas.feed_forward(tokens, d, widths.m, widths.ffn_matrices)
        + formulas.linear(tokens, d, widths.router)
    )
    return convention.flop_per_multiply_add * multiply_adds


def layer(convention: Convention) -> Expr:
    """Prefill FLOPs of one layer for n tokens."""
    return sympy.expand(matrices(convention) + attention(convention))


def head(convention: Convention) -> Expr:
    """FLOPs of the LM head in prefill."""
    positions = {"none": 0, "every": n, "last": 1}[convention.lm_head]
    return convention.flop_per_multiply_add * formulas.linear(positions, d, V)


def prefill(convention: Convention) -> Expr:
    """Prefill FLOPs of T layers and the LM head for n tokens."""
    return sympy.expand(T * layer(convention) + head(convention))


def decode(convention: Convention) -> Expr:
    """FLOPs of R decode steps after n cached tokens, LM head included where it is counted."""
    pairs = formulas.decode_pairs_doubled(n, R)
    scores = formulas.attention(pairs, Widths.of(convention).pair)
    logits = 0 if convention.lm_head == "none" else formulas.linear(R, d, V)
    factor = convention.flop_per_multiply_add
    return sympy.expand(T * (matrices(convention, R) + factor * scores) + factor * logits)
