"""How many weights a model has, module by module, as exact integers.

Each function spells one module out: weight matrices first, then biases and norms. Sources: the
modules of transformers 5.17 and 5.23, models/qwen2_5_omni, qwen3_omni_moe, llama, mistral, qwen2,
qwen3 and phi3; witness: the totals of the classes built on the ``meta`` device.
"""

from __future__ import annotations

from omnizip_cost.specs.spec import (
    AudioEncoderSpec,
    ExpertsSpec,
    Family,
    ModelSpec,
    TextSpec,
    ThinkerSpec,
    VisionEncoderSpec,
)

_KERNEL = 3
"""Side of every convolution of both audio encoders; the patch embedding's is the patch."""

_BOS_EOS = 2
"""Rows of Qwen2.5-Omni's embedding of audio begin and end."""


def parameter_counts(spec: ModelSpec) -> dict[str, int]:
    """Count the weights of each part of the model.

    Returns
    -------
    dict of str to int
        ``audio_encoder`` and ``vision_encoder`` (0 of a decoder alone), ``text_model`` (token
        embedding, layers, last norm), ``lm_head`` (0 when tied to the embedding) and their
        ``total``.

    Examples
    --------
    >>> from omnizip_cost.specs import load_spec
    >>> parameter_counts(load_spec("qwen2.5-omni-7b"))["total"]
    8931813888
    """
    thinker = spec if isinstance(spec, ThinkerSpec) else None
    parts = {
        "audio_encoder": audio_encoder(thinker.audio) if thinker else 0,
        "vision_encoder": vision_encoder(thinker.vision, thinker.family) if thinker else 0,
        "text_model": text_model(spec.text),
        "lm_head": 0 if spec.text.tied_embeddings else spec.text.vocab_size * spec.text.hidden_size,
    }
    return {**parts, "total": sum(parts.values())}


def weights_read_per_pass(spec: ModelSpec) -> int:
    """Count the weights that one pass of the decoder and its head must read at least once.

    Layers, norms and the head, which is as large as the embedding table whether tied to it or not;
    of the table itself a pass looks up single rows. Of a mixture of experts the router and one
    token's experts: a longer prompt reads more of them.

    Returns
    -------
    int
        Weights, not bytes.

    Examples
    --------
    >>> from omnizip_cost.specs import load_spec
    >>> weights_read_per_pass(load_spec("qwen2.5-omni-7b"))
    7070619136
    """
    text, experts = spec.text, spec.text.experts
    if experts is None:
        return text_model(text)
    sparse_layers = text.layers - len(experts.dense_layers)
    one_expert = text.ffn_matrices * text.hidden_size * experts.intermediate_size
    idle = experts.experts - experts.experts_per_token
    return text_model(text) - sparse_layers * idle * one_expert


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


def audio_encoder(audio: AudioEncoderSpec) -> int:
    """Weights of the audio encoder; the sinusoidal positions are not learned."""
    d, m = audio.hidden_size, audio.intermediate_size
    early = audio.downsample_size is None
    attention = 3 * _linear(d, d) + _linear(d, d, bias=not early)
    layer_norm = 2 * d
    layer = attention + _linear(d, m) + _linear(m, d) + 2 * layer_norm
    ends = _one_d_ends(audio) if early else _two_d_ends(audio)
    return audio.layers * layer + layer_norm + ends


def _one_d_ends(audio: AudioEncoderSpec) -> int:
    """Qwen2.5-Omni: two 1-D convolutions, one projection, the begin and end embedding."""
    d, out = audio.hidden_size, audio.output_size
    convolutions = _linear(_KERNEL * audio.mel_bins, d) + _linear(_KERNEL * d, d)
    return convolutions + _linear(d, out) + _BOS_EOS * out


def _two_d_ends(audio: AudioEncoderSpec) -> int:
    """Qwen3-Omni: three strided 2-D convolutions, their projection, two linear layers."""
    d, channels = audio.hidden_size, audio.downsample_size or 0
    bins = audio.mel_bins
    for _ in range(3):
        bins = (bins + 1) // 2  # stride 2, padding 1
    convolutions = _linear(_KERNEL**2, channels) + 2 * _linear(_KERNEL**2 * channels, channels)
    into = _linear(channels * bins, d, bias=False)
    return convolutions + into + _linear(d, d) + _linear(d, audio.output_size)


def vision_encoder(vision: VisionEncoderSpec, family: Family) -> int:
    """Weights of the vision encoder with its merger, deepstack mergers and learned positions."""
    d, m = vision.hidden_size, vision.intermediate_size
    modern = family == "qwen3-omni"
    norm = 2 if modern else 1  # LayerNorm has weight and bias, RMSNorm a weight
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    into_ffn = (vision.ffn_matrices - 1) * _linear(d, m)
    block = 4 * _linear(d, d) + into_ffn + _linear(m, d) + 2 * norm * d
    wide = d * vision.merge_size**2
    merger = _linear(wide, wide) + _linear(wide, vision.output_size)
    return (
        _linear(patch, d, bias=modern)
        + (vision.position_embeddings or 0) * d
        + vision.layers * block
        + merger
        + norm * d
        + len(vision.deepstack_layers) * (merger + norm * wide)
    )


def text_model(text: TextSpec) -> int:
    """Weights of the token embedding, the decoder layers and the last norm."""
    d, experts = text.hidden_size, text.experts
    plain = _feed_forward(text)
    dense_layers = text.layers if experts is None else len(experts.dense_layers)
    feed_forward = dense_layers * plain
    if experts is not None:
        feed_forward += (text.layers - dense_layers) * _mixture(experts, d, text.ffn_matrices)
    layers = text.layers * (_attention(text) + 2 * d) + feed_forward
    return text.vocab_size * d + layers + d


def _attention(text: TextSpec) -> int:
    d, q, kv = text.hidden_size, text.query_width, text.kv_width
    queries_keys_values = _linear(d, q + 2 * kv, bias=text.qkv_bias)
    head_norms = 2 * text.head_dim if text.qk_norm else 0
    return queries_keys_values + _linear(q, d, bias=text.output_bias) + head_norms


def _feed_forward(text: TextSpec) -> int:
    """Matrices of one plain FFN; a bias for each, the last of the hidden size."""
    d, m, matrices = text.hidden_size, text.intermediate_size, text.ffn_matrices
    return matrices * d * m + ((matrices - 1) * m + d if text.ffn_bias else 0)


def _mixture(experts: ExpertsSpec, d: int, matrices: int) -> int:
    """All experts of one layer, used or not, and the router."""
    return experts.experts * (matrices * d * experts.intermediate_size + d)
