"""Inputs that the stock thinker accepts: token ids, patches, log-mel frames and their masks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.build import require_dtype
from omnizip_cost.runtime.features import log_mel, patches
from omnizip_cost.specs.spec import ThinkerSpec, TokenIds
from omnizip_cost.workload.clip import Clip
from omnizip_cost.workload.workload import Workload

ORDINARY_IDS = 151_643
"""Entries of the Qwen2 tokenizer's vocabulary; ids from here on are control tokens."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelInputs:
    """One prompt, batch of one, ready for the thinker's ``forward`` and ``generate``."""

    workload: Workload
    input_ids: torch.Tensor
    """(1, L) whole numbers."""
    input_features: torch.Tensor | None = None
    """(1, mel bins, mel frames); None without sound."""
    pixel_values_videos: torch.Tensor | None = None
    """(patches, pixels of a patch); None without video."""
    video_grid_thw: torch.Tensor | None = None
    """(1, 3) patches in time, height, width."""

    @property
    def token_ids(self) -> torch.Tensor:
        """(L,) token ids of the prompt."""
        return self.input_ids[0]

    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments of the thinker; those of an absent modality are left out."""
        given: dict[str, Any] = {
            "input_ids": self.input_ids,
            "attention_mask": torch.ones_like(self.input_ids),
        }
        if self.input_features is not None:
            given["input_features"] = self.input_features
            given["feature_attention_mask"] = torch.ones(
                (1, self.input_features.shape[-1]), dtype=torch.long, device=self.input_ids.device
            )
        if self.pixel_values_videos is not None:
            given["pixel_values_videos"] = self.pixel_values_videos
            given["video_grid_thw"] = self.video_grid_thw
            given["video_second_per_grid"] = torch.tensor([self.workload.seconds_per_grid])
            given["use_audio_in_video"] = self.input_features is not None
        return given


def clip_inputs(
    spec: ThinkerSpec,
    workload: Workload,
    clip: Clip,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    seed: int = 0,
) -> ModelInputs:
    """Inputs of a decoded clip: its real pixels and sound, with made-up text around it.

    Parameters
    ----------
    workload
        That of the clip, ``clip.workload(spec)`` or ``clip_workload`` of its file.
    seed
        Draws the text ids; see `token_ids`.

    Raises
    ------
    InvalidValueError
        An unknown dtype, or a clip that gives other counts than the workload.
    """
    number_type = require_dtype("inputs", dtype)
    rows, grid, mel = None, None, None
    if clip.frames is not None:
        rows, grid = patches(clip.frames, spec.vision, number_type)
    if clip.waveform is not None:
        mel = log_mel(clip.waveform, spec)
    for field, got, due in (
        ("patches", grid, workload.grid_thw),
        ("mel frames", mel.shape[-1] if mel is not None else 0, workload.mel_frames),
    ):
        if got != due:
            raise InvalidValueError("clip", field, f"the workload's ({due})", got)
    return _inputs(spec, workload, rows, mel, number_type, device, seed)


def random_inputs(
    spec: ThinkerSpec,
    workload: Workload,
    *,
    seed: int = 0,
    dtype: str = "float32",
    device: str = "cpu",
) -> ModelInputs:
    """Inputs of a workload without media: the same shapes, filled at random.

    Patches and log-mel frames are normally distributed (mean 0, spread 1), about as wide as
    normalised ones; they resemble no picture or sound. For times and memory, not for scores.

    Raises
    ------
    InvalidValueError
        An unknown dtype, or a bare number of tokens, of which nobody knows the mix.
    """
    number_type = require_dtype("inputs", dtype)
    _refuse_bare(workload)
    source = torch.Generator().manual_seed(seed)
    vision, rows, mel = spec.vision, None, None
    if workload.grid_thw is not None:
        time, height, width = workload.grid_thw
        width_of_row = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        rows = torch.empty((time * height * width, width_of_row), dtype=number_type)
        rows.normal_(generator=source)
    if workload.mel_frames:
        mel = torch.randn((spec.audio.mel_bins, workload.mel_frames), generator=source)
    return _inputs(spec, workload, rows, mel, number_type, device, seed)


def token_ids(spec: ThinkerSpec, workload: Workload, *, seed: int = 0) -> torch.Tensor:
    """Token ids of the whole prompt, (L,): text, begin marks, the clip, end marks, text.

    Text ids are drawn at random from the ordinary vocabulary, for no tokenizer is needed: they are
    never pruned and their meaning costs nothing. The same seed gives the same ids.
    """
    _refuse_bare(workload)
    ids = spec.tokens
    begin, end = [], []
    if workload.grid_thw is not None:
        begin.append(ids.vision_start)
        end.append(ids.vision_end)
    if workload.audio_tokens:
        begin.append(ids.audio_start)
        end.insert(0, ids.audio_end)
    before, after = workload.text_before - len(begin), workload.text_after - len(end)
    text = _ordinary_ids(ids, spec.text.vocab_size, before + after, seed)
    media: list[int] = []
    for window in workload.windows:
        media += [ids.video] * window.video_tokens + [ids.audio] * window.audio_tokens
    return torch.tensor([*text[:before], *begin, *media, *end, *text[before:]], dtype=torch.long)


def _ordinary_ids(ids: TokenIds, vocabulary: int, count: int, seed: int) -> list[int]:
    """Draw ids that are neither placeholders, marks nor control tokens."""
    special = {getattr(ids, item.name) for item in fields(ids)}
    ordinary = [number for number in range(min(vocabulary, ORDINARY_IDS)) if number not in special]
    source = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(ordinary), (count,), generator=source).tolist()
    return [ordinary[number] for number in drawn]


def _inputs(
    spec: ThinkerSpec,
    workload: Workload,
    rows: torch.Tensor | None,
    mel: torch.Tensor | None,
    dtype: torch.dtype,
    device: str,
    seed: int,
) -> ModelInputs:
    """Move everything to ``device`` and write the prompt."""
    grid = None if rows is None else torch.tensor([workload.grid_thw], device=device)
    return ModelInputs(
        workload=workload,
        input_ids=token_ids(spec, workload, seed=seed)[None].to(device),
        input_features=None if mel is None else mel[None].to(device, dtype),
        pixel_values_videos=None if rows is None else rows.to(device, dtype),
        video_grid_thw=grid,
    )


def _refuse_bare(workload: Workload) -> None:
    if workload.bare_tokens is not None:
        raise InvalidValueError(
            "inputs",
            "workload",
            "a clip or a duration with a frame size",
            workload.name,
            "a bare number of tokens has no mix of audio and video to build inputs from",
        )
