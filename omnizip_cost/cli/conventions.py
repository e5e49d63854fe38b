"""``conventions``: what one printed FLOP number silently assumes, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import InputOptions
from omnizip_cost.cli.methods import MethodOptions
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS
from omnizip_cost.errors import InvalidValueError

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan
    from omnizip_cost.cost import Convention, SideRow
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

DEFAULT_MODEL = "qwen2.5-omni-7b"
DEFAULT_TOKENS = 10_004
"""The only length that gives the paper's whole FLOPs column."""
DEFAULT_RETAINED = 0.45
"""OmniZip's main setting (OmniZip, Tab. 1)."""

NameArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Only this one, in full: a name, or a TOML file's path."),
]
FileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--file", metavar="MINE.toml", help="A convention of your own beside the others (repeat)."
    ),
]
ExampleOption = Annotated[
    bool, typer.Option("--example", help="Print a convention's TOML file to start from.")
]
SomeModelOption = Annotated[
    str | None,
    typer.Option("--model", help=f"A bundled name or a path to a config.json [{DEFAULT_MODEL}]."),
]
SomeDecodeOption = Annotated[
    int | None, typer.Option("--decode", help=f"R: decoded tokens [{EQ9_DECODE_STEPS}].")
]


OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Write tables/conventions.csv and its figure to this folder too."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleOptions(InputOptions):
    """What to count: as in ``flops``, but a media file is an option here."""

    clip: Annotated[
        str | None, typer.Option("--clip", help="A media file with video, sound or both.")
    ] = None


