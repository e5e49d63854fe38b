"""A method given as an object, not by name: planned, counted, selected and run like any other."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from tiny_thinker import tiny_inputs, tiny_thinker

import omnizip_cost as oz
from omnizip_cost.compression import METHODS
from omnizip_cost.compression.plan import Plan
from omnizip_cost.errors import PluginError, UnsupportedModelError
from omnizip_cost.plugin import Counts, Layout, Method, Selection, SelectionOp, SelectionRequest
from omnizip_cost.runtime.selection.layout import Run
from omnizip_cost.specs import ThinkerSpec

SPEC = oz.load_spec("omni-tiny")
WORK = oz.workload(SPEC, seconds=20, pixels=(252, 448))


class Halves(Method):
    """Keeps the first half of each modality's tokens."""

    name = "halves"
    title = "Halves"
    answers = "keeps the first half"
    source = "made up for tests"

    def planned(self, request: Any) -> Counts:
        return Counts(
            video=[size / 2 for size in request.video_sizes],
            audio=[size / 2 for size in request.audio_sizes],
            exact=False,
            video_kept=request.video_tokens // 2,
            audio_kept=request.audio_tokens // 2,
        )

    def select(self, request: SelectionRequest) -> Selection:
        return request.keep(
            video=range(request.video_tokens // 2), audio=range(request.audio_tokens // 2)
        )


class Priced(Halves):
    def selection_ops(self, plan: Plan, spec: ThinkerSpec) -> Iterable[SelectionOp]:
        yield SelectionOp(name="a product", multiply_adds=1_000, kernels=2, bytes_moved=10)


@pytest.mark.parametrize("method", [Priced, Priced()])
def test_the_steps_an_object_states_are_counted(method: Any) -> None:
    plan = oz.plan(method, WORK, SPEC, retained=0.5)
    rows = oz.count(SPEC, plan, "torch", 0)
    (selection,) = [row for row in rows if row.component == "selection"]
    assert (selection.method, selection.flops) == ("halves", 2_000)


def test_an_object_that_states_none_has_no_row() -> None:
    rows = oz.count(SPEC, oz.plan(Halves(), WORK, SPEC, retained=0.5), "torch", 0)
    assert {row.component for row in rows} == {"llm", "lm_head"}
    assert all(isinstance(row.method, str) for row in rows)


def test_plans_are_equal_by_what_is_kept_and_print_no_object() -> None:
    plan, again = (oz.plan(Priced(), WORK, SPEC, retained=0.5) for _ in range(2))
    assert plan == again and hash(plan) == hash(again)
    assert plan.method == "halves"
    assert "Priced" not in repr(plan)


def test_a_plan_survives_pickling_with_its_steps() -> None:
    for method in (Priced(), "omnizip"):
        plan = oz.plan(method, WORK, SPEC, retained=0.5)
        copy = pickle.loads(pickle.dumps(plan))
        assert copy == plan
        assert oz.count(SPEC, copy, "torch", 0) == oz.count(SPEC, plan, "torch", 0)


def test_a_plan_by_the_name_of_a_built_in_method_carries_no_object() -> None:
    assert oz.plan("omnizip", WORK, SPEC, retained=0.5).own_method is None


@pytest.mark.parametrize("method", [Halves, Halves()])
def test_an_object_compresses_a_real_thinker(method: Any) -> None:
    thinker, inputs = tiny_thinker(layers=2), tiny_inputs(seconds=5)
    with torch.no_grad(), oz.compressed(thinker, method, retained=0.5) as handle:
        output = thinker(**inputs)
    kept = handle.last
    assert kept is not None and kept.method == "halves"
    assert "halves" in repr(handle)
    assert (kept.video_kept, kept.audio_kept) == (kept.video_tokens // 2, kept.audio_tokens // 2)
    assert output.logits.shape[1] == kept.kept_tokens < kept.full_tokens


def test_an_object_may_not_take_a_built_in_name() -> None:
    class Taken(Halves):
        name = "random"

    with (
        pytest.raises(PluginError, match="the name is a built-in method's"),
        oz.compressed(tiny_thinker(layers=2), Taken(), retained=0.5),
    ):
        raise AssertionError("the block was entered")


@pytest.mark.parametrize("name", ["random", "omnizip", "visionzip"])
def test_a_built_in_method_asked_to_select_says_where_to_go(name: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        METHODS[name].select(None)
    assert f"call select('{name}', ...)" in str(caught.value)


def test_another_method_may_build_on_a_built_in_one_through_select() -> None:
    class OnRandom(Halves):
        def planned(self, request: Any) -> Counts:
            return METHODS["random"].planned(request)

        def select(self, request: SelectionRequest) -> Selection:
            return oz.select(
                "random",
                request.embeddings,
                None,
                request.layout,
                audio_pruning=request.rho_a,
                video_pruning=request.rho_v,
                seed=request.seed,
            )

    rows = oz.check_method(OnRandom())
    assert all(row.cases > 0 and row.held == row.cases for row in rows)


def test_a_method_without_its_two_functions_cannot_be_made() -> None:
    with pytest.raises(TypeError, match=r"abstract methods '?planned'?(, | and )'?select'?"):
        Method()  # type: ignore[abstract]


def test_a_selection_prints_its_size_and_waits_for_nothing() -> None:
    layout = Layout(length=9, tokens_per_grid=2, video_runs=(Run(1, 4),), audio_runs=(Run(5, 3),))
    found = oz.select(
        Halves(), torch.rand(9, 4), None, layout, audio_pruning=0.5, video_pruning=0.5
    )
    assert repr(found) == "Selection(9 tokens, torch.float32, cpu)"
    found.survivors()
    assert repr(found) == "Selection(5 of 9 tokens, torch.float32, cpu)"
