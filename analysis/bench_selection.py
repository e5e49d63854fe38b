"""What selection costs, in one run: our two modes, the plain reading, and the floor beneath both.

    python analysis/bench_selection.py [--sizes 2700,10000,40000] [--rounds 15] [--json]
                                       [--device cpu|cuda] [--plain-at 40000] [--out FILE.json]
    python analysis/bench_selection.py --parity [--sizes 2700,10000] [--mean 5]

``plain`` is ``tests/golden/plain.py``: the method read literally, one anchor and one grid at a
time. "plain/it" says how many times its ``official`` reading takes as long as the row, "same mode"
its reading of the row's own mode. ``floor`` is what no reading can leave out: one product of the
audio left over (neither salient nor anchor) with all video, and one batched product inside the
even grids; its inputs are gathered and contiguous, its outputs allocated, before the clock starts.
"+ rows" gathers the survivors' rows as well. Cases take turns within a round and ratios are taken
inside rounds, so that a neighbour's load falls on both sides; in brackets the ratio of the fastest
samples. ``--parity`` counts the tokens in which half precision differs; ``--mean`` makes rows more
alike, as a model's are. Embeddings are made, not a model's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from selection_prompts import MEAN, WIDTH, MadePrompt, floor_of, made_prompt
from torch.profiler import ProfilerActivity, profile

from omnizip_cost.units import MEBI, MILLI

RATIOS = ((0.4, 0.7), (0.3, 0.6))
"""OmniZip's own pairs (rho_a, rho_v) for 35% and 45% retained (OmniZip, Tab. 1)."""
SIZES = (2_700, 10_000, 40_000)
PLAIN_ROUNDS = 3
QUIET = 0.2
"""Spread of the floor's quartiles, over its median, from which a run is called noisy."""
MODES = ("official", "paper")
GATHERED = " + rows"
"""Selecting and then gathering what the decoder reads: merged rows of the survivors."""


def gathered(prompt: MadePrompt, mode: str) -> torch.Tensor:
    """Select, and gather what the decoder reads."""
    return prompt.ours(mode).gather()


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


def waits_for_nothing(prompt: MadePrompt) -> None:
    """Raise where ``select`` makes the host wait for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        for mode in MODES:
            prompt.ours(mode)
    finally:
        torch.cuda.set_sync_debug_mode("default")


# -- speed ------------------------------------------------------------------------------------


def measure(prompt: MadePrompt, rounds: int, plain_rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every case in every round; each case is warmed first, plain once at most."""
    device = prompt.embeddings.device
    cases: dict[str, Callable[[], Any]] = {"floor": floor_of(prompt)}
    cases |= {mode: partial(prompt.ours, mode) for mode in MODES}
    cases |= {mode + GATHERED: partial(gathered, prompt, mode) for mode in MODES}
    if plain_rounds:
        cases |= {f"plain {mode}": partial(prompt.plain, mode) for mode in MODES}
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


def speed_rows(prompt: MadePrompt, samples: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
    """One row per case; ratios are medians of ratios inside a round."""
    device, x = prompt.embeddings.device, prompt.embeddings
    for name, values in samples.items():
        mode = name.removeprefix("plain ").removesuffix(GATHERED)
        low, _, high = quantiles(values, n=4) if len(values) > 1 else values * 3
        work = partial(prompt.ours, mode)
        yield {
            "tokens": len(x),
            "rho_a": prompt.rho_a,
            "rho_v": prompt.rho_v,
            "case": name,
            "median_ms": median(values),
            "low_ms": low,
            "high_ms": high,
            "least_ms": min(values),
            **ratios("times_floor", values, samples["floor"]),
            **ratios("plain_official_times", samples.get("plain official"), values),
            **ratios("plain_same_mode_times", samples.get(f"plain {mode}"), values),
            "peak_bytes": peak_bytes(work, device) if name in MODES else None,
            "kernels": kernels(work) if name in MODES and device.type == "cuda" else None,
            "samples_ms": values,
        }


def ratios(name: str, above: list[float] | None, below: list[float]) -> dict[str, float | None]:
    """Median of the ratios round by round, and the ratio of the fastest samples."""
    if not above:
        return {name: None, f"{name}_least": None}
    paired = [a / b for a, b in zip(above, below, strict=False)]  # plain has fewer rounds
    return {name: median(paired), f"{name}_least": min(above) / min(below)}


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
        exact = made_prompt(tokens, device, torch.float32, options.mean)
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
                    "mean": options.mean,
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
    names = [
        name
        for name in rows[0]
        if name != "samples_ms"
        and not name.endswith("_least")
        and any(row[name] is not None for row in rows)
    ]
    headings = [_HEADINGS.get(name, name) for name in names]
    body = [[_cell(name, row) for name in names] for row in rows]
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
    "least_ms": "least ms",
    "times_floor": "x floor",
    "plain_official_times": "plain/it",
    "plain_same_mode_times": "same mode",
    "peak_bytes": "peak MiB",
    "ours_differs": "ours differs",
    "plain_differs": "plain differs",
    "ours_differs_from_plain": "ours from plain",
}


def _cell(name: str, row: dict[str, Any]) -> str:
    value = row[name]
    if value is None:
        return "-"
    if name == "peak_bytes":
        return f"{value / MEBI:.0f}"
    if f"{name}_least" in row:
        least = row[f"{name}_least"]
        return f"{value:.2f} ({least:.2f})"
    if isinstance(value, float):
        return f"{value:.1f}" if name.endswith("_ms") else f"{value:.2f}"
    return str(value)


def doubts(rows: list[dict[str, Any]]) -> str:
    """Say when the machine was too busy for medians to mean much."""
    spreads = [
        (row["high_ms"] - row["low_ms"]) / row["median_ms"]
        for row in rows
        if row.get("case") == "floor"
    ]
    if not spreads or max(spreads) <= QUIET:
        return ""
    return (
        f"\nnoisy: the quartiles of a floor lie {max(spreads):.0%} of its median apart; "
        "the ratios in brackets, of the fastest samples, say more"
    )


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
    parser.add_argument("--mean", type=float, default=MEAN, help="what rows share, with --parity")
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
    after = f"after: {environment(device)}{doubts(rows)}"
    print(text if options.json else f"{before}\n\n{table(rows)}\n\n{after}")


if __name__ == "__main__":
    main(arguments())
