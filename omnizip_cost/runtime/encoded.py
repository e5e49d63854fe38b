"""What a real thinker gives the selection: embeddings of the whole prompt, and audio scores."""

from __future__ import annotations

import inspect
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from omnizip_cost.compression.settings import Mode
from omnizip_cost.runtime.inputs import ModelInputs
from omnizip_cost.runtime.modules import find_audio_encoder, find_text_model
from omnizip_cost.runtime.scores import ScoreTap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """One prompt as it reaches the decoder, before anything is dropped."""

    embeddings: torch.Tensor
    """shape (L, d): text, and projected audio and video features written in."""
    scores: torch.Tensor | None
    """shape (N_a,), Eq. 2; None without sound."""
    source: str
    """``encoder``, or ``random-weights encoder``."""


class _DecoderReachedError(Exception):
    """Ends a forward call at the decoder's door: nothing after it is needed."""


@torch.no_grad()
def encode(thinker: nn.Module, inputs: ModelInputs, *, mode: Mode = "paper") -> Encoded:
    """Run both encoders of a thinker on one prompt and stop before the first decoder layer.

    The thinker is left as it was: hooks are removed, and ``rope_deltas`` is set anew by every
    prefill.

    Parameters
    ----------
    thinker : Module
        A transformers Qwen2.5-Omni or Qwen3-Omni thinker.
    inputs : ModelInputs
        On the thinker's device, in its dtype.
    mode : {"paper", "official"}
        Which softmax the scores take; see :func:`omnizip_cost.runtime.scores.audio_scores`.
    """
    encoder, text = find_audio_encoder(thinker), find_text_model(thinker)
    names = tuple(inspect.signature(text.forward).parameters)
    seen: list[torch.Tensor] = []

    def stop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call = dict(zip(names, args, strict=False)) | kwargs
        seen.append(call["inputs_embeds"][0].detach())
        raise _DecoderReachedError

    with ExitStack() as stack:
        tap = stack.enter_context(ScoreTap(encoder, mode=mode))
        stack.callback(text.register_forward_pre_hook(stop, with_kwargs=True).remove)
        with suppress(_DecoderReachedError):
            thinker(**inputs.kwargs())
        scores = tap.scores
    (embeddings,) = seen
    return Encoded(
        embeddings=embeddings,
        scores=scores,
        source="random-weights encoder" if is_untrained(encoder) else "encoder",
    )


def is_untrained(encoder: nn.Module) -> bool:
    """Whether every layer norm is still as it is before training: scales 1, shifts 0.

    Training moves all of them, so that random weights are told from real ones in any folder.
    """
    norms = [module for module in encoder.modules() if isinstance(module, nn.LayerNorm)]
    return all(
        bool((norm.weight == 1).all()) and (norm.bias is None or not bool(norm.bias.any()))
        for norm in norms
    )
