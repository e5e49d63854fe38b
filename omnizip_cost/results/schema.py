"""What one measured row holds: columns, units, and the key that says which cell it belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from math import isfinite, isnan
from types import NoneType
from typing import Any, Self, get_args, get_type_hints

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.results.row import FlatRow

STAGES = ("audio_encoder", "vision_encoder", "assembly", "selection", "prefill", "decode")
"""Parts of one pass, none inside another's time.

``assembly`` is what the thinker does outside all others before decoding: token embedding,
writing features into the embeddings, positions.
"""

STATUSES = ("ok", "oom", "failed")
"""``ok`` and ``oom`` are results; ``failed`` is tried again by the next run."""

STATUS_WORDS = {"oom": "out of memory", "failed": "failed"}
"""What tables and figures write where a status leaves no measurement."""

WEIGHTS = ("random", "checkpoint")

ORDERS = ("alone", "interleaved")

EXECUTIONS = ("stock", "graph")
"""``stock``: every operator dispatched by Python, a cache that grows. ``graph``: decode with a
static cache, replayed as one CUDA graph a step (on a CPU: the static cache alone)."""

IDENTITY_FIELDS = (
    "device",
    "cpu",
    "torch",
    "transformers",
    "cuda",
    "driver",
    "torch_threads",
    "package_version",
)
"""What must be equal for two measurements to be comparable."""

_CELL_FIELDS = (
    "environment_id",
    "model",
    "weights",
    "device",
    "dtype",
    "attention",
    "execution",
    "clip",
    "full_tokens",
    "audio_tokens",
    "video_tokens",
    "method",
    "mode",
    "label",
    "retained",
    "rho_a",
    "rho_v",
    "fastv_layer",
    "fastv_form",
    "decode_steps",
    "seed",
)

_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}

CellKey = tuple[str | int | float | None, ...]


def environment_id(record: Mapping[str, Any]) -> str:
    """Return a short id of the facts that must agree before two rows may be compared.

    Temperature, load, date and commit do not enter: they describe a session, not a machine.
    """
    identity = {name: record.get(name) for name in IDENTITY_FIELDS}
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow(FlatRow):
    """One stage of one cell, measured: raw samples, warm-ups apart, memory and doubts."""

    environment_id: str
    model: str
    weights: str
    """"random" or "checkpoint"."""
    device: str
    """The device's name, e.g. "NVIDIA H100 80GB HBM3"."""
    dtype: str
    attention: str
    clip: str
    """Name of the workload."""
    method: str
    mode: str
    label: str
    retained: float | None
    """Nominal share of audio+video tokens asked for."""
    realised: float | None = None
    """Share of audio+video tokens really kept."""
    rho_a: float | None = None
    rho_v: float | None = None
    fastv_layer: int | None = None
    fastv_form: str | None = None
    seed: int = 0
    full_tokens: int
    """Prompt tokens before compression, text included."""
    kept_tokens: int | None = None
    """Prompt tokens in the last decoder layer, text included."""
    text_tokens: int
    av_tokens: int
    av_kept: int | None = None
    audio_tokens: int
    audio_kept: int | None = None
    video_tokens: int
    video_kept: int | None = None
    tokens_per_grid: int | None = None
    """Video tokens of one temporal grid. This and the next six say what selection and encoders
    worked on; rows measured before they were noted lack them: their selection is not counted."""
    mel_frames: int | None = None
    """Log-mel frames behind the audio."""
    anchor_share: float | None = None
    merge: int | None = None
    video_windows: tuple[int, ...] = ()
    """Video tokens of each window, in prompt order."""
    audio_windows: tuple[int, ...] = ()
    grid_thw: tuple[int, ...] = ()
    """Patches of the video: time, height, width."""
    decode_steps: int
    execution: str = "stock"
    """How the passes were run: one of :data:`EXECUTIONS`."""
    stage: str
    median_s: float | None = None
    low_s: float | None = None
    """First quartile of the samples."""
    high_s: float | None = None
    """Third quartile of the samples."""
    samples_s: tuple[float, ...] = ()
    order: str = "alone"
    """"interleaved": sample i of every such cell is of round i; "alone": cell after cell."""
    warmup_s: tuple[float, ...] = ()
    peak_allocated_bytes: int | None = None
    """CUDA: most bytes held by tensors during this stage."""
    peak_reserved_bytes: int | None = None
    """CUDA: most bytes the caching allocator held during this stage."""
    resident_bytes: int | None = None
    """CPU: most resident bytes of the process during this stage, Python and libraries included."""
    resident_base_bytes: int | None = None
    """CPU: resident bytes before the pass; the difference is the pass's own."""
    memory_source: str | None = None
    """How the peak was read, e.g. "kernel high-water mark"."""
    status: str = "ok"
    reason: str = ""
    """Why the status is not "ok"; empty otherwise."""
    doubts: tuple[str, ...] = ()
    """Why not to trust this row: few samples, wide spread, throttling."""
    scores: str = "encoder"
    """Where audio scores came from: "encoder" or "random-weights encoder"."""
    package_version: str = ""
    started_utc: str = ""
    """When the cell's first sample was taken; empty in rows measured before it was noted."""
    created_utc: str = ""
    """When the row was last written: after its last sample."""

    def __post_init__(self) -> None:
        _one_of("stage", self.stage, STAGES)
        _one_of("status", self.status, STATUSES)
        _one_of("weights", self.weights, WEIGHTS)
        _one_of("order", self.order, ORDERS)
        _one_of("execution", self.execution, EXECUTIONS)
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name.endswith(("_tokens", "_kept", "_bytes", "_steps")):
                _whole(item.name, value)
        for name in ("samples_s", "warmup_s"):
            if any(not isfinite(value) or value < 0 for value in getattr(self, name)):
                raise InvalidValueError(
                    "measurement", name, "finite seconds, 0 or more", getattr(self, name)
                )
        if self.status == "ok" and (self.median_s is None or not self.samples_s):
            raise InvalidValueError(
                "measurement", "samples_s", "filled when the status is 'ok'", self.samples_s
            )

    @property
    def cell_key(self) -> CellKey:
        """What identifies the cell: settings, prompt and environment; known before it runs."""
        return cell_key({name: getattr(self, name) for name in _CELL_FIELDS})

    @property
    def key(self) -> CellKey:
        """What identifies the row: the cell and the stage, nothing that was measured."""
        return (*self.cell_key, self.stage)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build a row from a table's record: NaN means absent, lists become tuples.

        Raises
        ------
        UnknownNameError
            A column this row does not have.
        InvalidValueError
            A column that is missing, or a value of the wrong kind.
        """
        return cls(**record_of(cls, values))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow(FlatRow):
    """One group of operators of one profiled pass (torch.profiler adds its own overhead)."""

    model: str
    method: str
    label: str
    retained: float | None
    device: str
    clip: str
    decode_steps: int
    phase: str
    """"prefill" (encoders and selection included) or "decode" (all steps together)."""
    group: str
    """Part of the model: audio_encoder, vision_encoder, selection, attention, mlp, norm, ..."""
    operator_class: str
    calls: int
    """Operators run; one inside another of its kind (addmm in linear) is not counted again."""
    self_cpu_s: float
    """Host time inside these operators, children apart; all calls together."""
    self_device_s: float
    """Time of the kernels they launched; 0 on the CPU."""
    flops_reported: int
    """FLOPs as torch.profiler reports them: 2 per multiply-add; fused attention counts none."""


def cell_key(values: Mapping[str, Any]) -> CellKey:
    """Return the key of the cell with these settings (floats to nine digits)."""
    picked = (values.get(name) for name in _CELL_FIELDS)
    return tuple(round(item, 9) if isinstance(item, float) else item for item in picked)


def _one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidValueError("measurement", field, f"one of {', '.join(known)}", value)


def _whole(field: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidValueError("measurement", field, "a whole number, 0 or more", value)


def record_of(cls: type[FlatRow], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's record as arguments of a row class: NaN is absent, lists become tuples.

    Raises
    ------
    UnknownNameError
        A column that the row does not have.
    InvalidValueError
        A column that is missing, or a value of the wrong kind.
    """
    hints = get_type_hints(cls)
    for name in values:
        if name not in hints:
            raise UnknownNameError(f"column of {cls.__name__}", str(name), hints)
    ready: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if item.name in values:
            ready[item.name] = _converted(item.name, values[item.name], hints[item.name])
        elif item.default is MISSING:
            raise InvalidValueError(
                cls.__name__, item.name, "a column of the table", "no such column"
            )
    return ready


