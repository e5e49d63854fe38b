"""Peak memory on settings: what each one changes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omnizip_cost as oz
from omnizip_cost.cost.memory import BACKENDS, MemoryEstimate, memory_peak
from omnizip_cost.cost.memory.live import Live, block_bytes
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.results.schema import STAGES

SPEC = oz.load_spec("qwen2.5-omni-7b")
CLIP = oz.workload(SPEC, seconds=30, pixels=(252, 448))


def _told(method: str = "full", retained: float | None = None, **choices: Any) -> MemoryEstimate:
    ratio = {} if retained is None else {"retained": retained}
    return memory_peak(SPEC, oz.plan(method, CLIP, SPEC, **ratio), CLIP, **choices)


def test_stages_are_those_that_run() -> None:
    full, fewer = _told(), _told("omnizip", 0.45)
    assert [row.stage for row in fewer.stages] == list(STAGES)
    assert [row.stage for row in full.stages] == [name for name in STAGES if name != "selection"]
    assert _told(decode_steps=0).stage("decode") is None
    assert fewer.peak_bytes == max(row.total_bytes for row in fewer.stages)
    bare = oz.bare_workload(4_000)
    told = memory_peak(SPEC, oz.plan("full", bare, SPEC), bare)
    assert [row.stage for row in told.stages] == ["assembly", "prefill", "decode"]


def test_parts_by_hand() -> None:
    """The cache of 100 steps, and the logits of every position of the stock thinker."""
    told = _told()
    decode, prefill = told.stage("decode"), told.stage("prefill")
    assert decode is not None and prefill is not None
    keys = 2 * 28 * 512 * 2 * (CLIP.tokens + 100)
    assert keys < decode.cache < keys * (1 + 1.1 / 56)  # one layer's old keys beside its new ones
    assert prefill.logits == 2 * 152_064 * CLIP.tokens + 4 * 152_064
    assert prefill.weights == 2 * 8_931_813_888
    scored = _told("omnizip", 0.45, dtype="fp32").stage("selection")
    assert scored is not None and scored.selection > 0


@settings(max_examples=25, deadline=None)
@given(
    backend=st.sampled_from(BACKENDS),
    method=st.sampled_from([("full", None), ("omnizip", 0.45), ("fastv", 0.5), ("dycoke", 0.5)]),
    cache=st.sampled_from([None, "int8", "int4"]),
)
def test_it_only_grows(backend: str, method: tuple[str, float | None], cache: str | None) -> None:
    """With the answer's length, the clip's, and what is kept; the allocator only adds."""
    short = _told(*method, backend=backend, cache_dtype=cache, decode_steps=1)
    long = _told(*method, backend=backend, cache_dtype=cache, decode_steps=900)
    for name in ("prefill", "decode"):
        one, two = short.stage(name), long.stage(name)
        assert one is not None and two is not None and one.total_bytes <= two.total_bytes
    exact = _told(*method, backend=backend, cache_dtype=cache, allocator=False)
    rounded = _told(*method, backend=backend, cache_dtype=cache)
    assert exact.peak.allocator == 0
    assert exact.peak_bytes <= rounded.peak_bytes < exact.peak_bytes * 1.01


def test_narrower_formats_take_less() -> None:
    whole = _told().peak.weights
    halves = [_told(weight_dtype=name).peak.weights for name in ("int8", "int4")]
    assert whole > halves[0] > halves[1] > whole // 4
    caches = [
        _told(cache_dtype=name, decode_steps=4_000).stage("decode") for name in ("bf16", "int8")
    ]
    assert caches[0] is not None and caches[1] is not None
    assert caches[1].cache < 0.52 * caches[0].cache


def test_backends_by_what_they_hold() -> None:
    """Without an answer, for which a cache of fixed size would leave room."""
    eager, fused, graphs, compiled, ideal = (
        _told(backend=name, decode_steps=0).peak_bytes for name in BACKENDS
    )
    assert eager > fused == graphs >= compiled > ideal
    assert _told(backend="ideal").peak.attention_weights == 0


@pytest.mark.parametrize(
    ("choices", "error", "says"),
    [
        ({"backend": "hf-spda"}, UnknownNameError, "hf-sdpa"),
        ({"dtype": "int8"}, InvalidValueError, "bf16, fp16, fp32"),
        ({"cache_dtype": "int3"}, InvalidValueError, "int4"),
        ({"decode_steps": -1}, InvalidValueError, "0 or more"),
        ({"decode_steps": True}, InvalidValueError, "a whole number"),
    ],
)
def test_refusals(choices: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        _told(**choices)


def test_a_story_that_does_not_hold_together_is_refused() -> None:
    live = Live()
    live.hold("rows", 5)
    with pytest.raises(ValueError, match="rows is alive already"):
        live.hold("rows", 5)
    with pytest.raises(KeyError):
        live.drop("others")


@given(size=st.integers(0, 2**34))
@settings(max_examples=50)
def test_blocks_of_the_allocator(size: int) -> None:
    taken = block_bytes(size)
    assert taken % 512 == 0 and size <= taken < size + 512 + 2**20


def test_another_familys_encoders_and_methods_are_said() -> None:
    spec = oz.load_spec("qwen3-omni-30b-a3b")
    clip = oz.workload(spec, seconds=10, pixels=(256, 448))
    told = memory_peak(spec, oz.plan("full", clip, spec), clip)
    assert any("a lower bound" in note for note in told.notes)
    assert not _told().notes
