"""``derive``: the same formulas with letters, their limits, and numbers put into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import parse_names, parse_ratios
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.compression.settings import FASTV_LAYER
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS, PAPER_TOKENS
from omnizip_cost.errors import OptionsError
from omnizip_cost.symbolic.topics import TOPICS

if TYPE_CHECKING:
    from omnizip_cost.results import FlatRow
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.symbolic import NumberRow, Point

MODELS = "qwen2.5-omni-7b,qwen2.5-omni-3b,qwen3-omni-30b-a3b"
PAPER_DEVICE = "rtx-a6000"
"""The paper's card (OmniZip, supplement, Tab. 6)."""

TopicArgument = Annotated[
    str | None,
    typer.Argument(metavar="TOPIC", help=f"Of {', '.join(TOPICS)}. Default: list them."),
]
LatexOption = Annotated[
    bool, typer.Option("--latex", help="A LaTeX document that compiles; of all topics without one.")
]
FragmentOption = Annotated[
    bool, typer.Option("--fragment", help="With --latex: sections to read into a document.")
]
ModelsOption = Annotated[
    str | None,
    typer.Option("--model", help=f"Models whose numbers are put in, with commas. [{MODELS}]"),
]
TokensOption = Annotated[
    int | None, typer.Option("--tokens", help=f"n: audio and video tokens. [{PAPER_TOKENS}]")
]
RetainedOption = Annotated[str, typer.Option("--retained", help="r: shares of the tokens kept.")]
DecodeOption = Annotated[int, typer.Option("--decode", help="R: decoded tokens.")]
LayerOption = Annotated[
    int, typer.Option("--fastv-layer", help="K: layers that FastV runs on all tokens.")
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", help="Whose dense bfloat16 peak over bandwidth is phi; see `devices`."
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for the document, tables and figures.")
]


