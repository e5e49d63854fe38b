"""``flops``: theoretical cost and saving of any configuration, under any convention."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import InputOptions, ModelOption, parse_names
from omnizip_cost.cli.methods import MethodOptions
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan, Setting
    from omnizip_cost.cost import CostRow, Overhead
    from omnizip_cost.cost.overhead import PlanAt
    from omnizip_cost.specs import ThinkerSpec
    from omnizip_cost.workload import Workload

DEFAULT_CONVENTIONS = "eq9,torch,sdpa,hardware"

ConventionOption = Annotated[
    str,
    typer.Option("--convention", help="Names separated by commas; see `conventions`."),
]
DecodeOption = Annotated[int, typer.Option("--decode", help="R: decoded tokens.")]


@with_options
def flops_command(
    model: ModelOption,
    inputs: InputOptions,
    methods: MethodOptions,
    convention: ConventionOption = DEFAULT_CONVENTIONS,
    decode: DecodeOption = EQ9_DECODE_STEPS,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Theoretical cost and saving, under Eq. 9, an exact count, or any named convention.

    For a clip, the price of choosing the tokens is shown as well, and from which length it pays.

    Example: `omnizip-cost flops --model qwen2.5-omni-7b --tokens 10004 --method all`
    """
    from omnizip_cost.cost import CONVENTIONS, count, require_convention
    from omnizip_cost.specs import load_spec

    names = [require_convention(name).name for name in parse_names("--convention", convention)]
    spec = load_spec(model)
    work = inputs.workload(spec)
    priced = [name for name in names if CONVENTIONS[name].selection]
    if not (as_json or as_csv):
        priced = priced[:1]
    counted = []
    for plan, plan_at in _plans(methods, work, spec).items():
        rows = {name: count(spec, plan, name, decode, workload=work) for name in names}
        counted.append((plan, rows, _prices(spec, work, plan, plan_at, priced)))
    table = [
        {**row, **_columns(row, prices.get(name))}
        for _, groups, prices in counted
        for name in names
        for row in groups[name]
    ]
    if not emit(table, as_json=as_json, as_csv=as_csv):
        _print(spec, work, [(plan, groups) for plan, groups, _ in counted], names, decode)
        if priced:
            _print_selection(spec, work, [(plan, p.get(priced[0])) for plan, _, p in counted])


def _plans(methods: MethodOptions, work: Workload, spec: ThinkerSpec) -> dict[Plan, PlanAt]:
    """Each setting's plan of this input, and the function that plans it for any other."""

    def planner(setting: Setting) -> PlanAt:
        return cache(lambda clip: methods.plan(setting, clip, spec))

    planners = [planner(setting) for setting in methods.settings()]
    return {plan_at(work): plan_at for plan_at in planners}


def _prices(
    spec: ThinkerSpec, work: Workload, plan: Plan, plan_at: PlanAt, names: list[str]
) -> dict[str, Overhead]:
    """Selection under each convention that counts it; none where nothing is chosen."""
    from omnizip_cost.cost import overhead, selection_ops

    if not selection_ops(spec, plan):
        return {}
    found = {name: overhead(spec, work, plan_at, name) for name in names}
    return {name: price for name, price in found.items() if price is not None}


def _columns(row: CostRow, price: Overhead | None) -> dict[str, object]:
    """What a row of component ``selection`` adds: its price beside what it saves."""
    known = price if row.component == "selection" else None
    return {
        "saved_flops": None if known is None else known.saved_flops,
        "share_of_saved": None if known is None else known.share,
        "break_even": None if known is None else known.worded,
        "saves_from_tokens": None if known is None else known.saves_from_tokens,
        "saves_to_tokens": None if known is None else known.saves_to_tokens,
    }


def _print(
    spec: ThinkerSpec,
    work: Workload,
    counted: list[tuple[Plan, dict[str, list[CostRow]]]],
    names: list[str],
    decode: int,
) -> None:
    """One line per configuration; every convention in a column of its own, never summed."""
    from omnizip_cost.compression import make_plan
    from omnizip_cost.cost import ENCODER_FAMILIES, count, share_left, total_flops
    from omnizip_cost.units import TERA

    full = make_plan("full", work, spec)
    whole = {name: total_flops(count(spec, full, name, decode, workload=work)) for name in names}
    heads = ["method", "asked", "kept", "rho a, v", "tokens"]
    heads += names
    lines = []
    for plan, groups in counted:
        pair = "-" if plan.rho_a is None else f"{plan.rho_a:.3g}, {plan.rho_v:.3g}"
        line = [
            plan.method,
            f"{plan.retained:.1%}",
            f"{plan.realised:.1%}",
            pair,
            f"{plan.kept_tokens:,}",
        ]
        for name in names:
            total = total_flops(groups[name])
            line.append(f"{total / TERA:,.4g} ({share_left(total, whole[name]):.1%})")
        lines.append(line)
    known = ", ".join(ENCODER_FAMILIES)
    notes = [
        f"Prefill of {work.tokens:,} tokens ({work.av_tokens:,} audio+video) and {decode} decoded "
        "tokens; LM head, encoders and selection are inside where a convention counts them. "
        "Columns follow different conventions (see `conventions`): never add or divide across "
        "them.",
        *(
            [f"The encoders of {spec.family} are not counted: those of {known} are."]
            if work.windows and spec.family not in ENCODER_FAMILIES
            else []
        ),
        *dict.fromkeys(note for plan, _ in counted for note in plan.notes),
        *work.notes,
    ]
    title = f"{spec.name}, {work.name}: TFLOP (share of full tokens) by convention"
    show(title, heads, lines, notes=notes)


def _print_selection(
    spec: ThinkerSpec, work: Workload, priced: list[tuple[Plan, Overhead | None]]
) -> None:
    """One line per configuration that chooses tokens: what choosing costs, and when it pays."""
    from omnizip_cost.compression import require_method
    from omnizip_cost.cost import MOST_TOKENS, selection_ops
    from omnizip_cost.units import GIGA

    lines = [
        [
            plan.method,
            f"{plan.retained:.1%}",
            "-" if plan.rho_a is None else f"{plan.rho_a:.3g}, {plan.rho_v:.3g}",
            f"{price.flops / GIGA:,.4g}",
            f"{price.saved_flops / GIGA:,.4g}",
            "-" if price.share is None else f"{price.share:.3%}",
            f"{price.bytes_moved / GIGA:,.3g}",
            f"{price.kernels:,}",
            price.worded,
        ]
        for plan, price in priced
        if price is not None
    ]
    untold = [
        require_method(plan.method).title for plan, _ in priced if selection_ops(spec, plan) is None
    ]
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
        ("method", "asked", "rho a, v", "GFLOP", "saved", "share", "GB", "kernels", "saves"),
        lines,
        notes=[
            "GFLOP: matrix products, scores included. Saved: GFLOP of full prefill less those of "
            "the plan's, decoder and LM head. Share: selection as a share of that. GB: read and "
            "written in bfloat16. Kernels: operators sent to the device.",
            "Saves: clips of this mix and ratio whose saving exceeds the price, of those up to "
            f"{MOST_TOKENS:,} audio and video tokens. This weighs FLOPs; in seconds, bytes and "
            "kernels count as well, so a short clip can cost more time than it saves.",
            *notes,
        ],
    )
