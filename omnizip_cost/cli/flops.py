"""``flops``: theoretical cost and saving of any configuration, under any convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnizip_cost.cli.inputs import InputOptions, ModelOption, parse_names
from omnizip_cost.cli.layers import LayerTokensOption, given_layers
from omnizip_cost.cli.methods import MethodOptions
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS
from omnizip_cost.errors import InvalidValueError, OptionsError

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan
    from omnizip_cost.cost import Convention, CostRow
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

DEFAULT_CONVENTIONS = "eq9,torch,sdpa,hardware"

ConventionOption = Annotated[
    str | None,
    typer.Option(
        "--convention",
        help="Names or TOML files of your own, separated by commas; see `conventions` "
        f"[{DEFAULT_CONVENTIONS}].",
    ),
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
ComponentsOption = Annotated[
    bool,
    typer.Option(
        "--components",
        help="Where FLOPs, bytes moved and kernels go, operation by operation, with what torch's "
        "FLOP counter does not count. Convention: `torch`, unless --convention is given.",
    ),
]
AttentionOption = Annotated[
    str | None,
    typer.Option(
        "--attention",
        help="With --components: attention of the stock module. sdpa (default): one fused "
        "operator; math: its fallback, matrix products and softmax; eager: transformers' own.",
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="With --components: number format of weights and activations: bfloat16 (default), "
        "float16, float32.",
    ),
]
DecodeOption = Annotated[int, typer.Option("--decode", help="R: decoded tokens.")]


@with_options
def flops_command(
    model: ModelOption,
    inputs: InputOptions,
    methods: MethodOptions,
    layer_tokens: LayerTokensOption = None,
    convention: ConventionOption = None,
    decode: DecodeOption = EQ9_DECODE_STEPS,
    steps: StepsOption = False,
    components: ComponentsOption = False,
    attention: AttentionOption = None,
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Theoretical cost and saving, under Eq. 9, an exact count, or any named convention.

    For a clip, the price of choosing the tokens is shown as well, and from which length it pays;
    with `--steps` that price alone, step by step. With `--components`: where FLOPs, bytes and
    kernels go, and what torch's FLOP counter does not count.

    Example: `omnizip-cost flops --model qwen2.5-omni-7b --tokens 10004 --method all`

    Example: `omnizip-cost flops --model qwen2.5-omni-7b --tokens 10004 --components`
    """
    from omnizip_cost.cost import require_conventions
    from omnizip_cost.specs import load_spec

    _require_components(components, steps=steps, attention=attention, dtype=dtype)
    asked = convention or ("torch" if components else DEFAULT_CONVENTIONS)
    chosen = require_conventions(parse_names("--convention", asked))
    spec = load_spec(model)
    if layer_tokens is None:
        work = inputs.workload(spec)
    else:
        work, methods = given_layers(layer_tokens, inputs, methods, spec)
    if steps:
        _steps(spec, work, methods.plans(work, spec), as_json=as_json, as_csv=as_csv)
    elif components:
        how = {"attention": attention or "sdpa", "dtype": dtype or "bfloat16"}
        plans = methods.plans(work, spec)
        _accounts(spec, work, plans, chosen, decode, how, as_json=as_json, as_csv=as_csv)
    else:
        _totals(spec, work, methods, chosen, decode, as_json=as_json, as_csv=as_csv)


def _require_components(components: bool, *, steps: bool, **given: str | None) -> None:
    """Refuse options that mean nothing without ``--components``, and two tables at once."""
    if components and steps:
        raise OptionsError("flops", "--components and --steps exclude each other")
    for name, value in given.items():
        if value is not None and not components:
            raise OptionsError("flops", f"--{name} needs --components")
    if components:
        from omnizip_cost.cost.executed import ATTENTION_KINDS
        from omnizip_cost.units import BYTES_PER_ELEMENT

        for name, known in (("attention", ATTENTION_KINDS), ("dtype", tuple(BYTES_PER_ELEMENT))):
            if given[name] is not None and given[name] not in known:
                raise InvalidValueError(
                    "flops", f"--{name}", f"one of {', '.join(known)}", given[name]
                )


