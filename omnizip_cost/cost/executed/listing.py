"""Which operators run under a convention that describes an execution: stock module or ideal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.conventions import CONVENTIONS
from omnizip_cost.cost.executed.audio import audio_executed
from omnizip_cost.cost.executed.compiled import compiled_decoder
from omnizip_cost.cost.executed.compiled_encoders import compiled_encoder
from omnizip_cost.cost.executed.decoder import decoder_executed
from omnizip_cost.cost.executed.families import why_unlisted
from omnizip_cost.cost.executed.ideal import ideal_decoder
from omnizip_cost.cost.executed.ideal_encoders import ideal_encoders
from omnizip_cost.cost.executed.op import ATTENTION_KINDS, AttentionKind, ExecutedOp
from omnizip_cost.cost.executed.qwen3_audio import qwen3_audio_executed
from omnizip_cost.cost.executed.qwen3_vision import qwen3_vision_executed
from omnizip_cost.cost.executed.vision import vision_executed
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs.spec import (
    AudioEncoderSpec,
    Family,
    ModelSpec,
    ThinkerSpec,
    VisionEncoderSpec,
)
from omnizip_cost.units import BYTES_PER_ELEMENT
from omnizip_cost.workload.workload import Workload

Engine = Literal["stock", "compiled", "ideal"]

_ENGINES: dict[str, Engine] = {
    CONVENTIONS["torch"].choices: "stock",
    CONVENTIONS["sdpa"].choices: "stock",
    CONVENTIONS["hardware"].choices: "ideal",
}
"""What runs, by a convention's choices, whatever its name; any other choices are a formula's."""


class _Audio(Protocol):
    """Operators of an audio encoder on one sound."""

    def __call__(
        self,
        audio: AudioEncoderSpec,
        mel_frames: int,
        kind: AttentionKind,
        width: int,
        *,
        clamped: bool = False,
    ) -> Iterator[ExecutedOp]: ...


class _Vision(Protocol):
    """Operators of a vision encoder on one video."""

    def __call__(
        self,
        vision: VisionEncoderSpec,
        grid_thw: tuple[int, int, int] | None,
        kind: AttentionKind,
        width: int,
    ) -> Iterator[ExecutedOp]: ...


_ENCODERS: dict[Family, tuple[_Audio, _Vision]] = {
    "qwen2.5-omni": (audio_executed, vision_executed),
    "qwen3-omni": (qwen3_audio_executed, qwen3_vision_executed),
}
"""Encoders that are listed as executed, by family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Operators of everything that is known to run, and components of which it is not known."""

    engine: Engine
    ops: tuple[ExecutedOp, ...]
    unlisted: tuple[str, ...] = ()
    """Components whose operators are not listed: their bytes and kernels are unknown."""


def engine_of(convention: Convention) -> Engine | None:
    """Say what a convention describes: the stock module, an ideal engine, or a formula alone."""
    return _ENGINES.get(convention.choices)


def why_encoders_unlisted(spec: ModelSpec) -> str | None:
    """Say why the operators of a thinker's encoders are not listed; None where they are."""
    known = spec.family in _ENCODERS
    return None if known else f"the encoders of family {spec.family} are not listed"


