"""What stands out in an account, in sentences, and its operations in words."""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost.cost.account import AccountRow, added
from omnizip_cost.cost.executed import why_encoders_unlisted, why_unlisted
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.units import GIGA, fixed

WORDS = {
    "activation": "SiLU or GELU, gate",
    "attention": "attention",
    "cache": "copies into cache",
    "connector": "connector",
    "convolution": "convolutions",
    "deepstack": "visual features added",
    "embedding": "token embedding",
    "ffn": "FFN",
    "indexing": "lengths and places",
    "layout": "copies into rows",
    "lm_head": "LM head",
    "mask": "causal mask",
    "norm": "norms and casts",
    "pooling": "pooling",
    "positions": "position embedding",
    "projection": "projections",
    "repeat": "keys, values per head",
    "residual": "residual additions",
    "rotary": "rotary positions",
    "router": "router",
    "routing": "choice of experts",
    "selection": "token selection",
    "softmax": "scaling, mask, softmax",
}
"""Each operator class in words."""


def standouts(spec: ModelSpec, rows: list[AccountRow]) -> list[str]:
    """Sentences on one account.

    Parameters
    ----------
    spec : ModelSpec
    rows : list of AccountRow
        Of one call of :func:`~omnizip_cost.cost.account.account`.
    """
    return [
        *_what_it_is(rows),
        *_grouped(rows),
        *_unknown(spec, rows),
        *_uncounted(rows),
        *_logits(rows),
        *_cache(rows),
    ]


def _what_it_is(rows: list[AccountRow]) -> Iterator[str]:
    first = rows[0]
    if first.dtype is None:
        yield (
            f"{first.convention} is a formula: it describes no execution, so bytes and kernels are "
            "not counted."
        )
    elif first.attention is None:
        yield (
            f"{first.convention} describes an ideal engine: elementwise work is fused away and not "
            "counted, each product touches its operands once, the cache is read once a step."
        )
    else:
        yield (
            "The stock module run eagerly, one kernel per operator. Uncounted: arithmetic outside "
            "products and convolutions, for which torch's FLOP counter has no formula; FLOP/B has "
            "it in, TFLOP not."
        )
        if any(row.component.endswith("_encoder") for row in rows):
            yield (
                "What the thinker does between encoders and text model is not listed: masks of "
                "placeholders, features written into the embeddings, positions."
            )


def _unknown(spec: ModelSpec, rows: list[AccountRow]) -> Iterator[str]:
    if rows[0].dtype is None:
        return
    missing = dict.fromkeys(row.component for row in rows if row.bytes_moved is None)
    if missing:
        decoder = why_unlisted(spec) if "llm" in missing else None
        encoders = why_encoders_unlisted(spec) if "vision_encoder" in missing else None
        reasons = "; ".join(reason for reason in (decoder, encoders) if reason)
        why = f" ({reasons})" if reasons else ""
        yield (
            f"Not listed operator by operator: {', '.join(missing)}{why}. Their "
            "bytes and kernels are unknown, and with them the shares of bytes."
        )


def _uncounted(rows: list[AccountRow]) -> Iterator[str]:
    if rows[0].attention is None:
        return
    for phase in dict.fromkeys(row.phase for row in rows):
        known = [row for row in rows if row.phase == phase and row.bytes_moved is not None]
        beside = [row for row in known if not row.counted]
        moved = added(row.bytes_moved for row in known)
        kernels = added(row.kernels for row in known)
        uncounted = added(row.unseen_flops for row in known) or 0
        work = sum(row.flops for row in known) + uncounted
        if not moved or not kernels or not work:
            continue
        theirs = added(row.bytes_moved for row in beside) or 0
        yield (
            f"{phase.capitalize()}: operators without products or convolutions move "
            f"{theirs / moved:.1%} of the bytes ({fixed(theirs / GIGA)} GB) in "
            f"{added(row.kernels for row in beside):,} of {kernels:,} kernels; uncounted "
            f"arithmetic is {uncounted / work:.2%} of all."
        )


def _grouped(rows: list[AccountRow]) -> Iterator[str]:
    if any("_grouped_mm" in (row.aten or "") for row in rows):
        yield (
            "Experts run as grouped products, for which torch's FLOP counter has no formula: it "
            "leaves out their FLOPs, which are counted here."
        )


def _logits(rows: list[AccountRow]) -> Iterator[str]:
    for row in rows:
        head = (row.operator, row.phase) == ("lm_head", "prefill")
        if head and row.attention and row.bytes_written:
            yield (
                f"The stock head writes logits of every prompt position: "
                f"{fixed(row.bytes_written / GIGA)} GB, of which one position is needed."
            )


def _cache(rows: list[AccountRow]) -> Iterator[str]:
    copied = [row for row in rows if (row.operator, row.phase) == ("cache", "decode")]
    if copied:
        yield (
            "Each decode step copies the whole cache to append one token: "
            f"{fixed((added(row.bytes_moved for row in copied) or 0) / GIGA)} GB in all steps."
        )
