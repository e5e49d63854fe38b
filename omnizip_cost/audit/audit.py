"""The audit: every number of every claim, held against what it needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from omnizip_cost.audit.claim import Claim
from omnizip_cost.audit.finding import Finding
from omnizip_cost.audit.memory import memory_findings
from omnizip_cost.audit.printed_flops import flops_findings
from omnizip_cost.audit.rows import Rows
from omnizip_cost.audit.speedups import speedup_findings
from omnizip_cost.audit.times import time_findings
from omnizip_cost.audit.work import Case, case_of
from omnizip_cost.cost import CONVENTIONS, Convention, require_conventions
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import load_device


def audit(
    claims: Sequence[Claim],
    *,
    tokens: int | None = None,
    device: str | None = None,
    conventions: Iterable[str | os.PathLike[str] | Convention] = (),
) -> list[Finding]:
    """Hold published numbers against physics, one finding per printed number.

    Parameters
    ----------
    claims : sequence of Claim
        Rows of published tables; times and speed-ups are divided within one source, model, device
        and benchmark, printed FLOPs are searched source by source.
    tokens : int, optional
        n for times, memory and speed-ups of rows that do not state theirs, in place of any
        assumption that came with them.
    device : str, optional
        Device of rows that state none.
    conventions : iterable of str, path or Convention
        Searched besides the built-in ones, which are always: names, TOML files, conventions.

    Returns
    -------
    list of Finding
        In the order of the claims.

    Raises
    ------
    InvalidValueError, InputFileError, UnknownNameError
        A length that is not positive; a model or device that is not known, with its line; a
        convention that is not known, or two of one name that count differently.
    """
    if tokens is not None and (isinstance(tokens, bool) or tokens <= 0):
        raise InvalidValueError("audit", "tokens", "a positive whole number", tokens)
    if device is not None:
        load_device(device)
    searched = require_conventions([*CONVENTIONS, *conventions])
    stated = [case_of(claim) for claim in claims]
    printed = flops_findings(stated, list(searched.values()))
    cases = [_assume(case, tokens, device) for case in stated]
    rows = Rows(cases)
    ratios = speedup_findings(cases, rows)
    findings: list[Finding] = []
    for index, case in enumerate(cases):
        findings += time_findings(case, rows)
        findings += memory_findings(case, rows)
        findings += ratios.get(index, [])
        findings += printed.get(index, [])
    return findings


def _assume(case: Case, tokens: int | None, device: str | None) -> Case:
    """Fill in what the caller says of a row that does not say it."""
    claim = case.claim
    stated = claim.tokens is not None and not claim.tokens_from
    if tokens is not None and not stated and not claim.layer_tokens:
        claim = replace(claim, tokens=tokens, tokens_from="given by --tokens")
    if device is not None and claim.device is None:
        claim = replace(claim, device=device, device_from="given by --device")
    return case if claim is case.claim else case_of(claim)
