"""``audit``: published efficiency numbers held against physics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.output import CsvOption, JsonOption, emit, show
from omnizip_cost.errors import InputFileError
from omnizip_cost.units import TERA, fixed

if TYPE_CHECKING:
    from omnizip_cost.audit import Finding

_HEADS = ("model", "device", "method", "kept", "what", "claimed", "n", "TFLOP/s", "of peak",
          "least or most", "verdict", "see")  # fmt: skip
_VERDICTS = {"needs an unstated assumption": "unstated"}

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
    convention_file: Annotated[
        list[Path] | None,
        typer.Option("--convention-file", help="A convention of yours (TOML), searched as well."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write audit.csv, audit.md and the figure to this folder."),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Published times, memory, speed-ups and FLOPs, held against what they need.

    For each number: exact work, the rate it implies, its share of the dense peak, the bound it
    cannot pass, a verdict with its reason, and the length at which it would hold. Printed FLOPs
    are searched over all conventions and, where no length is given, over all lengths.

    Example: `omnizip-cost audit`
    """
    from omnizip_cost.audit import audit, bundled_claims, read_claims
    from omnizip_cost.cost import load_convention

    claims = bundled_claims() if file is None else read_claims(file)
    own = [load_convention(path) for path in convention_file or ()]
    findings = audit(claims, tokens=tokens, device=device, conventions=own)
    if file is not None and not findings:
        raise InputFileError(file, "no row holds a number to audit", "see --help for its columns")
    if out is not None:
        write_audit(findings, out, "the bundled claims" if file is None else file.name)
    if not emit(findings, as_json=as_json, as_csv=as_csv):
        print_audit(findings)


def write_audit(findings: Sequence[Finding], out: Path, what: str) -> None:
    """Write the findings as a table, as a document, and as a figure where one can be drawn."""
    from omnizip_cost.report import render_audit
    from omnizip_cost.results import write_table
    from omnizip_cost.results.tables import atomic_write_bytes

    write_table(findings, out / "audit.csv")
    figure = None
    if any(row.share_of_peak is not None for row in findings):
        from omnizip_cost.plotting import draw_all

        draw_all(out, out, ["audit"], width="page")
        figure = "audit.png"
    text = render_audit(findings, what=what, figure=figure)
    atomic_write_bytes(out / "audit.md", text.encode())


def print_audit(findings: Sequence[Finding]) -> None:
    """Print a table per source, with the reasons of all but plausible times below it."""
    from omnizip_cost.audit import ATTAINABLE_SHARE, VERDICTS

    for source in dict.fromkeys(row.source for row in findings):
        rows = [row for row in findings if row.source == source]
        notes: dict[str, int] = {}
        lines = [_line(same, notes) for same in _merged(rows)]
        assumed = dict.fromkeys(said for row in rows for said in row.assumptions)
        show(
            f"Audit of {source}",
            _HEADS,
            lines,
            notes=[*(f"[{number}] {reason}" for reason, number in notes.items()), *assumed],
            left=5,
        )
    tally = (
        f"{sum(row.verdict == word for row in findings)} {word.replace('needs', 'need')}"
        for word in VERDICTS
    )
    print(f"{len(findings)} number{'s' * (len(findings) > 1)}: {', '.join(tally)}.")
    print(
        "In brackets: not printed, made of two printed times. Work: decoder and one position's "
        "logits, causal pairs, encoders left out; peaks dense, of all cards. A rate above the peak "
        f"is impossible, one above {ATTAINABLE_SHARE:.0%} of it needs kernels better than those "
        "measured. `--json` gives every reason."
    )


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


def _line(same: Sequence[Finding], notes: dict[str, int]) -> tuple[str, ...]:
    row = same[0]
    shown = row.quantity == "FLOPs" or row.verdict != "plausible"
    text = " ".join(part for part in (row.reason, _sentence(row.note)) if part)
    number = notes.setdefault(text, len(notes) + 1) if shown else None
    several = len(same) > 1
    models = list(dict.fromkeys(member.model for member in same))
    where = "-" if row.device is None else row.device
    where = f"{row.gpus} x {where}" if row.gpus > 1 else where
    what = f"{row.quantity} {row.benchmark}".strip()
    rate = row.implied_flop_per_s
    return (
        " ".join(models),
        where,
        f"{len(same)} rows" if several else row.method,
        "" if several or row.retained is None else f"{row.retained:.0%}",
        what,
        "" if several else _claimed(row),
        "" if row.tokens is None else f"{row.tokens:,}",
        "" if rate is None else f"{rate / TERA:,.1f}",
        "" if row.share_of_peak is None else f"{row.share_of_peak:.0%}",
        "" if row.bound is None else fixed(row.bound),
        _VERDICTS.get(row.verdict, row.verdict),
        "" if number is None else f"[{number}]",
    )


def _claimed(row: Finding) -> str:
    unit = {"10^12": "T", "% of full": "%", "x": "x"}.get(row.unit, f" {row.unit}")
    return f"({row.claimed:,.3g}{unit})" if row.derived else f"{row.claimed:,.5g}{unit}"


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}." if note else ""
