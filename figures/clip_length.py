"""Prefill, first token, end to end and peak memory against clip length, method by method.

    python figures/clip_length.py --from DIR --out DIR

Reads DIR/clip_length.csv; writes clip_length.pdf, clip_length.svg and clip_length.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("clip_length"))
