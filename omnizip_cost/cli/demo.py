"""``demo``: the main job end to end on this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnizip_cost.cli.compare import measured_before, print_compared
from omnizip_cost.cli.document import write_documents
from omnizip_cost.cli.inputs import InputOptions
from omnizip_cost.cli.output import CsvOption, JsonOption, emit
from omnizip_cost.cli.progress import progress_bar, say
from omnizip_cost.cli.publish import draw_figures, write_kept, write_tables
from omnizip_cost.errors import InputFileError, InvalidValueError, MediaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnizip_cost.profiling import Cell
    from omnizip_cost.results import MeasurementRow
    from omnizip_cost.specs import ThinkerSpec
    from omnizip_cost.workload import Clip, Workload

MODEL = "omni-tiny"
ON_PAPER = "qwen2.5-omni-7b"
"""The released model whose FLOPs the demo counts on the same clip."""
DECODE_STEPS = 8
PAPER_PAIR = (0.3, 0.6)
"""OmniZip at 45%: the paper's main setting (Tab. 1)."""
MAX_PIXELS = 128 * 28 * 28
"""Cap of a frame in the paper's runs."""
BUDGET_S = 75.0
"""No further round begins once this much was measured; a slow machine gets fewer rounds."""
MADE_S = 10.0
"""Length of the clip that is made when none is given."""
LONGEST_S = 14.0
"""Longer clips are cut here, so that the demo ends within three minutes on two cores."""


def demo_command(
    clip: Annotated[
        str | None, typer.Option("--clip", help="A media file; else a clip is made on the spot.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for everything it writes.")] = Path(
        "out/demo"
    ),
    rounds: Annotated[
        int, typer.Option("--rounds", help="Interleaved rounds over all configurations.")
    ] = 5,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Compress, profile, predict, compare, draw: the whole job on this machine.

    Example: `omnizip-cost demo --out out/demo`
    """
    from omnizip_cost.compare import compare
    from omnizip_cost.results.commit import now_utc
    from omnizip_cost.specs import load_spec, require_thinker
    from omnizip_cost.workload import decode_clip

    if rounds < 1:
        raise InvalidValueError("demo", "--rounds", "1 or more", rounds)
    spec = require_thinker(load_spec(MODEL))
    notes = []
    if clip is None:
        clip, made = _made_clip(out)
        notes.append(made)
    settings = InputOptions(max_pixels=MAX_PIXELS).settings(spec)
    say(f"decoding {clip}")
    decoded = decode_clip(clip, spec, settings, max_seconds=LONGEST_S)
    work = decoded.workload(spec)
    notes += work.notes
    start_utc = now_utc()
    measured = _measure(spec, work, decoded, out, rounds)
    earlier = measured_before(measured, start_utc)
    notes += earlier
    compared = compare(measured, {spec.name: spec})
    write_tables(out, measured, compared)
    _write_theory(decoded, out)
    say("drawing")
    draw_figures(out)
    page, _ = write_documents(
        out,
        [out / "report.html", out / "report.md"],
        command=f"omnizip-cost demo --clip {Path(clip).name}",
        notes=notes,
    )
    if emit(compared, as_json=as_json, as_csv=as_csv):
        return
    print_compared(compared)
    for sentence in earlier:
        print(sentence)
    print(f"random weights: timing only. Report: {page}; figures: {out / 'figures'}")


def _made_clip(out: Path) -> tuple[str, str]:
    from omnizip_cost.workload import make_demo_clip

    path = out / "clip.mp4"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputFileError(out, f"cannot be a folder to write to: {error.strerror}") from None
    say("making a clip")
    made = make_demo_clip(path, seconds=MADE_S)
    sound = sum(end - start for start, end in made.bursts)
    return str(path), (
        f"The clip was made on the spot ({made.video_codec} and AAC, {made.seconds:g} s): moving "
        f"shapes, and bursts of speech-like sound for {sound:.1f} s of it, silence else."
    )


def _measure(
    spec: ThinkerSpec, work: Workload, decoded: Clip, out: Path, rounds: int
) -> Sequence[MeasurementRow]:
    """Profile the real thinker with every method at the paper's ratios, round by round."""
    from omnizip_cost.profiling import Repeats, paper_cells, profile_grid
    from omnizip_cost.results import MeasurementStore
    from omnizip_cost.runtime.build import build_thinker
    from omnizip_cost.runtime.inputs import clip_inputs

    say(f"building {spec.name} with random weights: timing only")
    thinker = build_thinker(spec)
    inputs = clip_inputs(spec, work, decoded)
    cells = paper_cells()
    with progress_bar() as report:
        measured = profile_grid(
            thinker,
            spec,
            inputs,
            cells,
            decode_steps=DECODE_STEPS,
            store=MeasurementStore(out / "measurements"),
            rounds=rounds,
            repeats=Repeats(budget_s=BUDGET_S),
            progress=report,
        )
    _operators(thinker, spec, inputs, cells, out)
    return measured


def _operators(
    thinker: Any, spec: ThinkerSpec, inputs: Any, cells: Sequence[Cell], out: Path
) -> None:
    """Profile operators of full tokens and of OmniZip at its main setting."""
    from omnizip_cost.cli.profile import operator_tables

    chosen = [
        cell
        for cell in cells
        if cell.method == "full"
        or (cell.method == "omnizip" and (cell.audio_pruning, cell.video_pruning) == PAPER_PAIR)
    ]
    operator_tables(thinker, spec, inputs, chosen, decode=DECODE_STEPS, trace=True, out=out)


def _write_theory(decoded: Clip, out: Path) -> None:
    """Write what the labelled proxies keep, and the released model's FLOPs on this clip."""
    from omnizip_cost.compare import convention_rows
    from omnizip_cost.compression import make_plan
    from omnizip_cost.cost import CONVENTIONS, EQ9_DECODE_STEPS, counted
    from omnizip_cost.results import write_table
    from omnizip_cost.runtime.clip_selection import Pruning, select_by_proxy
    from omnizip_cost.specs import load_spec, require_thinker

    spec = require_thinker(load_spec(ON_PAPER))
    work = decoded.workload(spec)
    pair: dict[str, Any] = {"audio_pruning": PAPER_PAIR[0], "video_pruning": PAPER_PAIR[1]}
    pruning = Pruning(**pair)
    plans = {
        "Full tokens": make_plan("full", work, spec),
        pruning.label: make_plan("omnizip", work, spec, **pair),
    }
    counts = counted(spec, plans.values(), work, CONVENTIONS, EQ9_DECODE_STEPS)
    write_table(convention_rows(counts, plans), out / "tables" / "conventions.csv")
    with suppress(MediaError):  # silence throughout: nothing to rank by, so no table of windows
        write_kept(out, select_by_proxy(decoded, spec, pruning))
