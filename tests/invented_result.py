"""Invented tables in the shape of a campaign's result, for tests only: never a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

CELLS: tuple[tuple[str, float, str | None], ...] = (
    ("full", 1.0, None), ("omnizip", 0.85, None), ("omnizip", 0.70, None),
    ("omnizip", 0.55, None), ("omnizip", 0.45, None), ("omnizip", 0.35, None),
    ("omnizip", 0.25, None), ("random", 0.55, None), ("random", 0.40, None),
    ("dycoke", 0.50, None), ("dycoke", 0.35, None), ("fastv", 0.50, "materialised"),
    ("fastv", 0.35, "materialised"), ("fastv", 0.50, "last-query"),
    ("fastv", 0.35, "last-query"),
)  # fmt: skip
NAMES = {"full": "Full tokens", "omnizip": "OmniZip", "random": "Random", "dycoke": "DyCoke",
         "fastv": "FastV"}  # fmt: skip
CLIPS = {5_004: "30 s at 252x448", 10_004: "60 s at 252x448", 20_004: "120 s at 252x448"}
SECONDS_PER_TOKEN = {"qwen2.5-omni-7b": 38e-6, "qwen2.5-omni-3b": 18e-6, "omni-tiny": 6e-4}
PREDICTORS = ("eq9", "exact", "torch", "predicted", "calibrated")


def _prefill_s(model: str, tokens: float, method: str, form: str | None) -> float:
    """Linear and square part of a pass; FastV pays for its scores."""
    each = SECONDS_PER_TOKEN[model]
    scores = {None: 0.0, "last-query": 0.02, "materialised": 0.18}[form]
    return 0.004 + each * tokens * (1 + tokens / 25_000) + scores * each * tokens


def result_table(
    models: Sequence[str] = ("qwen2.5-omni-7b",), tokens: Sequence[int] = (5_004, 10_004), *,
    oom: Sequence[str] = (), calibrated: bool = True, predicted: bool = True, error: float = 0.04,
    cells: Sequence[tuple[str, float, str | None]] = CELLS, **same: Any,
) -> pd.DataFrame:  # fmt: skip
    """One row per model, length and configuration; ``oom`` names methods that did not fit."""
    rng = np.random.default_rng(6)
    rows = [
        row
        for model in models
        for full in tokens
        for row in _context(model, full, cells, rng, error)
    ]
    table = pd.DataFrame(rows)
    gone = [name for name in map(str, table) if "observed" in name or "error" in name
            or name in ("prefill_s", "prefill_low_s", "prefill_high_s", "selection_s",
                        "realised")]  # fmt: skip
    broken = table["method"].isin(oom)
    table.loc[broken, gone] = np.nan
    table.loc[broken, "status"] = "oom"
    for kind, there in (("calibrated", calibrated), ("predicted", predicted)):
        if not there:
            table[[name for name in map(str, table) if kind in name]] = np.nan
    return table.assign(**same)


def _context(
    model: str, full: int, cells: Sequence[tuple[str, float, str | None]],
    rng: np.random.Generator, error: float,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    reference: dict[str, float] = {}
    for method, retained, form in cells:
        realised = retained + (0.004 if method == "omnizip" else 0.0)
        kept = round(full * realised)
        true = _prefill_s(model, kept, method, form)
        selection = 0.0 if method in ("full", "fastv") else 0.004
        seconds = {
            "observed": true * (1 + rng.normal(0, 0.01)),
            "predicted": true * (1 + rng.normal(-error, error)),
            "calibrated": true * (1 + rng.normal(0, error / 3)),
        }
        row: dict[str, Any] = {
            "model": model, "weights": "random", "device": "NVIDIA H100 80GB HBM3",
            "dtype": "bfloat16", "attention": "sdpa", "execution": "stock",
            "clip": CLIPS.get(full, f"{full // 167} s at 252x448"), "full_tokens": full,
            "method": method, "mode": "paper", "fastv_form": form, "retained": retained,
            "label": _label(method, retained, form), "decode_steps": 16,
            "realised": realised, "status": "ok", "reason": "",
            "prefill_s": seconds["observed"], "prefill_low_s": seconds["observed"] * 0.98,
            "prefill_high_s": seconds["observed"] * 1.03,
            "selection_s": selection or None,
            "prefill_predicted_s": seconds["predicted"],
            "prefill_calibrated_s": seconds["calibrated"],
            "selection_predicted_s": selection * 1.1, "selection_calibrated_s": selection,
            "prefill_error_predicted": seconds["predicted"] / seconds["observed"] - 1,
            "prefill_error_calibrated": seconds["calibrated"] / seconds["observed"] - 1,
        }  # fmt: skip
        reference = reference or seconds
        for kind, own in seconds.items():
            speedup = reference[kind] / (own + selection)
            row |= {f"speedup_{kind}": speedup, f"speedup_{kind}_low": speedup * 0.93,
                    f"speedup_{kind}_high": speedup * 1.06}  # fmt: skip
        share = 1.0 if method == "full" else realised if form is None else realised + 0.04
        row |= {"speedup_eq9": share**-1.06, "speedup_exact": share**-1.1,
                "speedup_torch": share**-1.15}  # fmt: skip
        for name in PREDICTORS:
            row[f"error_{name}"] = row[f"speedup_{name}"] / row["speedup_observed"] - 1
        yield row


def _label(method: str, retained: float, form: str | None) -> str:
    if method == "full":
        return NAMES[method]
    return f"{NAMES[method]} {retained:.0%}{' last query' if form == 'last-query' else ''}"


def error_tables(result: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Long errors of two quantities, and their summary."""
    identity = [
        "model",
        "weights",
        "device",
        "dtype",
        "attention",
        "method",
        "label",
        "clip",
        "full_tokens",
    ]
    parts = []
    for quantity, column, predictors in (
        ("prefill speed-up", "error_{}", PREDICTORS),
        ("prefill", "prefill_error_{}", ("predicted", "calibrated")),
    ):
        for name in predictors:
            part = result[identity].assign(
                quantity=quantity, predictor=name, error=result[column.format(name)]
            )
            drop = (quantity == "prefill speed-up") & (part["method"] == "full")
            parts.append(part[~drop].dropna(subset=["error"]))
    errors = pd.concat(parts, ignore_index=True)
    summary = [
        {"quantity": quantity, "predictor": name, "configurations": len(part),
         "mean_error": part["error"].abs().mean(), "median_error": part["error"].median(),
         "worst_error": max(part["error"], key=abs)}
        for (quantity, name), part in errors.groupby(["quantity", "predictor"], sort=False)
    ]  # fmt: skip
    return errors, pd.DataFrame(summary)
