"""How stored formats meet the hardware: which peak multiplies, what is unpacked first.

Named as engines name them: W for weights, A for activations, with their bits. Weights of 8 bits
multiply activations of 8 bits where the device states a peak for that format, else, as weights of
4 bits everywhere, they are unpacked to the activations' format: inside the product where it has
few rows, and into memory before it where it has many.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.cost.formats import Formats
from omnizip_cost.hardware.device import Device

ROWS_UNPACKED_INSIDE = 64
"""A product of more rows is bound by arithmetic, where unpacking each weight again for every tile
costs more than unpacking it once into memory. Kernels such as Marlin (arXiv 2408.11743) keep up
to batches of 16 to 32 at nearly the full gain, and lose it by 128."""

UNPACKING_SHARE = 0.85
"""Speed of a product that unpacks its weights as it reads them, over that of its stand-in."""

UNPACKING_SPREAD = 0.2
"""Relative half-width of the time that this makes.

A decode step of Llama 2 7B with weights of 4 bits takes 4.2 ms on an A100 if unpacking is free, and
was measured at 5.1 (0.76 for its layers; README of github.com/pytorch-labs/gpt-fast); Marlin (arXiv
2408.11743) reports nearly all of the ideal gain for the product alone (1.0).
"""

_BITS = {"bf16": 16, "fp16": 16, "fp32": 32, "fp8": 8, "int8": 8, "int4": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What the layers' products run in on one device."""

    formats: Formats
    multiplies: str
    """Format of their operands, whose peak binds."""
    unpacked: bool
    """Whether weights are brought to the activations' format before they are multiplied."""

    @classmethod
    def of(cls, formats: Formats, device: Device) -> Scheme:
        """Choose by what the device has a peak for."""
        stored = formats.weight_dtype
        if stored == formats.dtype:
            return cls(formats=formats, multiplies=stored, unpacked=False)
        if stored in ("fp8", "int8") and stored in device.peak_flop_per_s:
            return cls(formats=formats, multiplies=stored, unpacked=False)
        return cls(formats=formats, multiplies=formats.dtype, unpacked=True)

    @property
    def plain(self) -> Scheme:
        """The same with everything stored in the format of activations."""
        dtype = self.formats.dtype
        return Scheme(formats=Formats.of(dtype), multiplies=dtype, unpacked=False)

    @property
    def narrow_inputs(self) -> bool:
        """Whether activations enter the products in 8 bits, as what makes them writes them."""
        return self.multiplies != self.formats.dtype

    @property
    def name(self) -> str:
        """W, A and KV with their bits, and the format where 8 bits could be either.

        >>> Scheme(formats=Formats(weight_dtype="int4"), multiplies="bf16", unpacked=True).name
        'W4A16 KV16'
        """
        f = self.formats
        weights = f"W{_BITS[f.weight_dtype]}A{_BITS[self.multiplies]}"
        kind = f" {f.weight_dtype}" if f.weight_dtype in ("fp8", "int8") else ""
        return f"{weights}{kind} KV{_BITS[f.cache_dtype]}"
