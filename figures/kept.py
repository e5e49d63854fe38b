"""What was kept of one clip: frames with kept tokens lit, sound, and the rates of each window.

    python figures/kept.py --from DIR --out DIR

Reads DIR/kept.parquet, DIR/windows.csv and DIR/kept_frames.parquet; writes kept.pdf, kept.svg and
kept.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("kept"))
