"""What was found, in three sentences: every number is one of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omnizip_cost.report.cells import absent, milliseconds, percent, signed_percent, times

Row = Mapping[str, Any]

_SAID = {
    "eq9": "Eq. 9",
    "exact": "the exact count",
    "torch": "torch's counter",
    "predicted": "the prediction in seconds",
    "calibrated": "the calibrated prediction",
}
"""Predictor -> its name inside a sentence."""


def found(rows: Sequence[Row], errors: Iterable[Row], decoded: str = "decoding") -> tuple[str, ...]:
    """Say what was gained at most, how far each predictor missed it, and what remains end to end.

    Parameters
    ----------
    rows
        Configurations, as the compare or the result table has them.
    errors
        How far each predictor misses the prefill speed-up: ``prediction``, ``mean_error``,
        ``worst_error``, ``worst_label``.
    decoded
        What follows the prompt, in words.

    Returns
    -------
    tuple of str
        Up to three sentences; one whose numbers the tables lack is left out.
    """
    several = len({(row.get("model"), row.get("clip")) for row in rows}) > 1
    measured = [
        row for row in rows
        if row["status"] == "ok" and row["method"] != "full"
        and not absent(row.get("speedup_observed"))
    ]  # fmt: skip
    return tuple(
        sentence
        for sentence in (
            _most(measured, rows, several),
            _missed(list(errors)),
            _whole(measured, several, decoded),
        )
        if sentence
    )


def _most(measured: Sequence[Row], rows: Sequence[Row], several: bool) -> str:
    if not measured:
        return ""
    best = max(measured, key=lambda row: float(row["speedup_observed"]))
    least = min(measured, key=lambda row: float(row["speedup_observed"]))
    full = next((row for row in rows if row["method"] == "full" and _beside(row, best)), None)
    took = float(best["prefill_s"]) + float(_known(best.get("selection_s")))
    seconds = (
        f", {milliseconds(took)} ms in place of {milliseconds(full['prefill_s'])} ms"
        if full is not None and not absent(full.get("prefill_s"))
        else ""
    )
    return (
        f"Of {len(measured)} compressed configurations measured on {best['device']}, "
        f"{_named(best, several)} gained most: its prompt, selection included, was read "
        f"{_spread(best)} as fast as full tokens{seconds}, with {percent(best.get('realised'))} "
        f"of the audio and video tokens; {_named(least, several)} gained least, "
        f"{times(least['speedup_observed'])}."
    )


def _missed(errors: Sequence[Row]) -> str:
    known = [row for row in errors if row["prediction"] in _SAID]
    if not known:
        return ""
    first = known[0]
    told = _SAID[first["prediction"]]
    parts = [
        f"{told[:1].upper()}{told[1:]} missed the observed speed-up by "
        f"{percent(first['mean_error'])} on average ({signed_percent(first['worst_error'])} at "
        f"worst, {first['worst_label']})",
        *(
            f"{_SAID[row['prediction']]} by {percent(row['mean_error'])} "
            f"({signed_percent(row['worst_error'])}, {row['worst_label']})"
            for row in known[1:]
        ),
    ]
    return f"{', '.join(parts)}."


def _whole(measured: Sequence[Row], several: bool, decoded: str) -> str:
    key = next(
        (k for k in ("end_to_end_speedup_observed", "end_to_end_speedup")
         if any(not absent(row.get(k)) for row in measured)), ""
    )  # fmt: skip
    if not key:
        return ""
    best = max(
        (row for row in measured if not absent(row.get(key))), key=lambda row: float(row[key])
    )
    return (
        f"From the clip to the last token, encoders and {decoded} included, the most that was "
        f"gained is {times(best[key])} ({_named(best, several)})."
    )


def _beside(row: Row, other: Row) -> bool:
    keys = ("model", "device", "dtype", "attention", "execution", "clip", "decode_steps")
    return all(row.get(key) == other.get(key) for key in keys)


def _named(row: Row, several: bool) -> str:
    return f"{row['label']} of {row['model']} on {row['clip']}" if several else str(row["label"])


def _spread(row: Row) -> str:
    ends = [row.get("speedup_observed_low"), row.get("speedup_observed_high")]
    told = times(row["speedup_observed"])
    return told if any(map(absent, ends)) else f"{told} ({ends[0]:.2f}–{ends[1]:.2f})"


def _known(value: Any) -> float:
    return 0.0 if absent(value) else float(value)
