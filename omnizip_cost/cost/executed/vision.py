"""Operators of the stock Qwen2.5-Omni vision encoder on one video.

Source: ``Qwen2_5OmniVisionEncoder.forward``, transformers 5.17 and 5.23, whose operators are the
same. Patches come in float32, as the processor makes them. The order of windows is worked out
where the grid's sizes are, often on the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from omnizip_cost import formulas
from omnizip_cost.cost.encoders import window_sizes
from omnizip_cost.cost.executed.attention import Heads, block_attention
from omnizip_cost.cost.executed.modules import (
    cast,
    gated_ffn,
    linear,
    lookup,
    residual,
    rms_norm,
)
from omnizip_cost.cost.executed.op import (
    BOOL,
    FLOAT32,
    INT32,
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
from omnizip_cost.cost.executed.rotary import rotation
from omnizip_cost.cost.executed.shape import Gemm
from omnizip_cost.specs.spec import VisionEncoderSpec

_COMPONENT = "vision_encoder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """Sizes of one video in the encoder."""

    vision: VisionEncoderSpec
    time: int
    height: int
    width: int

    @property
    def grid(self) -> int:
        """Patches of one temporal grid."""
        return self.height * self.width

    @property
    def n(self) -> int:
        """Patches of the video."""
        return self.time * self.grid

    @property
    def merged(self) -> int:
        """Video tokens."""
        return int(self.n // self.vision.merge_size**2)

    @property
    def windows(self) -> list[int]:
        """Patches of every window."""
        return window_sizes(self.vision, self.height, self.width) * self.time

    @property
    def grids(self) -> list[int]:
        """Patches of every temporal grid."""
        return [self.grid] * self.time

    @property
    def head_dim(self) -> int:
        """Size of a head."""
        return self.vision.hidden_size // self.vision.heads


def vision_executed(
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
    run = single_call(video.n, width)
    d = vision.hidden_size
    ends: tuple[tuple[str, Iterator[Kernel]], ...] = (
        ("places", patch_places(video)),
        ("windows", _window_order(video)),
        ("convolution", _patches(video, run)),
        ("rotary_table", _rotary_table(video)),
        ("rms_norm", rms_norm(run, video.n, d)),
        ("connector", _merger(video, run)),
    )
    for module, kernels in ends:
        yield from placed(kernels, _COMPONENT, run, module)
    parts: tuple[tuple[str, Iterator[Kernel]], ...] = (
        ("rms_norm", rms_norm(run, video.n, d)),
        ("projection", _inputs(run, video.n, d)),
        ("rotary", rotations(video, run)),
        ("projection", linear(run, "projection", video.n, d, d, bias=True)),
        ("residual", residual(run, video.n, d)),
        ("rms_norm", rms_norm(run, video.n, d)),
        ("ffn", gated_ffn(run, video.n, d, vision.intermediate_size, bias=True)),
        ("residual", residual(run, video.n, d)),
    )
    for module, kernels in parts:
        yield from placed(kernels, _COMPONENT, run, module, 0, vision.layers)
    first = 0
    for whole, group in groupby(range(vision.layers), lambda i: i in vision.full_attention_layers):
        layers = sum(1 for _ in group)
        blocks = video.grids if whole else video.windows
        kernels = separate_attention(video, run, blocks, kind)
        yield from placed(kernels, _COMPONENT, run, "attention", first, layers)
        first += layers


def patch_places(video: Video) -> Iterator[Kernel]:
    """Row and column of each patch, in the order of the merger; bounds of the grids."""
    grid, n, time = video.grid, video.n, video.time
    for side in (video.height, video.width):
        yield integers("arange", (), side)
        yield integers("clone", (side,), grid)
    yield integers("stack", (2 * grid,), 2 * grid)
    yield integers("repeat", (2 * grid,), 2 * n)
    yield integers("cat", (2 * n,), 2 * n)
    yield integers("mul", (1, 1), 1)
    yield integers("repeat_interleave", (1,), time)
    yield integers("index_select", (time, time), time)
    yield kernel("cumsum", "indexing", (Tensor(time, INT64),), Tensor(time, INT32))
    yield kernel("constant_pad_nd", "indexing", (Tensor(time, INT32),), Tensor(time + 1, INT32))


def _window_order(video: Video) -> Iterator[Kernel]:
    """Tokens sorted by window: the grid padded to whole windows (one more where it fits)."""
    vision, merged = video.vision, video.merged
    side = (vision.window_pixels or 0) // vision.merge_size // vision.patch_size
    across = [size // vision.merge_size // side + 1 for size in (video.height, video.width)]
    windows = video.time * across[0] * across[1]
    padded = windows * side * side
    bounds = Tensor(windows + 1, INT32)
    filled = Tensor(padded, BOOL)
    yield integers("arange", (), merged)
    yield integers("constant_pad_nd", (merged,), padded)
    if across[1] > 1 and side > 1:
        yield integers("clone", (padded,), padded)
    for _ in ("how many in each", "which"):
        yield kernel("ne", "indexing", (Tensor(padded, INT64),), filled)
    yield kernel("sum", "indexing", (filled,), Tensor(windows, INT64), whole=True)
    yield lookup(Tensor(merged, INT64), filled, "indexing")
    yield integers("add", (merged,), merged)
    for aten in ("cumsum", "mul", "add"):
        yield integers(aten, (windows,), windows)
    yield integers("cat", (merged,), merged)
    distinct = Tensor(len(video.windows) + 1, INT32)
    yield kernel("unique_consecutive", "indexing", (bounds,), distinct)
    yield integers("sort", (merged,), merged, merged)


def _patches(video: Video, run: Pass) -> Iterator[Kernel]:
    """Patches to the encoder's width, then sorted by window."""
    vision = video.vision
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    pixels, x = Tensor(video.n * patch, FLOAT32), run.numbers(video.n * vision.hidden_size)
    yield from cast(pixels, run.width, "layout")
    reads = (run.numbers(pixels.numbers), run.numbers(patch * vision.hidden_size))
    work = formulas.linear(video.n, patch, vision.hidden_size)
    shape = Gemm(m=video.n, n=vision.hidden_size, k=patch)
    yield kernel("convolution", "convolution", reads, x, multiply_adds=work, shape=shape)
    yield lookup(x, Tensor(video.merged, INT64), "layout")


