"""Vision scores and VisionZip-style selection on what a real thinker computes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
import torch
from tiny_thinker import TOKENS, tiny_inputs, tiny_spec, tiny_thinker
from torch.utils.flop_counter import FlopCounterMode

from omnizip_cost.compression.visionzip import visionzip_splits
from omnizip_cost.runtime.modules import find_audio_encoder, find_text_model, find_vision_encoder
from omnizip_cost.runtime.scores import ScoreTap
from omnizip_cost.runtime.selection.layout import Layout, read_layout
from omnizip_cost.runtime.selection.visionzip import visionzip
from omnizip_cost.runtime.vision_scores import VisionScoreTap

GRID = (10, 14)
"""Patches: windows of 4 x 4 tokens are cut at both edges."""


class Seen:
    """What the text model is given, and the scores that can be read at that moment."""

    def __init__(self, call: str) -> None:
        thinker = tiny_thinker(attention="sdpa")
        inputs = tiny_inputs(seconds=5, grid=GRID)
        self.ids: torch.Tensor = inputs["input_ids"][0]
        self.given: list[dict[str, Any]] = []
        self.encoded: list[torch.Tensor] = []
        with ExitStack() as stack, torch.no_grad():
            self.video = stack.enter_context(VisionScoreTap(find_vision_encoder(thinker)))
            self.audio = stack.enter_context(ScoreTap(find_audio_encoder(thinker)))
            for hook in (
                find_text_model(thinker).register_forward_pre_hook(self._text, with_kwargs=True),
                find_vision_encoder(thinker).register_forward_hook(self._encoder),
            ):
                stack.callback(hook.remove)
            if call == "forward":
                thinker(**inputs)
            else:
                thinker.generate(**inputs, do_sample=False, max_new_tokens=2)

    def _text(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.given.append(
            {
                "embeddings": kwargs["inputs_embeds"][0],
                "video": self.video.scores,
                "audio": self.audio.scores,
            }
        )

    def _encoder(self, module: Any, args: Any, output: Any) -> None:
        self.encoded.append(output.pooler_output)

    @property
    def layout(self) -> Layout:
        return read_layout(
            self.ids,
            audio_id=TOKENS.audio,
            video_id=TOKENS.video,
            tokens_per_grid=GRID[0] * GRID[1] // 4,
        )


@pytest.fixture(scope="module", params=["forward", "generate"])
def seen(request: pytest.FixtureRequest) -> Seen:
    return Seen(request.param)


def test_score_i_is_of_the_prompts_video_token_i(seen: Seen) -> None:
    """The thinker writes the encoder's tokens into the prompt in the order of the scores."""
    prefill = seen.given[0]
    rows = prefill["embeddings"][seen.ids == TOKENS.video]
    assert torch.equal(rows, seen.encoded[-1])
    assert prefill["video"].shape == (len(rows),)
    assert prefill["audio"].shape == (int((seen.ids == TOKENS.audio).sum()),)


def test_selection_on_the_thinkers_rows(seen: Seen) -> None:
    prefill, layout = seen.given[0], seen.layout
    found = visionzip(
        prefill["embeddings"],
        prefill["audio"],
        prefill["video"],
        layout,
        audio_pruning=0.4,
        video_pruning=0.6,
    )
    splits = [s for w in visionzip_splits(layout.video_sizes, 35, 0.6) for s in w]
    assert [split.kept for split in splits] == [14] * 5
    video = torch.nonzero(seen.ids == TOKENS.video)[:, 0].view(5, 35)
    changed = (found.embeddings != prefill["embeddings"]).any(dim=1)
    for grid, scores, split in zip(video, prefill["video"].view(5, 35), splits, strict=True):
        dominant = grid[scores.topk(split.dominant).indices]
        assert found.keep[dominant].all()
        assert not changed[dominant].any()
        assert int(found.keep[grid].sum()) == split.kept
        assert int(changed[grid].sum()) == split.contextual == 2
    assert not changed[seen.ids != TOKENS.video].any()
    assert int(found.keep[seen.ids == TOKENS.audio].sum()) == round(0.6 * layout.audio_tokens)


def test_torchs_counter_sees_the_stated_products(seen: Seen) -> None:
    """Two products per grid with contextual tokens, one per grid in the tap; nothing else."""
    prefill, layout = seen.given[0], seen.layout
    with FlopCounterMode(display=False) as counter:
        visionzip(
            prefill["embeddings"],
            prefill["audio"],
            prefill["video"],
            layout,
            audio_pruning=0.4,
            video_pruning=0.6,
        )
    width = tiny_spec().text.hidden_size
    splits = [s for w in visionzip_splits(layout.video_sizes, 35, 0.6) for s in w]
    assert counter.get_total_flops() == sum(4 * s.rest * s.contextual * width for s in splits) > 0


def test_torchs_counter_sees_the_taps_product() -> None:
    thinker = tiny_thinker(attention="sdpa")
    with torch.no_grad(), VisionScoreTap(find_vision_encoder(thinker)) as tap:
        thinker(**tiny_inputs(seconds=5, grid=GRID))
        with FlopCounterMode(display=False) as counter:
            assert tap.scores is not None
    patches, width = GRID[0] * GRID[1], tiny_spec().vision.hidden_size
    assert counter.get_total_flops() == 5 * 2 * patches**2 * width
