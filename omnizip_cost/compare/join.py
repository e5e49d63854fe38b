"""Predicted against observed: one row per measured configuration, with signed errors.

Speed-ups are over full tokens of the same model, clip, device and environment, and compare like
with like: what is spent to choose the tokens is inside, as FLOPs and as time. Inside both are
selection (scoring, choosing, gathering) and prefill (decoder and LM head); outside both are the
encoders and the assembly of embeddings, which no method shortens, and decode. Eq. 9 knows no
selection. Columns named ``prefill_speedup`` leave selection out on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omnizip_cost.compare.cells import MeasuredCell, any_row, measured_cells
from omnizip_cost.compare.counts import stage_flops
from omnizip_cost.compare.gap import SAME_WORK, Stages, explain, noise
from omnizip_cost.compare.observed import observed_speedup
from omnizip_cost.cost import executed_convention
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results import FlatRow, MeasurementRow
from omnizip_cost.specs.spec import ModelSpec

_CARRIED = (
    "model",
    "weights",
    "device",
    "dtype",
    "attention",
    "clip",
    "method",
    "label",
    "mode",
    "rho_a",
    "rho_v",
    "retained",
    "realised",
    "full_tokens",
    "kept_tokens",
    "scores",
)
"""Columns that a measured row hands on as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRow(FlatRow):
    """One configuration: what the formulas predict, what was observed, how far apart."""

    model: str
    weights: str
    device: str
    dtype: str
    attention: str
    clip: str
    method: str
    label: str
    mode: str
    rho_a: float | None
    rho_v: float | None
    retained: float | None
    """Nominal."""
    realised: float | None
    full_tokens: int
    kept_tokens: int | None
    flops_eq9_full: int
    """Prefill of full tokens under Eq. 9 (audio+video tokens only). FLOPs of prefill are those of
    the decoder and the LM head; selection's have a column of their own."""
    flops_eq9: int | None = None
    flops_exact_full: int
    """Prefill of full tokens under ``exact_convention``, logits at every position included."""
    flops_exact: int | None = None
    exact_convention: str
    """``torch`` where eager attention multiplies the masked half too, else ``sdpa``."""
    flops_torch_full: int
    """The same as torch's counter sees it, whatever the attention kernel skips."""
    flops_torch: int | None = None
    flops_selection: int | None = None
    """Products of selection under ``exact_convention``; None where they are not known, which
    the predictions take for none."""
    speedup_eq9: float | None = None
    """Full prefill / prefill: Eq. 9 has no selection."""
    speedup_exact: float | None = None
    """Full prefill / (prefill + selection), in FLOPs under ``exact_convention``."""
    speedup_torch: float | None = None
    """The same as torch's counter sees it."""
    speedup_observed: float | None = None
    """Full prefill / (prefill + selection), in measured seconds."""
    speedup_observed_low: float | None = None
    speedup_observed_high: float | None = None
    """Quartiles of the ratios, round by round where rounds were interleaved."""
    error_eq9: float | None = None
    """Signed: predicted / observed - 1."""
    error_exact: float | None = None
    error_torch: float | None = None
    prefill_speedup_exact: float | None = None
    """Full prefill / prefill alone, in FLOPs under ``exact_convention``."""
    prefill_speedup_observed: float | None = None
    """Full prefill / prefill alone, in measured seconds."""
    prefill_s: float | None = None
    prefill_low_s: float | None = None
    prefill_high_s: float | None = None
    selection_s: float | None = None
    audio_encoder_s: float | None = None
    vision_encoder_s: float | None = None
    assembly_s: float | None = None
    decode_s_per_token: float | None = None
    decode_speedup_exact: float | None = None
    decode_speedup_observed: float | None = None
    end_to_end_s: float | None = None
    end_to_end_speedup: float | None = None
    peak_memory_bytes: int | None = None
    status: str = "ok"
    reason: str = ""
    noise: float | None = None
    """Change of the stages that do the same work in every configuration, against full tokens."""
    largest_gap_stage: str = ""
    explanation: str = ""
    scores: str = ""


def compare(rows: Iterable[MeasurementRow], specs: Mapping[str, ModelSpec]) -> list[CompareRow]:
    """Join measured cells with the counts of what they kept, in the order of the rows.

    Parameters
    ----------
    rows : iterable of MeasurementRow
    specs : mapping of str to ModelSpec
        By the model name that the rows carry.

    Raises
    ------
    InvalidValueError
        No rows, no spec for a model, or a configuration without a full-token measurement.
    """
    out = []
    for cell in measured_cells(rows):
        out.append(compared_cell(cell, spec_of(cell, specs)))
    return out


