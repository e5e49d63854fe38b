"""The figure of what was kept draws its three tables, token by token, and says what they are."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars, lines
from hypothesis import given
from hypothesis import strategies as st
from invented_kept import kept_tables
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch, Polygon, StepPatch

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.plotting import draw_kept
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.kept_frames import border_path, kept_path
from omnizip_cost.plotting.style import METHOD_COLOURS, lightness

Cells = set[tuple[int, int]]


def _pictures(fig: Figure, label: str) -> list[AxesImage]:
    return [image for image in fig.axes[0].images if image.get_label() == label]


def _lit(image: AxesImage, shape: tuple[int, int]) -> Cells:
    """Cells whose middle lies inside the outline that lets colour through."""
    path, transform = image.get_clip_path().get_transformed_path_and_affine()
    outline = transform.transform_path(path)
    left, right, bottom, top = image.get_extent()
    cells = set()
    for row in range(shape[0]):
        for column in range(shape[1]):
            middle = (
                left + (column + 0.5) * (right - left) / shape[1],
                top - (row + 0.5) * (top - bottom) / shape[0],
            )
            if outline.contains_point(image.axes.transData.transform(middle)):
                cells.add((row, column))
    return cells


@pytest.mark.parametrize("width", ["column", "page"])
def test_colour_shows_the_kept_tokens_of_each_grid_and_no_other(width: str) -> None:
    tokens, windows, grids = kept_tables(3)
    fig = draw_kept(tokens, windows, grids, width=width)
    FigureCanvasAgg(fig).draw()
    video = tokens[(tokens["modality"] == "video") & tokens["kept"]]
    due = [
        {(int(row), int(column)) for row, column in zip(part["row"], part["column"], strict=True)}
        for _, part in video.groupby("grid")
    ]
    assert [_lit(image, (4, 7)) for image in _pictures(fig, "_kept")] == due


def test_every_picture_lies_pale_under_its_kept_tokens() -> None:
    fig = draw_kept(*kept_tables(3))
    pale, lit = _pictures(fig, "_pale"), _pictures(fig, "_kept")
    assert [image.get_extent() for image in pale] == [image.get_extent() for image in lit]
    assert all(
        under.get_zorder() < over.get_zorder() for under, over in zip(pale, lit, strict=True)
    )
    darkest = pale[0].cmap(pale[0].norm(0))
    assert lightness(to_hex(darkest)) > 75, "what was dropped stays light, in greyscale too"


def test_a_grid_that_keeps_nothing_is_pale_all_over() -> None:
    tokens, windows, grids = kept_tables(2)
    tokens["kept"] = tokens["kept"] & (tokens["modality"] == "audio")
    fig = draw_kept(tokens, windows, grids)
    assert (len(_pictures(fig, "_pale")), len(_pictures(fig, "_kept"))) == (4, 0)


@pytest.mark.parametrize("shape", [(4, 7), (9, 5), (3, 16)])
@pytest.mark.parametrize("width", ["column", "page"])
def test_pictures_keep_their_shape_on_paper(shape: tuple[int, int], width: str) -> None:
    fig = draw_kept(*kept_tables(3, shape=shape), width=width)
    for image in _pictures(fig, "_pale"):
        left, right, bottom, top = image.get_extent()
        corners = fig.axes[0].transData.transform([(left, bottom), (right, top)]) / fig.dpi
        wide, high = corners[1] - corners[0]
        assert wide / high == pytest.approx(shape[1] / shape[0])
        assert wide == pytest.approx(right - left), "units of this axis are inches"


def test_bands_lead_from_each_pair_to_its_seconds() -> None:
    tokens, windows, grids = kept_tables(40)
    fig = draw_kept(tokens, windows, grids, width="column")
    bands = [
        p for p in fig.axes[0].patches if isinstance(p, Polygon) and p.get_label() == "_leader"
    ]
    shown = sorted({image.get_extent()[0] for image in _pictures(fig, "_pale")})
    assert 3 <= len(bands) == len(shown) < 40
    ends = []
    for band in bands:
        right, left = (fig.axes[0].transData.transform(corner) for corner in band.get_xy()[2:4])
        seconds = [fig.axes[1].transData.inverted().transform(at)[0] for at in (left, right)]
        ends.append(seconds)
    for first, last in ends:
        assert last - first == pytest.approx(2.0)
        assert first / 2 == pytest.approx(round(first / 2)), "a window's own start"
    assert (ends[0][0], ends[-1][1]) == pytest.approx((0.0, 80.0)), "first and last are shown"
    gaps = [after[0] - before[0] for before, after in pairwise(ends)]
    assert max(gaps) - min(gaps) <= 2.0 + 1e-9, "spread evenly"
    assert f"Frames of {len(bands)} of 40 windows" in notes_of(fig)


def test_one_bar_per_audio_token_in_the_colour_of_its_fate() -> None:
    tokens, windows, grids = kept_tables(3)
    sound = draw_kept(tokens, windows, grids).axes[1]
    heard = tokens[tokens["modality"] == "audio"]
    drawn = {c.get_label(): c for c in sound.collections if isinstance(c, PolyCollection)}
    anchors = heard["anchor"].astype(bool)
    for label, part in (
        ("_salient", heard[heard["kept"] & ~anchors]),
        ("_anchor", heard[heard["kept"] & anchors]),
        ("_dropped", heard[~heard["kept"]]),
    ):
        boxes = [path.vertices for path in drawn[label].get_paths()]
        assert len(boxes) > 10
        assert [(box[0][0], box[1][0]) for box in boxes] == list(
            zip(part["start_s"], part["end_s"], strict=True)
        )
        assert all(box[0][1] <= low for box, low in zip(boxes, part["low"], strict=True))
        assert all(box[2][1] >= high for box, high in zip(boxes, part["high"], strict=True))
    colours = {label: to_hex(item.get_facecolor()[0]) for label, item in drawn.items()}
    assert colours["_salient"] == METHOD_COLOURS["omnizip"].lower()
    greys = [lightness(colours[label]) for label in ("_anchor", "_salient", "_dropped")]
    assert greys[1] - greys[0] > 20 and greys[2] - greys[1] > 20, "told apart in greyscale"


def test_silence_is_still_a_bar() -> None:
    tokens, windows, grids = kept_tables(2)
    tokens.loc[tokens["modality"] == "audio", ["low", "high"]] = 0.0
    for bars_of_fate in draw_kept(tokens, windows, grids).axes[1].collections:
        paths = bars_of_fate.get_paths()
        assert paths and all(path.vertices[2][1] > path.vertices[0][1] for path in paths)


@pytest.mark.parametrize("width", ["column", "page"])
def test_below_the_waveform_every_token_is_as_tall_and_clear_of_it(width: str) -> None:
    tokens, windows, grids = kept_tables(3)
    sound = draw_kept(tokens, windows, grids, width=width).axes[1]
    drawn = {c.get_label(): c for c in sound.collections if isinstance(c, PolyCollection)}
    heights = set()
    for fate in ("_salient", "_anchor", "_dropped"):
        bars_of_fate, strip = drawn[fate], drawn[f"{fate}_token"]
        assert to_hex(strip.get_facecolor()[0]) == to_hex(bars_of_fate.get_facecolor()[0])
        seconds = [
            [(path.vertices[0][0], path.vertices[1][0]) for path in shapes.get_paths()]
            for shapes in (bars_of_fate, strip)
        ]
        assert seconds[0] == seconds[1]
        heights |= {(path.vertices[0][1], path.vertices[2][1]) for path in strip.get_paths()}
    ((floor, top),) = heights
    assert floor == sound.get_ylim()[0] and top < tokens["low"].min()
    inches = sound.transData.transform([(0, floor), (0, top)])[:, 1] / sound.figure.dpi
    assert inches[1] - inches[0] == pytest.approx(0.085)


def test_rules_between_windows_run_behind_the_sound() -> None:
    sound = draw_kept(*kept_tables(3)).axes[1]
    rules = [line for line in sound.lines if line.get_label() == "_rule"]
    assert [line.get_xdata()[0] for line in rules] == [2.0, 4.0]
    front = min(item.get_zorder() for item in sound.collections)
    assert all(line.get_zorder() < front for line in rules)


def test_the_rates_are_those_of_the_windows_table() -> None:
    tokens, windows, grids = kept_tables(6, rho_v=0.7)
    fig = draw_kept(tokens, windows, grids)
    drawn = bars(fig, "_retention")
    assert [bar.get_height() for bar in drawn] == list(windows["retention"])
    assert [(bar.get_x(), bar.get_width()) for bar in drawn] == [(2.0 * i, 2.0) for i in range(6)]
    (steps,) = [p for p in fig.axes[2].patches if isinstance(p, StepPatch)]
    assert list(steps.get_data().values) == list(windows["rate"])
    assert list(steps.get_data().edges) == [2.0 * i for i in range(7)]
    (budget,) = lines(fig, "_budget")
    assert list(budget.get_ydata()) == [0.7, 0.7]
    assert "budget 0.7" in [text.get_text() for text in fig.legends[0].get_texts()]


def test_numbers_stand_off_the_budget_line() -> None:
    fig = draw_kept(*kept_tables(6, rho_v=0.6))
    FigureCanvasAgg(fig).draw()
    line = fig.axes[2].transData.transform((0, 0.6))[1]
    numbers = [text for text in fig.axes[2].texts if text.get_label() == "_rate_number"]
    assert [text.get_text() for text in numbers] == ["0.65", "0.55"] * 3
    for text in numbers:
        box = text.get_window_extent()
        assert box.y0 > line or box.y1 < line


def test_sound_and_rates_share_the_time_axis() -> None:
    fig = draw_kept(*kept_tables(5))
    assert fig.axes[1].get_xlim() == fig.axes[2].get_xlim() == (0.0, 10.0)
    spans = [(ax.get_position().x0, ax.get_position().x1) for ax in fig.axes]
    assert spans[0] == spans[1] == spans[2]


def test_windows_without_audio_are_hatched_and_in_the_legend() -> None:
    fig = draw_kept(*kept_tables(5, silent=(1, 3)))
    spans = [patch for patch in fig.axes[2].patches if patch.get_label() == "_no_audio"]
    assert [(s.get_x(), s.get_width()) for s in spans] == [(2.0, 2.0), (6.0, 2.0)]
    assert "no audio" in [text.get_text() for text in fig.legends[0].get_texts()]


@pytest.mark.parametrize("source", ["proxy", "encoder", "random-weights encoder"])
def test_the_notes_say_what_the_figure_rests_on(source: str) -> None:
    notes = notes_of(draw_kept(*kept_tables(4, scores=source), width="page"))
    assert f"scores: {source}." in notes
    assert f"Video features: {'pixels (proxy)' if source == 'proxy' else source}." in notes
    assert "clip.mp4: OmniZip, rho_a 0.3, rho_v 0.6, paper mode" in notes
    assert "Layout: qwen2.5-omni-7b." in notes, "the grid of tokens is the model's"
    assert "45.2% of audio and video tokens kept (nominal 45.0%)" in notes
    assert "Frames of every window" in notes


def test_a_clip_of_sound_alone_has_no_frames() -> None:
    fig = draw_kept(*kept_tables(3, video=False))
    assert not fig.axes[0].images
    assert not [p for p in fig.axes[2].patches if isinstance(p, StepPatch)], "no video, no rate"
    assert len(bars(fig, "_retention")) == 3
    assert [text.get_text() for text in fig.legends[0].get_texts()][-1] == "audio kept, $S_a$"
    assert "The clip has no video." in notes_of(fig)
    assert "Video features" not in notes_of(fig)
    numbers = [text.get_text() for text in fig.axes[2].texts]
    assert numbers == [f"{share:.2f}" for share in kept_tables(3, video=False)[1]["retention"]]
    assert fig.axes[2].get_ylabel() == "$S_a$"
    assert_tidy(fig)


@pytest.mark.parametrize("width", ["column", "page"])
def test_a_clip_without_sound_says_so(width: str) -> None:
    fig = draw_kept(*kept_tables(3, silent=(0, 1, 2), rho_v=0.7, scores="none"), width=width)
    assert [text.get_text() for text in fig.axes[1].texts] == ["no audio"]
    assert not fig.axes[1].collections
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == ["video pruned", "budget 0.7", "no audio"]
    (steps,) = [p for p in fig.axes[2].patches if isinstance(p, StepPatch)]
    assert list(steps.get_data().values) == [0.7] * 3
    assert fig.axes[2].get_ylabel() == "pruning rate"
    assert "no audio: every window gets rho_v." in notes_of(fig)
    assert "scores" not in notes_of(fig)
    assert_tidy(fig)


@pytest.mark.parametrize("windows", [1, 2, 6, 13, 150])
@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("shape", [(4, 7), (9, 5)])
def test_nothing_is_small_or_clipped(windows: int, width: str, shape: tuple[int, int]) -> None:
    tables = kept_tables(windows, shape=shape, silent=(4,), rho_v=0.9)
    fig = draw_kept(*tables, width=width)
    assert_tidy(fig)
    assert len(fig.legends[0].get_texts()) == 7 - (windows <= 4)
    for image in _pictures(fig, "_pale"):
        box = image.get_window_extent()
        assert box.width / fig.dpi * box.height / fig.dpi >= 0.08, "a picture too small to read"
        assert fig.bbox.x0 <= box.x0 and box.x1 <= fig.bbox.x1
        assert not any(legend.get_window_extent().overlaps(box) for legend in fig.legends)


def test_windows_of_one_grid_have_one_row_of_frames() -> None:
    fig = draw_kept(*kept_tables(4, grids_per_window=1))
    assert len({image.get_extent()[2] for image in _pictures(fig, "_pale")}) == 1
    assert "density\npeaks" in [text.get_text() for text in fig.axes[0].texts]
    assert "largest\nchange" not in [text.get_text() for text in fig.axes[0].texts]


def test_frames_that_stand_earlier_than_they_were_taken_are_owned_up_to() -> None:
    tokens, windows, grids = kept_tables(3)
    assert "capped" not in notes_of(draw_kept(tokens, windows, grids))
    grids["taken_s"] = 4.5 * grids["start_s"]
    notes = notes_of(draw_kept(tokens, windows, grids))
    assert "that of 5 s was taken at 22.5 s." in notes


def test_a_name_with_dollars_is_printed_as_it_is() -> None:
    notes = draw_kept(*kept_tables(1, clip="a $x_2$.mp4")).texts
    assert any("a $x_2$.mp4" in text.get_text() for text in notes)
    assert not any(text.get_parse_math() for text in notes)


def test_tables_of_two_clips_are_refused() -> None:
    tokens, windows, _ = kept_tables()
    with pytest.raises(InvalidValueError, match=r"clip and label must be .* in all three"):
        draw_kept(tokens, windows, kept_tables(clip="other.mp4")[2])
    with pytest.raises(InvalidValueError, match="clip and label"):
        draw_kept(kept_tables(rho_v=0.5)[0], windows, kept_tables()[2])


@pytest.mark.parametrize(("table", "column"), [(0, "kept"), (1, "realised"), (2, "picture")])
def test_a_missing_column_is_named(table: int, column: str) -> None:
    tables: list[pd.DataFrame] = list(kept_tables())
    tables[table] = tables[table].drop(columns=column)
    with pytest.raises(InvalidValueError, match=f"missing: {column}$"):
        draw_kept(*tables)


def test_an_unknown_width_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="figure width 'wall'"):
        draw_kept(*kept_tables(1), width="wall")


_cells = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1)


@given(_cells)
def test_the_outline_covers_kept_cells_and_nothing_else(kept: Cells) -> None:
    outline = kept_path(kept, (1.0, 9.0), (0.5, 0.25))
    for row in range(7):
        for column in range(7):
            middle = (1.0 + 0.5 * (column + 0.5), 9.0 - 0.25 * (row + 0.5))
            assert outline.contains_point(middle) == ((row, column) in kept)


@given(_cells)
def test_the_border_runs_between_kept_and_dropped(kept: Cells) -> None:
    """As long as the perimeter: twice the changes met along all rows and all columns."""
    path = border_path(kept, (0.0, 0.0), (1.0, 1.0))
    changes = sum(
        ((row, column) in kept) != (neighbour in kept)
        for row in range(-1, 7)
        for column in range(-1, 7)
        for neighbour in ((row + 1, column), (row, column + 1))
    )
    ends = path.vertices.reshape(-1, 2, 2)
    assert len(ends) == changes
    assert {float(abs(end - start).sum()) for start, end in ends} == {1.0}


def test_the_outline_is_drawn_where_colour_ends() -> None:
    fig = draw_kept(*kept_tables(2))
    borders = [p for p in fig.axes[0].patches if isinstance(p, PathPatch)]
    assert len([p for p in borders if p.get_label() == "_border"]) == 4
