"""Errors of predicted ratios on measured kernels: the committed table, and one device again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.latency.error_model import DRIFT
from omnizip_cost.results.tables import read_table

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
TABLE = ANALYSIS / "measurements" / "speedup-noise" / "speedup_noise.csv"


@pytest.fixture(scope="module")
def program() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import speedup_noise

        return speedup_noise


def test_residuals_of_one_product_at_two_lengths_are_unrelated() -> None:
    """What the error model of predictions rests on: errors of shapes average, classes' do not."""
    rows = read_table(TABLE)
    products = rows[rows["of"] == "product"]
    assert len(products) == 15
    assert products["correlation"].abs().max() < 0.1
    layers = rows[rows["of"] == "layer"]
    spans = ["device", "shorter_by_from"]
    both = products.set_index(spans)["median_error"], layers.set_index(spans)["median_error"]
    assert (both[1] < both[0]).all()


def test_a_lent_efficiency_drifts_with_length() -> None:
    """What is stated lies among what lending was measured to cost, device by device."""
    rows = read_table(TABLE)
    lent = rows[rows["of"] == "lent layer"]
    assert len(lent) == 5 * 4 * 3
    near = {("h100-sxm", "h200-sxm"), ("l40s", "rtx-pro-6000")}
    kin = [{(a, b), (b, a)} & near for a, b in zip(lent["device"], lent["lender"], strict=True)]
    for name, costs in (
        ("neighbour", lent["p90_per_log"][[bool(one) for one in kin]]),
        ("generation", lent["p90_per_log"][[not one for one in kin]]),
    ):
        assert costs.quantile(0.25) < DRIFT[name] < costs.quantile(0.9)


def test_the_table_is_that_of_the_records(program: Any, shared: Path) -> None:
    """The A100, whose records are few: the same ratios, and errors as they were written."""
    rows = read_table(TABLE).set_index(["device", "of", "shorter_by_from"])
    residuals = program.residuals(shared / "silicon", "a100-sxm")
    found = program.of_products("a100-sxm", residuals, *program.SPANS[0])
    kept = rows.loc[("a100-sxm", "product", 1.5)]
    assert found.ratios == kept["ratios"]
    assert found.median_error == pytest.approx(kept["median_error"], rel=0.25)
