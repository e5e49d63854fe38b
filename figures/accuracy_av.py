"""Published accuracy against what each setting costs, on AVUT, VideoMME and ShortVid-Bench.

    python figures/accuracy_av.py --from DIR --out DIR

Reads DIR/accuracy_av.csv; writes accuracy_av.pdf, accuracy_av.svg and accuracy_av.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("accuracy_av"))
