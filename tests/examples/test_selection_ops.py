"""The steps of a selection: listed by name, checked on construction, stated by plug-ins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.compression import methods
from omnizip_cost.compression.method import Counts, Method
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost import SelectionOp, selection_ops, total_flops
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import ThinkerSpec

SPEC = oz.load_spec("omni-tiny")
WORK = oz.workload(SPEC, seconds=20, pixels=(252, 448))


class Loudest(Method):
    """A method of another package: audio by its scores, video untouched."""

    name = "loudest"
    title = "Loudest"
    answers = "keeps the best-scored audio"
    source = "made up for tests"
    scores = ("audio",)

    def planned(self, request: Any) -> Counts:
        return Counts(video=request.video_sizes, audio=[size // 2 for size in request.audio_sizes])

    def select(self, request: Any) -> Any:
        raise AssertionError("steps are counted before anything runs")


class Stated(Loudest):
    def selection_ops(self, plan: Plan, spec: ThinkerSpec) -> Iterable[SelectionOp]:
        yield SelectionOp(name="a product", multiply_adds=1_000, kernels=2, bytes_moved=10)


def _plan(method: Method, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setitem(methods.METHODS, method.name, method)
    return oz.plan(method.name, WORK, SPEC, retained=0.5)


def test_steps_of_a_plug_in_stand_beside_its_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    ops = selection_ops(SPEC, _plan(Stated(), monkeypatch))
    assert ops is not None
    assert [op.name for op in ops] == [
        "audio scores",
        "audio scores of the clip",
        "a product",
        "gather of survivors",
    ]
    omnizip = selection_ops(SPEC, oz.plan("omnizip", WORK, SPEC, retained=0.5))
    assert omnizip is not None
    assert ops[0] == omnizip[0]


def test_steps_that_are_not_stated_are_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(Loudest(), monkeypatch)
    assert selection_ops(SPEC, plan) is None
    rows = oz.count(SPEC, plan, "torch", 0)
    assert {row.component for row in rows} == {"llm", "lm_head"}
    stated = oz.count(SPEC, _plan(Stated(), monkeypatch), "torch", 0)
    selection = next(row for row in stated if row.component == "selection")
    assert total_flops(stated) == total_flops(rows) + selection.flops


def test_a_method_that_is_not_installed_here_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = _plan(Stated(), monkeypatch)
    monkeypatch.delitem(methods.METHODS, "loudest")
    assert selection_ops(SPEC, plan) is None


def test_omnizip_lists_its_steps_in_order() -> None:
    """What no counter sees is here by name: norms, ranking, Algorithm 1, odd grids, the gather."""
    ops = selection_ops(SPEC, oz.plan("omnizip", WORK, SPEC, retained=0.5))
    assert ops is not None
    assert list(dict.fromkeys(op.name for op in ops)) == [
        "audio scores",
        "audio scores of the clip",
        "norms of all rows",
        "salient audio",
        "rows of anchors and left-over audio",
        "nearest anchor",
        "relevance to the video",
        "best of each group",
        "merging into anchors",
        "rates and counts (Algorithm 1)",
        "density peaks",
        "change since the grid before",
        "check of the scores",
        "gather of survivors",
    ]
    products = {op.name for op in ops if op.multiply_adds}
    assert products == {
        "audio scores",
        "nearest anchor",
        "relevance to the video",
        "merging into anchors",
        "density peaks",
    }
    assert all(op.kernels for op in ops)


def test_bytes_follow_the_dtype() -> None:
    plan = oz.plan("dycoke", WORK, SPEC, retained=0.5)
    rows = {
        dtype: next(r for r in oz.count(SPEC, plan, "torch", 0, dtype=dtype) if r.kernels)
        for dtype in ("float32", "bfloat16", "float16")
    }
    assert rows["bfloat16"] == rows["float16"]
    assert rows["float32"].flops == rows["bfloat16"].flops
    assert rows["float32"].bytes_moved != rows["bfloat16"].bytes_moved
    assert (rows["bfloat16"].kernels or 0) > (rows["float32"].kernels or 0)
    with pytest.raises(InvalidValueError, match="dtype must be one of float32, bfloat16, float16"):
        oz.count(SPEC, plan, "torch", 0, dtype="int8")


@pytest.mark.parametrize("value", [-1, 1.5, True])
@pytest.mark.parametrize("field", ["multiply_adds", "unseen_flops", "bytes_moved", "kernels"])
def test_counts_of_a_step_are_whole(field: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=f"selection step 'x': {field} must be a whole"):
        SelectionOp(name="x", **{field: value})


def test_both_ratios_zero_are_no_steps() -> None:
    plan = oz.plan("omnizip", WORK, SPEC, audio_pruning=0.0, video_pruning=0.0)
    assert selection_ops(SPEC, plan) == ()
    assert selection_ops(SPEC, oz.plan("full", WORK, SPEC)) == ()
    bare = oz.plan("omnizip", oz.bare_workload(100), SPEC, retained=0.5)
    assert selection_ops(SPEC, bare) == ()
