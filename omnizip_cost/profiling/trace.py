"""A profiled pass as a Chrome trace: small enough to keep, open in Perfetto."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.profiler import profile

from omnizip_cost.results.tables import atomic_write_bytes

_SCOPES = ("user_annotation", "gpu_user_annotation")
_ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
_OPERATORS = "cpu_op"
"""Kineto's categories of events."""

DECIMALS = 1
"""Of a microsecond; a kernel takes more than one."""


def write_trace(profiled: profile, path: str | Path) -> None:
    """Write our scopes, the outermost operators and everything that ran on the device.

    Left out: operators inside operators, calls of CUDA's runtime, arrows between events, shapes
    and other details, the host's name and the path it was written to. Moments count from the
    first event.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(raw))
        content = json.loads(raw.read_text(encoding="utf-8"))
    slim = {
        "traceName": path.name,
        "displayTimeUnit": "ms",
        "traceEvents": list(_kept(content["traceEvents"])),
    }
    data = json.dumps(slim, separators=(",", ":")).encode()
    atomic_write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _kept(events: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Names of the rows, then the events, by moment."""
    events = list(events)
    timed = sorted((event for event in events if _is_shown(event)), key=_moment)
    start_us = float(timed[0]["ts"]) if timed else 0.0
    shown = {(event["pid"], event["tid"]) for event in timed}
    for event in events:
        if event.get("ph") == "M" and (event["pid"], event.get("tid")) in shown:
            yield {name: event[name] for name in ("ph", "name", "pid", "tid", "args")}
    busy_until: dict[Any, float] = {}
    for event in timed:
        begin = float(event["ts"])
        if event["cat"] == _OPERATORS:
            row = (event["pid"], event["tid"])
            if begin < busy_until.get(row, 0.0):
                continue
            busy_until[row] = begin + float(event["dur"])
        yield {
            "ph": "X",
            "cat": event["cat"],
            "name": event["name"],
            "pid": event["pid"],
            "tid": event["tid"],
            "ts": round(begin - start_us, DECIMALS),
            "dur": round(float(event["dur"]), DECIMALS),
        }


def _is_shown(event: Mapping[str, Any]) -> bool:
    return event.get("ph") == "X" and event.get("cat") in (*_SCOPES, *_ON_DEVICE, _OPERATORS)


def _moment(event: Mapping[str, Any]) -> tuple[float, float]:
    """Begin, and the longer first: what encloses another comes before it."""
    return float(event["ts"]), -float(event["dur"])
