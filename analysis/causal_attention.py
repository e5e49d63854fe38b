"""Does fused causal attention skip the masked half? Causal against full, interleaved, one run.

    python analysis/causal_attention.py [ROUNDS]

Prints the time of causal attention over that of unmasked attention at omni-tiny's head shape.
The convention `sdpa` counts (n + 1) / 2n of the pairs, `torch` counts all of them.
"""

from __future__ import annotations

import sys
from statistics import quantiles
from time import perf_counter

import torch
from torch.nn.functional import scaled_dot_product_attention

HEADS, HEAD_DIM = 3, 128
LENGTHS = (400, 800, 1_500, 2_000, 4_000)


def seconds(states: torch.Tensor, *, causal: bool) -> float:
    """Wall time of one call."""
    start = perf_counter()
    scaled_dot_product_attention(states, states, states, is_causal=causal)
    return perf_counter() - start


@torch.inference_mode()
def main(rounds: int) -> None:
    """Measure every length and print a table."""
    print(f"{'n':>6}{'causal/full':>13}{'quartiles':>15}{'sdpa counts':>13}{'torch':>7}")
    for n in LENGTHS:
        states = torch.randn(1, HEADS, n, HEAD_DIM)
        for causal in (True, False):
            seconds(states, causal=causal)
        ratios = [
            seconds(states, causal=True) / seconds(states, causal=False) for _ in range(rounds)
        ]
        low, middle, high = quantiles(ratios, n=4)
        spread = f"{low:.2f}-{high:.2f}"
        print(f"{n:>6}{middle:>13.2f}{spread:>15}{(n + 1) / (2 * n):>13.2f}{1.0:>7.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 41)
