"""The account: its FLOPs are the count's, its operators are those listed, None is never zero."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.account import FEW, LITTLE, folded, without_small
from omnizip_cost.cli.account_notes import WORDS, standouts
from omnizip_cost.compression import Plan
from omnizip_cost.cost import CONVENTIONS, count, selection_ops
from omnizip_cost.cost.account import AccountRow, account
from omnizip_cost.cost.executed import executed_listing
from omnizip_cost.cost.rows import counted_ops
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import ThinkerSpec, parameter_counts, weights_read_per_pass
from omnizip_cost.workload.workload import VideoSettings, Workload

SPEC = oz.load_spec("qwen2.5-omni-7b")
CLIP = oz.workload(SPEC, seconds=7, pixels=(252, 448))
BARE = oz.bare_workload(1_001)
EXECUTED = ("torch", "sdpa", "hardware")
STEPS = 7
PHASES = ("prefill", "decode")


def _plan(method: str, work: Workload, spec: ThinkerSpec = SPEC) -> Plan:
    return oz.plan(method, work, spec, **({} if method == "full" else {"retained": 0.45}))


def _sums(rows: list[Any]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.component, row.phase)
        sums[key] = sums.get(key, 0) + row.flops
    return sums


@pytest.mark.parametrize("model", ["qwen2.5-omni-3b", "qwen3-omni-30b-a3b"])
@pytest.mark.parametrize("method", ["full", "fastv", "omnizip"])
def test_flops_are_those_of_the_count(model: str, method: str) -> None:
    """Of every convention, a real-valued r * n included, component by component."""
    spec = oz.load_spec(model)
    clip = oz.workload(spec, seconds=7, pixels=(252, 448))
    for name, work in product(CONVENTIONS, (clip, BARE)):
        plan = _plan(method, work, spec)
        assert _sums(account(spec, plan, name, STEPS, work)) == _sums(
            count(spec, plan, name, STEPS, work)
        ), (name, work.name)


@pytest.mark.parametrize("convention", EXECUTED)
@pytest.mark.parametrize("method", ["full", "fastv"])
@pytest.mark.parametrize("model", ["qwen2.5-omni-3b", "qwen3-omni-30b-a3b"])
def test_listed_products_are_the_counted_ones(convention: str, method: str, model: str) -> None:
    """Class by class, layer group by layer group; encoders by class."""
    spec = oz.load_spec(model)
    clip = oz.workload(spec, seconds=7, pixels=(252, 448))
    plan, chosen = _plan(method, clip, spec), CONVENTIONS[convention]
    listing = executed_listing(spec, plan, chosen, STEPS, clip)
    assert listing is not None

    def sums(ops: Any) -> dict[tuple[Any, ...], int]:
        found: dict[tuple[Any, ...], int] = {}
        for op in ops:
            first = op.first_layer if op.component == "llm" else None
            key = (op.component, op.phase, op.operator, first)
            if op.multiply_adds and op.component not in listing.unlisted:
                found[key] = found.get(key, 0) + op.multiply_adds
        return found

    assert sums(listing.ops) == sums(counted_ops(spec, plan, chosen, STEPS, clip))


@pytest.mark.parametrize("convention", sorted(set(CONVENTIONS) - set(EXECUTED)))
def test_a_formula_moves_no_bytes_that_anyone_knows(convention: str) -> None:
    rows = account(SPEC, _plan("omnizip", CLIP), convention, STEPS, CLIP)
    assert rows
    for row in rows:
        unknown = (
            row.bytes_read, row.bytes_written, row.bytes_moved, row.bytes_share, row.kernels,
            row.unseen_flops, row.intensity, row.dtype, row.attention, row.aten,
        )  # fmt: skip
        assert unknown == (None,) * len(unknown)
        assert row.counted


@pytest.mark.parametrize("name", EXECUTED)
def test_the_choices_decide_what_runs_and_not_the_name(name: str) -> None:
    """A convention of one's own that chooses as a built-in one has its bytes and kernels."""
    plan = _plan("full", BARE)
    mine = replace(CONVENTIONS[name], name="mine", source="own")
    other = replace(mine, lm_head="none")
    for theirs, row in zip(
        account(SPEC, plan, name, STEPS), account(SPEC, plan, mine, STEPS), strict=True
    ):
        assert row.bytes_moved == theirs.bytes_moved != 0
        assert (row.kernels, row.aten, row.flops) == (theirs.kernels, theirs.aten, theirs.flops)
    assert all(row.bytes_moved is None for row in account(SPEC, plan, other, STEPS))


