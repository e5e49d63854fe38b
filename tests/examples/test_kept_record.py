"""What outlives a prefill: counts, masks and rates, but no row of the prompt."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from tiny_thinker import TOKENS, tiny_inputs, tiny_thinker

import omnizip_cost as oz
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.runtime.modules import find_audio_encoder, find_decoder_layers
from omnizip_cost.runtime.scores import ScoreTap

PAIR = {"audio_pruning": 0.4, "video_pruning": 0.7}
HIDDEN = 256


@pytest.fixture(scope="module")
def thinker() -> Any:
    return tiny_thinker(layers=3)


def rows_of_the_prompt(length: int) -> list[torch.Tensor]:
    """Tensors alive that hold one row of the hidden size per prompt token."""
    gc.collect()
    return [
        item
        for item in gc.get_objects()
        if type(item) is torch.Tensor and tuple(item.shape[-2:]) == (length, HIDDEN)
    ]


@pytest.mark.parametrize("method", ["omnizip", "visionzip", "random", "dycoke", "fastv"])
def test_no_row_of_the_prompt_outlives_the_prefill(thinker: Any, method: str) -> None:
    inputs = tiny_inputs(seconds=7)
    length = inputs["input_ids"].shape[1]
    seen: list[int] = []

    def look(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        seen.append(len(rows_of_the_prompt(length)))

    with torch.no_grad(), oz.compressed(thinker, method, retained=0.5, fastv_layer=1) as handle:
        hook = find_decoder_layers(thinker)[0].register_forward_pre_hook(look, with_kwargs=True)
        output = thinker(**inputs)
        hook.remove()
        assert seen[0] > 0, "the rows are there while they are needed"
        assert handle.last is not None and handle.last.full_tokens == length
        assert rows_of_the_prompt(length) == []
    assert output.logits.shape[1] == handle.last.layer_tokens[-1]


@pytest.mark.parametrize(
    "settings",
    [{"rounding": "largest-remainder"}, {"rho_min": 0.6, "rho_max": 0.72}, {"mode": "official"}],
    ids=str,
)
def test_settings_reach_the_selection(thinker: Any, settings: dict[str, Any]) -> None:
    inputs = tiny_inputs(seconds=8, grid=(4, 6))
    with torch.no_grad(), oz.compressed(thinker, "omnizip", **PAIR, **settings) as handle:
        thinker(**inputs)
    with torch.no_grad(), oz.compressed(thinker, "omnizip", **PAIR) as plain:
        thinker(**inputs)
    kept = handle.last
    assert kept is not None and kept.selection is not None and plain.last is not None
    assert plain.last.selection is not None
    other_rates = kept.selection.rates.tolist() != plain.last.selection.rates.tolist()
    assert other_rates or not torch.equal(kept.keep, plain.last.keep), "nothing is tried here"
    mode = settings.get("mode", "paper")
    with torch.no_grad(), ScoreTap(find_audio_encoder(thinker), mode=mode) as tap:
        thinker(**inputs)
        scores = tap.scores
    ids = inputs["input_ids"][0]
    expected = oz.select(
        "omnizip", torch.zeros(len(ids), 4), scores, kept.layout, **PAIR, **settings
    )
    assert kept.selection.rates.tolist() == expected.rates.tolist()
    assert kept.selection.retention.tolist() == expected.retention.tolist()
    assert kept.selection.initial_rates.tolist() == expected.initial_rates.tolist()
    assert kept.selection.notes == expected.notes
    video = ids == TOKENS.video
    assert int(kept.keep[video].sum()) == int(expected.keep[video].sum())


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"rho_min": 0.8}, InvalidValueError, "rho_min must be at most rho_max (0.75), got 0.8"),
        ({"rounding": "up"}, UnknownNameError, "unknown rounding 'up'"),
        ({"rounding": "largest-remainder", "mode": "official"}, InvalidValueError, "'floor'"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(
    thinker: Any, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught, oz.compressed(thinker, "omnizip", **PAIR, **settings):
        pass
    assert words in str(caught.value)
