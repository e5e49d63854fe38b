"""Uniform stride: each modality keeps tokens evenly spaced over the whole clip."""

from __future__ import annotations

from itertools import accumulate, pairwise

from omnizip_cost import plugin


def spaced(tokens: int, pruning: float) -> list[int]:
    """Numbers of the tokens that stay: 0, step, 2 * step, ... rounded down."""
    kept = plugin.kept_count(tokens, pruning)
    return [place * tokens // kept for place in range(kept)]


def spaced_in_windows(sizes: tuple[int, ...], pruning: float) -> list[int]:
    """How many of them fall in each window, in closed form."""
    total = sum(sizes)
    kept = plugin.kept_count(total, pruning)
    before = [-(-end * kept // total) if total else 0 for end in accumulate(sizes, initial=0)]
    return [last - first for first, last in pairwise(before)]


class UniformStride(plugin.Method):
    name = "stride"
    title = "Uniform stride"
    answers = "keeps audio and video tokens evenly spaced over the clip"
    source = "sampling at a fixed step, the plainest of baselines"

    def planned(self, request: plugin.PlanRequest) -> plugin.Counts:
        video = spaced_in_windows(request.video_sizes, request.rho_v)
        audio = spaced_in_windows(request.audio_sizes, request.rho_a)
        return plugin.Counts(video=video, audio=audio)

    def select(self, request: plugin.SelectionRequest) -> plugin.Selection:
        video = spaced(request.video_tokens, request.rho_v)
        audio = spaced(request.audio_tokens, request.rho_a)
        return request.keep(video=video, audio=audio)
