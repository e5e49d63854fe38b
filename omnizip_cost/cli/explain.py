"""How ``compare --explain`` reads: a table per configuration, a line per step."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from omnizip_cost.cli.output import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnizip_cost.cli.timed_rows import Waterfalls
    from omnizip_cost.compare import WaterfallRow

_HOLDS = {
    "prefill": "prefill and selection",
    "ttft": "time to first token",
    "end-to-end": "end to end",
}


def print_waterfalls(found: Waterfalls) -> None:
    """Print every configuration's steps, and once what holds for all of them."""
    for _, group in groupby(found.rows, key=lambda row: (row.model, row.clip, row.label, row.mode)):
        _print_one(list(group))
    notes = [
        "Factors multiply from Eq. 9 to the observed speed-up. Their order is fixed; `last`: the "
        "factor if that effect were switched on after all the others.",
        *(f"In no prediction: {what}." for what in found.unlisted),
        *(f"Left out: {what}." for what in found.left_out),
    ]
    print("\n".join(notes))


def _print_one(rows: Sequence[WaterfallRow]) -> None:
    first, end = rows[0], rows[-1]
    realised = "" if first.realised is None else f", {first.realised:.1%} kept"
    show(
        f"Where the speed-up goes ({_HOLDS[first.timer]}): {first.label}{realised}; {first.model}, "
        f"{first.clip}; predicted on {first.predicted_on}"
        f"{', calibrated' if first.calibrated else ''}",
        ("effect", "computed from: with it / without", "speed-up", "factor", "last"),
        [
            (
                row.says,
                row.computed_from,
                f"{row.speedup:.3f}",
                f"{row.factor:.3f}" if row.place else "",
                "" if row.factor_last is None else f"{row.factor_last:.3f}",
            )
            for row in rows
        ],
        notes=[_verdict(rows[-2], end)],
        left=2,
    )


def _verdict(predicted: WaterfallRow, end: WaterfallRow) -> str:
    """Say what is predicted and observed, and whether their ranges meet."""
    sentence = f"Predicted {predicted.speedup:.2f}"
    if end.predicted_low is None or end.predicted_high is None:
        return f"{sentence}, observed {end.speedup:.2f}.\n"
    sentence += (
        f" ({end.predicted_low:.2f}-{end.predicted_high:.2f}), observed {end.speedup:.2f} "
        f"(quartiles {end.observed_low:.2f}-{end.observed_high:.2f}): a factor of {end.factor:.3f} "
        "is not explained"
    )
    inside = end.predicted_low <= end.speedup <= end.predicted_high
    sentence += f", {'inside' if inside else 'outside'} the prediction's interval"
    if end.noise is not None:
        sentence += f"; encoders, the same work in both, differ by {end.noise:+.1%}"
    return f"{sentence}.\n"
