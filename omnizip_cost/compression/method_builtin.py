"""The built-in methods: what each keeps of every window, and the paper's settings of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from omnizip_cost.compression.counts import (
    DYCOKE_GROUP,
    anchor_stride,
    audio_kept,
    dycoke_audio_drops,
    dycoke_drops,
    kept_count,
    official_grid_kept,
    paper_grid_kept,
)
from omnizip_cost.compression.method import Counts, Method, spread_evenly
from omnizip_cost.compression.visionzip import visionzip_splits
from omnizip_cost.errors import UnsupportedModelError

if TYPE_CHECKING:
    from omnizip_cost.compression.request import PlanRequest

OMNIZIP_GAP = 0.3
"""rho_v - rho_a in both of the paper's settings, (0.3, 0.6) and (0.4, 0.7): OmniZip, Tab. 1."""


class BuiltinMethod(Method):
    """A method whose code on tensors is the package's own, a room below this one."""

    def select(self, request: Any) -> Any:
        """Refused: a built-in method selects through :func:`omnizip_cost.select`.

        Raises
        ------
        UnsupportedModelError
        """
        raise UnsupportedModelError(
            f"method {self.name!r}",
            "a built-in method selects through omnizip_cost.select",
            f"call select({self.name!r}, ...) with the request's embeddings, scores and layout",
        )


class Full(BuiltinMethod):
    """The stock model."""

    name = "full"
    title = "Full tokens"
    answers = "keeps every token: the reference"
    source = "the stock model"
    prunes = "nothing"
    needs_windows = False
    paper_settings = ((1.0, 0.0, 0.0),)

    def planned(self, request: PlanRequest) -> Counts:
        """Everything."""
        return Counts(video=request.video_sizes, audio=request.audio_sizes)


class Random(BuiltinMethod):
    """A uniform choice of each modality."""

    name = "random"
    title = "Random"
    answers = "uniform choice per modality before layer 1"
    source = "OmniZip, Tab. 1 (baseline)"
    needs_windows = False
    paper_settings = ((0.55, 0.45, 0.45), (0.40, 0.60, 0.60))

    def planned(self, request: PlanRequest) -> Counts:
        """``round((1 - rho) * N)`` of each modality, even over the windows on average."""
        video = kept_count(request.video_tokens, request.rho_v)
        audio = kept_count(request.audio_tokens, request.rho_a)
        return Counts(
            video=spread_evenly(video, request.video_sizes),
            audio=spread_evenly(audio, request.audio_sizes),
            exact=False,
            video_kept=video,
            audio_kept=audio,
        )


class FastV(BuiltinMethod):
    """All tokens through K layers, then those the last token attends to most."""

    name = "fastv"
    title = "FastV"
    answers = "all tokens through K layers, then those the last token attends to most"
    source = "FastV (arXiv 2403.06764), as set up in OmniZip, Tab. 1: K = 5"
    assumptions = (
        "Audio and video are ranked together, so one ratio holds for both.",
        "The attention is that of layer K, averaged over heads; the published variant "
        "materialises the whole matrix for it, `last-query` computes the one row used.",
    )
    prunes = "inside the decoder"
    needs_windows = False
    ranks_together = True
    own_settings = ("fastv_layer", "fastv_form")
    paper_settings = ((0.50, None, None), (0.35, None, None))

    def planned(self, request: PlanRequest) -> Counts:
        """``round(r * n)`` after layer K, whatever their modality."""
        total = request.workload.av_tokens
        kept = round(request.retained * total)
        video = kept * request.video_tokens / total
        return Counts(
            video=spread_evenly(video, request.video_sizes),
            audio=spread_evenly(kept - video, request.audio_sizes),
            exact=kept == total,
            av_kept=kept,
        )


