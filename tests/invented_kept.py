"""Invented tables of a clip's kept tokens, of realistic shape: for tests only."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from PIL import Image

Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def kept_tables(
    windows: int = 6, *, shape: tuple[int, int] = (4, 7), silent: tuple[int, ...] = (),
    video: bool = True, rho_v: float = 0.6, scores: str = "proxy", clip: str = "clip.mp4",
    grids_per_window: int = 2,
) -> Tables:  # fmt: skip
    """Tokens, windows of 2 s, and pictured grids of one clip."""
    rng = np.random.default_rng(3)
    features = "pixels (proxy)" if scores == "proxy" else scores
    case = {"clip": clip, "label": f"OmniZip (0.3, {rho_v:g})", "mode": "paper", "scores": scores,
            "video_features": features}  # fmt: skip
    shown = {key: case[key] for key in ("clip", "label", "scores", "video_features")}
    tokens, spans, grids = [], [], []
    nothing = dict.fromkeys(("grid", "row", "column", "anchor", "score", "low", "high"))
    for window in range(windows):
        start, heard = 2.0 * window, window not in silent
        share = float(rng.uniform(0.2, 1)) if heard else None
        for place in range(grids_per_window if video else 0):
            grid = window * grids_per_window + place
            seconds = 2.0 / grids_per_window
            begin = start + place * seconds
            grids.append({
                "pair": window, "pairs": windows, "place": place, "grid": grid, "window": window,
                "start_s": begin, "end_s": begin + seconds, "taken_s": begin, "rows": shape[0],
                "columns": shape[1], "picture": picture(shape), **shown,
            })  # fmt: skip
            tokens += [
                nothing | case | {
                    "modality": "video", "window": window, "grid": grid, "row": cell // shape[1],
                    "column": cell % shape[1], "start_s": begin, "end_s": begin + seconds,
                    "kept": bool(rng.random() > rho_v),
                }
                for cell in range(shape[0] * shape[1])
            ]  # fmt: skip
        fates = rng.choice(["salient", "anchor", "dropped"], 50 if heard else 0)
        tokens += [
            nothing | case | {
                "modality": "audio", "window": window, "start_s": start + number / 25,
                "end_s": start + (number + 1) / 25, "kept": bool(fate != "dropped"),
                "anchor": bool(fate == "anchor"), "score": float(rng.random()),
                "low": -float(rng.random()), "high": float(rng.random()),
            }
            for number, fate in enumerate(fates)
        ]  # fmt: skip
        spans.append({
            "window": window, "start_s": start, "end_s": start + 2.0, "retention": share,
            "initial_rate": None if share is None else 0.75 - 0.4 * share,
            "rate": rho_v + 0.05 * (-1) ** window if heard else rho_v, "rho_a": 0.3,
            "rho_v": rho_v, "nominal": 0.45, "realised": 0.452, "model": "qwen2.5-omni-7b", **case,
        })  # fmt: skip
    if not video:
        grids = [{
            **dict.fromkeys(("pair", "place", "grid", "window", "start_s", "end_s",
                             "taken_s", "rows", "columns", "picture")),
            "pairs": 0, **shown,
        }]  # fmt: skip
    return pd.DataFrame(tokens), pd.DataFrame(spans), pd.DataFrame(grids)


def picture(shape: tuple[int, int]) -> bytes:
    """A JPEG with 12 pixels to a token: a ramp, so that no two places look alike."""
    down, right = np.mgrid[0 : 12 * shape[0], 0 : 12 * shape[1]]
    ramp = np.stack([2 * down, 255 - 2 * right, down + right], axis=-1) % 256
    held = io.BytesIO()
    Image.fromarray(ramp.astype(np.uint8)).save(held, format="JPEG", quality=95)
    return held.getvalue()
