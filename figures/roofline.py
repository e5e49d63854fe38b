"""Operators of prefill and decode under the roof of a device, before and after compression.

    python figures/roofline.py --from DIR --out DIR

Reads DIR/roofline.csv; writes roofline.pdf, roofline.svg and roofline.png. The table of the
project's own run is in analysis/measurements/roofline/.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("roofline"))
