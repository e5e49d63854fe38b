"""What holds for every workload, whatever the clip and the settings."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from omnizip_cost.specs import load_spec
from omnizip_cost.workload import VideoSettings, workload
from omnizip_cost.workload.layout import runs, windows
from omnizip_cost.workload.lengths import audio_token_count, mel_frame_count
from omnizip_cost.workload.video import resized_size, sampled_frame_count, sampled_indices

SPECS = st.sampled_from([load_spec("qwen2.5-omni-7b"), load_spec("qwen3-omni-30b-a3b")])
SECONDS = st.floats(0.1, 2_000)
PIXELS = st.tuples(st.integers(10, 2_000), st.integers(10, 2_000))
RATES = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 8.0])


@st.composite
def settings(draw):
    low = draw(st.integers(1, 400_000))
    most = draw(st.integers(4, 1_000))
    return VideoSettings(
        fps=draw(RATES),
        min_pixels=low,
        max_pixels=low + draw(st.integers(0, 800_000)),
        max_frames=most,
        cap_pixels_per_frame=draw(st.booleans()),
    )


@given(SPECS, SECONDS, PIXELS, st.booleans(), settings(), st.integers(0, 200))
def test_counts_are_whole_and_add_up(spec, seconds, pixels, audio, chosen, text):
    work = workload(
        spec, seconds=seconds, pixels=pixels, audio=audio, settings=chosen, text_tokens=text
    )
    grids, high, wide = work.grid_thw
    merge = spec.vision.merge_size
    assert work.tokens_per_grid == (high // merge) * (wide // merge)
    assert work.video_tokens == grids * work.tokens_per_grid
    assert work.audio_tokens == (audio_token_count(work.mel_frames, spec) if audio else 0)
    assert work.text_tokens == text + (4 if audio else 2)
    assert all(window.video_tokens and window.audio_tokens for window in work.windows[:-1])
    assert all(isinstance(window.tokens, int) and window.tokens for window in work.windows)
    assert work.frames <= chosen.max_frames and grids * 2 >= work.frames


@given(SPECS, SECONDS, PIXELS, settings())
def test_sound_leaves_the_video_as_it_is(spec, seconds, pixels, chosen):
    silent = workload(spec, seconds=seconds, pixels=pixels, audio=False, settings=chosen)
    loud = workload(spec, seconds=seconds, pixels=pixels, settings=chosen)
    assert silent.grid_thw == loud.grid_thw and silent.video_tokens == loud.video_tokens


@given(SPECS, st.integers(1, 20_000_000), st.integers(0, 5_000))
def test_more_sound_never_gives_fewer_tokens(spec, samples, more):
    few, many = (
        audio_token_count(mel_frame_count(count, spec.family), spec)
        for count in (samples, samples + more)
    )
    assert few <= many <= few + more // 640 + 2  # 640 samples a token, 25/s; Qwen3 has fewer


@given(
    SPECS,
    st.integers(0, 60),
    st.integers(1, 30),
    st.integers(0, 2_000),
    st.sampled_from([0.1, 0.25, 2 / 3, 1.0, 4 / 3, 2.0, 4.0, 20.0]),
)
def test_runs_alternate_and_windows_give_the_order_back(spec, grids, per_grid, audio, seconds):
    order = runs(
        spec, grids=grids, tokens_per_grid=per_grid, audio_tokens=audio, seconds_per_grid=seconds
    )
    assert sum(run.tokens for run in order if run.modality == "video") == grids * per_grid
    assert sum(run.tokens for run in order if run.modality == "audio") == audio
    assert all(run.tokens for run in order)
    assert all(first.modality != second.modality for first, second in pairwise(order))
    written = []
    for window in windows(order):
        written += [("video", window.video_tokens), ("audio", window.audio_tokens)]
    assert [(name, tokens) for name, tokens in written if tokens] == list(order)


@given(
    st.integers(1, 4_000),
    st.integers(1, 4_000),
    st.sampled_from([28, 32]),
    st.integers(1, 600),
    st.integers(0, 800),
)
def test_resized_frames_keep_to_whole_tokens_and_to_the_budget(high, wide, factor, low, more):
    least, most = low * factor**2, (low + more) * factor**2
    new = resized_size(high, wide, factor=factor, min_pixels=least, max_pixels=most)
    assert new[0] % factor == new[1] % factor == 0 and min(new) >= factor
    area = new[0] * new[1]
    if round(high / factor) * round(wide / factor) > low + more and min(new) > factor:
        assert area <= most
    if round(high / factor) * round(wide / factor) < low:
        assert area >= least


@given(st.integers(2, 100_000), st.floats(1, 240), settings())
def test_sampled_frames_are_distinct_spread_evenly_and_in_range(total, source_fps, chosen):
    count = sampled_frame_count(total, source_fps, chosen, 2)
    indices = sampled_indices(total, count)
    assert count % 2 == 0 and 2 <= count <= min(total, chosen.max_frames)
    assert indices[0] == 0 and indices[-1] < total and len(set(indices)) == count
    gaps = {later - earlier for earlier, later in pairwise(indices)}
    assert max(gaps) - min(gaps) <= 1
