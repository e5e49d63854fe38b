"""One configuration under several conventions, as a table on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from omnizip_cost.cli.output import show
from omnizip_cost.cost.side_by_side import YARDSTICK, SideRow
from omnizip_cost.units import GIGA, MEGA, TERA


def print_counts(rows: Sequence[SideRow], *, notes: Sequence[str]) -> None:
    """One line for each convention and configuration; parts that nobody counts have no column."""
    parts: dict[str, list[int] | list[int | None]] = {
        "prefill": [row.prefill_flops for row in rows],
        "decode": [row.decode_flops for row in rows],
        "LM head": [row.lm_head_flops for row in rows],
        "encoders": [row.encoder_flops for row in rows],
        "selection": [row.selection_flops for row in rows],
        "total": [row.flops for row in rows],
    }
    shown = {
        head: cells for head, cells in parts.items() if any(cell is not None for cell in cells)
    }
    unit, prefix = _unit(max(row.flops for row in rows))
    lines, before = [], ""
    for place, row in enumerate(rows):
        label = _label(row)
        cells = [column[place] for column in shown.values()]
        lines.append(
            [
                label if label != before else "",
                row.convention,
                f"{row.n_tokens:,}",
                *("-" if cell is None else _digits(cell / unit) for cell in cells),
                "-" if row.torch_ratio is None else f"{row.torch_ratio:.2f}",
                f"{row.share_left:.1%}",
            ]
        )
        before = label
    first = rows[0]
    show(
        f"{first.model}, {first.input}, R = {first.decode_steps}: {prefix}FLOP, by convention",
        ("configuration", "convention", "tokens", *shown, f"{YARDSTICK} / this", "share left"),
        lines,
        left=2,
        notes=(
            f"Prefill and decode are the decoder's. {YARDSTICK} / this: FLOPs of the same "
            f"configuration under `{YARDSTICK}`, over this count. Share left: of the full-token "
            "count, same convention.",
            *notes,
        ),
    )


def _unit(largest: int) -> tuple[int, str]:
    """Return the prefix in which the largest count is readable."""
    return next((pair for pair in ((TERA, "T"), (GIGA, "G")) if largest >= pair[0]), (MEGA, "M"))


def _digits(value: float) -> str:
    """Four digits, never a power of ten."""
    if 0 < value < 0.00005:
        return "<0.0001"
    decimals = next((places for places, least in ((1, 99.995), (2, 9.9995)) if value >= least), 4)
    return f"{value:,.{3 if value >= 0.99995 and decimals == 4 else decimals}f}"


def _label(row: SideRow) -> str:
    if row.method == "full":
        return "full"
    pair = "" if row.rho_a is None else f" ({row.rho_a:.3g}, {row.rho_v:.3g})"
    return f"{row.method} {row.retained:.1%}{pair}"
