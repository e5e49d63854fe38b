"""A prediction on record: written down whole, with who wrote it, when and from what.

A row says which cell it is about in the words of a measured row, so that both can be joined later;
what makes it a prediction of that cell is checked in :mod:`omnizip_cost.compare.recorded_check`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Self

from omnizip_cost.compare.predicted import TIMED, backend_of
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.latency import Calibration, Prediction, PredictionRow, prediction_row, speedup

KINDS = ("uncalibrated", "calibrated")
"""``uncalibrated``: from the device's peaks and kernels alone; ``calibrated``: scaled by what was
measured on the device before."""

CellSettings = tuple[str | int | float | None, ...]
"""What a prediction and a measured cell must agree in."""

_SETTINGS = (
    "model",
    "device",
    "dtype",
    "attention",
    "execution",
    "clip",
    "full_tokens",
    "method",
    "mode",
    "label",
    "retained",
    "rho_a",
    "rho_v",
    "fastv_layer",
    "fastv_form",
    "decode_steps",
)

_SPREAD_STAGES = ("audio_encoder", "vision_encoder", "assembly", "selection")
"""Stages whose least and most a plain row leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPrediction(PredictionRow):
    """One predicted cell as it was written down."""

    kind: str
    """One of :data:`KINDS`."""
    clip: str
    """Name of the workload, as measured rows give it."""
    label: str
    attention: str
    execution: str
    """"stock" or "graph"."""
    full_tokens: int
    """Of the whole prompt before compression, text included."""
    audio_encoder_low_s: float | None
    """Nine in ten should lie between this and the next; so with the other stages."""
    audio_encoder_high_s: float | None
    vision_encoder_low_s: float | None
    vision_encoder_high_s: float | None
    assembly_low_s: float | None
    assembly_high_s: float | None
    selection_low_s: float | None
    selection_high_s: float | None
    speedup: float | None
    """Full prefill / (prefill + selection)."""
    speedup_low: float | None
    speedup_high: float | None
    device_source: str
    """Where the device's peaks and bandwidth come from."""
    package_version: str
    git_commit: str
    """Of the checkout that predicted, "+" appended when files differed; empty outside one."""
    created_utc: str
    """When it was written."""
    calibration: str = ""
    """Name of the calibration's file; empty where there was none."""
    calibration_sha256: str = ""
    calibration_created_utc: str = ""
    fitted_environments: tuple[str, ...] = ()
    """Ids of the environments whose rows the calibration was fitted on."""
    fitted_configurations: tuple[str, ...] = ()
    """What the fit saw of them: model, tokens and label."""
    fingerprint: str = ""
    """SHA-256 of the other columns, set when the row is stored: an edited row no longer has it."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidValueError("prediction", "kind", f"one of {', '.join(KINDS)}", self.kind)
        if self.calibrated != (self.kind == "calibrated"):
            raise InvalidValueError(
                "prediction", "kind", "what the column `calibrated` says", self.kind
            )
        if self.backend != backend_of(self.attention, self.execution):
            raise InvalidValueError(
                "prediction",
                "backend",
                f"the one behind {self.attention} attention and {self.execution} execution",
                self.backend,
            )
        if not self.dtype == self.weight_dtype == self.cache_dtype:
            stored = f"{self.weight_dtype} and {self.cache_dtype}"
            raise InvalidValueError(
                "prediction",
                "weights and cache",
                f"in {self.dtype}, as measured passes run",
                stored,
            )
        for name in self.keys():
            value = self[name]
            if isinstance(value, float) and not (isfinite(value) and value >= 0):
                raise InvalidValueError("prediction", name, "a finite number, 0 or more", value)

    @property
    def settings(self) -> CellSettings:
        """What identifies the cell that it is about."""
        return cell_settings({name: self[name] for name in _SETTINGS})

    @property
    def configuration(self) -> str:
        """Model, tokens and label, as a calibration names what it was fitted on."""
        return f"{self.model}, {self.full_tokens:,} tokens, {self.label}"

    def digest(self) -> str:
        """SHA-256 of all columns but ``fingerprint`` that differ from their default.

        A column that a later version adds has a default: rows written before it keep theirs.
        """
        values = {
            item.name: self[item.name]
            for item in fields(self)
            if item.name != "fingerprint" and self[item.name] != item.default
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedCalibration:
    """A calibration with the name and the bytes of its file."""

    name: str
    sha256: str
    calibration: Calibration

    @classmethod
    def of(cls, name: str, data: bytes, calibration: Calibration) -> Self:
        """Name a calibration by the file that it was read from."""
        return cls(name=name, sha256=hashlib.sha256(data).hexdigest(), calibration=calibration)

    def columns(self) -> dict[str, Any]:
        """What a row says of it."""
        fit = self.calibration.fit
        seen = () if fit is None else fit.cells_used
        return {
            "calibration": self.name,
            "calibration_sha256": self.sha256,
            "calibration_created_utc": "" if fit is None else fit.created_utc,
            "fitted_environments": () if fit is None else fit.environments,
            "fitted_configurations": tuple(
                dict.fromkeys(name.rpartition(", ")[0] for name in seen)
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes predictions down, when, and from which calibration."""

    package_version: str
    git_commit: str
    created_utc: str
    calibration: UsedCalibration | None = None

    def record(
        self,
        mine: Prediction,
        full: Prediction,
        *,
        clip: str,
        label: str,
        attention: str,
        execution: str,
    ) -> RecordedPrediction:
        """Write one prediction down.

        Parameters
        ----------
        mine, full : Prediction
            The cell, and full tokens in the same setting.
        clip, label, attention, execution : str
            As a measured row of the cell will say.

        Raises
        ------
        InvalidValueError
            A backend that does not stand for the attention and the execution, or a calibration
            that is not the prediction's.
        """
        used = self.calibration.calibration if self.calibration else Calibration.none()
        if mine.calibration != used or full.calibration != used:
            raise InvalidValueError(
                "recording", "calibration", "the one that both predictions were made with", clip
            )
        ratio = speedup(mine, full, *TIMED)
        low_high: dict[str, Any] = {}
        for name in _SPREAD_STAGES:
            stage = mine.stage(name)
            low_high[f"{name}_low_s"] = stage.low_s if stage else None
            low_high[f"{name}_high_s"] = stage.high_s if stage else None
        row = prediction_row(mine, full)
        return RecordedPrediction(
            **dict(row),
            **low_high,
            **(self.calibration.columns() if self.calibration else {}),
            kind="calibrated" if used.measured else "uncalibrated",
            clip=clip,
            label=label,
            attention=attention,
            execution=execution,
            full_tokens=row.tokens,
            speedup=ratio.ratio if ratio else None,
            speedup_low=ratio.low if ratio else None,
            speedup_high=ratio.high if ratio else None,
            device_source=mine.device.source,
            package_version=self.package_version,
            git_commit=self.git_commit,
            created_utc=self.created_utc,
        )


def cell_settings(values: Mapping[str, Any]) -> CellSettings:
    """Return the settings that a prediction and a measured cell must agree in.

    Parameters
    ----------
    values : mapping
        Columns of a prediction, or those of a measured row with ``device`` and ``dtype`` named as
        predictions name them.
    """
    picked = (values[name] for name in _SETTINGS)
    return tuple(round(item, 9) if isinstance(item, float) else item for item in picked)
