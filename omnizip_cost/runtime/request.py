"""What the caller of ``compressed`` asked for, validated once and resolved per prompt."""

from __future__ import annotations

from dataclasses import dataclass, field

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, Rounding
from omnizip_cost.compression.method import Method
from omnizip_cost.compression.methods import require_method, resolve_pruning
from omnizip_cost.compression.settings import (
    FASTV_FORMS,
    FASTV_LAYER,
    RHO_MAX,
    RHO_MIN,
    FastvForm,
    Mode,
    require_settings,
)
from omnizip_cost.errors import InvalidValueError, UnknownNameError, require_ratio

__all__ = ["FASTV_FORMS", "FastvForm", "Request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One method with its ratios and settings.

    Ratios come as a pair, as one retained share, or both: then the pair decides, the share is
    its nominal label (FastV, which knows no modalities, goes by the share).
    """

    method: str | Method | type[Method]
    """As it was asked for; :attr:`found` is the method itself."""
    audio_pruning: float | None = None
    video_pruning: float | None = None
    retained: float | None = None
    mode: Mode = "paper"
    fastv_layer: int = FASTV_LAYER
    fastv_form: FastvForm = "materialised"
    anchor_share: float = ANCHOR_SHARE
    merge: int = MERGE
    rho_min: float = RHO_MIN
    rho_max: float = RHO_MAX
    rounding: Rounding = "floor"
    seed: int = 0
    found: Method = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "found", require_method(self.method))
        owner = self._owner
        for name in ("audio_pruning", "video_pruning", "retained"):
            if (value := getattr(self, name)) is not None:
                require_ratio(owner, name, value)
        require_settings(
            owner,
            anchor_share=self.anchor_share,
            merge=self.merge,
            mode=self.mode,
            rho_min=self.rho_min,
            rho_max=self.rho_max,
            rounding=self.rounding,
        )
        if self.fastv_form not in FASTV_FORMS:
            raise UnknownNameError("FastV form", str(self.fastv_form), FASTV_FORMS)
        for name, least in (("fastv_layer", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidValueError(owner, name, f"a whole number, {least} or more", value)
        self._check_ratios()

    def _check_ratios(self) -> None:
        owner, pair = self._owner, (self.audio_pruning, self.video_pruning)
        if (pair[0] is None) != (pair[1] is None):
            missing = "audio_pruning" if pair[0] is None else "video_pruning"
            raise InvalidValueError(owner, missing, "given together with its partner", None)
        if self.found.prunes == "nothing":
            if self.retained not in (None, 1) or any(pair):
                raise InvalidValueError(
                    owner, "retained", "1, since nothing is pruned", self.retained
                )
        elif self.retained is None and pair[0] is None:
            raise InvalidValueError(
                owner, "retained", "a ratio in [0, 1]", None, "or give both pruning ratios"
            )
        if self.found.ranks_together and self.retained is None and pair[0] != pair[1]:
            raise InvalidValueError(
                owner,
                "video_pruning",
                f"equal to audio_pruning ({pair[0]})",
                pair[1],
                f"{self.found.title} ranks both modalities together: give retained instead",
            )

    @property
    def inside_decoder(self) -> bool:
        """Whether tokens leave between two decoder layers, as FastV's do."""
        return self.prunes and self.found.prunes == "inside the decoder"

    @property
    def _owner(self) -> str:
        return f"method {self.found.name!r}"

    @property
    def prunes(self) -> bool:
        """False when nothing can be dropped: the stock model runs untouched."""
        if self.found.prunes == "nothing":
            return False
        if self.found.prunes == "inside the decoder":
            return self.fastv_retained != 1
        if self.audio_pruning is not None:
            return bool(self.audio_pruning or self.video_pruning)
        return self.retained != 1

    @property
    def fastv_retained(self) -> float:
        """Share of audio and video tokens that enters the layers after FastV's K."""
        if self.retained is not None:
            return float(self.retained)
        return 1 - float(self.audio_pruning or 0)

    def pair(self, *, video_tokens: int, audio_tokens: int) -> tuple[float, float]:
        """(rho_a, rho_v) for a prompt with this many tokens of each modality."""
        if not self.prunes:
            return 0.0, 0.0
        if self.audio_pruning is not None and self.video_pruning is not None:
            return float(self.audio_pruning), float(self.video_pruning)
        assert self.retained is not None
        return resolve_pruning(
            self.found,
            self.retained,
            video_tokens=video_tokens,
            audio_tokens=audio_tokens,
            anchor_share=self.anchor_share,
            merge=self.merge,
        )
