"""Which of the predictions on record may be called predictions of which measured cell.

A prediction is written before the first sample of its cell is taken, and the calibration that it
uses before that as well, on other configurations. What is not, is refused with a sentence. The
times are what program and machine noted; who wants to be sure of them looks up the commit that
brought the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omnizip_cost.compare.recorded import (
    KINDS,
    CellSettings,
    RecordedPrediction,
    cell_settings,
)
from omnizip_cost.compare.reported_devices import reported_name
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import plain_dtype
from omnizip_cost.results import MeasurementRow
from omnizip_cost.results.schema import CellKey

NOT_ON_RECORD = "No prediction of it is on record."
"""Said of a cell that nobody predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was on record of one cell before it was measured."""

    uncalibrated: RecordedPrediction | None = None
    calibrated: RecordedPrediction | None = None
    refused: str = ""
    """Why what is on record is no prediction of this cell, in sentences; empty where all is."""

    @property
    def any(self) -> bool:
        """Whether there is a prediction of either kind."""
        return self.uncalibrated is not None or self.calibrated is not None


def recorded_for(
    measured: Iterable[MeasurementRow],
    recorded: Sequence[RecordedPrediction],
    *,
    sessions: Mapping[str, str] | None = None,
    device: str | None = None,
) -> dict[CellKey, Recorded]:
    """Find what was predicted of each measured cell, and refuse what was not a prediction.

    Parameters
    ----------
    measured : iterable of MeasurementRow
    recorded : sequence of RecordedPrediction
    sessions : mapping of str to str, optional
        When the first session of each environment began (:func:`first_sessions`): for rows that do
        not say when their first sample was taken.
    device : str, optional
        What predictions call the device of the rows; by default the known device of the name that
        the rows report.

    Returns
    -------
    dict of cell key to Recorded
        One for every measured cell, in their order.

    Raises
    ------
    InvalidValueError
        Two predictions of one kind for one cell.
    """
    require_one_each(recorded)
    known: dict[CellSettings, dict[str, RecordedPrediction]] = {}
    for one in recorded:
        known.setdefault(one.settings, {})[one.kind] = one
    cells: dict[CellKey, list[MeasurementRow]] = {}
    for row in measured:
        cells.setdefault(row.cell_key, []).append(row)
    return {
        key: _checked(known.get(_settings_of(rows[0], device), {}), rows, sessions or {})
        for key, rows in cells.items()
    }


def require_one_each(recorded: Iterable[RecordedPrediction]) -> None:
    """Refuse two predictions of one kind for one cell.

    Raises
    ------
    InvalidValueError
    """
    seen: dict[tuple[object, ...], RecordedPrediction] = {}
    for one in recorded:
        first = seen.setdefault((one.kind, one.settings), one)
        if first is not one:
            raise InvalidValueError(
                "predictions on record",
                f"{one.label} of {one.model} on {one.clip!r} ({one.device}, {one.kind})",
                "written once, and never changed",
                f"one of {first.created_utc or 'no date'} and one of "
                f"{one.created_utc or 'no date'}",
            )


def first_sessions(environments: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """When the first session of each environment of a store began, as it is written there.

    An environment of which one session does not say so is left out.
    """
    found = {}
    for one in environments:
        starts = [str(session.get("created_utc") or "") for session in one["sessions"]]
        if starts and all(_moment(start) for start in starts):
            found[str(one["id"])] = min(starts, key=datetime.fromisoformat)
    return found


def _settings_of(row: MeasurementRow, device: str | None) -> CellSettings:
    values = dict(row) | {
        "device": device or reported_name(row.device) or row.device,
        "dtype": plain_dtype(row.dtype),
    }
    return cell_settings(values)


def _checked(
    known: Mapping[str, RecordedPrediction],
    rows: Sequence[MeasurementRow],
    sessions: Mapping[str, str],
) -> Recorded:
    if not known:
        return Recorded(refused=NOT_ON_RECORD)
    starts = [row.started_utc or sessions.get(row.environment_id, "") for row in rows]
    moments = [_moment(start) for start in starts]
    if None in moments:
        unknown = starts[moments.index(None)]
        return Recorded(refused=f"When its first sample was taken is not known: {_said(unknown)}.")
    for row in rows:
        began, ended = _moment(row.started_utc), _moment(row.created_utc)
        if began is not None and ended is not None and began > ended:
            return Recorded(
                refused=f"Its first sample is said to be of {_at(began)}, its last of {_at(ended)}."
            )
    first = min(moment for moment in moments if moment is not None)
    accepted: dict[str, RecordedPrediction] = {}
    refused = []
    for kind in (kind for kind in KINDS if kind in known):
        why = _why_not(known[kind], first)
        if why:
            refused.append(f"The {kind} prediction {why}.")
        else:
            accepted[kind] = known[kind]
    return Recorded(**accepted, refused=" ".join(refused))


def _why_not(one: RecordedPrediction, first: datetime) -> str:
    """Say why it is no prediction of a cell whose first sample is of that moment."""
    written = _moment(one.created_utc)
    if written is None:
        return f"does not say when it was written: {_said(one.created_utc)}"
    if written >= first:
        return f"was written at {_at(written)}, not before the first sample at {_at(first)}"
    return "" if one.kind == "uncalibrated" else _why_not_apart(one, written)


def _why_not_apart(one: RecordedPrediction, written: datetime) -> str:
    """Say why its calibration may have seen the cell, of which a prediction is older."""
    fitted = _moment(one.calibration_created_utc)
    if fitted is None:
        name = one.calibration or "its calibration"
        return f"does not say when {name} was made: {_said(one.calibration_created_utc)}"
    if fitted > written:
        return f"was written at {_at(written)}, before its calibration at {_at(fitted)}"
    if not one.fitted_configurations:
        return f"does not say what {one.calibration or 'its calibration'} was fitted on"
    if one.configuration in one.fitted_configurations:
        return f"uses a calibration that was fitted on this configuration ({one.configuration})"
    return ""


def _moment(text: str) -> datetime | None:
    """Read a time that says its offset from UTC; None where it does not, or is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _said(text: str) -> str:
    return f"{text!r} is no time with its offset from UTC" if text else "no time is given"
