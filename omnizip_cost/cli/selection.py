"""Selection on the command line: its price beside what it saves, and its steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from omnizip_cost.cli.output import show

if TYPE_CHECKING:
    from omnizip_cost.cli.methods import MethodOptions
    from omnizip_cost.compression import Plan, Setting
    from omnizip_cost.cost import Convention, CostRow, Overhead, StepRow
    from omnizip_cost.cost.overhead import PlanAt
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload


def plans_at(methods: MethodOptions, work: Workload, spec: ModelSpec) -> dict[Plan, PlanAt]:
    """Each setting's plan of this input, and the function that plans it for any other."""

    def planner(setting: Setting) -> PlanAt:
        return cache(lambda clip: methods.plan(setting, clip, spec))

    planners = [planner(setting) for setting in methods.settings()]
    return {plan_at(work): plan_at for plan_at in planners}


def prices(
    spec: ModelSpec, work: Workload, plan: Plan, plan_at: PlanAt, conventions: list[Convention]
) -> dict[str, Overhead]:
    """Selection under each convention that counts it; none where nothing is chosen."""
    from omnizip_cost.cost import overhead, selection_ops

    if not selection_ops(spec, plan):
        return {}
    found = {one.name: overhead(spec, work, plan_at, one) for one in conventions}
    return {name: price for name, price in found.items() if price is not None}


def price_columns(row: CostRow, price: Overhead | None) -> dict[str, object]:
    """What a row of component ``selection`` adds: its price beside what it saves."""
    known = price if row.component == "selection" else None
    return {
        "saved_flops": None if known is None else known.saved_flops,
        "share_of_saved": None if known is None else known.share,
        "break_even": None if known is None else known.worded,
        "saves_from_tokens": None if known is None else known.saves_from_tokens,
        "saves_to_tokens": None if known is None else known.saves_to_tokens,
    }


def print_prices(spec: ModelSpec, priced: list[tuple[Plan, Overhead | None]]) -> None:
    """One line per configuration that chooses tokens: what choosing costs, and when it pays."""
    from omnizip_cost.cost import MOST_TOKENS, selection_ops
    from omnizip_cost.units import GIGA, TERA, fixed

    lines = [
        [
            plan.method,
            f"{plan.retained:.1%}",
            "-" if plan.rho_a is None else f"{plan.rho_a:.3g}, {plan.rho_v:.3g}",
            fixed(price.flops / GIGA),
            _signed(price.saved_flops / TERA),
            "-" if price.share is None else f"{price.share:.3%}",
            fixed(price.bytes_moved / GIGA),
            f"{price.kernels:,}",
            price.worded,
        ]
        for plan, price in priced
        if price is not None
    ]
    untold = [plan.found().title for plan, _ in priced if selection_ops(spec, plan) is None]
    notes = [
        f"{title}: selection not stated by the method, so not counted."
        for title in dict.fromkeys(untold)
    ]
    if not lines:
        for note in notes:
            print(note)
        return
    name = next(price.convention for _, price in priced if price is not None)
    show(
        f"Selection: what choosing the tokens costs (convention `{name}`)",
        ("method", "asked", "rho a, v", "GFLOP", "saved TFLOP", "share", "GB", "kernels", "saves"),
        lines,
        notes=[
            "GFLOP: matrix products, scores included. Saved: TFLOP of full prefill less those of "
            "the plan's, decoder and LM head. Share: selection as a share of that. GB: read and "
            "written in bfloat16. Kernels: operators that torch dispatches, each at least "
            "one launch.",
            "Saves: clips of this mix and ratio whose saving exceeds the price, of those up to "
            f"{MOST_TOKENS:,} audio and video tokens (this clip's own if more). It weighs FLOPs; "
            "in seconds, bytes and kernels count as well, so a short clip can cost more time than "
            "it saves.",
            *notes,
        ],
    )


def print_steps(spec: ModelSpec, work: Workload, listed: Mapping[Plan, list[StepRow]]) -> None:
    """One line per step of each configuration, in the order in which they run."""
    from omnizip_cost.units import GIGA, MEGA, fixed

    steps = [row for rows in listed.values() for row in rows]
    stepless = dict.fromkeys(_why_stepless(work, plan) for plan, rows in listed.items() if not rows)
    if not steps:
        for sentence in stepless:
            print(f"{spec.name}, {work.name}: {sentence}")
        return
    lines, before = [], None
    for row in steps:
        pair = "" if row.rho_a is None else f"({row.rho_a:.3g}, {row.rho_v:.3g})"
        which = f"{row.method} {row.retained:.1%} {pair}".strip()
        lines.append(
            [
                which if which != before else "",
                row.step,
                fixed(row.flops / GIGA),
                fixed(row.unseen_flops / GIGA),
                fixed(row.bytes_moved / MEGA),
                f"{row.kernels:,}",
            ]
        )
        before = which
    show(
        f"{spec.name}, {work.name}: selection step by step ({steps[0].dtype})",
        ("configuration", "step", "GFLOP", "uncounted GFLOP", "MB", "kernels"),
        lines,
        left=2,
        notes=[
            "GFLOP: matrix products, which torch's counter counts. Uncounted: other arithmetic on "
            "large tensors, for which it has no formula. MB: read and written in large tensors; 0 "
            "where only a few numbers per token or window move. Kernels: operators that torch "
            "dispatches, views apart; each is at least one launch on an accelerator, a sort "
            "several.",
            *(f"{sentence[0].upper()}{sentence[1:]}" for sentence in stepless),
        ],
    )


def _why_stepless(work: Workload, plan: Plan) -> str:
    """Say why a plan has no steps of selection, and what to do about it."""
    from omnizip_cost.cost.selection import prunes

    if work.bare_tokens is not None:
        return (
            "a bare token count has no layout to choose tokens in; describe the clip "
            "(--seconds, --pixels)."
        )
    title = plan.found().title
    if not prunes(plan):
        return (
            f"{title} keeps every token here; name a method that prunes (--method), with a ratio "
            "below 1."
        )
    return f"{title} does not state the steps of its selection, so they are not counted."


def _signed(value: float) -> str:
    from omnizip_cost.units import fixed

    return fixed(value) if value >= 0 else f"-{fixed(-value)}"
