"""The text model's inputs, cut to the tokens that survive."""

from __future__ import annotations

from typing import Any

import torch

from omnizip_cost.runtime.prompt import cached_tokens

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""What a forward pre-hook returns: positional and keyword arguments."""


def three_rows(position_ids: torch.Tensor | None, embeddings: torch.Tensor) -> torch.Tensor:
    """Positions of the whole prompt, shape (3, L), as the text model reads them.

    Parameters
    ----------
    position_ids : tensor, shape (1, L), (3, 1, L) or (4, 1, L), optional
        Without them the text model counts from 0.
    embeddings : tensor, shape (1, L, d)
    """
    if position_ids is None:
        position_ids = torch.arange(embeddings.shape[1], device=embeddings.device)[None]
    if position_ids.ndim == 2:
        return position_ids[:1].expand(3, -1)
    return position_ids[-3:, 0]


def gathered(call: dict[str, Any], embeddings: torch.Tensor, index: torch.Tensor) -> Arguments:
    """Prefill: rows (kept, d), positions and mask of the survivors alone.

    Of four position rows the first only tells packed sequences apart: a gap in it would start a
    new sequence, so it is numbered anew. The other three go on as they were.
    """
    positions = call.get("position_ids")
    rows = three_rows(positions, call["inputs_embeds"])[:, None, index]
    if positions is not None and positions.ndim == 3 and positions.shape[0] == 4:
        count = torch.arange(len(index), dtype=rows.dtype, device=rows.device)
        rows = torch.cat([count[None, None], rows])
    changed = {"inputs_embeds": embeddings[None], "position_ids": rows}
    if (mask := call.get("attention_mask")) is not None:
        changed["attention_mask"] = mask[:, index]
    return (), {**call, **changed}


def trimmed(call: dict[str, Any]) -> Arguments | None:
    """Decode: the full prompt's mask, which 5.17's ``generate`` keeps, cut to the cache."""
    mask, cache = call.get("attention_mask"), call.get("past_key_values")
    embeddings = call.get("inputs_embeds")
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2 or embeddings is None:
        return None
    if not (past := cached_tokens(cache)):
        return None
    return (), {**call, "attention_mask": mask[:, -(past + embeddings.shape[1]) :]}
