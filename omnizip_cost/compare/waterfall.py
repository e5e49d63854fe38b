"""Where the gap goes: from the speed-up of Eq. 9 to the observed one, an effect at a time.

Every step is the speed-up predicted with one more effect switched on, over the speed-up predicted
without it. Nothing is fitted to the observed value: what the prediction does not explain is the
last step, and stands beside the prediction's interval.

Steps multiply. A speed-up is a ratio, and so is what changes it; an effect that makes both passes
twice as slow changes nothing, in whatever place it stands. In logarithms the steps add up to the
observed value over that of Eq. 9, exactly.

The order is fixed: from what is counted, over what executes it, to what else is in the timer. In
another order the factors would differ, since an effect weighs more where less else costs time;
``factor_last`` says what each would be if it were switched on after all the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from omnizip_cost.compare.counterfactual import STAGE_EFFECTS, Pair
from omnizip_cost.compare.gap import noise
from omnizip_cost.compare.observed import observed_speedup
from omnizip_cost.compare.predicted import PredictedCell, sides_assumed
from omnizip_cost.cost import CONVENTIONS, Convention, count, total_flops
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.latency import FIRST_TOKEN, speedup
from omnizip_cost.results import FlatRow
from omnizip_cost.units import MICRO

Timer = Literal["prefill", "ttft", "end-to-end"]

TIMERS: tuple[Timer, ...] = get_args(Timer)
"""What the observed seconds hold: prefill and selection; encoders and assembly too; decode too."""

_IN_TIMER: dict[str, tuple[str, ...]] = {
    "prefill": ("selection", "prefill"),
    "ttft": FIRST_TOKEN,
    "end-to-end": (*FIRST_TOKEN, "decode"),
}

_SAYS = {
    "eq9": "Eq. 9",
    "text": "text tokens, which nothing prunes",
    "built": "grouped heads, FFN as built",
    "causal": "causal pairs, as the kernel executes them",
    "logits": "logits at every position",
    "kernels": "kernels: each product at its own rate",
    "bytes": "operators bound by bytes",
    "launches": "launches",
    "host": "host",
    "selection": "selection",
    "encoders": "encoders and assembly",
    "decode": "decode",
    "remainder": "not explained",
}

STEPS = tuple(_SAYS)
"""Names of all steps in their order; a timer without encoders or decode has no such step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallRow(FlatRow):
    """One step of one configuration."""

    model: str
    device: str
    """As the rows name it."""
    predicted_on: str
    calibrated: bool
    clip: str
    method: str
    label: str
    mode: str
    realised: float | None
    timer: str
    place: int
    """0 for Eq. 9."""
    step: str
    says: str
    speedup: float
    """After this step; after the last one, the observed speed-up."""
    factor: float
    """Over the speed-up before it; 1 for Eq. 9."""
    change: float
    """``speedup`` less the one before it; 0 for Eq. 9."""
    factor_last: float | None
    """The factor if this effect were the last to be switched on; None for choices of the count."""
    computed_from: str
    """The two speed-ups that the factor divides: with the effect / without it."""
    predicted_low: float | None = None
    """Of the remainder: the interval of the predicted speed-up, and the observed quartiles."""
    predicted_high: float | None = None
    observed_low: float | None = None
    observed_high: float | None = None
    noise: float | None = None
    """Of the remainder: change of the stages that do the same work in both, signed, relative."""


class _Step(NamedTuple):
    """One step before it knows what came before."""

    name: str
    speedup: float
    computed_from: str
    factor_last: float | None = None


def waterfall(predicted: PredictedCell, timer: str = "prefill") -> list[WaterfallRow]:
    """Steps from the speed-up of Eq. 9 to the observed one, of one configuration.

    Parameters
    ----------
    predicted : PredictedCell
    timer : {"prefill", "ttft", "end-to-end"}
        What both the observed and the predicted seconds hold.

    Returns
    -------
    list of WaterfallRow
        Eq. 9, the effects, the remainder. The product of all factors and the speed-up of Eq. 9 is
        the observed speed-up.

    Raises
    ------
    InvalidValueError
        No such timer; no time measured; or nothing kept, where Eq. 9 has no speed-up.
    """
    if timer not in TIMERS:
        raise InvalidValueError("waterfall", "timer", f"one of {', '.join(TIMERS)}", timer)
    cell, mine = predicted.cell, predicted.mine
    names = _IN_TIMER[timer]
    observed = observed_speedup(cell.stages, cell.full, names)
    if cell.broken is not None or observed is None:
        raise InvalidValueError("waterfall", "cell", "measured", cell.row.label)
    interval = speedup(mine, predicted.full, *names)
    pair, effects = Pair(mine=mine, full=predicted.full), _effects(names)
    steps = [*_counted(predicted, pair, effects), *_costed(predicted, pair, effects)]
    between = (interval.low, interval.high) if interval else (None, None)
    remainder = _Step(
        "remainder", observed.ratio, "observed, median of rounds / predicted, all effects on"
    )
    rows: list[WaterfallRow] = []
    for place, step in enumerate((*steps, remainder)):
        before = rows[-1].speedup if rows else step.speedup
        row = WaterfallRow(
            model=cell.row.model,
            device=cell.row.device,
            predicted_on=mine.device.name,
            calibrated=mine.calibration.measured,
            clip=cell.row.clip,
            method=cell.row.method,
            label=cell.row.label,
            mode=cell.row.mode,
            realised=cell.row.realised,
            timer=timer,
            place=place,
            step=step.name,
            says=_SAYS[step.name],
            speedup=step.speedup,
            factor=step.speedup / before,
            change=step.speedup - before,
            factor_last=step.factor_last,
            computed_from=step.computed_from,
        )
        rows.append(row)
    rows[-1] = replace(
        rows[-1],
        predicted_low=between[0],
        predicted_high=between[1],
        observed_low=observed.low,
        observed_high=observed.high,
        noise=noise(cell.stages, cell.full),
    )
    return rows


