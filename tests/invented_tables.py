"""Invented tables of realistic shape, for tests only: never shipped as a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

NAMES = {"full": "Full tokens", "random": "Random", "fastv": "FastV", "dycoke": "DyCoke",
         "omnizip": "OmniZip"}  # fmt: skip
SETTINGS = (
    ("full", 1.0, 0.0, 0.0), ("random", 0.55, 0.45, 0.45), ("random", 0.40, 0.6, 0.6),
    ("fastv", 0.50, None, None), ("fastv", 0.35, None, None), ("dycoke", 0.50, 0.5, 0.5),
    ("dycoke", 0.35, 0.65, 0.65), ("omnizip", 0.50, 0.5, 0.5), ("omnizip", 0.45, 0.55, 0.55),
    ("omnizip", 0.45, 0.3, 0.6), ("omnizip", 0.35, 0.4, 0.7),
)  # fmt: skip


def _label(method: str, retained: float, rho_a: float | None, rho_v: float | None) -> str:
    if method == "full":
        return NAMES[method]
    pair = f" ({rho_a:g}, {rho_v:g})" if method == "omnizip" else ""
    return f"{NAMES[method]} {retained:.0%}{pair}"


def compare_table(
    model: str = "omni-tiny", *, weights: str = "random", device: str = "cpu",
    oom: tuple[str, ...] = (), mode: str = "paper",
) -> pd.DataFrame:  # fmt: skip
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for method, retained, rho_a, rho_v in SETTINGS:
        realised = retained + (0.007 if rho_a == 0.55 else 0.002) * (method == "omnizip")
        exact = 1.0 if method == "full" else realised**-1.12
        observed = exact * (1.0 if method == "full" else rng.uniform(0.85, 1.02))
        broken = method in oom
        rows.append({
            "model": model, "weights": weights, "device": device, "dtype": "float32",
            "method": method, "label": _label(method, retained, rho_a, rho_v), "mode": mode,
            "rho_a": rho_a, "rho_v": rho_v, "retained": retained,
            "realised": None if broken else realised,
            "speedup_eq9": None if broken else realised**-1.05,
            "speedup_exact": None if broken else exact,
            "speedup_observed": None if broken else observed,
            "speedup_observed_low": None if broken else observed * 0.93,
            "speedup_observed_high": None if broken else observed * 1.04,
            "status": "oom" if broken else "ok",
        })  # fmt: skip
    return pd.DataFrame(rows)


def windows_table(count: int = 12, *, silent: tuple[int, ...] = (4, 5, 9), rho_v: float = 0.6,
                  scores: str = "proxy", timed: bool = True) -> pd.DataFrame:  # fmt: skip
    at = np.arange(count)
    heard = ~np.isin(at, silent)
    retention = np.where(heard, 0.6 + 0.3 * np.sin(at), np.nan)
    initial = 0.75 - 0.4 * retention
    return pd.DataFrame({
        "window": at, "start_s": 2.0 * at if timed else None, "audio_tokens": 50 * heard,
        "video_tokens": 288, "retention": retention, "initial_rate": initial,
        "rate": np.where(heard, initial + 0.05, rho_v), "scores": scores, "mode": "paper",
        "label": "OmniZip (0.3, 0.6)", "rho_v": rho_v,
    })  # fmt: skip


def stages_table(model: str = "omni-tiny", *, scale: float = 1.0,
                 oom: tuple[str, ...] = ()) -> pd.DataFrame:  # fmt: skip
    rows = []
    for method, retained, rho_a, rho_v in SETTINGS:
        times = {"prefill": 0.4 * retained, "audio_encoder": 0.06, "vision_encoder": 0.17,
                 "assembly": 0.01, "decode": 0.12}  # fmt: skip
        if method not in ("full", "fastv"):
            times["selection"] = 0.02
        for stage, seconds in times.items():
            broken = method in oom
            value = None if broken else seconds * scale
            rows.append({
                "model": model, "label": _label(method, retained, rho_a, rho_v), "method": method,
                "stage": stage, "seconds": value, "low_s": None if broken else value * 0.95,
                "high_s": None if broken else value * 1.08, "weights": "random",
                "device": "cpu", "status": "oom" if broken else "ok",
            })  # fmt: skip
    return pd.DataFrame(rows)


def conventions_table(*, ratio: bool = True) -> pd.DataFrame:
    rows = []
    for convention, factor in (("eq9", 1.0), ("seats", 1.3), ("torch", 2.4), ("hardware", 2.2)):
        for method, kept in (("full", 1.0), ("omnizip", 0.41)):
            parts = {("prefill", "llm"): 73e12 * factor * kept, ("decode", "llm"): 1.1e12 * factor}
            if convention != "eq9":
                parts |= {("prefill", "lm_head"): 10.9e12 * kept,
                          ("prefill", "audio_encoder"): 7e12,
                          ("prefill", "vision_encoder"): 20e12}  # fmt: skip
            for (phase, component), flops in parts.items():
                rows.append({
                    "model": "qwen2.5-omni-7b", "convention": convention, "method": method,
                    "label": "Full tokens" if method == "full" else "OmniZip 45% (0.3, 0.6)",
                    "n_tokens": 10004, "phase": phase, "component": component,
                    "flops": int(flops), "ratio": kept + 0.001,
                })  # fmt: skip
    table = pd.DataFrame(rows)
    return table if ratio else table.drop(columns="ratio")
