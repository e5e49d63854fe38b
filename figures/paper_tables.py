"""The paper's WorldSense table and Table 6, counted by several conventions.

    python figures/paper_tables.py --from DIR --out DIR

Reads DIR/paper_tables.csv; writes paper_tables.pdf, paper_tables.svg and paper_tables.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("paper_tables"))
