"""The memory figure stacks the parts where they are the most, and marks what does not fit."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars, lines
from invented_memory import CONFIGURATIONS, memory_tables
from matplotlib.colors import to_hex

from omnizip_cost.cost.memory import PARTS as KNOWN_PARTS
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.plotting import draw_memory
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.memory import PARTS
from omnizip_cost.plotting.style import METHOD_COLOURS, tint
from omnizip_cost.units import GIBI


def test_every_part_that_is_predicted_has_a_look_of_its_own() -> None:
    assert set(PARTS) == set(KNOWN_PARTS)
    assert len({(look.share, look.hatch) for look in PARTS.values()}) == len(PARTS)
    assert len({look.title for look in PARTS.values()}) == len(PARTS)


def test_bars_are_the_bytes_of_the_stage_that_needs_most() -> None:
    parts, held = memory_tables()
    fig = draw_memory(parts, held)
    drawn = parts[parts["at_peak"]]
    for part in PARTS:
        wanted = list(drawn[drawn["part"] == part]["bytes"])
        assert [bar.get_width() for bar in bars(fig, f"_{part}")] == wanted
    ends = [0.0]
    for bar in bars(fig):
        if round(bar.get_y() + bar.get_height() / 2) == 0:
            assert bar.get_x() == pytest.approx(ends[-1])
            ends.append(bar.get_x() + bar.get_width())
    assert ends[-1] == drawn[drawn["label"] == "Full tokens"]["bytes"].sum()


def test_colour_is_the_method_and_hatch_the_part() -> None:
    fig = draw_memory(*memory_tables())
    methods = [method for method, _ in CONFIGURATIONS.values()]
    for part, look in PARTS.items():
        for bar in bars(fig, f"_{part}"):
            colour = METHOD_COLOURS[methods[round(bar.get_y() + bar.get_height() / 2)]]
            assert to_hex(bar.get_facecolor()) == tint(colour, look.share)
            assert (bar.get_hatch() or "") == look.hatch


def test_lines_stand_at_what_is_usable_up_to_the_first_card_that_holds_all() -> None:
    parts, held = memory_tables()
    (ax,) = draw_memory(parts, held).axes
    usable = held.drop_duplicates("device").set_index("device")["usable_bytes"]
    at = {line.get_label(): line.get_xdata()[0] for line in ax.lines
          if str(line.get_label()).startswith("_limit:")}  # fmt: skip
    assert at == {f"_limit:{name}": usable[name] for name in usable.index[:4]}
    assert ax.get_xlim()[1] > usable["h100-sxm"]
    sold = [text.get_text() for text in ax.texts if text.get_label() == "_sold"]
    assert sold == ["24 GB", "48 GB", "80 GB"], "two cards of 48 GB share one name"


def test_a_cross_marks_each_line_that_a_bar_passes() -> None:
    fig = draw_memory(*memory_tables())
    for device, over in (("rtx-4090", [2]), ("rtx-a6000", [2]), ("h100-sxm", [])):
        (marks,) = lines(fig, f"_over:{device}")
        assert list(marks.get_ydata()) == over
    assert "rosses: does not fit" in notes_of(fig)
    small = draw_memory(*memory_tables(scale=0.1))
    assert "rosses" not in notes_of(small)
    assert "Lines: what one process can use of rtx-4090." in notes_of(small).replace("\n", " ")


def test_beyond_every_card_all_are_drawn() -> None:
    (ax,) = draw_memory(*memory_tables(scale=5)).axes
    assert sum(str(line.get_label()).startswith("_limit:") for line in ax.lines) == 5


def test_the_end_of_a_bar_says_its_gibibytes_and_ticks_are_round() -> None:
    fig = draw_memory(*memory_tables())
    (ax,) = fig.axes
    totals = [text.get_text() for text in ax.texts if text.get_label() == "_total"]
    assert totals == ["21.3", "18.7", "57.0"]
    low, high = ax.get_xlim()
    shown = [tick / GIBI for tick in ax.get_xticks() if low <= tick <= high]
    assert shown == pytest.approx([round(tick) for tick in shown])
    assert len(shown) > 3


def test_settings_have_panels_on_one_scale() -> None:
    tables = [memory_tables(backend=name) for name in ("hf-sdpa", "ideal")]
    parts, held = (pd.concat(both) for both in zip(*tables, strict=True))
    fig = draw_memory(parts, held)
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["hf-sdpa", "ideal"]
    assert fig.axes[0].get_xlim() == fig.axes[1].get_xlim()
    assert_tidy(fig)


def test_notes_say_that_it_is_predicted_and_what_is_too_thin() -> None:
    notes = notes_of(draw_memory(*memory_tables())).replace("\n", " ")
    assert notes.startswith("qwen2.5-omni-7b, hf-sdpa, W16A16 KV16, 72 s. Predicted. Peak in ")
    assert "Too thin to see, GiB at most: cache 0.700, selection 0.00100." in notes


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(width: str) -> None:
    assert_tidy(draw_memory(*memory_tables(), width=width))


def test_what_cannot_be_drawn_is_refused() -> None:
    parts, held = memory_tables()
    with pytest.raises(InvalidValueError, match="there once for 'Full tokens'"):
        draw_memory(pd.concat([parts, parts]), held)
    with pytest.raises(InvalidValueError, match="missing: usable_bytes"):
        draw_memory(parts, held.drop(columns="usable_bytes"))
    with pytest.raises(InvalidValueError, match="at_peak must be true in some row"):
        draw_memory(parts.assign(at_peak=False), held)
    with pytest.raises(UnknownNameError, match="unknown part of memory 'logit': did you mean"):
        draw_memory(parts.replace({"part": {"logits": "logit"}}), held)
