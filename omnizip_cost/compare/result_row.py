"""The columns of a result: one measured configuration, what was predicted of it, how far apart."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.results import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow(FlatRow):
    """One measured configuration, full tokens, those out of memory and failed ones included.

    Seconds, bytes and FLOPs; None where a thing does not exist, was not measured, or was not
    predicted beforehand. Speed-ups are over full tokens under the same circumstances. Errors are
    signed: predicted / observed - 1.
    """

    model: str
    weights: str
    device: str
    """As the rows name it."""
    dtype: str
    attention: str
    execution: str
    clip: str
    full_tokens: int
    """Prompt tokens before compression, text included."""
    method: str
    label: str
    mode: str
    rho_a: float | None
    rho_v: float | None
    fastv_form: str | None
    retained: float | None
    """Nominal share of audio+video tokens."""
    realised: float | None
    """Share of them that was kept."""
    kept_tokens: int | None
    """In the last decoder layer, text included."""
    av_tokens: int
    av_kept: int | None
    decode_steps: int
    status: str
    """"ok", "oom" or "failed"."""
    reason: str
    """Why the status is not "ok"."""

    flops_eq9: int | None = None
    """Of prefill under Eq. 9: audio+video tokens only."""
    flops_exact: int | None = None
    """Of prefill (decoder and LM head) as the attention kernel executes it."""
    flops_torch: int | None = None
    """Of prefill as torch's counter sees it."""
    flops_selection: int | None = None
    """Of selection, as executed; None where they are not known."""
    speedup_eq9: float | None = None
    """Full prefill / prefill: Eq. 9 has no selection."""
    speedup_exact: float | None = None
    """Full prefill / (prefill + selection)."""
    speedup_torch: float | None = None

    prefill_s: float | None = None
    """Decoder and LM head on the prompt: median, then quartiles."""
    prefill_low_s: float | None = None
    prefill_high_s: float | None = None
    selection_s: float | None = None
    audio_encoder_s: float | None = None
    vision_encoder_s: float | None = None
    assembly_s: float | None = None
    ttft_s: float | None = None
    """Encoders, assembly, selection and prefill, which gives the first token."""
    decode_s_per_token: float | None = None
    end_to_end_s: float | None = None
    """Time to first token and all decode steps."""
    peak_memory_bytes: int | None = None
    memory_basis: str = ""
    """What ``peak_memory_bytes`` holds; empty where memory was not measured."""
    speedup_observed: float | None = None
    """Full prefill / (prefill + selection): median and quartiles, round by round where rounds
    were interleaved; so are the next two, without quartiles."""
    speedup_observed_low: float | None = None
    speedup_observed_high: float | None = None
    ttft_speedup_observed: float | None = None
    end_to_end_speedup_observed: float | None = None

    prefill_predicted_s: float | None = None
    """This and the next: on record before the measurement, fitted to no measured pass."""
    prefill_predicted_low_s: float | None = None
    prefill_predicted_high_s: float | None = None
    selection_predicted_s: float | None = None
    ttft_predicted_s: float | None = None
    decode_predicted_s_per_token: float | None = None
    end_to_end_predicted_s: float | None = None
    peak_memory_predicted_bytes: int | None = None
    speedup_predicted: float | None = None
    speedup_predicted_low: float | None = None
    speedup_predicted_high: float | None = None
    ttft_speedup_predicted: float | None = None
    end_to_end_speedup_predicted: float | None = None

    prefill_calibrated_s: float | None = None
    """This and the next: on record before the measurement, fitted to other measured passes."""
    prefill_calibrated_low_s: float | None = None
    prefill_calibrated_high_s: float | None = None
    selection_calibrated_s: float | None = None
    ttft_calibrated_s: float | None = None
    decode_calibrated_s_per_token: float | None = None
    end_to_end_calibrated_s: float | None = None
    peak_memory_calibrated_bytes: int | None = None
    speedup_calibrated: float | None = None
    speedup_calibrated_low: float | None = None
    speedup_calibrated_high: float | None = None
    ttft_speedup_calibrated: float | None = None
    end_to_end_speedup_calibrated: float | None = None

    error_eq9: float | None = None
    """Of ``speedup_observed``; None for full tokens, whose speed-up is 1 by definition."""
    error_exact: float | None = None
    error_torch: float | None = None
    error_predicted: float | None = None
    error_calibrated: float | None = None
    prefill_error_predicted: float | None = None
    prefill_error_calibrated: float | None = None
    decode_error_predicted: float | None = None
    decode_error_calibrated: float | None = None
    ttft_error_predicted: float | None = None
    ttft_error_calibrated: float | None = None
    end_to_end_error_predicted: float | None = None
    end_to_end_error_calibrated: float | None = None
    memory_error_predicted: float | None = None

    environment_id: str
    scores: str
    """Where audio scores came from."""
    doubts: str
    """What the measurement says against itself, stage by stage."""
    measured_from_utc: str
    """When the first sample was taken; empty in rows measured before it was noted."""
    measured_utc: str
    """When the last sample was taken."""
    predicted_utc: str = ""
    """When the prediction was put on record; empty where there is none."""
    prediction_version: str = ""
    """Version of the package that predicted."""
    prediction_refused: str = ""
    """Why what is on record is no prediction of this configuration; empty where it is one."""
