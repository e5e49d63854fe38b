"""Colour means method, marker means model, hatch means stage: in every figure the same.

The hues are those of Okabe and Ito (Color Universal Design, 2008), chosen so that their
lightness also differs: the methods keep their order in a greyscale print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from colorsys import hls_to_rgb
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib.style
from matplotlib.colors import to_hex, to_rgb

from omnizip_cost.errors import UnknownNameError

P = ParamSpec("P")
R = TypeVar("R")

STYLE_FILE = Path(__file__).with_name("omnizip.mplstyle")
WIDTHS_IN: dict[str, float] = {"column": 3.3, "page": 6.9}
"""Printed widths: one column, and both columns, of a two-column page."""

LEAST_VISIBLE = 0.015
"""A segment under this share of the longest bar has no room for its hatch: some ten dots wide."""

INK = "#222222"
FAINT = "#8A8A8A"
NO_DATA = "#B0B0B0"

METHOD_COLOURS: dict[str, str] = {
    "full": "#3C3C3C",
    "fastv": "#0072B2",
    "omnizip": "#D55E00",
    "random": "#999999",
    "dycoke": "#56B4E9",
    "visionzip": "#00664B",
}
"""Built-in method -> colour, all apart in greyscale; FastV blue, OmniZip vermillion, DyCoke sky
blue are Okabe-Ito's, the two references (full tokens, random choice) are greys."""

_FREE_HUES = ((75, 190), (250, 345))
"""Degrees of the colour circle that no built-in method is near: greens, and purples to pinks."""

METHOD_TITLES: dict[str, str] = {
    "full": "Full tokens",
    "fastv": "FastV",
    "omnizip": "OmniZip",
    "random": "Random",
    "dycoke": "DyCoke (V&A)",
    "visionzip": "VisionZip-style",
}

MODEL_MARKERS: dict[str, str] = {
    "qwen2.5-omni-7b": "o",
    "qwen2.5-omni-3b": "s",
    "qwen3-omni-30b-a3b": "D",
    "omni-tiny": "^",
}
METHOD_FILLS: dict[str, str] = {
    "omnizip": "full",
    "random": "bottom",
    "dycoke": "left",
    "fastv": "full",
    "visionzip": "top",
}
"""Part of a method's markers that its colour fills, where points of several stand so close that
greys alike would be taken for one another; FastV's stand apart. Shapes stay the models'."""

_OTHER_MARKERS = ("v", "P", "X", "p", "h", "<", ">")
"""For models given by path: handed out in alphabetical order of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLook:
    """How one part of a stacked bar looks, whatever the method's colour."""

    title: str
    share: float
    """Share of the method's colour; the rest is white."""
    hatch: str


SEGMENTS: dict[str, SegmentLook] = {
    "audio_encoder": SegmentLook(title="audio encoder", share=0.15, hatch="/////"),
    "vision_encoder": SegmentLook(title="vision encoder", share=0.45, hatch="\\\\\\\\\\"),
    "assembly": SegmentLook(title="assembly", share=0.3, hatch="-----"),
    "selection": SegmentLook(title="selection", share=0.0, hatch="xxxxxxx"),
    "prefill": SegmentLook(title="prefill", share=1.0, hatch=""),
    "decode": SegmentLook(title="decode", share=0.25, hatch="....."),
    "lm_head": SegmentLook(title="LM head", share=0.0, hatch="|||||"),
}
"""Stage of time, or component of a count -> look; a greyscale print tells them by hatch."""


def method_colour(method: str) -> str:
    """Colour of a method; one of another package gets its own from its name, always the same.

    Its hue is none of the built-in methods', its grey lies between black and mid-grey.
    """
    return METHOD_COLOURS.get(method) or _colour_of_name(method)


def _colour_of_name(name: str) -> str:
    digest = sha256(name.encode()).digest()
    width = sum(stop - start for start, stop in _FREE_HUES)
    hue = int.from_bytes(digest[:4]) / 2**32 * width
    for start, stop in _FREE_HUES:
        if hue < stop - start:
            hue += start
            break
        hue -= stop - start
    lightness = 0.28 + 0.16 * digest[4] / 255
    return str(to_hex(hls_to_rgb(hue / 360, lightness, 0.6)))


def method_fill(method: str) -> str:
    """Return which part of the method's markers is filled; the right half for one unknown here."""
    return METHOD_FILLS.get(method, "right")


def model_markers(models: Iterable[str]) -> dict[str, str]:
    """Marker of each model: fixed for bundled ones, spare shapes in name order for others."""
    names = sorted(set(models))
    others = [name for name in names if name not in MODEL_MARKERS]
    spare = {name: _OTHER_MARKERS[index % len(_OTHER_MARKERS)] for index, name in enumerate(others)}
    return {name: MODEL_MARKERS.get(name) or spare[name] for name in names}


def segment_look(segment: str) -> SegmentLook:
    """Look of a stage or component; unknown ones are refused."""
    if segment not in SEGMENTS:
        raise UnknownNameError("stage", segment, SEGMENTS)
    return SEGMENTS[segment]


def tint(colour: str, share: float) -> str:
    """Mix ``share`` of a colour with white.

    >>> tint("#000000", 0.5)
    '#808080'
    """
    return str(to_hex([1.0 - share * (1.0 - channel) for channel in to_rgb(colour)]))


def lightness(colour: str) -> float:
    """Lightness L* (CIE 1976, 0 black to 100 white) of an sRGB colour: its grey in print."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


@contextmanager
def house_style() -> Iterator[None]:
    """Use the house look inside the block, whatever the user's own matplotlib settings."""
    with matplotlib.style.context(["default", str(STYLE_FILE)]):
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function in the house style."""

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with house_style():
            return draw(*args, **kwargs)

    return wrapped
