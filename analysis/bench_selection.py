"""What selection costs, in one run: our two modes, the plain reading, and the floor beneath both.

    python analysis/bench_selection.py [--sizes 2700,10000,40000] [--rounds 15] [--json]
                                       [--device cpu|cuda] [--plain-at 40000] [--out FILE.json]
    python analysis/bench_selection.py --parity [--sizes 2700,10000]

``plain`` is ``tests/golden/plain.py``: the method read literally, one anchor and one grid at a
time. "plain/it" says how many times its ``official`` reading takes as long as the row, "same mode"
its reading of the row's own mode. ``floor`` is what no reading can leave out: one product of the
audio left over (neither salient nor anchor) with all video, and one batched product inside the
even grids; its inputs are gathered and contiguous, its outputs allocated, before the clock starts.
Cases take turns within a round and ratios are taken inside rounds, so that a neighbour's load
falls on both sides. ``--parity`` counts the tokens in which half precision differs. Embeddings
are made, not a model's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from omnizip_cost.runtime.selection import Layout, read_layout, select
from omnizip_cost.units import MEBI, MILLI

AUDIO_ID, VIDEO_ID, TEXT_ID = 2, 1, 0
AUDIO, GRID, GRIDS = 50, 144, 2
"""Tokens of one 2 s window of Qwen2.5-Omni at 252 x 448 pixels."""
WIDTH = 3584
RATIOS = ((0.4, 0.7), (0.3, 0.6))
"""OmniZip's own pairs (rho_a, rho_v) for 35% and 45% retained (OmniZip, Tab. 1)."""
ANCHOR_SHARE = 0.05
SIZES = (2_700, 10_000, 40_000)
PLAIN_ROUNDS = 3
MODES = ("official", "paper")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One made prompt and what is asked of it."""

    embeddings: torch.Tensor
    scores: torch.Tensor
    ids: torch.Tensor
    layout: Layout
    rho_a: float
    rho_v: float

    def arguments(self, mode: str) -> dict[str, Any]:
        """Keyword arguments that ours and the plain reading share."""
        return {
            "audio_id": AUDIO_ID,
            "video_id": VIDEO_ID,
            "tokens_per_grid": GRID,
            "audio_pruning": self.rho_a,
            "video_pruning": self.rho_v,
            "anchor_share": ANCHOR_SHARE,
            "mode": mode,
        }

    def ours(self, mode: str) -> Any:
        """Select by the product."""
        return select("omnizip", self.embeddings, self.scores, self.ids, **self.arguments(mode))

    def plain(self, mode: str, dtype: torch.dtype | None = None) -> Any:
        """Select by the plain reading, in the embeddings' dtype or another."""
        arguments = self.arguments(mode)
        return plain_select(self.embeddings, self.scores, self.ids, **arguments, dtype=dtype)


