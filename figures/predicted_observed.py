"""Predicted against observed prefill, all cells, and their signed errors.

    python figures/predicted_observed.py --from DIR --out DIR

Reads DIR/result.csv and DIR/error_summary.csv, which `python analysis/result_tables.py` writes;
writes predicted_observed.pdf, predicted_observed.svg and predicted_observed.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("predicted_observed"))
