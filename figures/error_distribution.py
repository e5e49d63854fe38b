"""Signed errors of every predictor, every configuration a point.

    python figures/error_distribution.py --from DIR --out DIR

Reads DIR/errors.csv and DIR/error_summary.csv, which `python analysis/result_tables.py` writes;
writes error_distribution.pdf, error_distribution.svg and error_distribution.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("error_distribution"))
