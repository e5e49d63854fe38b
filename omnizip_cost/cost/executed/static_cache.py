"""Decode on a cache of fixed size: what the stock text model dispatches otherwise.

Source: ``StaticLayer.update`` and the masks of transformers 5.17 and 5.23, torch's
``scaled_dot_product_attention``; witness: tests/witnesses/test_static_steps.py. New keys and
values are copied to their place, and nothing else of the cache is moved. Every step attends over
the whole length, the places not yet written masked away. A mask shuts out the kernel that shares
key heads among query heads: 5.17 copies keys and values to every query head in each layer and step,
which is listed; 5.23 puts the query heads that share one into its rows instead, and copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from omnizip_cost.cost.executed.attention import FUSED, Heads, attention
from omnizip_cost.cost.executed.op import BOOL, INT64, Kernel, Pass, Tensor, integers, kernel

ALIGNMENT = 16
"""The length is rounded up to a multiple of this, as masked kernels ask for (runtime's
``static_decode``)."""


def static_length(n: int, steps: int) -> int:
    """Places in the cache of a layer that keeps ``n`` tokens of the prompt and decodes R more.

    >>> static_length(10, 6), static_length(10, 7)
    (16, 32)
    """
    return -(-(n + steps) // ALIGNMENT) * ALIGNMENT


def static_pass(run: Pass, n: int) -> Pass:
    """The decode steps after ``n`` cached tokens, each of which sees all places of the cache."""
    keys = run.calls * static_length(n, run.calls)
    return replace(run, keys=keys, pairs=keys, counted_pairs_doubled=2 * keys)


def static_mask(run: Pass) -> Iterator[Kernel]:
    """Which places are written, made once per step."""
    steps, places = run.calls, run.keys
    for _ in ("batch", "head", "query"):
        yield integers("arange", (), steps, operator="mask")
    yield integers("add", (steps, steps), steps, operator="mask")
    yield integers("arange", (), places, operator="mask")
    yield integers("add", (places,), places, operator="mask")
    read = (Tensor(places, INT64), Tensor(steps, INT64))
    yield kernel("le", "mask", read, Tensor(places, BOOL))


def static_update(run: Pass, kv: int) -> Iterator[Kernel]:
    """Where the new token goes, and its keys and values copied there."""
    steps, new = run.calls, run.numbers(run.rows * kv)
    yield integers("arange", (), steps, operator="cache")
    yield integers("add", (steps, steps), steps, operator="cache")
    yield integers("add_", (steps,), steps, operator="cache")
    for _ in ("keys", "values"):
        yield kernel("index_copy_", "cache", (Tensor(steps, INT64), new), new)


def masked_attention(run: Pass, heads: Heads) -> Iterator[Kernel]:
    """Keys and values copied to every query head, the mask as numbers, fused attention with it.

    Its kernel is another than without a mask; no table has its times, so that it is taken to be
    as fast as the unmasked one on as many key heads.
    """
    seen = heads
    if heads.grouped and heads.kv_heads > 1:  # one key head is shared as it is: a view
        seen = replace(heads, kv_heads=heads.heads)
        cached, copied = run.numbers(run.keys * heads.kv), run.numbers(run.keys * heads.q)
        for _ in ("keys", "values"):
            yield kernel("clone", "repeat", (cached,), copied)
    mask, scalar = run.numbers(run.keys), run.numbers(run.calls)
    for _ in ("written", "to come"):
        yield kernel("scalar_tensor", "mask", (), scalar)
    yield kernel("where", "mask", (Tensor(run.keys, BOOL), scalar, scalar), mask)
    for one in attention(run, seen, "sdpa"):
        more = mask.bytes if one.aten == FUSED else 0
        yield one._replace(bytes_read=one.bytes_read + more)