def _effects(names: tuple[str, ...]) -> tuple[str, ...]:
    """Effects beyond what is counted, in their order, for a timer that holds these stages."""
    return tuple(
        effect
        for effect in ("kernels", "bytes", "launches", "host", *STAGE_EFFECTS)
        if effect not in STAGE_EFFECTS or set(STAGE_EFFECTS[effect]) <= set(names)
    )


def _last(pair: Pair, effects: tuple[str, ...], effect: str) -> float | None:
    """Factor of an effect that is switched on after all others of the timer."""
    everything = frozenset(("logits", *effects))
    without = pair.speedup(everything - {effect})
    return _known(pair, everything) / without if without else None


def _counted(predicted: PredictedCell, pair: Pair, effects: tuple[str, ...]) -> Iterator[_Step]:
    """Steps of what is counted: ratios of prefill FLOPs, full over kept.

    Of them, logits alone are operators of their own, which a pass may be timed without.
    """
    eq9 = CONVENTIONS["eq9"]
    executed = CONVENTIONS[predicted.mine.backend.convention]
    text = replace(eq9, name="eq9-text", tokens="all")
    built = replace(text, name="built", widths="grouped", ffn_matrices=None)
    causal = replace(built, name="causal", attention=executed.attention)
    logits = replace(causal, name="logits", lm_head=executed.lm_head)
    skipped = executed.attention == "causal"
    words = {
        "eq9": "prefill FLOPs under `eq9`, full / kept",
        "text": "`eq9` with all tokens / `eq9`",
        "built": "sizes as built, all pairs, no head / `eq9` with all tokens",
        "causal": "n (n + 1) / 2 pairs / n^2 pairs"
        if skipped
        else f"no change: {predicted.cell.row.attention} attention multiplies masked pairs too",
        "logits": f"count of `{executed.name}` / the same without a head",
    }
    for (name, computed_from), convention in zip(
        words.items(), (eq9, text, built, causal, logits), strict=True
    ):
        last = _last(pair, effects, name) if name == "logits" else None
        yield _Step(name, _flops_ratio(predicted, convention), computed_from, last)


def _flops_ratio(predicted: PredictedCell, convention: Convention) -> float:
    above, below = (
        total_flops(
            row
            for row in count(predicted.spec, one.plan, convention, decode=0)
            if row.component in ("llm", "lm_head")
        )
        for one in (predicted.full, predicted.mine)
    )
    if not below:
        raise InvalidValueError(
            "waterfall", "kept tokens", "above zero: without any, Eq. 9 has no speed-up", 0
        )
    return above / below


def _costed(predicted: PredictedCell, pair: Pair, effects: tuple[str, ...]) -> Iterator[_Step]:
    """Steps of what it costs: ratios of predicted seconds with more and more effects."""
    words = _cost_words(predicted)
    on = frozenset(("logits",))
    for effect in effects:
        on |= {effect}
        yield _Step(effect, _known(pair, on), words[effect], _last(pair, effects, effect))


def _known(pair: Pair, on: frozenset[str]) -> float:
    found = pair.speedup(on)
    if found is None:
        raise InvalidValueError("waterfall", "predicted prefill", "above zero", 0)
    return found


def _cost_words(predicted: PredictedCell) -> dict[str, str]:
    """Say which two predictions each step divides, on this device."""
    prediction = predicted.mine
    machine = prediction.device
    frames = ", frames taken as square" if sides_assumed(predicted.cell.row) else ""
    host = f"{prediction.host_s / MICRO:.3g} us an operator"
    overlap = "beside the device" if machine.asynchronous else "on top"
    floor = f"{prediction.launch_s / MICRO:.3g} us"
    return {
        "kernels": f"products by the kernel times of {machine.name} / all at one rate",
        "bytes": "all operators, the others by their bytes / products alone",
        "launches": f"no kernel under {floor} / no least time"
        if prediction.launch_s
        else "no change: no least time of a kernel here",
        "host": f"{host} {overlap} / the device alone",
        "selection": "prefill and selection / prefill",
        "encoders": f"encoders and assembly on both sides{frames} / without"
        if prediction.stage("vision_encoder") or prediction.stage("audio_encoder")
        else "assembly / without; the rows do not tell the clip: encoders are not explained",
        "decode": f"{prediction.decode_steps} steps on both sides / without",
    }
