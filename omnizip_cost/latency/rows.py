"""A prediction as one flat row, the columns that others rely on first."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.latency.kernels import kernel_uncertainty
from omnizip_cost.latency.prediction import FIRST_TOKEN, Prediction
from omnizip_cost.latency.ratio import Ratio, speedup
from omnizip_cost.results.row import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRow(FlatRow):
    """One plan on one device. Seconds; None where a thing does not exist or is not known."""

    model: str
    device: str
    method: str
    retained: float
    """Nominal ratio."""
    prefill_s: float
    """Decoder and head on the prompt."""
    ttft_s: float
    """Encoders, assembly, selection and prefill, which gives the first token."""
    decode_s_per_token: float | None
    end_to_end_s: float
    """Time to first token and all decode steps."""
    peak_memory_bytes: int
    fits: bool
    """Within what a process can allocate on the device."""
    realised: float
    """Share of audio+video tokens that the plan's counts keep."""
    rho_a: float | None
    rho_v: float | None
    mode: str
    fastv_layer: int | None
    fastv_form: str | None
    backend: str
    dtype: str
    weight_dtype: str
    cache_dtype: str
    scheme: str
    """Bits of weights, activations and cache as they are multiplied and stored."""
    tokens: int
    """Of the whole prompt, text included."""
    kept_tokens: int
    """In the last layer, text included."""
    decode_steps: int
    prefill_low_s: float
    prefill_high_s: float
    ttft_low_s: float
    ttft_high_s: float
    decode_low_s_per_token: float | None
    decode_high_s_per_token: float | None
    end_to_end_low_s: float
    end_to_end_high_s: float
    preprocessing_s: float | None
    """Log-mel and resizing on the host, in no other column; None where nobody measured them."""
    audio_encoder_s: float | None
    vision_encoder_s: float | None
    assembly_s: float | None
    selection_s: float | None
    decode_s: float
    prefill_bound: str | None
    """What prefill is mostly spent on: compute, memory, launch or host."""
    decode_bound: str | None
    prefill_compute_s: float | None
    """Of operators that arithmetic binds."""
    prefill_memory_s: float | None
    prefill_launch_s: float | None
    prefill_host_s: float | None
    """Of dispatching, beside the device."""
    prefill_speedup: float | None
    """Over full tokens in the same setting; so are the next ones."""
    prefill_speedup_low: float | None
    prefill_speedup_high: float | None
    ttft_speedup: float | None
    ttft_speedup_low: float | None
    ttft_speedup_high: float | None
    end_to_end_speedup: float | None
    end_to_end_speedup_low: float | None
    end_to_end_speedup_high: float | None
    borrowed_from: str | None
    """The measured device whose efficiency is lent; None where this one was measured."""
    calibrated: bool
    unlisted: str
    """What runs, or may run, and is in no column; empty where nothing is missing."""


def prediction_row(prediction: Prediction, full: Prediction | None = None) -> PredictionRow:
    """Flatten a prediction.

    Parameters
    ----------
    prediction : Prediction
    full : Prediction, optional
        Of all tokens in the same setting: fills in the speed-ups.

    Raises
    ------
    InvalidValueError
        The two are of different devices.
    """
    plan, formats = prediction.plan, prediction.scheme.formats
    steps = prediction.decode_steps
    prefill = prediction.stage("prefill")
    prefill_low, prefill_high = prediction.interval("prefill")
    ttft_low, ttft_high = prediction.interval(*FIRST_TOKEN)
    decode_low, decode_high = prediction.interval("decode")
    decode = prediction.stage("decode")
    return PredictionRow(
        model=prediction.spec.name,
        device=prediction.device.name,
        method=plan.method,
        retained=plan.retained,
        prefill_s=prediction.prefill_s,
        ttft_s=prediction.ttft_s,
        decode_s_per_token=prediction.decode_s_per_token,
        end_to_end_s=prediction.end_to_end_s,
        peak_memory_bytes=prediction.memory.peak_bytes,
        fits=prediction.fits,
        realised=plan.realised,
        rho_a=plan.rho_a,
        rho_v=plan.rho_v,
        mode=plan.mode,
        fastv_layer=plan.fastv_layer,
        fastv_form=plan.fastv_form,
        backend=prediction.backend.name,
        dtype=formats.dtype,
        weight_dtype=formats.weight_dtype,
        cache_dtype=formats.cache_dtype,
        scheme=prediction.scheme.name,
        tokens=plan.av_tokens + plan.text_tokens,
        kept_tokens=plan.kept_tokens,
        decode_steps=steps,
        prefill_low_s=prefill_low,
        prefill_high_s=prefill_high,
        ttft_low_s=ttft_low,
        ttft_high_s=ttft_high,
        decode_low_s_per_token=decode_low / steps if steps else None,
        decode_high_s_per_token=decode_high / steps if steps else None,
        end_to_end_low_s=ttft_low + decode_low,
        end_to_end_high_s=ttft_high + decode_high,
        preprocessing_s=prediction.preprocessing_s,
        audio_encoder_s=_seconds(prediction, "audio_encoder"),
        vision_encoder_s=_seconds(prediction, "vision_encoder"),
        assembly_s=_seconds(prediction, "assembly"),
        selection_s=_seconds(prediction, "selection"),
        decode_s=prediction.decode_s,
        prefill_bound=prefill.bound if prefill else None,
        decode_bound=decode.bound if decode else None,
        prefill_compute_s=prefill.compute_s if prefill else None,
        prefill_memory_s=prefill.memory_s if prefill else None,
        prefill_launch_s=prefill.launch_s if prefill else None,
        prefill_host_s=prefill.host_s if prefill else None,
        **_speedups(prediction, full),
        borrowed_from=kernel_uncertainty(prediction.device, "gemm").borrowed_from,
        calibrated=prediction.calibration.measured,
        unlisted="; ".join(prediction.unlisted),
    )


def _seconds(prediction: Prediction, stage: str) -> float | None:
    found = prediction.stage(stage)
    return found.seconds if found else None


def _speedups(prediction: Prediction, full: Prediction | None) -> dict[str, float | None]:
    columns: dict[str, float | None] = {}
    for name, stages in (
        ("prefill", ("prefill",)),
        ("ttft", FIRST_TOKEN),
        ("end_to_end", (*FIRST_TOKEN, "decode")),
    ):
        found: Ratio | None = speedup(prediction, full, *stages) if full is not None else None
        columns[f"{name}_speedup"] = found.ratio if found else None
        columns[f"{name}_speedup_low"] = found.low if found else None
        columns[f"{name}_speedup_high"] = found.high if found else None
    return columns