@with_options
def conventions_command(
    *,
    name: NameArgument = None,
    file: FileOption = None,
    example: ExampleOption = False,
    model: SomeModelOption = None,
    inputs: ExampleOptions,
    methods: MethodOptions,
    decode: SomeDecodeOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """FLOP conventions: what one printed number silently assumes, and what it comes to.

    Shown are all conventions, then one configuration under each of them (10,004 tokens of the 7B
    model unless an input is given). `--json` and `--csv` give the records; with an input, a model
    or a method, the counts.

    A convention of your own is a small TOML file that states every choice: `--example` prints one,
    with what each choice may be. `flops --convention mine.toml,eq9` takes its path as well.

    Example: `omnizip-cost conventions eq9`

    Example: `omnizip-cost conventions --model qwen2.5-omni-3b --seconds 60 --pixels 252x448`
    """
    from omnizip_cost.cost import CONVENTIONS, load_convention, require_conventions, side_by_side

    if example:
        from omnizip_cost.cost.convention_file import EXAMPLE

        print(EXAMPLE, end="")
        return
    if name is not None and file:
        raise InvalidValueError("input", "--file", "left out beside NAME", file[0])
    own = [load_convention(path) for path in file or ()]
    known = require_conventions([*CONVENTIONS, *own] if name is None else [name])
    counted = (
        model is not None
        or decode is not None
        or inputs != ExampleOptions()
        or methods != MethodOptions()
    )
    if (as_json or as_csv) and not counted and out is None:
        emit([one.facts() for one in known.values()], as_json=as_json, as_csv=as_csv)
        return
    spec, work, plans = _example(model, inputs, methods)
    steps = EQ9_DECODE_STEPS if decode is None else decode
    if out is not None:
        _publish(spec, plans, work, known, steps, out)
    rows = side_by_side(spec, plans, work, known, steps)
    if emit(rows, as_json=as_json, as_csv=as_csv):
        return
    if name is None:
        _print_records(list(known.values()))
    else:
        _print_record(known[next(iter(known))])
    _print_counts(rows, notes=work.notes)


def _example(
    model: str | None, inputs: ExampleOptions, methods: MethodOptions
) -> tuple[ModelSpec, Workload, list[Plan]]:
    """Return what is counted: what the user said, and the paper's main rows where nothing was."""
    from omnizip_cost.compression import make_plan
    from omnizip_cost.specs import load_spec
    from omnizip_cost.workload import bare_workload

    spec = load_spec(DEFAULT_MODEL if model is None else model)
    unsaid = inputs == ExampleOptions()
    work = bare_workload(DEFAULT_TOKENS) if unsaid else inputs.workload(spec)
    full = make_plan("full", work, spec)
    chosen = (
        [make_plan("omnizip", work, spec, retained=DEFAULT_RETAINED)]
        if methods.unsaid
        else methods.plans(work, spec)
    )
    return spec, work, list(dict.fromkeys([full, *chosen]))


def _publish(
    spec: ModelSpec,
    plans: Sequence[Plan],
    work: Workload,
    known: Mapping[str, Convention],
    decode: int,
    out: Path,
) -> None:
    """Write the counts by component and draw them."""
    from omnizip_cost.compare import convention_rows
    from omnizip_cost.compression import Setting
    from omnizip_cost.plotting import draw_all
    from omnizip_cost.results import write_table

    labelled = {
        Setting(
            method=plan.method, retained=plan.retained, rho_a=plan.rho_a, rho_v=plan.rho_v
        ).label: plan
        for plan in plans
    }
    rows = convention_rows(spec, labelled, work, decode, known)
    write_table(rows, out / "tables" / "conventions.csv")
    draw_all(out / "tables", out / "figures", ["conventions"])


def _print_records(known: Sequence[Convention]) -> None:
    heads = ("name", "answers", "per MAC", "Q, K, V", "FFN", "pairs", "LM head", "tokens", "also")
    show(
        "Conventions (never added to each other)",
        heads,
        [
            [
                one.name,
                one.answers,
                str(one.flop_per_multiply_add),
                "all d" if one.widths == "hidden" else "as built",
                _ffn(one),
                "n x n" if one.attention == "full" else one.attention,
                one.lm_head,
                one.tokens,
                ", ".join(_also(one)) or "-",
            ]
            for one in known
        ],
        notes=(
            "Per MAC: FLOPs of one multiply-add. Also: what is counted besides prefill. Text of a "
            "prompt is in n where tokens are `all`. No convention counts norms, softmax and other "
            "elementwise work. `conventions NAME` shows one with its source.",
            "",
        ),
        left=len(heads),
    )


def _ffn(one: Convention) -> str:
    """Products of the FFN and their width."""
    matrices = "as built" if one.ffn_matrices is None else f"{one.ffn_matrices} x m"
    return matrices if one.ffn_width == "built" else matrices.replace("x m", "x 4d")


def _also(one: Convention) -> Iterable[str]:
    parts = {"decode": one.decode, "encoders": one.encoders, "selection": one.selection}
    return (part for part, counts in parts.items() if counts)


def _print_record(one: Convention) -> None:
    """Every field of one convention on a line of its own."""
    lines = [(key, _text(value)) for key, value in one.facts().items() if value != ""]
    show(one.name, ("fact", "value"), lines, left=2)


def _text(value: object) -> str:
    if value is None:
        return "as built"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _print_counts(rows: Sequence[SideRow], *, notes: Sequence[str]) -> None:
    """One line for each convention and configuration; parts that nobody counts have no column."""
    parts: dict[str, list[int] | list[int | None]] = {
        "prefill": [row.prefill_flops for row in rows],
        "decode": [row.decode_flops for row in rows],
        "LM head": [row.lm_head_flops for row in rows],
        "encoders": [row.encoder_flops for row in rows],
        "selection": [row.selection_flops for row in rows],
        "all": [row.flops for row in rows],
    }
    shown = {
        head: cells for head, cells in parts.items() if any(cell is not None for cell in cells)
    }
    unit, prefix = _unit(max(row.flops for row in rows))
    lines, before = [], ""
    for place, row in enumerate(rows):
        label = _label(row)
        cells = [column[place] for column in shown.values()]
        lines.append(
            [
                label if label != before else "",
                row.convention,
                f"{row.n_tokens:,}",
                *("-" if cell is None else _digits(cell / unit) for cell in cells),
                "-" if row.torch_ratio is None else f"{row.torch_ratio:.2f} x",
                f"{row.share_left:.1%}",
            ]
        )
        before = label
    first = rows[0]
    show(
        f"{first.model}, {first.input}, R = {first.decode_steps}: {prefix}FLOP, by convention",
        ("configuration", "convention", "tokens", *shown, "torch counts", "share left"),
        lines,
        left=2,
        notes=(
            "Prefill and decode are the decoder's. Torch counts: times as many FLOPs as this "
            "convention for the same configuration, which is how far apart two numbers with one "
            "name are. Share left: of full tokens, under the same convention.",
            *notes,
        ),
    )


def _unit(largest: int) -> tuple[int, str]:
    """Return the prefix in which the largest count is readable."""
    from omnizip_cost.units import GIGA, MEGA, TERA

    return next((pair for pair in ((TERA, "T"), (GIGA, "G")) if largest >= pair[0]), (MEGA, "M"))


def _digits(value: float) -> str:
    """Four digits, never a power of ten."""
    if 0 < value < 0.00005:
        return "<0.0001"
    decimals = next((places for places, least in ((1, 99.995), (2, 9.9995)) if value >= least), 4)
    return f"{value:,.{3 if value >= 0.99995 and decimals == 4 else decimals}f}"


def _label(row: SideRow) -> str:
    if row.method == "full":
        return "full"
    pair = "" if row.rho_a is None else f" ({row.rho_a:.3g}, {row.rho_v:.3g})"
    return f"{row.method} {row.retained:.1%}{pair}"
