"""Whether a model's weights fit where they are to be put, before anything is allocated."""

from __future__ import annotations

import psutil
import torch

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.units import BYTES_PER_ELEMENT, binary_bytes


def require_room(model: str, parameters: int, *, dtype: str, device: str) -> None:
    """Refuse a model whose weights alone exceed the free memory of the device.

    Allocating them anyway would end the process on a CPU (the kernel kills it) instead of
    raising an error; activations are not counted, out of memory there is a measured result.

    Raises
    ------
    InvalidValueError
        Too little memory, or no such device on this machine.
    UnknownNameError
        An unknown dtype.
    """
    if dtype not in BYTES_PER_ELEMENT:
        raise UnknownNameError("dtype", dtype, BYTES_PER_ELEMENT)
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidValueError("profile", "device", "one this machine has: cpu", device)
    need = parameters * BYTES_PER_ELEMENT[dtype]
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available
    if need > free:
        raise InvalidValueError(
            "profile",
            "model",
            f"one whose weights fit into the {binary_bytes(free)} free on {device}",
            f"{model}: {binary_bytes(need)} in {dtype}",
            "omni-tiny runs anywhere",
        )
