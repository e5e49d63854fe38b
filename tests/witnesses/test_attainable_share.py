"""Witness: what share of the dense peak measured kernels come to, by their published times."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnizip_cost.audit.finding import ATTAINABLE_SHARE, ATTENTION_COSTS
from omnizip_cost.hardware import load_device

CARDS = ("h100-sxm", "h200-sxm", "a100-sxm", "l40s", "rtx-pro-6000")
PRODUCTS = 130.53 / 150.59
"""Share of products in the 7B's least work at 10,000 tokens; the rest is attention."""


@pytest.fixture(scope="module")
def medians(shared: Path) -> dict[str, tuple[float, float]]:
    """Median share of the dense peak, of large products and of causal attention, per card."""
    import pandas as pd

    found = {}
    for name in CARDS:
        table = pd.read_parquet(shared / "silicon" / f"{name}.parquet")
        peak = load_device(name).peak("bf16")
        gemm = table[(table.op == "gemm") & (table.m >= 2048) & (table.n >= 2048)]
        gemm = gemm[gemm.k >= 2048].astype({"m": "int64", "n": "int64", "k": "int64"})
        product = 2 * gemm.m * gemm.n * gemm.k / (gemm.latency_ms * 1e-3) / peak
        wide = {"batch": "int64", "seq": "int64", "heads": "int64", "head_dim": "int64"}
        pairs = table[(table.op == "prefill_attention") & (table.seq >= 4096)]
        pairs = pairs[pairs.head_dim == 128].astype(wide)
        work = 2 * pairs.batch * pairs.heads * pairs.head_dim * pairs.seq * (pairs.seq + 1)
        attention = work / (pairs.latency_ms * 1e-3) / peak
        assert len(product) > 200 and len(attention) > 20
        found[name] = (float(product.median()), float(attention.median()))
    return found


def test_a_prefill_of_such_kernels(medians: dict[str, tuple[float, float]]) -> None:
    shares = {
        card: 1 / (PRODUCTS / product + (1 - PRODUCTS) / attention)
        for card, (product, attention) in medians.items()
    }
    low, high = min(shares.values()), max(shares.values())
    assert (min(shares, key=shares.__getitem__), round(low, 2)) == ("l40s", 0.61)
    assert (max(shares, key=shares.__getitem__), round(high, 2)) == ("a100-sxm", 0.79)
    assert pytest.approx((low + high) / 2, abs=0.01) == ATTAINABLE_SHARE


def test_attention_is_slower_than_products(medians: dict[str, tuple[float, float]]) -> None:
    costs = {card: product / attention for card, (product, attention) in medians.items()}
    assert min(costs.values()) == pytest.approx(float(ATTENTION_COSTS[0]), abs=0.005)
    assert max(costs.values()) == pytest.approx(float(ATTENTION_COSTS[1]), abs=0.005)


def test_products_share_of_the_work() -> None:
    n, d, m, kv, layers = 10_000, 3584, 18_944, 512, 28
    linear = 2 * layers * n * (2 * d * d + 2 * d * kv + 3 * d * m)
    pairs = 2 * layers * d * n * (n + 1)
    assert linear / (linear + pairs) == pytest.approx(PRODUCTS, abs=5e-4)
