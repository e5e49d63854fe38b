"""What *enters*: seconds, frames and sampling, made into tokens per window and modality.

The room shares its name with the public function: ``omnizip_cost.workload(spec, ...)`` describes
a clip, so the module itself is callable.
"""

import sys
from types import ModuleType
from typing import Any

from omnizip_cost.workload.build import DEFAULT_TEXT_TOKENS, workload
from omnizip_cost.workload.clip import Clip, clip_workload, decode_clip
from omnizip_cost.workload.demo_clip import DemoClip, make_demo_clip
from omnizip_cost.workload.probe import MediaFacts, probe
from omnizip_cost.workload.video import default_settings
from omnizip_cost.workload.workload import VideoSettings, Window, Workload, bare_workload

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
    "probe",
    "workload",
]


class _CallableRoom(ModuleType):
    def __call__(self, *args: Any, **settings: Any) -> Workload:
        return workload(*args, **settings)


sys.modules[__name__].__class__ = _CallableRoom
