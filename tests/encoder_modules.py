"""Real encoders of both families at small widths, and what torch's counter sees of one pass.

The encoders read sizes off tensors, so with plain inputs they cannot run on meta; on the CPU the
counter sees attention only through the math backend.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2_5OmniThinkerConfig, Qwen3OmniMoeThinkerConfig

import omnizip_cost as oz
from omnizip_cost.runtime.modules import part_class
from omnizip_cost.specs import ThinkerSpec, require_thinker, spec_from_config

RELEASED = {"qwen2.5-omni": "qwen2.5-omni-7b", "qwen3-omni": "qwen3-omni-30b-a3b"}
CONFIGS: dict[str, Any] = {
    "qwen2.5-omni": Qwen2_5OmniThinkerConfig,
    "qwen3-omni": Qwen3OmniMoeThinkerConfig,
}
SMALL_AUDIO = {
    "encoder_layers": 2,
    "num_hidden_layers": 2,
    "d_model": 24,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "num_mel_bins": 12,
    "output_dim": 28,
}
SMALL_VISION = {
    "depth": 3,
    "hidden_size": 24,
    "num_heads": 2,
    "intermediate_size": 20,
    "out_hidden_size": 28,
}
OF_A_FAMILY: dict[str, dict[str, Any]] = {
    "qwen2.5-omni": {"fullatt_block_indexes": [1]},
    "qwen3-omni": {"deepstack_visual_indexes": [0, 2]},
}


@dataclass(frozen=True)
class Encoders:
    """One family's encoders as transformers builds them, and our spec of the same config."""

    spec: ThinkerSpec
    audio: Any
    vision: Any

    def count_audio(self, *mel_frames: int) -> int:
        """FLOPs that torch's counter sees in one pass over sounds of these lengths."""
        return counted(self._hear(mel_frames)).get_total_flops()

    def count_vision(self, *grids: tuple[int, int, int]) -> int:
        """FLOPs that torch's counter sees in one pass over videos of these grids."""
        return counted(self._see(grids)).get_total_flops()

    def audio_by_module(self, mel_frames: int) -> dict[str, int]:
        """The same by module path, of one sound."""
        return own_flops(counted(self._hear((mel_frames,))), self.audio)

    def vision_by_module(self, grid: tuple[int, int, int]) -> dict[str, int]:
        """The same by module path, of one video."""
        return own_flops(counted(self._see((grid,))), self.vision)

    def _hear(self, mel_frames: tuple[int, ...]) -> Callable[[], object]:
        mel = torch.zeros(self.spec.audio.mel_bins, sum(mel_frames))
        return lambda: self.audio(mel, feature_lens=torch.tensor(mel_frames))

    def _see(self, grids: tuple[tuple[int, int, int], ...]) -> Callable[[], object]:
        vision = self.spec.vision
        width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        pixels = torch.zeros(sum(t * h * w for t, h, w in grids), width)
        return lambda: self.vision(pixels, grid_thw=torch.tensor(grids))


def small_config(
    family: str,
    *,
    audio: dict[str, Any] | None = None,
    vision: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The released config with small encoders and these changes."""
    config = copy.deepcopy(dict(oz.load_spec(RELEASED[family]).config))
    config["audio_config"] = {**config["audio_config"], **SMALL_AUDIO}
    if family == "qwen3-omni":
        config["audio_config"]["downsample_hidden_size"] = 6
    config["audio_config"].update(audio or {})
    config["vision_config"] = {**config["vision_config"], **SMALL_VISION}
    config["vision_config"].update({**OF_A_FAMILY[family], **(vision or {})})
    config["text_config"] = {**config["text_config"], **(text or {})}
    return config


def small_encoders(
    family: str, *, audio: dict[str, Any] | None = None, vision: dict[str, Any] | None = None
) -> Encoders:
    """Both encoders of a family with these changes to the small config."""
    config = small_config(family, audio=audio, vision=vision)
    spec = require_thinker(spec_from_config(config, "small"))
    whole = CONFIGS[family](**copy.deepcopy(config))
    audio_class: Any = part_class(family, "audio_encoder")
    vision_class: Any = part_class(family, "vision_encoder")
    return Encoders(
        spec=spec,
        audio=audio_class._from_config(whole.audio_config).eval(),
        vision=vision_class._from_config(whole.vision_config).eval(),
    )


def counted(run: Callable[[], object]) -> FlopCounterMode:
    """Torch's counter after one call, attention through the math backend."""
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        run()
    return counter


def own_flops(counter: FlopCounterMode, module: torch.nn.Module) -> dict[str, int]:
    """FLOPs that each module inside ``module`` does itself, not through a module inside it."""
    counts = counter.get_flop_counts()
    start = f"{type(module).__name__}."
    total = {
        name.removeprefix(start): sum(found.values())
        for name, found in counts.items()
        if name.startswith(start)
    }
    own = dict(total)
    for name, number in total.items():
        caller = name.rpartition(".")[0]
        while caller and caller not in own:  # a list of modules is called by nobody
            caller = caller.rpartition(".")[0]
        if caller:
            own[caller] -= number
    assert sum(own.values()) == counter.get_total_flops()
    return {name: number for name, number in own.items() if number}
