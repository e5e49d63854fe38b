"""Conventions by example: what each choice is and changes, and what is never added."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.compare import convention_rows
from omnizip_cost.compression import Plan
from omnizip_cost.cost import CONVENTIONS, Convention, counted, require_conventions, side_by_side
from omnizip_cost.cost.convention import CHOICES
from omnizip_cost.cost.convention_lookup import require_convention
from omnizip_cost.errors import (
    ConventionMismatchError,
    InvalidValueError,
    OmnizipCostError,
    UnknownNameError,
)
from omnizip_cost.specs import ModelSpec
from omnizip_cost.workload import Workload

TABLE = {
    "eq9": (1, "hidden", 2, "full", "none", "audio+video", True),
    "pyramiddrop": (1, "hidden", 3, "full", "none", "video", False),
    "sparsevlm": (1, "hidden", 3, "full", "none", "all", False),
    "seats": (1, "grouped", 3, "full", "every", "all", False),
    "dynamic-llava": (2, "hidden", 3, "full", "none", "all", False),
    "torch": (2, "grouped", None, "full", "every", "all", True),
    "hardware": (2, "grouped", None, "causal", "last", "all", True),
}
"""Per multiply-add, K/V width, FFN matrices, pairs, LM head, tokens, decode: as papers say."""


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return oz.load_spec("omni-tiny")


@pytest.fixture(scope="module")
def work(spec: ModelSpec) -> Workload:
    """Five seconds, so that the last block of the audio encoder is ragged."""
    return oz.workload(spec, seconds=5, pixels=(112, 112))


@pytest.fixture(scope="module")
def plan(work: Workload, spec: ModelSpec) -> Plan:
    return oz.plan("omnizip", work, spec, retained=0.5)


def test_the_table_of_choices() -> None:
    for name, (per, widths, matrices, pairs, head, tokens, decode) in TABLE.items():
        one = CONVENTIONS[name]
        assert one.flop_per_multiply_add == per
        assert (one.widths, one.ffn_matrices, one.attention) == (widths, matrices, pairs)
        assert (one.lm_head, one.tokens, one.decode) == (head, tokens, decode)


def test_every_record_has_what_a_reader_needs() -> None:
    for name, one in CONVENTIONS.items():
        assert one.name == name
        assert one.answers and one.source and one.used_by
        assert set(one.facts()) >= {"name", "answers", "source", "leaves_out", "counts_beyond"}
        assert all(isinstance(value, str | int | None) for value in one.facts().values())


def test_what_is_left_out_and_counted_beyond_follows_from_the_choices() -> None:
    assert "the LM head" in CONVENTIONS["eq9"].leaves_out
    assert "text tokens" in CONVENTIONS["eq9"].leaves_out
    assert "an FFN of width 4 d, whatever the model has" not in CONVENTIONS["eq9"].counts_beyond
    (elementwise,) = CONVENTIONS["torch"].leaves_out
    assert "softmax" in elementwise
    assert CONVENTIONS["hardware"].counts_beyond == ()


OTHERS: list[tuple[str, Any]] = [
    ("flop_per_multiply_add", 1),
    ("widths", "hidden"),
    ("ffn_matrices", 2),
    ("ffn_width", "4d"),
    ("attention", "causal"),
    ("attention", "none"),
    ("lm_head", "none"),
    ("lm_head", "last"),
    ("tokens", "audio+video"),
    ("tokens", "video"),
    ("decode", False),
    ("counts_padding", False),
    ("selection", False),
]


@pytest.mark.parametrize(("field", "value"), OTHERS)
def test_each_choice_changes_the_count(
    spec: ModelSpec, work: Workload, plan: Plan, field: str, value: Any
) -> None:
    """No choice is idle: it changes what `torch` makes of a clip."""
    own = replace(CONVENTIONS["torch"], name="own", **{field: value})
    full = oz.total_flops(oz.count(spec, plan, "torch", 3, work))
    assert oz.total_flops(oz.count(spec, plan, own, 3, work)) != full


def test_no_choice_goes_untried() -> None:
    tried = {field for field, _ in OTHERS} | {"encoders"}
    assert tried == {*CHOICES, "ffn_matrices"}


def test_encoders_are_rows_of_their_own(spec: ModelSpec, work: Workload, plan: Plan) -> None:
    own = replace(CONVENTIONS["torch"], name="own", encoders=False, counts_padding=False)
    components = {row.component for row in oz.count(spec, plan, own, 3, work)}
    assert components == {"llm", "lm_head", "selection"}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_copy_under_another_name_counts_alike(
    spec: ModelSpec, work: Workload, plan: Plan, name: str
) -> None:
    copy = replace(CONVENTIONS[name], name="copy")
    ours = oz.count(spec, plan, copy, 3, work)
    theirs = oz.count(spec, plan, name, 3, work)
    assert [row.flops for row in ours] == [row.flops for row in theirs]
    assert {row.definition for row in theirs} == {None}
    assert {row.definition for row in ours} == {copy.choices}


@pytest.mark.parametrize("tokens", [1, 777, 11_770])
def test_seats_is_half_of_torchs_prefill(tokens: int) -> None:
    spec = oz.load_spec("qwen2.5-omni-7b")
    full = oz.plan("full", oz.bare_workload(tokens), spec)
    seats, torch = (oz.total_flops(oz.count(spec, full, name, 0)) for name in ("seats", "torch"))
    assert 2 * seats == torch


def test_counts_of_two_conventions_of_one_name_are_not_added(spec: ModelSpec, plan: Plan) -> None:
    one = replace(CONVENTIONS["seats"], name="mine")
    other = replace(one, lm_head="none", decode=True)
    rows = [*oz.count(spec, plan, one), *oz.count(spec, plan, other)]
    with pytest.raises(ConventionMismatchError) as refusal:
        oz.total_flops(rows)
    assert "mine (lm_head = 'every', decode = false)" in str(refusal.value)
    assert "mine (lm_head = 'none', decode = true)" in str(refusal.value)


def test_a_users_count_is_not_added_to_a_built_in_one(spec: ModelSpec, plan: Plan) -> None:
    own = replace(CONVENTIONS["seats"], name="mine")
    with pytest.raises(ConventionMismatchError, match="'mine' and 'seats'"):
        oz.total_flops([*oz.count(spec, plan, own), *oz.count(spec, plan, "seats")])


def test_two_files_of_one_name_are_refused_and_equal_ones_are_one() -> None:
    own = replace(CONVENTIONS["seats"], name="mine")
    known = require_conventions(["eq9", own, replace(own, note="the same choices"), "eq9"])
    assert list(known) == ["eq9", "mine"]
    with pytest.raises(InvalidValueError, match="differently'; rename one"):
        require_conventions([own, replace(own, decode=True)])


def test_nobody_counts_under_a_built_in_name() -> None:
    with pytest.raises(InvalidValueError, match="a built-in convention has this one"):
        require_convention(replace(CONVENTIONS["eq9"], ffn_matrices=3))
    assert require_convention(CONVENTIONS["eq9"]) is CONVENTIONS["eq9"]


@pytest.mark.parametrize("name", ["eq8", "", "EQ9.txt", None, 9, ["eq9"]])
def test_an_unknown_name_is_one_sentence(name: Any) -> None:
    with pytest.raises(UnknownNameError, match="unknown convention"):
        require_convention(name)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "My Own", "small letters"),
        ("name", "", "small letters"),
        ("name", 3, "small letters"),
        ("flop_per_multiply_add", 3, "1 or 2"),
        ("flop_per_multiply_add", True, "1 or 2"),
        ("flop_per_multiply_add", 2.0, "1 or 2"),
        ("widths", "gqa", "'hidden' or 'grouped'"),
        ("lm_head", None, "'none', 'every' or 'last'"),
        ("decode", 1, "true or false"),
        ("ffn_matrices", 0, "a positive whole number"),
        ("ffn_matrices", True, "a positive whole number"),
        ("ffn_matrices", "as built", "a positive whole number"),
        ("answers", " ", "a sentence"),
        ("source", None, "a sentence"),
        ("note", 3, "text"),
    ],
)
def test_a_record_refuses_what_is_no_choice(field: str, value: Any, says: str) -> None:
    with pytest.raises(OmnizipCostError, match=f"{field} must be .*{says}"):
        replace(CONVENTIONS["torch"], **{field: value})


def test_padding_of_encoders_that_do_not_count_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="counts_padding must be false where the encoders"):
        replace(CONVENTIONS["torch"], encoders=False)


def test_side_by_side_is_what_count_says(spec: ModelSpec, work: Workload, plan: Plan) -> None:
    full = oz.plan("full", work, spec)
    rows = side_by_side(counted(spec, [full, plan], work, CONVENTIONS, 3))
    assert [row.convention for row in rows] == [*CONVENTIONS, *CONVENTIONS]
    whole = {row.convention: row.flops for row in rows if row.method == "full"}
    for row in rows:
        made = full if row.method == "full" else plan
        assert row.flops == oz.total_flops(oz.count(spec, made, row.convention, 3, work))
        parts = (
            row.prefill_flops,
            row.decode_flops,
            row.lm_head_flops,
            row.encoder_flops,
            row.selection_flops,
        )
        assert sum(part or 0 for part in parts) == row.flops
        assert row.share_left == row.flops / whole[row.convention]
        if row.convention == "torch":
            assert row.torch_ratio == row.prefill_torch_ratio == 1
        if row.convention == "eq9":
            assert parts[2:] == (None, None, None)


def test_each_plan_is_counted_once_under_each_convention(
    monkeypatch: pytest.MonkeyPatch, spec: ModelSpec, work: Workload, plan: Plan
) -> None:
    """Both tables are read off one set of counts, all tokens and torch's among them."""
    asked = []

    def counting(*arguments: Any, **more: Any) -> Any:
        asked.append((arguments[1].method, arguments[2].name))
        return oz.count(*arguments, **more)

    monkeypatch.setattr(import_module("omnizip_cost.cost.side_by_side"), "count", counting)
    known = {name: CONVENTIONS[name] for name in ("eq9", "torch")}
    counts = counted(spec, [oz.plan("full", work, spec), plan], work, known)
    rows = side_by_side(counts)
    table = convention_rows(counts, {"Full tokens": counts.plans[0], "Kept": plan})
    assert sorted(asked) == sorted((p.method, name) for p in counts.plans for name in known)
    for row in rows:
        own = [r for r in table if (r.method, r.convention) == (row.method, row.convention)]
        assert sum(r.flops for r in own) == row.flops
        assert {r.ratio for r in own} == {row.share_left}


def test_sound_alone_is_nothing_where_video_alone_counts(spec: ModelSpec) -> None:
    work = oz.workload(spec, seconds=4, pixels=None)
    full = oz.plan("full", work, spec)
    (row,) = side_by_side(counted(spec, [full], work, {"pyramiddrop": CONVENTIONS["pyramiddrop"]}))
    assert (row.flops, row.torch_ratio, row.n_tokens, row.share_left) == (0, None, 0, 1.0)


def test_eq9s_prefill_beside_torchs() -> None:
    """At 10,000 tokens the 7B model's prefill is 2.35 times what Eq. 9 says, at 1,000 2.47."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    for tokens, ratio in ((10_000, "2.35"), (1_000, "2.47")):
        work = oz.bare_workload(tokens)
        full = oz.plan("full", work, spec)
        (row,) = side_by_side(counted(spec, [full], work, {"eq9": CONVENTIONS["eq9"]}))
        assert f"{row.prefill_torch_ratio:.2f}" == ratio


def test_a_convention_is_frozen() -> None:
    with pytest.raises(AttributeError):
        CONVENTIONS["eq9"].decode = False  # type: ignore[misc]
    assert isinstance(CONVENTIONS["eq9"], Convention)
