"""``official`` mode equals the published algorithm; the oracle of the other tests does too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden.reference import reference_select

from omnizip_cost.runtime.selection import select

AUDIO, VIDEO = 8, 7
CASES = range(5)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "golden" / "official_parity.npz") as archive:
        return dict(archive)


def arguments(golden: dict[str, np.ndarray], case: int) -> dict[str, Any]:
    meta = json.loads(str(golden["meta"]))[case]
    return {
        "audio_id": AUDIO,
        "video_id": VIDEO,
        "tokens_per_grid": meta["tokens_per_grid"],
        "audio_pruning": meta["rho_a"],
        "video_pruning": meta["rho_v"],
        "anchor_share": meta["anchor_share"],
        "merge": meta["merge"],
        "mode": "official",
    }


def test_the_archive_holds_the_five_cases(golden: dict[str, np.ndarray]) -> None:
    assert len(json.loads(str(golden["meta"]))) == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_select_equals_the_published_code(golden: dict[str, np.ndarray], case: int) -> None:
    ids = golden[f"case{case}_ids"]
    found = select(
        "omnizip",
        torch.from_numpy(golden[f"case{case}_embeddings"]),
        torch.from_numpy(golden[f"case{case}_scores"]),
        torch.from_numpy(ids),
        **arguments(golden, case),
    )
    np.testing.assert_array_equal(found.keep.numpy(), golden[f"case{case}_keep"])
    np.testing.assert_array_equal(found.retention, golden[f"case{case}_retention"])
    np.testing.assert_allclose(
        found.initial_rates, golden[f"case{case}_initial"], rtol=0, atol=1e-15
    )
    np.testing.assert_allclose(found.rates, golden[f"case{case}_rates"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        found.embeddings.numpy()[ids == AUDIO], golden[f"case{case}_merged"], rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("case", CASES)
def test_the_oracle_equals_the_published_code(golden: dict[str, np.ndarray], case: int) -> None:
    ids = golden[f"case{case}_ids"]
    oracle = reference_select(
        golden[f"case{case}_embeddings"],
        golden[f"case{case}_scores"],
        ids,
        **arguments(golden, case),
    )
    np.testing.assert_array_equal(oracle.keep, golden[f"case{case}_keep"])
    np.testing.assert_allclose(oracle.rates, golden[f"case{case}_rates"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        oracle.embeddings[ids == AUDIO], golden[f"case{case}_merged"], rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("case", CASES)
def test_paper_mode_differs_where_it_should(golden: dict[str, np.ndarray], case: int) -> None:
    """The same audio survives, the video budget is met, and the bounds hold."""
    asked = arguments(golden, case) | {"mode": "paper", "rounding": "largest-remainder"}
    ids = golden[f"case{case}_ids"]
    found = select(
        "omnizip",
        torch.from_numpy(golden[f"case{case}_embeddings"]),
        torch.from_numpy(golden[f"case{case}_scores"]),
        torch.from_numpy(ids),
        **asked,
    )
    heard, seen = ids == AUDIO, ids == VIDEO
    keep = found.keep.numpy()
    np.testing.assert_array_equal(keep[heard], golden[f"case{case}_keep"][heard])
    assert keep[seen].sum() == round((1 - asked["video_pruning"]) * int(seen.sum()))
    assert found.rates.min() >= 0.35 - 1e-12
    assert found.rates.max() <= 0.75 + 1e-12
