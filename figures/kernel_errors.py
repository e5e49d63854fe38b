"""Errors of kernel times on measurements that were left out, against the targets.

    python figures/kernel_errors.py --from DIR --out DIR

Reads DIR/kernel_errors.csv; writes kernel_errors.pdf, kernel_errors.svg and kernel_errors.png. The
table of the project's own run is in analysis/measurements/predictors/.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("kernel_errors"))
