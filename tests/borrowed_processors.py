"""Functions of the installed transformers that cannot be imported without torchvision.

The installed file is parsed and the wanted methods are compiled from it, unchanged but for their
annotations, so that a test asks the library's own code.
"""

from __future__ import annotations

import ast
import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

VIDEO_PROCESSOR = "transformers.models.qwen2_vl.video_processing_qwen2_vl"


def video_processor() -> Any:
    """An object with the real ``sample_frames`` and ``resize`` of Qwen2-VL's video processor.

    Its ``resize`` returns the (height, width) it decides on, instead of resized frames.
    """
    found = importlib.util.find_spec(VIDEO_PROCESSOR)
    assert found is not None and found.origin is not None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    wanted: list[ast.stmt] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in {"sample_frames", "resize"}:
            wanted.append(_without_annotations(node))
    resizer = next(n for n in tree.body if getattr(n, "name", "") == "smart_resize")
    borrowed = ast.ClassDef(
        name="Borrowed",
        bases=[ast.Name("Base", ast.Load())],
        keywords=[],
        body=wanted,
        decorator_list=[],
        type_params=[],
    )
    module = ast.fix_missing_locations(ast.Module([_without_annotations(resizer), borrowed], []))
    scope: dict[str, Any] = {"math": math, "torch": torch, "SizeDict": dict, "Base": _Base}
    exec(compile(module, found.origin, "exec"), scope)
    return scope["Borrowed"]()


def size(shortest_edge: int, longest_edge: int) -> SimpleNamespace:
    """A pixel budget in the processor's form."""
    return SimpleNamespace(shortest_edge=shortest_edge, longest_edge=longest_edge)


class _Base:
    """The defaults of the real class, and a resize that only reports."""

    num_frames = None
    fps = None
    temporal_patch_size = 2
    min_frames = 4
    max_frames = 768
    max_video_tokens = 128_000

    def resize(self, image: Any, size: dict[str, int], **_: Any) -> tuple[int, int]:
        return size["height"], size["width"]


def _without_annotations(function: Any) -> Any:
    """Annotations name classes that are not there."""
    function.returns = None
    function.decorator_list = []
    arguments = function.args
    for argument in (*arguments.args, *arguments.kwonlyargs, arguments.kwarg, arguments.vararg):
        if argument is not None:
            argument.annotation = None
    return function
