"""The spec: frozen facts about one model, an omnimodal thinker or a decoder alone.

Letters follow the paper: ``d`` hidden size, ``m`` FFN width, ``h`` query heads, ``g`` key/value
heads, ``a`` head size, ``T`` layers, ``V`` vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from omnizip_cost.errors import InvalidValueError, UnsupportedModelError

ThinkerFamily = Literal["qwen2.5-omni", "qwen3-omni"]
DecoderFamily = Literal["llama", "mistral", "qwen2", "qwen3", "phi3"]
Family = ThinkerFamily | DecoderFamily


def _require_positive(record: object, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise InvalidValueError(type(record).__name__, name, "a positive whole number", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertsSpec:
    """Mixture of experts in place of the FFN."""

    experts: int
    experts_per_token: int
    intermediate_size: int
    dense_layers: tuple[int, ...] = ()
    """Layers that keep a plain FFN."""

    def __post_init__(self) -> None:
        _require_positive(self, "experts", "experts_per_token", "intermediate_size")
        if self.experts_per_token > self.experts:
            raise InvalidValueError(
                "ExpertsSpec",
                "experts_per_token",
                f"at most {self.experts}",
                self.experts_per_token,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RotarySpec:
    """How queries and keys are turned by their positions: operators, not FLOPs, depend on it."""

    kind: str = "default"
    """``rope_type``: where the frequencies come from."""
    part: float = 1.0
    """Share of each head that is turned."""
    sections: tuple[int, int, int] | None = None
    """Frequencies of time, height and width, where height's and width's are written between
    time's (Qwen3-Omni); None elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec:
    """The decoder stack and its vocabulary."""

    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    tied_embeddings: bool
    qkv_bias: bool
    output_bias: bool = False
    ffn_bias: bool = False
    qk_norm: bool = False
    ffn_matrices: int = 3
    experts: ExpertsSpec | None = None
    sliding_window: int | None = None
    """W, keys that a query of a sliding layer sees, its own among them; None: no layer slides."""
    sliding_layers: tuple[int, ...] = ()
    """Layers that attend through the window; the others attend to all."""
    rotary: RotarySpec = RotarySpec()

    def __post_init__(self) -> None:
        _require_positive(
            self,
            "layers",
            "hidden_size",
            "intermediate_size",
            "heads",
            "kv_heads",
            "head_dim",
            "vocab_size",
            "ffn_matrices",
        )
        if self.heads % self.kv_heads:
            raise InvalidValueError(
                "TextSpec", "kv_heads", f"a divisor of the {self.heads} query heads", self.kv_heads
            )
        if self.sliding_window is not None:
            _require_positive(self, "sliding_window")
        if (self.sliding_window is None) != (not self.sliding_layers):
            raise InvalidValueError(
                "TextSpec", "sliding_layers", "given with sliding_window", self.sliding_layers
            )
        if not all(0 <= layer < self.layers for layer in self.sliding_layers):
            raise InvalidValueError(
                "TextSpec",
                "sliding_layers",
                f"layers 0 to {self.layers - 1}",
                self.sliding_layers,
            )

    @property
    def query_width(self) -> int:
        """Width of all query heads together, h * a."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key heads together, g * a; that of the values as well."""
        return self.kv_heads * self.head_dim

    def window_of(self, layer: int) -> int | None:
        """W of a layer that slides; None of one that attends to all."""
        return self.sliding_window if layer in self.sliding_layers else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEncoderSpec:
    """The audio encoder: convolutions, transformer layers in blocks, pooling, projection."""

    layers: int
    hidden_size: int
    heads: int
    intermediate_size: int
    output_size: int
    mel_bins: int
    mel_frames_per_chunk: int
    """Mel frames of one convolution chunk (2 * n_window)."""
    mel_frames_per_block: int
    """Mel frames of one attention block: 200 in Qwen2.5-Omni, 800 in Qwen3-Omni at inference."""
    downsample_size: int | None = None
    """Channels of the three strided 2-D convolutions (Qwen3-Omni); None: two 1-D convolutions."""
    chunks_at_once: int | None = None
    """Chunks that are convolved in one batch (Qwen3-Omni's ``conv_chunksize``); None: all."""

    def __post_init__(self) -> None:
        _require_positive(
            self,
            "layers",
            "hidden_size",
            "heads",
            "intermediate_size",
            "output_size",
            "mel_bins",
            "mel_frames_per_chunk",
            "mel_frames_per_block",
        )
        if self.chunks_at_once is not None:
            _require_positive(self, "chunks_at_once")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionEncoderSpec:
    """The vision encoder: patch embedding, transformer layers, 2 x 2 merger."""

    layers: int
    hidden_size: int
    heads: int
    intermediate_size: int
    output_size: int
    patch_size: int
    temporal_patch_size: int
    merge_size: int
    in_channels: int
    ffn_matrices: int
    """3 when gated (Qwen2.5-Omni), 2 otherwise."""
    window_pixels: int | None
    """Side of an attention window in pixels; None: every layer attends over its whole grid."""
    full_attention_layers: tuple[int, ...] = ()
    deepstack_layers: tuple[int, ...] = ()
    """As published: each has a merger, which runs if the encoder has such a layer."""
    position_embeddings: int | None = None
    """Learned positions (Qwen3-Omni); None: rotary only."""

    def __post_init__(self) -> None:
        _require_positive(
            self,
            "layers",
            "hidden_size",
            "heads",
            "intermediate_size",
            "output_size",
            "patch_size",
            "temporal_patch_size",
            "merge_size",
            "in_channels",
            "ffn_matrices",
        )
        if self.window_pixels is not None and self.window_pixels < self.pixels_per_token:
            raise InvalidValueError(
                "VisionEncoderSpec",
                "window_pixels",
                f"at least the {self.pixels_per_token} pixels of one token",
                self.window_pixels,
            )

    @property
    def pixels_per_token(self) -> int:
        """Side of the square of pixels behind one token (28 in Qwen2.5-Omni, 32 in Qwen3-Omni)."""
        return self.patch_size * self.merge_size

    @property
    def deepstack_mergers_run(self) -> int:
        """Deepstack mergers that run: those whose layer exists."""
        return len({layer for layer in self.deepstack_layers if layer < self.layers})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIds:
    """Ids of the placeholders and marks in the prompt."""

    audio: int
    video: int
    image: int
    audio_start: int
    audio_end: int
    vision_start: int
    vision_end: int

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, int) or value < 0:
                raise InvalidValueError("TokenIds", item.name, "a token id", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model whose cost is known: its decoder, with the source of the facts."""

    name: str
    family: Family
    text: TextSpec
    source: str
    config: Mapping[str, Any] = field(repr=False, compare=False)
    """The part of ``config.json`` that was read, as published, to build the module from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderSpec(ModelSpec):
    """A dense decoder alone: the backbone of an omnimodal model, or a language model."""

    family: DecoderFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkerSpec(ModelSpec):
    """One omnimodal thinker: decoder, both encoders, token ids and timing."""

    family: ThinkerFamily
    audio: AudioEncoderSpec
    vision: VisionEncoderSpec
    tokens: TokenIds
    position_ids_per_second: int
    seconds_per_window: int | None
    """Length of an interleaving window (2 s); None: audio follows each video grid."""

    def __post_init__(self) -> None:
        _require_positive(self, "position_ids_per_second")


def require_thinker(spec: ModelSpec) -> ThinkerSpec:
    """Return ``spec`` where it hears and sees; a decoder alone knows no clip.

    Raises
    ------
    UnsupportedModelError
    """
    if not isinstance(spec, ThinkerSpec):
        raise UnsupportedModelError(
            spec.name,
            f"a decoder of family {spec.family} alone has no audio or vision encoder, so a clip "
            "means nothing to it",
            "count a number of tokens (flops --tokens N) instead",
        )
    return spec
