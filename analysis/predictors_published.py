"""Speed-ups that others measured, beside what is predicted for their card, model and ratio.

Nothing is tuned to a row. No source says how long its prompts were, so the length is taken from
the full run: the n at which the predicted full prefill takes as long as the measured one. The
predicted ratio is then that of the same n. How little it depends on n stands beside it, at half
and at twice that length and at the paper's.

Of two cards a layer-wise split uses one at a time, so the prediction is that of one card: what the
rerun on two RTX A5000 (24 GB each, the 7B's weights alone take 17.9 GB) is taken to be.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from predictors_ours import PREFILL, Gain, gains, prefill_s
from predictors_speedups import counted
from predictors_tables import PublishedRatio

import omnizip_cost as oz
from omnizip_cost.audit import Claim, bundled_claims
from omnizip_cost.compression import METHODS, Plan
from omnizip_cost.cost.conventions import PAPER_TOKENS
from omnizip_cost.hardware import bundled_devices
from omnizip_cost.latency.kernels import kernel_uncertainty
from omnizip_cost.specs import ThinkerSpec, require_thinker
from omnizip_cost.units import KILO

BACKEND = "hf-sdpa"
"""What the reruns ran: the stock thinker; the A5000's says SDPA, no other source says anything."""
SHORTEST, LONGEST = 64, 1_000_000
"""Lengths between which the one that fits is looked for."""
_REALISED = re.compile(r"realised ratio ([\d.]+)%")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A full run and a compressed one, timed by the same source in the same setting."""

    full: Claim
    kept: Claim
    spec: ThinkerSpec

    @property
    def realised(self) -> float | None:
        """Share of tokens that the source says it really kept."""
        claim = self.kept
        return _realised_ratios().get((claim.source, claim.model, claim.retained))

    @property
    def ratio(self) -> float:
        """The realised share where it is stated, else the nominal one."""
        return self.realised or float(self.kept.retained or 1)

    def plan(self, tokens: int, *, full: bool = False) -> Plan:
        """What enters the decoder: all of a bare prompt, or the method's share of it."""
        work = oz.bare_workload(tokens)
        if full:
            return oz.plan("full", work, self.spec)
        return oz.plan(self.kept.method, work, self.spec, retained=self.ratio)


@cache
def _realised_ratios() -> dict[tuple[str, str, float], float]:
    """Realised ratios that the bundled table states, by source, model and nominal ratio."""
    table = files("omnizip_cost.audit") / "data" / "neighbours_efficiency.csv"
    found = {}
    for row in csv.DictReader(table.read_text().splitlines()):
        if stated := _REALISED.search(row["what_is_timed"]):
            place = (row["source"], row["model"], float(row["retained"]))
            found[place] = round(float(stated[1]) / 100, 6)
    return found


def pairs(claims: Iterable[Claim]) -> Iterator[Pair]:
    """Give the claims that can be predicted: device, model, method, ratio and prefill known."""
    timed = [c for c in claims if c.prefill_ms is not None and c.timed == PREFILL]
    full_runs = {claim.setting: claim for claim in timed if claim.full}
    known = bundled_devices()
    for claim in timed:
        full = full_runs.get(claim.setting)
        if full is None or claim.full or claim.retained is None or claim.device not in known:
            continue
        if claim.method in METHODS:
            yield Pair(full=full, kept=claim, spec=require_thinker(oz.load_spec(claim.model)))


def published_ratios(claims: Iterable[Claim] | None = None) -> Iterator[PublishedRatio]:
    """Predict the speed-up of every published pair of prefills that can be predicted."""
    for pair in pairs(bundled_claims() if claims is None else claims):
        yield _row(pair)


def fitting_length(pair: Pair) -> int | None:
    """Length at which the predicted full prefill takes as long as the measured one; None: none."""
    assert pair.full.prefill_ms is not None
    measured_s = float(pair.full.prefill_ms.value) / KILO
    low, high = SHORTEST, LONGEST
    if not _full_s(pair, low) <= measured_s <= _full_s(pair, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _full_s(pair, middle) <= measured_s else (low, middle)
    return low


def _full_s(pair: Pair, tokens: int) -> float:
    return prefill_s(pair.spec, pair.plan(tokens, full=True), str(pair.kept.device), BACKEND)


def _gain(pair: Pair, tokens: int) -> Gain:
    """Predicted ratio of prefills at a length, with its interval."""
    full, kept = pair.plan(tokens, full=True), pair.plan(tokens)
    return gains(pair.spec, full, kept, str(pair.kept.device), BACKEND)[PREFILL]


def _counted_ratio(pair: Pair, tokens: int, convention: str) -> float:
    full, kept = (
        counted(pair.spec, plan, convention)[PREFILL]
        for plan in (pair.plan(tokens, full=True), pair.plan(tokens))
    )
    return full / kept


def _row(pair: Pair) -> PublishedRatio:
    whole, less = pair.full.prefill_ms, pair.kept.prefill_ms
    assert whole is not None and less is not None
    device = str(pair.kept.device)
    measured = float(whole.value / less.value)
    tokens = fitting_length(pair)
    gain = None if tokens is None else _gain(pair, tokens)
    return PublishedRatio(
        source=pair.kept.source,
        device=device,
        cards=pair.kept.gpus,
        model=pair.kept.model,
        method=pair.kept.method,
        retained=pair.ratio,
        ratio_from="nominal" if pair.realised is None else "stated by the source",
        full_ms=float(whole),
        kept_ms=float(less),
        measured=measured,
        measured_low=float(whole.low / less.high),
        measured_high=float(whole.high / less.low),
        tokens=tokens,
        predicted=None if gain is None else gain.ratio,
        predicted_low=None if gain is None else gain.low,
        predicted_high=None if gain is None else gain.high,
        residual=None if gain is None else gain.ratio / measured - 1,
        at_half_length=None if tokens is None else _gain(pair, tokens // 2).ratio,
        at_double_length=None if tokens is None else _gain(pair, 2 * tokens).ratio,
        at_paper_length=_gain(pair, PAPER_TOKENS).ratio,
        full_s_at_paper_length=_full_s(pair, PAPER_TOKENS),
        eq9=None if tokens is None else _counted_ratio(pair, tokens, "eq9"),
        exact=None if tokens is None else _counted_ratio(pair, tokens, "hardware"),
        kernels_from=kernel_uncertainty(device, "gemm").borrowed_from or "",
        note="two cards taken to work in turn" if pair.kept.gpus > 1 else "",
    )
