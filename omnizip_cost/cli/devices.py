"""``devices``: what is known of each device, with sources."""

from __future__ import annotations

from typing import Annotated

import typer

from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show


def devices_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this one; or a TOML file of yours.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print a device's TOML file to start from.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Known devices: dense peaks, bandwidth, memory, sources.

    A device of your own is a small TOML file: `--example` prints one.

    Example: `omnizip-cost devices rtx-a6000`
    """
    from omnizip_cost.hardware import DTYPES, bundled_devices, load_device
    from omnizip_cost.hardware.load import EXAMPLE
    from omnizip_cost.units import GIBI, GIGA, TERA

    if example:
        print(EXAMPLE, end="")
        return
    devices = tuple(bundled_devices().values()) if name is None else (load_device(name),)
    rows = [device.facts() for device in devices]
    if emit(rows, as_json=as_json, as_csv=as_csv):
        return

    def amount(value: int | None, factor: int) -> str:
        return "-" if value is None else f"{value / factor:,.5g}"

    heads = ("device", *DTYPES, "GB/s", "GiB", "usable")
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
    if name is None:
        notes.append(
            "`devices NAME` shows one with its source; a TOML file describes one of yours."
        )
    else:
        notes += [f"Source: {devices[0].source}.", *devices[0].notes]
        notes.append(f"Usable memory: {devices[0].usable_source}.")
    show("Devices" if name is None else devices[0].title, heads, table, notes=notes)
