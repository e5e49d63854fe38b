"""Plans from explicit tokens per layer: published settings that no method here makes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral

from omnizip_cost.compression.plan import Plan
from omnizip_cost.errors import InvalidValueError, require_ratio

MOST_LAYERS = 10_000
"""A written schedule of more layers than this is taken for a mistake."""

_TERM = re.compile(r"\s*([0-9]{1,6})\s*[xX]\s*([0-9]{1,12})\s*")
_EXPECTED = "LAYERSxTOKENS terms joined by '+', like 18x2500+10x1250"


def parse_layer_tokens(text: str) -> tuple[int, ...]:
    """Read how many tokens enter each layer, from the first to the last.

    Parameters
    ----------
    text
        Terms ``LAYERSxTOKENS`` joined by ``+``, in the order of the layers.

    Raises
    ------
    InvalidValueError

    Examples
    --------
    >>> parse_layer_tokens("2x576+3x288")
    (576, 576, 288, 288, 288)
    """
    terms = [_TERM.fullmatch(part) for part in text.split("+")]
    groups = [(int(term[1]), int(term[2])) for term in terms if term is not None]
    if len(groups) < len(terms) or not all(layers for layers, _ in groups):
        raise InvalidValueError("plan", "layer_tokens", _EXPECTED, text)
    if sum(layers for layers, _ in groups) > MOST_LAYERS:
        raise InvalidValueError("plan", "layer_tokens", f"at most {MOST_LAYERS:,} layers", text)
    return tuple(tokens for layers, tokens in groups for _ in range(layers))


def layered_plan(
    method: str,
    layer_tokens: str | Sequence[int],
    *,
    text_tokens: int = 0,
    retained: float | None = None,
) -> Plan:
    """Plan whose tokens are given layer by layer, under any method's name.

    Parameters
    ----------
    method
        What made the setting, as its source calls it; it need not be known here, so choosing its
        tokens is not counted.
    layer_tokens : str or sequence of int
        Audio and video tokens that enter each layer in prefill: ``"18x2500+10x1250"``, or one
        number per layer. Tokens once dropped do not come back.
    text_tokens : int
        Tokens besides, the same in every layer.
    retained : float, optional
        Nominal ratio; the last layer's tokens over the first's when left out.

    Returns
    -------
    Plan
        Without windows: like a bare token count, it has no mix of audio and video.

    Raises
    ------
    InvalidValueError

    Examples
    --------
    >>> layered_plan("fastv", "2x576+30x288").realised
    0.5
    """
    if not isinstance(method, str) or not method.strip():
        raise InvalidValueError("plan", "method", "a name", method)
    tokens = parse_layer_tokens(layer_tokens) if isinstance(layer_tokens, str) else layer_tokens
    counts = tuple(_whole("layer_tokens", value, least=1) for value in tokens)
    if not counts:
        raise InvalidValueError("plan", "layer_tokens", "one number for each layer", layer_tokens)
    for layer, (before, after) in enumerate(pairwise(counts)):
        if after > before:
            raise InvalidValueError(
                "plan",
                "layer_tokens",
                f"at most {before:,} in layer {layer + 1}, since tokens dropped do not come back",
                after,
            )
    realised = counts[-1] / counts[0]
    return Plan(
        method=method,
        av_tokens=counts[0],
        video_tokens=0,
        audio_tokens=0,
        text_tokens=_whole("text_tokens", text_tokens, least=0),
        layer_av_tokens=counts,
        video_kept=0.0,
        audio_kept=0.0,
        retained=realised if retained is None else require_ratio("plan", "retained", retained),
        rho_a=None,
        rho_v=None,
        exact=True,
    )


def _whole(field: str, value: object, *, least: int) -> int:
    """Return a whole number of at least ``least``; NumPy's pass as well."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise InvalidValueError("plan", field, f"whole numbers of at least {least}", value)
    return int(value)
