"""A sound method that ranks both modalities by their encoders' attention."""

from __future__ import annotations

from omnizip_cost import plugin
from omnizip_cost.plugin import kept_count, spread_evenly


class MostAttended(plugin.Method):
    """Ranks each modality without asking whether there is one."""

    name, title, answers, source = "attended", "Most attended", "keeps the best scores", "tests"
    scores = ("audio", "video")

    def planned(self, request: plugin.PlanRequest) -> plugin.Counts:
        video = kept_count(request.video_tokens, request.rho_v)
        audio = kept_count(request.audio_tokens, request.rho_a)
        return plugin.Counts(
            video=spread_evenly(video, request.video_sizes),
            audio=spread_evenly(audio, request.audio_sizes),
            exact=False,
            video_kept=video,
            audio_kept=audio,
        )

    def select(self, request: plugin.SelectionRequest) -> plugin.Selection:
        video = kept_count(request.video_tokens, request.rho_v)
        audio = kept_count(request.audio_tokens, request.rho_a)
        return request.keep(
            video=request.video_scores.topk(video).indices,
            audio=request.audio_scores.topk(audio).indices,
        )