def executed_listing(
    spec: ModelSpec,
    plan: Plan,
    convention: Convention,
    decode_steps: int,
    workload: Workload | None,
    *,
    attention: AttentionKind = "sdpa",
    dtype: str = "bfloat16",
    compiled: bool = False,
    static_cache: bool = False,
) -> Listing | None:
    """Operators of decoder, head and encoders; None under a formula, which nothing executes.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
    convention : Convention
    decode_steps : int
        R, all together.
    workload : Workload, optional
        A clip: its encoders run as well.
    attention : {"sdpa", "math", "eager"}
        Of the stock module.
    dtype : {"bfloat16", "float16", "float32"}
    compiled : bool
        Of the stock module: its products with all between them fused, not operator by operator.
    static_cache : bool
        Of the stock module, operator by operator: decode on a cache of fixed size.

    Raises
    ------
    InvalidValueError
        An unknown attention or dtype, one that skips no pairs under a convention that does, or
        anything compiled, or with a cache of fixed size, but the stock module with fused attention.
    """
    engine = engine_of(convention)
    _check(convention, engine, attention, dtype)
    if engine is None:
        return None
    if (compiled or static_cache) and (engine != "stock" or attention != "sdpa"):
        which = "compiled" if compiled else "static_cache"
        raise InvalidValueError("listing", which, "of the stock module with sdpa", attention)
    width = BYTES_PER_ELEMENT[dtype]
    clip = workload if convention.encoders and isinstance(spec, ThinkerSpec) else None
    if engine == "ideal":
        ops = list(ideal_decoder(spec, plan, convention, decode_steps, width))
        if clip is not None and isinstance(spec, ThinkerSpec):
            ops += ideal_encoders(spec, clip, convention, width)
        return Listing(engine=engine, ops=tuple(ops))
    return _stock_listing(
        spec,
        plan,
        convention,
        decode_steps,
        clip,
        attention,
        dtype,
        compiled=compiled,
        static_cache=static_cache,
    )


def _stock_listing(
    spec: ModelSpec,
    plan: Plan,
    convention: Convention,
    decode_steps: int,
    clip: Workload | None,
    attention: AttentionKind,
    dtype: str,
    *,
    compiled: bool,
    static_cache: bool,
) -> Listing:
    """Operators of the stock modules, one by one or compiled, as far as they are listed."""
    width = BYTES_PER_ELEMENT[dtype]
    ops: list[ExecutedOp] = []
    unlisted: list[str] = []
    longest = max(plan.layer_tokens) + decode_steps
    if why_unlisted(spec, attention=attention, longest=longest) is not None:
        unlisted += ["llm", "lm_head"]
    elif compiled:
        ops += compiled_decoder(spec, plan, convention, decode_steps, width)
    else:
        ops += decoder_executed(
            spec, plan, convention, decode_steps, attention, width, static_cache=static_cache
        )
    if clip is not None and isinstance(spec, ThinkerSpec):
        if why_encoders_unlisted(spec) is not None:
            unlisted += ["audio_encoder", "vision_encoder"]
        else:
            for encoder, stock in _encoders(spec, clip, attention, dtype):
                sizes = (clip.mel_frames, clip.grid_thw, width)
                ops += compiled_encoder(encoder, stock, *sizes) if compiled else stock
    how: Engine = "compiled" if compiled else "stock"
    return Listing(engine=how, ops=tuple(ops), unlisted=tuple(unlisted))


def _encoders(
    spec: ThinkerSpec, clip: Workload, attention: AttentionKind, dtype: str
) -> Iterator[tuple[AudioEncoderSpec | VisionEncoderSpec, Iterator[ExecutedOp]]]:
    """Both encoders, each with its operators one by one."""
    width, clamped = BYTES_PER_ELEMENT[dtype], dtype == "float16"
    heard, seen = _ENCODERS[spec.family]
    yield spec.audio, heard(spec.audio, clip.mel_frames, attention, width, clamped=clamped)
    yield spec.vision, seen(spec.vision, clip.grid_thw, attention, width)


def _check(
    convention: Convention, engine: Engine | None, attention: AttentionKind, dtype: str
) -> None:
    if attention not in ATTENTION_KINDS:
        raise InvalidValueError(
            "account", "attention", f"one of {', '.join(ATTENTION_KINDS)}", attention
        )
    if dtype not in BYTES_PER_ELEMENT:
        known = ", ".join(BYTES_PER_ELEMENT)
        raise InvalidValueError("account", "dtype", f"one of {known}", dtype)
    if engine == "stock" and convention.attention == "causal" and attention != "sdpa":
        raise InvalidValueError(
            "account",
            "attention",
            f"sdpa under {convention.name}, whose pairs only a fused operator can skip",
            attention,
            "take the convention torch for it",
        )