def _plain_select() -> Callable[..., Any]:
    path = Path(__file__).resolve().parent.parent / "tests" / "golden" / "plain.py"
    spec = importlib.util.spec_from_file_location("plain", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    select_plainly: Callable[..., Any] = module.plain_select
    return select_plainly


plain_select = _plain_select()


def made_prompt(tokens: int, device: torch.device, dtype: torch.dtype) -> Prompt:
    """Whole windows nearest to ``tokens``; video repeats itself in time, rows share a mean."""
    random = torch.Generator().manual_seed(tokens)
    windows = max(1, round(tokens / (GRIDS * GRID + AUDIO)))
    video = torch.randn(windows, GRIDS, GRID, WIDTH, generator=random)
    video += torch.randn(windows, 1, GRID, WIDTH, generator=random)
    sound = torch.randn(windows, AUDIO, WIDTH, generator=random)
    rows = torch.cat([video.flatten(1, 2), sound], dim=1).flatten(0, 1)
    rows += 0.5 * torch.randn(WIDTH, generator=random)
    ids = torch.tensor(([VIDEO_ID] * (GRIDS * GRID) + [AUDIO_ID] * AUDIO) * windows)
    layout = read_layout(ids, audio_id=AUDIO_ID, video_id=VIDEO_ID, tokens_per_grid=GRID)
    scores = torch.rand(windows * AUDIO, generator=random)
    return Prompt(
        embeddings=rows.to(device, dtype),
        scores=scores.to(device),
        ids=ids.to(device),
        layout=layout,
        rho_a=0.0,
        rho_v=0.0,
    )


def floor_of(prompt: Prompt) -> Callable[[], None]:
    """Return the two products that cannot be left out, ready to run."""
    layout, x = prompt.layout, prompt.embeddings
    heard = layout.audio_tokens
    left = heard - round((1 - prompt.rho_a) * heard) - round(ANCHOR_SHARE * heard)
    audio = x[torch.as_tensor(layout.audio_positions()[:left], device=x.device)].contiguous()
    video = x[torch.as_tensor(layout.video_positions(), device=x.device)].contiguous()
    even = video.view(-1, GRID, WIDTH)[::GRIDS].contiguous()
    similar = x.new_empty(left, len(video))
    within = x.new_empty(len(even), GRID, GRID)

    def run() -> None:
        torch.mm(audio, video.T, out=similar)
        torch.bmm(even, even.transpose(1, 2), out=within)

    return run


# -- clocks -----------------------------------------------------------------------------------


def milliseconds(work: Callable[[], Any], device: torch.device) -> float:
    """Time of one call: wall time, or the device's own between two events."""
    if device.type == "cpu":
        start = perf_counter()
        work()
        return (perf_counter() - start) / MILLI
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    work()
    end.record()
    end.synchronize()
    elapsed: float = begin.elapsed_time(end)
    return elapsed


def peak_bytes(work: Callable[[], Any], device: torch.device) -> int:
    """Most memory that tensors held during one call, above what was held before."""
    if device.type != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated(device) - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def kernels(work: Callable[[], Any]) -> int:
    """Kernels that one call launches on the GPU, copies and fills apart."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    names = [e.name for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in names)


def waits_for_nothing(prompt: Prompt) -> None:
    """Raise where ``select`` makes the host wait for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        for mode in MODES:
            prompt.ours(mode)
    finally:
        torch.cuda.set_sync_debug_mode("default")


# -- speed ------------------------------------------------------------------------------------


def measure(prompt: Prompt, rounds: int, plain_rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every case in every round; each case is warmed first, plain once at most."""
    device = prompt.embeddings.device
    cases: dict[str, Callable[[], Any]] = {"floor": floor_of(prompt)}
    cases |= {mode: lambda mode=mode: prompt.ours(mode) for mode in MODES}
    if plain_rounds:
        cases |= {f"plain {mode}": lambda mode=mode: prompt.plain(mode) for mode in MODES}
    for name, work in cases.items():
        if not name.startswith("plain") or plain_rounds > 1:
            work()
    samples: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if not name.startswith("plain") or turn < plain_rounds:
                samples[name].append(milliseconds(cases[name], device))
    return samples


def speed_rows(prompt: Prompt, samples: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
    """One row per case; ratios are medians of ratios inside a round."""
    device, x = prompt.embeddings.device, prompt.embeddings
    for name, values in samples.items():
        mode = name.removeprefix("plain ")
        low, _, high = quantiles(values, n=4) if len(values) > 1 else values * 3
        work = floor_of(prompt) if name == "floor" else lambda mode=mode: prompt.ours(mode)
        is_plain = name.startswith("plain")
        yield {
            "tokens": len(x),
            "rho_a": prompt.rho_a,
            "rho_v": prompt.rho_v,
            "case": name,
            "median_ms": median(values),
            "low_ms": low,
            "high_ms": high,
            "times_floor": ratio(values, samples["floor"]),
            "faster_than_plain_official": ratio(samples.get("plain official"), values),
            "faster_than_plain_same_mode": ratio(samples.get(f"plain {mode}"), values),
            "peak_bytes": None if mode not in MODES or is_plain else peak_bytes(work, device),
            "kernels": None if is_plain or device.type == "cpu" else kernels(work),
            "samples_ms": values,
        }


def ratio(above: list[float] | None, below: list[float]) -> float | None:
    """Median of the ratios round by round, over the rounds that have both."""
    if not above:
        return None
    return median(a / b for a, b in zip(above, below, strict=False))


def speed(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every size at both pairs of ratios."""
    device = torch.device(options.device)
    rows = []
    for tokens in options.sizes:
        made = made_prompt(tokens, device, dtype_on(device))
        rounds = max(3, min(options.rounds, options.rounds * 10_000 // tokens))
        plain = min(rounds, PLAIN_ROUNDS if tokens <= 10_000 else 1)
        for rho_a, rho_v in RATIOS:
            prompt = replace(made, rho_a=rho_a, rho_v=rho_v)
            if device.type == "cuda":
                prompt.ours("paper")
                waits_for_nothing(prompt)
            with_plain = tokens <= 10_000 or tokens in options.plain_at
            rows += speed_rows(prompt, measure(prompt, rounds, plain if with_plain else 0))
            print(f"{tokens} tokens at ({rho_a}, {rho_v}): done", file=sys.stderr)
    return rows


# -- parity -----------------------------------------------------------------------------------


def parity(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Count tokens that differ from the plain reading of the same numbers in float64."""
    device, rows = torch.device(options.device), []
    for tokens in options.sizes:
        exact = made_prompt(tokens, device, torch.float32)
        for (rho_a, rho_v), dtype, mode in (
            (pair, dtype, mode)
            for pair in RATIOS
            for dtype in (torch.float32, torch.bfloat16)
            for mode in MODES
        ):
            given = replace(exact, embeddings=exact.embeddings.to(dtype), rho_a=rho_a, rho_v=rho_v)
            truth = given.plain(mode, torch.float64).keep
            ours, plainly = given.ours(mode).keep, given.plain(mode).keep
            rows.append(
                {
                    "tokens": len(given.ids),
                    "rho_a": rho_a,
                    "rho_v": rho_v,
                    "mode": mode,
                    "dtype": str(dtype).removeprefix("torch."),
                    "kept": int(truth.sum()),
                    "ours_differs": int((ours != truth).sum()),
                    "plain_differs": int((plainly != truth).sum()),
                    "ours_differs_from_plain": int((ours != plainly).sum()),
                }
            )
    return rows


# -- output -----------------------------------------------------------------------------------


def dtype_on(device: torch.device) -> torch.dtype:
    """Return the dtype that a model has on this kind of device."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned columns, raw samples and empty columns left out."""
    names = [n for n in rows[0] if n != "samples_ms" and any(r[n] is not None for r in rows)]
    headings = [_HEADINGS.get(name, name) for name in names]
    body = [[_cell(name, row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *body, strict=True)]
    lines = [headings, *body]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


_HEADINGS = {
    "median_ms": "ms",
    "low_ms": "1st quartile",
    "high_ms": "3rd quartile",
    "times_floor": "x floor",
    "faster_than_plain_official": "plain/it",
    "faster_than_plain_same_mode": "same mode",
    "peak_bytes": "peak MiB",
    "ours_differs": "ours differs",
    "plain_differs": "plain differs",
    "ours_differs_from_plain": "ours from plain",
}


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "peak_bytes":
        return f"{value / MEBI:.0f}"
    if isinstance(value, float):
        return f"{value:.1f}" if name.endswith("_ms") else f"{value:.2f}"
    return str(value)


def environment(device: torch.device) -> str:
    """Say where this runs and how busy the machine is."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{where}, {torch.get_num_threads()} threads, {os.cpu_count()} cores, load {load}, "
        f"torch {torch.__version__}, {str(dtype_on(device)).removeprefix('torch.')}, width {WIDTH}"
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""

    def sizes(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=sizes, default=None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--plain-at", type=sizes, default=(), help="larger sizes with plain")
    parser.add_argument("--parity", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    options.sizes = options.sizes or (SIZES[:2] if options.parity else SIZES)
    return options


@torch.inference_mode()
def main(options: argparse.Namespace) -> None:
    """Measure, then print one table or one list of rows."""
    device = torch.device(options.device)
    before = environment(device)
    rows = parity(options) if options.parity else speed(options)
    text = json.dumps(rows, indent=1)
    if options.out is not None:
        options.out.write_text(json.dumps({"environment": before, "rows": rows}, indent=1))
    print(text if options.json else f"{before}\n\n{table(rows)}\n\nafter: {environment(device)}")


if __name__ == "__main__":
    main(arguments())
