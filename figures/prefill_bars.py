"""Prefill as bars per method and ratio, with speed-ups and predictions.

    python figures/prefill_bars.py --from DIR --out DIR

Reads DIR/result.csv, which `python analysis/result_tables.py` writes; writes prefill_bars.pdf,
prefill_bars.svg and prefill_bars.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("prefill_bars"))