def _steps(
    spec: ModelSpec, work: Workload, plans: list[Plan], *, as_json: bool, as_csv: bool
) -> None:
    """Selection alone, step by step."""
    from omnizip_cost.cli.selection import print_steps
    from omnizip_cost.cost import step_rows

    listed = {plan: step_rows(spec, plan) for plan in plans}
    rows_of_all = [row for rows in listed.values() for row in rows]
    if not emit(rows_of_all, as_json=as_json, as_csv=as_csv):
        print_steps(spec, work, listed)


def _accounts(
    spec: ModelSpec,
    work: Workload,
    plans: list[Plan],
    conventions: dict[str, Convention],
    decode: int,
    how: dict[str, Any],
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Where FLOPs, bytes and kernels go, plan by plan and convention by convention."""
    from omnizip_cost.cli.account import print_account
    from omnizip_cost.cost.account import account

    accounts = [
        (convention.name, account(spec, plan, convention, decode, work, **how))
        for plan in plans
        for convention in conventions.values()
    ]
    rows_of_all = [row for _, rows in accounts for row in rows]
    if not emit(rows_of_all, as_json=as_json, as_csv=as_csv):
        for name, rows in accounts:
            if rows:
                print_account(spec, work, rows)
            else:
                print(f"{spec.name}, {work.name}: convention {name} counts nothing of it.")


def _totals(
    spec: ModelSpec,
    work: Workload,
    methods: MethodOptions,
    conventions: dict[str, Convention],
    decode: int,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """One line per configuration, and the price of choosing tokens beside what it saves."""
    from omnizip_cost.cli.selection import plans_at, price_columns, prices, print_prices
    from omnizip_cost.cost import count

    names = list(conventions)
    priced = [name for name in names if conventions[name].selection]
    if not (as_json or as_csv):
        priced = priced[:1]
    counted = []
    for plan, plan_at in plans_at(methods, work, spec).items():
        rows = {name: count(spec, plan, one, decode, work) for name, one in conventions.items()}
        if as_json or as_csv:
            rows = _executed(spec, work, plan, rows, conventions, decode)
        weighed = [conventions[name] for name in priced]
        counted.append((plan, rows, prices(spec, work, plan, plan_at, weighed)))
    table = [
        {**row, **price_columns(row, found.get(name))}
        for _, groups, found in counted
        for name in names
        for row in groups[name]
    ]
    if not emit(table, as_json=as_json, as_csv=as_csv):
        _print(spec, work, [(plan, groups) for plan, groups, _ in counted], conventions, decode)
        if priced:
            print_prices(spec, [(plan, found.get(priced[0])) for plan, _, found in counted])


def _executed(
    spec: ModelSpec,
    work: Workload,
    plan: Plan,
    rows: dict[str, list[CostRow]],
    conventions: dict[str, Convention],
    decode: int,
) -> dict[str, list[CostRow]]:
    """The same rows with bytes and kernels, where the account knows them."""
    from omnizip_cost.cost.account import account, with_execution

    return {
        name: with_execution(counted, account(spec, plan, conventions[name], decode, work))
        for name, counted in rows.items()
    }


def _print(
    spec: ModelSpec,
    work: Workload,
    counted: list[tuple[Plan, dict[str, list[CostRow]]]],
    conventions: dict[str, Convention],
    decode: int,
) -> None:
    """One line per configuration; every convention in a column of its own, never summed."""
    from omnizip_cost.compression import make_plan
    from omnizip_cost.cost import count, share_left, total_flops
    from omnizip_cost.units import TERA

    full = make_plan("full", work, spec)
    whole = {
        name: total_flops(count(spec, full, one, decode, work)) for name, one in conventions.items()
    }
    heads = ["method", "asked", "kept", "rho a, v", "tokens", *conventions]
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
        for name in conventions:
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
