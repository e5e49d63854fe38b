"""Window by window: audio kept and video pruned (as OmniZip, Fig. 7).

    python figures/windows.py --from DIR --out DIR

Reads DIR/windows.csv; writes windows.pdf, windows.svg and windows.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("windows"))
