"""Asking a method for its selection: the package's own, or one of another package, checked."""

from __future__ import annotations

from dataclasses import replace

import torch

from omnizip_cost.compression.method import Method
from omnizip_cost.compression.methods import is_builtin
from omnizip_cost.errors import PluginError
from omnizip_cost.runtime.selection.builtin import SELECT
from omnizip_cost.runtime.selection.request import SelectionRequest
from omnizip_cost.runtime.selection.result import Selection


def call_method(method: Method, request: SelectionRequest) -> Selection:
    """Ask the method, and check the shape of what one of another package returns.

    Raises
    ------
    PluginError
        Its code fails, or what it returns fits no prompt of this shape.
    """
    if is_builtin(method):
        return SELECT[method.name](request)
    if request.rho_a == 0 and request.rho_v == 0:
        return SELECT["full"](request)
    from omnizip_cost.compression.method_plugins import owner_of, plugin_errors

    # Torch's own errors, out of memory among them, pass as they are.
    torch_errors = (RuntimeError, MemoryError)
    with plugin_errors(method.name, owner_of(method), "select()", passing=torch_errors):
        selection = method.select(_with_empty_scores(method, request))
    if problem := problem_with(selection, request.embeddings):
        raise PluginError(method.name, owner_of(method), f"select() must return {problem}")
    return selection  # type: ignore[no-any-return]


def problem_with(selection: object, rows: torch.Tensor) -> str:
    """Say what a selection should have been; nothing when it fits the prompt's rows."""
    if not isinstance(selection, Selection):
        return f"a Selection, as request.keep(...) makes it, got {type(selection).__name__}"
    keep = selection.keep
    if not isinstance(keep, torch.Tensor) or keep.dtype != torch.bool:
        return f"a bool mask as keep, got {getattr(keep, 'dtype', type(keep).__name__)}"
    if tuple(keep.shape) != (len(rows),) or keep.device != rows.device:
        return (
            f"keep of shape ({len(rows)},) on {rows.device}, "
            f"got {tuple(keep.shape)} on {keep.device}"
        )
    held = selection.embeddings
    if held.shape != rows.shape or held.dtype != rows.dtype or held.device != rows.device:
        return (
            f"embeddings like the prompt's, {rows.dtype} of shape {tuple(rows.shape)} on "
            f"{rows.device}, got {held.dtype} of shape {tuple(held.shape)} on {held.device}"
        )
    return ""


def _with_empty_scores(method: Method, request: SelectionRequest) -> SelectionRequest:
    """Give no scores as an empty row, so that a method need not ask whether there is a modality."""
    nothing = request.embeddings.new_zeros(0, dtype=torch.float32)
    if "audio" in method.scores and request.audio_scores is None:
        request = replace(request, audio_scores=nothing)
    if "video" in method.scores and request.video_scores is None:
        request = replace(request, video_scores=nothing)
    return request
