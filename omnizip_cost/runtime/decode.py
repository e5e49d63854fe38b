"""Prefill and greedy decode by hand, with positions passed: for full and compressed thinkers.

``generate`` does the same and more; this loop is what a profiler times, step by step, and what
tests hold against ``generate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.modules import find_text_owner, find_thinker


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prefill:
    """A prompt taken in: where decode starts."""

    logits: torch.Tensor
    """Of the last token, shape (1, V)."""
    cache: Any
    """Keys and values of the tokens kept; decode adds to it."""
    next_position: int
    """Position of the first decoded token: largest of the *full* prompt + 1.

    ``generate`` counts on from the prompt's *last* token instead: another position where the
    sound ends early in the last window and too little text follows to pass the video's end.
    """


@torch.no_grad()
def prefill(thinker: nn.Module, kwargs: Mapping[str, Any]) -> Prefill:
    """Run the prompt through the thinker.

    The stock thinker computes logits at every position it keeps; only the last row is returned
    and the others are freed.

    Parameters
    ----------
    thinker : Module
        Inside or outside a ``compressed`` block.
    kwargs : mapping
        What the thinker's forward takes, ``input_ids`` of shape (1, L) among it.
    """
    thinker = find_thinker(thinker)
    ids = kwargs.get("input_ids")
    if not isinstance(ids, torch.Tensor) or ids.ndim != 2 or ids.shape[0] != 1:
        got = tuple(ids.shape) if isinstance(ids, torch.Tensor) else ids
        raise InvalidValueError("prefill", "input_ids", "one prompt, of shape (1, L)", got)
    call = {"attention_mask": torch.ones_like(ids), **kwargs, "use_cache": True}
    output = thinker(**call)
    delta: Any = find_text_owner(thinker).rope_deltas
    return Prefill(
        logits=output.logits[:, -1].clone(),
        cache=output.past_key_values,
        next_position=ids.shape[1] + int(delta),
    )


@torch.no_grad()
def decode(thinker: nn.Module, start: Prefill, steps: int) -> list[int]:
    """Decode greedily after :func:`prefill`, adding ``steps`` tokens to its cache.

    The first token comes from the prefill's own logits, each of the ``steps`` forward calls
    gives one more; the host waits for the device only at the end.

    Returns
    -------
    list of int
        ``steps + 1`` token ids: ``generate`` with ``max_new_tokens=steps + 1`` gives the same
        (unless it meets its end mark).
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise InvalidValueError("decode", "steps", "a whole number, zero or more", steps)
    thinker = find_thinker(thinker)
    token = start.logits.argmax(dim=-1, keepdim=True)
    tokens, cache = [token], start.cache
    positions = torch.arange(start.next_position, start.next_position + steps, device=token.device)[
        :, None, None, None
    ].expand(-1, 3, -1, -1)
    for position in positions:
        output = thinker(
            input_ids=token, position_ids=position, past_key_values=cache, use_cache=True
        )
        cache = output.past_key_values
        token = output.logits[:, -1].argmax(dim=-1, keepdim=True)
        tokens.append(token)
    return [int(value) for value in torch.cat(tokens, dim=1)[0].tolist()]
