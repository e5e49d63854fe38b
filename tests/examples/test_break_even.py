"""Break-even: the search against a scan of every length, and against the closed form."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_thinker import tiny_spec

import omnizip_cost as oz
from omnizip_cost.cost import CostRow
from omnizip_cost.cost.break_even import MOST_TOKENS, BreakEven, break_even, longest, same_mix
from omnizip_cost.cost.overhead import overhead
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.workload.workload import VideoSettings, Workload

SPEC = oz.load_spec("omni-tiny")
TOKENS_A_WINDOW = 338


def _work(**changes: Any) -> Workload:
    settings: dict[str, Any] = {"seconds": 20, "pixels": (252, 448), **changes}
    return oz.workload(SPEC, **settings)


def _flops(rows: list[CostRow], *components: str) -> int:
    return sum(row.flops for row in rows if row.component in components)


COEFFICIENT = st.integers(-50, 50)


@given(linear=COEFFICIENT, quadratic=COEFFICIENT, least=st.integers(1, 9), span=st.integers(0, 700))
def test_one_change_of_sign_is_found_exactly(
    linear: int, quadratic: int, least: int, span: int
) -> None:
    """n (A + B n) changes sign once at most: the search equals a scan of every length."""
    most = least + span
    found = break_even(
        lambda n: 60 * n * n + linear * n,
        lambda n: (60 - quadratic) * n * n,
        least=least,
        most=most,
    )
    paid = [n for n in range(least, most + 1) if linear * n + quadratic * n * n > 0]
    assert (found.first, found.last) == ((paid[0], paid[-1]) if paid else (None, None))
    assert found.always is (len(paid) == span + 1)


def test_seconds_go_in_as_well() -> None:
    """A fixed price of 1 ms and 3 microseconds saved per token: from 334 tokens on."""
    found = break_even(lambda n: 3e-6 * n, lambda n: 1e-3, least=1, most=10_000)
    assert (found.first, found.last) == (334, 10_000)
    assert found.worded(lambda n: n) == "from 334 tokens"


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (1, 9, "at any length"),
        (3, 9, "from 300 tokens"),
        (1, 4, "up to 400 tokens"),
        (3, 4, "from 300 up to 400 tokens"),
        (None, None, "never saves"),
    ],
)
def test_words(first: int | None, last: int | None, words: str) -> None:
    found = BreakEven(least=1, most=9, first=first, last=last)
    assert found.worded(lambda length: 100 * length) == words


@pytest.mark.parametrize(("least", "most"), [(0, 5), (6, 5), (-1, 1)])
def test_lengths_out_of_order_are_refused(least: int, most: int) -> None:
    with pytest.raises(InvalidValueError, match="break-even: least must be between 1 and most"):
        break_even(lambda n: n, lambda n: 0, least=least, most=most)


@pytest.mark.parametrize(
    ("method", "choices", "convention"),
    [
        ("fastv", {"retained": 0.9, "fastv_layer": 7}, "torch"),
        ("fastv", {"retained": 0.7, "fastv_layer": 6}, "hardware"),
        ("fastv", {"retained": 0.5, "fastv_layer": 7}, "sdpa"),
        ("fastv", {"retained": 0.99, "fastv_layer": 7}, "torch"),
        ("omnizip", {"retained": 0.45}, "torch"),
        ("omnizip", {"retained": 0.45, "mode": "official"}, "hardware"),
        ("dycoke", {"retained": 0.5}, "torch"),
    ],
)
def test_real_counts_against_a_scan(method: str, choices: dict[str, Any], convention: str) -> None:
    """Every clip of 1 to 120 windows counted in full and in part, one by one."""
    work = _work()
    found = overhead(SPEC, work, lambda clip: oz.plan(method, clip, SPEC, **choices), convention)
    assert found is not None
    paid = []
    for length in range(1, 121):
        clip = same_mix(work, length)
        full = oz.count(SPEC, oz.plan("full", clip, SPEC), convention, 0)
        rows = oz.count(SPEC, oz.plan(method, clip, SPEC, **choices), convention, 0)
        if _flops(full, "llm", "lm_head") > _flops(rows, "llm", "lm_head", "selection"):
            paid.append(length)
    even = found.break_even
    if not paid:
        assert even.first is None
        return
    assert even.first == paid[0]
    assert even.last is not None
    assert min(even.last, 120) == paid[-1]


def test_fastv_against_the_closed_form() -> None:
    """One layer saved, n tokens, r n of them kept, t of text; pairs cost 2 q each way.

    Saved: (1 - r) n (l + head) + 2 q ((n + t)^2 - (r n + t)^2); spent: q (n + t)^2, per
    multiply-add, with l the layer's linear part. A quadratic in n, whose root is the break-even.
    """
    text, r, work = SPEC.text, 0.9, _work()
    t, d, q = work.text_tokens, text.hidden_size, text.query_width
    linear = 2 * d * q + 2 * d * text.kv_width + 3 * d * text.intermediate_size
    linear += d * text.vocab_size
    a = q * (2 * (1 - r * r) - 1)
    b = (1 - r) * linear + q * (4 * t * (1 - r) - 2 * t)
    c = -q * t * t
    assert a < 0
    root = (-b - sqrt(b * b - 4 * a * c)) / (2 * a)
    found = overhead(
        SPEC,
        work,
        lambda clip: oz.plan("fastv", clip, SPEC, retained=r, fastv_layer=text.layers - 1),
        "torch",
    )
    assert found is not None
    assert found.break_even.last is not None
    assert found.break_even.last == int(root) // TOKENS_A_WINDOW
    assert found.worded == f"up to {found.break_even.last * TOKENS_A_WINDOW:,} tokens"


def test_share_is_of_what_is_saved() -> None:
    work, choices = _work(), {"audio_pruning": 0.3, "video_pruning": 0.6}
    plan = oz.plan("omnizip", work, SPEC, **choices)
    found = overhead(SPEC, work, lambda clip: oz.plan("omnizip", clip, SPEC, **choices), "torch")
    assert found is not None
    full = oz.count(SPEC, oz.plan("full", work, SPEC), "torch", 0)
    rows = oz.count(SPEC, plan, "torch", 0)
    saved = _flops(full, "llm", "lm_head") - _flops(rows, "llm", "lm_head")
    assert found.saved_flops == saved > 0
    assert found.flops == _flops(rows, "selection") > 0
    assert found.share == found.flops / saved


@pytest.mark.parametrize("convention", ["eq9", "seats"])
def test_without_selection_there_is_no_break_even(convention: str) -> None:
    def omnizip(clip: Workload) -> Any:
        return oz.plan("omnizip", clip, SPEC, retained=0.5)

    assert overhead(SPEC, _work(), omnizip, convention) is None
    assert overhead(SPEC, _work(), lambda clip: oz.plan("full", clip, SPEC), "torch") is None
    bare = oz.bare_workload(1_000)
    assert overhead(SPEC, bare, omnizip, "torch") is None


def test_the_mix_stays_as_the_clip_grows() -> None:
    work = _work(seconds=7)
    clip = same_mix(work, 3 * len(work.windows))
    assert (clip.video_tokens, clip.audio_tokens) == (3 * work.video_tokens, 3 * work.audio_tokens)
    assert clip.mel_frames == 3 * work.mel_frames
    assert clip.text_tokens == work.text_tokens
    assert same_mix(work, longest(work)).av_tokens <= MOST_TOKENS


@pytest.mark.parametrize("changes", [{"audio": False}, {"pixels": None}])
def test_a_clip_of_one_modality_is_one_run(changes: dict[str, Any]) -> None:
    work = _work(**changes)
    clip = same_mix(work, 5)
    assert len(clip.windows) == 1
    assert bool(clip.video_tokens) is bool(work.video_tokens)
    assert bool(clip.audio_tokens) is bool(work.audio_tokens)
    assert clip.av_tokens == 5 * (work.tokens_per_grid or 25)


def test_one_grid_is_never_shortened_by_dycoke() -> None:
    """The first grid of a group is its reference: a clip of one grid saves nothing."""
    work = _work(audio=False)
    found = overhead(SPEC, work, lambda clip: oz.plan("dycoke", clip, SPEC, retained=0.5), "torch")
    assert found is not None
    assert found.worded == f"from {2 * work.tokens_per_grid} tokens"


def test_heads_of_the_tiny_model_in_the_tests_cost_more_than_they_save() -> None:
    """A shallow, narrow stack with wide attention: FastV's ranking never pays at high ratios."""
    spec = tiny_spec(layers=2)
    work = oz.workload(spec, seconds=10, pixels=(252, 448))
    found = overhead(
        spec, work, lambda clip: oz.plan("fastv", clip, spec, retained=0.99, fastv_layer=1), "sdpa"
    )
    assert found is not None
    assert found.worded == "never saves"
    assert found.share is not None
    assert found.share > 1


def test_a_clip_beyond_the_longest_is_looked_at_itself() -> None:
    """Its own share exceeds one: to say that it saves at any length would contradict it."""
    work = _work(seconds=3_600, pixels=(720, 1280), settings=VideoSettings(max_frames=7_200))
    assert work.av_tokens > MOST_TOKENS
    found = overhead(
        SPEC, work, lambda clip: oz.plan("fastv", clip, SPEC, retained=0.8, fastv_layer=6), "torch"
    )
    assert found is not None
    assert found.break_even.most > MOST_TOKENS // (work.av_tokens // len(work.windows))
    assert found.tokens(found.break_even.most) > 0.99 * work.av_tokens
