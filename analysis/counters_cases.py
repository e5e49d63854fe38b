"""What the counters are shown: real transformers modules, their inputs, and the exact count.

A case is one forward pass. Its tensors are of one of three kinds: ``cpu`` holds data and is really
computed; ``cpu shapes`` claims to be on a CPU and dispatches as such, without data (torch's fake
tensors); ``meta`` has shapes alone. The last two take the 7B model at full size.

The encoders read lengths off tensors: called as the thinker calls them they need data, and are
cut to a few layers of full width. Given those lengths ready made, torch's counter takes them whole
on meta (tests/witnesses/test_encoder_full_width.py).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import DynamicCache

import omnizip_cost as oz
from omnizip_cost.cost import CostRow
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_lm_head,
    find_text_model,
    find_vision_encoder,
)
from omnizip_cost.specs import ThinkerSpec, require_thinker
from omnizip_cost.specs.load import spec_from_config
from omnizip_cost.workload import Workload, default_settings

CPU, CPU_SHAPES, META = "cpu", "cpu shapes", "meta"
FULL_SIZE, EXPERTS, TINY = "qwen2.5-omni-7b", "qwen3-omni-30b-a3b", "omni-tiny"
CONVENTIONS = ("torch", "sdpa", "hardware")
FEW_EXPERTS = "qwen3-omni, small"
PREFILL, DECODE, AUDIO, VISION = "prefill", "decode", "audio encoder", "vision encoder"

AUDIO_SECONDS = 10.5
"""Five blocks of 2 s and a ragged one."""
AUDIO_LAYERS = 4
VISION_SECONDS = 1.0
"""One temporal grid: the processor's least number of frames is lowered for it."""
VISION_LAYERS = 8
"""The last has full attention, as one in eight of the released 32."""
PIXELS = (252, 448)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One forward pass of one module: how to build it, and what it takes by exact count."""

    name: str
    spec: ThinkerSpec
    tokens: int
    """Tokens of the prefill; tokens in the cache of a decode step; in the encoders 0: their input
    is a clip's of fixed length."""
    tensors: str
    attention: str = "sdpa"
    """Attention implementation of transformers; ``eager`` writes matrix products out."""
    experts: str = ""
    """Implementation of a mixture of experts; empty: transformers' default, one grouped kernel."""

    @property
    def layers(self) -> int:
        """Layers of the module that runs."""
        return {
            AUDIO: self.spec.audio.layers,
            VISION: self.spec.vision.layers,
        }.get(self.name, self.spec.text.layers)

    def exact(self, convention: str) -> int:
        """FLOPs of the case by ``omnizip_cost.count``."""
        return sum(row.flops for row in self._rows(convention))

    def positions(self) -> int:
        """Positions that pass through each layer: what the exact count says of itself."""
        return self._rows("torch")[0].n_tokens

    def _rows(self, convention: str) -> list[CostRow]:
        if self.name in (AUDIO, VISION):
            work = self.clip()
            rows = oz.count(self.spec, oz.plan("full", work, self.spec), convention, 0, work)
            return [row for row in rows if row.component == self.name.replace(" ", "_")]
        plan = oz.plan("full", oz.bare_workload(self.tokens), self.spec)
        rows = oz.count(self.spec, plan, convention, int(self.name == DECODE))
        return [row for row in rows if row.phase == self.name]

    def clip(self) -> Workload:
        """Return the clip that an encoder sees or hears."""
        if self.name == AUDIO:
            return oz.workload(self.spec, seconds=AUDIO_SECONDS, pixels=None)
        settings = replace(default_settings(self.spec), min_frames=2)
        return oz.workload(
            self.spec, seconds=VISION_SECONDS, pixels=PIXELS, audio=False, settings=settings
        )

    @contextmanager
    def built(self) -> Iterator[tuple[nn.Module, dict[str, Tensor]]]:
        """Give a fresh module and its inputs by name; tensors without data only live inside."""
        with FakeTensorMode() if self.tensors == CPU_SHAPES else nullcontext():
            yield _BUILDERS[self.name](self)

    def thinker(self) -> nn.Module:
        """Return the stock thinker on the tensors of this case."""
        device = META if self.tensors == META else "cpu"
        thinker = oz.build_thinker(
            self.spec, device=device, attention=self.attention, dtype=self.dtype
        )
        if self.experts:
            find_text_model(thinker).config._experts_implementation = self.experts
        return thinker

    @property
    def dtype(self) -> str:
        """Of weights and inputs; FLOPs do not depend on it."""
        return "float32" if self.tensors == CPU else "bfloat16"

    def empty(self, *shape: int) -> Tensor:
        """Zeros of the case's dtype and kind."""
        device = META if self.tensors == META else "cpu"
        return torch.zeros(shape, device=device, dtype=getattr(torch, self.dtype))


class Prefill(nn.Module):
    """The decoder stack and the head at every position, as the stock thinker runs them."""

    def __init__(self, thinker: nn.Module) -> None:
        super().__init__()
        self.text = find_text_model(thinker)
        self.head = find_lm_head(thinker)

    def forward(self, inputs_embeds: Tensor, position_ids: Tensor) -> Tensor:
        """Logits (1, n, V) of embeddings (1, n, d)."""
        out = self.text(inputs_embeds=inputs_embeds, position_ids=position_ids, use_cache=False)
        return self.head(out.last_hidden_state)


