"""Published accuracy against what each setting costs, on WorldSense.

    python figures/accuracy.py --from DIR --out DIR

Reads DIR/accuracy.csv; writes accuracy.pdf, accuracy.svg and accuracy.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("accuracy"))