def test_encoders_of_a_family_that_is_not_listed_are_unknown_and_named() -> None:
    spec = replace(SPEC, family="qwen2")
    rows = account(spec, _plan("full", CLIP, spec), "torch", STEPS, CLIP)
    for row in rows:
        assert (row.bytes_moved is None) == row.component.endswith("_encoder")
    notes = " ".join(standouts(spec, rows))
    assert "audio_encoder, vision_encoder (the encoders of family qwen2 are not listed)" in notes


@pytest.mark.parametrize(
    ("model", "tied"),
    [
        ("qwen2.5-omni-7b", False),
        ("qwen2.5-omni-3b", True),
        ("qwen3-omni-30b-a3b", False),
    ],
)
def test_an_ideal_decode_step_reads_every_weight_once(model: str, tied: bool) -> None:
    """What a pass must read by the spec, but norms; then the cache and what each product takes."""
    spec = oz.load_spec(model)
    spec = replace(spec, text=replace(spec.text, tied_embeddings=tied))
    text, experts, n = spec.text, spec.text.experts, BARE.tokens
    rows = account(spec, _plan("full", BARE, spec), "hardware", STEPS)
    decode = [row for row in rows if row.phase == "decode" and row.operator != "embedding"]
    of_heads = 2 * text.head_dim if text.qk_norm else 0
    norms = text.layers * (2 * text.hidden_size + of_heads) + text.hidden_size
    into_ffn, inside = text.hidden_size, text.intermediate_size
    if experts is not None:  # the router takes the token, too
        into_ffn, inside = 2 * into_ffn, experts.experts_per_token * experts.intermediate_size
    cache = sum(n + i for i in range(1, STEPS + 1)) * 2 * text.kv_width * text.layers
    inputs = text.layers * (text.hidden_size + 2 * text.query_width + into_ffn + inside)
    activations = STEPS * (inputs + text.hidden_size)
    weights = STEPS * (weights_read_per_pass(spec) - norms)
    assert sum(row.bytes_read or 0 for row in decode) == 2 * (weights + cache + activations)
    products = 5 if experts is None else 6
    assert sum(row.kernels or 0 for row in decode) == STEPS * (products * text.layers + 1)


def test_a_pass_reads_all_layers_and_a_head_but_no_table_and_no_idle_expert() -> None:
    seven, sparse = SPEC, oz.load_spec("qwen3-omni-30b-a3b")
    parts = parameter_counts(seven)
    table = seven.text.vocab_size * seven.text.hidden_size
    assert weights_read_per_pass(seven) == parts["text_model"] + parts["lm_head"] - table
    assert weights_read_per_pass(sparse) < weights_read_per_pass(seven) / 2


@pytest.mark.parametrize("model", ["qwen2.5-omni-7b", "qwen3-omni-30b-a3b"])
def test_ideal_encoders_read_every_weight_once(model: str) -> None:
    """Twice what a clip reads, less what twice the clip reads: what does not grow with it.

    All weights but norms, learned positions and the embedding of audio's begin and end.
    """
    spec = oz.load_spec(model)
    assert isinstance(spec, ThinkerSpec)
    side = 8 * spec.vision.pixels_per_token
    settings = VideoSettings(min_pixels=side**2, max_pixels=side**2, max_frames=10**4)
    read = [
        {
            component: sum(
                row.bytes_read or 0
                for row in account(spec, _plan("full", clip, spec), "hardware", 0, clip)
                if row.component == component
            )
            for component in ("audio_encoder", "vision_encoder")
        }
        for clip in (
            oz.workload(spec, seconds=seconds, pixels=(side, side), settings=settings)
            for seconds in (16, 32)
        )
    ]
    parts, audio, vision = parameter_counts(spec), spec.audio, spec.vision
    early = audio.downsample_size is None
    norms = (2 * audio.layers + 1) * 2 * audio.hidden_size
    heard = parts["audio_encoder"] - norms - early * 2 * audio.output_size
    each, wide = (1 if early else 2) * vision.hidden_size, vision.merge_size**2
    looked = parts["vision_encoder"] - (2 * vision.layers + 1) * each
    looked -= (vision.position_embeddings or 0) * vision.hidden_size
    looked -= vision.deepstack_mergers_run * each * wide
    found = {name: 2 * read[0][name] - read[1][name] for name in read[0]}
    assert found == {"audio_encoder": 2 * heard, "vision_encoder": 2 * looked}


