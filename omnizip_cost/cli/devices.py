"""``devices``: what is known of each device, with sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.measured_here import ROWS, measure_cpu, measure_cuda
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.errors import OptionsError

if TYPE_CHECKING:
    from omnizip_cost.hardware import Device


def devices_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this one; or a TOML file of yours.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print a device's TOML file to start from.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="With `cpu` or `cuda`: measure this machine now."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="With --measure: the file to write.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="With --measure: about how long; 45.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Known devices: dense peaks, bandwidth, memory, sources.

    A device of your own is a small TOML file: `--example` prints one. This machine's CPU is
    measured on the spot: `omnizip-cost devices cpu --measure --out cpu.toml`; `cuda` gives rows
    of the GPU here, for `calibrate`, in a `.micro.csv`.

    Example: `omnizip-cost devices rtx-a6000`
    """
    from omnizip_cost.hardware import bundled_devices, load_device
    from omnizip_cost.hardware.load import EXAMPLE

    if example:
        print(EXAMPLE, end="")
        return
    if not measure and (out, seconds) != (None, None):
        raise OptionsError("devices", "--out and --seconds go with --measure")
    if measure and name == "cuda":
        rows = [dict(row) for row in measure_cuda(out, seconds)]
        if not emit(rows, as_json=as_json, as_csv=as_csv):
            print(f"Written: {out}, {len(rows)} rows.")
        return
    if measure:
        if name != "cpu":
            raise OptionsError("devices", "--measure goes with `cpu` or `cuda`, what is here")
        devices: tuple[Device, ...] = (measure_cpu(out, seconds),)
    else:
        devices = tuple(bundled_devices().values()) if name is None else (load_device(name),)
    if emit([one.facts() for one in devices], as_json=as_json, as_csv=as_csv):
        return
    written = [] if not measure or out is None else [f"Written: {out}, {out.with_suffix(ROWS)}."]
    _print(devices, written, alone=name is not None)


def _print(devices: Sequence[Device], written: Sequence[str], *, alone: bool) -> None:
    """Print a table of devices; one ``alone`` with where its figures come from."""
    from omnizip_cost.hardware import DTYPES
    from omnizip_cost.units import GIBI, GIGA, TERA

    def amount(value: int | None, factor: int) -> str:
        return "-" if value is None else f"{value / factor:,.5g}"

    table = [
        (
            device.name,
            *(amount(device.peak_flop_per_s.get(dtype), TERA) for dtype in DTYPES),
            amount(device.bandwidth_bytes_per_s, GIGA),
            amount(device.memory_bytes, GIBI),
            amount(device.usable_bytes, GIBI),
        )
        for device in devices
    ]
    notes = [
        "Dense peaks in 10^12 FLOP/s (never with sparsity), 16-bit products summed in fp32.",
        "usable: GiB that one process can allocate, what driver and CUDA keep taken off.",
    ]
    if alone:
        notes += [f"Source: {devices[0].source}.", *devices[0].notes]
        notes += [f"Usable memory: {devices[0].usable_source}.", *written]
    else:
        notes.append(
            "`devices NAME` shows one with its source; a TOML file describes one of yours; "
            "`devices cpu --measure --out cpu.toml` measures this machine."
        )
    heads = ("device", *DTYPES, "GB/s", "GiB", "usable")
    show(devices[0].title if alone else "Devices", heads, table, notes=notes)
