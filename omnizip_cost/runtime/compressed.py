"""The real compressed model: an unmodified transformers thinker, pruned in prefill by hooks.

The thinker fills its embeddings and computes the positions of the whole prompt as ever. A hook
before its text model then drops tokens: survivors keep their positions, the cache holds
survivors only, decode goes on after the *full* prompt's last position. No file is forked and
nothing of the model is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakSet

from torch import nn

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, Rounding
from omnizip_cost.compression.method import Method
from omnizip_cost.compression.settings import FASTV_LAYER, RHO_MAX, RHO_MIN, Mode
from omnizip_cost.errors import UnsupportedModelError
from omnizip_cost.runtime.kept import Handle, Kept
from omnizip_cost.runtime.modules import find_text_model, find_thinker, thinker_family
from omnizip_cost.runtime.request import FastvForm, Request
from omnizip_cost.runtime.session import Observer, Session

__all__ = ["Handle", "Kept", "Observer", "compressed"]

_COMPRESSED: WeakSet[nn.Module] = WeakSet()
"""Text models inside a block right now."""


@contextmanager
def compressed(
    thinker: nn.Module,
    method: str | Method | type[Method],
    *,
    audio_pruning: float | None = None,
    video_pruning: float | None = None,
    retained: float | None = None,
    mode: Mode = "paper",
    fastv_layer: int = FASTV_LAYER,
    fastv_form: FastvForm = "materialised",
    anchor_share: float = ANCHOR_SHARE,
    merge: int = MERGE,
    rho_min: float = RHO_MIN,
    rho_max: float = RHO_MAX,
    rounding: Rounding = "floor",
    seed: int = 0,
    observer: Observer | None = None,
) -> Iterator[Handle]:
    """Compress a real thinker inside a ``with`` block; leaving it restores the model.

    Inside the block the thinker's own ``forward`` and ``generate`` (greedy or sampled) prune
    every prompt in prefill. Logits of a pruned prefill have the survivors' length; the last row
    is the prompt's last token. Both ratios at zero, ``full`` or ``retained=1`` leave every
    number as the stock model gives it. Each prompt starts with an empty cache; ``handle.last``
    tells what was kept of the latest one. A decode step called by hand without positions gets
    the position that follows the *full* prompt; one without a cache is a new prefill and prunes
    anew. A whole omni model's talker reads the full prompt: decode text only.

    Parameters
    ----------
    thinker : Module
        A transformers Qwen2.5-Omni thinker, or a model that holds one.
    method : str, Method or subclass of Method
        A name that ``omnizip-cost methods`` lists, or a method object of your own.
    audio_pruning, video_pruning : float, optional
        rho_a and rho_v, given together.
    retained : float, optional
        Share of audio and video tokens to keep, turned into a pair on the prompt's own mix.
    mode : {"paper", "official"}
    fastv_layer : int
        K: layers that run on all tokens; the K-th ranks them.
    fastv_form : {"materialised", "last-query"}
        Whole attention matrix as published, or only the row that is used.
    anchor_share, merge : float, int
        OmniZip's anchors per audio token and tokens merged into each (Sec. 3.2).
    rho_min, rho_max, rounding : float, float, str
        Bounds of a window's video pruning rate, and how tokens per grid are rounded (Sec. 3.3).
    seed : int
        For ``random``: every prefill draws anew from this seed.
    observer : callable, optional
        ``observer("selection", "start" | "stop")`` around scoring, selecting and gathering.

    Yields
    ------
    Handle

    Raises
    ------
    UnknownNameError, InvalidValueError, PluginError
        A wrong method, ratio or setting.
    UnsupportedModelError
        Another model, a thinker already inside such a block, or a call that cannot be pruned:
        batches, padding, images, further turns, static caches.
    """
    request = Request(
        method=method,
        audio_pruning=audio_pruning,
        video_pruning=video_pruning,
        retained=retained,
        mode=mode,
        fastv_layer=fastv_layer,
        fastv_form=fastv_form,
        anchor_share=anchor_share,
        merge=merge,
        rho_min=rho_min,
        rho_max=rho_max,
        rounding=rounding,
        seed=seed,
    )
    model = find_thinker(thinker)
    text = find_text_model(model)
    _require_supported(model, text, request)
    with ExitStack() as stack:
        session = Session(model, request, observer)
        _COMPRESSED.add(text)
        stack.callback(_COMPRESSED.discard, text)
        session.attach(stack)
        yield session.handle


def _require_supported(thinker: nn.Module, text: Any, request: Request) -> None:
    """Refuse models whose decoder needs more than gathered embeddings and positions."""
    name = type(thinker).__name__
    if text in _COMPRESSED:
        raise UnsupportedModelError(
            name, "it is already compressed", "leave the first block before the next"
        )
    if request.prunes and thinker_family(thinker) == "qwen3-omni":
        raise UnsupportedModelError(
            name,
            "its decoder adds DeepStack features to the video tokens of the first layers, "
            "which pruning would misplace",
            "compress a Qwen2.5-Omni thinker; costs of Qwen3-Omni can be counted",
        )
    if request.prunes and set(text.config.layer_types) != {"full_attention"}:
        raise UnsupportedModelError(
            name,
            "some of its layers attend in a sliding window, which would count survivors only",
            "set use_sliding_window to false",
        )