def _rotary_table(video: Video) -> Iterator[Kernel]:
    """Cosines and sines of rows and columns, sorted by window."""
    yield from rotary_angles(video)
    table = Tensor(video.n * (video.head_dim // 4) * 4, FLOAT32)
    for _ in ("cos", "sin"):
        yield lookup(table, Tensor(video.merged, INT64), "rotary")


def rotary_angles(video: Video) -> Iterator[Kernel]:
    """Cosines and sines of rows and columns, in float32."""
    n, quarter = video.n, video.head_dim // 4
    places, angles = Tensor(2 * n, FLOAT32), Tensor(2 * n * quarter, FLOAT32)
    table = Tensor(n * 4 * quarter, FLOAT32)
    yield kernel("_to_copy", "rotary", (Tensor(2 * n, INT64),), places)
    yield kernel("mul", "rotary", (places, Tensor(quarter, FLOAT32)), angles)
    for function in ("cos", "sin"):
        yield kernel(function, "rotary", (angles,), angles)
        yield kernel("mul", "rotary", (angles,), angles)
        yield kernel("cat", "rotary", (angles,), angles)
        yield kernel("cat", "rotary", (table,), table)


def _inputs(run: Pass, n: int, d: int) -> Iterator[Kernel]:
    for _ in ("queries", "keys", "values"):
        yield from linear(run, "projection", n, d, d, bias=True)


def rotations(video: Video, run: Pass) -> Iterator[Kernel]:
    """Queries and keys turned in float32."""
    x = run.numbers(video.n * video.vision.hidden_size)
    wide, table = Tensor(x.numbers, FLOAT32), Tensor(video.n * video.head_dim, FLOAT32)
    for _ in ("queries", "keys"):
        yield from cast(x, FLOAT32, "rotary")
        yield from rotation(wide, table)
        yield from cast(wide, run.width, "rotary")


def separate_attention(
    video: Video, run: Pass, blocks: list[int], kind: AttentionKind
) -> Iterator[Kernel]:
    """Each window, or each grid, by itself; then all results put together."""
    vision = video.vision
    heads = Heads(heads=vision.heads, kv_heads=vision.heads, head_dim=video.head_dim, causal=False)
    bounds, x = Tensor(len(blocks), INT32), run.numbers(video.n * vision.hidden_size)
    yield kernel("sub", "indexing", (bounds, bounds), bounds, whole=True)
    yield from block_attention(run.width, heads, blocks, kind)
    yield kernel("cat", "layout", (x,), x)


def _merger(video: Video, run: Pass) -> Iterator[Kernel]:
    """Four patches to one token of the decoder's width, back in the video's order."""
    vision, merged = video.vision, video.merged
    wide = vision.hidden_size * vision.merge_size**2
    inner = run.numbers(merged * wide)
    yield from linear(run, "connector", merged, wide, wide, bias=True)
    yield kernel("gelu", "activation", (inner,), inner)
    yield from linear(run, "connector", merged, wide, vision.output_size, bias=True)
    rows = run.numbers(merged * vision.output_size)
    yield lookup(rows, Tensor(merged, INT64), "layout")
