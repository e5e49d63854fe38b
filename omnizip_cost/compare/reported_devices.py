"""From the name that a driver reports to a device that is known here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from omnizip_cost.errors import InvalidValueError, OptionsError
from omnizip_cost.hardware import Device, bundled_devices, load_device
from omnizip_cost.results import MeasurementRow

REPORTED: Mapping[str, str] = MappingProxyType(
    {
        "h100 80gb hbm3": "h100-sxm",
        "h100 pcie": "h100-pcie",
        "h200": "h200-sxm",
        "a100-sxm4-80gb": "a100-sxm",
        "a100-sxm4-40gb": "a100-sxm-40gb",
        "a100 80gb pcie": "a100-pcie-80gb",
        "l40s": "l40s",
        "l4": "l4",
        "l20": "l20",
        "h20": "h20",
        "rtx a6000": "rtx-a6000",
        "rtx 6000 ada generation": "rtx-6000-ada",
        "rtx a5000": "rtx-a5000",
        "geforce rtx 4090": "rtx-4090",
        "rtx pro 6000 blackwell workstation edition": "rtx-pro-6000",
        "rtx pro 6000 blackwell server edition": "rtx-pro-6000",
        "b200": "b200",
    }
)
"""Product names as NVIDIA's driver gives them to ``torch.cuda.get_device_name``, in small letters
and without the vendor. A name that is not here is refused, never guessed."""

_VENDOR = "nvidia "


def reported_device(rows: Iterable[MeasurementRow], given: str | Device | None = None) -> Device:
    """Return the device that rows were measured on: the one given, else by its reported name.

    Raises
    ------
    OptionsError
        Rows of several devices, or of one whose reported name is not known.
    InvalidValueError
        Another kind of device than the rows were measured on, or another known card.
    UnknownNameError, InputFileError
        The given device is not known.
    """
    names = list(dict.fromkeys(row.device for row in rows))
    if len(names) > 1:
        raise OptionsError(
            "predicting", f"rows of one device at a time, these are of {', '.join(names)}"
        )
    if given is not None:
        device = given if isinstance(given, Device) else load_device(given)
        require_measured_on("predicting", device, names)
        return device
    known = reported_name(names[0]) if names else None
    if known is None:
        which = names[0] if names else "no device"
        here = "; `omnizip-cost devices cpu --measure` writes one" if which == "cpu" else ""
        raise OptionsError(
            "predicting",
            f"rows measured on {which!r} name no device of `omnizip-cost devices`; "
            f"give --device NAME, or the TOML file of a device{here}",
        )
    return load_device(known)


def require_measured_on(owner: str, device: Device, names: Iterable[str]) -> None:
    """Refuse rows of a CPU for a GPU, of a GPU for a CPU, and of one known card for another.

    Raises
    ------
    InvalidValueError
    """
    for name in dict.fromkeys(names):
        own_kind = (name == "cpu") != device.asynchronous
        known = reported_name(name)
        other_card = device.name in bundled_devices() and known not in (None, device.name)
        if not own_kind or other_card:
            raise InvalidValueError(
                owner, "device", f"the one the rows were measured on ({name})", device.name
            )


def reported_name(reported: str) -> str | None:
    """Return the name of `devices` for the one a driver reports; None where it is not known.

    >>> reported_name("NVIDIA H100 80GB HBM3"), reported_name("cpu")
    ('h100-sxm', None)
    """
    return REPORTED.get(reported.lower().removeprefix(_VENDOR))
