"""Peak memory per method and ratio, the prediction marked, against what cards can hold.

    python figures/memory_bars.py --from DIR --out DIR

Reads DIR/result.csv and DIR/memory_limits.csv; writes memory_bars.pdf, .svg and .png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("memory_bars"))
