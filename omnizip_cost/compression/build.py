"""From a method and its ratios to a plan: the token counts of every layer and window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from omnizip_cost.compression.counts import (
    ANCHOR_SHARE,
    MERGE,
    Rounding,
    audio_kept,
    dycoke_audio_drops,
    dycoke_drops,
    kept_count,
    official_grid_kept,
    paper_grid_kept,
)
from omnizip_cost.compression.plan import Plan, WindowPlan
from omnizip_cost.compression.request import PlanRequest, spread, with_ratios
from omnizip_cost.compression.settings import (
    FASTV_FORMS,
    FASTV_LAYER,
    RHO_MAX,
    RHO_MIN,
    FastvForm,
    Mode,
    require_method,
    require_settings,
)
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.workload.workload import Workload


def make_plan(
    method: str,
    workload: Workload,
    spec: ThinkerSpec,
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
    method : str
        ``full``, ``random``, ``fastv``, ``dycoke`` or ``omnizip``.
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
    UnknownNameError, InvalidValueError
    """
    require_method(method)
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
    if method == "fastv" and (
        not isinstance(fastv_layer, int) or not 1 <= fastv_layer < max(layers, 2)
    ):
        raise InvalidValueError(
            "method 'fastv'", "fastv_layer", f"between 1 and {layers - 1}", fastv_layer
        )
    request = PlanRequest(
        method=method,
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
    if request.rho_a == 0 and request.rho_v == 0 and method != "fastv":
        return _untouched(request)
    return _BUILDERS[method](request)


def _plan(
    request: PlanRequest,
    windows: tuple[WindowPlan, ...],
    *,
    video_kept: float,
    audio_kept: float,
    exact: bool,
    layers: tuple[float, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Plan:
    work = request.workload
    return Plan(
        method=request.method,
        av_tokens=work.av_tokens,
        video_tokens=work.video_tokens,
        audio_tokens=work.audio_tokens,
        text_tokens=work.text_tokens,
        layer_av_tokens=layers or (video_kept + audio_kept,) * request.layers,
        video_kept=video_kept,
        audio_kept=audio_kept,
        retained=request.retained,
        rho_a=None if work.bare_tokens is not None else request.rho_a,
        rho_v=None if work.bare_tokens is not None else request.rho_v,
        fastv_layer=request.fastv_layer if request.method == "fastv" else None,
        fastv_form=request.fastv_form if request.method == "fastv" else None,
        mode=request.mode,
        tokens_per_grid=None if work.bare_tokens is not None else work.tokens_per_grid,
        mel_frames=work.mel_frames,
        anchor_share=request.anchor_share if request.method == "omnizip" else None,
        merge=request.merge if request.method == "omnizip" else None,
        windows=windows,
        exact=exact,
        notes=notes,
    )


def _bare(request: PlanRequest) -> Plan:
    """A token count without mix: real-valued r * n, as in the paper's FLOPs column."""
    tokens = request.workload.av_tokens
    kept = request.retained * tokens
    full = request.fastv_layer if request.method == "fastv" else 0
    layers = (float(tokens),) * full + (kept,) * (request.layers - full)
    return _plan(request, (), video_kept=0.0, audio_kept=0.0, exact=True, layers=layers)


def _untouched(request: PlanRequest) -> Plan:
    windows = tuple(
        WindowPlan(
            video_tokens=window.video_tokens,
            audio_tokens=window.audio_tokens,
            video_kept=window.video_tokens,
            audio_kept=window.audio_tokens,
            retention=1.0 if window.audio_tokens else None,
            rate=0.0,
        )
        for window in request.workload.windows
    )
    work = request.workload
    return _plan(
        request,
        windows,
        video_kept=work.video_tokens,
        audio_kept=work.audio_tokens,
        exact=True,
    )


def _proportional(
    request: PlanRequest, *, video_kept: float, audio_kept: float
) -> tuple[WindowPlan, ...]:
    """Expected counts of methods whose choice does not depend on the window."""
    work = request.workload
    video_share = video_kept / work.video_tokens if work.video_tokens else 0.0
    audio_share = audio_kept / work.audio_tokens if work.audio_tokens else 0.0
    return tuple(
        WindowPlan(
            video_tokens=window.video_tokens,
            audio_tokens=window.audio_tokens,
            video_kept=video_share * window.video_tokens,
            audio_kept=audio_share * window.audio_tokens,
        )
        for window in work.windows
    )


def _random(request: PlanRequest) -> Plan:
    video = kept_count(request.workload.video_tokens, request.rho_v)
    audio = kept_count(request.workload.audio_tokens, request.rho_a)
    windows = _proportional(request, video_kept=video, audio_kept=audio)
    return _plan(request, windows, video_kept=video, audio_kept=audio, exact=False)


def _fastv(request: PlanRequest) -> Plan:
    """All tokens through K layers, then ``round(r * n)`` whatever their modality."""
    work = request.workload
    kept = round(request.retained * work.av_tokens)
    video = kept * work.video_tokens / work.av_tokens
    layers = (work.av_tokens,) * request.fastv_layer + (kept,) * (
        request.layers - request.fastv_layer
    )
    return _plan(
        request,
        _proportional(request, video_kept=video, audio_kept=kept - video),
        video_kept=video,
        audio_kept=kept - video,
        exact=kept == work.av_tokens,
        layers=layers,
    )


def _dycoke(request: PlanRequest) -> Plan:
    work = request.workload
    grids = work.video_tokens // work.tokens_per_grid if work.tokens_per_grid else 0
    drops = iter(dycoke_drops(grids, work.tokens_per_grid, request.rho_v))
    audio = work.audio_tokens - dycoke_audio_drops(work.audio_tokens, request.rho_a)
    windows = []
    for window in work.windows:
        here = window.video_tokens // work.tokens_per_grid if work.tokens_per_grid else 0
        windows.append(
            WindowPlan(
                video_tokens=window.video_tokens,
                audio_tokens=window.audio_tokens,
                video_kept=window.video_tokens - sum(next(drops) for _ in range(here)),
                audio_kept=audio * window.audio_tokens / work.audio_tokens
                if work.audio_tokens
                else 0,
            )
        )
    video = sum(int(window.video_kept) for window in windows)
    return _plan(
        request, tuple(windows), video_kept=video, audio_kept=audio, exact=not work.audio_tokens
    )


def _omnizip(request: PlanRequest) -> Plan:
    """OmniZip: audio over the whole clip, video by Algorithm 1 and ISTC in each window."""
    from omnizip_cost.compression.rates import allocation

    work = request.workload
    total_audio = audio_kept(
        work.audio_tokens, request.rho_a, anchor_share=request.anchor_share, merge=request.merge
    )
    expected = total_audio / work.audio_tokens if work.audio_tokens else math.nan
    known = request.retention is not None
    shares = request.retention or tuple(
        expected if window.audio_tokens else math.nan for window in work.windows
    )
    sizes = [window.video_tokens for window in work.windows]
    rates = allocation(
        shares,
        video_pruning=request.rho_v,
        video_tokens=sizes,
        mode=request.mode,
        rho_min=request.rho_min,
        rho_max=request.rho_max,
    )
    if request.mode == "official":
        grids = [
            official_grid_kept(size, work.tokens_per_grid, rate)
            for size, rate in zip(sizes, rates.rates.tolist(), strict=True)
        ]
    else:
        grids = list(
            paper_grid_kept(
                sizes,
                work.tokens_per_grid,
                rates.rates.tolist(),
                request.rounding,
                budget=kept_count(work.video_tokens, request.rho_v),
            )
        )
    windows = tuple(
        WindowPlan(
            video_tokens=window.video_tokens,
            audio_tokens=window.audio_tokens,
            video_kept=sum(kept),
            audio_kept=_audio_in_window(share, window.audio_tokens, known=known),
            retention=None if math.isnan(share) else share,
            initial_rate=None if math.isnan(share) else float(initial),
            rate=float(rate),
        )
        for window, kept, share, initial, rate in zip(
            work.windows, grids, shares, rates.initial_rates, rates.rates, strict=True
        )
    )
    audio = sum(window.audio_kept for window in windows) if known else total_audio
    return _plan(
        request,
        windows,
        video_kept=sum(int(window.video_kept) for window in windows),
        audio_kept=audio,
        exact=known or not work.audio_tokens,
        notes=rates.notes,
    )


def _audio_in_window(share: float, tokens: int, *, known: bool) -> float:
    """Audio kept in a window: whole when the share was observed, expected otherwise."""
    if not tokens:
        return 0
    return round(share * tokens) if known else share * tokens


_BUILDERS: dict[str, Callable[[PlanRequest], Plan]] = {
    "full": _untouched,
    "random": _random,
    "fastv": _fastv,
    "dycoke": _dycoke,
    "omnizip": _omnizip,
}
