"""One call of the thinker, read before it runs: whether it is a prefill that can be pruned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from omnizip_cost.errors import UnsupportedModelError
from omnizip_cost.runtime.request import Request
from omnizip_cost.runtime.selection import Layout, read_layout


def call_arguments(
    names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Positional and keyword arguments of a forward call, all by name."""
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def new_tokens(call: Mapping[str, Any]) -> int:
    """Tokens that this call adds to the sequence."""
    for name in ("input_ids", "inputs_embeds"):
        if (value := call.get(name)) is not None:
            return int(value.shape[1])
    return 0


def cached_tokens(cache: Any) -> int:
    """Tokens already in the cache's first layer; 0 without a cache."""
    return 0 if cache is None else int(cache.get_seq_length())


def is_decode_step(call: Mapping[str, Any]) -> bool:
    """Return True for one new token on top of a filled cache."""
    return new_tokens(call) == 1 and cached_tokens(call.get("past_key_values")) > 0


def read_prompt(
    call: Mapping[str, Any], config: Any, request: Request, seen_grid: torch.Tensor | None
) -> Layout:
    """Read where audio and video sit in a prefill call, or say why it cannot be pruned.

    The token ids are copied to the host once, here.

    Parameters
    ----------
    call : mapping
        Arguments of the thinker's forward, by name.
    config
        The thinker's transformers config.
    request : Request
    seen_grid : tensor, shape (videos, 3), optional
        Grids the vision encoder last ran on: 5.23's ``generate`` encodes before the forward
        call and leaves ``video_grid_thw`` out of it.

    Raises
    ------
    UnsupportedModelError
    """
    ids = call.get("input_ids")
    if ids is None:
        raise _refused("the prompt comes without input_ids", "audio and video are found by them")
    if ids.shape[0] != 1:
        raise _refused(f"the batch holds {ids.shape[0]} prompts", "give one prompt at a time")
    if request.prunes:
        _refuse_what_pruning_cannot_do(call, ids)
    host = ids[0].detach().cpu()
    grid = _video_grid(call, host, config, seen_grid)
    layout = read_layout(
        host,
        audio_id=config.audio_token_id,
        video_id=config.video_token_id,
        tokens_per_grid=_tokens_per_grid(grid, config),
    )
    if request.prunes:
        _refuse_images(call, host, config)
        if layout.windows and int(host[-1]) in (config.audio_token_id, config.video_token_id):
            raise _refused(
                "the prompt ends in an audio or video token",
                "end it with text, which is never pruned",
            )
        if request.found.needs_windows:
            _refuse_undefined_windows(call, grid, layout, request)
    return layout


def _refuse_what_pruning_cannot_do(call: Mapping[str, Any], ids: torch.Tensor) -> None:
    """Refuse calls that would run and give wrong numbers."""
    cache = call.get("past_key_values")
    if past := cached_tokens(cache):
        raise _refused(
            f"{ids.shape[1]} tokens come on top of {past} cached ones",
            "chunked prefill, further turns and assisted decoding are not supported: "
            "start each prompt with an empty cache",
        )
    if cache is not None and getattr(cache, "is_compileable", False):
        raise _refused("a static cache cannot shrink", "use the default dynamic cache")
    mask = call.get("attention_mask")
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        if bool((mask == 0).any()):
            raise _refused("the prompt is padded", "give it without padding")
    elif mask is not None:
        raise _refused(
            "the call brings a ready-made attention mask", "give a 2-D mask of ones, or none"
        )


def _refuse_images(call: Mapping[str, Any], ids: torch.Tensor, config: Any) -> None:
    given = any(call.get(name) is not None for name in ("pixel_values", "image_grid_thw"))
    if given or bool((ids == config.image_token_id).any()):
        raise _refused("the prompt holds images", "only audio and video can be pruned")


def _refuse_undefined_windows(
    call: Mapping[str, Any], grid: torch.Tensor | None, layout: Layout, request: Request
) -> None:
    """Refuse prompts whose grids and windows are not those of one clip."""
    if layout.video_tokens and grid is None:
        raise _refused(
            "the call tells no video_grid_thw that fits its video tokens",
            f"{request.found.name} needs the size of a grid",
        )
    sounds = call.get("feature_attention_mask")
    for title, records in (("videos", grid), ("sounds", sounds)):
        if records is not None and records.shape[0] > 1:
            raise _refused(
                f"the prompt holds {records.shape[0]} {title}",
                f"windows are undefined for {request.found.name}: give one clip",
            )


def _video_grid(
    call: Mapping[str, Any], ids: torch.Tensor, config: Any, seen_grid: torch.Tensor | None
) -> torch.Tensor | None:
    """Patches of each video, shape (videos, 3): as called, else as the encoder saw them."""
    grid: torch.Tensor | None = call.get("video_grid_thw")
    if grid is None and seen_grid is not None:
        patches = int((ids == config.video_token_id).sum()) * _merged_patches(config)
        if int(seen_grid.prod(-1).sum()) == patches:
            grid = seen_grid
    return grid


def _merged_patches(config: Any) -> int:
    return int(config.vision_config.spatial_merge_size) ** 2


def _tokens_per_grid(grid: torch.Tensor | None, config: Any) -> int:
    """P of the first video; 1 when unknown, which methods without windows never look at."""
    if grid is None:
        return 1
    _, height, width = grid[0].tolist()
    return int(height * width) // _merged_patches(config)


def _refused(problem: str, hint: str) -> UnsupportedModelError:
    return UnsupportedModelError("compressed thinker", problem, hint)
