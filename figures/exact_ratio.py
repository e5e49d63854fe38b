"""The exact count of the decoder's layers over Eq. 9's, with both limits.

    python figures/exact_ratio.py --from DIR --out DIR

Reads DIR/exact_ratio.csv, which `omnizip-cost derive --out` writes; writes exact_ratio.pdf,
exact_ratio.svg and exact_ratio.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("exact_ratio"))