def derive_command(
    topic: TopicArgument = None,
    latex: LatexOption = False,
    fragment: FragmentOption = False,
    model: ModelsOption = None,
    tokens: TokensOption = None,
    retained: RetainedOption = "0.45,0.35",
    decode: DecodeOption = EQ9_DECODE_STEPS,
    fastv_layer: LayerOption = FASTV_LAYER,
    device: DeviceOption = PAPER_DEVICE,
    out: OutOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Derivations from first principles: each step, its reason, limits, and numbers put in.

    What is derived is held against the exact count as it is shown. With `--model` or `--tokens`
    numbers go into the LaTeX, too.

    Example: `omnizip-cost derive crossover --model qwen2.5-omni-7b`
    """
    from omnizip_cost.symbolic import checks, derivation, derivation_rows, number_rows

    if fragment and not latex:
        raise OptionsError("derive", "--fragment needs --latex")
    if latex and (as_json or as_csv):
        raise OptionsError("derive", "give one of --latex, --json and --csv")
    chosen = TOPICS if topic is None else (derivation(topic).name,)
    asked = model is not None or tokens is not None
    quiet = as_json or as_csv or latex or out is not None
    if topic is None and not quiet:
        _list(TOPICS)
        if not asked:
            return
    specs, point = _point(model, tokens, retained, decode, fastv_layer, device)
    numbers = {
        name: [row for spec in specs for row in number_rows(derivation(name), spec, point)]
        for name in chosen
    }
    tex = partial(_latex, numbers if asked else {name: [] for name in chosen}, fragment=fragment)
    if out is not None:
        written = _write(out, tex(), specs, point, numbers)
        if not emit([{"file": str(path)} for path in written], as_json=as_json, as_csv=as_csv):
            print(*written, sep="\n")
    elif latex:
        print(tex(), end="")
    elif as_json or as_csv:
        rows = [
            row
            for name in chosen
            for row in derivation_rows(derivation(name), checks(name), numbers[name])
        ]
        emit(rows, as_json=as_json, as_csv=as_csv)
    else:
        for name in chosen:
            if topic is not None:
                _print_steps(name)
            _print_numbers(name, numbers[name], point, device)


def _point(
    model: str | None,
    tokens: int | None,
    retained: str,
    decode: int,
    fastv_layer: int,
    device: str,
) -> tuple[list[ModelSpec], Point]:
    """Return the models and the point at which numbers are put in."""
    from omnizip_cost.hardware import load_device
    from omnizip_cost.specs import load_spec
    from omnizip_cost.symbolic import Point

    card = load_device(device)
    names = parse_names("--model", MODELS if model is None else model)
    return [load_spec(name) for name in dict.fromkeys(names)], Point(
        tokens=PAPER_TOKENS if tokens is None else tokens,
        ratios=tuple(dict.fromkeys(parse_ratios("--retained", retained))),
        decoded=decode,
        fastv_layer=fastv_layer,
        flop_per_byte=card.ridge_flop_per_byte(),
    )


def _list(topics: Sequence[str]) -> None:
    from omnizip_cost.symbolic import derivation, plain

    found = [derivation(name) for name in topics]
    show(
        "Derivations",
        ("topic", "question", "result"),
        [(item.name, item.question, plain(item.result.expression)) for item in found],
        notes=(
            "`derive TOPIC` shows one step by step, with what was checked and numbers for known "
            "models; `derive --latex` is a document of them all.",
        ),
        left=3,
    )


def _latex(numbers: Mapping[str, Sequence[NumberRow]], *, fragment: bool) -> str:
    from omnizip_cost import symbolic

    parts = [
        (symbolic.derivation(name), symbolic.checks(name), rows) for name, rows in numbers.items()
    ]
    if fragment:
        return "\n".join(symbolic.fragment(*part) for part in parts)
    return symbolic.document(parts)


def _print_steps(topic: str) -> None:
    from omnizip_cost.symbolic import checks, derivation, readable

    print(readable(derivation(topic), checks(topic)))
    print()


def _print_numbers(topic: str, numbers: Sequence[NumberRow], point: Point, device: str) -> None:
    from omnizip_cost.symbolic import lines_of

    heading, *lines = lines_of(numbers)
    show(
        f"Numbers of {topic}: {point.tokens:,} tokens",
        heading,
        lines,
        notes=_letters(topic, point, device),
        left=1 + ("convention" in heading),
    )


def _letters(topic: str, point: Point, device: str) -> list[str]:
    """Say what the letters of a topic's forms were given, apart from n and r."""
    from omnizip_cost.symbolic import derivation
    from omnizip_cost.symbolic.letters import K, R, phi

    given = {
        R: f"R = {point.decoded} decoded tokens",
        K: f"K = {point.fastv_layer} layers that FastV runs on all tokens",
        phi: f"phi = {point.flop_per_byte:.1f} FLOPs per byte, dense bfloat16 peak over bandwidth "
        f"of {device}",
    }
    used = {letter for form in derivation(topic).forms for letter in form.expression.free_symbols}
    told = "; ".join(words for letter, words in given.items() if letter in used)
    return [f"{told}."] if told else []


def _write(
    out: Path,
    tex: str,
    specs: Sequence[ModelSpec],
    point: Point,
    numbers: Mapping[str, Sequence[NumberRow]],
) -> list[Path]:
    """Write the document, the rows of the topics, the tables of the figures, and the figures."""
    from omnizip_cost.cli.publish import draw_figures
    from omnizip_cost.results import write_table
    from omnizip_cost.results.tables import atomic_write_bytes
    from omnizip_cost.symbolic import checks, derivation, derivation_rows
    from omnizip_cost.symbolic.tables import limit_rows, ratio_rows, share_rows

    rows = [
        row
        for name, found in numbers.items()
        for row in derivation_rows(derivation(name), checks(name), found)
    ]
    document = out / "derivations.tex"
    atomic_write_bytes(document, tex.encode())
    tables: dict[str, Sequence[FlatRow]] = {
        "derivations": rows,
        "speedup_limits": limit_rows(specs[0], point.tokens),
        "attention_share": share_rows(specs),
        "exact_ratio": ratio_rows(specs, point.tokens),
    }
    written = [write_table(table, out / "tables" / f"{name}.csv") for name, table in tables.items()]
    figures = [name for name in tables if name != "derivations"]
    return [document, *written, *draw_figures(out, figures)]
