"""``profile``: the real compressed model under the clock and under torch.profiler."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnizip_cost.cli.compare import measured_before, print_compared
from omnizip_cost.cli.inputs import InputOptions
from omnizip_cost.cli.methods import MethodOptions
from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit
from omnizip_cost.cli.progress import progress_bar, say
from omnizip_cost.errors import InvalidValueError, OptionsError, UnknownNameError

if TYPE_CHECKING:
    from omnizip_cost.profiling import Cell
    from omnizip_cost.specs import ThinkerSpec

DEFAULT_DTYPES = {"cpu": "float32", "cuda": "bfloat16"}


@with_options
def profile_command(
    out: Annotated[Path, typer.Option("--out", help="Folder; a stopped run goes on there.")],
    inputs: InputOptions,
    methods: MethodOptions,
    model: Annotated[
        str | None, typer.Option("--model", help="Random weights of this model, labelled so.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", help="Folder or hub id with real weights (safetensors)."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="`cpu` or `cuda`.")] = "cpu",
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float32 on cpu, bfloat16 on cuda by default.")
    ] = None,
    attention: Annotated[
        str, typer.Option("--attention", help="sdpa, eager or flash_attention_2.")
    ] = "sdpa",
    execution: Annotated[
        str,
        typer.Option(
            "--execution",
            help="stock, or graph: decode with a static cache, on CUDA as one graph a token.",
        ),
    ] = "stock",
    decode: Annotated[int, typer.Option("--decode", help="R: decoded tokens.")] = 16,
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", help="Interleaved rounds; else each cell until it is steady."),
    ] = None,
    operators: Annotated[
        bool, typer.Option("--operators/--no-operators", help="torch.profiler tables.")
    ] = True,
    trace: Annotated[
        bool, typer.Option("--trace", help="A Chrome trace per configuration (Perfetto).")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Measure the real compressed model: stages, memory, operators.

    Example: `omnizip-cost profile --model omni-tiny --seconds 6 --pixels 252x448 --out out/tiny`
    """
    from omnizip_cost.compare import compare
    from omnizip_cost.results.commit import now_utc

    if (model is None) == (checkpoint is None):
        raise OptionsError("profile", "--model must be given, or --checkpoint, but not both")
    if methods.unsaid:
        methods = replace(methods, method="all")
    start_utc = now_utc()
    measured, specs = measure(
        inputs,
        methods,
        model=model,
        checkpoint=checkpoint,
        device=device,
        dtype=dtype,
        attention=attention,
        execution=execution,
        decode=decode,
        rounds=rounds,
        operators=operators,
        trace=trace,
        out=out,
    )
    if not emit(measured, as_json=as_json, as_csv=as_csv):
        print_compared(compare(measured, specs))
        for sentence in measured_before(measured, start_utc):
            print(sentence)


