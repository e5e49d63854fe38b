"""Implied rate of every timed claim against the dense peak of its card.

    python figures/audit.py --from DIR --out DIR

Reads DIR/audit.csv; writes audit.pdf, audit.svg and audit.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("audit"))
