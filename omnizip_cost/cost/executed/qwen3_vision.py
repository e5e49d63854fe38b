"""Operators of the stock Qwen3-Omni vision encoder on one video.

Source: ``Qwen3OmniMoeVisionEncoder.forward``, transformers 5.23. Patches come in float32, as the
processor makes them; each patch's position is interpolated from four learned ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.cost.executed.modules import cast, layer_norm, linear, plain_ffn, residual
from omnizip_cost.cost.executed.op import (
    FLOAT32,
    INT64,
    AttentionKind,
    ExecutedOp,
    Kernel,
    Pass,
    Tensor,
    integers,
    kernel,
    placed,
    single_call,
)
from omnizip_cost.cost.executed.shape import Gemm
from omnizip_cost.cost.executed.vision import (
    Video,
    patch_places,
    rotary_angles,
    rotations,
    separate_attention,
)
from omnizip_cost.specs.spec import VisionEncoderSpec

_COMPONENT = "vision_encoder"

_TAPS = 2
"""Learned positions on each axis from which one is interpolated."""


def qwen3_vision_executed(
    vision: VisionEncoderSpec,
    grid_thw: tuple[int, int, int] | None,
    kind: AttentionKind,
    width: int,
) -> Iterator[ExecutedOp]:
    """Every operator of the encoder on a video of ``grid_thw`` patches; none without one."""
    if grid_thw is None:
        return
    time, height, across = grid_thw
    video = Video(vision=vision, time=time, height=height, width=across)
    run, n, d = single_call(video.n, width), video.n, vision.hidden_size
    ends: list[tuple[str, Iterator[Kernel]]] = [
        ("positions", _interpolation(n)),
        ("places", patch_places(video)),
        ("convolution", _patches(video, run)),
        ("rotary_table", rotary_angles(video)),
        ("layer_norm", layer_norm(run, n, d)),
        ("connector", _merger(video, run)),
    ]
    wide = d * vision.merge_size**2
    for _ in range(vision.deepstack_mergers_run):
        ends += [
            ("layer_norm", layer_norm(run, video.merged, wide)),
            ("connector", _merger(video, run)),
        ]
    for module, kernels in ends:
        yield from placed(kernels, _COMPONENT, run, module)
    parts: tuple[tuple[str, Iterator[Kernel]], ...] = (
        ("layer_norm", layer_norm(run, n, d)),
        ("projection", linear(run, "projection", n, d, 3 * d, bias=True)),
        ("rotary", rotations(video, run)),
        ("attention", separate_attention(video, run, video.grids, kind)),
        ("projection", linear(run, "projection", n, d, d, bias=True)),
        ("residual", residual(run, n, d)),
        ("layer_norm", layer_norm(run, n, d)),
        ("ffn", plain_ffn(run, n, d, vision.intermediate_size)),
        ("residual", residual(run, n, d)),
    )
    for module, kernels in parts:
        yield from placed(kernels, _COMPONENT, run, module, 0, vision.layers)


def _interpolation(n: int) -> Iterator[Kernel]:
    """Row and column of each patch, the learned positions around it, and their weights."""
    for _ in ("patches of a grid", "of the video"):
        yield integers("mul", (1, 1), 1)
    for _ in ("height", "width"):
        yield from _of_each_patch(n)
    yield integers("cumsum", (1,), 1)
    yield integers("constant_pad_nd", (0,), 1)
    yield from _of_each_patch(n)
    yield integers("sum", (1,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("arange", (), n)
    for aten in ("sub", "mul", "remainder"):
        yield integers(aten, (n, n), n)
    for aten in ("floor_divide", "remainder", "floor_divide", "remainder", "floor_divide"):
        yield integers(aten, (n,), n)
    yield integers("remainder", (n, n), n)
    yield integers("mul", (n,), n)
    yield integers("floor_divide", (n, n), n)
    for _ in ("row", "column"):
        yield integers("mul", (n,), n)
        yield integers("add", (n, n), n)
    for _ in ("row", "column"):
        yield from _taps(n)
    corners = _TAPS * _TAPS * n
    yield integers("mul", (_TAPS * n,), _TAPS * n)
    yield integers("add", (_TAPS * n, _TAPS * n), corners)
    weights = Tensor(_TAPS * n, FLOAT32)
    yield kernel("mul", "positions", (weights, weights), Tensor(corners, FLOAT32))


def _of_each_patch(n: int) -> Iterator[Kernel]:
    """One number of the video given to each of its patches."""
    yield integers("repeat_interleave", (1,), n)
    yield integers("index_select", (n, n), n)


def _taps(n: int) -> Iterator[Kernel]:
    """On one axis: where a patch lies among the learned positions, and how near to each."""
    places, floats = Tensor(n, INT64), Tensor(n, FLOAT32)
    two, wide = Tensor(_TAPS, INT64), Tensor(_TAPS * n, FLOAT32)
    yield kernel("_to_copy", "positions", (places,), floats)
    yield kernel("mul", "positions", (floats,), floats)
    yield integers("sub", (n,), n)
    yield integers("clamp", (n,), n)
    yield kernel("div", "positions", (floats, places), floats)
    yield kernel("floor", "positions", (floats,), floats)
    yield integers("arange", (), _TAPS)
    yield kernel("_to_copy", "positions", (floats,), places)
    yield integers("add", (n, _TAPS), _TAPS * n)
    yield integers("clamp", (_TAPS * n,), _TAPS * n)
    yield kernel("sub", "positions", (floats, floats), floats)
    yield kernel("sub", "positions", (floats, two), wide)
    for aten in ("abs", "rsub", "clamp"):
        yield kernel(aten, "positions", (wide,), wide)


def _patches(video: Video, run: Pass) -> Iterator[Kernel]:
    """Patches to the encoder's width, and their positions added."""
    vision, n, d = video.vision, video.n, video.vision.hidden_size
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    pixels, x = Tensor(n * patch, FLOAT32), run.numbers(n * d)
    yield from cast(pixels, run.width, "layout")
    reads = (run.numbers(n * patch), run.numbers(patch * d), run.numbers(d))
    work = formulas.linear(n, patch, d)
    shape = Gemm(m=n, n=d, k=patch)
    yield kernel("convolution", "convolution", reads, x, multiply_adds=work, shape=shape)
    corners = _TAPS * _TAPS * n
    learned, weighed = run.numbers(corners * d), Tensor(corners * d, FLOAT32)
    yield kernel("embedding", "positions", (learned, Tensor(corners, INT64)), learned)
    yield kernel("mul", "positions", (learned, Tensor(corners, FLOAT32)), weighed)
    yield kernel("sum", "positions", (weighed,), Tensor(n * d, FLOAT32))
    yield from cast(Tensor(n * d, FLOAT32), run.width, "positions")
    yield kernel("add", "positions", (x, x), x)


def _merger(video: Video, run: Pass) -> Iterator[Kernel]:
    """Four patches to one token of the decoder's width."""
    vision, merged = video.vision, video.merged
    wide = vision.hidden_size * vision.merge_size**2
    inner = run.numbers(merged * wide)
    yield from linear(run, "connector", merged, wide, wide, bias=True)
    yield kernel("gelu", "activation", (inner,), inner)
    yield from linear(run, "connector", merged, wide, vision.output_size, bias=True)
