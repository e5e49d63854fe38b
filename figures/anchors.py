"""What G, the tokens merged into each anchor, changes in cost.

    python figures/anchors.py --from DIR --out DIR

Reads DIR/anchors.csv; writes anchors.pdf, anchors.svg and anchors.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("anchors"))
