"""What methods are asked, and what one of another package may answer: one sentence when not.

A built-in method's answer is taken as it is; whatever another's code raises or returns amiss
becomes a :class:`~omnizip_cost.errors.PluginError` that names the method, where its code lives,
and what was asked of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from omnizip_cost.compression.method import Counts, Method
from omnizip_cost.compression.method_builtin import BUILTIN
from omnizip_cost.compression.selection_op import SelectionOp
from omnizip_cost.errors import InvalidValueError, PluginError

if TYPE_CHECKING:
    from omnizip_cost.compression.plan import Plan
    from omnizip_cost.compression.request import PlanRequest
    from omnizip_cost.specs.spec import ThinkerSpec


def planned_counts(request: PlanRequest) -> Counts:
    """Ask the method for its counts.

    Raises
    ------
    PluginError
        Its code fails, or its counts do not fit the workload's windows.
    """
    method = request.method
    with _asking(method, "planned()"):
        counts = method.planned(request)
        if _built_in(method):
            return counts
        problem = _counts_problem(counts, request)
        if problem:
            raise _refused(method, f"planned() must return {problem}")
        return _plain(counts)


def planned_pair(
    method: Method,
    retained: float,
    *,
    video_tokens: int,
    audio_tokens: int,
    anchor_share: float,
    merge: int,
) -> tuple[float, float]:
    """Ask the method for (rho_a, rho_v) of one retained ratio.

    Raises
    ------
    PluginError
        Its code fails, or what it returns is no pair of ratios.
    """
    with _asking(method, "pruning_pair()"):
        pair = method.pruning_pair(
            retained,
            video_tokens=video_tokens,
            audio_tokens=audio_tokens,
            anchor_share=anchor_share,
            merge=merge,
        )
        if _built_in(method):
            return pair
        if not isinstance(pair, tuple) or len(pair) != 2 or not all(_within(1, r) for r in pair):
            wanted = "(rho_a, rho_v), two ratios in [0, 1]"
            raise _refused(method, f"pruning_pair() must return {wanted}, got {pair!r}")
        return float(pair[0]), float(pair[1])


def expected_audio(
    method: Method, audio_tokens: int, rho_a: float, *, anchor_share: float, merge: int
) -> float:
    """Ask the method how many audio tokens a rho_a stands for.

    Raises
    ------
    PluginError
        Its code fails, or what it returns is no number of audio tokens.
    """
    with _asking(method, "audio_expected()"):
        tokens = method.audio_expected(audio_tokens, rho_a, anchor_share=anchor_share, merge=merge)
        if _built_in(method):
            return tokens
        if not _within(audio_tokens, tokens):
            wanted = f"0 to {audio_tokens} audio tokens"
            raise _refused(method, f"audio_expected() must return {wanted}, got {tokens!r}")
        return float(tokens)


def stated_steps(method: Method, plan: Plan, spec: ThinkerSpec) -> tuple[SelectionOp, ...] | None:
    """Ask the method for the steps of its selection; None where it states none.

    Raises
    ------
    PluginError
        Its code fails, before or while the steps are read, or a step is no SelectionOp.
    """
    with _asking(method, "selection_ops()"):
        try:
            stated = method.selection_ops(plan, spec)
            steps = None if stated is None else tuple(stated)
        except InvalidValueError as error:
            raise _refused(method, f"selection_ops() fails with {error}") from error
        for step in steps or ():
            if not isinstance(step, SelectionOp) or not isinstance(step.name, str):
                wanted = "named SelectionOps, or None"
                raise _refused(method, f"selection_ops() must return {wanted}, got {step!r}")
        return steps


@contextmanager
def _asking(method: Method, what: str) -> Iterator[None]:
    """Turn what a plug-in raises into one sentence; errors of a built-in method stay."""
    if _built_in(method):
        yield
        return
    from omnizip_cost.compression.method_plugins import owner_of, plugin_errors

    with plugin_errors(method.name, owner_of(method), what):
        yield


def _built_in(method: Method) -> bool:
    return any(method is known for known in BUILTIN)


def _refused(method: Method, problem: str) -> PluginError:
    from omnizip_cost.compression.method_plugins import owner_of

    return PluginError(method.name, owner_of(method), problem)


def _within(most: float, value: Any) -> bool:
    """Whether a value is a number from 0 to ``most``; NaN is none."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= most


def _counts_problem(counts: Any, request: PlanRequest) -> str:
    """What is wrong with a method's counts; nothing when they fit the windows."""
    if not isinstance(counts, Counts):
        return f"Counts, got {counts!r}"
    for name, kept, sizes in (
        ("video", counts.video, request.video_sizes),
        ("audio", counts.audio, request.audio_sizes),
    ):
        if len(kept) != len(sizes):
            return f"one {name} count for each of {len(sizes)} windows, got {len(kept)}"
        for window, (value, size) in enumerate(zip(kept, sizes, strict=True)):
            if not _within(size, value):
                return f"0 to {size} {name} tokens in window {window}, got {value!r}"
            if counts.exact and value != int(value):
                return f"whole {name} counts when they are exact, got {value!r}"
    return _totals_problem(counts, request) or _beside_problem(counts, len(request.video_sizes))


def _totals_problem(counts: Counts, request: PlanRequest) -> str:
    """What is wrong with the counts of the whole clip."""
    for name, total, size in (
        ("video", counts.totals[0], request.video_tokens),
        ("audio", counts.totals[1], request.audio_tokens),
    ):
        if not _within(size, total) or total != int(total):
            return f"{name}_kept, a whole total, with counts that are not exact, got {total!r}"
    together, tokens = counts.av_kept, request.video_tokens + request.audio_tokens
    if together is not None and (not _within(tokens, together) or together != int(together)):
        return f"av_kept, a whole number from 0 to {tokens}, got {together!r}"
    return ""


def _beside_problem(counts: Counts, windows: int) -> str:
    """What is wrong with what stands beside the counts: shares, rates, notes."""
    for name in ("retention", "initial_rates", "rates"):
        values = getattr(counts, name)
        if len(values) not in (0, windows):
            return f"{name} for each of {windows} windows or for none, got {len(values)}"
        for window, value in enumerate(values):
            if value is not None and not isinstance(value, Real):
                return f"a number or None as {name} of window {window}, got {value!r}"
    if not isinstance(counts.notes, tuple) or not all(isinstance(n, str) for n in counts.notes):
        return f"notes as a tuple of texts, got {counts.notes!r}"
    return ""


def _plain(counts: Counts) -> Counts:
    """The same numbers as Python's own, whatever sequences and number types they came in."""
    rows = ("video", "audio", "retention", "initial_rates", "rates")
    changed: dict[str, Any] = {name: _plain_row(getattr(counts, name)) for name in rows}
    for name in ("video_kept", "audio_kept", "av_kept"):
        total = getattr(counts, name)
        changed[name] = None if total is None else int(total)
    return replace(counts, **changed)


def _plain_row(values: Sequence[Any]) -> tuple[float | None, ...]:
    return tuple(
        None if value is None else int(value) if isinstance(value, Integral) else float(value)
        for value in values
    )