def spec_of(cell: MeasuredCell, specs: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the spec of a cell's model.

    Raises
    ------
    InvalidValueError
        There is none by the name that the rows carry.
    """
    if cell.row.model not in specs:
        raise InvalidValueError("compare", "model", "one with a known config", cell.row.model)
    return specs[cell.row.model]


def compared_cell(measured: MeasuredCell, spec: ModelSpec) -> CompareRow:
    """Join one cell, whose full tokens were measured, with the counts of what it kept."""
    stages, full = measured
    cell, reference = any_row(stages), full["prefill"]
    names = {"eq9": "eq9", "exact": executed_convention(cell.attention), "torch": "torch"}
    whole = {kind: stage_flops(reference, spec, name) for kind, name in names.items()}
    base: dict[str, Any] = {
        **{name: cell[name] for name in _CARRIED},
        "exact_convention": names["exact"],
        **{f"flops_{kind}_full": flops["prefill"] for kind, flops in whole.items()},
    }
    broken = next((row for row in stages.values() if row.status != "ok"), None)
    if broken is not None:
        return CompareRow(**base, status=broken.status, reason=broken.reason)
    left = {kind: stage_flops(cell, spec, name) for kind, name in names.items()}
    seen = observed_speedup(stages, full, ("selection", "prefill"))
    alone = observed_speedup(stages, full, ("prefill",))
    if seen is None or alone is None:
        raise InvalidValueError("compare", "prefill", "measured in every cell", cell.label)
    predicted: dict[str, Any] = {"flops_selection": left["exact"].get("selection")}
    for kind in names:
        spent = left[kind]["prefill"] + left[kind].get("selection", 0)
        speedup = _ratio(whole[kind]["prefill"], spent)
        predicted[f"flops_{kind}"] = left[kind]["prefill"]
        predicted[f"speedup_{kind}"] = speedup
        predicted[f"error_{kind}"] = None if speedup is None else speedup / seen.ratio - 1
    stage, sentence = explain(stages, full, left["exact"], whole["exact"])
    return CompareRow(
        **base,
        **predicted,
        **_times(stages, full),
        speedup_observed=seen.ratio,
        speedup_observed_low=seen.low,
        speedup_observed_high=seen.high,
        prefill_speedup_exact=_ratio(whole["exact"]["prefill"], left["exact"]["prefill"]),
        prefill_speedup_observed=alone.ratio,
        decode_speedup_exact=_ratio(whole["exact"]["decode"], left["exact"]["decode"]),
        peak_memory_bytes=_peak(stages),
        noise=noise(stages, full),
        largest_gap_stage=stage,
        explanation=sentence,
    )


def _times(stages: Stages, full: Stages) -> dict[str, Any]:
    """Columns of measured seconds, and the speed-ups of decode and of the whole pass."""
    cell, total = any_row(stages), _total(stages)
    return {
        "prefill_s": cell.median_s,
        "prefill_low_s": cell.low_s,
        "prefill_high_s": cell.high_s,
        **{f"{stage}_s": _seconds(stages, stage) for stage in ("selection", *SAME_WORK)},
        "decode_s_per_token": _per_token(stages),
        "decode_speedup_observed": _ratio(_seconds(full, "decode"), _seconds(stages, "decode")),
        "end_to_end_s": total,
        "end_to_end_speedup": _ratio(_total(full), total),
    }


def _seconds(stages: Stages, stage: str) -> float | None:
    return stages[stage].median_s if stage in stages else None


def _total(stages: Stages) -> float:
    return sum(row.median_s or 0.0 for row in stages.values())


def _per_token(stages: Stages) -> float | None:
    row = stages.get("decode")
    if row is None or row.median_s is None or not row.decode_steps:
        return None
    return row.median_s / row.decode_steps


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def _peak(stages: Stages) -> int | None:
    """Most bytes over the stages: allocated on CUDA, resident on CPU."""
    seen = [
        peak
        for row in stages.values()
        if (peak := row.peak_allocated_bytes or row.resident_bytes) is not None
    ]
    return max(seen, default=None)
