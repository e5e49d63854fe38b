"""What *enters*: seconds, frames and sampling, made into tokens per window and modality.

The room shares its name with the public function: ``omnizip_cost.workload(spec, ...)`` describes
a clip, so the module itself is callable. What decodes media loads NumPy, on first use.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from omnizip_cost.workload.build import DEFAULT_TEXT_TOKENS, workload
from omnizip_cost.workload.video import default_settings
from omnizip_cost.workload.workload import VideoSettings, Window, Workload, bare_workload

if TYPE_CHECKING:
    from omnizip_cost.workload.clip import Clip, clip_workload, decode_clip
    from omnizip_cost.workload.demo_clip import DemoClip, make_demo_clip
    from omnizip_cost.workload.probe import MediaFacts

__all__ = [
    "DEFAULT_TEXT_TOKENS",
    "Clip",
    "DemoClip",
    "MediaFacts",
    "VideoSettings",
    "Window",
    "Workload",
    "bare_workload",
    "clip_workload",
    "decode_clip",
    "default_settings",
    "make_demo_clip",
    "workload",
]

_LAZY = {
    "Clip": ("clip", "Clip"),
    "clip_workload": ("clip", "clip_workload"),
    "decode_clip": ("clip", "decode_clip"),
    "DemoClip": ("demo_clip", "DemoClip"),
    "make_demo_clip": ("demo_clip", "make_demo_clip"),
    "MediaFacts": ("probe", "MediaFacts"),
}


class _CallableRoom(ModuleType):
    def __call__(self, *args: Any, **settings: Any) -> Workload:
        return workload(*args, **settings)


sys.modules[__name__].__class__ = _CallableRoom


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
