"""The sheet a figure is drawn on: printed size, notes at its foot, and how it is saved."""

from __future__ import annotations

import io
import os
import tempfile
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from omnizip_cost.errors import InputFileError, UnknownNameError
from omnizip_cost.plotting.style import INK, WIDTHS_IN, house_style

FORMATS = ("pdf", "svg", "png")
NOTE_POINTS = 7.0
_LINE_IN = 0.125
"""Height of a line of notes: 7 pt type on 9 pt leading, 72 points to the inch."""
_LABEL_IN = 0.16
"""Height of the x label: 8 pt type and some air."""
_CHARACTERS_PER_IN = 17.5
"""How many characters of 7 pt DejaVu Sans fit in an inch, with some air."""

_HANDLE_IN = 0.33
"""Width of a legend's handle, with the space around it and its label."""

_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": "omnizip-cost"},
    "svg": {"Date": None, "Creator": "omnizip-cost"},
    "png": {"Software": "omnizip-cost"},
}
"""No dates and no versions: the same table gives the same bytes."""


def figure_width_in(width: str) -> float:
    """Give the printed width in inches of ``column`` or ``page``."""
    if width not in WIDTHS_IN:
        raise UnknownNameError("figure width", width, WIDTHS_IN)
    return WIDTHS_IN[width]


def new_figure(
    *, width: str, height_in: float, notes: Sequence[str] = (), xlabel: str = ""
) -> Figure:
    """Make a sheet ``height_in`` high above its foot: an x label common to all panels, notes.

    The layout is constrained to the part above the foot, so no tick label can touch it. The
    figure belongs to no window system and no pyplot state.
    """
    width_in = figure_width_in(width)
    limit = int(width_in * _CHARACTERS_PER_IN)
    lines = [line for note in notes if note for line in textwrap.wrap(note, limit)]
    notes_in = _LINE_IN * len(lines) + (0.07 if lines else 0.0)
    foot_in = notes_in + (_LABEL_IN if xlabel else 0.0)
    total_in = height_in + foot_in
    fig = Figure(figsize=(width_in, total_in))
    fig.set_layout_engine(
        "constrained", rect=(0.0, foot_in / total_in, 1.0, height_in / total_in), w_pad=0.03
    )
    if xlabel:
        fig.text(0.5, notes_in / total_in, xlabel, fontsize=8, va="bottom", ha="center")
    for index, line in enumerate(reversed(lines)):
        fig.text(
            0.03 / width_in,
            (0.03 + _LINE_IN * index) / total_in,
            line,
            fontsize=NOTE_POINTS,
            color=INK,
            va="bottom",
            ha="left",
            label="_note",
            parse_math=False,
        )
    return fig


def legend_columns(labels: Sequence[str], width: str, most: int) -> int:
    """Choose how many columns of a legend fit the sheet: ``most``, or fewer for long labels.

    >>> legend_columns(["full", "omnizip", "random"], "column", 3)
    3
    >>> legend_columns(["a model whose name is as long as half of the line", "random"], "column", 2)
    1
    """
    for columns in range(most, 1, -1):
        rows, longer = divmod(len(labels), columns)
        ends = [0]
        for at in range(columns):
            ends.append(ends[-1] + rows + (at < longer))
        longest = [max(map(len, labels[a:b]), default=0) for a, b in pairwise(ends)]
        if sum(longest) / _CHARACTERS_PER_IN + _HANDLE_IN * columns <= figure_width_in(width):
            return columns
    return 1


def three_digits(value: float) -> str:
    """Write a number with three significant digits, trailing zeros kept.

    >>> three_digits(97), three_digits(772.4)
    ('97.0', '772')
    """
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def notes_of(fig: Figure) -> str:
    """Read back the notes at the foot of a figure as one line."""
    return " ".join(item.get_text() for item in reversed(fig.texts) if item.get_label() == "_note")


def save_figure(fig: Figure, stem: str, out_dir: str | Path) -> list[Path]:
    """Write ``stem`` as PDF, SVG and PNG; return the three paths.

    Each file is written beside its place and moved there whole, and holds no date, so that equal
    figures are equal files.

    Raises
    ------
    InputFileError
        If the folder cannot be made or written.
    """
    folder = Path(out_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_save(fig, folder / f"{stem}.{kind}", kind) for kind in FORMATS]
    except OSError as error:
        raise InputFileError(
            folder, f"cannot write figures there ({error.strerror or error})", "name another --out"
        ) from error


def svg_text(fig: Figure) -> str:
    """Write a figure as the text of an SVG file, without touching the disk."""
    sheet = io.StringIO()
    with house_style():
        fig.savefig(sheet, format="svg", metadata=_METADATA["svg"])
    return sheet.getvalue()


def _save(fig: Figure, path: Path, kind: str) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f".{kind}", dir=path.parent)
    os.close(handle)
    try:
        with house_style():
            fig.savefig(name, format=kind, metadata=_METADATA[kind])
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
