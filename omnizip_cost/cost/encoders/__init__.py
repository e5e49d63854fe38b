"""Multiply-adds of the audio and vision encoders of Qwen2.5-Omni and Qwen3-Omni.

Both run on everything, whatever a method keeps afterwards. Sources: transformers 5.17 and 5.23,
models/qwen2_5_omni and models/qwen3_omni_moe; witness: torch's FlopCounterMode on the real modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from omnizip_cost.cost.conventions import Convention
from omnizip_cost.cost.decoder import Op
from omnizip_cost.cost.encoders.audio import attention_blocks, audio_encoder_ops
from omnizip_cost.cost.encoders.vision import vision_encoder_ops, window_sizes
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.workload.workload import Workload

__all__ = [
    "attention_blocks",
    "audio_encoder_ops",
    "encoder_ops",
    "vision_encoder_ops",
    "window_sizes",
]


def encoder_ops(spec: ThinkerSpec, workload: Workload, convention: Convention) -> Iterator[Op]:
    """Ops of both encoders on one workload; none of an encoder that has nothing to encode.

    Raises
    ------
    UnsupportedModelError
        The real audio encoder cannot run on a sound of this length.
    """
    audio = audio_encoder_ops(
        spec.audio, workload.mel_frames, as_executed=convention.counts_padding
    )
    for op in chain(audio, vision_encoder_ops(spec.vision, workload.grid_thw)):
        if op.operator != "attention" or convention.attention != "none":
            yield op
