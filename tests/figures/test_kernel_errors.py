"""The figure of kernel errors: every bar, tick and marker is the table's, on its own line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_kernel_errors
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.kernel_errors import OURS, RIVAL
from omnizip_cost.results.store import read_table

ROOT = Path(__file__).resolve().parents[2]
Place = tuple[str, str]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    kept = ROOT / "analysis" / "measurements" / "predictors" / "kernel_errors.csv"
    return read_table(kept)


@pytest.fixture(scope="module")
def drawn(table: pd.DataFrame) -> dict[str, Figure]:
    return {width: draw_kernel_errors(table, width=width) for width in ("column", "page")}


def panels(fig: Figure, devices: int) -> list[tuple[str, Axes]]:
    """Panels of the column figure, a line of two per device, with the device's name."""
    assert len(fig.axes) == 2 * devices
    pairs = list(zip(fig.axes[::2], fig.axes[1::2], strict=True))
    return [
        (left.get_title(loc="left").partition(",")[0], ax) for left, right in pairs
        for ax in (left, right)
    ]  # fmt: skip


def found(fig: Figure, devices: int, values: Callable[[Axes], list[tuple[float, float]]]) -> dict[
    tuple[str, str], float
]:  # fmt: skip
    """What is drawn, by device and label of the line."""
    seen: dict[tuple[str, str], float] = {}
    for device, ax in panels(fig, devices):
        labels = [label.get_text() for label in ax.get_yticklabels()]
        for x, y in values(ax):
            place = (device, labels[round(y)])
            assert place not in seen
            seen[place] = x
    return seen


def wanted(table: pd.DataFrame, predictor: str, column: str) -> dict[tuple[str, str], float]:
    own = table[(table["predictor"] == predictor) & table["device"].notna()].dropna(subset=[column])
    short = own["op"].str.removesuffix("_attention")
    label = own["left_out"].where(own["op"] == "gemm", short + ", " + own["left_out"])
    return dict(zip(zip(own["device"], label, strict=True), own[column], strict=True))


def test_bars_are_our_medians(table: pd.DataFrame, drawn: dict[str, Figure]) -> None:
    devices = table["device"].dropna().nunique()
    bars = found(
        drawn["column"], devices,
        lambda ax: [(p.get_width(), p.get_y() + p.get_height() / 2)
                    for c in ax.containers for p in c],
    )  # fmt: skip
    assert bars == wanted(table, OURS, "median")
    assert len(bars) >= 25


def test_ticks_are_targets_and_markers_the_rivals(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    devices = table["device"].dropna().nunique()
    for label, predictor, column in (("_target", OURS, "target"), ("_rival", RIVAL, "median")):
        seen = found(
            drawn["column"], devices,
            lambda ax, label=label: [
                (line.get_xdata()[0], sum(line.get_ydata()) / len(line.get_ydata()))
                for line in ax.lines if line.get_label() == label
            ],
        )  # fmt: skip
        assert seen == wanted(table, predictor, column)
        assert len(seen) >= 25


def test_what_was_not_measured_is_said_not_drawn_as_nothing(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    bare = [
        (device, round(item.get_position()[1]))
        for device, ax in panels(drawn["column"], table["device"].dropna().nunique())
        for item in ax.texts if item.get_label() == "_none"
    ]  # fmt: skip
    encoder = table[(table["op"] == "encoder_attention") & (table["predictor"] == OURS)]
    assert {device for device, _ in bare} == {*table["device"].dropna()} - {*encoder["device"]}
    assert len(bare) == encoder["left_out"].nunique()


def test_the_page_has_a_column_per_device(table: pd.DataFrame, drawn: dict[str, Figure]) -> None:
    devices = list(dict.fromkeys(table["device"].dropna()))
    titles = [ax.get_title(loc="left") for ax in drawn["page"].axes]
    assert titles == [*devices, *["attention"] * len(devices)]


def test_notes_say_how_far_off_the_roofline_is(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    plain = table[table["predictor"] == "roofline"]["median"]
    assert f"misses by {plain.min():.0%} to {plain.max():.0%}" in notes_of(drawn["column"])
    ours = table[table["predictor"] == OURS]
    assert "roofline" not in notes_of(draw_kernel_errors(ours))


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(drawn: dict[str, Figure], width: str) -> None:
    assert_tidy(drawn[width])


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: target"):
        draw_kernel_errors(table.drop(columns="target"))
