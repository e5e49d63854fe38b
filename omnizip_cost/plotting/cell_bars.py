"""What bars of a campaign's configurations share: how wide they are, and words in their place."""

from __future__ import annotations

from matplotlib.patheffects import withStroke

WORDS = {"oom": "OOM", "failed": "failed"}
"""Status -> what stands in a bar's place: short, since a small panel has no room for more."""

LINE_IN = 0.128
"""Height of one configuration's line."""

BAR_SHARE = 0.72
"""Share of it that the bar takes."""

HALO = withStroke(linewidth=2.0, foreground="white")
"""Around marks and numbers, so that they stand out from a bar."""
