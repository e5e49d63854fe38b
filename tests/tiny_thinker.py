"""The smallest thinker with the real classes and head size 128, shared by the runtime tests."""

from __future__ import annotations

from typing import Any

import torch

from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.specs.spec import (
    AudioEncoderSpec,
    TextSpec,
    ThinkerSpec,
    TokenIds,
    VisionEncoderSpec,
)

TOKENS = TokenIds(
    audio=8, video=7, image=9, audio_start=5, audio_end=6, vision_start=3, vision_end=4
)


def tiny_spec(*, layers: int = 3, vocab: int = 96, tied: bool = False) -> ThinkerSpec:
    """Return a Qwen2.5-Omni thinker of well under a million parameters."""
    config = {
        "model_type": "qwen2_5_omni_thinker",
        "audio_token_index": TOKENS.audio,
        "video_token_index": TOKENS.video,
        "image_token_index": TOKENS.image,
        "audio_start_token_id": TOKENS.audio_start,
        "audio_end_token_id": TOKENS.audio_end,
        "vision_start_token_id": TOKENS.vision_start,
        "vision_end_token_id": TOKENS.vision_end,
        "tie_word_embeddings": tied,
        "position_id_per_seconds": 25,
        "seconds_per_chunk": 2,
        "audio_config": {
            "model_type": "qwen2_5_omni_audio_encoder",
            "encoder_layers": 2,
            "d_model": 64,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "output_dim": 256,
            "num_mel_bins": 128,
        },
        "vision_config": {
            "model_type": "qwen2_5_omni_vision_encoder",
            "depth": 2,
            "hidden_size": 64,
            "num_heads": 4,
            "intermediate_size": 64,
            "out_hidden_size": 256,
            "fullatt_block_indexes": [1],
            "window_size": 112,
        },
        "text_config": {
            "model_type": "qwen2_5_omni_text",
            "vocab_size": vocab,
            "hidden_size": 256,
            "intermediate_size": 128,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 32768,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [16, 24, 24],
                "rope_theta": 1000000.0,
            },
            "tie_word_embeddings": tied,
        },
    }
    return ThinkerSpec(
        name="test-thinker",
        family="qwen2.5-omni",
        text=TextSpec(
            layers=layers,
            hidden_size=256,
            intermediate_size=128,
            heads=2,
            kv_heads=1,
            head_dim=128,
            vocab_size=vocab,
            tied_embeddings=tied,
            qkv_bias=True,
        ),
        audio=AudioEncoderSpec(
            layers=2,
            hidden_size=64,
            heads=4,
            intermediate_size=64,
            output_size=256,
            mel_bins=128,
            mel_frames_per_chunk=200,
            mel_frames_per_block=200,
        ),
        vision=VisionEncoderSpec(
            layers=2,
            hidden_size=64,
            heads=4,
            intermediate_size=64,
            output_size=256,
            patch_size=14,
            temporal_patch_size=2,
            merge_size=2,
            in_channels=3,
            ffn_matrices=3,
            window_pixels=112,
            full_attention_layers=(1,),
        ),
        tokens=TOKENS,
        position_ids_per_second=25,
        seconds_per_window=2,
        source="made up for tests",
        config=config,
    )


def tiny_prompt(
    *, seconds: int = 5, grid: tuple[int, int] = (4, 8), after: int = 6, only: str = ""
) -> list[int]:
    """Token ids of a clip, text on both sides: 2 s windows of video then audio, or one alone."""
    video = [TOKENS.video] * (0 if only == "audio" else grid[0] * grid[1] // 4)
    audio = [TOKENS.audio] * (0 if only == "video" else 25)
    body: list[int] = []
    for start in range(0, seconds, 2):
        length = min(2, seconds - start)
        body += video * length + audio * length
    marks = {
        "": ([TOKENS.vision_start, TOKENS.audio_start], [TOKENS.audio_end, TOKENS.vision_end]),
        "audio": ([TOKENS.audio_start], [TOKENS.audio_end]),
        "video": ([TOKENS.vision_start], [TOKENS.vision_end]),
    }
    begin, end = marks[only]
    return [20, 21, 22, *begin, *body, *end, *range(30, 30 + after)]


def tiny_inputs(
    *,
    seconds: int = 5,
    grid: tuple[int, int] = (4, 8),
    after: int = 6,
    only: str = "",
    seed: int = 0,
) -> dict[str, Any]:
    """Return keyword arguments of the thinker's forward for :func:`tiny_prompt`."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.tensor([tiny_prompt(seconds=seconds, grid=grid, after=after, only=only)])
    patches, frames = seconds * grid[0] * grid[1], seconds * 100
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if only != "video":
        inputs["input_features"] = torch.randn(1, 128, frames, generator=generator)
        inputs["feature_attention_mask"] = torch.ones(1, frames, dtype=torch.long)
    if only != "audio":
        inputs["pixel_values_videos"] = torch.randn(patches, 3 * 2 * 14 * 14, generator=generator)
        inputs["video_grid_thw"] = torch.tensor([[seconds, *grid]])
        inputs["video_second_per_grid"] = torch.tensor([1.0])
    if not only:
        inputs["use_audio_in_video"] = True
    return inputs


def tiny_thinker(*, attention: str = "sdpa", layers: int = 4, seed: int = 0) -> Any:
    """Return a stock thinker whose weights are large enough for each token to matter.

    With the small weights of ``build_thinker`` every method decodes the same token over and
    over, and a wrong position or mask would go unseen.
    """
    thinker = build_thinker(tiny_spec(layers=layers), attention=attention, seed=seed)
    for module in thinker.modules():
        if "norm" not in type(module).__name__.lower():
            for parameter in module.parameters(recurse=False):
                parameter.mul_(7)
    thinker.lm_head.weight[:10] = 0  # marks and placeholders are never decoded
    return thinker
