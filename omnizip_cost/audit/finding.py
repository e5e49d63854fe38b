"""A finding: what one printed number comes to, and the verdict with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from omnizip_cost.results.row import FlatRow

STATED = "stated"
FOUND = "found by this search"
"""Where a length came from, when it is not assumed."""

WHOLE_ITEM = "What is called prefill here is the whole item"
"""How the reason begins where a prefill column times more than its name says."""

Verdict = Literal["plausible", "needs an unstated assumption", "impossible"]

PLAUSIBLE: Verdict = "plausible"
UNSTATED: Verdict = "needs an unstated assumption"
IMPOSSIBLE: Verdict = "impossible"
VERDICTS: tuple[Verdict, ...] = (IMPOSSIBLE, UNSTATED, PLAUSIBLE)
"""Worst first."""

ATTAINABLE_SHARE = 0.70
"""Share of the dense peak that a prefill made of well-chosen kernels comes to.

Of measured bf16 kernels (NVIDIA AIConfigurator's tables, aiconfigurator-core 0.12.0, vLLM records),
large products (m >= 2048, n and k >= 2048) run at a median of 0.63 (L40S) to 0.85 (A100) of the
dense peak, causal attention over 4,096 tokens or more at 0.49 to 0.58. The 7B at 10,000 tokens,
87% of whose FLOPs are products and 13% attention, comes to 0.61 to 0.79 by these kernels alone;
0.70 is the middle.
"""

ATTENTION_COSTS = (Fraction(128, 100), Fraction(157, 100))
"""How much longer a FLOP of attention takes than one of a large product: least and most.

Ratio of the two medians above, 1.28 (L40S) to 1.57 (A100). The longer prompt has more of its work
in attention, so its mean rate is lower and a speed-up may exceed the ratio of FLOPs. On any card
but those five, and with any other kernel, it is an assumption.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(FlatRow):
    """One printed number of one claim, held against what it needs; None where nothing is said."""

    source: str
    place: str
    """File and line of the claim."""
    model: str
    device: str | None
    device_from: str | None
    """Why the device is assumed; None where it is stated, or open."""
    gpus: int
    method: str
    retained: float | None
    benchmark: str | None
    quantity: str
    """``prefill``, ``end to end``, ``memory``, ``out of memory``, ``prefill speed-up``,
    ``end-to-end speed-up`` or ``FLOPs``."""
    claimed: float
    unit: str
    derived: bool = False
    """Whether the number is not printed but made of two printed times."""
    tokens: int | None
    """n before compression, stated or assumed or found; None where it is open."""
    tokens_from: str | None
    """``stated``, ``found by this search``, or why it is assumed; None where it is open."""
    assumed: str | None = None
    """Which of ``n``, ``device``, ``method``, ``dtype`` the verdict needs though its source does
    not state them with the row, joined by commas; see :meth:`assumes`. The dtype is then bf16, as
    models are published; a method that is not known here drops its tokens before the first layer.
    """
    hardware_flops: int | None = None
    """Least work, under `hardware`: causal pairs, grouped keys, logits of one position."""
    torch_flops: int | None = None
    """The same under `torch`, as the stock model runs it: all pairs, every position's logits."""
    implied_flop_per_s: float | None = None
    """Least work over the claimed time, all cards together."""
    peak_flop_per_s: int | None = None
    """Dense, of all cards."""
    share_of_peak: float | None = None
    bound: float | None = None
    """Limit of the claimed number, in its unit: least time or memory; largest speed-up at which
    compressed and full run have one rate."""
    bound_by: str | None = None
    """``work``, ``bytes``, ``weights``, ``device`` or ``work ratio``."""
    counted: float | None = None
    """Peak memory counted under the assumptions of :mod:`omnizip_cost.audit.memory`, in GB of 10^9
    bytes."""
    residual: float | None = None
    """Printed memory less what is counted, both in GB of 10^9 bytes."""
    tokens_at_peak: int | None = None
    """Largest n at which a time can be met at the full dense peak; 0: at none."""
    tokens_at_attainable: int | None = None
    """The same at :data:`ATTAINABLE_SHARE` of it."""
    note: str | None = None
    """What the claim's table says besides."""
    convention: str | None = None
    """Conventions under which printed FLOPs come out to the last digit."""
    verdict: Verdict
    reason: str
    remark: str | None = None
    """What follows besides and should be seen whatever the verdict: what other columns of the same
    table imply of this number, or an allowance that the verdict rests on."""

    @property
    def cards(self) -> str:
        """The device, and how many of it."""
        name = self.device or "-"
        return f"{self.gpus} x {name}" if self.gpus > 1 else name

    @property
    def hangs_on_length(self) -> bool:
        """Whether the verdict is about a length that is assumed, and another would change it."""
        return self.assumes("n") and bool(self.tokens_at_peak)

    def assumes(self, fact: str) -> bool:
        """Whether ``n``, ``device``, ``method`` or ``dtype`` is among what is assumed."""
        return fact in (self.assumed or "").split(", ")

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the verdict assumes that the source does not say beside the number."""
        said: tuple[str, ...] = ()
        if self.tokens is not None and self.tokens_from not in {STATED, FOUND}:
            said += (f"n = {self.tokens:,} is assumed: {self.tokens_from}.",)
        if self.device_from:
            said += (f"{self.device} is assumed: {self.device_from}.",)
        if self.assumes("method"):
            said += (
                f"{self.method} is taken to drop its tokens before the first layer: no method of "
                "that name is known here.",
            )
        if self.assumes("dtype"):
            said += ("Weights in bf16 are assumed, as the models are published.",)
        return said
