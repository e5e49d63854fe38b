"""The methods and the paper's settings of each, with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, ROUNDINGS, anchor_stride
from omnizip_cost.errors import InvalidValueError, UnknownNameError, require_ratio

Mode = Literal["paper", "official"]
MODES: tuple[str, ...] = ("paper", "official")
"""What the paper says, and what its published code does."""

RHO_MIN = 0.35
"""Smallest video pruning rate of a window: OmniZip, Sec. 4.1."""
RHO_MAX = 0.75
"""Largest video pruning rate of a window: OmniZip, Sec. 4.1."""

FASTV_LAYER = 5
"""K, the number of layers FastV runs on all tokens: OmniZip's FLOPs column implies K = 5."""

FastvForm = Literal["materialised", "last-query"]
FASTV_FORMS: tuple[FastvForm, ...] = ("materialised", "last-query")
"""Ways to obtain the last token's attention: the published h x n x n matrix, or its last row."""

OMNIZIP_GAP = 0.3
"""rho_v - rho_a in both of the paper's settings, (0.3, 0.6) and (0.4, 0.7): OmniZip, Tab. 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One compression method: what it does and where it comes from."""

    name: str
    title: str
    answers: str
    source: str


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="full",
            title="Full tokens",
            answers="keeps every token: the reference",
            source="the stock model",
        ),
        Method(
            name="random",
            title="Random",
            answers="uniform choice per modality before layer 1",
            source="OmniZip, Tab. 1 (baseline)",
        ),
        Method(
            name="fastv",
            title="FastV",
            answers="all tokens through K layers, then those the last token attends to most",
            source="FastV (arXiv 2403.06764), as set up in OmniZip, Tab. 1: K = 5",
        ),
        Method(
            name="dycoke",
            title="DyCoke (V&A)",
            answers="drops tokens most similar to their group's first grid or audio token",
            source="DyCoke (arXiv 2411.15024), temporal merging applied to video and audio",
        ),
        Method(
            name="omnizip",
            title="OmniZip",
            answers="audio-guided dynamic pruning of video in windows, before layer 1",
            source="OmniZip (arXiv 2511.14582), Eqs. 2-8 and supplement, Alg. 1",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One configuration: a method at a nominal ratio, at a pair, or at both."""

    method: str
    retained: float | None
    """Nominal; None when only the pair was given."""
    rho_a: float | None = None
    rho_v: float | None = None

    @property
    def label(self) -> str:
        """Method, nominal ratio and, where it is needed to tell rows apart, the pair."""
        title = METHODS[self.method].title
        if self.method == "full":
            return title
        parts = [title]
        if self.retained is not None:
            parts.append(f"{self.retained:.3g}" if self.retained < 0.01 else f"{self.retained:.0%}")
        if self.rho_a is not None and (self.method == "omnizip" or self.retained is None):
            parts.append(f"({self.rho_a:g}, {self.rho_v:g})")
        return " ".join(parts)


PAPER_SETTINGS: tuple[Setting, ...] = (
    Setting(method="full", retained=1.0, rho_a=0.0, rho_v=0.0),
    Setting(method="random", retained=0.55, rho_a=0.45, rho_v=0.45),
    Setting(method="random", retained=0.40, rho_a=0.60, rho_v=0.60),
    Setting(method="fastv", retained=0.50),
    Setting(method="fastv", retained=0.35),
    Setting(method="dycoke", retained=0.50, rho_a=0.50, rho_v=0.50),
    Setting(method="dycoke", retained=0.45, rho_a=0.55, rho_v=0.55),
    Setting(method="dycoke", retained=0.35, rho_a=0.65, rho_v=0.65),
    Setting(method="omnizip", retained=0.50, rho_a=0.50, rho_v=0.50),
    Setting(method="omnizip", retained=0.45, rho_a=0.55, rho_v=0.55),
    Setting(method="omnizip", retained=0.45, rho_a=0.30, rho_v=0.60),
    Setting(method="omnizip", retained=0.35, rho_a=0.40, rho_v=0.70),
)
"""OmniZip, Tabs. 1-2 and supplement Tab. 6."""


def require_method(name: str) -> Method:
    """Return the method of that name, or raise :class:`UnknownNameError`."""
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def require_bounds(owner: str, rho_min: float, rho_max: float) -> None:
    """Refuse bounds of a window's rate that are no ratios, or out of order."""
    require_ratio(owner, "rho_min", rho_min)
    require_ratio(owner, "rho_max", rho_max)
    if rho_min > rho_max:
        raise InvalidValueError(owner, "rho_min", f"at most rho_max ({rho_max})", rho_min)


def require_settings(
    owner: str,
    *,
    anchor_share: float,
    merge: int,
    mode: str,
    rho_min: float,
    rho_max: float,
    rounding: str,
) -> None:
    """Refuse OmniZip settings (Secs. 3.2-3.3) that plans and selections cannot follow alike.

    Raises
    ------
    UnknownNameError, InvalidValueError
    """
    require_ratio(owner, "anchor_share", anchor_share)
    require_bounds(owner, rho_min, rho_max)
    if isinstance(merge, bool) or not isinstance(merge, int) or merge < 0:
        raise InvalidValueError(owner, "merge", "a whole number, zero or more", merge)
    if mode not in MODES:
        raise UnknownNameError("mode", str(mode), MODES)
    if rounding not in ROUNDINGS:
        raise UnknownNameError("rounding", str(rounding), ROUNDINGS)
    if mode == "official" and rounding != "floor":
        raise InvalidValueError(
            owner, "rounding", "'floor' in official mode", rounding, "use mode='paper'"
        )


def resolve_pruning(
    method: str,
    retained: float,
    *,
    video_tokens: int,
    audio_tokens: int,
    anchor_share: float = ANCHOR_SHARE,
    merge: int = MERGE,
) -> tuple[float, float]:
    """Turn one retained ratio into the pair (rho_a, rho_v).

    Random, FastV and DyCoke prune both modalities alike. OmniZip stays on the line of its two
    published settings, rho_v - rho_a = 0.3, with rho_a in [0, 1] and anchors counted; where the
    line leaves the unit square it follows the square's edge.

    Parameters
    ----------
    method : str
    retained : float
        Share of audio+video tokens to keep.
    video_tokens, audio_tokens : int
        The workload's own mix.

    Raises
    ------
    UnknownNameError, InvalidValueError
    """
    require_method(method)
    require_ratio("pruning", "retained", retained)
    if method == "full" or retained == 1:
        return 0.0, 0.0
    if method != "omnizip":
        return 1 - retained, 1 - retained
    total = video_tokens + audio_tokens
    anchors = _expected_anchor_share(audio_tokens, anchor_share, merge)

    def kept(progress: float) -> float:
        rho_a, rho_v = _on_line(progress)
        audio = (1 - rho_a) + min(anchors, rho_a)
        return audio * audio_tokens + (1 - rho_v) * video_tokens

    low, high = 0.0, 1 + OMNIZIP_GAP
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) > retained * total else (low, middle)
    return _on_line((low + high) / 2)


def _on_line(progress: float) -> tuple[float, float]:
    """Pruning pair at ``progress`` = rho_v before clipping, rho_a trailing by the gap."""
    return min(max(progress - OMNIZIP_GAP, 0.0), 1.0), min(progress, 1.0)


def _expected_anchor_share(audio_tokens: int, anchor_share: float, merge: int) -> float:
    if merge == 0 or not audio_tokens:
        return 0.0
    return anchor_stride(audio_tokens, audio_tokens, anchor_share)[0] / audio_tokens
