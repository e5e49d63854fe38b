"""Speed-up against retained ratio: Eq. 9, the exact count, and what was observed.

    python figures/speedup.py --from DIR --out DIR

Reads DIR/compare.csv; writes speedup.pdf, speedup.svg and speedup.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("speedup"))
