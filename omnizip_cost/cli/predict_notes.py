"""What a table of predictions rests on, and what it says: sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from omnizip_cost.cli.predict_table import ENCODERS, SETTING, labels
from omnizip_cost.units import GIBI, MICRO, MILLI, fixed

if TYPE_CHECKING:
    from omnizip_cost.cli.predict import Case
    from omnizip_cost.latency import Prediction

Line = tuple["Case", dict[str, Any], str]
"""A configuration, its row and its name in the table."""

KERNEL_WORDS = {
    "gemm": "products",
    "prefill_attention": "prefill attention",
    "decode_attention": "decode attention",
    "encoder_attention": "encoder attention",
}
_ROOFLINE = "the plain roofline"
LITTLE = 0.05
"""Share of the time to first token from which encoders are worth a word."""


def about_seconds(cases: Sequence[Case], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Sentences below the table of seconds and memory.

    Parameters
    ----------
    cases : sequence of Case
    rows : sequence of dict
        The flat row of each.
    """
    clip = cases[0].work.bare_tokens is None
    first = "encoders, assembly, selection and prefill" if clip else "lookup of rows and prefill"
    return [
        "In brackets: where nine in ten should lie. Prefill: decoder and head. First token: "
        f"{first}. All: first token and {cases[0].prediction.decode_steps:,} more. GiB: peak, of "
        "what one process can use.",
        *_by_setting(cases, rows, _bound, _too_long),
        *dict.fromkeys(kernels_in_words(case.prediction) for case in cases),
        *dict.fromkeys(host_in_words(case.prediction) for case in cases),
        *_left_out(cases, rows),
        *dict.fromkeys(_sentence(note) for case in cases for note in case.prediction.memory.notes),
        *dict.fromkeys(note for case in cases for note in case.prediction.plan.notes),
        *cases[0].work.notes,
    ]


def _left_out(cases: Sequence[Case], rows: Sequence[dict[str, Any]]) -> list[str]:
    """What happens as well, and is in no time."""
    said = [row["unlisted"] for row in rows if row["unlisted"]]
    before = {row["preprocessing_s"] for row in rows}
    if cases[0].work.bare_tokens is None and None in before:
        said.append("preprocessing: frames resized and log-mel made on the host")
    done = [
        f"Before it: preprocessing on the host, {_seconds(value)}." for value in before if value
    ]
    return [*(f"Not in it: {text}." for text in dict.fromkeys(said)), *done]


