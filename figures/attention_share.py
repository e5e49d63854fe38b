"""Attention's share of prefill against the length, and where it overtakes the rest.

    python figures/attention_share.py --from DIR --out DIR

Reads DIR/attention_share.csv, which `omnizip-cost derive --out` writes; writes attention_share.pdf,
attention_share.svg and attention_share.png.
"""

from omnizip_cost.plotting import run_program

if __name__ == "__main__":
    raise SystemExit(run_program("attention_share"))
