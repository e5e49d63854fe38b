"""From measured rows to tables and figures in a folder, and to verdicts in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnizip_cost.compare import CompareRow, WaterfallRow
    from omnizip_cost.results import MeasurementRow
    from omnizip_cost.runtime.clip_selection import ClipSelection
    from omnizip_cost.runtime.kept_tables import KeptWindow


def write_tables(
    folder: Path,
    measured: Sequence[MeasurementRow],
    compared: Sequence[CompareRow],
    steps: Sequence[WaterfallRow] = (),
) -> None:
    """Write the compare and stages tables to ``folder/tables``, and where gaps go if given."""
    from omnizip_cost.compare import stage_rows
    from omnizip_cost.results import write_table

    write_table(compared, folder / "tables" / "compare.csv")
    write_table(stage_rows(measured), folder / "tables" / "stages.csv")
    if steps:
        write_table(steps, folder / "tables" / "waterfall.csv")


def write_kept(folder: Path, case: ClipSelection) -> list[KeptWindow]:
    """Write what was kept of a clip to ``folder/tables``; return the rows of its windows."""
    from omnizip_cost.results import write_table
    from omnizip_cost.runtime.kept_tables import kept_tokens, kept_windows, shown_grids

    windows = kept_windows(case)
    tables = folder / "tables"
    write_table(windows, tables / "windows.csv")
    write_table(kept_tokens(case), tables / "kept.parquet")
    write_table(shown_grids(case), tables / "kept_frames.parquet")
    return windows


def draw_figures(
    folder: Path, names: Sequence[str] | None = None, *, width: str = "column"
) -> list[Path]:
    """Draw figures from ``folder/tables``, all that have their tables there by default."""
    from omnizip_cost.plotting import draw_all, drawable

    tables = folder / "tables"
    return draw_all(tables, folder / "figures", names or drawable(tables), width=width)


def verdicts(compared: Sequence[CompareRow]) -> list[str]:
    """Say in sentences how far each prediction misses, and how far the machine itself wavers."""
    from omnizip_cost.compare import noise_floor, summarise

    names = {
        "predicted": "The model of time, computed afterwards,",
        "eq9": "Eq. 9",
        "exact": f"The exact count (convention `{compared[0].exact_convention}`)",
        "torch": "torch's counter",
    }
    told = [row for row in summarise(compared) if compared[0].exact_convention != row.prediction]
    sentences = [
        f"{names[row.prediction]} misses the observed prefill speed-up by {row.mean_error:.1%} on "
        f"average, {row.worst_error:+.1%} at worst ({row.worst_label})."
        for row in told
    ]
    floor = noise_floor(compared)
    if floor is not None:
        sentences.append(
            f"Encoders do the same work in every configuration and yet differ by up to "
            f"{floor:.1%}: smaller gaps are the machine's noise."
        )
    return sentences


def measurements_of(folder: Path) -> Path:
    """Folder of measured rows inside ``folder``, or ``folder`` itself."""
    inner = folder / "measurements"
    return inner if inner.is_dir() else folder
