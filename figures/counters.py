"""What other FLOP counters report beside the exact count.

    python figures/counters.py --from DIR --out DIR

Reads DIR/counters.csv; writes counters.pdf, counters.svg and counters.png. The table of the
project's own run is in analysis/measurements/counters/.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("counters"))