def measure(
    options: InputOptions,
    methods: MethodOptions,
    *,
    model: str | None,
    checkpoint: str | None,
    device: str,
    dtype: str | None,
    attention: str,
    execution: str,
    decode: int,
    rounds: int | None,
    operators: bool,
    trace: bool,
    out: Path,
) -> tuple[Any, dict[str, ThinkerSpec]]:
    """Build or load the thinker, make its inputs, measure every cell into ``out``."""
    from omnizip_cost.profiling import profile_grid
    from omnizip_cost.profiling.capacity import require_room
    from omnizip_cost.results import MeasurementStore
    from omnizip_cost.results.schema import EXECUTIONS
    from omnizip_cost.runtime.build import build_thinker, load_checkpoint, quieten_transformers
    from omnizip_cost.specs import load_spec, parameter_counts, require_thinker

    if rounds is not None and rounds < 1:
        raise InvalidValueError("profile", "--rounds", "1 or more", rounds)
    if device not in DEFAULT_DTYPES:
        raise UnknownNameError("device", device, DEFAULT_DTYPES)
    if execution not in EXECUTIONS:
        raise UnknownNameError("execution", execution, EXECUTIONS)
    precision = dtype or DEFAULT_DTYPES[device]
    cells = cells_of(methods)
    build: dict[str, Any] = {"dtype": precision, "device": device, "attention": attention}
    if checkpoint is not None:
        say(f"loading {checkpoint}")
        if not sys.stderr.isatty():
            quieten_transformers()
        thinker, spec = load_checkpoint(checkpoint, **build)
        inputs = inputs_of(options, spec, dtype=precision, device=device)
    else:
        assert model is not None
        spec = require_thinker(load_spec(model))
        options.workload(spec)
        require_room(spec.name, parameter_counts(spec)["total"], dtype=precision, device=device)
        inputs = inputs_of(options, spec, dtype=precision, device=device)
        say(f"building {spec.name} with random weights: timing only")
        thinker = build_thinker(spec, **build)
    common: dict[str, Any] = {
        "decode_steps": decode,
        "weights": "random" if checkpoint is None else "checkpoint",
        "execution": execution,
    }
    with progress_bar() as report:
        measured = profile_grid(
            thinker,
            spec,
            inputs,
            cells,
            store=MeasurementStore(out / "measurements"),
            rounds=rounds,
            progress=report,
            **common,
        )
    if operators or trace:
        broken = {row.label for row in measured if row.status != "ok"}
        whole = [cell for cell in cells if cell.label not in broken]
        operator_tables(thinker, spec, inputs, whole, decode=decode, trace=trace, out=out)
    return measured, {spec.name: spec}


def cells_of(methods: MethodOptions) -> list[Cell]:
    """Cells of the settings asked for."""
    from omnizip_cost.profiling import Cell

    return [
        Cell(
            method=setting.method,
            label=setting.label,
            retained=setting.retained,
            audio_pruning=setting.rho_a,
            video_pruning=setting.rho_v,
            mode=methods.mode,  # type: ignore[arg-type]
            fastv_layer=methods.fastv_layer,
            fastv_form=methods.fastv_form,  # type: ignore[arg-type]
        )
        for setting in methods.settings()
    ]


def inputs_of(options: InputOptions, spec: ThinkerSpec, *, dtype: str, device: str) -> Any:
    """Model inputs from a media file, or random ones of the described shape."""
    from omnizip_cost.runtime.inputs import clip_inputs, random_inputs

    if options.clip is None:
        return random_inputs(spec, options.workload(spec), dtype=dtype, device=device)
    from omnizip_cost.workload import decode_clip

    text = {} if options.text_tokens is None else {"text_tokens": options.text_tokens}
    options.workload(spec)
    clip = decode_clip(options.clip, spec, options.settings(spec))
    return clip_inputs(spec, clip.workload(spec, **text), clip, dtype=dtype, device=device)


def operator_tables(
    thinker: Any,
    spec: ThinkerSpec,
    inputs: Any,
    cells: list[Cell],
    *,
    decode: int,
    trace: bool,
    out: Path,
) -> None:
    """Write torch.profiler's tables of all cells, by operator and by kernel, and a trace each."""
    from omnizip_cost.profiling import profile_pass
    from omnizip_cost.results import write_table

    operators: list[Any] = []
    kernels: list[Any] = []
    with progress_bar() as report:
        for number, cell in enumerate(cells):
            report(f"torch.profiler: {cell.label}", number, len(cells))
            name = "".join(c if c.isalnum() else "-" for c in cell.label.lower()).strip("-")
            found = profile_pass(
                thinker,
                spec,
                inputs,
                cell,
                decode_steps=decode,
                trace=out / "traces" / f"{name}.json.gz" if trace else None,
            )
            operators += found.operators
            kernels += found.kernels
    for title, rows in (("operators", operators), ("kernels", kernels)):
        if rows:
            write_table(rows, out / "tables" / f"{title}.csv")
