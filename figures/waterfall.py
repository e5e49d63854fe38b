"""Where the gap between the speed-up of Eq. 9 and the observed one goes.

    python figures/waterfall.py --from DIR --out DIR

Reads DIR/waterfall.csv; writes waterfall.pdf, waterfall.svg and waterfall.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("waterfall"))
