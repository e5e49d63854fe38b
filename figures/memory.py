"""Peak memory by part, stacked, one bar per method and ratio, against what cards hold.

    python figures/memory.py --from DIR --out DIR

Reads DIR/memory.csv and DIR/memory_limits.csv; writes memory.pdf, memory.svg and memory.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("memory"))
