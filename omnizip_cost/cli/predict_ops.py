"""``predict --ops``: where the time of one configuration goes, operator by operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omnizip_cost.cli.output import show
from omnizip_cost.units import GIGA, MICRO, MILLI, fixed

if TYPE_CHECKING:
    from omnizip_cost.latency import Prediction, TimedOp
    from omnizip_cost.workload import Workload

LITTLE = 0.01
"""Share of a stage's device time below which its operators share a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpLine:
    """Operators of one kind in one stage, all layers together."""

    stage: str
    operator: str
    kernel: str
    kernels: int
    flops: int
    bytes_moved: int
    seconds: float
    bound: str


def op_rows(prediction: Prediction) -> list[dict[str, Any]]:
    """Every timed operator as a flat row, with the configuration that it belongs to."""
    which = op_configuration(prediction)
    return [{**which, **op, "bound": op.bound} for op in prediction.ops]


def op_configuration(prediction: Prediction) -> dict[str, Any]:
    """Which configuration the operators are of."""
    plan = prediction.plan
    return {
        "model": prediction.spec.name,
        "device": prediction.device.name,
        "method": plan.method,
        "retained": plan.retained,
        "rho_a": plan.rho_a,
        "rho_v": plan.rho_v,
        "backend": prediction.backend.name,
        "scheme": prediction.scheme.name,
        "decode_steps": prediction.decode_steps,
    }


def print_ops(prediction: Prediction, work: Workload) -> None:
    """One line per kind of operator, the longest of each stage first."""
    from omnizip_cost.cli.predict_notes import notes_of_ops
    from omnizip_cost.cli.predict_table import labels

    lines = []
    for stage in prediction.stages:
        own = [op for op in prediction.ops if op.stage == stage.stage]
        for number, line in enumerate(folded(own)):
            lines.append(
                [
                    "" if number else line.stage,
                    line.operator,
                    line.kernel,
                    f"{line.kernels:,}",
                    fixed(line.flops / GIGA),
                    fixed(line.bytes_moved / GIGA),
                    fixed(line.seconds / MILLI),
                    f"{line.seconds / stage.device_s:.1%}" if stage.device_s else "-",
                    line.bound,
                ]
            )
    (name,) = labels([op_configuration(prediction)])
    show(
        f"{prediction.spec.name}, {work.name}, {name}, {prediction.device.name}, "
        f"{prediction.backend.name}, {prediction.scheme.name}: where the time goes",
        ("stage", "operators", "longest kernel", "kernels", "GFLOP", "GB", "ms", "of stage",
         "bound by"),
        lines,
        left=3,
        notes=notes_of_ops(prediction),
    )  # fmt: skip


def folded(ops: Sequence[TimedOp]) -> list[OpLine]:
    """Put operators of one stage together by what they are; those of little time in one last line.

    Parameters
    ----------
    ops : sequence of TimedOp
        Of one stage.

    Returns
    -------
    list of OpLine
        Longest first. Every sum is that of ``ops``.
    """
    groups: dict[tuple[str, str], list[TimedOp]] = {}
    for op in ops:
        groups.setdefault((op.component, op.operator), []).append(op)
    total = sum(op.seconds for op in ops)
    kept: list[list[TimedOp]] = []
    little: list[list[TimedOp]] = []
    for group in sorted(groups.values(), key=_seconds, reverse=True):
        (kept if _seconds(group) >= LITTLE * total else little).append(group)
    if len(little) == 1:
        kept, little = [*kept, *little], []
    lines = [_line(group, _words(group[0])) for group in kept]
    if little:
        rest = [op for group in little for op in group]
        lines.append(_line(rest, f"{len(little)} other operations"))
    return lines


def _seconds(group: Iterable[TimedOp]) -> float:
    return sum(op.seconds for op in group)


def _words(op: TimedOp) -> str:
    from omnizip_cost.cli.account_notes import WORDS

    return WORDS.get(op.operator, op.operator)


def _line(group: Sequence[TimedOp], name: str) -> OpLine:
    spent: dict[str, float] = {}
    for op in group:
        spent[op.bound] = spent.get(op.bound, 0.0) + op.seconds
    longest = max(group, key=lambda op: op.seconds / op.kernels)
    one = f"{fixed(longest.seconds / longest.kernels / MICRO)} us"
    return OpLine(
        stage=group[0].stage,
        operator=name,
        kernel=f"{one}: {longest.sides or longest.aten.removeprefix('aten::')}",
        kernels=sum(op.kernels for op in group),
        flops=sum(op.flops for op in group),
        bytes_moved=sum(op.bytes_moved for op in group),
        seconds=_seconds(group),
        bound=max(spent, key=lambda bound: spent[bound]),
    )
