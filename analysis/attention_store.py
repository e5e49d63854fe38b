"""From fitted panels to the arrays of one file, and panels that a device did not measure itself."""

from __future__ import annotations

import numpy as np
from attention_blocks import Floats, falling_no_faster, rising
from numpy.typing import NDArray

from omnizip_cost.latency.kernels.attention import STEP
from omnizip_cost.latency.kernels.panel import Grid, Panel

Panels = dict[tuple[str, int], Panel]
"""By operator and head size."""


def stored(panels: Panels) -> dict[str, NDArray[np.generic]]:
    """Arrays of the file of one device: axes, and logarithms in whole steps.

    The factor is rounded before the core is made to rise, and the extra cost so that the cost of
    all does not fall: what is read back rises as exactly as what was fitted.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for (op, head_dim), panel in sorted(panels.items()):
        key = f"{op}/{head_dim}"
        factor = np.round(panel.factor.logs / STEP)
        cores = [np.round(rising(grid.logs, factor * STEP) / STEP) for grid in panel.core]
        arrays |= {
            f"{key}/seq": panel.core[0].first,
            f"{key}/lanes": panel.core[0].second,
            f"{key}/core": np.stack(cores).astype(np.int16),
            f"{key}/share": panel.factor.first,
            f"{key}/factor": factor.astype(np.int16),
            f"{key}/growth": np.array(panel.growth),
        }
        if panel.extra is not None:
            each = np.round(panel.extra.logs / STEP)
            if op == "prefill_attention":
                _hold(each.T, panel.extra.second)
            else:
                _hold(each, panel.extra.first)
            arrays |= {
                f"{key}/extra": each.astype(np.int16),
                f"{key}/extra_first": panel.extra.first,
                f"{key}/extra_second": panel.extra.second,
            }
    return arrays


def _hold(each: Floats, counts: Floats) -> None:
    """Let the cost of one fall no faster than the count grows, in place, along the first axis."""
    for row in range(1, len(counts)):
        most = np.floor(np.log(counts[row] / counts[row - 1]) / STEP)
        each[row] = np.maximum(each[row], each[row - 1] - most)


def other_head_dim(own: Panel, lent_to: Panel, lent_from: Panel) -> Panel:
    """Carry a measured head size over to one that was measured on another device only.

    Each table moves as the other device's moves from ``lent_from`` to ``lent_to``.
    """

    def moved(mine: Grid, to: Grid, start: Grid) -> Grid:
        first, second = (a.ravel() for a in np.meshgrid(mine.first, mine.second, indexing="ij"))
        change = to.at(first, second) - start.at(first, second)
        return Grid(
            first=mine.first, second=mine.second, logs=mine.logs + change.reshape(mine.logs.shape)
        )

    factor = moved(own.factor, lent_to.factor, lent_from.factor)
    grids = zip(own.core, lent_to.core, lent_from.core, strict=True)
    cores = [moved(*three) for three in grids]
    extras = (own.extra, lent_to.extra, lent_from.extra)
    extra = None if any(each is None for each in extras) else moved(*extras)  # type: ignore[arg-type]
    if extra is not None:
        axis = int(own.growth == 2.0)
        counts = extra.second if axis else extra.first
        extra = Grid(
            first=extra.first, second=extra.second, logs=falling_no_faster(extra.logs, counts, axis)
        )
    return Panel(
        core=tuple(
            Grid(first=g.first, second=g.second, logs=rising(g.logs, factor.logs)) for g in cores
        ),
        factor=factor,
        extra=extra,
        growth=own.growth,
    )


def other_device(lent: Panel, own_prefill: Panel, lent_prefill: Panel) -> Panel:
    """Carry an encoder kernel over to a device that timed prefill only, as prefill compares."""
    grid = lent.core[0]
    first, second = (a.ravel() for a in np.meshgrid(grid.first, grid.second, indexing="ij"))
    ratio = own_prefill.core[0].at(first, second) - lent_prefill.core[0].at(first, second)
    logs = grid.logs + ratio.reshape(grid.logs.shape)
    return Panel(
        core=(Grid(first=grid.first, second=grid.second, logs=rising(logs, lent.factor.logs)),),
        factor=lent.factor,
        extra=None,
        growth=lent.growth,
    )


def complete(panels: Panels, lender: Panels) -> None:
    """Fill in what this device lacks and the lender has.

    The A100 from the L40S: both run FlashAttention-2.
    """
    for op, head_dim in sorted(lender):
        if (op, head_dim) in panels:
            continue
        if (op, 128) in panels:
            panels[op, head_dim] = other_head_dim(
                panels[op, 128], lender[op, head_dim], lender[op, 128]
            )
        else:
            causal = "prefill_attention", 128
            panels[op, head_dim] = other_device(
                lender[op, head_dim], panels[causal], lender[causal]
            )
