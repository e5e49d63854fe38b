"""The real selection on a real clip, with a model's encoders or with stated stand-ins for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN, Mode
from omnizip_cost.errors import MediaError, require_ratio
from omnizip_cost.runtime.encoded import encode
from omnizip_cost.runtime.features import patches
from omnizip_cost.runtime.inputs import clip_inputs, token_ids
from omnizip_cost.runtime.proxy import proxy_scores
from omnizip_cost.runtime.selection import Layout, Selection, read_layout, select
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.workload.clip import Clip
from omnizip_cost.workload.workload import Workload

PROXY = "proxy"
"""Label of audio scores that come from the sound alone (`proxy_scores`)."""
PIXELS = "pixels (proxy)"
"""Label of video features that are a token's own pixels."""
NONE = "none"
"""Label of the scores of a clip without sound, and of the features of one without video."""
NO_AUDIO = "no audio: every window gets rho_v"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """How much OmniZip is to prune, by which reading and within which bounds."""

    audio_pruning: float
    video_pruning: float
    mode: Mode = "paper"
    rho_min: float = RHO_MIN
    rho_max: float = RHO_MAX

    def __post_init__(self) -> None:
        for name in ("audio_pruning", "video_pruning"):
            require_ratio("allocation", name, getattr(self, name))

    @property
    def label(self) -> str:
        """The method with its pair, as tables name it."""
        return f"OmniZip ({self.audio_pruning:g}, {self.video_pruning:g})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipSelection:
    """What OmniZip kept of one clip, and what it went by."""

    clip: Clip
    spec: ThinkerSpec
    workload: Workload
    layout: Layout
    pruning: Pruning
    selection: Selection
    audio_scores: NDArray[np.float32]
    """(N_a,), Eq. 2 or its stand-in."""
    scores: str
    """Where they come from: ``proxy``, ``encoder``, ``random-weights encoder``, or ``none``."""
    video_features: str
    """``pixels (proxy)``, ``encoder``, ``random-weights encoder``, or ``none``."""

    @property
    def keep(self) -> NDArray[np.bool_]:
        """(L,): survivors among the tokens of the prompt."""
        kept: NDArray[np.bool_] = self.selection.keep.cpu().numpy()
        return kept

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said beside the rates."""
        return self.selection.notes if self.layout.audio_tokens else (NO_AUDIO,)


def select_by_proxy(clip: Clip, spec: ThinkerSpec, pruning: Pruning) -> ClipSelection:
    """Select on a clip without a model: sound scored by energy and flux, video seen as pixels.

    A video token is represented by the pixels it covers in its two frames, normalised as the
    processor does: density peaks and changes between grids are those of the picture. Audio rows
    are zeros: scores alone decide which audio survives, what anchors would hold is not shown.
    Without sound there is no score, and every window gets rho_v.

    Raises
    ------
    MediaError
        The sound is silence throughout: all scores are equal, and nothing ranks its tokens.
    """
    work = clip.workload(spec)
    scores = _sound_scores(clip, work)
    layout = _layout(token_ids(spec, work), spec, work)
    embeddings = _pixel_embeddings(clip, spec, layout)
    return ClipSelection(
        clip=clip,
        spec=spec,
        workload=work,
        layout=layout,
        pruning=pruning,
        selection=_select(embeddings, scores, layout, pruning),
        audio_scores=scores.numpy(),
        scores=PROXY if work.audio_tokens else NONE,
        video_features=PIXELS if layout.video_tokens else NONE,
    )


def select_by_model(
    clip: Clip, spec: ThinkerSpec, pruning: Pruning, thinker: nn.Module, *, dtype: str, device: str
) -> ClipSelection:
    """Select on a clip as a real thinker does: its encoder's scores, its projected features.

    Parameters
    ----------
    thinker : Module
        Of ``spec``, with its weights, in ``dtype`` on ``device``.
    """
    work = clip.workload(spec)
    inputs = clip_inputs(spec, work, clip, dtype=dtype, device=device)
    encoded = encode(thinker, inputs, mode=pruning.mode)
    scores = torch.zeros(0) if encoded.scores is None else encoded.scores
    layout = _layout(inputs.token_ids, spec, work)
    return ClipSelection(
        clip=clip,
        spec=spec,
        workload=work,
        layout=layout,
        pruning=pruning,
        selection=_select(encoded.embeddings, scores, layout, pruning),
        audio_scores=scores.float().cpu().numpy(),
        scores=encoded.source if work.audio_tokens else NONE,
        video_features=encoded.source if layout.video_tokens else NONE,
    )


def _sound_scores(clip: Clip, work: Workload) -> torch.Tensor:
    """(N_a,): scores of the sound alone; none without it."""
    if clip.waveform is None or not work.audio_tokens:
        return torch.zeros(0)
    scores = proxy_scores(clip.waveform, tokens=work.audio_tokens)
    if not float(scores.max() - scores.min()) > 0:
        raise MediaError(
            clip.name,
            "is silent throughout: the scores of its sound are all equal, "
            "and there is nothing to rank audio tokens by",
        )
    return scores


def _layout(ids: torch.Tensor, spec: ThinkerSpec, work: Workload) -> Layout:
    return read_layout(
        ids,
        audio_id=spec.tokens.audio,
        video_id=spec.tokens.video,
        tokens_per_grid=work.tokens_per_grid,
    )


def _pixel_embeddings(clip: Clip, spec: ThinkerSpec, layout: Layout) -> torch.Tensor:
    """Pixels of each video token in its place of the prompt, (L, pixels); zeros elsewhere.

    The patches that the vision encoder merges into one token stand next to each other. Half
    precision has bits to spare for pixels of eight.
    """
    if clip.frames is None:
        return torch.zeros((layout.length, 1), dtype=torch.float16)
    rows, _ = patches(clip.frames, spec.vision, torch.float16)
    rows = rows.view(layout.video_tokens, -1)
    embeddings = torch.zeros((layout.length, rows.shape[1]), dtype=rows.dtype)
    return embeddings.index_copy_(0, torch.from_numpy(layout.video_positions()), rows)


def _select(
    embeddings: torch.Tensor, scores: torch.Tensor, layout: Layout, pruning: Pruning
) -> Selection:
    settings: dict[str, Any] = asdict(pruning)
    return select("omnizip", embeddings, scores, layout, **settings)
