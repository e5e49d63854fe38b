"""``audit``: published efficiency numbers held against physics."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.inputs import parse_names
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.errors import InputFileError
from omnizip_cost.units import TERA, fixed

if TYPE_CHECKING:
    from omnizip_cost.audit import Finding

_HEADS = ("model", "device", "method", "kept", "quantity", "printed", "tokens n", "TFLOP/s",
          "of peak", "bound", "verdict", "note")  # fmt: skip
_VERDICTS = {"needs an unstated assumption": "needs assumption"}
_FEW = 20
"""Numbers up to which every table carries its notes without being asked."""

_COLUMNS_HELP = (
    "CSV: model (the one required), source, device, gpus, method, retained, tokens, layer_tokens, "
    "decode_steps, dtype, prefill_ms, end_to_end_s, memory_GB, flops_T, flops_ratio_pct, speedup, "
    "end_to_end_speedup, benchmark, timed, frames, frame_pixels, tokens_from, device_from, note. "
    "Default: the published tables that come with the package."
)


def audit_command(
    file: Annotated[Path | None, typer.Argument(metavar="FILE.csv", help=_COLUMNS_HELP)] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", help="n of rows that do not state theirs.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Device of rows that state none: a name, or a TOML file."),
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(
            "--convention",
            metavar="NAME_OR_FILE,...",
            help="Searched besides the built-in ones: TOML files of your own, with commas.",
        ),
    ] = None,
    convention_file: Annotated[
        list[Path] | None, typer.Option("--convention-file", hidden=True)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Write tables/audit.csv, its figure and audit.md to this folder."
        ),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Only print a small FILE.csv to start from.")
    ] = False,
    columns: Annotated[
        bool, typer.Option("--columns", help="Only list the columns that FILE.csv may have.")
    ] = False,
    show_all: Annotated[
        bool,
        typer.Option("--all", help="Tables with the plausible numbers that need no note, too."),
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help=f"Reasons below the tables; up to {_FEW} numbers always.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Published times, memory, speed-ups and FLOPs, held against what they need.

    For each number: exact work, the rate it implies, its share of the dense peak, the bound it
    cannot pass, a verdict with its reason, and the length at which it would hold. Printed FLOPs
    are searched over all conventions and, where no length is given, over all lengths.

    Example: `omnizip-cost audit`
    """
    from omnizip_cost.audit import EXAMPLE, audit, bundled_claims, read_claims

    if example:
        print(EXAMPLE, end="")
        return
    if columns:
        print_columns()
        return
    claims = bundled_claims() if file is None else read_claims(file)
    own = [] if convention is None else parse_names("--convention", convention)
    asked = [*own, *(convention_file or ())]
    findings = audit(claims, tokens=tokens, device=device, conventions=asked)
    if file is not None and not findings:
        raise InputFileError(file, "no row holds a number to audit", "see --help for its columns")
    if out is not None:
        written = write_audit(findings, out, "the bundled claims" if file is None else file.name)
        print(*(f"wrote {path}" for path in written), sep="\n", file=sys.stderr)
    if not emit(findings, as_json=as_json, as_csv=as_csv):
        print_audit(findings, show_all=show_all, why=why or len(findings) <= _FEW)


def print_columns() -> None:
    """Print what a file of claims may hold."""
    from omnizip_cost.audit import ALIASES, COLUMNS

    also = [f"{name} is read as {column}" for name, column in ALIASES.items()]
    show(
        "Columns of a file of claims",
        ("column", "a cell is", "what it says"),
        [(name, must_be, says) for name, (_, must_be, says) in COLUMNS.items()],
        notes=[
            "Only model is required; what an empty cell means stands in brackets, else nothing.",
            f"{'; '.join(also)}.",
        ],
        left=3,
    )


def write_audit(findings: Sequence[Finding], out: Path, what: str) -> list[Path]:
    """Write the findings as a table, as a document, and as a figure where one can be drawn.

    Returns
    -------
    list of Path
        The files written.
    """
    from omnizip_cost.cli.publish import draw_figures
    from omnizip_cost.report import render_audit
    from omnizip_cost.results import write_table
    from omnizip_cost.results.tables import atomic_write_bytes

    document = out / "audit.md"
    table = write_table(findings, out / "tables" / "audit.csv")
    drawn = any(row.share_of_peak is not None for row in findings)
    figures = draw_figures(out, ["audit"], width="page") if drawn else []
    picture = next((path for path in figures if path.suffix == ".png"), None)
    figure = None if picture is None else picture.relative_to(out).as_posix()
    atomic_write_bytes(document, render_audit(findings, what=what, figure=figure).encode())
    return [document, table, *figures]


