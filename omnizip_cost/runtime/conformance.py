"""What every method promises, tried on made-up prompts: built-in methods and those of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from omnizip_cost.compression.build import make_plan
from omnizip_cost.compression.method import Counts, Method
from omnizip_cost.compression.method_answers import planned_counts, stated_steps
from omnizip_cost.compression.methods import is_builtin, require_method, resolve_pruning
from omnizip_cost.compression.request import spread
from omnizip_cost.results.row import FlatRow
from omnizip_cost.runtime.conformance_cases import DEFAULTS, Case, cases
from omnizip_cost.runtime.selection import (
    Layout,
    Selection,
    SelectionRequest,
    fastv_keep,
)
from omnizip_cost.runtime.selection.builtin import SELECT
from omnizip_cost.runtime.selection.call import problem_with
from omnizip_cost.runtime.selection.layout import Run
from omnizip_cost.specs import load_spec, require_thinker

PROMISES: dict[str, str] = {
    "answers": "planned() and select() answer for every shape of clip",
    "mask": "keep is a bool mask of the prompt's length, the rows are shaped as they came",
    "stated": "pruning_pair(), audio_expected() and selection_ops() answer as plans and costs ask",
    "counts": "as many tokens survive as planned",
    "text": "text and marks survive, their rows untouched",
    "order": "survivors come in prompt order, each with its own row",
    "inputs": "no tensor that came in is changed",
    "seed": "the same seed gives the same answer",
    "zero": "both ratios zero keep every token and change no row",
    "bfloat16": "rows in bfloat16 give as many survivors, in bfloat16",
}
"""Promise -> what it says; in the order in which they are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseRow(FlatRow):
    """One promise of one method: in how many cases it was tried and held."""

    method: str
    promise: str
    says: str
    cases: int
    held: int
    counterexample: str
    """The first case in which it did not hold; empty when it always did."""


class _Tally:
    """Counts cases per promise and keeps the first counterexample of each."""

    def __init__(self) -> None:
        self.cases = dict.fromkeys(PROMISES, 0)
        self.held = dict.fromkeys(PROMISES, 0)
        self.first: dict[str, str] = {}

    def note(self, promise: str, case: Case, problem: Callable[[], str]) -> bool:
        """Note one case: held when no problem is found and nothing is raised."""
        try:
            found = problem()
        except Exception as error:
            found = _sentence(error)
        self.cases[promise] += 1
        self.held[promise] += not found
        if found:
            self.first.setdefault(promise, f"{case}: {found}")
        return not found

    def rows(self, method: str) -> list[PromiseRow]:
        """Return the outcome, a row per promise."""
        return [
            PromiseRow(
                method=method,
                promise=promise,
                says=says,
                cases=self.cases[promise],
                held=self.held[promise],
                counterexample=self.first.get(promise, ""),
            )
            for promise, says in PROMISES.items()
        ]


@torch.no_grad()
def check_method(
    method: str | Method | type[Method], *, device: str | torch.device = "cpu"
) -> list[PromiseRow]:
    """Try a method on every shape of clip and say which promises it keeps.

    Parameters
    ----------
    method : str, Method or subclass of Method
        A name that ``omnizip-cost methods`` lists, or a method of your own, not installed.
    device : str or torch.device
        Where the tensors are.

    Returns
    -------
    list of PromiseRow
        A row per promise. One that needs an answer is not tried where there was none.

    Raises
    ------
    UnknownNameError, PluginError
        There is no such method, or it cannot be imported.
    """
    found, place, tally = require_method(method), torch.device(device), _Tally()
    for case in cases(found):
        _Trial(found, case, place, tally).run()
        _Trial(found, replace(case, rho_a=0.0, rho_v=0.0), place, tally).run_untouched()
    return tally.rows(found.name)


