"""Where and with what a measurement ran: device, versions, settings, the state of the machine.

No host name, user name or path is recorded.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from omnizip_cost import __version__
from omnizip_cost.results.commit import command_output, git_commit, now_utc
from omnizip_cost.units import MICRO

_SMI_FIELDS = {
    "driver": "driver_version",
    "sm_clock_mhz": "clocks.sm",
    "memory_clock_mhz": "clocks.mem",
    "max_sm_clock_mhz": "clocks.max.sm",
    "power_w": "power.draw",
    "power_limit_w": "power.limit",
    "temperature_c": "temperature.gpu",
}
"""Our name -> field of ``nvidia-smi --help-query-gpu``."""

_REASON_FIELDS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
"""Why clocks are held down: its name since driver 535, and before."""

_SMI_COLUMNS = (*_SMI_FIELDS, "throttle_reasons")

_THROTTLING = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""Bits that cost speed (nvml.h, nvmlClocksThrottleReason*); idle and set clocks do not."""


def environment_record(device: str | torch.device, *, dtype: str, attention: str) -> dict[str, Any]:
    """Return what is known of the machine and the software; what is not known is None.

    Parameters
    ----------
    device
        The torch device that was measured.
    dtype, attention
        The thinker's dtype and attention implementation.

    Returns
    -------
    dict
        Plain JSON values. ``omnizip_cost.results.environment_id`` says which of them must agree
        for two measurements to be comparable.
    """
    device = torch.device(device)
    cuda = device.type == "cuda"
    return {
        "device": device_name(device),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "cores_usable": usable_cores(),
        "memory_bytes": _total_memory(),
        "device_memory_bytes": _device_memory(device),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "transformers": _version_of("transformers"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "package_version": __version__,
        "git_commit": git_commit(),
        "dtype": dtype,
        "attention": attention,
        "sdpa_backends": sdpa_backends(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "load_average": load_average(),
        "created_utc": now_utc(),
        **gpu_state(device),
    }


def device_name(device: str | torch.device) -> str:
    """Name of the device: as CUDA gives it, else "cpu"."""
    device = torch.device(device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def cpu_model() -> str | None:
    """Name of the CPU, or None where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or None
    names = (line.split(":", 1)[1] for line in text.splitlines() if line.startswith("model name"))
    return next((name.strip() for name in names), platform.processor() or None)


def usable_cores() -> int | None:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def load_average() -> float | None:
    """Processes waiting for a core, averaged over the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def sdpa_backends() -> list[str]:
    """Scaled-dot-product attention kernels that torch may choose from."""
    switches = {
        "flash": torch.backends.cuda.flash_sdp_enabled,
        "memory-efficient": torch.backends.cuda.mem_efficient_sdp_enabled,
        "math": torch.backends.cuda.math_sdp_enabled,
        "cudnn": getattr(torch.backends.cuda, "cudnn_sdp_enabled", lambda: False),
    }
    return [name for name, enabled in switches.items() if enabled()]


def gpu_state(device: str | torch.device) -> dict[str, Any]:
    """Clocks, power, temperature and throttling of a CUDA device now; None on others."""
    device = torch.device(device)
    text = None
    for reasons in _REASON_FIELDS if device.type == "cuda" else ():
        text = text or command_output(
            "nvidia-smi",
            f"--id={_smi_id(device)}",
            f"--query-gpu={','.join((*_SMI_FIELDS.values(), reasons))}",
            "--format=csv,noheader,nounits",
        )
    return parse_smi(text)


def parse_smi(text: str | None) -> dict[str, Any]:
    """Read one line of ``nvidia-smi --query-gpu``; what the card does not tell is None."""
    state: dict[str, Any] = dict.fromkeys(_SMI_COLUMNS)
    cells = [cell.strip() for cell in (text or "").strip().partition("\n")[0].split(",")]
    if len(cells) != len(_SMI_COLUMNS):
        return state
    for name, cell in zip(_SMI_COLUMNS, cells, strict=True):
        if cell.startswith("["):  # "[N/A]", "[Not Supported]"
            continue
        state[name] = cell if name in ("driver", "throttle_reasons") else _number(cell)
    return state


_COUNTERS = {
    "clocks_event_reasons_counters.sw_power_cap": "power cap",
    "clocks_event_reasons_counters.sw_thermal_slowdown": "software thermal slowdown",
    "clocks_event_reasons_counters.hw_thermal_slowdown": "hardware thermal slowdown",
    "clocks_event_reasons_counters.hw_power_brake_slowdown": "power brake",
}
"""Field of ``nvidia-smi`` -> our word. Microseconds for which clocks were held down so far; a
driver that does not count them refuses the whole question, so that it is asked by itself."""


def held_down_seconds(device: str | torch.device) -> dict[str, float]:
    """Seconds for which a CUDA device was slowed down so far, by reason; empty where not told."""
    device = torch.device(device)
    if device.type != "cuda":
        return {}
    text = command_output(
        "nvidia-smi",
        f"--id={_smi_id(device)}",
        f"--query-gpu={','.join(_COUNTERS)}",
        "--format=csv,noheader,nounits",
    )
    cells = (text or "").strip().partition("\n")[0].split(",")
    if len(cells) != len(_COUNTERS):
        return {}
    numbers = {words: _number(cell) for words, cell in zip(_COUNTERS.values(), cells, strict=True)}
    return {words: value * MICRO for words, value in numbers.items() if value is not None}


def throttling(state: dict[str, Any]) -> tuple[str, ...]:
    """Return what slows the GPU down, in words; empty when nothing does."""
    try:
        bits = int(state.get("throttle_reasons") or "0", 16)
    except ValueError:
        return ()
    return tuple(words for bit, words in _THROTTLING.items() if bits & bit)


def _smi_id(device: torch.device) -> str:
    """nvidia-smi counts all cards, torch only the visible ones: only the UUID is the same."""
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return f"GPU-{str(uuid).removeprefix('GPU-')}" if uuid else str(device.index or 0)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _version_of(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _total_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def _device_memory(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    return int(torch.cuda.get_device_properties(device).total_memory)
