"""``conventions``: what one printed FLOP number silently assumes, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import InputOptions
from omnizip_cost.cli.methods import MethodOptions, labelled
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.cli.side_by_side import print_counts
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS, PAPER_TOKENS
from omnizip_cost.errors import InvalidValueError

if TYPE_CHECKING:
    from omnizip_cost.compression import Plan
    from omnizip_cost.cost import Convention, Counts
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

DEFAULT_MODEL = "qwen2.5-omni-7b"
DEFAULT_RETAINED = 0.45
"""OmniZip's main setting (OmniZip, Tab. 1)."""

PAIRS = {"full": "n^2", "causal": "n(n+1)/2", "none": "none"}
"""How many pairs of tokens each choice of ``attention`` counts."""

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
    model unless an input is given).

    Rows of `--json` and `--csv`: the conventions themselves; with an input, a model, a method or
    `--decode`, the counts, one row for each convention and configuration. `--out` changes neither.

    A convention of your own is a small TOML file that states every choice: `--example` prints one,
    with what each choice may be. `flops --convention mine.toml,eq9` takes its path as well.

    Example: `omnizip-cost conventions eq9`

    Example: `omnizip-cost conventions --model qwen2.5-omni-3b --seconds 60 --pixels 252x448`
    """
    from omnizip_cost.cost import CONVENTIONS, counted, side_by_side

    if example:
        from omnizip_cost.cost.convention_file import EXAMPLE

        print(EXAMPLE, end="")
        return
    known = _asked(name, file, CONVENTIONS)
    unsaid = inputs == ExampleOptions() and methods == MethodOptions()
    records_only = (as_json or as_csv) and unsaid and model is None and decode is None
    if records_only and out is None:
        emit([one.facts() for one in known.values()], as_json=as_json, as_csv=as_csv)
        return
    spec, work, plans = _example(model, inputs, methods)
    steps = EQ9_DECODE_STEPS if decode is None else decode
    counts = counted(spec, plans, work, known, steps)
    if out is not None:
        _publish(counts, out)
    rows = side_by_side(counts)
    facts = [one.facts() for one in known.values()]
    if emit(facts if records_only else rows, as_json=as_json, as_csv=as_csv):
        return
    if name is None:
        _print_records(list(known.values()))
    else:
        _print_record(known[next(iter(known))])
    print_counts(rows, notes=work.notes)


def _asked(
    name: str | None, file: Sequence[str] | None, built_in: Mapping[str, Convention]
) -> dict[str, Convention]:
    """Return the one convention that is named, or all of them and the user's own."""
    from omnizip_cost.cost import load_convention, require_conventions

    if name is not None and file:
        raise InvalidValueError("input", "--file", "left out beside NAME", file[0])
    own = [load_convention(path) for path in file or ()]
    return require_conventions([*built_in, *own] if name is None else [name])


def _example(
    model: str | None, inputs: ExampleOptions, methods: MethodOptions
) -> tuple[ModelSpec, Workload, list[Plan]]:
    """Return what is counted: what the user said, and the paper's main rows where nothing was."""
    from omnizip_cost.compression import make_plan
    from omnizip_cost.specs import load_spec
    from omnizip_cost.workload import bare_workload

    spec = load_spec(DEFAULT_MODEL if model is None else model)
    unsaid = inputs == ExampleOptions()
    work = bare_workload(PAPER_TOKENS) if unsaid else inputs.workload(spec)
    full = make_plan("full", work, spec)
    chosen = (
        [make_plan("omnizip", work, spec, retained=DEFAULT_RETAINED)]
        if methods.unsaid
        else methods.plans(work, spec)
    )
    return spec, work, list(dict.fromkeys([full, *chosen]))


def _publish(counts: Counts, out: Path) -> None:
    """Write the counts by component and draw them."""
    from omnizip_cost.compare import convention_rows
    from omnizip_cost.plotting import draw_all
    from omnizip_cost.plotting.conventions import MOST_CONFIGURATIONS
    from omnizip_cost.results import write_table

    plans = labelled(counts.plans)
    if len(plans) > MOST_CONFIGURATIONS:
        raise InvalidValueError(
            "input",
            "--out",
            f"for at most {MOST_CONFIGURATIONS} configurations, full tokens among them",
            len(plans),
            "name fewer methods or ratios; --csv has no limit",
        )
    write_table(convention_rows(counts, plans), out / "tables" / "conventions.csv")
    draw_all(out / "tables", out / "figures", ["conventions"])


def _print_records(known: Sequence[Convention]) -> None:
    heads = (
        "name",
        "answers",
        "per MAC",
        "Q, K, V",
        "FFN",
        "attention pairs",
        "LM head",
        "tokens",
        "besides prefill",
    )
    show(
        "Conventions (never added to each other)",
        heads,
        [
            [
                one.name,
                one.answers,
                str(one.flop_per_multiply_add),
                "hidden size" if one.widths == "hidden" else "as built",
                _ffn(one),
                PAIRS[one.attention],
                one.lm_head,
                one.tokens,
                ", ".join(_also(one)) or "-",
            ]
            for one in known
        ],
        notes=(
            "Per MAC: FLOPs of one multiply-add. FFN: number of matrices x width. Text of a prompt "
            "is in n where tokens are `all`. No convention counts norms, softmax and other "
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
