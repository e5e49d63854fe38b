"""How long a user waits before the first answer: whole processes, interleaved, medians.

    python analysis/startup.py [RUNS]

Prints seconds of a bare interpreter, of ``import omnizip_cost`` and of two light commands, each
also as a multiple of the bare interpreter measured next to it (machines differ, ratios less).
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

CASES = {
    "bare interpreter": ["-c", "pass"],
    "import omnizip_cost": ["-c", "import omnizip_cost"],
    "flops --tokens 10000": [
        *("-m", "omnizip_cost", "flops"),
        *("--model", "qwen2.5-omni-7b", "--tokens", "10000"),
    ],
    "models": ["-m", "omnizip_cost", "models"],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one fresh process."""
    start = perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main(runs: int) -> None:
    """Measure all cases round by round and print a table."""
    samples: dict[str, list[float]] = {name: [] for name in CASES}
    for arguments in CASES.values():
        seconds(arguments)
    for _ in range(runs):
        for name, arguments in CASES.items():
            samples[name].append(seconds(arguments))
    bare = samples["bare interpreter"]
    print(f"{'process':<24}{'median s':>10}{'min s':>10}{'x bare':>10}")
    for name, values in samples.items():
        ratio = median(a / b for a, b in zip(values, bare, strict=True))
        print(f"{name:<24}{median(values):>10.3f}{min(values):>10.3f}{ratio:>10.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
