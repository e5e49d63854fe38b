"""FastV's two forms: the same tokens, and memory that grows with h * n^2 or with n."""

from __future__ import annotations

from typing import Any
from weakref import ref

import pytest
import torch
from tiny_thinker import tiny_inputs, tiny_thinker
from torch.utils._python_dispatch import TorchDispatchMode

from omnizip_cost.runtime.compressed import compressed
from omnizip_cost.runtime.fastv_layers import last_token_attention

HEADS, KV_HEADS, HEAD_DIM = 8, 2, 16


class PeakBytes(TorchDispatchMode):
    """Most bytes alive at once in storage made inside the block, however many tensors view it."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._made: set[int] = set()
        self._tensors: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {_place(part) for part in args if isinstance(part, torch.Tensor)}
        for part in out if isinstance(out, tuple | list) else (out,):
            if _place(part) not in given:
                self._made.add(_place(part))
            if _place(part) in self._made:
                self._tensors.append(ref(part))
        alive = [tensor for made in self._tensors if (tensor := made()) is not None]
        sizes = {_place(tensor): tensor.untyped_storage().nbytes() for tensor in alive}
        self.peak = max(self.peak, sum(sizes.values()))
        return out


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def peak_bytes(n: int, form: Any, dtype: torch.dtype) -> int:
    generator = torch.Generator().manual_seed(n)
    query = torch.randn(HEADS, n, HEAD_DIM, generator=generator).to(dtype)
    key = torch.randn(KV_HEADS, n, HEAD_DIM, generator=generator).to(dtype)
    with torch.no_grad(), PeakBytes() as meter:
        last_token_attention(query, key, scaling=HEAD_DIM**-0.5, form=form)
    return meter.peak


def linear(n: int) -> int:
    """Bytes of the keys, repeated to all heads, and of a few rows: what either form needs."""
    return 4 * n * HEADS * (HEAD_DIM + 4)


def test_the_meter_counts_what_is_alive() -> None:
    with PeakBytes() as meter:
        one = torch.zeros(1000)
        view = one[:10]
        del one, view
        torch.zeros(600) + 1
    assert meter.peak == 4800


@pytest.mark.parametrize(
    ("dtype", "each"),
    [(torch.float32, 8), (torch.bfloat16, 10)],
    ids=["float32", "bfloat16"],
)
def test_materialised_holds_eight_bytes_per_head_and_pair(dtype: torch.dtype, each: int) -> None:
    """In bfloat16 a CPU's softmax first makes a float32 copy, which CUDA's does not: 10, not 8."""
    for n in (128, 256, 512):
        pairs, found = HEADS * n * n, peak_bytes(n, "materialised", dtype)
        assert each * pairs <= found <= each * pairs + n * n + linear(n)


def test_a_doubled_length_quadruples_the_one_and_doubles_the_other() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        whole = [peak_bytes(n, "materialised", dtype) for n in (512, 1024)]
        assert whole[1] / whole[0] == pytest.approx(4, rel=0.02)
        row = [peak_bytes(n, "last-query", dtype) for n in (512, 1024)]
        assert row[1] / row[0] == pytest.approx(2, rel=0.02)
        assert row[1] <= linear(1024) < whole[1] / 40


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_both_forms_weigh_tokens_alike(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(HEADS, 400, HEAD_DIM, generator=generator).to(dtype)
    key = torch.randn(KV_HEADS, 400, HEAD_DIM, generator=generator).to(dtype)
    both = [
        last_token_attention(query, key, scaling=HEAD_DIM**-0.5, form=form)
        for form in ("materialised", "last-query")
    ]
    by_hand = query[:, -1:].double() @ key.double().repeat_interleave(4, 0).transpose(1, 2)
    expected = (by_hand[:, 0] * HEAD_DIM**-0.5).softmax(-1)
    rounding = 1e-5 if dtype == torch.float32 else 2**-6
    for found in both:
        assert found.dtype == dtype and found.shape == (HEADS, 400)
        torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_both_forms_select_the_same_tokens_inside_a_real_thinker(dtype: torch.dtype) -> None:
    thinker = tiny_thinker().to(dtype)
    for seconds in (2, 5, 9, 24):
        inputs = _as(tiny_inputs(seconds=seconds), dtype)
        for retained in (0.35, 0.5):
            kept = []
            for form in ("materialised", "last-query"):
                settings: Any = {"retained": retained, "fastv_layer": 2, "fastv_form": form}
                with torch.no_grad(), compressed(thinker, "fastv", **settings) as handle:
                    thinker(**inputs)
                assert handle.last is not None
                assert handle.last.kept_tokens == int(handle.last.keep.sum())
                kept.append(handle.last.keep)
            assert torch.equal(*kept), (seconds, retained)
            assert not kept[0].all()


def _as(inputs: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    features = ("input_features", "pixel_values_videos")
    return {key: value.to(dtype) if key in features else value for key, value in inputs.items()}