def print_audit(findings: Sequence[Finding], *, show_all: bool, why: bool) -> None:
    """Print what stands out, then a table per source of the numbers that need a word.

    ``show_all``: tables with all others, too; ``why``: numbered reasons below each table.
    """
    from omnizip_cost.audit import ATTAINABLE_SHARE, stand_outs, verdict_counts

    numbers = f"{len(findings)} number{'s' * (len(findings) > 1)}"
    print(f"What stands out of {numbers}: {verdict_counts(findings)}.\n")
    for found in stand_outs(findings):
        print(f"{found.source}: {found.counts}.", *found.sentences, sep="\n  ")
    print()
    for source in dict.fromkeys(row.source for row in findings):
        rows = [row for row in findings if row.source == source]
        shown = [row for row in rows if show_all or _has_word(row, why=why)]
        notes: dict[str, int] = {}
        lines = [_line(same, notes, why=why) for same in _merged(shown)]
        heads = _HEADS if why else _HEADS[:-1]
        assumed = dict.fromkeys(said for row in shown for said in row.assumptions)
        if lines:
            show(
                f"Audit of {source}",
                heads,
                lines,
                notes=[*(f"[{number}] {text}" for text, number in notes.items()), *assumed],
                left=5,
            )
    quiet = 0 if show_all else sum(not _has_word(row, why=why) for row in findings)
    left_out = [f"{quiet} plausible number{'s' * (quiet > 1)} (`--all`)"] if quiet else []
    left_out += [] if why else ["reasons (`--why`)"]
    if left_out:
        print(f"Left out: {', '.join(left_out)}.")
    print(
        "Rate: exact FLOPs of the decoder (causal pairs, logits of one position, no encoders) over "
        "the printed time. Peak: dense, all cards together. Impossible: above the peak, or faster "
        "than the weights can be read; at this n: at a length that the source does not state. "
        f"Needs assumption: above {ATTAINABLE_SHARE:.0%} of the peak, or the source leaves out "
        "what decides it. Bound: of a speed-up, where both runs have one rate. In brackets: "
        "computed from two printed times. `--json` gives everything."
    )


def _has_note(row: Finding) -> bool:
    return row.quantity == "FLOPs" or row.verdict != "plausible" or bool(row.remark)


def _has_word(row: Finding, *, why: bool) -> bool:
    """Whether a table needs the row: with a note where notes are shown, else not plausible."""
    return _has_note(row) if why else row.verdict != "plausible"


def _merged(rows: Sequence[Finding]) -> list[list[Finding]]:
    """Rows of one search for a convention as one, every other row by itself."""
    found: list[list[Finding]] = []
    for row in rows:
        last = found[-1][-1] if found else None
        if last and row.quantity == last.quantity == "FLOPs" and row.reason == last.reason:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _line(same: Sequence[Finding], notes: dict[str, int], *, why: bool) -> tuple[str, ...]:
    row = same[0]
    text = " ".join(part for part in (row.reason, row.remark, _sentence(row.note)) if part)
    number = notes.setdefault(text, len(notes) + 1) if why and _has_note(row) else None
    several = len(same) > 1
    models = list(dict.fromkeys(member.model for member in same))
    what = row.quantity if row.benchmark is None else f"{row.quantity} {row.benchmark}"
    rate = row.implied_flop_per_s
    return (
        " ".join(models),
        row.cards,
        f"{len(same)} rows" if several else row.method,
        "" if several or row.retained is None else f"{row.retained:.0%}",
        what,
        "" if several else _claimed(row),
        "" if row.tokens is None else f"{row.tokens:,}",
        "" if rate is None else f"{rate / TERA:,.1f}",
        "" if row.share_of_peak is None else f"{row.share_of_peak:.0%}",
        "" if row.bound is None else f"{_direction(row)} {fixed(row.bound)}{_unit(row)}",
        _verdict(row),
        *([] if not why else [""] if number is None else [f"[{number}]"]),
    )


def _verdict(row: Finding) -> str:
    if row.verdict == "impossible" and row.hangs_on_length:
        return "impossible at this n"
    return _VERDICTS.get(row.verdict, row.verdict)


def _direction(row: Finding) -> str:
    """Whether the number can only be above its bound, or only below."""
    return "<=" if row.unit == "x" else ">="


def _unit(row: Finding) -> str:
    return {"10^12": "T", "% of full": "%", "x": "x"}.get(row.unit, f" {row.unit}")


def _claimed(row: Finding) -> str:
    unit = _unit(row)
    return f"({row.claimed:,.3g}{unit})" if row.derived else f"{row.claimed:,.5g}{unit}"


def _sentence(note: str | None) -> str:
    return f"{note[0].upper()}{note[1:]}." if note else ""
