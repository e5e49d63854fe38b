"""A micro-benchmark of this machine: products, attention, copies, dispatch, preprocessing.

It runs within a number of seconds that is given: cases go from the cheapest to the dearest, each
gets an even share of what is left, and one that would take longer is skipped and said so. The same
cases run on a CPU and on CUDA; only the clock differs. Operands are the same in every call, so
that small ones come from a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from omnizip_cost import __version__
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.profiling.clock import Clock, HostClock, clock_for
from omnizip_cost.profiling.environment import device_name, environment_record
from omnizip_cost.profiling.harness import Repeats, judged, measure_parts
from omnizip_cost.profiling.memory import keep_freed_memory, release_memory
from omnizip_cost.profiling.micro_cases import (
    FRAME,
    FRAMES,
    MOST_SECONDS,
    SECONDS,
    MicroCase,
    micro_cases,
)
from omnizip_cost.profiling.watch import GpuState, MachineWatch
from omnizip_cost.results.commit import now_utc
from omnizip_cost.results.micro import MicroRow
from omnizip_cost.results.schema import environment_id
from omnizip_cost.runtime.build import require_dtype
from omnizip_cost.runtime.features import log_mel, patches
from omnizip_cost.specs import load_spec, require_thinker
from omnizip_cost.units import GIGA, MILLI

Progress = Callable[[str, int, int], None]

SAMPLE_S = 2 * MILLI
"""Least length of one sample: shorter calls are repeated inside it."""

SHORT_S = 20 * MILLI
"""A case that takes less than this is run even when the time is up."""

FIRST_RATE = 20 * GIGA
"""FLOP/s, and bytes/s, taken for a machine of which nothing is known yet: a slow core's."""

_PREPARED = ("log_mel", "patches")
"""Work of the host, whatever the device."""


@dataclass(slots=True, eq=False)
class MicroBench:
    """One device and one format, and the random numbers that all operands are cut from."""

    device: torch.device
    dtype: torch.dtype
    clock: Clock
    gpu: GpuState = field(default_factory=GpuState)
    _numbers: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = torch.empty(0, dtype=self.dtype, device=self.device)

    def tensor(self, *sizes: int) -> torch.Tensor:
        """Return normally distributed numbers; tensors of one call may share some.

        Numbers are random since a GPU multiplies zeros faster, at less power.
        """
        count = int(np.prod(sizes))
        if self._numbers.numel() < count:
            source = torch.Generator(self.device).manual_seed(0)
            self._numbers = torch.randn(
                count, dtype=self.dtype, device=self.device, generator=source
            )
        return self._numbers[:count].view(*sizes)

    def call_of(self, case: MicroCase) -> Callable[[], object]:
        """Return the work of one case."""
        if case.op == "gemm":
            x, weight = self.tensor(case.m, case.k), self.tensor(case.n, case.k)
            return lambda: functional.linear(x, weight)
        if case.op.endswith("_attention"):
            return self._attention(case)
        if case.op == "log_mel":
            spec = require_thinker(load_spec("qwen2.5-omni-7b"))
            wave = np.random.default_rng(0).standard_normal(int(case.amount * 16_000))
            sound = wave.astype(np.float32)
            return lambda: log_mel(sound, spec)
        if case.op == "patches":
            vision = require_thinker(load_spec("qwen2.5-omni-7b")).vision
            shape = (FRAMES, *FRAME, 3)
            frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
            return lambda: patches(frames, vision, torch.float32)
        one = self.tensor(int(case.amount))
        calls: dict[str, Callable[[], object]] = {
            "copy": one.clone,
            "add": lambda: one + one,
            "silu": lambda: functional.silu(one),
            "dispatch": one.neg,
        }
        return calls[case.op]

    def _attention(self, case: MicroCase) -> Callable[[], object]:
        query = self.tensor(1, case.heads, case.queries, case.head_dim)
        key = self.tensor(1, case.kv_heads, case.keys, case.head_dim)
        causal, grouped = case.op == "prefill_attention", case.heads > case.kv_heads
        return lambda: functional.scaled_dot_product_attention(
            query, key, key, is_causal=causal, enable_gqa=grouped
        )


@dataclass(slots=True, eq=False)
class _Rates:
    """Best rates so far: what a case will take is foretold from them."""

    flop_per_s: float = FIRST_RATE
    bytes_per_s: float = FIRST_RATE

    def seconds(self, case: MicroCase, width: int) -> float:
        return case.flops / self.flop_per_s + case.bytes_moved(width) / self.bytes_per_s

    def learn(self, row: MicroRow) -> None:
        if row.op == "gemm" and row.flop_per_s:
            self.flop_per_s = max(self.flop_per_s, row.flop_per_s)
        elif row.op == "copy" and row.bytes_per_s:
            self.bytes_per_s = max(self.bytes_per_s, row.bytes_per_s)


