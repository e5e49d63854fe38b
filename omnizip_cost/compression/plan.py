"""The plan: what a method keeps of a workload, layer by layer and window by window."""

from __future__ import annotations

from dataclasses import dataclass, field

from omnizip_cost.compression.method import Method
from omnizip_cost.compression.methods import require_method


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """What is kept of one window. Counts are whole when exact, expected values otherwise."""

    video_tokens: int
    audio_tokens: int
    video_kept: float
    audio_kept: float
    retention: float | None = None
    """Share of the window's audio tokens kept, S_a(i); None without audio."""
    initial_rate: float | None = None
    """Video pruning rate before Algorithm 1 (Eq. 5)."""
    rate: float | None = None
    """Video pruning rate after Algorithm 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one method keeps of one workload.

    ``layer_av_tokens[l]`` is the number of audio+video tokens that enter decoder layer ``l`` in
    prefill: equal in all layers for methods that prune before the first layer, two values for
    FastV. It is real-valued for a bare token count (the paper's r * n), whole otherwise.
    """

    method: str
    av_tokens: int
    video_tokens: int
    audio_tokens: int
    text_tokens: int
    layer_av_tokens: tuple[float, ...]
    video_kept: float
    audio_kept: float
    retained: float
    """Nominal: the share of audio+video tokens that was asked for."""
    rho_a: float | None
    rho_v: float | None
    fastv_layer: int | None = None
    """K; None for every other method."""
    fastv_form: str | None = None
    """How FastV obtains the last token's attention; None for every other method."""
    mode: str = "paper"
    tokens_per_grid: int | None = None
    """P, video tokens of one temporal grid; None for a bare token count."""
    mel_frames: int = 0
    """Log-mel frames that reach the audio encoder, whose last layer scores the audio tokens."""
    anchor_share: float | None = None
    """OmniZip's anchors per audio token; None for every other method."""
    merge: int | None = None
    """G, audio tokens that OmniZip merges into each anchor; None for every other method."""
    windows: tuple[WindowPlan, ...] = ()
    exact: bool = False
    """True when the counts of every window are certain, not expected values."""
    notes: tuple[str, ...] = ()
    own_method: Method | None = field(default=None, compare=False, repr=False)
    """The method, where it is not built in: counting asks it for its steps. No part of what makes
    two plans equal."""

    def found(self) -> Method:
        """Return the method that made this plan.

        Raises
        ------
        UnknownNameError, PluginError
            The plan was read from a row, and the method's package is not at hand.
        """
        return require_method(self.method) if self.own_method is None else self.own_method

    @property
    def av_kept(self) -> float:
        """Audio+video tokens that survive the last pruning."""
        return self.layer_av_tokens[-1]

    @property
    def realised(self) -> float:
        """Share of audio+video tokens really kept by the plan's counts."""
        return self.av_kept / self.av_tokens

    @property
    def layer_tokens(self) -> tuple[int, ...]:
        """All tokens entering each layer, text included, as whole numbers."""
        return tuple(round(tokens) + self.text_tokens for tokens in self.layer_av_tokens)

    @property
    def kept_tokens(self) -> int:
        """Tokens in the last layer, text included."""
        return self.layer_tokens[-1]
