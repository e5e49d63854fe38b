"""The heat map: every cell is the table's, marks stand at their pairs, names are not crossed."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines, points
from matplotlib.collections import QuadMesh
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_sensitivity
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import lightness
from omnizip_cost.results.store import read_table

PAPER = Path(__file__).resolve().parents[2] / "analysis" / "tables" / "paper"


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_table(PAPER / "sensitivity.csv"), read_table(PAPER / "sensitivity_marks.csv")


@pytest.fixture(scope="module")
def drawn(tables: tuple[pd.DataFrame, pd.DataFrame]) -> dict[str, Figure]:
    return {width: draw_sensitivity(*tables, width=width) for width in ("column", "page")}


def _mesh(fig: Figure) -> QuadMesh:
    (mesh,) = [one for one in fig.axes[0].collections if isinstance(one, QuadMesh)]
    return mesh


def test_every_cell_is_the_speedup_at_its_pair(
    tables: tuple[pd.DataFrame, pd.DataFrame], drawn: dict[str, Figure]
) -> None:
    wide = tables[0].pivot_table(index="rho_v", columns="rho_a", values="speedup")
    mesh = _mesh(drawn["column"])
    assert mesh.get_array().shape == wide.shape == (20, 20)
    assert mesh.get_array().tolist() == wide.to_numpy().tolist()
    corners = mesh.get_coordinates()[0, :2, 0]
    assert corners.mean() == pytest.approx(wide.columns[0]), "cells stand about their pair"


def test_more_speed_is_darker_in_greyscale(drawn: dict[str, Figure]) -> None:
    shades = _mesh(drawn["column"]).get_cmap()
    greys = [lightness(shades(step / 10)[:3]) for step in range(11)]
    assert all(after < before - 3 for before, after in pairwise(greys))


def test_lines_of_equal_flops_are_where_the_share_is(
    tables: tuple[pd.DataFrame, pd.DataFrame], drawn: dict[str, Figure]
) -> None:
    (found,) = [one for one in drawn["page"].axes[0].collections if isinstance(one, ContourSet)]
    wide = tables[0].pivot_table(index="rho_v", columns="rho_a", values="flops_share")
    for level, path in zip(found.levels, found.get_paths(), strict=True):
        for x, y in path.vertices[::7]:
            near = wide.iloc[[abs(wide.index - y).argmin()], [abs(wide.columns - x).argmin()]].iloc[
                0, 0
            ]
            assert near == pytest.approx(level, abs=0.06)


def test_marks_stand_at_their_pairs(
    tables: tuple[pd.DataFrame, pd.DataFrame], drawn: dict[str, Figure]
) -> None:
    marks = tables[1]
    of = {kind: sorted(zip(own["rho_a"], own["rho_v"], strict=True))
          for kind, own in marks.groupby("kind")}  # fmt: skip
    assert points(drawn["column"], "_setting") == of["setting"]
    assert points(drawn["column"], "_line") == of["line"]
    (line,) = lines(drawn["column"], "_line")
    assert list(line.get_ydata()) == sorted(line.get_ydata()), "drawn from one end to the other"


@pytest.mark.parametrize("width", ["column", "page"])
def test_names_of_marks_and_lines_do_not_touch(drawn: dict[str, Figure], width: str) -> None:
    fig = drawn[width]
    assert_tidy(fig)
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    assert len(boxes) >= 7 + 8
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_the_notes_say_the_device_and_that_it_is_predicted(drawn: dict[str, Figure]) -> None:
    notes = notes_of(drawn["column"])
    assert notes.startswith("qwen2.5-omni-7b, h100-sxm, hf-sdpa, bf16: predicted, not measured.")


def test_a_grid_with_a_hole_or_of_two_devices_is_refused(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    grid, marks = tables
    with pytest.raises(InvalidValueError, match="a full grid of at least 2 by 2"):
        draw_sensitivity(grid.drop(index=7), marks)
    with pytest.raises(InvalidValueError, match="one case"):
        draw_sensitivity(grid, marks.assign(device="l40s"))
