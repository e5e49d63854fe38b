"""Time per stage, stacked, one bar per method and ratio.

    python figures/stages.py --from DIR --out DIR

Reads DIR/stages.csv; writes stages.pdf, stages.svg and stages.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("stages"))
