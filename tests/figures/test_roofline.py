"""The figure of the roofline: points and roofs are the table's, areas its shares."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_roofline
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.results.store import read_table

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return read_table(ROOT / "analysis" / "measurements" / "roofline" / "roofline.csv")


def test_every_point_is_a_row_and_every_row_a_point(table: pd.DataFrame) -> None:
    panels = table.groupby(["device", "phase"], sort=False)
    for ax, ((_, phase), own) in zip(draw_roofline(table).axes, panels, strict=True):
        assert ax.get_title(loc="left").endswith(f", {phase}")
        for label, plan in (("_all", own[own["method"] == "full"]),
                            ("_kept", own[own["method"] != "full"])):  # fmt: skip
            drawn = [item for item in ax.collections if item.get_label() == label]
            spots = sorted(tuple(item.get_offsets()[0]) for item in drawn)
            assert spots == sorted(zip(plan["flop_per_byte"], plan["flop_per_s"], strict=True))


def test_area_grows_with_the_share(table: pd.DataFrame) -> None:
    one = table[(table["device"] == "h100-sxm") & (table["phase"] == "prefill")]
    (ax,) = draw_roofline(one).axes
    areas = {
        (float(item.get_offsets()[0][0]), float(item.get_offsets()[0][1])): float(
            item.get_sizes()[0]
        )
        for item in ax.collections
    }
    large = one[one["share"] > 0.05]
    per_share = {areas[row.flop_per_byte, row.flop_per_s] / row.share for row in large.itertuples()}
    assert max(per_share) == pytest.approx(min(per_share))
    assert len(large) >= 3


def test_roofs_are_the_devices(table: pd.DataFrame) -> None:
    fig = draw_roofline(table)
    roofs = lines(fig, "_roof")
    devices = table.drop_duplicates(["device", "phase"])
    for roof, row in zip(roofs, devices.itertuples(), strict=True):
        x, y = roof.get_data()
        assert list(y[1:]) == [row.peak_flop_per_s] * 2
        assert [a / b for a, b in zip(y[:2], x[:2], strict=True)] == pytest.approx(
            [row.bandwidth_bytes_per_s] * 2
        )


def test_names_give_the_shares_before_and_after(table: pd.DataFrame) -> None:
    one = table[(table["device"] == "h100-sxm") & (table["phase"] == "decode")]
    (ax,) = draw_roofline(one).axes
    written = [item.get_text() for item in ax.texts if item.get_label() == "_name"]
    assert len(written) == one["operator"].nunique() == 5
    ffn = one[one["operator"] == "ffn"]
    before, after = ffn["share"]
    assert f"F FFN {before:.0%} \u2192 {after:.0%}" in written
    letters = [item.get_text() for item in ax.texts if item.get_label() == "_letter"]
    assert sorted(letters) == sorted("PFAHe")


def test_notes_say_what_is_predicted_and_what_is_lent(table: pd.DataFrame) -> None:
    notes = notes_of(draw_roofline(table.assign(borrowed_from="a100-sxm")))
    assert "10,004 and 3,501 tokens. Decode: 100 steps. Predicted, bf16" in notes
    assert "NVIDIA RTX A6000 48 GB: efficiency borrowed from a100-sxm" in notes
    assert "borrowed" not in notes_of(draw_roofline(table.assign(borrowed_from=None)))


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(table: pd.DataFrame, width: str) -> None:
    assert_tidy(draw_roofline(table, width=width))


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: share"):
        draw_roofline(table.drop(columns="share"))