class _Trial:
    """One method on one case."""

    def __init__(self, method: Method, case: Case, device: torch.device, tally: _Tally) -> None:
        self.method, self.case, self.device, self.tally = method, case, device, tally
        self.counts: Counts | None = None
        self.selection: Any = None

    def run(self) -> None:
        """Try all promises but the one on zero pruning."""
        given = self._request()
        if not self._answers(given):
            return
        for promise, problem in (
            ("stated", self._state),
            ("counts", self._miscount),
            ("text", self._lost_text),
            ("order", self._disorder),
            ("inputs", lambda: _changed(given, self._request())),
            ("seed", self._drift),
            ("bfloat16", self._half),
        ):
            self.tally.note(promise, self.case, problem)

    def run_untouched(self) -> None:
        """Try the promise on zero pruning, past what callers do for it."""
        if self._answers(self._request()):
            self.tally.note("zero", self.case, self._touched)

    def _request(self, dtype: torch.dtype = torch.float32) -> SelectionRequest:
        return self.case.request(self.method, dtype=dtype, device=self.device)

    def _answers(self, given: SelectionRequest) -> bool:
        """Ask for plan and selection; False where there is nothing to look at."""
        return self.tally.note("answers", self.case, lambda: self._ask(given)) and self.tally.note(
            "mask",
            self.case,
            lambda: _must(problem_with(self.selection, self._request().embeddings)),
        )

    def _ask(self, given: SelectionRequest) -> str:
        self.counts = planned_counts(self.case.plan_request(self.method))
        self.selection = _code(self.method)(given)
        return ""

    def _state(self) -> str:
        """Ask for what a plan and its cost are made of; a breach is raised, in one sentence."""
        case, work, spec = self.case, self.case.workload, require_thinker(load_spec("omni-tiny"))
        chosen: dict[str, Any] = {**DEFAULTS, **case.settings}
        resolve_pruning(
            self.method,
            case.retained,
            video_tokens=work.video_tokens,
            audio_tokens=work.audio_tokens,
            anchor_share=chosen["anchor_share"],
            merge=chosen["merge"],
        )
        plan = make_plan(
            self.method,
            work,
            spec,
            audio_pruning=case.rho_a,
            video_pruning=case.rho_v,
            fastv_layer=1,
            **chosen,
        )
        stated_steps(self.method, plan, spec)
        return ""

    def _miscount(self) -> str:
        """Hold the survivors against the plan, given the retention where the plan goes by it."""
        counts, selection = self.counts, self.selection
        assert counts is not None
        if len(selection.retention) and any(share is not None for share in counts.retention):
            shares = spread(selection.retention.tolist(), self.case.workload)
            counts = planned_counts(self.case.plan_request(self.method, shares))
        video, audio = survivors_per_window(selection.keep, self.case.layout)
        if sum(video) + sum(audio) != counts.total:
            return f"{counts.total:g} tokens are planned, {sum(video) + sum(audio)} survive"
        if self.method.ranks_together:
            return ""
        for name, planned, total, found in (
            ("video", counts.video, counts.totals[0], video),
            ("audio", counts.audio, counts.totals[1], audio),
        ):
            if sum(found) != total:
                return f"{total:g} {name} tokens are planned, {sum(found)} survive"
            for window, (wanted, kept) in enumerate(zip(planned, found, strict=True)):
                if counts.exact and wanted != kept:
                    return f"window {window} plans {wanted:g} {name} tokens exactly, {kept} survive"
        return ""

    def _lost_text(self) -> str:
        text = _text_positions(self.case.layout, self.selection.keep)
        if lost := int((~self.selection.keep[text]).sum()):
            return f"{lost} of {len(text)} text tokens are dropped"
        same = torch.equal(self.selection.embeddings[text], self._request().embeddings[text])
        return "" if same else "rows of text are changed"

    def _disorder(self) -> str:
        chosen = self.selection
        expected = chosen.keep.nonzero()[:, 0]
        if not torch.equal(chosen.survivors(), expected):
            return "survivors() is not the prompt order of the tokens kept"
        if not torch.equal(chosen.gather(), chosen.embeddings[expected]):
            return "gather() is not the survivors' rows in prompt order"
        return ""

    def _drift(self) -> str:
        again = _code(self.method)(self._request())
        if not torch.equal(again.keep, self.selection.keep):
            return "a second call keeps other tokens"
        same = torch.equal(again.embeddings, self.selection.embeddings)
        return "" if same else "a second call gives other rows"

    def _half(self) -> str:
        given = self._request(torch.bfloat16)
        selection = _code(self.method)(given)
        if problem := _must(problem_with(selection, given.embeddings)):
            return problem
        kept, wanted = int(selection.keep.sum()), int(self.selection.keep.sum())
        return "" if kept == wanted else f"{kept} tokens survive, {wanted} in float32"

    def _touched(self) -> str:
        if dropped := int((~self.selection.keep).sum()):
            return f"{dropped} tokens are dropped"
        same = torch.equal(self.selection.embeddings, self._request().embeddings)
        return "" if same else "rows are changed"


def _code(method: Method) -> Callable[[SelectionRequest], Any]:
    """The method's own code at whatever ratios, past what callers do for it."""
    if method.prunes == "inside the decoder":
        return _ranked
    if is_builtin(method):
        return SELECT[method.name]
    return method.select


def _ranked(request: SelectionRequest) -> Selection:
    """FastV's choice, on made-up attention of the prompt's last token."""
    generator = torch.Generator().manual_seed(request.seed)
    attention = torch.rand(4, request.layout.length, generator=generator)
    rows = request.embeddings
    keep = fastv_keep(attention.to(rows.device), request.layout, retained=1 - request.rho_v)
    return Selection(keep=keep, embeddings=rows)


def _must(problem: str) -> str:
    return f"select() must return {problem}" if problem else ""


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def survivors_per_window(keep: torch.Tensor, layout: Layout) -> tuple[list[int], list[int]]:
    """Count the video and the audio tokens that survive in each window."""
    mask = keep.cpu()

    def kept(runs: Sequence[Run]) -> list[int]:
        found = [int(mask[start : start + length].sum()) for start, length in runs]
        return found + [0] * (layout.windows - len(runs))

    return kept(layout.video_runs), kept(layout.audio_runs)


def _text_positions(layout: Layout, like: torch.Tensor) -> torch.Tensor:
    """Positions of everything that is neither audio nor video."""
    text = torch.ones(layout.length, dtype=torch.bool)
    for positions in (layout.video_positions(), layout.audio_positions()):
        text[torch.from_numpy(positions)] = False
    return text.nonzero()[:, 0].to(like.device)


def _changed(given: SelectionRequest, fresh: SelectionRequest) -> str:
    """Name the tensor of a request that is not as it was."""
    for name in ("embeddings", "audio_scores", "video_scores"):
        before, after = getattr(fresh, name), getattr(given, name)
        if before is not None and not torch.equal(before, after):
            return f"{name} are changed in place"
    return ""