def test_layers_that_hold_different_tokens_are_apart() -> None:
    rows = account(SPEC, _plan("fastv", CLIP), "torch", STEPS, CLIP)
    for phase in ("prefill", "decode"):
        groups = [
            (row.layers, row.layer_count)
            for row in rows
            if (row.phase, row.component, row.operator) == (phase, "llm", "attention")
        ]
        assert groups == [("0-4", 5), ("5-27", 23)]
    vision = {
        row.layers: row.layer_count
        for row in rows
        if (row.component, row.operator) == ("vision_encoder", "attention")
    }
    assert vision == {"0-6, 8-14, 16-22, 24-30": 28, "7, 15, 23, 31": 4}


def test_selection_is_its_steps() -> None:
    plan = _plan("omnizip", CLIP)
    steps = selection_ops(SPEC, plan)
    assert steps
    (row,) = [r for r in account(SPEC, plan, "torch", 0, CLIP) if r.component == "selection"]
    assert row.flops == 2 * sum(step.multiply_adds for step in steps)
    assert row.unseen_flops == sum(step.unseen_flops for step in steps)
    assert row.bytes_moved == sum(step.bytes_moved for step in steps)
    assert row.kernels == sum(step.kernels for step in steps)
    assert row.bytes_read is row.bytes_written is None


@pytest.mark.parametrize("convention", EXECUTED)
def test_shares_are_of_the_phase_and_moved_is_read_and_written(convention: str) -> None:
    rows = account(SPEC, _plan("full", CLIP), convention, STEPS, CLIP)
    for phase in ("prefill", "decode"):
        part = [row for row in rows if row.phase == phase]
        assert sum(Fraction(row.flops_share) for row in part) == pytest.approx(1)
        assert sum(Fraction(row.bytes_share or 0) for row in part) == pytest.approx(1)
    for row in rows:
        assert row.bytes_read is not None and row.bytes_written is not None
        assert row.bytes_moved == row.bytes_read + row.bytes_written
        assert row.intensity == (row.flops + (row.unseen_flops or 0)) / row.bytes_moved


def test_attention_changes_bytes_and_never_flops() -> None:
    """Scores of a bare count of n tokens: eager ones are written, fused ones are not."""
    plan = _plan("full", BARE)
    by_kind = {
        kind: account(SPEC, plan, "torch", STEPS, attention=kind) for kind in ("sdpa", "eager")
    }
    assert _sums(by_kind["sdpa"]) == _sums(by_kind["eager"])
    moved = {
        kind: sum(row.bytes_moved or 0 for row in rows if row.phase == "prefill")
        for kind, rows in by_kind.items()
    }
    scores = 2 * BARE.tokens**2 * SPEC.text.heads * SPEC.text.layers
    assert moved["eager"] - moved["sdpa"] > 10 * scores


def test_decode_steps_add_up() -> None:
    """R steps are R times one step but for the keys, of which step i sees n + i."""
    plan = _plan("full", BARE)

    def of(steps: int, operator: str) -> AccountRow:
        rows = account(SPEC, plan, "torch", steps)
        return next(row for row in rows if (row.phase, row.operator) == ("decode", operator))

    for name in ("flops", "unseen_flops", "bytes_moved", "kernels"):
        assert of(STEPS, "ffn")[name] == STEPS * of(1, "ffn")[name]
    one, cached = of(1, "cache"), BARE.tokens + 1
    later = sum(BARE.tokens + i for i in range(1, STEPS + 1))
    assert Fraction(of(STEPS, "cache").bytes_moved or 0, one.bytes_moved or 1) == Fraction(
        later, cached
    )


SUMS = ("flops", "unseen_flops", "bytes_moved", "kernels")