def _converted(field: str, value: Any, hint: Any) -> Any:
    """Turn one cell of a table into the declared kind."""
    kinds = get_args(hint)
    if kinds and kinds[-1] is Ellipsis:
        return () if _absent(value) else _listed(field, value, kinds[0])
    kind = next(item for item in kinds if item is not NoneType) if kinds else hint
    if _absent(value):
        if NoneType in kinds:
            return None
        if kind is str:
            return ""
        raise InvalidValueError("measurement", field, _KINDS[kind], value)
    try:
        ready = kind(value)
    except (TypeError, ValueError):
        ready = None
    if ready is None or (kind in (int, bool) and ready != value):
        raise InvalidValueError("measurement", field, _KINDS[kind], value)
    return ready


def _listed(field: str, value: Any, kind: Any) -> tuple[Any, ...]:
    """Turn a list into a tuple of the declared kind."""
    try:
        if isinstance(value, list | tuple):
            return tuple(kind(item) for item in value)
    except (TypeError, ValueError):
        pass
    raise InvalidValueError("measurement", field, f"a list, {_KINDS[kind]} each", value)


def _absent(value: Any) -> bool:
    """None, NaN, or pandas' NA (told by its name: this module does not load pandas)."""
    return (
        value is None
        or type(value).__name__ == "NAType"
        or (isinstance(value, float) and isnan(value))
    )
