"""The text model and its head through prefill and decode, told by the layers that matter.

Layers of equal length hold the same tensors but for the cache, which grows: the last of a run of
them is the worst, the first only where it gets other inputs. So those two are told; of the layers
between, the cache alone.
"""

from __future__ import annotations

from itertools import groupby
from operator import add

from omnizip_cost.cost.executed.op import BOOL, FLOAT32, INT64
from omnizip_cost.cost.executed.static_cache import static_length
from omnizip_cost.cost.memory.decoder import rms_norm, stock_layer
from omnizip_cost.cost.memory.lean import lean_layer
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.cost.memory.selection import fastv_ranking
from omnizip_cost.specs.spec import TextSpec

POSITION_ROWS = 4
"""Rows of positions: text's, time's, height's and width's."""

THINKERS_OWN = (
    "prompt rows",
    "kept rows",
    "positions",
    "audio features",
    "video features",
    "video features together",
    "video patches",
)
"""What the thinker names until its text model has returned: none of it is there for the head."""


def prefill(
    live: Live,
    run: Run,
    text: TextSpec,
    layer_tokens: tuple[int, ...],
    *,
    fastv_form: str | None = None,
    steps: int = 0,
) -> None:
    """Run the text model and the head on the prompt; ``hidden`` comes in, cache and logits stay.

    Parameters
    ----------
    live : Live
        Holding ``prompt rows``, the embeddings, and ``kept rows`` where they are cut: both are
        named until the text model returns. ``hidden``, the layers' own, is nothing yet.
    run : Run
    text : TextSpec
    layer_tokens : tuple of int
        Tokens that enter each layer.
    fastv_form : {"materialised", "last-query"}, optional
        How tokens are ranked where the length falls; None: they do not fall inside the decoder.
    steps : int
        R, for which a cache of fixed size leaves room from the start.
    """
    first = layer_tokens[0]
    _side(live, run, text, first)
    groups = [(n, sum(1 for _ in same)) for n, same in groupby(layer_tokens)]
    done = 0
    for number, (n, layers) in enumerate(groups):
        ranks = fastv_form is not None and number + 1 < len(groups)
        tapped = "" if not ranks else "last" if fastv_form == "last-query" else "whole"
        held = n if run.stock else n + steps
        if layers > 1:
            _one(live, run, text, n, room=steps)
            live.drop("keys", "values")
            live.hold(f"cache of {n} from {done}", run.cached(text, held), "cache", 2 * layers - 2)
        _one(live, run, text, n, room=steps, tapped=tapped)
        live.rename("keys", f"keys of {done + layers}")
        live.rename("values", f"values of {done + layers}")
        done += layers
        if ranks:
            with live.stage("selection"):
                fastv_ranking(live, run, text, n, groups[number + 1][0], fastv_form or "")
    _head(live, run, text, layer_tokens[-1])


def _side(live: Live, run: Run, text: TextSpec, n: int) -> None:
    """What every layer reads beside its input: cosines, sines, and a mask that eager adds."""
    for name in ("cosines", "sines"):
        live.hold(name, run.rows(n, text.head_dim))
    if run.eager and n > 1:
        live.hold("mask", n * n * run.width, "attention_weights")


def _one(live: Live, run: Run, text: TextSpec, n: int, *, room: int, tapped: str = "") -> None:
    if run.stock:
        stock_layer(live, run, text, n, tapped=tapped)
    else:
        lean_layer(live, run, text, n, room=room)


def _head(live: Live, run: Run, text: TextSpec, n: int) -> None:
    """Last norm, then logits: of every position in the stock thinker, of the last one ideally.

    When the head runs, the text model and what called it have returned: of the prompt's rows only
    the normalised ones are left (transformers 5.23; 5.17 goes on naming the embeddings).
    """
    if run.stock:
        rms_norm(live, run, n, text.hidden_size, "last hidden")
    else:
        live.hold("last hidden", run.rows(n, text.hidden_size))
    live.drop("hidden")
    live.drop_all("cosines", "sines", "kept cosines", "kept sines", "mask", "kept mask")
    live.drop_all(*THINKERS_OWN)
    positions = 1 if run.backend == "ideal" else n
    live.hold("logits", run.rows(positions, text.vocab_size), "logits")


def next_token(live: Live, text: TextSpec) -> None:
    """Logits of the last position, in float32, from which the next token is chosen."""
    live.hold("next scores", text.vocab_size * FLOAT32, "logits")
    live.drop("next scores", "logits", "last hidden")


def decode(live: Live, run: Run, text: TextSpec, layer_tokens: tuple[int, ...], steps: int) -> None:
    """Tell the last of R cached steps, whose cache is the longest.

    A stock layer writes its longer keys beside the old ones; a cache of fixed size is all there,
    also where the prefill's was moved into it, layer by layer.
    """
    if not steps:
        return
    live.drop_part("cache")
    places = static_length if run.moves_cache else add
    lengths = [places(n, steps) for n in layer_tokens]
    longest = max(range(len(lengths)), key=lambda layer: (lengths[layer], layer))
    for n, layers in groupby(sorted(lengths[:longest] + lengths[longest + 1 :])):
        live.hold(f"cache of {n}", run.cached(text, n), "cache", 2 * sum(1 for _ in layers))
    live.hold("positions", POSITION_ROWS * INT64)
    live.hold("prompt rows", run.rows(1, text.hidden_size))
    live.hold("hidden", run.rows(1, text.hidden_size))
    keys = lengths[longest]
    for name in ("cosines", "sines"):
        live.hold(name, run.rows(1, text.head_dim))
    if run.eager:
        live.hold("mask", keys * run.width, "attention_weights")
    if run.moves_cache:
        live.hold("mask", keys * BOOL)
    if run.stock:
        before = keys if run.moves_cache else keys - 1
        for name in ("keys", "values"):
            live.hold(name, run.cached(text, before), "cache")
        stock_layer(live, run, text, 1, keys - 1)
    else:
        lean_layer(live, run, text, 1, past=keys - 1)
    live.drop_all("prompt rows", "positions", "cosines", "sines", "mask")
    live.rename("hidden", "last hidden")
    live.hold("logits", run.rows(1, text.vocab_size), "logits")
    next_token(live, text)
