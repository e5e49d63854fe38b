"""The calls of each phase: one prefill of n tokens, then R cached steps of one token."""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.decoder import LayerGroup, layer_groups
from omnizip_cost.cost.executed.op import Pass
from omnizip_cost.specs.spec import TextSpec


def passes(
    n: int, decode_steps: int, convention: Convention, width: int, window: int | None = None
) -> Iterator[Pass]:
    """Prefill of ``n`` tokens, and the decode steps that follow it, if the convention counts any.

    Parameters
    ----------
    n : int
    decode_steps : int
        R; step i sees n + i keys, at most ``window`` of them.
    convention : Convention
        Which pairs it counts, and whether it counts decode.
    width : int
        Bytes of a number of the model's dtype.
    window : int, optional
        W of a layer that slides.
    """
    if convention.attention == "causal":
        counted = formulas.causal_pairs_doubled(n, window=window)
    else:
        counted = formulas.full_pairs_doubled(n, n)
    yield Pass(
        phase="prefill",
        calls=1,
        rows=n,
        keys=n,
        pairs=n * n,
        counted_pairs_doubled=counted,
        width=width,
    )
    if convention.decode and decode_steps:
        doubled = formulas.decode_pairs_doubled(n, decode_steps, window)
        yield Pass(
            phase="decode",
            calls=decode_steps,
            rows=decode_steps,
            keys=doubled // 2,
            pairs=doubled // 2,
            counted_pairs_doubled=doubled,
            width=width,
        )


def whole_groups(text: TextSpec, plan: Plan, convention: Convention) -> list[LayerGroup]:
    """Groups of equal layers under a convention that counts all tokens: whole numbers of them."""
    return list(layer_groups(text, convention, plan.layer_tokens))


def prompt_tokens(plan: Plan) -> int:
    """Tokens of the prompt before anything is pruned: all of them are looked up."""
    return plan.av_tokens + plan.text_tokens
