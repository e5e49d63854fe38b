"""One cell of a measurement grid: a method with its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omnizip_cost.compression.methods import PAPER_SETTINGS, Setting
from omnizip_cost.compression.settings import FASTV_LAYER, Mode
from omnizip_cost.runtime.request import FastvForm, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A method at its ratios, with the label its rows carry.

    Ratios come as the pair (audio_pruning, video_pruning), as one retained share, or both: then
    the pair decides and the share is the nominal value. They are checked at once.
    """

    method: str
    label: str
    retained: float | None = None
    audio_pruning: float | None = None
    video_pruning: float | None = None
    mode: Mode = "paper"
    fastv_layer: int = FASTV_LAYER
    fastv_form: FastvForm = "materialised"
    seed: int = 0

    def __post_init__(self) -> None:
        Request(**self.settings())

    @classmethod
    def of_setting(cls, setting: Setting, *, fastv_form: FastvForm = "materialised") -> Cell:
        """Return the cell of one row of the paper's tables."""
        return cls(
            method=setting.method,
            label=setting.label,
            retained=setting.retained,
            audio_pruning=setting.rho_a,
            video_pruning=setting.rho_v,
            fastv_form=fastv_form,
        )

    def settings(self) -> dict[str, Any]:
        """Return what :func:`omnizip_cost.runtime.compressed.compressed` takes."""
        return {
            "method": self.method,
            "retained": self.retained,
            "audio_pruning": self.audio_pruning,
            "video_pruning": self.video_pruning,
            "mode": self.mode,
            "fastv_layer": self.fastv_layer,
            "fastv_form": self.fastv_form,
            "seed": self.seed,
        }


FULL = Cell(method="full", label="Full tokens", retained=1.0)
"""The reference that every grid begins with."""


def paper_cells(*, fastv_form: FastvForm = "materialised") -> tuple[Cell, ...]:
    """Return the paper's settings of all five methods (OmniZip, Tabs. 1-2)."""
    return tuple(Cell.of_setting(setting, fastv_form=fastv_form) for setting in PAPER_SETTINGS)
