"""torch.profiler's tables and traces of a campaign: one profiled pass per method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign_grid import Profile
from campaign_steps import add_rows, known_rows
from torch import nn

from omnizip_cost.profiling.cell import Cell
from omnizip_cost.runtime.inputs import ModelInputs

OPERATORS_FILE = "operators.csv"
KERNELS_FILE = "kernels.csv"
TRACES = "traces"


def unprofiled(folder: Path, step: Profile) -> tuple[Cell, ...]:
    """Return the cells of a step that the tables do not hold yet."""
    path = folder / OPERATORS_FILE
    if not path.is_file():
        return step.cells
    table = known_rows(path, "model", "clip", "label")
    mine = table[(table["model"] == step.of.spec.name) & (table["clip"] == step.of.clip)]
    known = set(mine["label"])
    return tuple(cell for cell in step.cells if cell.label not in known)


def profile_step(
    folder: Path,
    step: Profile,
    thinker: nn.Module,
    inputs: ModelInputs,
    *,
    before: Callable[[str], None],
) -> None:
    """Profile each missing cell and add its tables; a cell that fails does not stop the others.

    Parameters
    ----------
    before : callable
        Called with words before each cell; what it raises ends the step.

    Raises
    ------
    RuntimeError
        At the end, where a cell failed: with the reason of the first.
    """
    from omnizip_cost.profiling import profile_pass

    failures: list[str] = []
    for cell in unprofiled(folder, step):
        before(f"torch.profiler, {cell.label}")
        try:
            found: Any = profile_pass(
                thinker,
                step.of.spec,
                inputs,
                cell,
                decode_steps=step.decode_steps,
                clip=step.of.clip,
                trace=folder / TRACES / f"{trace_name(cell)}.json.gz",
            )
        except Exception as error:
            failures.append(f"{cell.label}: {type(error).__name__}: {error}")
            continue
        for file, rows in ((KERNELS_FILE, found.kernels), (OPERATORS_FILE, found.operators)):
            add_rows(folder / file, rows, instead_of=("model", "clip", "label"))
    if failures:
        raise RuntimeError("; ".join(failures))


def trace_name(cell: Cell) -> str:
    """Return the method's name, with FastV's form where it is not the published one.

    >>> trace_name(Cell(method="random", label="Random 40%", retained=0.4))
    'random'
    """
    plain = cell.method != "fastv" or cell.fastv_form == "materialised"
    return cell.method if plain else f"{cell.method}-{cell.fastv_form}"
