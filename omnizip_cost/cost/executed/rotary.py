"""Operators that make and apply rotary positions, as the families' text models do.

Source: ``apply_rotary_pos_emb`` and the ``*RotaryEmbedding`` classes of transformers 5.23. In 5.17
the angles are a matrix product of positions and frequencies instead of an elementwise one.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost.cost.executed.modules import cast
from omnizip_cost.cost.executed.op import FLOAT32, INT64, Kernel, Pass, Tensor, integers, kernel


def counted_positions(run: Pass) -> Iterator[Kernel]:
    """Positions that a text model counts itself where it is given none."""
    yield integers("arange", (), run.rows)
    yield integers("add", (run.rows,), run.rows)


def plain_table(run: Pass, head_dim: int) -> Iterator[Kernel]:
    """Cosines and sines of one position axis, each half of the head alike."""
    yield from _angles(run, 1, head_dim)
    table = Tensor(run.rows * head_dim, FLOAT32)
    yield kernel("cat", "rotary", (table,), table)
    for function in ("cos", "sin"):
        yield kernel(function, "rotary", (table,), table)
        yield kernel("mul", "rotary", (table,), table)
        yield from cast(table, run.width, "rotary")


def mrope_table(run: Pass, head_dim: int) -> Iterator[Kernel]:
    """Cosines and sines of three position axes, one section of the head each (Qwen2.5-Omni)."""
    half = head_dim // 2
    yield from _angles(run, 3, head_dim)
    angles, narrow = Tensor(3 * run.rows * half, FLOAT32), Tensor(run.rows * half, FLOAT32)
    for function in ("cos", "sin"):
        yield kernel(function, "rotary", (angles,), angles)
        yield kernel("mul", "rotary", (angles,), angles)
        yield kernel("cat", "rotary", (narrow,), narrow)
        yield from _both_halves(run, head_dim)


def interleaved_table(run: Pass, head_dim: int, sections: tuple[int, ...]) -> Iterator[Kernel]:
    """Cosines and sines of three axes, height and width written between time's (Qwen3-Omni)."""
    yield from _angles(run, 3, head_dim)
    angles = Tensor(3 * run.rows * (head_dim // 2), FLOAT32)
    for function in ("cos", "sin"):
        yield kernel(function, "rotary", (angles,), angles)
        yield kernel("mul", "rotary", (angles,), angles)
        for section in sections[1:]:
            places = Tensor(run.rows * section, FLOAT32)
            yield kernel("copy_", "rotary", (places,), places)
        yield from _both_halves(run, head_dim)


def rotation(numbers: Tensor, table: Tensor) -> Iterator[Kernel]:
    """Queries or keys turned by their positions: two products, a swapped half, a sum."""
    half = Tensor(numbers.numbers // 2, numbers.width)
    yield kernel("mul", "rotary", (numbers, table), numbers)
    yield kernel("neg", "rotary", (half,), half)
    yield kernel("cat", "rotary", (numbers,), numbers)
    yield kernel("mul", "rotary", (numbers, table), numbers)
    yield kernel("add", "rotary", (numbers, numbers), numbers)


def _angles(run: Pass, axes: int, head_dim: int) -> Iterator[Kernel]:
    positions, half = axes * run.rows, head_dim // 2
    raised, frequencies = Tensor(positions, FLOAT32), Tensor(run.calls * half, FLOAT32)
    yield kernel("_to_copy", "rotary", (Tensor(positions, INT64),), raised)
    angles = Tensor(positions * half, FLOAT32)
    yield kernel("mul", "rotary", (raised, frequencies), angles)


def _both_halves(run: Pass, head_dim: int) -> Iterator[Kernel]:
    table = Tensor(run.rows * head_dim, FLOAT32)
    yield kernel("cat", "rotary", (table,), table)
    yield from cast(table, run.width, "rotary")
