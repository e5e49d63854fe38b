"""From a thinker's config section to a spec: one reader per family.

Sizes are required. The keys that may be absent, as they may for ``from_pretrained``, are listed
with their values in :data:`FALLBACKS`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from omnizip_cost.errors import InvalidValueError, UnsupportedModelError
from omnizip_cost.specs.decoders import key_value_heads, quotient_head_dim, stack_sizes
from omnizip_cost.specs.rotary import read_rotary
from omnizip_cost.specs.section import Section
from omnizip_cost.specs.spec import (
    AudioEncoderSpec,
    ExpertsSpec,
    TextSpec,
    ThinkerFamily,
    ThinkerSpec,
    TokenIds,
    VisionEncoderSpec,
)

FALLBACKS: Mapping[ThinkerFamily, Mapping[str, Mapping[str, Any]]] = {
    "qwen2.5-omni": {
        # Qwen2_5OmniThinkerConfig of transformers 5.17 and 5.23, except the last two: the class
        # has none, its own code needs the first, and Qwen2_5OmniTalkerConfig gives both.
        "thinker_config": {
            "tie_word_embeddings": False,
            "position_id_per_seconds": 25,
            "seconds_per_chunk": 2,
            "audio_token_id": 151646,
            "image_token_id": 151655,
            "video_token_id": 151656,
            "audio_start_token_id": 151647,
            "audio_end_token_id": 151648,
            "vision_start_token_id": 151652,
            "vision_end_token_id": 151653,
        },
        # Qwen2_5OmniTextConfig; without head_dim its attention takes hidden_size // heads.
        "text_config": {
            "head_dim": None,
            "use_sliding_window": False,
            "sliding_window": 32768,
            "max_window_layers": 28,
            "layer_types": None,
        },
    },
    "qwen3-omni": {
        # Qwen3OmniMoeThinkerConfig of transformers 5.17 and 5.23, except the last three: the class
        # has none, and these are the ids of the released Qwen3-Omni-30B-A3B.
        "thinker_config": {
            "tie_word_embeddings": False,
            "position_id_per_seconds": 25,
            "audio_token_id": 151646,
            "image_token_id": 151655,
            "video_token_id": 151656,
            "audio_start_token_id": 151647,
            "audio_end_token_id": 151670,
            "vision_start_token_id": 151652,
            "vision_end_token_id": 151653,
        },
        # Qwen3OmniMoeAudioEncoderConfig: of a batch, no FLOPs hang on it.
        "audio_config": {"conv_chunksize": 500},
        # Qwen3OmniMoeTextConfig.
        "text_config": {
            "attention_bias": False,
            "decoder_sparse_step": 1,
            "mlp_only_layers": (),
            "sliding_window": None,
        },
    },
}
"""Values of keys that a config may leave out, by family and section; no size is among them."""

_ROTARY_SECTIONS = (24, 20, 20)
"""Rotary frequencies of time, height and width: ``Qwen3OmniMoeThinkerTextRotaryEmbedding``'s own
where the config gives none."""

_QUANTIZATION_KEYS = ("quantization_config", "quantization", "compression_config")


def read_thinker(thinker: Section, family: ThinkerFamily, *, name: str, source: str) -> ThinkerSpec:
    """Return the spec of one thinker section.

    Raises
    ------
    InputFileError
        A size is missing.
    InvalidValueError
        A field has the wrong type or an impossible value.
    UnsupportedModelError
        The config asks for something that changes cost and is not modelled here.
    """
    fallbacks = FALLBACKS[family]
    audio = thinker.child("audio_config", fallbacks.get("audio_config", {}))
    vision = thinker.child("vision_config", {})
    text = thinker.child("text_config", fallbacks["text_config"])
    for section in (thinker, audio, vision, text):
        refuse_quantization(section)
    modern = family == "qwen3-omni"
    tied = thinker.flag("tie_word_embeddings")
    return ThinkerSpec(
        name=name,
        family=family,
        text=_qwen3_text(text, tied=tied) if modern else _qwen25_text(text, tied=tied),
        audio=_audio(audio, modern=modern),
        vision=_vision(vision, modern=modern),
        tokens=_token_ids(thinker),
        position_ids_per_second=thinker.size("position_id_per_seconds"),
        seconds_per_window=None if modern else thinker.size("seconds_per_chunk"),
        source=source,
        config=copy.deepcopy(dict(thinker.values)),
    )


def refuse_quantization(section: Section) -> None:
    """Refuse a config whose weights are quantised: their bytes and kernels are not modelled."""
    for key in _QUANTIZATION_KEYS:
        if section.values.get(key) is not None:
            raise UnsupportedModelError(
                section.place,
                f"{key} is set, and the cost of quantised weights is not modelled",
                "give the config of the unquantised model",
            )


def _qwen25_text(text: Section, *, tied: bool) -> TextSpec:
    layers, hidden, heads = stack_sizes(text)
    _refuse_sliding_layers(text, layers)
    return TextSpec(
        layers=layers,
        hidden_size=hidden,
        intermediate_size=text.size("intermediate_size"),
        heads=heads,
        kv_heads=key_value_heads(text, heads),
        head_dim=quotient_head_dim(text, hidden, heads),
        vocab_size=text.size("vocab_size"),
        tied_embeddings=tied,
        qkv_bias=True,
        rotary=read_rotary(text),
    )


def _qwen3_text(text: Section, *, tied: bool) -> TextSpec:
    layers, hidden, heads = stack_sizes(text)
    if text.optional_size("sliding_window") is not None:
        _refuse_sliding(text, "sliding_window is set, and every layer's cache would be cut to it")
    kv_heads = text.size("num_key_value_heads")
    text.divides("num_key_value_heads", kv_heads, heads, f"{heads} query heads")
    bias = text.flag("attention_bias")
    return TextSpec(
        layers=layers,
        hidden_size=hidden,
        intermediate_size=text.size("intermediate_size"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=text.size("head_dim"),
        vocab_size=text.size("vocab_size"),
        tied_embeddings=tied,
        qkv_bias=bias,
        output_bias=bias,
        qk_norm=True,
        rotary=read_rotary(text, sections=_ROTARY_SECTIONS),
        experts=_experts(text, layers),
    )


def _experts(text: Section, layers: int) -> ExpertsSpec | None:
    experts = text.count("num_experts")
    if experts == 0:
        return None
    chosen = text.size("num_experts_per_tok")
    if chosen > experts:
        raise InvalidValueError(
            text.place, "num_experts_per_tok", f"at most the {experts} experts", chosen
        )
    step, plain = text.size("decoder_sparse_step"), text.layer_numbers("mlp_only_layers")
    return ExpertsSpec(
        experts=experts,
        experts_per_token=chosen,
        intermediate_size=text.size("moe_intermediate_size"),
        dense_layers=_dense_layers(layers, step, plain),
    )


def _dense_layers(layers: int, step: int, plain: tuple[int, ...]) -> tuple[int, ...]:
    """Layers with a plain FFN: those named, and those that the sparse step passes over."""
    if step == 1:
        return tuple(sorted(i for i in set(plain) if i < layers))
    return tuple(i for i in range(layers) if i in plain or (i + 1) % step)


def _refuse_sliding_layers(text: Section, layers: int) -> None:
    """Refuse a Qwen2.5 config in which some layer would attend through a sliding window."""
    kinds = text.layer_names("layer_types", layers)
    if kinds is not None:
        other = sorted(set(kinds) - {"full_attention"})
        if other:
            _refuse_sliding(text, f"layer_types asks for {', '.join(other)}")
        return
    if not text.flag("use_sliding_window") or text.says_null("sliding_window"):
        return
    first = text.count("max_window_layers")
    if first < layers:
        _refuse_sliding(text, f"use_sliding_window is true for layers {first} to {layers - 1}")


def _refuse_sliding(text: Section, reason: str) -> None:
    raise UnsupportedModelError(
        text.place,
        f"{reason}, and sliding-window attention is not modelled",
        "only full attention is",
    )


def _audio(audio: Section, *, modern: bool) -> AudioEncoderSpec:
    hidden = audio.size("d_model", "hidden_size")
    heads = audio.size("encoder_attention_heads", "num_attention_heads")
    audio.divides("encoder_attention_heads", heads, hidden, f"hidden size {hidden}")
    chunk = block = 2 * audio.size("n_window")
    if modern:
        block = audio.size("n_window_infer") // chunk * chunk
        if block == 0:
            raise InvalidValueError(
                audio.place,
                "n_window_infer",
                f"at least one chunk of 2 x n_window = {chunk} mel frames",
                audio.size("n_window_infer"),
            )
    return AudioEncoderSpec(
        layers=audio.size("encoder_layers", "num_hidden_layers"),
        hidden_size=hidden,
        heads=heads,
        intermediate_size=audio.size("encoder_ffn_dim", "intermediate_size"),
        output_size=audio.size("output_dim"),
        mel_bins=audio.size("num_mel_bins"),
        mel_frames_per_chunk=chunk,
        mel_frames_per_block=block,
        downsample_size=audio.size("downsample_hidden_size") if modern else None,
        chunks_at_once=audio.size("conv_chunksize") if modern else None,
    )


def _vision(vision: Section, *, modern: bool) -> VisionEncoderSpec:
    layers = vision.size("depth", "num_hidden_layers")
    hidden = vision.size("hidden_size")
    heads = vision.size("num_heads", "num_attention_heads")
    vision.divides("num_heads", heads, hidden, f"hidden size {hidden}")
    full: tuple[int, ...] = ()
    if not modern:
        named = set(vision.layer_numbers("fullatt_block_indexes"))
        full = tuple(sorted(i for i in named if i < layers))
    return VisionEncoderSpec(
        layers=layers,
        hidden_size=hidden,
        heads=heads,
        intermediate_size=vision.size("intermediate_size"),
        output_size=vision.size("out_hidden_size"),
        patch_size=vision.size("patch_size"),
        temporal_patch_size=vision.size("temporal_patch_size"),
        merge_size=vision.size("spatial_merge_size"),
        in_channels=vision.size("in_channels"),
        ffn_matrices=2 if modern else 3,
        window_pixels=None if modern else vision.size("window_size"),
        full_attention_layers=full,
        deepstack_layers=vision.layer_numbers("deepstack_visual_indexes") if modern else (),
        position_embeddings=vision.size("num_position_embeddings") if modern else None,
    )


def _token_ids(thinker: Section) -> TokenIds:
    """Token ids, whichever spelling the file uses (``audio_token_index`` or ``..._id``)."""
    return TokenIds(
        audio=thinker.token_id("audio_token_id", "audio_token_index"),
        video=thinker.token_id("video_token_id", "video_token_index"),
        image=thinker.token_id("image_token_id", "image_token_index"),
        audio_start=thinker.token_id("audio_start_token_id"),
        audio_end=thinker.token_id("audio_end_token_id"),
        vision_start=thinker.token_id("vision_start_token_id"),
        vision_end=thinker.token_id("vision_end_token_id"),
    )
