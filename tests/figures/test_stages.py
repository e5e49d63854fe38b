"""The stage figure stacks the stages table: lengths are seconds, hatches are stages."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars, lines
from invented_tables import stages_table
from matplotlib.colors import to_hex

from omnizip_cost.cli.compare import read_measurements
from omnizip_cost.compare import stage_rows
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.plotting import draw_stages
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.stages import time_unit
from omnizip_cost.plotting.style import METHOD_COLOURS, SEGMENTS, tint
from omnizip_cost.results import STAGES

CAMPAIGN = Path(__file__).resolve().parents[2] / "analysis" / "measurements" / "cpu-calibration"


def test_bar_lengths_are_the_tables_seconds_stage_by_stage() -> None:
    table = stages_table()
    fig = draw_stages(table)
    for stage in STAGES:
        drawn = [bar.get_width() for bar in bars(fig, f"_{stage}")]
        assert drawn == pytest.approx(list(table[table["stage"] == stage]["seconds"]))


def test_stages_follow_one_another_without_gap_or_overlap() -> None:
    table = stages_table()
    fig = draw_stages(table)
    full = [bar for bar in bars(fig) if round(bar.get_y() + bar.get_height() / 2) == 0]
    ends = [0.0, *(bar.get_x() + bar.get_width() for bar in full)]
    assert [bar.get_x() for bar in full] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(table[table["label"] == "Full tokens"]["seconds"].sum())


def test_colour_is_the_method_and_hatch_the_stage() -> None:
    table = stages_table()
    fig = draw_stages(table)
    methods = table.drop_duplicates("label")["method"].tolist()
    for stage in STAGES:
        for bar in bars(fig, f"_{stage}"):
            method = methods[round(bar.get_y() + bar.get_height() / 2)]
            share = SEGMENTS[stage].share
            assert to_hex(bar.get_facecolor()) == tint(METHOD_COLOURS[method], share)
            assert (bar.get_hatch() or "") == SEGMENTS[stage].hatch


def test_rows_read_downwards_in_the_tables_order() -> None:
    table = stages_table()
    (ax,) = draw_stages(table).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == list(dict.fromkeys(table["label"]))
    assert ax.yaxis_inverted()


def test_the_end_of_the_bar_says_its_length() -> None:
    table = stages_table()
    (ax,) = draw_stages(table).axes
    total = table[table["label"] == "Full tokens"]["seconds"].sum()
    assert ax.texts[0].get_text() == f"{total * 1000:.0f} ms"


@pytest.mark.parametrize(
    ("scale", "unit"), [(10.0, "s"), (1.0, "ms"), (0.01, "ms"), (0.0001, "µs")]
)
def test_the_unit_suits_the_longest_bar(scale: float, unit: str) -> None:
    fig = draw_stages(stages_table(scale=scale))
    assert fig.axes[0].get_xlabel() == f"time ({unit})"
    assert all(text.get_text().endswith(f" {unit}") for text in fig.axes[0].texts)
    assert_tidy(fig)


def test_unit_limits() -> None:
    assert [time_unit(t)[1] for t in (1.0, 0.999, 1e-3, 9.9e-4)] == ["s", "ms", "ms", "µs"]


def test_spreads_run_from_low_to_high_after_the_stages_before() -> None:
    table = stages_table()
    first = table[table["label"] == "Full tokens"].set_index("stage")
    before = first.loc[["audio_encoder", "vision_encoder", "assembly"], "seconds"].sum()
    line = lines(draw_stages(table), "_spread:prefill")[0]
    assert list(line.get_xdata()) == pytest.approx(
        [before + first.loc["prefill", "low_s"], before + first.loc["prefill", "high_s"]]
    )


def test_out_of_memory_stands_in_place_of_the_bar() -> None:
    table = stages_table(oom=("fastv",))
    (ax,) = draw_stages(table).axes
    missing = [text for text in ax.texts if "out of memory" in text.get_text()]
    labels = list(dict.fromkeys(table["label"]))
    assert [labels[round(text.get_position()[1])] for text in missing] == ["FastV 50%", "FastV 35%"]
    assert len(ax.texts) == len(labels)


def test_models_have_panels_on_a_common_axis_length() -> None:
    table = pd.concat([stages_table(), stages_table("qwen2.5-omni-3b", scale=1.5)])
    fig = draw_stages(table, width="page")
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["omni-tiny", "qwen2.5-omni-3b"]
    assert fig.axes[0].get_xlim() == fig.axes[1].get_xlim()
    assert_tidy(fig)


def test_decode_says_how_many_tokens_when_known() -> None:
    assert "Decode: 8 tokens." in notes_of(draw_stages(stages_table().assign(decode_steps=8)))
    assert "ecode:" not in notes_of(draw_stages(stages_table()))


def test_predicted_times_are_called_so() -> None:
    notes = notes_of(draw_stages(stages_table().assign(timed="predicted"))).replace("\n", " ")
    assert notes.startswith("omni-tiny, cpu, predicted.")
    assert "where nine in ten should end" in notes
    assert "predicted" not in notes_of(draw_stages(stages_table()))


def test_random_weights_are_noted() -> None:
    assert "andom weights: timing only" in notes_of(draw_stages(stages_table()))


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(width: str) -> None:
    assert_tidy(draw_stages(stages_table(oom=("fastv",)), width=width))


def test_a_stage_counted_twice_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="there once for 'Full tokens'"):
        draw_stages(pd.concat([stages_table(), stages_table()]))


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown stage 'prefil'"):
        draw_stages(stages_table().replace({"stage": {"prefill": "prefil"}}))


@pytest.mark.parametrize("width", ["column", "page"])
def test_a_selection_too_thin_to_see_is_a_number_below(width: str) -> None:
    table = stages_table()
    chosen = table["stage"] == "selection"
    assert "too thin" not in notes_of(draw_stages(table, width=width))
    table.loc[chosen, ["seconds", "low_s", "high_s"]] = 0.0004
    table.loc[chosen & (table["method"] == "omnizip"), "seconds"] = [0.006, 0.007, 0.005, 0.0061]
    fig = draw_stages(table, width=width)
    notes = notes_of(fig).replace("\n", " ")
    assert (
        "Selection, where too thin to see: Random 0.400 ms, DyCoke (V&A) 0.400 ms, "
        "OmniZip 5.00 ms to 7.00 ms."
    ) in notes
    (legend,) = fig.legends
    assert "selection" not in {entry.get_text() for entry in legend.get_texts()}
    assert_tidy(fig)


def test_rows_of_several_clips_have_a_panel_each() -> None:
    """As `compare --out` draws them; the same configurations were measured on each."""
    rows = stage_rows(read_measurements(CAMPAIGN)[0])
    fig = draw_stages(pd.DataFrame([dict(row) for row in rows]))
    lengths = sorted({row.full_tokens for row in rows})
    assert [ax.get_title(loc="left") for ax in fig.axes] == [f"{n:,} tokens" for n in lengths]
    assert len(lengths) == 5
    assert fig.axes[0].get_xlim()[1] < 0.3 * fig.axes[4].get_xlim()[1]
    assert "Panels have scales of their own" in notes_of(fig)
    assert {ax.get_xlabel() for ax in fig.axes} == {"", "time (s)"}
    assert_tidy(fig)


def _campaign(clips: tuple[int, ...] = (1_000, 2_000), **same: object) -> pd.DataFrame:
    """Two clips, each measured and predicted, the prediction 10% short."""
    parts = []
    for tokens in clips:
        seen = stages_table(scale=tokens / 2_000).assign(timed="observed")
        said = seen.assign(timed="predicted", seconds=0.9 * seen["seconds"])
        parts.append(pd.concat([seen, said]).assign(full_tokens=tokens, clip=f"{tokens} clip"))
    return pd.concat(parts).assign(decode_steps=16, execution="stock", **same)


@pytest.mark.parametrize("width", ["column", "page"])
def test_the_predicted_stack_is_a_thin_bar_under_the_measured_one(width: str) -> None:
    table = _campaign()
    fig = draw_stages(table, width=width)
    long = table[table["full_tokens"] == 2_000]
    for stage in STAGES:
        want = {kind: list(long[(long["stage"] == stage) & (long["timed"] == kind)]["seconds"])
                for kind in ("observed", "predicted")}  # fmt: skip
        seen = bars(fig, f"_{stage}")[-len(want["observed"]) :]
        said = bars(fig, f"_predicted:{stage}")[-len(want["predicted"]) :]
        assert [bar.get_width() for bar in seen] == pytest.approx(want["observed"])
        assert [bar.get_width() for bar in said] == pytest.approx(want["predicted"])
        for above, below in zip(seen, said, strict=True):
            assert above.get_y() + above.get_height() < below.get_y() < above.get_y() + 1
            assert below.get_height() < 0.5 * above.get_height()
    assert "Thin bars: predicted, written before the measurement." in notes_of(fig)
    assert_tidy(fig)


def test_what_ran_out_of_memory_keeps_its_prediction() -> None:
    table = _campaign((2_000,))
    gone = (table["method"] == "fastv") & (table["timed"] == "observed")
    table.loc[gone, "status"] = "oom"
    fig = draw_stages(table)
    (ax,) = fig.axes
    assert sum("out of memory" in item.get_text() for item in ax.texts) == 2
    assert (
        len(bars(fig, "_predicted:prefill"))
        == table["label"].nunique()
        > len(bars(fig, "_prefill"))
    )


def test_where_panels_have_no_room_those_with_most_configurations_stay() -> None:
    table = _campaign((1_000, 2_000, 3_000, 4_000))
    ends = table["label"].isin(["Full tokens", "OmniZip 50% (0.5, 0.5)"])
    fig = draw_stages(table[ends | (table["full_tokens"] == 3_000)])
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert titles == ["3,000 tokens", "4,000 tokens"], "the fullest, then the longest"
    assert "2 more clips and settings of the table have no room." in notes_of(fig)
    assert_tidy(fig)


def test_clips_side_by_side_name_their_configurations_once_on_the_same_lines() -> None:
    table = _campaign()
    table = table[(table["full_tokens"] == 2_000) | (table["method"] != "random")]
    fig = draw_stages(table, width="page")
    first, second = fig.axes
    labels = [item.get_text() for item in first.get_yticklabels()]
    assert labels == list(dict.fromkeys(table[table["full_tokens"] == 2_000]["label"]))
    assert [item.get_text() for item in second.get_yticklabels()] == [""] * len(labels)
    places = {round(bar.get_y() + bar.get_height() / 2) for bar in bars(fig, "_prefill")
              if bar.axes is first}  # fmt: skip
    assert places == set(range(len(labels))) - {labels.index("Random 55%"),
                                                labels.index("Random 40%")}  # fmt: skip