@pytest.mark.parametrize("model", ["qwen2.5-omni-7b", "qwen3-omni-30b-a3b"])
def test_folding_keeps_every_sum(model: str) -> None:
    """Of each component and phase; what is put together was little of everything."""
    spec = oz.load_spec(model)
    clip = oz.workload(spec, seconds=20, pixels=(252, 448))
    rows = account(spec, _plan("fastv", clip, spec), "torch", STEPS, clip)
    views = [rows, folded(rows), without_small(folded(rows))]
    assert len(views[0]) > len(views[1]) > len(views[2])
    totals = []
    for view in views:
        sums: dict[tuple[str, str, str], int] = {}
        for row in view:
            for name in SUMS:
                key = (row.phase, row.component, name)
                sums[key] = sums.get(key, 0) + row[name]
        totals.append(sums)
    assert totals[0] == totals[1] == totals[2]
    kept = [row.operator for row in views[2]]
    hidden = [row for row in views[1] if row.operator not in kept]
    others = [operator for operator in kept if operator.endswith("other operations")]
    assert hidden and others
    launched = {phase: sum(r.kernels or 0 for r in rows if r.phase == phase) for phase in PHASES}
    for row in hidden:
        assert row.flops_share < LITTLE
        assert row.bytes_share is not None and row.bytes_share < LITTLE
        assert row.kernels is not None and row.kernels < FEW * launched[row.phase]


def test_a_folded_row_names_its_layers() -> None:
    """All where it covers them all, also with one outside the layers; else their numbers."""
    spec = oz.load_spec("qwen3-omni-30b-a3b")
    assert spec.text.experts is not None
    experts = replace(spec.text.experts, dense_layers=(2,))
    spec = replace(spec, text=replace(spec.text, experts=experts))
    rows = folded(account(spec, _plan("fastv", BARE, spec), "torch", STEPS))
    layers = {
        row.operator: row.layers
        for row in rows
        if (row.phase, row.component) == ("prefill", "llm") and not row.counted
    }
    assert layers["norm"] == layers["residual"] == "all"
    assert layers["routing"] == "0-1, 3-4, 5-47"
    assert layers["embedding"] is None


def test_notes_say_what_runs_beside_the_products() -> None:
    rows = account(SPEC, _plan("full", BARE), "torch", STEPS)
    prefill = [row for row in rows if row.phase == "prefill"]
    moved = sum(row.bytes_moved or 0 for row in prefill)
    unseen = sum(row.bytes_moved or 0 for row in prefill if not row.counted)
    notes = " ".join(standouts(SPEC, rows))
    assert f"move {unseen / moved:.1%} of the bytes" in notes
    assert "logits of every prompt position: 0.304 GB" in notes
    assert {row.operator for row in rows} <= set(WORDS)
    ideal = " ".join(standouts(SPEC, account(SPEC, _plan("full", BARE), "hardware", STEPS)))
    assert "ideal engine" in ideal and "logits" not in ideal
    formula = " ".join(standouts(SPEC, account(SPEC, _plan("full", BARE), "eq9", STEPS)))
    assert "eq9 is a formula" in formula


@pytest.mark.parametrize(
    ("model", "grouped"), [("qwen3-omni-30b-a3b", True), ("qwen2.5-omni-7b", False)]
)
def test_experts_that_the_counter_leaves_out_are_named(model: str, grouped: bool) -> None:
    """The FFN of a mixture is counted here; torch's counter would leave it out."""
    spec = oz.load_spec(model)
    rows = account(spec, oz.plan("full", BARE, spec), "torch", STEPS)
    assert any("grouped products" in note for note in standouts(spec, rows)) is grouped
    assert all(row.counted and row.flops for row in rows if row.operator == "ffn")
    ideal = account(spec, oz.plan("full", BARE, spec), "hardware", STEPS)
    assert not any("grouped products" in note for note in standouts(spec, ideal))


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"attention": "flash"}, "attention must be one of sdpa, math, eager"),
        ({"dtype": "int8"}, "dtype must be one of float32, bfloat16, float16"),
        ({"convention": "sdpa", "attention": "eager"}, "sdpa under sdpa"),
        ({"decode": -1}, "decode must be a whole number of steps"),
    ],
)
def test_what_cannot_be_accounted_is_one_sentence(choices: dict[str, Any], words: str) -> None:
    given = {"convention": "torch", "decode": STEPS, **choices}
    with pytest.raises(InvalidValueError, match=words):
        account(SPEC, _plan("full", BARE), **given)
