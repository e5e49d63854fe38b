"""Plans from explicit tokens per layer: what is read, what counts, and every refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import omnizip_cost as oz
from omnizip_cost.compression import layered_plan, parse_layer_tokens
from omnizip_cost.cost import selection_ops
from omnizip_cost.errors import InvalidValueError


def test_a_schedule_is_read_layer_by_layer() -> None:
    assert parse_layer_tokens("2x576+3x288") == (576, 576, 288, 288, 288)
    assert parse_layer_tokens(" 1X5 + 1 x 4 ") == (5, 4)


@pytest.mark.parametrize(
    "text",
    ["", "28", "x", "28x", "x9", "0x9", "2x9+", "2x9,3x4", "-1x9", "2x1e3", "2x9++1x8", "²x9"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="like 18x2500"):
        parse_layer_tokens(text)


def test_a_million_layers_are_a_mistake() -> None:
    with pytest.raises(InvalidValueError, match="at most 10,000 layers"):
        parse_layer_tokens("999999x9")


@pytest.mark.parametrize("convention", ["eq9", "torch", "hardware", "pyramiddrop"])
def test_it_counts_as_the_method_it_spells_out(convention: str) -> None:
    """Full tokens and FastV of a bare count, spelled out, are the same rows."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.bare_workload(1_000)
    pairs = [
        (oz.plan("full", work, spec), "28x1000"),
        (oz.plan("fastv", work, spec, retained=0.5, fastv_layer=5), "5x1000+23x500"),
    ]
    for ours, text in pairs:
        spelled = layered_plan(ours.method, text)
        wanted = [row.flops for row in oz.count(spec, ours, convention, 7)]
        assert [row.flops for row in oz.count(spec, spelled, convention, 7)] == wanted
        assert spelled.retained == ours.retained
        assert spelled.realised == ours.realised


def test_an_unknown_methods_selection_is_not_counted() -> None:
    spec = oz.load_spec("qwen2.5-omni-7b")
    plan = layered_plan("omnipack", [2_500] * 18 + [1_250] * 10, retained=0.3)
    assert plan.retained == 0.3
    assert not selection_ops(spec, plan)
    assert {row.component for row in oz.count(spec, plan, "torch")} == {"llm", "lm_head"}


def test_text_passes_through_every_layer() -> None:
    plan = layered_plan("mine", np.array([10, 10, 5]), text_tokens=3)
    assert plan.layer_tokens == (13, 13, 8)
    assert plan.layer_av_tokens == (10, 10, 5)


@pytest.mark.parametrize(
    ("method", "tokens", "more", "says"),
    [
        ("", "2x9", {}, "method must be a name"),
        ("m", [], {}, "one number for each layer"),
        ("m", [9, 0], {}, "at least 1, got 0"),
        ("m", [9.0], {}, "whole numbers"),
        ("m", [True], {}, "whole numbers"),
        ("m", [9, 8, 9], {}, "at most 8 in layer 2, since tokens dropped do not come back"),
        ("m", "2x9", {"text_tokens": -1}, "text_tokens must be"),
        ("m", "2x9", {"retained": 1.5}, "a ratio in"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    method: str, tokens: Any, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidValueError, match=says):
        layered_plan(method, tokens, **more)


def test_a_schedule_of_another_model_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="made for the 28 layers"):
        oz.count(oz.load_spec("qwen2.5-omni-7b"), layered_plan("m", "27x9"), "eq9")
