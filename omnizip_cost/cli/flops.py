"""``flops``: theoretical cost and saving of any configuration, under any convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import InputOptions, ModelOption, parse_names
from omnizip_cost.cli.methods import MethodOptions
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan
    from omnizip_cost.cost import CostRow
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

DEFAULT_CONVENTIONS = "eq9,torch,sdpa,hardware"

ConventionOption = Annotated[
    str,
    typer.Option("--convention", help="Names separated by commas; see `conventions`."),
]
StepsOption = Annotated[
    bool,
    typer.Option(
        "--steps",
        help="Selection alone, step by step: FLOPs that a counter sees and not, bytes, and kernels "
        "(operators that torch dispatches, each at least one launch). --convention and --decode do "
        "not matter to it.",
    ),
]
DecodeOption = Annotated[int, typer.Option("--decode", help="R: decoded tokens.")]


@with_options
def flops_command(
    model: ModelOption,
    inputs: InputOptions,
    methods: MethodOptions,
    convention: ConventionOption = DEFAULT_CONVENTIONS,
    decode: DecodeOption = EQ9_DECODE_STEPS,
    steps: StepsOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Theoretical cost and saving, under Eq. 9, an exact count, or any named convention.

    For a clip, the price of choosing the tokens is shown as well, and from which length it pays;
    with `--steps` that price alone, step by step.

    Example: `omnizip-cost flops --model qwen2.5-omni-7b --tokens 10004 --method all`
    """
    from omnizip_cost.cli.selection import (
        plans_at,
        price_columns,
        prices,
        print_prices,
        print_steps,
    )
    from omnizip_cost.cost import CONVENTIONS, count, require_convention, step_rows
    from omnizip_cost.specs import load_spec

    names = [require_convention(name).name for name in parse_names("--convention", convention)]
    spec = load_spec(model)
    work = inputs.workload(spec)
    if steps:
        listed = {plan: step_rows(spec, plan) for plan in methods.plans(work, spec)}
        rows_of_all = [row for rows in listed.values() for row in rows]
        if not emit(rows_of_all, as_json=as_json, as_csv=as_csv):
            print_steps(spec, work, listed)
        return
    priced = [name for name in names if CONVENTIONS[name].selection]
    if not (as_json or as_csv):
        priced = priced[:1]
    counted = []
    for plan, plan_at in plans_at(methods, work, spec).items():
        rows = {name: count(spec, plan, name, decode, workload=work) for name in names}
        counted.append((plan, rows, prices(spec, work, plan, plan_at, priced)))
    table = [
        {**row, **price_columns(row, found.get(name))}
        for _, groups, found in counted
        for name in names
        for row in groups[name]
    ]
    if not emit(table, as_json=as_json, as_csv=as_csv):
        _print(spec, work, [(plan, groups) for plan, groups, _ in counted], names, decode)
        if priced:
            print_prices(spec, [(plan, found.get(priced[0])) for plan, _, found in counted])


def _print(
    spec: ModelSpec,
    work: Workload,
    counted: list[tuple[Plan, dict[str, list[CostRow]]]],
    names: list[str],
    decode: int,
) -> None:
    """One line per configuration; every convention in a column of its own, never summed."""
    from omnizip_cost.compression import make_plan
    from omnizip_cost.cost import count, share_left, total_flops
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
    notes = [
        f"Prefill of {work.tokens:,} tokens ({work.av_tokens:,} audio+video) and {decode} decoded "
        "tokens; LM head, encoders and selection are inside where a convention counts them. "
        "Columns follow different conventions (see `conventions`): never add or divide across "
        "them.",
        *dict.fromkeys(note for plan, _ in counted for note in plan.notes),
        *work.notes,
    ]
    title = f"{spec.name}, {work.name}: TFLOP (share of full tokens) by convention"
    show(title, heads, lines, notes=notes)
