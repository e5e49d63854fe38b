"""The vision encoders: patch embedding, layers that attend inside each temporal grid, mergers.

Qwen2.5-Omni: a gated FFN and windows of 112 pixels in most layers. Qwen3-Omni: a plain FFN, whole
grids in every layer, learned positions interpolated without a matrix product, and a merger more for
each deepstack layer. The decoder adds what those give to its first layers, which takes no product
either. Sources: ``Qwen2_5OmniVisionEncoder.forward`` and ``Qwen3OmniMoeVisionEncoder.forward`` of
transformers 5.17 and 5.23.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from omnizip_cost import formulas
from omnizip_cost.cost.decoder import Op, OperatorClass
from omnizip_cost.specs.spec import VisionEncoderSpec


def window_sizes(vision: VisionEncoderSpec, height: int, width: int) -> list[int]:
    """Patches of each attention window of one temporal grid of ``height`` x ``width`` patches."""
    if vision.window_pixels is None:
        return [height * width]
    side = vision.window_pixels // vision.merge_size // vision.patch_size * vision.merge_size
    rows = [min(side, height - start) for start in range(0, height, side)]
    columns = [min(side, width - start) for start in range(0, width, side)]
    return [row * column for row in rows for column in columns]


def vision_encoder_ops(
    vision: VisionEncoderSpec, grid_thw: tuple[int, int, int] | None
) -> Iterator[Op]:
    """Ops of the vision encoder on a video of ``grid_thw`` patches (time, height, width)."""
    if grid_thw is None:
        return
    time, height, width = grid_thw
    n, d = time * height * width, vision.hidden_size
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    yield _op("convolution", 1, n, formulas.linear(n, patch, d))
    merge = vision.merge_size**2
    merged, wide = n // merge, d * merge
    merger = formulas.linear(merged, wide, wide) + formulas.linear(merged, wide, vision.output_size)
    yield _op("connector", 1, merged, (1 + vision.deepstack_mergers_run) * merger)
    # The layers come last: a row of the count shows the tokens of its last op.
    layer: dict[OperatorClass, int] = {
        "projection": formulas.projections(n, d, d, d),
        "ffn": formulas.feed_forward(n, d, vision.intermediate_size, vision.ffn_matrices),
    }
    for operator, multiply_adds in layer.items():
        yield _op(operator, vision.layers, n, vision.layers * multiply_adds)
    windows = window_sizes(vision, height, width)
    first = 0
    for whole, group in groupby(range(vision.layers), lambda i: sees_whole_grids(vision, i)):
        count = sum(1 for _ in group)
        segments = [height * width] if whole else windows
        pairs = time * sum(formulas.full_pairs_doubled(size, size) for size in segments)
        yield _op("attention", count, n, count * formulas.attention(pairs, d), first)
        first += count


def sees_whole_grids(vision: VisionEncoderSpec, layer: int) -> bool:
    """Whether a layer attends inside whole temporal grids, not inside windows of them."""
    return vision.window_pixels is None or layer in vision.full_attention_layers


def _op(
    operator: OperatorClass, layers: int, tokens: int, multiply_adds: int, first_layer: int = 0
) -> Op:
    return Op(
        component="vision_encoder",
        phase="prefill",
        operator=operator,
        layers=layers,
        first_layer=first_layer,
        tokens=tokens,
        multiply_adds=multiply_adds,
    )
