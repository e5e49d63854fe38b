"""Prefill FLOPs, full over kept, against the retained ratio, between 1/r and 1/r^2.

    python figures/speedup_limits.py --from DIR --out DIR

Reads DIR/speedup_limits.csv, which `omnizip-cost derive --out` writes; writes speedup_limits.pdf,
speedup_limits.svg and speedup_limits.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("speedup_limits"))
