"""Which operators the micro-benchmark runs: shapes that occur in the bundled models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SECONDS = 45.0
"""Of a run, unless said otherwise."""

MOST_SECONDS = 3600.0

PRODUCTS: dict[str, tuple[tuple[int, int], ...]] = {
    "omni-tiny": ((384, 384), (2048, 384), (384, 2048)),
    "qwen2.5-omni-3b": ((2048, 2048), (11008, 2048)),
    "qwen2.5-omni-7b": ((3584, 3584), (18944, 3584), (3584, 18944)),
    "encoders": ((1280, 1280), (5120, 1280), (3420, 1280)),
}
"""(n, k) of the products of a layer, by model: outputs and inputs of a linear layer. The encoders
are those of the released models (audio FFN 5120, vision FFN 3420)."""

ROWS = (1, 4, 32, 256, 1024, 4096)
"""m: one decoded token, small batches, prompts."""

DECODERS = ((3, 1, 128), (16, 2, 128), (28, 4, 128))
"""(heads, key/value heads, head size) of omni-tiny, the 3B and the 7B."""

PROMPTS = (256, 1024, 4096)
CACHES = (256, 1024, 4096, 16384)

ENCODERS = ((4, 40, 576), (16, 80, 64), (16, 80, 1024), (20, 64, 100))
"""(heads, head size, tokens of a block): vision of omni-tiny, window and whole frame of the
released vision encoder, 2 s of sound in the audio encoder."""

NUMBERS = (2**14, 2**17, 2**20, 2**22, 2**24)
"""Of a tensor that is copied, added to another, or goes through SiLU: 64 KiB to 64 MiB in float32,
so that caches and memory both show."""

SOUND_S = 10.0
FRAME = (252, 448)
"""Sides of a frame after resizing: 144 tokens."""
FRAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroCase:
    """One operator of one shape; fields that it has no use for are 0."""

    op: str
    m: int = 0
    n: int = 0
    k: int = 0
    queries: int = 0
    keys: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    amount: float = 0.0

    @property
    def flops(self) -> int:
        """Two per multiply-add; a causal prompt has n(n+1)/2 pairs."""
        if self.op == "gemm":
            return 2 * self.m * self.n * self.k
        if self.op == "prefill_attention":
            pairs_doubled = self.queries * (self.queries + 1)
        else:
            pairs_doubled = 2 * self.queries * self.keys
        return 2 * pairs_doubled * self.heads * self.head_dim

    def bytes_moved(self, width: int) -> int:
        """Bytes with numbers of ``width`` bytes, each tensor read or written once."""
        if self.op == "gemm":
            numbers = self.m * self.k + self.n * self.k + self.m * self.n
        elif self.op in ("copy", "silu"):
            numbers = 2 * int(self.amount)
        elif self.op == "add":
            numbers = 3 * int(self.amount)
        else:
            numbers = 2 * self.queries * self.heads * self.head_dim
            numbers += 2 * self.keys * self.kv_heads * self.head_dim
        return numbers * width


def micro_cases() -> Iterator[MicroCase]:
    """Every case of the benchmark."""
    yield MicroCase(op="dispatch", amount=1)
    for numbers in NUMBERS:
        for op in ("copy", "add", "silu"):
            yield MicroCase(op=op, amount=numbers)
    for n, k in (pair for pairs in PRODUCTS.values() for pair in pairs):
        for m in ROWS:
            yield MicroCase(op="gemm", m=m, n=n, k=k)
    for heads, kv_heads, head_dim in DECODERS:
        sides = {"heads": heads, "kv_heads": kv_heads, "head_dim": head_dim}
        for tokens in PROMPTS:
            yield MicroCase(op="prefill_attention", queries=tokens, keys=tokens, **sides)
        for tokens in CACHES:
            yield MicroCase(op="decode_attention", queries=1, keys=tokens, **sides)
    for heads, head_dim, tokens in ENCODERS:
        yield MicroCase(
            op="encoder_attention",
            queries=tokens,
            keys=tokens,
            heads=heads,
            kv_heads=heads,
            head_dim=head_dim,
        )
    yield MicroCase(op="log_mel", amount=SOUND_S)
    yield MicroCase(op="patches", amount=FRAMES * FRAME[0] * FRAME[1])


def half_cases() -> Iterator[MicroCase]:
    """Products enough to know the peak of another format, and one copy."""
    yield MicroCase(op="copy", amount=NUMBERS[2])
    for n, k in PRODUCTS["omni-tiny"]:
        for m in (256, 1024):
            yield MicroCase(op="gemm", m=m, n=n, k=k)
