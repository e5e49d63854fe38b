"""Speed-up over both pruning ratios, with lines of equal FLOPs.

    python figures/sensitivity.py --from DIR --out DIR

Reads DIR/sensitivity.csv and DIR/sensitivity_marks.csv;
writes sensitivity.pdf, sensitivity.svg and sensitivity.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("sensitivity"))
