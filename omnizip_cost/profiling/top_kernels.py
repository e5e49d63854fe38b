"""Which kernels a profiled pass spent its time in, by phase and part of the model."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omnizip_cost.profiling.operators import Placed, is_scope
from omnizip_cost.results.kernel_row import OTHERS, KernelRow
from omnizip_cost.units import MICRO

TOP = 15
"""Kernels that get a row of their own, per phase."""

LONGEST_NAME = 72
"""Characters of a kernel's name in a table."""

_MARK = 6
"""Hexadecimal digits that tell two names apart of which the same is left."""

_QUALIFIER = re.compile(r"(?:\(anonymous namespace\)|[A-Za-z_]\w*)::")


@dataclass(slots=True)
class _Total:
    calls: int = 0
    device_us: float = 0.0
    self_cpu_us: float = 0.0

    def add(self, calls: int, device_us: float, self_cpu_us: float) -> None:
        self.calls += calls
        self.device_us += device_us
        self.self_cpu_us += self_cpu_us


def top_kernels(
    placed: Iterable[Placed], common: Mapping[str, Any], *, top: int = TOP
) -> tuple[KernelRow, ...]:
    """Return the longest kernels of each phase, and one row that sums the rest.

    Parameters
    ----------
    placed : iterable of Placed
        What :func:`omnizip_cost.profiling.operators.place` found.
    common : mapping
        Columns that all rows share.
    top : int
        Rows per phase, the rest not counted.
    """
    placed = tuple(item for item in placed if not is_scope(item.event))
    on_device = {item.key[0] for item in placed if item.event.kernels}
    totals: dict[str, dict[tuple[str, str], _Total]] = {}
    for item in placed:
        phase, group, _ = item.key
        found = totals.setdefault(phase, {})
        host_us = float(item.event.self_cpu_time_total)
        if phase not in on_device:
            found.setdefault((group, str(item.event.name)), _Total()).add(1, 0.0, host_us)
            continue
        kernels = item.event.kernels
        for kernel in kernels:
            total = found.setdefault((group, str(kernel.name)), _Total())
            total.add(1, float(kernel.duration), host_us / len(kernels))
    names = short_names({name for found in totals.values() for _, name in found})
    return tuple(
        KernelRow(**common, phase=phase, **row)
        for phase, found in totals.items()
        for row in _ranked(found, names, top, on_device=phase in on_device)
    )


def _ranked(
    found: Mapping[tuple[str, str], _Total], names: Mapping[str, str], top: int, *, on_device: bool
) -> Iterator[dict[str, Any]]:
    """Columns of one phase's rows: where something ran on a device, the host only launched it."""

    def spent(total: _Total) -> float:
        return total.device_us if on_device else total.self_cpu_us

    order = sorted(found.items(), key=lambda item: (-spent(item[1]), item[0]))
    whole = sum(spent(total) for _, total in order)
    rows = [(group, names[name], total) for (group, name), total in order[:top]]
    rest = _Total()
    for _, total in order[top:]:
        rest.add(total.calls, total.device_us, total.self_cpu_us)
    if rest.calls:
        rows.append((OTHERS, OTHERS, rest))
    for rank, (group, name, total) in enumerate(rows, start=1):
        yield {
            "rank": rank,
            "group": group,
            "kernel": name,
            "calls": total.calls,
            "device_s": total.device_us * MICRO,
            "self_cpu_s": total.self_cpu_us * MICRO,
            "share": spent(total) / whole if whole else 0.0,
        }


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return readable names, no two the same.

    Return types, argument lists and namespaces go. A name that is still too long, or that
    another has become as well, ends in a mark made from the whole of it.

    >>> short_names(["void at::native::copy_kernel<float>(int, float*)"]).popitem()[1]
    'copy_kernel<float>'
    """
    plain = {name: _plain(name) for name in names}
    often = Counter(plain.values())
    return {
        name: short if len(short) <= LONGEST_NAME and often[short] == 1 else _marked(short, name)
        for name, short in plain.items()
    }


def _plain(name: str) -> str:
    """Drop what does not tell kernels apart; names that are no C++ signature stay as they are."""
    if name.startswith(("Memcpy", "Memset")) or not ("<" in name or "(" in name):
        return name
    kept = _without_arguments(name.removeprefix("void "))
    return re.sub(r"\s+", " ", _QUALIFIER.sub("", kept)).replace(" >", ">").strip()


def _without_arguments(signature: str) -> str:
    """Cut a C++ signature at the bracket that opens its argument list, outside all ``< >``."""
    signature = signature.replace("(anonymous namespace)::", "")
    depth = 0
    for index, letter in enumerate(signature):
        if letter == "<":
            depth += 1
        elif letter == ">" and signature[index - 1] != "-":
            depth -= 1
        elif letter == "(" and depth == 0 and index > 0:
            return signature[:index]
    return signature


def _marked(short: str, name: str) -> str:
    mark = hashlib.sha256(name.encode()).hexdigest()[:_MARK]
    return f"{short[: LONGEST_NAME - _MARK - 2]}~{mark}"
