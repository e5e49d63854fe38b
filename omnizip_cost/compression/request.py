"""What a caller asks of a method, checked: ratios, pair, retention, settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omnizip_cost.compression.counts import Rounding
from omnizip_cost.compression.method import Method
from omnizip_cost.compression.method_answers import expected_audio
from omnizip_cost.compression.methods import resolve_pruning
from omnizip_cost.compression.settings import FastvForm, Mode
from omnizip_cost.errors import InvalidValueError, require_ratio
from omnizip_cost.workload.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What was asked for, validated: all that a method's ``planned`` needs."""

    method: Method
    workload: Workload
    layers: int
    retained: float
    rho_a: float
    rho_v: float
    retention: tuple[float, ...] | None
    mode: Mode
    fastv_layer: int
    fastv_form: FastvForm
    anchor_share: float
    merge: int
    rho_min: float
    rho_max: float
    rounding: Rounding

    @property
    def video_sizes(self) -> tuple[int, ...]:
        """Video tokens of each window (0 without video)."""
        return tuple(window.video_tokens for window in self.workload.windows)

    @property
    def audio_sizes(self) -> tuple[int, ...]:
        """Audio tokens of each window (0 without audio)."""
        return tuple(window.audio_tokens for window in self.workload.windows)

    @property
    def video_tokens(self) -> int:
        """Video tokens of the clip."""
        return self.workload.video_tokens

    @property
    def audio_tokens(self) -> int:
        """Audio tokens of the clip."""
        return self.workload.audio_tokens

    @property
    def tokens_per_grid(self) -> int:
        """P, video tokens of one temporal grid."""
        return self.workload.tokens_per_grid


def with_ratios(
    request: PlanRequest,
    retained: float | None,
    audio_pruning: float | None,
    video_pruning: float | None,
) -> PlanRequest:
    """Fill ratio and pair of the request from whichever of them was given."""
    owner = f"method {request.method.name!r}"
    given = {
        name: require_ratio(owner, name, value)
        for name, value in (
            ("retained", retained),
            ("audio_pruning", audio_pruning),
            ("video_pruning", video_pruning),
        )
        if value is not None
    }
    if request.method.prunes == "nothing":
        if given.get("retained", 1) != 1 or any(
            given.get(name) for name in ("audio_pruning", "video_pruning")
        ):
            raise InvalidValueError(owner, "retained", "1 (nothing is pruned)", given)
        return request
    if ("audio_pruning" in given) != ("video_pruning" in given):
        missing = "audio_pruning" if audio_pruning is None else "video_pruning"
        raise InvalidValueError(owner, missing, "given together with its partner", None)
    if not given:
        raise InvalidValueError(
            owner, "retained", "a ratio in [0, 1]", None, "or give both pruning ratios"
        )
    if request.method.ranks_together and (given.get("audio_pruning") != given.get("video_pruning")):
        raise InvalidValueError(
            owner,
            "video_pruning",
            f"equal to audio_pruning, since {request.method.title} ranks both modalities together",
            given["video_pruning"],
            "or give the retained ratio",
        )
    if "audio_pruning" in given:
        pair = given["audio_pruning"], given["video_pruning"]
    else:
        pair = _pair(request, given["retained"])
    nominal = given["retained"] if "retained" in given else _nominal(request, pair)
    return replace(request, retained=nominal, rho_a=pair[0], rho_v=pair[1])


def _pair(request: PlanRequest, retained: float) -> tuple[float, float]:
    """The method's own pair for one ratio; a bare count has no mix and needs none."""
    work = request.workload
    if work.bare_tokens is not None:
        return 1 - retained, 1 - retained
    return resolve_pruning(
        request.method,
        retained,
        video_tokens=work.video_tokens,
        audio_tokens=work.audio_tokens,
        anchor_share=request.anchor_share,
        merge=request.merge,
    )


def _nominal(request: PlanRequest, pair: tuple[float, float]) -> float:
    """Nominal ratio of a pair on the workload's own mix, as the method itself counts it."""
    work = request.workload
    if work.bare_tokens is not None:
        if pair[0] != pair[1]:
            raise InvalidValueError(
                f"method {request.method.name!r}",
                "retained",
                "given, since a bare token count has no audio-video mix",
                None,
                "describe the clip in seconds and pixels to use a pair",
            )
        return 1 - pair[0]
    audio = expected_audio(
        request.method,
        work.audio_tokens,
        pair[0],
        anchor_share=request.anchor_share,
        merge=request.merge,
    )
    return (audio + (1 - pair[1]) * work.video_tokens) / work.av_tokens


def spread(
    retention: Sequence[float | None] | None, workload: Workload
) -> tuple[float, ...] | None:
    """One retention per window, NaN without audio, from either accepted length."""
    if retention is None:
        return None
    audible = [bool(window.audio_tokens) for window in workload.windows]
    values = list(retention)
    if len(values) == sum(audible) != len(audible):
        heard = iter(values)
        values = [next(heard) if sound else None for sound in audible]
    if len(values) != len(audible):
        raise InvalidValueError(
            "plan",
            "retention",
            f"one value for each of {sum(audible)} windows with audio",
            f"{len(values)} values",
        )
    return tuple(
        require_ratio("plan", "retention", value) if sound else math.nan
        for value, sound in zip(values, audible, strict=True)
    )
