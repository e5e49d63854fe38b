"""The compressed thinker against the stock one, against calls by hand and against an oracle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from slow_decoder import SlowDecoder
from tiny_thinker import TOKENS, tiny_inputs, tiny_thinker

from omnizip_cost.runtime.compressed import Handle, compressed
from omnizip_cost.runtime.decode import decode, prefill
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_decoder_layers,
    find_lm_head,
    find_text_model,
)
from omnizip_cost.runtime.scores import ScoreTap
from omnizip_cost.runtime.selection import select

OMNIZIP = ("omnizip", {"audio_pruning": 0.4, "video_pruning": 0.7})
OFFICIAL = ("omnizip", {"audio_pruning": 0.4, "video_pruning": 0.7, "mode": "official"})
RANDOM = ("random", {"audio_pruning": 0.45, "video_pruning": 0.45, "seed": 3})
DYCOKE = ("dycoke", {"retained": 0.5})
VISIONZIP = ("visionzip", {"audio_pruning": 0.4, "video_pruning": 0.6})
BEFORE_LAYERS = pytest.mark.parametrize(
    "case",
    [OMNIZIP, OFFICIAL, RANDOM, DYCOKE, VISIONZIP],
    ids=["omnizip", "official", "random", "dycoke", "visionzip"],
)
FASTV_FORMS = pytest.mark.parametrize("form", ["materialised", "last-query"])
STEPS = 6


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def thinker(request: pytest.FixtureRequest) -> Any:
    return tiny_thinker(attention=request.param)


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    return tiny_inputs(seconds=5, grid=(4, 8))


class Stock:
    """What the stock thinker hands its text model in prefill: seen by a hook of our own."""

    def __init__(self, thinker: Any, inputs: dict[str, Any]) -> None:
        seen: dict[str, Any] = {}
        text = find_text_model(thinker)

        def look(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            seen.update(kwargs)

        hook = text.register_forward_pre_hook(look, with_kwargs=True)
        with torch.no_grad(), ScoreTap(find_audio_encoder(thinker)) as tap:
            self.logits = thinker(**inputs).logits
            self.scores = tap.scores
        hook.remove()
        self.embeddings: torch.Tensor = seen["inputs_embeds"][0]
        self.positions: torch.Tensor = seen["position_ids"][-3:, 0]


@pytest.fixture(scope="module")
def stock(thinker: Any, inputs: dict[str, Any]) -> Stock:
    return Stock(thinker, inputs)


@pytest.fixture(scope="module")
def oracle(thinker: Any) -> SlowDecoder:
    return SlowDecoder(find_text_model(thinker), find_lm_head(thinker))


def run(thinker: Any, inputs: dict[str, Any], case: Any) -> tuple[torch.Tensor, Handle]:
    method, settings = case
    with compressed(thinker, method, **settings) as handle, torch.no_grad():
        return thinker(**inputs).logits, handle


def entered(thinker: Any, inputs: dict[str, Any], case: Any) -> torch.Tensor:
    """Rows that reach the first layer under a method: seen by a hook behind those of the block."""
    method, settings = case
    rows: list[torch.Tensor] = []

    def look(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        rows.append((args[0] if args else kwargs["hidden_states"])[0])

    with compressed(thinker, method, **settings), torch.no_grad():
        hook = find_decoder_layers(thinker)[0].register_forward_pre_hook(look, with_kwargs=True)
        thinker(**inputs)
        hook.remove()
    return rows[0]


def generate(thinker: Any, inputs: dict[str, Any], **settings: Any) -> list[int]:
    choice = {"do_sample": False, "max_new_tokens": STEPS, **settings}
    length = inputs["input_ids"].shape[1]
    return thinker.generate(**inputs, **choice)[0, length:].tolist()


def fastv(form: str, layer: int = 2, retained: float = 0.35) -> Any:
    return ("fastv", {"retained": retained, "fastv_layer": layer, "fastv_form": form})


def test_the_oracle_is_the_stock_decoder(stock: Stock, oracle: SlowDecoder) -> None:
    logits = oracle.logits(stock.embeddings, stock.positions)
    torch.testing.assert_close(logits, stock.logits[0], rtol=2e-4, atol=2e-4)


def test_the_stock_thinker_is_sensitive_to_every_token(stock: Stock, thinker: Any) -> None:
    """Else a wrong mask or position could hide in the tests below."""
    text, head = find_text_model(thinker), find_lm_head(thinker)
    for drop in (0, 30, 100):
        keep = torch.ones(len(stock.embeddings), dtype=torch.bool)
        keep[drop] = False
        with torch.no_grad():
            hidden = text(
                inputs_embeds=stock.embeddings[keep][None],
                position_ids=stock.positions[:, keep][:, None],
            ).last_hidden_state
            change = head(hidden)[0, -1] - stock.logits[0, -1]
        assert change.abs().max() > 1e-3


@pytest.mark.parametrize(
    "case",
    [
        ("full", {}),
        ("full", {"retained": 1}),
        ("random", {"retained": 1.0}),
        ("random", {"audio_pruning": 0, "video_pruning": 0}),
        ("dycoke", {"audio_pruning": 0.0, "video_pruning": 0.0}),
        ("omnizip", {"audio_pruning": 0.0, "video_pruning": 0.0}),
        ("omnizip", {"audio_pruning": 0.0, "video_pruning": 0.0, "mode": "official"}),
        ("omnizip", {"retained": 1}),
        ("fastv", {"retained": 1}),
        ("fastv", {"audio_pruning": 0, "video_pruning": 0, "fastv_form": "last-query"}),
    ],
    ids=str,
)
def test_zero_pruning_is_the_stock_model_bit_for_bit(
    thinker: Any, inputs: dict[str, Any], stock: Stock, case: Any
) -> None:
    logits, handle = run(thinker, inputs, case)
    assert torch.equal(logits, stock.logits)
    assert handle.last is not None
    assert handle.last.keep.all() and handle.last.realised == 1
    assert handle.last.layer_tokens == (len(stock.embeddings),) * 4
    with compressed(thinker, case[0], **case[1]):
        assert generate(thinker, inputs) == generate(thinker, inputs, use_cache=False)


@BEFORE_LAYERS
def test_pruned_prefill_equals_the_text_model_called_by_hand(
    thinker: Any, inputs: dict[str, Any], stock: Stock, oracle: SlowDecoder, case: Any
) -> None:
    logits, handle = run(thinker, inputs, case)
    kept = handle.last
    assert kept is not None and kept.selection is not None
    assert 0.3 < kept.realised < 0.7 and logits.shape[1] == kept.kept_tokens
    embeddings = entered(thinker, inputs, case)
    positions = stock.positions[:, kept.keep]
    assert torch.equal(kept.positions, positions)
    with torch.no_grad():
        by_hand = find_text_model(thinker)(
            inputs_embeds=embeddings[None], position_ids=positions[:, None], use_cache=False
        ).last_hidden_state
        expected = find_lm_head(thinker)(by_hand)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        logits[0], oracle.logits(embeddings, positions), rtol=2e-4, atol=2e-4
    )
    untouched = stock.embeddings[kept.keep]
    if case[0] in ("omnizip", "visionzip"):  # anchors and contextual tokens hold merged rows
        assert not torch.equal(embeddings, untouched)
    else:
        assert torch.equal(embeddings, untouched)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_what_is_kept_is_what_select_chooses_on_the_stock_embeddings(
    thinker: Any, inputs: dict[str, Any], stock: Stock, mode: Any
) -> None:
    with torch.no_grad(), ScoreTap(find_audio_encoder(thinker), mode=mode) as tap:
        thinker(**inputs)
        scores = tap.scores
    expected = select(
        "omnizip",
        stock.embeddings,
        scores,
        inputs["input_ids"][0],
        audio_id=TOKENS.audio,
        video_id=TOKENS.video,
        tokens_per_grid=8,
        audio_pruning=0.4,
        video_pruning=0.7,
        merge=2,
        anchor_share=0.1,
        mode=mode,
    )
    settings = {"audio_pruning": 0.4, "video_pruning": 0.7, "mode": mode}
    case = ("omnizip", {**settings, "merge": 2, "anchor_share": 0.1})
    kept = run(thinker, inputs, case)[1].last
    assert kept is not None and kept.selection is not None
    assert torch.equal(kept.keep, expected.keep)
    assert torch.equal(entered(thinker, inputs, case), expected.gather())
    assert kept.selection.rates.tolist() == expected.rates.tolist()


@BEFORE_LAYERS
def test_greedy_tokens_by_generate_by_loop_and_without_cache(
    thinker: Any, inputs: dict[str, Any], stock: Stock, oracle: SlowDecoder, case: Any
) -> None:
    method, settings = case
    with compressed(thinker, method, **settings) as handle:
        by_generate = generate(thinker, inputs)
        kept = handle.last
        start = prefill(thinker, inputs)
        by_loop = decode(thinker, start, STEPS - 1)
        again_each_step = generate(thinker, inputs, use_cache=False)
    assert kept is not None and kept.selection is not None
    assert start.next_position == int(stock.positions.max()) + 1 == kept.next_position
    assert start.cache.get_seq_length() == kept.kept_tokens + STEPS - 1
    expected = oracle.greedy(
        entered(thinker, inputs, case),
        kept.positions,
        next_position=start.next_position,
        steps=STEPS,
    )
    assert len(set(expected)) > 2
    assert by_generate == by_loop == again_each_step == expected
    assert expected != generate(thinker, inputs)


@FASTV_FORMS
@pytest.mark.parametrize("layer", [1, 3])
def test_fastv_equals_the_oracle_layer_by_layer(
    thinker: Any,
    inputs: dict[str, Any],
    stock: Stock,
    oracle: SlowDecoder,
    form: str,
    layer: int,
) -> None:
    widths: list[int] = []
    hooks = [
        part.register_forward_hook(lambda module, args, output: widths.append(output.shape[1]))
        for part in find_decoder_layers(thinker)
    ]
    logits, handle = run(thinker, inputs, fastv(form, layer))
    for hook in hooks:
        hook.remove()
    kept = handle.last
    assert kept is not None

    ids = inputs["input_ids"][0]
    places = ((ids == TOKENS.audio) | (ids == TOKENS.video)).nonzero()[:, 0]
    received = oracle.attention_of_last_token(stock.embeddings, stock.positions, layer - 1)
    best = received.mean(dim=0)[places].argsort(descending=True)[: round(0.35 * len(places))]
    keep = torch.ones(len(ids), dtype=torch.bool)
    keep[places] = False
    keep[places[best]] = True
    assert torch.equal(kept.keep, keep)

    expected = oracle.logits(stock.embeddings, stock.positions, drop_before=layer, keep=keep)
    torch.testing.assert_close(logits[0], expected, rtol=2e-4, atol=2e-4)
    survivors = int(keep.sum())
    assert widths == oracle.widths == [len(ids)] * layer + [survivors] * (4 - layer)
    assert kept.layer_tokens == tuple(widths)
    assert kept.audio_kept + kept.video_kept == len(best)
    assert torch.equal(kept.positions, stock.positions[:, keep])


@FASTV_FORMS
def test_fastv_decodes_over_caches_of_two_lengths(
    thinker: Any, inputs: dict[str, Any], oracle: SlowDecoder, stock: Stock, form: str
) -> None:
    method, settings = fastv(form)
    with compressed(thinker, method, **settings) as handle:
        by_generate = generate(thinker, inputs)
        kept = handle.last
        start = prefill(thinker, inputs)
        by_loop = decode(thinker, start, STEPS - 1)
    assert kept is not None
    lengths = [start.cache.get_seq_length(number) for number in range(4)]
    assert lengths == [tokens + STEPS - 1 for tokens in kept.layer_tokens]
    expected = oracle.greedy(
        stock.embeddings,
        stock.positions,
        next_position=start.next_position,
        steps=STEPS,
        drop_before=2,
        keep=kept.keep,
    )
    assert len(set(expected)) > 2
    assert by_generate == by_loop == expected


@pytest.mark.parametrize("case", [OMNIZIP, fastv("materialised")], ids=["omnizip", "fastv"])
def test_sampling_draws_from_the_pruned_model(
    thinker: Any, inputs: dict[str, Any], case: Any
) -> None:
    """``generate`` with a seed equals drawing by hand from our loop's logits."""
    method, settings = case
    choice = {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": 1.0}
    with compressed(thinker, method, **settings), torch.no_grad():
        torch.manual_seed(5)
        sampled = generate(thinker, inputs, **choice)
        torch.manual_seed(5)
        start = prefill(thinker, inputs)
        drawn, logits = [], start.logits
        for step in range(STEPS):
            token = torch.multinomial(logits.softmax(dim=-1), 1)
            drawn.append(int(token))
            logits = thinker(
                input_ids=token,
                position_ids=torch.full((3, 1, 1), start.next_position + step),
                past_key_values=start.cache,
                use_cache=True,
            ).logits[:, -1]
        assert sampled == drawn
        torch.manual_seed(6)
        assert generate(thinker, inputs, **choice) != sampled


def test_four_position_rows_without_a_cache_are_not_taken_for_packed_sequences(
    thinker: Any, inputs: dict[str, Any], stock: Stock
) -> None:
    """The call of ``generate(use_cache=False)`` in 5.23: no mask, text row first."""
    length = len(stock.embeddings)
    rows = torch.cat([torch.arange(length)[None], stock.positions])[:, None]
    call = {name: value for name, value in inputs.items() if name != "attention_mask"}
    call |= {"position_ids": rows, "use_cache": False}
    for case in (OMNIZIP, RANDOM, fastv("last-query")):
        assert torch.equal(run(thinker, call, case)[0], run(thinker, inputs, case)[0])


def test_a_decode_step_without_positions_follows_the_full_prompt(
    thinker: Any, inputs: dict[str, Any]
) -> None:
    token = torch.tensor([[40]])
    for method, settings in (OMNIZIP, RANDOM, fastv("materialised")):
        with compressed(thinker, method, **settings), torch.no_grad():
            passed, bare = (prefill(thinker, inputs) for _ in range(2))
            for step in range(2):
                position = torch.full((3, 1, 1), passed.next_position + step)
                expected = thinker(
                    input_ids=token, position_ids=position, past_key_values=passed.cache
                ).logits
                found = thinker(input_ids=token, past_key_values=bare.cache).logits
                assert torch.equal(found, expected)


@pytest.mark.parametrize("case", [RANDOM, fastv("last-query")], ids=["random", "fastv"])
def test_the_full_prompts_mask_is_cut_to_the_cache_in_decode(
    thinker: Any, inputs: dict[str, Any], case: Any
) -> None:
    """``generate`` in 5.17 hands it on at full length."""
    token, seen = torch.tensor([[40]]), []
    method, settings = case
    with compressed(thinker, method, **settings) as handle, torch.no_grad():
        hook = find_text_model(thinker).register_forward_pre_hook(
            lambda module, args, kwargs: seen.append(kwargs["attention_mask"]), with_kwargs=True
        )
        bare, masked = (prefill(thinker, inputs) for _ in range(2))
        call = {"input_ids": token, "position_ids": torch.full((3, 1, 1), bare.next_position)}
        expected = thinker(**call, past_key_values=bare.cache).logits
        mask = torch.ones(1, inputs["input_ids"].shape[1] + 1, dtype=torch.long)
        found = thinker(**call, past_key_values=masked.cache, attention_mask=mask).logits
        hook.remove()
    assert torch.equal(found, expected)
    assert handle.last is not None
    assert seen[-1].shape == (1, handle.last.layer_tokens[0] + 1)


def test_retained_share_becomes_the_pair_of_the_prompts_own_mix(
    thinker: Any, inputs: dict[str, Any]
) -> None:
    for method in ("random", "omnizip"):
        kept = run(thinker, inputs, (method, {"retained": 0.5}))[1].last
        assert kept is not None
        assert kept.realised == pytest.approx(0.5, abs=0.03)
    pair = run(
        thinker, inputs, ("fastv", {"audio_pruning": 0.6, "video_pruning": 0.6, "fastv_layer": 2})
    )
    share = run(thinker, inputs, ("fastv", {"retained": 0.4, "fastv_layer": 2}))
    assert torch.equal(pair[0], share[0])


@pytest.mark.parametrize("missing", ["sound", "video"])
@pytest.mark.parametrize(
    "case", [OMNIZIP, RANDOM, DYCOKE, VISIONZIP, fastv("last-query")], ids=lambda case: case[0]
)
def test_clips_without_one_modality(
    thinker: Any, oracle: SlowDecoder, missing: str, case: Any
) -> None:
    inputs = tiny_inputs(seconds=4, only={"sound": "video", "video": "audio"}[missing])
    stock = Stock(thinker, inputs)
    method, settings = case
    with compressed(thinker, method, **settings) as handle:
        tokens = generate(thinker, inputs)
        kept = handle.last
    assert kept is not None and kept.kept_tokens < kept.full_tokens
    assert (kept.audio_tokens == 0) == (missing == "sound")
    before = 0 if kept.selection else 2
    rows = stock.embeddings.clone()
    if kept.selection:
        rows[kept.keep] = entered(thinker, inputs, case)
    assert tokens == oracle.greedy(
        rows,
        stock.positions,
        next_position=kept.next_position,
        steps=STEPS,
        drop_before=before,
        keep=kept.keep,
    )
