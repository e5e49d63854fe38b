"""Colour means method, marker means model: fixed, and told apart without colour."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb

from omnizip_cost.errors import UnknownNameError
from omnizip_cost.plotting import style

METHODS = ("full", "random", "fastv", "dycoke", "omnizip", "visionzip")


def test_every_method_has_a_colour_and_a_title() -> None:
    assert set(style.METHOD_COLOURS) == set(METHODS) == set(style.METHOD_TITLES)
    assert len(set(style.METHOD_COLOURS.values())) == len(METHODS)


def test_rivals_and_omnizip_have_okabe_ito_hues() -> None:
    okabe_ito = {"#0072B2", "#D55E00", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#F0E442"}
    assert {style.method_colour(m) for m in ("fastv", "dycoke", "omnizip")} <= okabe_ito


def test_methods_of_other_packages_get_a_colour_of_their_own() -> None:
    names = [f"plugin-{number}" for number in range(40)]
    colours = {name: style.method_colour(name) for name in names}
    assert colours == {name: style.method_colour(name) for name in reversed(names)}
    assert len(set(colours.values())) == len(names)
    for name, colour in colours.items():
        assert 15 < style.lightness(colour) < 75, name
        for built_in in METHODS:
            apart = zip(to_rgb(colour), to_rgb(style.method_colour(built_in)), strict=True)
            assert max(abs(one - other) for one, other in apart) > 0.08, (name, built_in)


def test_methods_differ_in_grey() -> None:
    grey = {method: style.lightness(style.method_colour(method)) for method in METHODS}
    for one, other in combinations(METHODS, 2):
        assert abs(grey[one] - grey[other]) > 5, (one, other)
    assert max(grey.values()) < 75, "too light on white paper"


def test_lightness_of_known_greys() -> None:
    assert style.lightness("#000000") == 0
    assert style.lightness("#FFFFFF") == pytest.approx(100)
    assert style.lightness("#777777") == pytest.approx(50.0, abs=0.2)


def test_stages_are_told_apart_by_hatch() -> None:
    hatches = [look.hatch for look in style.SEGMENTS.values()]
    assert len(set(hatches)) == len(hatches)


def test_unknown_names_are_refused_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown stage 'prefil'"):
        style.segment_look("prefil")


def test_markers_are_fixed_for_bundled_models_and_distinct_for_others() -> None:
    names = ["qwen2.5-omni-7b", "qwen2.5-omni-3b", "qwen3-omni-30b-a3b", "omni-tiny", "mine", "x"]
    markers = style.model_markers(names)
    assert len(set(markers.values())) == len(names)
    assert style.model_markers(["omni-tiny"])["omni-tiny"] == markers["omni-tiny"]
    assert style.model_markers(["x", "mine"]) == style.model_markers(["mine", "x"])


def test_the_house_style_leaves_the_users_settings_alone() -> None:
    with mpl.rc_context({"font.size": 31}):
        with style.house_style():
            assert mpl.rcParams["font.size"] < 10
            assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["font.size"] == 31


def test_tint_runs_from_white_to_the_colour() -> None:
    assert style.tint("#d55e00", 0) == "#ffffff"
    assert style.tint("#d55e00", 1) == "#d55e00"
