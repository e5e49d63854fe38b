"""FLOPs of one configuration under every counting convention.

    python figures/conventions.py --from DIR --out DIR

Reads DIR/conventions.csv; writes conventions.pdf, conventions.svg and conventions.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("conventions"))
