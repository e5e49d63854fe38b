"""From a method and its ratios to a plan: the token counts of every layer and window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, Rounding
from omnizip_cost.compression.method import Counts, Method
from omnizip_cost.compression.method_answers import planned_counts
from omnizip_cost.compression.methods import is_builtin, require_method
from omnizip_cost.compression.plan import Plan, WindowPlan
from omnizip_cost.compression.request import PlanRequest, spread, with_ratios
from omnizip_cost.compression.settings import (
    FASTV_FORMS,
    FASTV_LAYER,
    RHO_MAX,
    RHO_MIN,
    FastvForm,
    Mode,
    require_settings,
)
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.workload.workload import Workload


def make_plan(
    method: str | Method | type[Method],
    workload: Workload,
    spec: ModelSpec,
    *,
    retained: float | None = None,
    audio_pruning: float | None = None,
    video_pruning: float | None = None,
    retention: Sequence[float | None] | None = None,
    mode: Mode = "paper",
    fastv_layer: int = FASTV_LAYER,
    fastv_form: FastvForm = "materialised",
    anchor_share: float = ANCHOR_SHARE,
    merge: int = MERGE,
    rho_min: float = RHO_MIN,
    rho_max: float = RHO_MAX,
    rounding: Rounding = "floor",
) -> Plan:
    """What ``method`` keeps of ``workload`` in the decoder of ``spec``.

    Give either ``retained`` (one ratio, turned into a pair by :func:`resolve_pruning`) or both
    pruning ratios; with all three, ``retained`` is the nominal label. ``full`` needs none.

    Parameters
    ----------
    method : str or Method
        A name that ``omnizip-cost methods`` lists, or a method object of your own.
    retained : float, optional
        Nominal share of audio+video tokens kept.
    audio_pruning, video_pruning : float, optional
        rho_a and rho_v.
    retention : sequence of float, optional
        Share of audio tokens kept per window (one value per window, or per window with audio),
        as OmniZip's selection reports it: then the counts are exact. Without it they are the
        expected counts, audio kept evenly over the clip.
    mode : {"paper", "official"}
    fastv_layer : int
        K: layers that run on all tokens under FastV.
    fastv_form : {"materialised", "last-query"}
        How FastV obtains the attention it ranks by; the tokens kept are the same.
    anchor_share, merge, rho_min, rho_max, rounding
        OmniZip's settings (Secs. 3.2-3.3).

    Raises
    ------
    UnknownNameError, InvalidValueError, PluginError
    """
    found = require_method(method)
    require_settings(
        "plan",
        anchor_share=anchor_share,
        merge=merge,
        mode=mode,
        rho_min=rho_min,
        rho_max=rho_max,
        rounding=rounding,
    )
    if fastv_form not in FASTV_FORMS:
        raise UnknownNameError("FastV form", str(fastv_form), FASTV_FORMS)
    layers = spec.text.layers
    if found.prunes == "inside the decoder" and (
        not isinstance(fastv_layer, int) or not 1 <= fastv_layer < max(layers, 2)
    ):
        raise InvalidValueError(
            f"method {found.name!r}", "fastv_layer", f"between 1 and {layers - 1}", fastv_layer
        )
    request = PlanRequest(
        method=found,
        workload=workload,
        layers=layers,
        retained=1.0,
        rho_a=0.0,
        rho_v=0.0,
        retention=spread(retention, workload),
        mode=mode,
        fastv_layer=fastv_layer,
        fastv_form=fastv_form,
        anchor_share=anchor_share,
        merge=merge,
        rho_min=rho_min,
        rho_max=rho_max,
        rounding=rounding,
    )
    request = with_ratios(request, retained, audio_pruning, video_pruning)
    if workload.bare_tokens is not None:
        return _bare(request)
    if request.rho_a == 0 and request.rho_v == 0 and found.prunes != "inside the decoder":
        return _untouched(request)
    return _plan(request, planned_counts(request))


def _plan(request: PlanRequest, counts: Counts) -> Plan:
    """Lay the counts out over the decoder's layers."""
    work, own = request.workload, request.method.own_settings
    video, audio = counts.totals
    nothing = (None,) * len(work.windows)
    return Plan(
        **_identity(request),
        layer_av_tokens=_layers(request, work.av_tokens, counts.total),
        video_kept=video,
        audio_kept=audio,
        tokens_per_grid=work.tokens_per_grid,
        mel_frames=work.mel_frames,
        anchor_share=request.anchor_share if "anchor_share" in own else None,
        merge=request.merge if "merge" in own else None,
        windows=tuple(
            WindowPlan(
                video_tokens=window.video_tokens,
                audio_tokens=window.audio_tokens,
                video_kept=video_kept,
                audio_kept=audio_kept,
                retention=retention,
                initial_rate=initial,
                rate=rate,
            )
            for window, video_kept, audio_kept, retention, initial, rate in zip(
                work.windows,
                counts.video,
                counts.audio,
                counts.retention or nothing,
                counts.initial_rates or nothing,
                counts.rates or nothing,
                strict=True,
            )
        ),
        exact=counts.exact,
        notes=counts.notes,
    )


def _bare(request: PlanRequest) -> Plan:
    """A token count without mix: real-valued r * n, as in the paper's FLOPs column."""
    tokens = request.workload.av_tokens
    return Plan(
        **{**_identity(request), "rho_a": None, "rho_v": None},
        layer_av_tokens=_layers(request, float(tokens), request.retained * tokens),
        video_kept=0.0,
        audio_kept=0.0,
        exact=True,
    )


def _untouched(request: PlanRequest) -> Plan:
    """Nothing to prune: every method keeps everything."""
    audio = request.audio_sizes
    return _plan(
        request,
        Counts(
            video=request.video_sizes,
            audio=audio,
            retention=[1.0 if tokens else None for tokens in audio],
            rates=[0.0] * len(audio),
        ),
    )


def _identity(request: PlanRequest) -> dict[str, Any]:
    """What plan and request have in common."""
    work, own = request.workload, request.method.own_settings
    return {
        "method": request.method.name,
        "own_method": None if is_builtin(request.method) else request.method,
        "av_tokens": work.av_tokens,
        "video_tokens": work.video_tokens,
        "audio_tokens": work.audio_tokens,
        "text_tokens": work.text_tokens,
        "retained": request.retained,
        "rho_a": request.rho_a,
        "rho_v": request.rho_v,
        "fastv_layer": request.fastv_layer if "fastv_layer" in own else None,
        "fastv_form": request.fastv_form if "fastv_form" in own else None,
        "mode": request.mode,
    }


def _layers(request: PlanRequest, full: float, kept: float) -> tuple[float, ...]:
    """Audio+video tokens entering each layer: all of them in the first K inside the decoder."""
    whole = request.fastv_layer if request.method.prunes == "inside the decoder" else 0
    return (full,) * whole + (kept,) * (request.layers - whole)
