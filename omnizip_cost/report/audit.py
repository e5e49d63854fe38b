"""The audit as a document: verdicts first, then every number with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2

from omnizip_cost.audit import ATTAINABLE_SHARE, VERDICTS, Finding, stand_outs
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.report.cells import ABSENT, absent, percent
from omnizip_cost.report.tables import Column, markdown_table
from omnizip_cost.units import TERA, fixed

_UNITS = {"10^12": "·10¹² FLOP", "% of full": "% of full", "x": "×"}


def render_audit(findings: Sequence[Finding], *, what: str, figure: str | None = None) -> str:
    """Write the findings in Markdown, so that they can be attached as they are.

    Parameters
    ----------
    findings : sequence of Finding
    what
        Name of what was audited.
    figure
        Path of the figure, relative to the document.

    Raises
    ------
    InvalidValueError
        Nothing to write.
    """
    if not findings:
        raise InvalidValueError("audit report", "findings", "at least one", 0)
    sources = list(dict.fromkeys(row.source for row in findings))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("omnizip_cost.report"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("audit.md.j2").render(
        what=what,
        figure=figure,
        standouts=stand_outs(findings),
        attainable=f"{ATTAINABLE_SHARE:.0%}",
        tally=markdown_table(
            [Column(key="source", title="Source", align="left"), *VERDICTS],
            [_tally(source, findings) for source in sources],
        ),
        parts=[(source, _table(source, findings), _bases(source, findings)) for source in sources],
    )


def _tally(source: str, findings: Sequence[Finding]) -> dict[str, Any]:
    rows = [row for row in findings if row.source == source]
    return {"source": source, **{v: sum(row.verdict == v for row in rows) for v in VERDICTS}}


def _table(source: str, findings: Sequence[Finding]) -> str:
    columns = [
        Column(key="what", title="Claim", align="left"),
        Column(key="claimed", title="Printed", write=str),
        Column(key="tokens", title="n"),
        Column(key="implied_flop_per_s", title="TFLOP/s", write=_tera),
        Column(key="share_of_peak", title="Of dense peak", write=percent),
        Column(key="bound", title="Bound", write=str),
        Column(key="verdict", title="Verdict", align="left"),
        Column(key="reason", title="Reason", align="left"),
    ]
    rows = [
        {
            **dict(row),
            "what": _what(row),
            "claimed": _claimed(row),
            "bound": ABSENT if row.bound is None else f"{fixed(row.bound)} {_unit(row)}",
            "verdict": _verdict(row),
            "reason": _reason(row),
        }
        for row in findings
        if row.source == source
    ]
    return markdown_table(columns, rows)


def _what(row: Finding) -> str:
    kept = "" if row.retained is None or row.method == "full" else f" {row.retained:.0%}"
    cards = "" if row.device is None else f", {row.cards}"
    where = f", {row.benchmark}" if row.benchmark else ""
    return f"{row.model}, {row.method}{kept}{cards}{where}: {row.quantity}"


def _claimed(row: Finding) -> str:
    text = f"{row.claimed:,.5g} {_unit(row)}"
    return f"({text})" if row.derived else text


def _unit(row: Finding) -> str:
    return _UNITS.get(row.unit, row.unit)


def _verdict(row: Finding) -> str:
    if row.verdict == "impossible" and row.hangs_on_length:
        return f"impossible at n = {row.tokens:,} (assumed)"
    return row.verdict


def _reason(row: Finding) -> str:
    note = f" {row.note[0].upper()}{row.note[1:]}." if row.note else ""
    return " ".join(part for part in (row.reason, row.remark) if part) + note


def _tera(value: Any) -> str:
    return ABSENT if absent(value) else f"{float(value) / TERA:,.1f}"


def _bases(source: str, findings: Sequence[Finding]) -> list[str]:
    """What was assumed of the rows of one source."""
    rows = [row for row in findings if row.source == source]
    return list(dict.fromkeys(said for row in rows for said in row.assumptions))
