"""How far predicted *ratios* of kernel times are off, on measured kernels: what speed-ups live on.

    python analysis/speedup_noise.py SILICON [--out DIR]

SILICON is the folder of measured kernel times, one ``DEVICE.parquet`` each. For each device, of
products with n, k >= 512 that were measured at two lengths m of at least 256:

- ``product``: error of the ratio of the two times of one product, and the correlation of the two
  residuals log(predicted / measured). Errors that both times share would show as correlation.
- ``layer``: error of the ratio of two sums over seven products (as many as a decoder layer has),
  drawn at random, and how many of the ratios lie in the interval that predictions state.
- ``lent layer``: the same where the times are made of another measured device's efficiency, as
  those of a device without tables are; the error as well for each unit of the ratio's logarithm.

The kernels' parameters were fitted on these records, so the errors are those of interpolation; on
records that were left out see ``analysis/kernel_crossval.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omnizip_cost.hardware import load_device
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.error_model import ErrorModel
from omnizip_cost.latency.kernels import kernel_latency_s
from omnizip_cost.latency.kernels.borrowed import borrowed_s
from omnizip_cost.results.row import FlatRow
from omnizip_cost.results.tables import write_table
from omnizip_cost.units import MILLI

DEVICES = ("h100-sxm", "h200-sxm", "a100-sxm", "l40s", "rtx-pro-6000")
LEAST_M, LEAST_SIDE = 256, 512
SPANS = ((1.5, 2.5), (2.5, 5.0), (5.0, 12.0))
"""Quotients of the two lengths: about the shares that methods keep, 0.5, 0.25 and 0.1."""
PRODUCTS, DRAWS, SEED = 7, 1_000, 0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRow(FlatRow):
    """Errors of ratios on one device at one span of lengths."""

    device: str
    of: str
    """``product``; ``layer``, a sum of seven; ``lent layer``, by another device's efficiency."""
    lender: str | None
    shorter_by_from: float
    shorter_by_to: float
    ratios: int
    median_error: float
    p90_error: float
    correlation: float | None
    """Of the two residuals of one product."""
    inside: float | None
    """Share of the ratios of layers in the interval of nine in ten."""
    p90_per_log: float | None
    """Of a lent layer: error over the logarithm of the measured ratio."""


def residuals(silicon: Path, device: str, lender: str | None = None) -> pd.DataFrame:
    """Measured and predicted seconds, a row per (n, k), a column per m; or as ``lender`` has it."""
    table = pd.read_parquet(silicon / f"{device}.parquet")
    table = table[(table["op"] == "gemm") & (table["m"] >= LEAST_M)]
    table = table[(table["n"] >= LEAST_SIDE) & (table["k"] >= LEAST_SIDE)]
    table = table.groupby(["m", "n", "k"], as_index=False)["latency_ms"].median()
    sides = {name: table[name].to_numpy(np.float64) for name in ("m", "n", "k")}
    table["measured"] = table["latency_ms"] * MILLI
    table["predicted"] = kernel_latency_s(lender or device, "gemm", **sides)
    if lender is not None:
        known = load_device(device), load_device(lender)
        floor_s = float(kernel_latency_s(lender, "gemm", m=1, n=1, k=1))
        lent_s = table["predicted"].to_numpy()
        table["predicted"] = borrowed_s(*known, "gemm", sides, lent_s, floor_s)
    return table.pivot(index=["n", "k"], columns="m", values=["measured", "predicted"])


def pairs(table: pd.DataFrame, low: float, high: float) -> Iterator[tuple[Floats, Floats]]:
    """Measured and predicted seconds, shape (2, N): at the longer length, then at the shorter."""
    measured, predicted = table["measured"], table["predicted"]
    for longer in measured.columns:
        for shorter in measured.columns:
            if low <= longer / shorter < high:
                both = measured[[longer, shorter]].notna().all(axis=1)
                chosen = [longer, shorter]
                yield (
                    measured.loc[both, chosen].to_numpy().T,
                    predicted.loc[both, chosen].to_numpy().T,
                )


def of_products(device: str, table: pd.DataFrame, low: float, high: float) -> NoiseRow:
    """Every product at every two lengths of the span."""
    found = list(pairs(table, low, high))
    residual = np.concatenate([np.log(guess / seen) for seen, guess in found], axis=1)
    error = np.abs(residual[0] - residual[1])
    return NoiseRow(
        device=device,
        of="product",
        lender=None,
        shorter_by_from=low,
        shorter_by_to=high,
        ratios=error.size,
        median_error=float(np.median(error)),
        p90_error=float(np.quantile(error, 0.9)),
        correlation=float(np.corrcoef(residual)[0, 1]),
        inside=None,
        p90_per_log=None,
    )


def of_layers(
    device: str, table: pd.DataFrame, low: float, high: float, lender: str | None = None
) -> NoiseRow:
    """Sums of seven products at two lengths, against the interval that predictions state."""
    own = ErrorModel.of(load_device(device), Calibration.none()).own["gemm"]
    found = [pair for pair in pairs(table, low, high) if pair[0].shape[1] >= PRODUCTS]
    draw = np.random.default_rng(SEED)
    errors, widths, logs = [], [], []
    for _ in range(DRAWS):
        seen, guess = found[draw.integers(len(found))]
        places = draw.choice(seen.shape[1], PRODUCTS, replace=False)
        seen, guess = seen[:, places], guess[:, places]
        sums = np.log(guess.sum(axis=1) / seen.sum(axis=1))
        errors.append(abs(sums[0] - sums[1]))
        logs.append(abs(np.log(seen[0].sum() / seen[1].sum())))
        shares = guess / guess.sum(axis=1, keepdims=True)
        widths.append(own * np.sqrt((shares**2).sum()))
    return NoiseRow(
        device=device,
        of="lent layer" if lender else "layer",
        lender=lender,
        shorter_by_from=low,
        shorter_by_to=high,
        ratios=DRAWS,
        median_error=float(np.median(errors)),
        p90_error=float(np.quantile(errors, 0.9)),
        correlation=None,
        inside=None if lender else float(np.mean(np.array(errors) <= np.array(widths))),
        p90_per_log=float(np.quantile(np.array(errors) / logs, 0.9)) if lender else None,
    )


def rows(silicon: Path) -> Iterator[NoiseRow]:
    """Both tables of every device."""
    for device in DEVICES:
        table = residuals(silicon, device)
        for low, high in SPANS:
            yield of_products(device, table, low, high)
            yield of_layers(device, table, low, high)
        for lender in DEVICES:
            if lender != device:
                lent = residuals(silicon, device, lender)
                yield from (of_layers(device, lent, *span, lender) for span in SPANS)


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("silicon", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = list(rows(options.silicon))
    for row in found:
        told = f"correlation {row.correlation:+.2f}" if row.correlation is not None else ""
        told = f"inside {row.inside:.1%}" if row.inside is not None else told
        told = f"{row.p90_per_log:.2f} a log, by {row.lender}" if row.p90_per_log else told
        print(
            f"{row.device:13} {row.of:10} {row.shorter_by_from:4}-{row.shorter_by_to:<4} "
            f"{row.ratios:6,} ratios: median {row.median_error:.2%}, "
            f"p90 {row.p90_error:.2%}, {told}"
        )
    if options.out:
        write_table(found, options.out / "speedup_noise.csv")


if __name__ == "__main__":
    main()
