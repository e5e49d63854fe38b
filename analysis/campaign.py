"""Measures the real compressed model over a declared grid, the most valuable cells first.

    python analysis/campaign.py --device cpu
    python analysis/campaign.py --device cuda --budget-minutes 9 --pack out/campaign.tar.gz
    python analysis/campaign.py --device cuda --plan
    python analysis/campaign.py --device cuda --rehearse

Stopped at any moment, it goes on from there: rows are stored after each round, and what is stored
is not measured again. Blocks whose foretold time does not fit the budget are left out in favour of
smaller ones. ``--rehearse`` runs the same steps on a model and clips so small that a CPU does it in
a minute or two: nothing it measures is worth keeping.
"""

from __future__ import annotations

import time

_STARTED_S = time.monotonic()

import argparse  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from campaign_grid import FOLLOWED_BY, Grid, grid_named, rehearsed  # noqa: E402
from campaign_plan import HERE, Machine, plan_rows, plan_text  # noqa: E402

from omnizip_cost.errors import InvalidValueError, OmnizipCostError  # noqa: E402

BUDGET_MINUTES = {"cpu": 20.0, "cuda": 9.0}
"""Where none is given: a rented machine's command may take ten."""

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run, or plan; 1 where a cell or a step failed, 2 where the options are wrong."""
    options = _options(arguments)
    try:
        grids = _grids(options)
        if options.plan:
            for grid in grids:
                print(plan_text(grid, plan_rows(grid)))
            return 0
        return _run(options, grids)
    except OmnizipCostError as error:
        print(error, file=sys.stderr)
        return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Example: python analysis/campaign.py --device cpu --rehearse",
    )
    parser.add_argument("--device", choices=tuple(BUDGET_MINUTES), required=True)
    parser.add_argument("--grid", help="cpu, cuda or cuda-more; the device's own by default")
    parser.add_argument("--budget-minutes", type=float, help="20 on cpu, 9 on cuda")
    parser.add_argument("--out", type=Path, help="analysis/measurements/<device> by default")
    parser.add_argument("--plan", action="store_true", help="print what it would take, and end")
    parser.add_argument("--rehearse", action="store_true", help="the same steps in small, on a CPU")
    parser.add_argument("--pack", type=Path, help="a .tar.gz of --out, after each step")
    parser.add_argument("--checkpoint", type=Path, help="a folder with real weights")
    return parser.parse_args(arguments)


def _grids(options: argparse.Namespace) -> tuple[Grid, ...]:
    """Return the grid asked for, or the device's own and what follows it."""
    name = options.grid or options.device
    grids = [grid_named(name)]
    if options.grid is None and name in FOLLOWED_BY:
        grids.append(grid_named(FOLLOWED_BY[name]))
    if grids[0].device != options.device:
        raise InvalidValueError(
            "campaign", "--grid", f"one for --device {options.device}", options.grid
        )
    return tuple(rehearsed(grid) for grid in grids) if options.rehearse else tuple(grids)


def _run(options: argparse.Namespace, grids: tuple[Grid, ...]) -> int:
    """Measure; print the summary, also when stopped."""
    import torch
    from campaign_budget import Budget
    from campaign_run import Campaign
    from campaign_summary import summary_rows, summary_text
    from campaign_thinkers import Thinkers

    first = grids[0]
    minutes = options.budget_minutes
    budget = Budget(
        minutes=BUDGET_MINUTES[options.device] if minutes is None else minutes,
        started_s=_STARTED_S,
    )
    if first.device == "cuda" and not torch.cuda.is_available():
        raise InvalidValueError(
            "campaign", "--device", "one this machine has: cpu", "cuda", "--rehearse runs anywhere"
        )
    if first.threads:
        torch.set_num_threads(first.threads)
    name = folder_name(first.device)
    kept = HERE / "measurements" / name
    out = options.out or (Path("out") / f"rehearsal-{options.device}" if options.rehearse else kept)
    thinkers = Thinkers(device=first.device, dtype=first.dtype, checkpoint=options.checkpoint)
    thinkers.require_use(tuple(block for grid in grids for block in grid.blocks))
    campaign = Campaign(
        grids=grids,
        out=out,
        name=name,
        budget=budget,
        thinkers=thinkers,
        machine=Machine.of(first.device),
        after_step=lambda: _pack(out, options.pack),
    )

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stopped, steps = False, []
    try:
        steps = campaign.run()
    except KeyboardInterrupt:
        stopped = True
        print("stopped: what was stored is kept, the same command goes on", file=sys.stderr)
    for one in _pack(out, options.pack):
        print(f"not packed: {one}", file=sys.stderr)
    rows = summary_rows(grids, campaign.store.rows(), campaign.here, thinkers)
    print(summary_text(rows))
    for step in steps:
        if step.note:
            print(f"{step.step}: {step.status}, {step.note}")
    print(f"{out}: {budget.elapsed_s / 60:.1f} minutes")
    if stopped:
        return INTERRUPTED
    return int(any(row.failed for row in rows) or any(step.status == "failed" for step in steps))


def _pack(out: Path, file: Path | None) -> tuple[str, ...]:
    """Write the packed copy where one is asked for; return what was left out of it."""
    from campaign_pack import pack

    return pack(out, file) if file else ()


def folder_name(device: str) -> str:
    """Return our name of the device: ``cpu``, a known card's, or one made of what CUDA reports."""
    if device == "cpu":
        return device
    from omnizip_cost.compare.reported_devices import reported_name
    from omnizip_cost.profiling.environment import device_name

    reported = device_name(device)
    return reported_name(reported) or slug(reported)


def slug(name: str) -> str:
    """Write a name as files are called.

    >>> slug("NVIDIA GeForce RTX 5090 D")
    'nvidia-geforce-rtx-5090-d'
    """
    plain = "".join(letter if letter.isalnum() else " " for letter in name.lower())
    return "-".join(plain.split())


if __name__ == "__main__":
    sys.exit(main())
