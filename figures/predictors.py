"""Speed-ups that different predictors promise, a panel per share of tokens kept.

    python figures/predictors.py --from DIR --out DIR

Reads DIR/predictors.csv; writes predictors.pdf, predictors.svg and predictors.png. The table of the
project's own run is in analysis/measurements/predictors/.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("predictors"))
