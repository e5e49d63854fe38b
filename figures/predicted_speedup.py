"""Speed-up against retained ratio: predicted on record, then observed.

    python figures/predicted_speedup.py --from DIR --out DIR

Reads DIR/result.csv, which `python analysis/result_tables.py` writes; writes predicted_speedup.pdf,
predicted_speedup.svg and predicted_speedup.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("predicted_speedup"))
