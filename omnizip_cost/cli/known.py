"""``models``, ``methods``: what is known, with sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnizip_cost.cli.methods import warn
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.errors import BrokenPromiseError

if TYPE_CHECKING:
    from omnizip_cost.compression import Method

CheckOption = Annotated[
    bool, typer.Option("--check", help="Try what every method promises, on made-up prompts.")
]
NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one.")]
ModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Only this one: a name, or the path of a config.json."),
]


def _details(title: str, facts: dict[str, Any]) -> None:
    show(title, ("fact", "value"), [(key, _text(value)) for key, value in facts.items()], left=2)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def models_command(
    name: ModelArgument = None, as_json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """Known models: sizes, parameters, sources.

    Example: `omnizip-cost models qwen2.5-omni-7b`
    """
    from omnizip_cost.specs import bundled_names, load_spec, parameter_counts

    rows: list[dict[str, Any]] = []
    for model in bundled_names() if name is None else (name,):
        spec = load_spec(model)
        parts = parameter_counts(spec)
        rows.append(
            {
                "model": spec.name,
                "family": spec.family,
                "layers": spec.text.layers,
                "hidden_size": spec.text.hidden_size,
                "intermediate_size": spec.text.intermediate_size,
                "heads": spec.text.heads,
                "kv_heads": spec.text.kv_heads,
                "head_dim": spec.text.head_dim,
                "vocab_size": spec.text.vocab_size,
                "sliding_window": spec.text.sliding_window,
                "sliding_layers": len(spec.text.sliding_layers),
                **{f"{part}_parameters": value for part, value in parts.items()},
                "source": spec.source,
            }
        )
    if emit(rows, as_json=as_json, as_csv=as_csv):
        return
    if name is not None:
        _details(name, {fact: value or None for fact, value in rows[0].items()})
        return
    columns = ("model", "family", "layers", "hidden_size", "heads", "kv_heads", "vocab_size")
    encoders = ("audio_encoder_parameters", "vision_encoder_parameters")
    show(
        "Models",
        (*columns, "audio encoder", "vision encoder", "parameters"),
        [
            (
                *(_text(row[column]) for column in columns),
                *(_text(row[part] or None) for part in encoders),
                _text(row["total_parameters"]),
            )
            for row in rows
        ],
        notes=(
            "`models NAME` shows one with its source. Any config.json of the families "
            "Qwen2.5-Omni, Qwen3-Omni, llama, mistral, qwen2, qwen3, phi3 works in its place.",
        ),
        left=2,
    )


def methods_command(
    name: NameArgument = None,
    check: CheckOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Compression methods, those of other packages included, and where they come from.

    Example: `omnizip-cost methods dycoke`
    """
    from omnizip_cost.compression import all_methods, require_method

    if name is None:
        methods, refusals = all_methods()
        warn(refusals)
    else:
        methods = (require_method(name),)
    if check:
        _check(methods, as_json=as_json, as_csv=as_csv)
        return
    rows = [method.facts() for method in methods]
    if emit(rows, as_json=as_json, as_csv=as_csv):
        return
    if name is not None:
        facts = [fact for fact in rows[0].items() if fact[0] != "assumptions"]
        assumptions = methods[0].assumptions or ("none",)
        heads = ("assumptions", *("" for _ in assumptions[1:]))
        show(name, ("fact", "value"), [*facts, *zip(heads, assumptions, strict=True)], left=2)
        return
    columns = ("name", "title", "answers", "source")
    show(
        "Methods",
        columns,
        [[row[column] for column in columns] for row in rows],
        notes=("`methods NAME` shows one with its assumptions and default settings.",),
        left=4,
    )


def _check(methods: Sequence[Method], *, as_json: bool, as_csv: bool) -> None:
    """Print which promises the methods keep; any broken one is an error."""
    from omnizip_cost.runtime.conformance import check_method

    rows = [row for method in methods for row in check_method(method)]
    if not emit(rows, as_json=as_json, as_csv=as_csv):
        show(
            "Promises",
            ("method", "promise", "", "held", "first counterexample"),
            [
                (row.method, row.promise, row.says, f"{row.held}/{row.cases}", row.counterexample)
                for row in rows
            ],
            notes=("Tried on made-up prompts of every shape, at several ratios.",),
            left=5,
        )
    for method in methods:
        broken = [row for row in rows if row.method == method.name and row.held < row.cases]
        if broken:
            raise BrokenPromiseError(
                method.name, [row.promise for row in broken], broken[0].counterexample
            )
