"""The whole way on a CPU: measure this machine, fit, and predict what was never fitted.

A micro-benchmark gives the device, omni-tiny is profiled at several lengths and ratios in rounds
that take every configuration in turn, some of them are fitted, and the others predicted: lengths
and ratios that the fit never saw. Stopped at any moment, it goes on from there.

    python analysis/cpu_calibration.py
    python analysis/cpu_calibration.py --rounds 9 --clock process --out out/cpu-calibration
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

import torch

from omnizip_cost.cli.calibrate import print_calibrated, read_rows
from omnizip_cost.cli.measured_here import ROWS, write_measured
from omnizip_cost.compare.calibrated import Calibrated, calibrate
from omnizip_cost.hardware import load_device
from omnizip_cost.latency.calibration_file import write_calibration
from omnizip_cost.profiling import Cell, Repeats, environment_record, profile_grid
from omnizip_cost.profiling.clock import Clock, HostClock, ProcessClock
from omnizip_cost.profiling.micro import micro_benchmark
from omnizip_cost.profiling.micro_cases import SECONDS, half_cases
from omnizip_cost.profiling.micro_device import measured_device
from omnizip_cost.results import MeasurementStore, environment_id, write_table
from omnizip_cost.results.commit import now_utc
from omnizip_cost.results.micro import MicroRow
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.inputs import random_inputs
from omnizip_cost.specs import load_spec, require_thinker
from omnizip_cost.workload import workload

HOME = Path(__file__).parent / "measurements" / "cpu-calibration"
MODEL = "omni-tiny"
LENGTHS_S = (4, 8, 12, 16, 20)
"""Seconds of clip; the second and the fourth are held out."""
RETAINED = (0.7, 0.5, 0.35)
"""Shares kept by OmniZip beside full tokens; the middle one is held out."""
PIXELS = (252, 448)
DECODE_STEPS = 8
TARGET = 0.08
"""Median error of prefill on what was held out that is asked for."""

CLOCKS: dict[str, type[HostClock] | type[ProcessClock]] = {
    "wall": HostClock,
    "process": ProcessClock,
}


def main() -> int:
    """Run what is missing, fit, print; 1 where the held-out prefill is off by more than asked."""
    options = _options()
    clock: Clock = CLOCKS[options.clock]()
    if options.clock == "process" and torch.get_num_threads() > 1:
        sys.exit("--clock process is for one thread: set OMP_NUM_THREADS=1")
    _refuse_mixing(options.out, options.clock)
    device_file = options.out / "cpu.toml"
    if not device_file.is_file():
        _measure_device(device_file, options.seconds, clock, options.clock)
    _measure_passes(options.out, options.rounds, clock, options.clock)
    found = _calibrated(options.out, device_file)
    write_table(found.rows, options.out / "predicted.csv")
    print_calibrated(found, write_calibration(found.calibration, options.out / "calibration.toml"))
    return _verdict(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=HOME)
    parser.add_argument("--rounds", type=int, default=5, help="passes of every configuration")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of the micro-benchmark")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="process: CPU seconds of one thread"
    )
    return parser.parse_args()


def _refuse_mixing(out: Path, clock: str) -> None:
    """End where the folder holds rows of another machine, number of threads, or clock."""
    here = environment_id(environment_record("cpu", dtype="float32", attention="sdpa"))
    table = out / f"cpu{ROWS}"
    known = [(row.environment_id, row.clock) for row in _micro(table)] if table.is_file() else []
    known += [(row.environment_id, clock) for row in MeasurementStore(out).rows()]
    others = [one for one in dict.fromkeys(known) if one != (here, clock)]
    if others:
        sys.exit(
            f"{out} holds rows measured otherwise (machine, threads, versions or clock): "
            "delete it, or give another --out"
        )


def _micro(table: Path) -> list[MicroRow]:
    return read_rows([table])[2]


def _measure_device(path: Path, seconds: float, clock: Clock, name: str) -> None:
    rows, record = micro_benchmark(seconds=0.9 * seconds, clock=clock, clock_name=name)
    halves, _ = micro_benchmark(
        dtype="bfloat16",
        seconds=0.1 * seconds,
        cases=half_cases(),
        clock=clock,
        clock_name=name,
    )
    measured = (*rows, *halves)
    write_measured(measured_device(measured, record), measured, path)


def _measure_passes(out: Path, rounds: int, clock: Clock, name: str) -> None:
    """Take round after round over all lengths, so that a drift meets them alike."""
    spec = require_thinker(load_spec(MODEL))
    thinker = build_thinker(spec, dtype="float32", device="cpu", attention="sdpa")
    store = MeasurementStore(out)
    cells = [Cell(method="full", label="Full tokens", retained=1.0)]
    cells += [
        Cell(method="omnizip", label=f"OmniZip {share:.0%}", retained=share) for share in RETAINED
    ]
    prompts = [
        random_inputs(spec, workload(spec, seconds=length, pixels=PIXELS)) for length in LENGTHS_S
    ]
    told = ", CPU time" if name == "process" else ""
    for number in range(1, rounds + 1):
        for length, prompt in zip(LENGTHS_S, prompts, strict=True):
            print(f"round {number} of {rounds}: {length} s", file=sys.stderr)
            profile_grid(
                thinker,
                spec,
                prompt,
                cells,
                decode_steps=DECODE_STEPS,
                store=store,
                clip=f"{length} s at {PIXELS[0]}x{PIXELS[1]}{told}",
                repeats=Repeats(warmup=1),
                rounds=number,
                memory=False,
                clock=clock,
            )


def _calibrated(out: Path, device_file: Path) -> Calibrated:
    measured, specs, micro, versions = read_rows([out, device_file.with_suffix(ROWS)])
    return calibrate(
        measured,
        specs,
        load_device(device_file),
        micro=micro,
        versions=versions,
        created_utc=now_utc(),
    )


def _verdict(found: Calibrated) -> int:
    unseen = [row for row in found.rows if row.part == "held out" and row.stage == "prefill"]
    for row in unseen:
        print(
            f"{row.full_tokens:>6,} tokens  {row.label:<12} observed {row.observed_s:7.3f} s  "
            f"predicted {row.predicted_s:7.3f} s  {row.error:+.1%}"
        )
    middle = median(abs(row.error) for row in unseen)
    print(f"Prefill of {len(unseen)} configurations never fitted: median error {middle:.1%}.")
    return 0 if middle <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
