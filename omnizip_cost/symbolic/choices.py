"""What a convention chooses, one choice after the other: from what must run to Eq. 9."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omnizip_cost import formulas
from omnizip_cost.symbolic.letters import Expression, F, L, R, T, V, Values, d, e, f, kv, m, n, p, q


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One silent assumption, as the values that it gives to letters."""

    says: str
    sets: Values


NEEDED: Values = {f: 2, p: n * (n + 1) / 2}
"""Where the chain begins: two FLOPs per multiply-add, and a query sees no key after it."""

TO_EQ9: tuple[Choice, ...] = (
    Choice(says="no LM head", sets={L: 0}),
    Choice(says="one FLOP per multiply-add instead of two", sets={f: 1}),
    Choice(says="queries, keys and values as wide as the hidden size", sets={q: d, kv: d}),
    Choice(says="two matrices in an FFN, and no router", sets={F: 2, e: 0}),
    Choice(says="every query sees every key", sets={p: n**2}),
)
"""From what is needed to Eq. 9, in this order; a factor depends on those before it."""


def token_multiply_adds() -> Expression:
    """Multiply-adds of one token in all matrices of one layer, as built."""
    return (
        formulas.projections(1, d, q, kv)
        + formulas.feed_forward(1, d, m, F)
        + formulas.linear(1, d, e)
    )


def whole(*, decoding: bool) -> Expression:
    """FLOPs of T layers and of the logits of L positions, before any choice is made."""
    tokens = n + R if decoding else n
    pairs_doubled = 2 * p + (formulas.decode_pairs_doubled(n, R) if decoding else 0)
    layer = tokens * token_multiply_adds() + formulas.attention(pairs_doubled, q)
    return f * (T * layer + formulas.linear(L, d, V))


def chain(start: Expression, given: Values) -> Iterator[tuple[Choice | None, Expression]]:
    """Yield the count as each choice is made, those before it included; first with none.

    Parameters
    ----------
    start
        The count with all letters open.
    given
        Values of the open letters where the chain begins.
    """
    state = dict(given)
    yield None, start.subs(state, simultaneous=True)
    for choice in TO_EQ9:
        state.update(choice.sets)
        yield choice, start.subs(state, simultaneous=True)
