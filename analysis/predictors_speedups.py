"""Predicted speed-ups of prefill and decode, predictor by predictor, on the same plans.

The prompt is a bare count of audio+video tokens; a share of them enters the decoder. Nothing else
is in the sum: no encoders, no selection. Which is what a ratio of FLOPs speaks of, and what a
predictor of a decoder can be asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import predictors_aiconfigurator as aiconfigurator
from predictors_ours import DECODE, PREFILL, gains
from predictors_tables import FLOPS, SECONDS, Speedup

import omnizip_cost as oz
from omnizip_cost.compression import Plan
from omnizip_cost.cost.conventions import CONVENTIONS, EQ9_DECODE_STEPS
from omnizip_cost.cost.executed import executed_listing
from omnizip_cost.hardware import Device, load_device
from omnizip_cost.specs import ThinkerSpec, require_thinker

TOKENS = 16_384
RETAINED = (0.7, 0.5, 0.35, 0.25, 0.1)
MODELS = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")
DEVICES = tuple(aiconfigurator.SYSTEMS)
"""Those whose kernels were measured."""
STEPS = EQ9_DECODE_STEPS
"""R: tokens decoded after each prefill."""

FULL = 1.0
"""Share kept of the full prompt."""

Estimate = Mapping[str, float]
"""FLOPs or seconds of each phase; of decode, per token."""

COUNTED: Mapping[str, str] = {
    "Eq. 9": "eq9",
    "FLOPs, torch": "torch",
    "FLOPs, sdpa": "sdpa",
    "FLOPs, hardware": "hardware",
}
"""Predictors that take a ratio of FLOPs for a speed-up, and the convention they count by."""
ROOFLINE, AICONFIGURATOR = "roofline", "AIConfigurator"
OURS = {"ours, ideal": "ideal", "ours, hf-sdpa": "hf-sdpa"}
"""Ours, by the backend that runs the model."""


def plans(spec: ThinkerSpec, tokens: int, retained: Sequence[float]) -> dict[float, Plan]:
    """Plans by the share that is kept before layer 1; 1 is the full prompt."""
    work = oz.bare_workload(tokens)
    kept = {ratio: oz.plan("random", work, spec, retained=ratio) for ratio in retained}
    return {FULL: oz.plan("full", work, spec)} | kept


def speedups(
    models: Sequence[str] = MODELS,
    devices: Sequence[str] = DEVICES,
    tokens: int = TOKENS,
    retained: Sequence[float] = RETAINED,
) -> Iterator[Speedup]:
    """Ask every predictor about every plan."""
    for name in models:
        spec = require_thinker(oz.load_spec(name))
        chosen = plans(spec, tokens, retained)
        for predictor, convention in COUNTED.items():
            flops = {ratio: counted(spec, plan, convention) for ratio, plan in chosen.items()}
            yield from _rows(predictor, FLOPS, name, "", chosen, flops)
        for device in devices:
            yield from _timed(spec, device, chosen)


def _timed(spec: ThinkerSpec, device: str, chosen: Mapping[float, Plan]) -> Iterator[Speedup]:
    """Ask every predictor that knows a device."""
    known = load_device(device)
    seconds = {ratio: roofline_s(spec, plan, known) for ratio, plan in chosen.items()}
    yield from _rows(ROOFLINE, SECONDS, spec.name, device, chosen, seconds)
    with _engine(spec, device) as engine:
        if engine is not None:
            asked = {ratio: _composed(engine, plan) for ratio, plan in chosen.items()}
            yield from _rows(AICONFIGURATOR, SECONDS, spec.name, device, chosen, asked)
    for predictor, backend in OURS.items():
        yield from _our_rows(predictor, backend, spec, device, chosen)


def _our_rows(
    predictor: str, backend: str, spec: ThinkerSpec, device: str, chosen: Mapping[float, Plan]
) -> Iterator[Speedup]:
    """Give our own speed-ups, with their intervals."""
    for ratio, plan in chosen.items():
        if ratio == FULL:
            continue
        for phase, gain in gains(spec, chosen[FULL], plan, device, backend, STEPS).items():
            row = _row(predictor, SECONDS, spec.name, device, phase, ratio, plan,
                       gain.full_s, gain.kept_s)  # fmt: skip
            yield replace(row, speedup_low=gain.low, speedup_high=gain.high)


def _rows(
    predictor: str,
    predicts: str,
    model: str,
    device: str,
    chosen: Mapping[float, Plan],
    estimates: Mapping[float, Estimate],
) -> Iterator[Speedup]:
    """Divide the full prompt's estimate by that of each plan."""
    for phase in (PREFILL, DECODE):
        for ratio, plan in chosen.items():
            if ratio != FULL:
                full, kept = estimates[FULL][phase], estimates[ratio][phase]
                yield _row(predictor, predicts, model, device, phase, ratio, plan, full, kept)


def _row(
    predictor: str,
    predicts: str,
    model: str,
    device: str,
    phase: str,
    retained: float,
    plan: Plan,
    full: float,
    kept: float,
) -> Speedup:
    return Speedup(
        predictor=predictor,
        predicts=predicts,
        model=model,
        device=device,
        phase=phase,
        tokens=plan.av_tokens,
        retained=retained,
        kept_tokens=plan.kept_tokens,
        linear=plan.av_tokens / plan.kept_tokens,
        full=full,
        kept=kept,
        speedup=full / kept,
    )


def counted(spec: ThinkerSpec, plan: Plan, convention: str) -> Estimate:
    """FLOPs of the decoder and what the convention counts of its head; of decode, per token."""
    rows = oz.count(spec, plan, convention, STEPS)
    total = {phase: sum(r.flops for r in rows if r.phase == phase) for phase in (PREFILL, DECODE)}
    return {PREFILL: total[PREFILL], DECODE: total[DECODE] / STEPS}


def roofline_s(spec: ThinkerSpec, plan: Plan, device: Device) -> Estimate:
    """Each operator of an ideal engine at the peak or at the bandwidth, whichever is slower.

    What LLM-Viewer computes (Yuan et al., "LLM Inference Unveiled", arXiv 2402.16363, Sec. 2.2),
    on this package's list of operators, without an efficiency.
    """
    listing = executed_listing(spec, plan, CONVENTIONS["hardware"], STEPS, None)
    assert listing is not None
    total = {PREFILL: 0.0, DECODE: 0.0}
    for op in listing.ops:
        compute_s = 2 * op.multiply_adds / device.peak("bf16")
        transfer_s = (op.bytes_read + op.bytes_written) / device.bandwidth_bytes_per_s
        total[op.phase] += max(compute_s, transfer_s)
    return {PREFILL: total[PREFILL], DECODE: total[DECODE] / STEPS}


def _engine(
    spec: ThinkerSpec, device: str
) -> AbstractContextManager[aiconfigurator.Decoder | None]:
    known = aiconfigurator.installed() is not None
    return aiconfigurator.decoder(spec.text, device) if known else nullcontext()


def _composed(engine: aiconfigurator.Decoder, plan: Plan) -> Estimate:
    tokens = plan.kept_tokens
    return {
        PREFILL: engine.prefill_s(tokens),
        DECODE: engine.decode_s_per_token(tokens, STEPS),
    }
