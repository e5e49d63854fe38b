"""One compression method: what it is, what it needs, what it keeps of each window.

Every place that treats methods differently reads it off this object: plans, selection, the real
compressed model, the profiler, the command line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from omnizip_cost.compression.plan import Plan
    from omnizip_cost.compression.request import PlanRequest
    from omnizip_cost.compression.selection_op import SelectionOp
    from omnizip_cost.specs.spec import ThinkerSpec

Prunes = Literal["nothing", "before layer 1", "inside the decoder"]
"""Where tokens leave: nowhere, before the first decoder layer, or between two layers (FastV)."""

Modality = Literal["audio", "video"]

Ratios = tuple[float | None, float | None, float | None]
"""Nominal retained ratio, rho_a, rho_v; None where it is not given."""

DEFAULT_RETAINED = (0.55, 0.45, 0.35)
"""Ratios of a method that the paper does not list: three of those in OmniZip, Tab. 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a method keeps of each window, one number per window in prompt order."""

    video: Sequence[float]
    """Video tokens kept; 0 in a window without video."""
    audio: Sequence[float]
    """Audio tokens kept; 0 in a window without audio."""
    exact: bool = True
    """Whether every number is certain. Expected values are allowed where the choice depends on
    what the tokens hold; the totals are certain all the same."""
    video_kept: int | None = None
    """Total where ``video`` holds expected values; the sum of ``video`` when left out."""
    audio_kept: int | None = None
    av_kept: int | None = None
    """Audio and video together, for a method that does not tell them apart."""
    retention: Sequence[float | None] = ()
    """Share of the audio kept per window, S_a(i), where the method goes by it."""
    initial_rates: Sequence[float | None] = ()
    """Video pruning rates before Algorithm 1 (Eq. 5), where there are such."""
    rates: Sequence[float | None] = ()
    """Video pruning rates after Algorithm 1."""
    notes: tuple[str, ...] = ()

    @property
    def totals(self) -> tuple[float, float]:
        """Video and audio tokens kept of the clip."""
        video = sum(self.video) if self.video_kept is None else self.video_kept
        audio = sum(self.audio) if self.audio_kept is None else self.audio_kept
        return video, audio

    @property
    def total(self) -> float:
        """Audio and video tokens kept of the clip, together."""
        return sum(self.totals) if self.av_kept is None else self.av_kept


def spread_evenly(kept: float, sizes: Sequence[int]) -> list[float]:
    """Expected tokens kept per window, where no window is likelier than another.

    >>> spread_evenly(30, [40, 20, 0])
    [20.0, 10.0, 0.0]
    """
    total = sum(sizes)
    return [kept * size / total if total else 0.0 for size in sizes]


class Method(ABC):
    """Base class of all methods, built-in or from another package.

    A method of another package sets the four texts and defines :meth:`planned` and
    :meth:`select`; the rest has defaults. It prunes before layer 1. With both ratios zero it must
    keep every token and change no row: commands do not ask it then, the conformance check does.
    """

    name: str = ""
    """What is typed: small letters, digits, ``-``, ``_`` and ``.``; the entry point's name."""
    title: str = ""
    """What tables and figures call it."""
    answers: str = ""
    """What it does, in one line."""
    source: str = ""
    """Where it comes from."""
    assumptions: tuple[str, ...] = ()
    """What its source leaves open and this code decides, a sentence each."""

    prunes: Prunes = "before layer 1"
    scores: tuple[Modality, ...] = ()
    """Encoder attention it ranks by: ``"audio"`` (Eq. 2), ``"video"``, both or none."""
    needs_windows: bool = True
    """Whether grids or windows matter; False: it also works on prompts of several clips."""
    ranks_together: bool = False
    """Whether audio and video are ranked as one, so that the two ratios must be equal."""
    own_settings: tuple[str, ...] = ()
    """Settings beyond the ratios that it goes by, among those of a plan request."""
    pair_in_label: bool = False
    """Whether a nominal ratio alone does not tell its settings apart."""
    paper_settings: tuple[Ratios, ...] = ()
    """Its rows in the paper's tables."""

    @property
    def settings(self) -> tuple[Ratios, ...]:
        """What runs when the user names no ratio: the paper's settings, else 55, 45 and 35%."""
        return self.paper_settings or tuple((ratio, None, None) for ratio in DEFAULT_RETAINED)

    def pruning_pair(
        self,
        retained: float,
        *,
        video_tokens: int,
        audio_tokens: int,
        anchor_share: float,
        merge: int,
    ) -> tuple[float, float]:
        """Turn one retained ratio into (rho_a, rho_v); both modalities alike by default."""
        return 1 - retained, 1 - retained

    def audio_expected(
        self, audio_tokens: int, rho_a: float, *, anchor_share: float, merge: int
    ) -> float:
        """Audio tokens that a pair with this rho_a stands for, to name its nominal ratio."""
        return (1 - rho_a) * audio_tokens

    @abstractmethod
    def planned(self, request: PlanRequest) -> Counts:
        """How many tokens of each window survive, known before any tensor exists.

        Parameters
        ----------
        request : PlanRequest
            ``video_sizes``, ``audio_sizes`` (tokens per window), ``tokens_per_grid``, ``rho_a``,
            ``rho_v``, and OmniZip's settings.
        """

    @abstractmethod
    def select(self, request: Any) -> Any:
        """Which tokens survive, on tensors.

        Parameters
        ----------
        request : SelectionRequest
            :class:`omnizip_cost.runtime.selection.request.SelectionRequest`: the prompt's
            embeddings, scores and layout, with the ratios.

        Returns
        -------
        Selection
            As ``request.keep(video=..., audio=...)`` makes it.
        """

    def selection_ops(self, plan: Plan, spec: ThinkerSpec) -> Iterable[SelectionOp] | None:
        """Steps of its selection, for the cost of choosing; None: not stated.

        Audio and video scores named in :attr:`scores` are counted for the method.
        """
        return None

    def facts(self) -> dict[str, str]:
        """Return what ``methods`` shows, each fact as text."""
        return {
            "name": self.name,
            "title": self.title,
            "answers": self.answers,
            "source": self.source,
            "prunes": self.prunes,
            "scores": " and ".join(self.scores) or "none",
            "default_settings": ", ".join(map(_ratios_text, self.settings)),
            "own_settings": ", ".join(self.own_settings) or "none",
            "assumptions": " ".join(self.assumptions) or "none",
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def _ratios_text(ratios: Ratios) -> str:
    retained, rho_a, rho_v = ratios
    share = "" if retained is None else f"{retained:.0%}"
    pair = "" if rho_a is None else f"({rho_a:g}, {rho_v:g})"
    return " ".join(part for part in (share, pair) if part)
