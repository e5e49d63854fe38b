"""What choosing the tokens takes: the steps of each method's selection, as they are executed.

The price of the saving. Steps depend on the prompt's layout and the settings alone, never on
data, so they can be counted before anything runs. The witness for the products is torch's
counter around the real selection, for everything else the operators that torch dispatches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from omnizip_cost import formulas
from omnizip_cost.compression.counts import anchor_stride, grid_sizes, kept_count
from omnizip_cost.compression.methods import require_method
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.errors import PluginError, UnknownNameError
from omnizip_cost.specs.spec import ThinkerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOp:
    """One step of a selection."""

    name: str
    multiply_adds: int = 0
    """Of its matrix products: what torch's counter sees."""


Steps = Callable[[Plan, ThinkerSpec], Iterator[SelectionOp]]


def selection_ops(spec: ThinkerSpec, plan: Plan) -> tuple[SelectionOp, ...] | None:
    """Steps by which the plan's method chooses its tokens; none where nothing is chosen.

    Parameters
    ----------
    spec : ThinkerSpec
    plan : Plan
        Of a described clip; a bare token count has no layout, so nothing can be chosen in it.

    Returns
    -------
    tuple of SelectionOp, or None
        None where the method does not state its steps.
    """
    if not prunes(plan):
        return ()
    if plan.method in _STEPS:
        return tuple(_STEPS[plan.method](plan, spec))
    return _stated(plan, spec)


def _stated(plan: Plan, spec: ThinkerSpec) -> tuple[SelectionOp, ...] | None:
    """Steps that a method of another package states; the scores it asks for come on top."""
    try:
        method = require_method(plan.method)
    except (UnknownNameError, PluginError):  # measured elsewhere, where its package was at hand
        return None
    own = method.selection_ops(plan, spec)
    if own is None:
        return None
    scores = [_audio_scores(plan, spec)] if "audio" in method.scores and plan.audio_tokens else []
    return (*scores, *own)


def prunes(plan: Plan) -> bool:
    """Whether tokens are chosen at all: not in a bare count, nor where all are to be kept."""
    if plan.tokens_per_grid is None or not plan.windows:
        return False
    if plan.fastv_layer is not None:
        return plan.retained != 1
    return bool(plan.rho_a or plan.rho_v)


def _nothing(plan: Plan, spec: ThinkerSpec) -> Iterator[SelectionOp]:
    """Steps without a product: a random choice, cosines of rows at the same place."""
    yield SelectionOp(name="choice")


def _fastv(plan: Plan, spec: ThinkerSpec) -> Iterator[SelectionOp]:
    """Attention of the prompt's last token in the K-th layer, text included."""
    n = plan.layer_tokens[0]
    queries = n if plan.fastv_form == "materialised" else 1
    pairs = formulas.similarities(queries, n, spec.text.query_width)
    yield SelectionOp(name="attention of the last token", multiply_adds=pairs)


def _omnizip(plan: Plan, spec: ThinkerSpec) -> Iterator[SelectionOp]:
    """Audio scores, anchors and merging (Sec. 3.2), then density peaks of even grids (Sec. 3.3)."""
    if plan.audio_tokens:
        yield _audio_scores(plan, spec)
        yield from _merging(plan, spec.text.hidden_size)
    if plan.video_tokens:
        yield _density_peaks(plan, spec.text.hidden_size)


def _audio_scores(plan: Plan, spec: ThinkerSpec) -> SelectionOp:
    """Eq. 2 on the encoder's last layer: inside its blocks, or over the clip (``official``)."""
    blocks = attention_blocks(spec.audio, plan.mel_frames)
    if plan.mode == "official":
        blocks = [sum(blocks)]
    width = spec.audio.hidden_size
    return SelectionOp(
        name="audio scores",
        multiply_adds=sum(formulas.similarities(n, n, width) for n in blocks),
    )


def _merging(plan: Plan, d: int) -> Iterator[SelectionOp]:
    """Left-over audio: to the nearest anchor, weighed by the video, merged (Eqs. 3-4)."""
    tokens = plan.audio_tokens
    rest = tokens - kept_count(tokens, plan.rho_a or 0.0)
    anchors = anchor_stride(tokens, rest, plan.anchor_share or 0.0)[0] if plan.merge else 0
    others = rest - anchors
    if not anchors or not others:
        return
    to_anchors = formulas.similarities(others, anchors, d)
    yield SelectionOp(name="nearest anchor", multiply_adds=to_anchors)
    if plan.video_tokens:
        yield SelectionOp(name="relevance to the video", multiply_adds=_relevance(plan, others, d))
    yield SelectionOp(name="merging into anchors", multiply_adds=to_anchors)


def _relevance(plan: Plan, others: int, d: int) -> int:
    """Eq. 3: left-over audio with all video, or all audio of a window with its own video."""
    if plan.mode == "official":
        return int(formulas.similarities(others, plan.video_tokens, d))
    return sum(
        formulas.similarities(window.audio_tokens, window.video_tokens, d)
        for window in plan.windows
    )


def _density_peaks(plan: Plan, d: int) -> SelectionOp:
    """Eqs. 7-8 in every even grid of a window; ``official`` never scores a short last grid."""
    grid = plan.tokens_per_grid or 0
    scored = [
        size
        for window in plan.windows
        for size in grid_sizes(window.video_tokens, grid)[::2]
        if size == grid or plan.mode == "paper"
    ]
    return SelectionOp(
        name="density peaks",
        multiply_adds=sum(formulas.similarities(size, size, d) for size in scored if size > 1),
    )


_STEPS: dict[str, Steps] = {
    "random": _nothing,
    "dycoke": _nothing,
    "fastv": _fastv,
    "omnizip": _omnizip,
}
