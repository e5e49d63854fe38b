"""What a thinker gives the selection is what its own decoder would have been given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_thinker import tiny_spec, tiny_thinker

from omnizip_cost.runtime.clip_selection import Pruning, select_by_model
from omnizip_cost.runtime.compressed import compressed
from omnizip_cost.runtime.encoded import encode, is_untrained
from omnizip_cost.runtime.inputs import ModelInputs, clip_inputs
from omnizip_cost.runtime.modules import find_audio_encoder, find_text_model
from omnizip_cost.runtime.scores import ScoreTap
from omnizip_cost.workload import Clip, decode_clip, make_demo_clip

SPEC = tiny_spec(layers=2)


@pytest.fixture(scope="module")
def thinker() -> Any:
    return tiny_thinker(layers=2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = tmp_path_factory.mktemp("clip") / "made.mp4"
    make_demo_clip(path, seconds=5.0, size=(112, 168))
    return decode_clip(path, SPEC)


@pytest.fixture(scope="module")
def inputs(clip: Clip) -> ModelInputs:
    return clip_inputs(SPEC, clip.workload(SPEC), clip)


@pytest.mark.parametrize("mode", ["paper", "official"])
@torch.no_grad()
def test_embeddings_and_scores_are_those_of_a_whole_forward(
    thinker: Any, inputs: ModelInputs, mode: str
) -> None:
    seen: list[torch.Tensor] = []
    text = find_text_model(thinker)
    hook = text.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    with ScoreTap(find_audio_encoder(thinker), mode=mode) as tap:  # type: ignore[arg-type]
        thinker(**inputs.kwargs())
    hook.remove()
    encoded = encode(thinker, inputs, mode=mode)  # type: ignore[arg-type]
    torch.testing.assert_close(encoded.embeddings, seen[0][0], rtol=0, atol=0)
    torch.testing.assert_close(encoded.scores, tap.scores, rtol=0, atol=0)


@torch.no_grad()
def test_the_thinker_is_left_as_it_was(thinker: Any, inputs: ModelInputs) -> None:
    before = thinker(**inputs.kwargs()).logits
    hooks = [len(module._forward_pre_hooks) for module in thinker.modules()]
    encode(thinker, inputs)
    assert [len(module._forward_pre_hooks) for module in thinker.modules()] == hooks
    torch.testing.assert_close(thinker(**inputs.kwargs()).logits, before, rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["paper", "official"])
@torch.no_grad()
def test_a_clip_is_pruned_as_inside_the_compressed_model(
    thinker: Any, clip: Clip, inputs: ModelInputs, mode: str
) -> None:
    """The figure shows what ``compressed`` does to the same prompt: the masks are equal."""
    with compressed(
        thinker,
        "omnizip",
        audio_pruning=0.4,
        video_pruning=0.7,
        mode=mode,  # type: ignore[arg-type]
    ) as handle:
        thinker(**inputs.kwargs())
    assert handle.last is not None
    pruning = Pruning(audio_pruning=0.4, video_pruning=0.7, mode=mode)  # type: ignore[arg-type]
    case = select_by_model(clip, SPEC, pruning, thinker, dtype="float32", device="cpu")
    assert (torch.from_numpy(case.keep) == handle.last.keep).all()
    assert case.selection.rates.tolist() == handle.last.selection.rates.tolist()  # type: ignore[union-attr]
    assert (case.scores, case.video_features) == ("random-weights encoder",) * 2


def test_one_trained_norm_tells_real_weights_from_random_ones() -> None:
    encoder = find_audio_encoder(tiny_thinker(layers=1))
    assert is_untrained(encoder)
    norm = next(m for m in encoder.modules() if isinstance(m, torch.nn.LayerNorm))
    norm.bias[3] = 0.01
    assert not is_untrained(encoder)


def test_a_trained_encoder_is_called_encoder(inputs: ModelInputs) -> None:
    model = tiny_thinker(layers=1)
    for module in find_audio_encoder(model).modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.mul_(0.9)
    assert encode(model, inputs).source == "encoder"
