"""How the stock text models of each family differ, and which of them are not listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omnizip_cost.cost.executed.op import AttentionKind, Kernel, Pass
from omnizip_cost.cost.executed.rotary import (
    counted_positions,
    interleaved_table,
    mrope_table,
    plain_table,
)
from omnizip_cost.specs.spec import Family, ModelSpec

_MOVING_TABLES = ("dynamic", "longrope")
"""Rotary types whose frequencies are worked out again in each call, by its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What is particular to the text model of one family."""

    axes: int = 1
    """Position axes: 3 of an omnimodal model, whose positions are given."""
    fused: bool = False
    """One product for queries, keys and values, one for gate and up; rotated parts and those
    left as they are put together, even where nothing is left as it is."""


STOCK: dict[Family, Stock] = {
    "qwen2.5-omni": Stock(axes=3),
    "qwen3-omni": Stock(axes=3),
    "llama": Stock(),
    "mistral": Stock(),
    "qwen2": Stock(),
    "qwen3": Stock(),
    "phi3": Stock(fused=True),
}
"""Text models that are listed as executed, by family."""


def why_unlisted(
    spec: ModelSpec, *, attention: AttentionKind = "sdpa", longest: int | None = None
) -> str | None:
    """Say why the operators of a text model are not listed; None where they are.

    Parameters
    ----------
    spec : ModelSpec
    attention : {"sdpa", "math", "eager"}
    longest : int, optional
        Most tokens that its cache comes to hold: below the window a layer that slides is like any
        other, but for the mask that eager attention adds.
    """
    if spec.family not in STOCK:
        return f"the text model of family {spec.family} is not listed"
    window = spec.text.sliding_window
    if window is not None and (attention == "eager" or longest is None or longest >= window):
        return (
            f"layers that slide are listed while prompt and answer stay below their window of "
            f"{window:,} tokens, without eager attention"
        )
    rotary = spec.text.rotary
    if rotary.kind in _MOVING_TABLES:
        return (
            f"a rotary table of type {rotary.kind} is worked out call by call, which is not listed"
        )
    if rotary.part != 1:
        return "heads of which a part alone is rotated are not listed"
    return None


def rotary_table(spec: ModelSpec, run: Pass) -> Iterator[Kernel]:
    """Positions, where the model counts them itself, and their cosines and sines."""
    head_dim = spec.text.head_dim
    sections = spec.text.rotary.sections
    if sections is not None:
        yield from interleaved_table(run, head_dim, sections)
    elif STOCK[spec.family].axes > 1:
        yield from mrope_table(run, head_dim)
    else:
        yield from counted_positions(run)
        yield from plain_table(run, head_dim)
