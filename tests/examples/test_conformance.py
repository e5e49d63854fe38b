"""Promises of methods: kept by every built-in one, and each breach is caught by name."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from broken_methods import BROKEN, First

import omnizip_cost as oz
from omnizip_cost.compression import METHODS, Method
from omnizip_cost.errors import UnknownNameError
from omnizip_cost.runtime.conformance import PROMISES, PromiseRow, check_method
from omnizip_cost.runtime.conformance_cases import SHAPES, Case, cases
from omnizip_cost.runtime.selection import read_layout


def broken(rows: list[PromiseRow]) -> dict[str, str]:
    return {row.promise: row.counterexample for row in rows if row.held < row.cases}


@pytest.mark.parametrize("name", METHODS)
def test_built_in_methods_keep_every_promise(name: str) -> None:
    rows = oz.check_method(name)
    assert [row.promise for row in rows] == list(PROMISES)
    assert broken(rows) == {}
    assert all(row.cases >= len(SHAPES) and row.method == name for row in rows)


def test_a_sound_method_object_keeps_every_promise() -> None:
    rows = check_method(First())
    assert broken(rows) == {}
    assert {row.method for row in rows} == {"first"}


@pytest.mark.parametrize(
    ("method", "promise", "words"), BROKEN, ids=[method.__name__ for method, *_ in BROKEN]
)
def test_each_breach_is_caught_by_name(method: type[Method], promise: str, words: str) -> None:
    found = broken(check_method(method()))
    assert list(found) == [promise]
    assert words in found[promise]
    assert "\n" not in found[promise]
    assert any(found[promise].startswith(shape) for shape in SHAPES)


def test_every_promise_has_a_breach() -> None:
    assert {promise for _, promise, _ in BROKEN} == set(PROMISES)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean omnizip"):
        check_method("omnizp")


@pytest.mark.parametrize("shape", SHAPES)
def test_plans_and_selections_see_the_same_clip(shape: str) -> None:
    """The layout written down equals the one read from token ids of the same windows."""
    case = Case(shape=shape, rho_a=0.4, rho_v=0.7)
    work, ids = case.workload, [1] * case.workload.text_before
    for window in work.windows:
        ids += [7] * window.video_tokens + [8] * window.audio_tokens
    ids += [1] * work.text_after
    read = read_layout(
        torch.tensor(ids), audio_id=8, video_id=7, tokens_per_grid=work.tokens_per_grid
    )
    for item in fields(read):
        assert getattr(case.layout, item.name) == getattr(read, item.name)
    asked = case.plan_request(First())
    assert (asked.video_sizes, asked.audio_sizes) == (read.video_sizes, read.audio_sizes)


def test_omnizip_is_tried_in_both_modes() -> None:
    tried = {tuple(case.settings.items()) for case in cases(METHODS["omnizip"])}
    assert tried == {(), (("mode", "official"),), (("rounding", "largest-remainder"),)}
    pairs = {(case.rho_a, case.rho_v) for case in cases(METHODS["fastv"])}
    assert all(rho_a == rho_v for rho_a, rho_v in pairs)


def test_tensors_are_fresh_and_the_same_at_every_call() -> None:
    case = Case(shape="a single window", rho_a=0.4, rho_v=0.7)
    first, again = (case.request(METHODS["omnizip"], device=torch.device("cpu")) for _ in range(2))
    assert torch.equal(first.embeddings, again.embeddings)
    assert first.embeddings is not again.embeddings
    alike = replace(case, alike=True).request(METHODS["omnizip"], device=torch.device("cpu"))
    assert alike.audio_scores is not None and alike.audio_scores.unique().numel() == 1
