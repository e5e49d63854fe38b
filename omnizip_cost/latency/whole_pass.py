"""Prediction of a whole pass: which operators run, how long each takes, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost import CONVENTIONS, EQ9_DECODE_STEPS, SelectionOp, selection_ops
from omnizip_cost.cost.executed import (
    ASSEMBLY_UNLISTED,
    ExecutedOp,
    Listing,
    assembly_executed,
    executed_listing,
)
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory import memory_peak
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware.device import Device
from omnizip_cost.hardware.load import load_device
from omnizip_cost.latency.assumptions import host_seconds
from omnizip_cost.latency.backends import Backend, require_backend
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.error_model import ErrorModel
from omnizip_cost.latency.operator_times import Machine, timed_ops
from omnizip_cost.latency.prediction import Prediction
from omnizip_cost.latency.schemes import Scheme
from omnizip_cost.latency.selection_times import timed_selection
from omnizip_cost.latency.stages import stage_time
from omnizip_cost.latency.timed_op import TimedOp
from omnizip_cost.results.schema import STAGES
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec
from omnizip_cost.workload.workload import Workload

MOST_STEPS = 1_000_000
"""More decode steps than this are taken for a mistake."""


class _Listed(NamedTuple):
    """Operators that run, and what is known to run beside them."""

    ops: tuple[ExecutedOp, ...]
    unlisted: tuple[str, ...]


def predict(
    spec: ModelSpec,
    plan: Plan,
    device: str | Device,
    *,
    workload: Workload | None = None,
    backend: str = "hf-sdpa",
    dtype: str = "bf16",
    weight_dtype: str | None = None,
    cache_dtype: str | None = None,
    decode: int = EQ9_DECODE_STEPS,
    calibration: Calibration | None = None,
) -> Prediction:
    """How long one plan takes on one device, stage by stage, with an interval.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
    device : str or Device
        A bundled device, the path of a TOML file of one's own, or a record of either.
    workload : Workload, optional
        The clip behind the plan: adds its encoders, of which a plan does not know the sizes.
    backend : {"hf-eager", "hf-sdpa", "hf-graphs", "compiled", "ideal"}
        What executes the model (:data:`~omnizip_cost.latency.backends.BACKENDS`).
    dtype : {"bf16", "fp16", "fp32"}
        Of activations and products.
    weight_dtype, cache_dtype : str, optional
        How the matrices of the decoder's layers, and cached keys and values, are stored: ``dtype``
        where left out, or ``fp8``, ``int8``, ``int4``
        (:class:`~omnizip_cost.latency.schemes.Scheme` says what multiplies them).
    decode : int
        R: decode steps after the first token; step i sees the cached tokens and i more.
    calibration : Calibration, optional
        What was measured on this machine; else the stated assumptions hold.

    Raises
    ------
    UnknownNameError
        No such device or backend, or the device has no peak for the format.
    InvalidValueError
        A format or a number of steps that cannot be, a plan that leaves a layer no token, or a
        calibration of another device.
    """
    engine = require_backend(backend)
    card = device if isinstance(device, Device) else load_device(device)
    _require_steps(decode)
    _require_tokens(plan)
    scheme = Scheme.of(Formats.of(dtype, weight_dtype, cache_dtype), card)
    measured = calibration or Calibration.none()
    _require_own(measured, card)
    machine = Machine.of(card, scheme, measured)
    listed = _listed(spec, plan, engine, scheme.formats, decode, workload)
    by_stage: dict[str, list[TimedOp]] = {name: [] for name in STAGES}
    for name, ops in _by_stage(listed.ops).items():
        by_stage[name] += timed_ops(machine, ops, name)
    steps = selection_ops(spec, plan, dtype=scheme.formats.torch_dtype)
    by_stage["selection"] += timed_selection(machine, steps or ())
    host_s = host_seconds(card).value if measured.host_s is None else measured.host_s
    errors = ErrorModel.of(card, measured)
    stages = tuple(
        stage_time(
            name,
            ops,
            host_s if engine.dispatches(name, card) else 0.0,
            errors,
            asynchronous=card.asynchronous,
        )
        for name, ops in by_stage.items()
        if ops
    )
    return Prediction(
        spec=spec,
        plan=plan,
        device=card,
        backend=engine,
        scheme=scheme,
        calibration=measured,
        errors=errors,
        decode_steps=decode,
        stages=stages,
        ops=tuple(op for ops in by_stage.values() for op in ops),
        launch_s=machine.launch_s,
        host_s=host_s,
        memory=memory_peak(
            spec,
            plan,
            workload,
            backend=engine.name,
            dtype=scheme.formats.dtype,
            weight_dtype=scheme.formats.weight_dtype,
            cache_dtype=scheme.formats.cache_dtype,
            decode_steps=decode,
        ),
        preprocessing_s=_preprocessing_s(measured, workload),
        unlisted=(*listed.unlisted, *_untold(plan, steps)),
    )


def _require_steps(decode: object) -> None:
    whole = isinstance(decode, int) and not isinstance(decode, bool)
    if not whole or not 0 <= decode <= MOST_STEPS:  # type: ignore[operator]
        raise InvalidValueError(
            "predict", "decode", f"a whole number from 0 to {MOST_STEPS:,}", decode
        )


def _require_own(calibration: Calibration, card: Device) -> None:
    """Refuse numbers that were fitted on another device; those given by hand go with any."""
    if calibration.fit is not None and calibration.fit.device != card.name:
        raise InvalidValueError(
            "predict", "calibration", f"one of {card.name}", f"one of {calibration.fit.device}"
        )


def _require_tokens(plan: Plan) -> None:
    """Refuse a plan that leaves a layer without tokens: the real model cannot run it."""
    fewest = min(plan.layer_tokens)
    if fewest < 1:
        raise InvalidValueError(
            f"plan of {plan.method} at {plan.retained:.0%}",
            "tokens left",
            "at least 1 in each layer",
            fewest,
            "no model runs on none",
        )


def _listed(
    spec: ModelSpec,
    plan: Plan,
    backend: Backend,
    formats: Formats,
    decode: int,
    workload: Workload | None,
) -> _Listed:
    """Operators of decoder, head, encoders and assembly under one backend."""
    listing = _engine_listing(spec, plan, backend, formats, decode, workload)
    unlisted = [f"{name}: operators of this model are not listed" for name in listing.unlisted]
    ops = list(listing.ops)
    if backend.engine != "ideal":
        ops = [op for op in ops if not _is_prompt_lookup(op)]
        ops += assembly_executed(spec, plan, formats.width)
    if plan.windows and isinstance(spec, ThinkerSpec):
        if backend.engine != "ideal":
            unlisted.append(ASSEMBLY_UNLISTED)
        if workload is None:
            unlisted.append("audio_encoder, vision_encoder: the clip itself was not given")
    return _Listed(tuple(ops), tuple(unlisted))


def _engine_listing(
    spec: ModelSpec,
    plan: Plan,
    backend: Backend,
    formats: Formats,
    decode: int,
    workload: Workload | None,
) -> Listing:
    convention, dtype = CONVENTIONS[backend.convention], formats.torch_dtype
    listing = executed_listing(
        spec,
        plan,
        convention,
        decode,
        workload,
        attention=backend.attention,
        dtype=dtype,
        compiled=backend.engine == "compiled",
        static_cache=backend.replayed,
    )
    if listing is None:
        raise InvalidValueError(
            f"backend {backend.name!r}", "convention", "one that something executes", convention
        )
    return listing


def _untold(plan: Plan, steps: Sequence[SelectionOp] | None) -> tuple[str, ...]:
    """Why tokens are chosen in no time at all, where they are."""
    if steps is None:
        return ("selection: the method does not state its steps",)
    if not steps and plan.kept_tokens < plan.av_tokens + plan.text_tokens:
        return ("selection: a bare count of tokens has no layout to choose in",)
    return ()


def _is_prompt_lookup(op: ExecutedOp) -> bool:
    """Whether it looks up the prompt's rows: assembly lists that."""
    return op.operator == "embedding" and op.phase == "prefill"


def _by_stage(ops: Iterable[ExecutedOp]) -> dict[str, list[ExecutedOp]]:
    """Operators by the stage that they run in."""
    found: dict[str, list[ExecutedOp]] = {}
    for op, stage in _staged(ops):
        found.setdefault(stage, []).append(op)
    return found


def _staged(ops: Iterable[ExecutedOp]) -> Iterator[tuple[ExecutedOp, str]]:
    for op in ops:
        if op.component in ("audio_encoder", "vision_encoder", "assembly"):
            yield op, op.component
        elif _is_prompt_lookup(op):
            yield op, "assembly"
        else:
            yield op, op.phase


def _preprocessing_s(calibration: Calibration, workload: Workload | None) -> float | None:
    """Host seconds for log-mel and for cutting resized frames, where both were measured."""
    mel, patch = calibration.mel_s_per_s, calibration.patch_s_per_pixel
    if workload is None or mel is None or patch is None:
        return None
    pixels = workload.frames * workload.frame_height * workload.frame_width
    return mel * workload.audio_seconds + patch * pixels
