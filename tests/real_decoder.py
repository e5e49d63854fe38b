"""Real transformers decoders on the meta device, and the published sizes they are built from."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

Config = dict[str, Any]


def _sizes(
    family: str, d: int, m: int, layers: int, heads: int, kv_heads: int, vocab: int, **more: Any
) -> Config:
    return {
        "model_type": family,
        "hidden_size": d,
        "intermediate_size": m,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocab,
        **more,
    }


_UNUSED_WINDOW = {"use_sliding_window": False, "sliding_window": 131072, "max_window_layers": 28}

PUBLISHED: dict[str, tuple[Config, int]] = {
    "Llama-2-7b-hf": (_sizes("llama", 4096, 11008, 32, 32, 32, 32000), 6_738_415_616),
    "Meta-Llama-3-8B": (
        _sizes("llama", 4096, 14336, 32, 32, 8, 128256, attention_bias=False, rope_scaling=None),
        8_030_261_248,
    ),
    "Llama-3.2-1B": (
        _sizes("llama", 2048, 8192, 16, 32, 8, 128256, head_dim=64, tie_word_embeddings=True),
        1_235_814_400,
    ),
    "Mistral-7B-v0.1": (
        _sizes("mistral", 4096, 14336, 32, 32, 8, 32000, sliding_window=4096),
        7_241_732_096,
    ),
    "Mistral-7B-v0.3": (
        _sizes("mistral", 4096, 14336, 32, 32, 8, 32768, sliding_window=None),
        7_248_023_552,
    ),
    "Mistral-Nemo-Base-2407": (
        _sizes("mistral", 5120, 14336, 40, 32, 8, 131072, head_dim=128, sliding_window=None),
        12_247_782_400,
    ),
    "Qwen2.5-0.5B": (
        _sizes("qwen2", 896, 4864, 24, 14, 2, 151936, tie_word_embeddings=True, **_UNUSED_WINDOW),
        494_032_768,
    ),
    "Qwen2.5-7B": (
        _sizes("qwen2", 3584, 18944, 28, 28, 4, 152064, **_UNUSED_WINDOW),
        7_615_616_512,
    ),
    "Qwen2.5-72B": (
        _sizes("qwen2", 8192, 29568, 80, 64, 8, 152064, **_UNUSED_WINDOW),
        72_706_203_648,
    ),
    "Qwen3-0.6B": (
        _sizes("qwen3", 1024, 3072, 28, 16, 8, 151936, head_dim=128, tie_word_embeddings=True),
        596_049_920,
    ),
    "Qwen3-8B": (_sizes("qwen3", 4096, 12288, 36, 32, 8, 151936, head_dim=128), 8_190_735_360),
    "Qwen3-32B": (_sizes("qwen3", 5120, 25600, 64, 64, 8, 151936, head_dim=128), 32_762_123_264),
    "Phi-3-mini-4k-instruct": (
        _sizes("phi3", 3072, 8192, 32, 32, 32, 32064, sliding_window=2047, attention_bias=False),
        3_821_079_552,
    ),
    "Phi-3-medium-128k-instruct": (
        _sizes("phi3", 5120, 17920, 40, 40, 10, 32064, sliding_window=131072),
        13_960_238_080,
    ),
}
"""Keys of the models' ``config.json`` that fix sizes and windows, and the parameters that their
pages print (huggingface.co: meta-llama, mistralai, Qwen, microsoft)."""


def real_decoder(config: Config, attention: str = "sdpa") -> Any:
    """Return the class that transformers builds from ``config``, on meta: no weights."""
    values = {"pad_token_id": None, **copy.deepcopy(config)}  # phi3's default is beyond 32,000
    kind = values.pop("model_type")
    built = AutoConfig.for_model(kind, **values)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(built, attn_implementation=attention)
    return model.eval()


def parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def counted_passes(model: Any, n: int, steps: int) -> tuple[int, list[int]]:
    """Count the FLOPs of the prefill of ``n`` tokens and of each cached decode step after it.

    The rotary table, which release 5.17 makes by a matrix product, is counted alone and taken off.
    """
    cache = DynamicCache(config=model.config)
    prefill = _one_pass(model, n, cache)
    return prefill, [_one_pass(model, 1, cache) for _ in range(steps)]


@torch.no_grad()
def _one_pass(model: Any, n: int, cache: DynamicCache) -> int:
    ids = torch.zeros(1, n, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as whole:
        model(input_ids=ids, past_key_values=cache, use_cache=True)
    with FlopCounterMode(display=False) as table:
        model.model.rotary_emb(torch.empty(1, n, 1, device="meta"), ids)
    return int(whole.get_total_flops() - table.get_total_flops())