def micro_benchmark(
    *,
    device: str = "cpu",
    dtype: str = "float32",
    seconds: float = SECONDS,
    cases: Iterable[MicroCase] | None = None,
    clock: Clock | None = None,
    clock_name: str = "wall",
    progress: Progress | None = None,
) -> tuple[tuple[MicroRow, ...], dict[str, Any]]:
    """Measure this machine.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    dtype : {"float32", "bfloat16", "float16"}
    seconds : float
        About how long it may take.
    cases : iterable of MicroCase, optional
        All of :func:`~omnizip_cost.profiling.micro_cases.micro_cases` by default.
    clock : Clock, optional
        The device's own by default.
    clock_name : str
        What the rows call it.
    progress : callable, optional

    Returns
    -------
    tuple of MicroRow, dict
        One row per case, in the order in which they ran, and the environment's record.

    Raises
    ------
    InvalidValueError
        Seconds that are none, an unknown dtype, or no such device on this machine.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise InvalidValueError(
            "micro-benchmark", "seconds", f"above 0 and at most {MOST_SECONDS:g}", seconds
        )
    if device != "cpu" and not torch.cuda.is_available():
        raise InvalidValueError("micro-benchmark", "device", "one this machine has: cpu", device)
    number_type = require_dtype("micro-benchmark", dtype)
    place = torch.device(device)
    bench = MicroBench(device=place, dtype=number_type, clock=clock or clock_for(place))
    record = environment_record(place, dtype=dtype, attention="sdpa")
    identity = {
        "environment_id": environment_id(record),
        "device": device_name(place),
        "dtype": dtype,
        "clock": clock_name,
        "package_version": __version__,
    }
    chosen = micro_cases() if cases is None else cases
    if place.type == "cpu":
        keep_freed_memory()
    try:
        with torch.inference_mode():
            rows = _run(bench, list(chosen), seconds, identity, progress or _silent)
    finally:
        if place.type == "cpu":
            keep_freed_memory(False)
            release_memory(place)
    return rows, record


def _run(
    bench: MicroBench,
    cases: Sequence[MicroCase],
    seconds: float,
    identity: dict[str, Any],
    report: Progress,
) -> tuple[MicroRow, ...]:
    width = torch.empty((), dtype=bench.dtype).element_size()
    rates, rows = _Rates(), []
    wall = HostClock()
    start = wall.mark()
    first = [case for case in cases if not case.flops]
    ordered = chain(first, sorted((c for c in cases if c.flops), key=lambda case: case.flops))
    for number, case in enumerate(ordered):
        report(case.op, number, len(cases))
        left_s = seconds - wall.elapsed_s(start, wall.mark())
        share_s = max(left_s, 0.0) / (len(cases) - number)
        foretold_s = rates.seconds(case, width) if case.flops else 0.0
        if 3 * foretold_s > max(share_s, SHORT_S):  # to warm up, to count calls, to measure
            reason = f"would take about {foretold_s:.2g} s of the {share_s:.2g} s left for it"
            rows.append(_row(case, width, identity, status="skipped", reason=reason))
            continue
        rows.append(_measured(bench, case, width, share_s, identity))
        rates.learn(rows[-1])
    report("done", len(cases), len(cases))
    return tuple(rows)


def _measured(
    bench: MicroBench, case: MicroCase, width: int, share_s: float, identity: dict[str, Any]
) -> MicroRow:
    """Time one case within its share; what it cannot run says so."""
    hosts = case.op in (*_PREPARED, "dispatch") and bench.device.type == "cuda"
    clock = HostClock() if hosts else bench.clock
    watch = MachineWatch(bench.device, state=bench.gpu)
    try:
        call = bench.call_of(case)
        calls = _calls_in_a_sample(call, clock)
    except RuntimeError as error:  # out of memory is one, on either device
        line = str(error).strip().splitlines()[0][:120]
        return _row(case, width, identity, status="failed", reason=line)

    def once() -> dict[str, float]:
        bench.clock.synchronise()
        begin = clock.mark()
        for _ in range(calls):
            call()
        end = clock.mark()
        bench.clock.synchronise()
        return {"call": clock.elapsed_s(begin, end) / calls}

    repeats = Repeats(max_repeats=30, target_spread=0.01, budget_s=max(share_s / calls, 1e-9))
    found = measure_parts(once, repeats)["call"]
    known = judged(found.samples_s, found.warmup_s)
    return _row(
        case,
        width,
        identity,
        calls=calls,
        median_s=known.median_s,
        low_s=known.low_s,
        high_s=known.high_s,
        samples_s=known.samples_s,
        warmup_s=known.warmup_s,
        doubts=(*known.doubts, *watch.doubts()),
    )


def _calls_in_a_sample(call: Callable[[], object], clock: Clock) -> int:
    """How many calls fill a sample, after one that is not counted."""
    call()
    calls = 1
    while True:
        clock.synchronise()
        start = clock.mark()
        for _ in range(calls):
            call()
        stop = clock.mark()
        clock.synchronise()
        took_s = clock.elapsed_s(start, stop)
        if took_s >= SAMPLE_S / 2:
            return max(1, round(calls * min(SAMPLE_S / took_s, 2.0)))
        calls *= 4


def _row(case: MicroCase, width: int, identity: dict[str, Any], **measured: Any) -> MicroRow:
    names = ("m", "n", "k", "heads", "kv_heads", "head_dim", "amount")
    shape: dict[str, Any] = {name: getattr(case, name) or None for name in names}
    return MicroRow(
        **identity,
        op=case.op,
        **shape,
        query_tokens=case.queries or None,
        key_tokens=case.keys or None,
        flops=case.flops,
        bytes_moved=0 if case.op in (*_PREPARED, "dispatch") else case.bytes_moved(width),
        created_utc=now_utc(),
        **measured,
    )


def _silent(what: str, done: int, total: int) -> None:
    """Report nothing."""
