"""One pass of the thinker told from its inputs to the last token of the answer.

Source: ``forward`` of the Qwen2.5-Omni thinker, transformers 5.23: embedding, audio encoder, its
features written into the rows, vision encoder, its features likewise, positions, text model, head.
What a function names lives until it returns: features and rows of the whole prompt are there
throughout the text model, also where a hook has cut them to the survivors.
"""

from __future__ import annotations

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.cost.executed.op import BOOL, INT64
from omnizip_cost.cost.memory.encoders import lean_encoder, stock_audio, stock_vision
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.cost.memory.selection import audio_scores, video_scores, workspace
from omnizip_cost.cost.memory.text import (
    POSITION_ROWS,
    THINKERS_OWN,
    decode,
    next_token,
    prefill,
)
from omnizip_cost.cost.selection import prunes
from omnizip_cost.errors import PluginError, UnknownNameError
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec
from omnizip_cost.workload.workload import Workload

STOCK_ENCODERS = ("qwen2.5-omni",)
"""Families whose stock encoders are told operator by operator."""


def tell(
    live: Live, run: Run, spec: ModelSpec, plan: Plan, clip: Workload | None, steps: int
) -> None:
    """Tell every stage of one pass to ``live``, which holds the weights.

    Parameters
    ----------
    live : Live
    run : Run
    spec : ModelSpec
    plan : Plan
    clip : Workload, optional
        What a thinker hears and sees; None: rows come from the embedding table alone.
    steps : int
        R.
    """
    text, prompt = spec.text, plan.av_tokens + plan.text_tokens
    thinker = spec if isinstance(spec, ThinkerSpec) else None
    with live.stage("assembly"):
        live.hold("ids and mask", 2 * prompt * INT64, "inputs")
        if clip is not None and thinker is not None:
            _inputs(live, run, thinker, clip)
        live.hold("prompt rows", run.rows(prompt, text.hidden_size))
        if clip is not None and thinker is not None:
            _hear_and_see(live, run, thinker, plan, clip)
        live.hold("positions", POSITION_ROWS * prompt * INT64)
    first = plan.layer_tokens[0]
    if prunes(plan) and plan.fastv_layer is None and thinker is not None:
        with live.stage("selection"):
            _select(live, run, thinker, plan)
    elif first < prompt:
        live.hold("kept rows", run.rows(first, text.hidden_size))
    live.hold("hidden", 0)
    form = None
    if plan.fastv_layer is not None:
        form = plan.fastv_form or "materialised"
    with live.stage("prefill"):
        if run.backend == "ideal":
            live.drop_all(*THINKERS_OWN)
        prefill(live, run, text, plan.layer_tokens, fastv_form=form, steps=steps)
        next_token(live, text)
    if steps:
        with live.stage("decode"):
            decode(live, run, text, plan.layer_tokens, steps)


def _inputs(live: Live, run: Run, spec: ThinkerSpec, clip: Workload) -> None:
    """Pixels and log-mel frames, brought to the model's dtype as the paper's evaluation does."""
    if clip.grid_thw is not None:
        live.hold("pixels of the clip", run.rows(_patches(clip), _pixels(spec)), "inputs")
    if clip.mel_frames:
        live.hold("frames of sound", run.rows(clip.mel_frames, spec.audio.mel_bins), "inputs")
        live.hold("mask of sound", clip.mel_frames * INT64, "inputs")


def _patches(clip: Workload) -> int:
    time, height, width = clip.grid_thw or (0, 0, 0)
    return time * height * width


def _pixels(spec: ThinkerSpec) -> int:
    """Numbers of one patch."""
    vision = spec.vision
    return vision.in_channels * vision.temporal_patch_size * vision.patch_size**2


def _hear_and_see(live: Live, run: Run, spec: ThinkerSpec, plan: Plan, clip: Workload) -> None:
    """Encode sound, then frames, and write each into the prompt's rows."""
    scored = _scored(plan)
    if clip.mel_frames and clip.audio_tokens:
        with live.stage("audio_encoder"):
            _hear(live, run, spec, clip, tapped="audio" in scored)
        _written(live, run, spec, plan)
    if clip.grid_thw is not None:
        with live.stage("vision_encoder"):
            _see(live, run, spec, clip, tapped="video" in scored)
        live.hold("video features together", run.rows(clip.video_tokens, spec.text.hidden_size))
        _written(live, run, spec, plan)


def _scored(plan: Plan) -> tuple[str, ...]:
    """Whose last layer's queries and keys a hook keeps, for the method to rank by."""
    if not prunes(plan):
        return ()
    try:
        return tuple(plan.found().scores)
    except (UnknownNameError, PluginError):  # measured elsewhere, where its package was at hand
        return ()


def _hear(live: Live, run: Run, spec: ThinkerSpec, clip: Workload, *, tapped: bool) -> None:
    audio = spec.audio
    if run.stock and spec.family in STOCK_ENCODERS:
        stock_audio(live, run, audio, clip.mel_frames, tapped=tapped)
        return
    n = sum(attention_blocks(audio, clip.mel_frames))
    if tapped:
        for name in ("scored q", "scored k"):
            live.hold(name, run.rows(n, audio.hidden_size))
    out = run.rows(clip.audio_tokens, audio.output_size)
    widths = n, audio.hidden_size, audio.intermediate_size
    lean_encoder(live, run, *widths, gated=False, out=out, name="audio features")


def _see(live: Live, run: Run, spec: ThinkerSpec, clip: Workload, *, tapped: bool) -> None:
    vision, grid = spec.vision, clip.grid_thw or (0, 0, 0)
    if run.stock and spec.family in STOCK_ENCODERS:
        stock_vision(live, run, vision, grid)
    else:
        out = run.rows(clip.video_tokens, vision.output_size)
        out *= 1 + vision.deepstack_mergers_run
        widths = _patches(clip), vision.hidden_size, vision.intermediate_size
        gated = vision.ffn_matrices > 2
        lean_encoder(live, run, *widths, gated=gated, out=out, name="video features")
    if tapped:
        for name in ("scored patches q", "scored patches k"):
            live.hold(name, run.rows(_patches(clip), vision.hidden_size))


def _written(live: Live, run: Run, spec: ThinkerSpec, plan: Plan) -> None:
    """Write features into a copy of the rows (``masked_scatter``).

    On CUDA it spreads the mask over all numbers and counts, in int64, how many come before each
    (ATen/native/cuda/IndexKernel.cpp): 9 bytes a number for a moment.
    """
    prompt, d = plan.av_tokens + plan.text_tokens, spec.text.hidden_size
    live.hold("written rows", run.rows(prompt, d))
    live.hold("mask of numbers", prompt * d * BOOL)
    live.hold("numbers before", prompt * d * INT64)
    live.drop("numbers before", "mask of numbers", "prompt rows")
    live.rename("written rows", "prompt rows")


def _select(live: Live, run: Run, spec: ThinkerSpec, plan: Plan) -> None:
    """Score, compare, choose, gather: ``kept rows`` are the survivors'."""
    scored = _scored(plan)
    if "audio" in scored and plan.audio_tokens and plan.mel_frames:
        audio_scores(live, spec, plan, attention_blocks(spec.audio, plan.mel_frames))
    live.drop_all("scored q", "scored k")
    if "video" in scored:
        video_scores(live, run, spec, plan)
    live.drop_all("scored patches q", "scored patches k")
    workspace(live, run, spec, plan)
    live.hold("kept rows", run.rows(plan.layer_tokens[0], spec.text.hidden_size))
