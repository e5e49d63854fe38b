"""The letters of every derivation, what each stands for, and their values in one model.

They are those of the paper and of :mod:`omnizip_cost.formulas`; positive, so that roots and limits
are taken on the right side.
"""

from __future__ import annotations

from typing import Any

import sympy

from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.cost.decoder import LayerWidths
from omnizip_cost.specs.spec import ModelSpec

Expression = Any
"""A SymPy expression."""

Values = dict[Any, Any]
"""Letter -> its value."""


def _letter(name: str) -> Any:
    return sympy.Symbol(name, positive=True)


n, d, m, q, kv, T, V, R = (_letter(name) for name in ("n", "d", "m", "q", "kv", "T", "V", "R"))
r, K, h = (_letter(name) for name in ("r", "K", "h"))
e = sympy.Symbol("e", nonnegative=True)
F, f, p, L = (_letter(name) for name in ("F", "f", "p", "L"))
i = sympy.Symbol("i", positive=True, integer=True)
A, B = _letter("A"), _letter("B")
C = sympy.Symbol("C", nonnegative=True)
a, b = _letter("a"), _letter("b")
s, s_0, s_1, s_2 = (sympy.Symbol(name, nonnegative=True) for name in ("s", "s_0", "s_1", "s_2"))
x = _letter("x")
alpha, rho_a, epsilon, P = (_letter(name) for name in ("alpha", "rho_a", "epsilon", "P"))
W, c, u, phi = (_letter(name) for name in ("W", "c", "u", "phi"))

MEANINGS: dict[Any, str] = {
    n: "tokens that enter the decoder",
    d: "hidden size",
    m: "FFN width (of a mixture of experts: of those one token uses, side by side)",
    q: "width of the queries, heads times head size",
    kv: "width of the keys, and of the values: key heads times head size",
    T: "layers",
    V: "vocabulary",
    R: "decoded tokens",
    r: "retained ratio",
    K: "layers that FastV runs on all tokens",
    h: "query heads",
    e: "outputs of the router (experts of a layer; 0 without)",
    F: "matrices of one FFN (3 when gated)",
    f: "FLOPs per multiply-add",
    p: "(query, key) pairs of one layer in prefill",
    L: "positions whose logits are computed",
    i: "number of the decode step",
    A: "prefill FLOPs per token: all layers' matrices and what else grows with n",
    B: "prefill FLOPs per token squared: attention's two products",
    C: "prefill FLOPs that no token count changes: logits of one position",
    a: "FLOPs per token of one layer's matrices",
    b: "FLOPs per token squared of one layer's attention",
    s: "FLOPs of choosing the tokens",
    s_0: "its part that no token count changes",
    s_1: "its FLOPs per token",
    s_2: "its FLOPs per token squared",
    x: "retained ratio at which FastV costs as much",
    alpha: "share of audio among audio and video tokens",
    rho_a: "pruning ratio of audio tokens",
    epsilon: "anchors per audio token",
    P: "video tokens of one temporal grid",
    W: "bytes of the weights that one decode step reads",
    c: "bytes of keys and values of one cached token",
    u: "bytes per element (2 in bfloat16)",
    phi: "FLOPs that the device does in the time in which it moves a byte",
}


def spec_values(spec: ModelSpec) -> Values:
    """Values of the letters that a model fixes, as whole numbers."""
    text = spec.text
    widths = LayerWidths.of(text, CONVENTIONS["hardware"], 0)
    return {
        d: widths.d,
        q: widths.q,
        kv: widths.kv,
        m: widths.m,
        F: widths.ffn_matrices,
        e: widths.router,
        T: text.layers,
        V: text.vocab_size,
        h: text.heads,
    }


def put(expression: Expression, values: Values) -> Expression:
    """Put exact numbers in place of letters."""
    return expression.xreplace({letter: sympy.sympify(value) for letter, value in values.items()})
