"""From a grid to columns: one row per configuration, a box of configurations at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.compression import Method
from omnizip_cost.cost import Convention
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import ModelSpec
from omnizip_cost.sweep.grid import Box, Grid
from omnizip_cost.sweep.totals import Floats, Totals, totals

Whole = NDArray[np.int64]

LARGEST_TABLE = 20_000_000
"""Rows of a table in memory: some 2 GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Configurations of one model, method and convention: columns of equal length.

    Rows go by token count, within it by ratio, within that by decode length.
    """

    model: str
    method: str
    retained: Floats
    """Nominal ratio."""
    tokens: Whole
    convention: str
    decode: Whole
    kept_tokens: Whole
    """Tokens in the last layer."""
    prefill_flops: Floats
    """Decoder and LM head; whole numbers, held as float64."""
    decode_flops: Floats
    """All decoded tokens together."""
    flops: Floats
    share_left: Floats
    """Of the full tokens' FLOPs."""
    exact: NDArray[np.bool_]
    """Whether the FLOPs are exact integers: below 2^53."""

    def __len__(self) -> int:
        return len(self.flops)


COLUMNS: tuple[str, ...] = tuple(item.name for item in fields(Block))
"""In the order in which tables show them."""

REPEATED = ("retained", "tokens", "decode")
"""Columns of numbers whose values come again and again."""


def blocks(grid: Grid) -> Iterator[Block]:
    """Compute a grid block by block, never more than a box of it at a time."""
    for spec in grid.models:
        for convention in grid.conventions:
            for box in grid.boxes():
                yield from box_blocks(grid, spec, convention, box)


def as_columns(block: Block) -> dict[str, NDArray[Any] | str]:
    """Return a block's columns by name; of a name that all its rows share, the one text."""
    return {name: getattr(block, name) for name in COLUMNS}


def columns(grid: Grid) -> dict[str, NDArray[Any]]:
    """Compute a whole grid in memory, as columns that a data frame takes.

    Raises
    ------
    InvalidValueError
        A grid of more rows than memory is for.

    Examples
    --------
    >>> from omnizip_cost.sweep import columns, make_grid
    >>> from omnizip_cost.units import TERA
    >>> paper = make_grid(
    ...     models=["qwen2.5-omni-7b"], methods=["full", "omnizip"], tokens=[10004],
    ...     retained=[0.45, 0.35], conventions=["eq9"])
    >>> [f"{flops / TERA:.1f}" for flops in columns(paper)["flops"]]
    ['73.2', '28.3', '21.4']
    """
    if grid.size > LARGEST_TABLE:
        raise InvalidValueError(
            "grid",
            "size",
            f"at most {LARGEST_TABLE:,} configurations in memory",
            f"{grid.size:,}",
            "take it block by block, or sweep it into a folder",
        )
    parts = tuple(blocks(grid))
    return {name: np.concatenate([_column(part, name) for part in parts]) for name in COLUMNS}


def _column(block: Block, name: str) -> NDArray[Any]:
    """One column of a block, a name repeated."""
    value = getattr(block, name)
    return np.full(len(block), value, dtype=object) if isinstance(value, str) else value


def box_blocks(grid: Grid, spec: ModelSpec, convention: Convention, box: Box) -> Iterator[Block]:
    """Blocks of one box, a method each.

    Methods that prune at the same place keep the same bare counts: these are computed once.
    """
    tokens, decode = grid.tokens[box.tokens], grid.decode[box.decode]
    known: dict[str, Totals] = {}
    for method in grid.methods:
        plain = method.prunes == "nothing"
        if plain and box.retained.start:
            continue
        retained = np.ones(1) if plain else grid.retained[box.retained]
        if method.prunes not in known:
            known[method.prunes] = totals(
                spec.text,
                convention,
                method.prunes,
                tokens=tokens,
                retained=retained,
                decode=decode,
                whole_layers=grid.fastv_layer,
            )
        yield _block(spec, method, convention, tokens, retained, decode, known[method.prunes])


def _block(
    spec: ModelSpec,
    method: Method,
    convention: Convention,
    tokens: Whole,
    retained: Floats,
    decode: Whole,
    found: Totals,
) -> Block:
    flops = found.flops

    def flat(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values, flops.shape).ravel()

    return Block(
        model=spec.name,
        method=method.name,
        retained=flat(retained[None, :, None]),
        tokens=flat(tokens[:, None, None]),
        convention=convention.name,
        decode=flat(decode[None, None, :]),
        kept_tokens=flat(found.kept_tokens.astype(np.int64)),
        prefill_flops=flat(found.prefill_flops),
        decode_flops=flat(found.decode_flops),
        flops=flops.ravel(),
        share_left=flat(found.share_left),
        exact=flat(found.exact),
    )