class DyCoke(BuiltinMethod):
    """Temporal merging applied to video and audio."""

    name = "dycoke"
    title = "DyCoke (V&A)"
    answers = "drops tokens most similar to their group's first grid or audio token"
    source = "DyCoke (arXiv 2411.15024), temporal merging applied to video and audio"
    assumptions = (
        "The source says nothing on audio, groups or rounding of this variant: all of it is ours.",
        f"Video goes in groups of {DYCOKE_GROUP} consecutive grids, counted over the clip, the "
        "first of each being the reference.",
        "Of every other grid the tokens most similar to the reference (cosine, same position) "
        "are dropped, 4/3 of rho_v of it, so that the whole loses rho_v: at most 75%.",
        f"Audio goes in groups of {DYCOKE_GROUP} consecutive tokens likewise, the most similar "
        "of the clip dropped first.",
    )
    paper_settings = ((0.50, 0.50, 0.50), (0.45, 0.55, 0.55), (0.35, 0.65, 0.65))

    def planned(self, request: PlanRequest) -> Counts:
        """Exact for video; the audio dropped depends on its content."""
        size = request.tokens_per_grid
        grids = [tokens // size if size else 0 for tokens in request.video_sizes]
        drops = iter(dycoke_drops(sum(grids), size, request.rho_v))
        audio = request.audio_tokens - dycoke_audio_drops(request.audio_tokens, request.rho_a)
        return Counts(
            video=[
                tokens - sum(islice(drops, count))
                for tokens, count in zip(request.video_sizes, grids, strict=True)
            ],
            audio=spread_evenly(audio, request.audio_sizes),
            exact=not request.audio_tokens,
            audio_kept=audio,
        )


class OmniZip(BuiltinMethod):
    """Audio over the whole clip, video by Algorithm 1 and ISTC in each window."""

    name = "omnizip"
    title = "OmniZip"
    answers = "audio-guided dynamic pruning of video in windows, before layer 1"
    source = "OmniZip (arXiv 2511.14582), Eqs. 2-8 and supplement, Alg. 1"
    assumptions = (
        "`paper` mode solves Algorithm 1 by one shift for all windows, which keeps budget, bounds "
        "and order at once; `official` follows the published code.",
        "The share of anchors, 0.05, is the published code's: the paper gives none.",
    )
    scores = ("audio",)
    own_settings = ("mode", "anchor_share", "merge", "rho_min", "rho_max", "rounding")
    pair_in_label = True
    paper_settings = (
        (0.50, 0.50, 0.50),
        (0.45, 0.55, 0.55),
        (0.45, 0.30, 0.60),
        (0.35, 0.40, 0.70),
    )

    def pruning_pair(
        self,
        retained: float,
        *,
        video_tokens: int,
        audio_tokens: int,
        anchor_share: float,
        merge: int,
    ) -> tuple[float, float]:
        """Stay on the line of the two published settings, rho_v - rho_a = 0.3.

        Anchors are counted; where the line leaves the unit square it follows the square's edge.
        """
        total = video_tokens + audio_tokens
        anchors = 0.0
        if merge and audio_tokens:
            anchors = anchor_stride(audio_tokens, audio_tokens, anchor_share)[0] / audio_tokens

        def kept(progress: float) -> float:
            rho_a, rho_v = _on_line(progress)
            audio = (1 - rho_a) + min(anchors, rho_a)
            return audio * audio_tokens + (1 - rho_v) * video_tokens

        low, high = 0.0, 1 + OMNIZIP_GAP
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if kept(middle) > retained * total else (low, middle)
        return _on_line((low + high) / 2)

    def audio_expected(
        self, audio_tokens: int, rho_a: float, *, anchor_share: float, merge: int
    ) -> float:
        """Salient tokens and anchors."""
        return audio_kept(audio_tokens, rho_a, anchor_share=anchor_share, merge=merge)

    def planned(self, request: PlanRequest) -> Counts:
        """Exact given the realised retention per window, expected otherwise."""
        from omnizip_cost.compression.rates import allocation

        total = audio_kept(
            request.audio_tokens,
            request.rho_a,
            anchor_share=request.anchor_share,
            merge=request.merge,
        )
        expected = total / request.audio_tokens if request.audio_tokens else math.nan
        known = request.retention is not None
        shares = request.retention or tuple(
            expected if tokens else math.nan for tokens in request.audio_sizes
        )
        found = allocation(
            shares,
            video_pruning=request.rho_v,
            video_tokens=request.video_sizes,
            mode=request.mode,
            rho_min=request.rho_min,
            rho_max=request.rho_max,
        )
        rates = found.rates.tolist()
        audio = [
            (round(share * tokens) if known else share * tokens) if tokens else 0
            for share, tokens in zip(shares, request.audio_sizes, strict=True)
        ]
        return Counts(
            video=[sum(kept) for kept in _grids_kept(request, rates)],
            audio=audio,
            exact=known or not request.audio_tokens,
            audio_kept=None if known else total,
            retention=[_known(share) for share in shares],
            initial_rates=[_known(rate) for rate in found.initial_rates.tolist()],
            rates=rates,
            notes=found.notes,
        )


class VisionZip(BuiltinMethod):
    """Dominant and contextual video tokens of each grid, the best-scored audio."""

    name = "visionzip"
    title = "VisionZip-style"
    answers = "keeps the video tokens attended to most, merges the rest into contextual ones"
    source = "VisionZip (arXiv 2412.04467), put in place of ISTC as in OmniZip's ablation"
    assumptions = (
        "Each temporal grid is compressed on its own, like an image, at the clip's ratio; the "
        "first k grids together keep round((1 - rho_v) of their tokens).",
        "54 of 64 kept tokens are dominant, as in the paper's settings; attention is that "
        "received in the vision encoder's last layer, averaged over heads and queries.",
        "The rest join targets at a uniform stride by cosine of embeddings (the paper: of the "
        "encoder's keys); a contextual token is the plain mean of its group.",
        "Audio, of which the source knows nothing, keeps the best round((1 - rho_a) of its "
        "tokens) scores of OmniZip's Eq. 2, without anchors.",
    )
    scores = ("audio", "video")

    def planned(self, request: PlanRequest) -> Counts:
        """Exact for video; which window the audio kept falls in depends on its scores."""
        splits = visionzip_splits(request.video_sizes, request.tokens_per_grid, request.rho_v)
        audio = kept_count(request.audio_tokens, request.rho_a)
        certain = audio in (0, request.audio_tokens)
        return Counts(
            video=[sum(split.kept for split in window) for window in splits],
            audio=[size if audio else 0 for size in request.audio_sizes]
            if certain
            else spread_evenly(audio, request.audio_sizes),
            exact=certain,
            audio_kept=audio,
        )


def _grids_kept(request: PlanRequest, rates: Sequence[float]) -> Sequence[tuple[int, ...]]:
    """Tokens kept in each grid of each window."""
    if request.mode == "official":
        return [
            official_grid_kept(tokens, request.tokens_per_grid, rate)
            for tokens, rate in zip(request.video_sizes, rates, strict=True)
        ]
    return paper_grid_kept(
        request.video_sizes,
        request.tokens_per_grid,
        rates,
        request.rounding,
        budget=kept_count(request.video_tokens, request.rho_v),
    )


def _on_line(progress: float) -> tuple[float, float]:
    """Pruning pair at ``progress`` = rho_v before clipping, rho_a trailing by the gap."""
    return min(max(progress - OMNIZIP_GAP, 0.0), 1.0), min(progress, 1.0)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


BUILTIN: tuple[Method, ...] = (Full(), Random(), FastV(), DyCoke(), OmniZip(), VisionZip())
"""In the order of OmniZip, Tab. 1; its ablation's last."""