def about_speedups(cases: Sequence[Case], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Sentences below the table of speed-ups: what it says (see :func:`about_seconds`)."""
    exact = ", ".join(dict.fromkeys(f"`{row['exact_convention']}`" for row in rows))
    clip = cases[0].work.bare_tokens is None
    shares = " Encoders, choosing: shares of the time to first token." if clip else ""
    return [
        f"Eq. 9 and FLOPs (as executed, {exact}) of prefill; then predicted times.{shares}",
        *_by_setting(cases, rows, _fastest),
    ]


def _by_setting(
    cases: Sequence[Case],
    rows: Sequence[dict[str, Any]],
    *sayings: Callable[[Sequence[Line]], Iterator[str]],
) -> Iterator[str]:
    """What there is to say of each device and backend, named where there are several."""
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in zip(cases, rows, labels(rows), strict=True):
        groups.setdefault(tuple(str(line[1][name]) for name in SETTING), []).append(line)
    for setting, group in groups.items():
        for sentence in chain.from_iterable(say(group) for say in sayings):
            yield f"{', '.join(setting)}: {sentence}" if len(groups) > 1 else sentence


def _bound(group: Sequence[Line]) -> Iterator[str]:
    """What binds full tokens."""
    full = group[0][0].full
    bound = [
        f"{name} {_seconds(stage.seconds)}, bound by {stage.bound}"
        for name in ("prefill", "decode")
        if (stage := full.stage(name)) is not None
    ]
    room = (
        ""
        if full.fits
        else f"; if they fitted: they need {fixed(full.memory.peak_bytes / GIBI)} GiB"
    )
    yield f"Full tokens: {'; '.join(bound)}; all {_seconds(full.end_to_end_s)}{room}."


def _fastest(group: Sequence[Line]) -> Iterator[str]:
    """Where FLOPs and time part, of the configuration whose prefill gains most."""
    pruned = [line for line in group if line[0].prediction is not line[0].full]
    if pruned:
        yield _parted(*max(pruned, key=lambda line: line[1]["prefill_speedup"] or 0.0))


def _parted(case: Case, row: dict[str, Any], name: str) -> str:
    """FLOPs, prefill, first token and end to end of one configuration beside each other."""
    said = [
        f"{who} {row[column]:.2f} times less"
        for who, column in (
            ("Eq. 9 says", "prefill_speedup_eq9"),
            ("FLOPs say", "prefill_speedup_exact"),
        )
        if row[column] is not None
    ]
    found = [
        f"{what} {row[column]:.2f} times faster{why}"
        for what, column, why in (
            ("prefill is", "prefill_speedup", ""),
            ("the first token comes", "ttft_speedup", _encoders(case)),
            ("all is", "end_to_end_speedup", _decode(case)),
        )
        if row[column] is not None
    ]
    return f"{name}: {', '.join(said)}; {', '.join(found)}."


def _encoders(case: Case) -> str:
    """Encoders see every frame whatever is dropped after them."""
    mine = case.prediction
    encoders = mine.seconds(*ENCODERS)
    if encoders <= LITTLE * mine.ttft_s:
        return ""
    return f" (encoders stay: {encoders / mine.ttft_s:.0%} of it)"


def _decode(case: Case) -> str:
    mine, full = case.prediction, case.full
    if not mine.decode_s:
        return ""
    share, gain = mine.decode_s / mine.end_to_end_s, full.decode_s / mine.decode_s
    return f" (decode, {share:.0%} of it, gains {gain:.2f})"


def _too_long(group: Sequence[Line]) -> Iterator[str]:
    """What does not fit, and up to which length it would."""
    for case, row, name in group:
        if not row["fits"]:
            most = row["fits_up_to_tokens"]
            card = case.prediction.device.name
            if most is None:
                yield f"{name} does not fit {card}: {_largest(case)}."
            elif most == 0:
                yield f"{name} does not fit {card} at any length: {_largest(case)}."
            else:
                yield (
                    f"{name} does not fit {card}, where up to {most:,} audio and video tokens do: "
                    f"{_largest(case)}."
                )


def _largest(case: Case) -> str:
    """The stage that needs the most, and its two largest parts."""
    peak = case.prediction.memory.peak
    parts = sorted(peak.parts.items(), key=lambda pair: -pair[1])[:2]
    sizes = " and ".join(f"{fixed(size / GIBI)} GiB of {part.replace('_', ' ')}"
                         for part, size in parts)  # fmt: skip
    return f"{peak.stage} holds {sizes}"


def kernels_in_words(prediction: Prediction) -> str:
    """Whose kernel times these are, and how far they are off."""
    from omnizip_cost.latency.kernels import OPS, kernel_uncertainty
    from omnizip_cost.latency.kernels.lender import is_measured

    card, fit = prediction.device, prediction.calibration.fit
    plain = "measured there" if is_measured(card) else _ROOFLINE
    off: dict[str, list[str]] = {}
    for op in OPS:
        one = kernel_uncertainty(card, op)
        how = f"efficiency borrowed from {one.borrowed_from}" if one.borrowed_from else plain
        off.setdefault(how, []).append(f"{KERNEL_WORDS[op]} {one.median:.1%}")
    if fit is not None and fit.median_error_held_out is not None:
        return (
            f"Kernel times of {card.name}: {' and '.join(off)}, over the calibration's shares; "
            f"rows that it never saw are off by {fit.median_error_held_out:.1%} (median)."
        )
    told = "; ".join(f"{how}, {', '.join(errors)}" for how, errors in off.items())
    if not card.asynchronous:
        return (
            f"Kernel times of {card.name}: {_ROOFLINE} of its peaks. How far that is off on this "
            "processor is not known, and the ranges take its median errors on measured GPUs "
            f"({', '.join(off[_ROOFLINE])}); `calibrate` tells it from rows measured here."
        )
    if _ROOFLINE in off:
        return f"Kernel times of {card.name}, with median errors on measured devices: {told}."
    return f"Kernel times of {card.name}, with median errors where left out: {told}."


def host_in_words(prediction: Prediction) -> str:
    """What the host is taken to cost, and whether anybody measured it."""
    cost = f"{prediction.host_s / MICRO:.3g} us an operator"
    said = "calibrated" if prediction.calibration.host_s is not None else (
        "assumed; `calibrate` measures it"
    )  # fmt: skip
    if not prediction.backend.dispatched:
        return f"Host of {prediction.backend.name}: nothing, but selection's {cost}, {said}."
    if not prediction.backend.dispatches("decode", prediction.device):
        name = prediction.backend.name
        return f"Host of {name}: {cost}, {said}; nothing in decode, whose steps are CUDA graphs."
    return f"Host: {cost}, {said}."


def notes_of_ops(prediction: Prediction) -> list[str]:
    """Sentences below the operators of one prediction: device and host of each stage."""
    stages = []
    for stage in prediction.stages:
        host = f", host {_seconds(stage.host_s)}" if stage.host_s else ""
        stages.append(
            f"{stage.stage} {_seconds(stage.seconds)} (device {_seconds(stage.device_s)}{host}: "
            f"bound by {stage.bound})"
        )
    rule = (
        "a stage takes the longer of device and host"
        if prediction.device.asynchronous
        else "a stage takes device and host, one after the other"
    )
    return [
        f"Stages, where {rule}: {'; '.join(stages)}.",
        "Operators take the time of their kernel, or of their bytes, and no less than "
        f"{prediction.launch_s / MICRO:.3g} us. Bound by: arithmetic at the device's peak, bytes "
        "at its bandwidth, or launch, a kernel's fixed cost, whichever would take longest alone. "
        "All decode steps together. Longest kernel: of one call, with its sides.",
        kernels_in_words(prediction),
        host_in_words(prediction),
        *(f"Not in it: {text}." for text in prediction.unlisted),
    ]


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def _seconds(value: float) -> str:
    return f"{fixed(value)} s" if value >= 1 else f"{fixed(value / MILLI)} ms"