class DecodeStep(nn.Module):
    """One token after those cached: the same step at every call, the cache is made anew."""

    def __init__(self, thinker: nn.Module, keys: Tensor) -> None:
        super().__init__()
        self.text = find_text_model(thinker)
        self.head = find_lm_head(thinker)
        self.keys = keys

    def forward(self, inputs_embeds: Tensor, position_ids: Tensor) -> Tensor:
        """Logits (1, 1, V) of one embedding (1, 1, d)."""
        cache = DynamicCache(config=self.text.config)
        for layer in range(len(self.text.layers)):
            cache.update(self.keys, self.keys, layer)
        out = self.text(
            inputs_embeds=inputs_embeds,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        return self.head(out.last_hidden_state)


class Encoder(nn.Module):
    """An encoder as the thinker calls it; lengths are tensors, since some tools pass no other."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder


class AudioEncoder(Encoder):
    """The audio encoder on the log-mel frames of one clip."""

    def forward(self, mel: Tensor, feature_lens: Tensor, aftercnn_lens: Tensor) -> Any:
        """Features of mel (bins, frames)."""
        return _tensors(self.encoder(mel, feature_lens=feature_lens, aftercnn_lens=aftercnn_lens))


class VisionEncoder(Encoder):
    """The vision encoder on the patches of one clip."""

    def forward(self, patches: Tensor, grid_thw: Tensor) -> Any:
        """Features of patches (n, channels x frames x height x width)."""
        return _tensors(self.encoder(patches, grid_thw=grid_thw))


def _tensors(out: Any) -> Any:
    """Everything an encoder returns: a traced module loses the work behind an output left out."""
    return out if isinstance(out, Tensor) else out.to_tuple()


def few_experts(**changes: Any) -> ThinkerSpec:
    """Return Qwen3-Omni with small sizes: three layers of six experts, two for each token.

    ``changes`` are sizes of its text config to have otherwise.
    """
    config: dict[str, Any] = copy.deepcopy(dict(oz.load_spec(EXPERTS).config))
    config["text_config"] |= {
        "num_hidden_layers": 3,
        "hidden_size": 64,
        "intermediate_size": 96,
        "moe_intermediate_size": 32,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        **changes,
    }
    config["audio_config"]["encoder_layers"] = 1
    config["vision_config"] |= {"depth": 1, "deepstack_visual_indexes": [0]}
    return require_thinker(spec_from_config(config, FEW_EXPERTS))


def few_layers(name: str) -> ThinkerSpec:
    """Return a model with fewer layers in its encoders, as wide as ever, and one decoder layer."""
    spec = require_thinker(oz.load_spec(name))
    config: dict[str, Any] = copy.deepcopy(dict(spec.config))
    config["audio_config"]["encoder_layers"] = AUDIO_LAYERS
    config["vision_config"]["depth"] = VISION_LAYERS
    config["vision_config"]["fullatt_block_indexes"] = [
        layer for layer in spec.vision.full_attention_layers if layer < VISION_LAYERS
    ]
    config["text_config"]["num_hidden_layers"] = 1
    return require_thinker(spec_from_config(config, name))


def _prefill(case: Case) -> tuple[nn.Module, dict[str, Tensor]]:
    n = case.tokens
    return Prefill(case.thinker()).eval(), _text_inputs(case, n, 0)


def _decode(case: Case) -> tuple[nn.Module, dict[str, Tensor]]:
    text = case.spec.text
    keys = case.empty(1, text.kv_heads, case.tokens, text.head_dim)
    return DecodeStep(case.thinker(), keys).eval(), _text_inputs(case, 1, case.tokens)


def _text_inputs(case: Case, n: int, start: int) -> dict[str, Tensor]:
    embeds = case.empty(1, n, case.spec.text.hidden_size)
    at = torch.arange(start, start + n, device=embeds.device)
    return {"inputs_embeds": embeds, "position_ids": at.expand(3, 1, n)}


def _audio(case: Case) -> tuple[nn.Module, dict[str, Tensor]]:
    work = case.clip()
    frames = torch.tensor([work.mel_frames])
    return AudioEncoder(_with_data(case, find_audio_encoder)).eval(), {
        "mel": case.empty(case.spec.audio.mel_bins, work.mel_frames),
        "feature_lens": frames,
        "aftercnn_lens": (frames - 1) // 2 + 1,
    }


def _vision(case: Case) -> tuple[nn.Module, dict[str, Tensor]]:
    vision = case.spec.vision
    grid_thw = case.clip().grid_thw
    assert grid_thw is not None
    time, height, width = grid_thw
    return VisionEncoder(_with_data(case, find_vision_encoder)).eval(), {
        "patches": case.empty(
            time * height * width,
            vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
        ),
        "grid_thw": torch.tensor([grid_thw]),
    }


def _with_data(case: Case, find: Any) -> nn.Module:
    """Return one encoder, zeros in place of weights, without its thinker's other parameters."""
    thinker = oz.build_thinker(case.spec, device=META, attention=case.attention, dtype=case.dtype)
    encoder: nn.Module = find(thinker)
    if case.tensors == META:
        return encoder
    encoder = encoder.to_empty(device="cpu")
    for tensor in (*encoder.parameters(), *encoder.buffers()):
        tensor.zero_()
    return encoder


_BUILDERS = {PREFILL: _prefill, DECODE: _decode, AUDIO: _audio, VISION: _vision}
