"""Which tensors a compiled or an ideal engine keeps: products write, elementwise work is fused.

Assumptions, the same for decoder and encoders. Compiled: one buffer for each product's result;
norms, rotations, activations and sums write once and nothing in float32; what is rotated or
activated reuses its own buffer. Ideal: gate and up come of one product whose activation is applied
before it is written. Both write keys and values straight into a cache of fixed size, which has room
for the answer from the start.
"""

from __future__ import annotations

from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.specs.spec import TextSpec


def lean_layer(
    live: Live, run: Run, text: TextSpec, n: int, *, past: int = 0, room: int = 0
) -> None:
    """One decoder layer; ``hidden`` is replaced, ``keys`` and ``values`` come to stand."""
    d = text.hidden_size
    live.hold("normed", run.rows(n, d))
    live.hold("queries", run.rows(n, text.query_width))
    for name in ("keys", "values"):
        live.hold(name, run.cached(text, past + n + room), "cache")
    if run.backend == "compiled":
        live.hold("projected keys and values", 2 * run.rows(n, text.kv_width))
    if run.dequantises:
        live.hold("read keys and values", 2 * run.rows(past + n, text.kv_width))
    live.drop("normed")
    live.hold("heads", run.rows(n, text.query_width))
    live.drop_all("projected keys and values", "read keys and values", "queries")
    live.hold("attended", run.rows(n, d))
    live.drop("heads")
    live.hold("attended residual", run.rows(n, d))
    live.drop("attended", "hidden")
    live.rename("attended residual", "hidden")
    experts = text.experts
    rows, inner = n, text.intermediate_size
    if experts is not None:
        rows, inner = n * experts.experts_per_token, experts.intermediate_size
    lean_ffn(live, run, rows, d, inner, gated=text.ffn_matrices > 2)


def lean_ffn(live: Live, run: Run, rows: int, d: int, inner: int, *, gated: bool) -> None:
    """Norm, up with its gate, down, sum: ``hidden`` is replaced."""
    size = run.rows(rows, d)
    live.hold("normed", size)
    live.hold("inner", run.rows(rows, inner))
    if gated and run.backend == "compiled":
        live.hold("up", run.rows(rows, inner))
        live.drop("up")
    live.drop("normed")
    live.hold("fed", size)
    live.drop("inner")
    live.drop("fed")
