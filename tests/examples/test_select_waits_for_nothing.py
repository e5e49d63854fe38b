"""With a layout at hand, selecting never makes the host wait for the device.

Shown three ways, none of which needs an accelerator: no operation or method that reads a value is
called on the way; prompts on the ``meta`` device, which hold no values, go all the way through;
and the operations and their shapes are the same whatever the numbers are. The survivors' positions
are the one thing that is waited for, once, when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from typing import Any

import pytest
import torch
from golden.layouts import AUDIO, CASES, VIDEO, Case
from torch.utils._python_dispatch import TorchDispatchMode

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.scores import audio_scores
from omnizip_cost.runtime.selection import Layout, Selection, read_layout, rows, select

READS = (
    *("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select"),
    *("_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount"),
)
"""ATen operations whose result, or whose size, the host has to wait for."""

ASKS = (
    *("item", "tolist", "numpy", "cpu", "__array__", "__bool__", "__int__"),
    *("__float__", "__index__", "__contains__"),
)
"""Methods of a tensor by which Python sees its values."""


class HostWaitError(AssertionError):
    """Something asked for a value."""


class Trace(TorchDispatchMode):
    """Every operation with the shapes it made; raises where one waits for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[str, tuple[tuple[int, ...], ...]]] = []
        self.largest = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        refuse(func, args, kwargs)
        out = func(*args, **kwargs)
        made = [
            item
            for item in (out if isinstance(out, (tuple, list)) else (out,))
            if isinstance(item, torch.Tensor)
        ]
        self.largest = max([self.largest, *(item.numel() for item in made if owns(item, args))])
        self.operations.append((str(func), tuple(tuple(item.shape) for item in made)))
        return out


def owns(made: torch.Tensor, args: Any) -> bool:
    """Whether an operation's result is memory of its own and no view of what it was given."""
    storage = made.untyped_storage()._cdata
    given = [item for item in args if isinstance(item, torch.Tensor)]
    return all(item.untyped_storage()._cdata != storage for item in given)


def refuse(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Raise for an operation that waits: reads, masks as indices, sizes that depend on values."""
    operation = func.overloadpacket.__name__
    if operation in READS:
        raise HostWaitError(operation)
    if operation in ("index", "index_put", "index_put_", "_index_put_impl_"):
        masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
        if masks:
            raise HostWaitError(f"{operation} by a mask")
    if operation == "repeat_interleave" and kwargs.get("output_size") is None:
        raise HostWaitError("repeat_interleave without output_size")
    target = kwargs.get("device")
    if operation == "_to_copy" and target is not None:
        source = args[0].device.type
        if source == "meta" and torch.device(target).type != "meta":
            raise HostWaitError("copy to the host")
        if source != torch.device(target).type and not kwargs.get("non_blocking"):
            raise HostWaitError("copy to the device that is waited for")


@contextmanager
def no_wait() -> Iterator[Trace]:
    """Run with every way to see a value blocked."""
    with pytest.MonkeyPatch.context() as patch, Trace() as trace:
        for asked in ASKS:
            patch.setattr(torch.Tensor, asked, asking(asked))
        for owner, maker in ((torch, "tensor"), (torch, "as_tensor"), (torch.Tensor, "new_tensor")):
            patch.setattr(owner, maker, making(getattr(owner, maker)))
        yield trace


def asking(method: str) -> Callable[..., Any]:
    def ask(*args: Any, **kwargs: Any) -> Any:
        raise HostWaitError(method)

    return ask


def making(real: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Refuse numbers of the host put on a device as they are made: that copy is waited for."""

    def make(*args: Any, **kwargs: Any) -> torch.Tensor:
        made = real(*args, **kwargs)
        if made.device.type != "cpu" and not isinstance(args[-1], torch.Tensor):
            raise HostWaitError("made on the device from numbers of the host")
        return made

    return make


def layout_of(case: Case) -> Layout:
    return read_layout(
        case.ids, audio_id=AUDIO, video_id=VIDEO, tokens_per_grid=case.tokens_per_grid
    )


def selecting(
    method: str, case: Case, device: str = "cpu", seed: int = 0, **way: Any
) -> Callable[[], Selection]:
    """Return the call, with everything it needs already on the device."""
    other = replace(case, seed=seed)
    layout, embeddings = layout_of(case), other.embeddings().to(device)
    scores = other.audio_scores().to(device)
    random = torch.Generator().manual_seed(seed)
    video_scores = torch.rand(layout.video_tokens, generator=random).to(device)
    return lambda: select(
        method,
        embeddings,
        scores,
        layout,
        video_scores=video_scores,
        audio_pruning=case.rho_a,
        video_pruning=case.rho_v,
        anchor_share=case.anchor_share,
        merge=case.merge,
        **way,
    )


WAYS = [
    ("omnizip", {"mode": "official"}),
    ("omnizip", {"mode": "paper"}),
    ("omnizip", {"mode": "paper", "rounding": "largest-remainder"}),
    ("random", {}),
    ("dycoke", {}),
    ("visionzip", {}),
    ("full", {}),
]
ways = pytest.mark.parametrize(
    ("method", "way"), WAYS, ids=["-".join([method, *way.values()]) for method, way in WAYS]
)
some = pytest.mark.parametrize("case", CASES[::4], ids=attrgetter("label"))


@ways
@some
def test_nothing_reads_a_value(method: str, way: dict[str, str], case: Case) -> None:
    work = selecting(method, case, **way)
    with no_wait() as trace:
        found = work()
    assert torch.equal(found.keep, work().keep)
    assert trace.operations


@ways
@pytest.mark.parametrize("case", CASES, ids=attrgetter("label"))
def test_a_prompt_without_values_is_selected_from(
    method: str, way: dict[str, str], case: Case
) -> None:
    """Merged rows and survivors' mask have their shapes before anything has been computed."""
    work = selecting(method, case, device="meta", **way)
    with no_wait():
        found = work()
        held = found.embeddings
    assert found.keep.device.type == held.device.type == "meta"
    assert found.keep.dtype == torch.bool
    assert found.keep.shape == case.ids.shape
    assert held.shape == (len(case.ids), case.width)


@ways
@some
def test_the_same_operations_whatever_the_numbers(
    method: str, way: dict[str, str], case: Case
) -> None:
    """No branch, no loop and no size looks at the data."""
    traces = []
    for seed in (1, 2, 3):
        work = selecting(method, case, seed=seed, **way)
        with Trace() as trace:
            work()
        traces.append(trace.operations)
    assert traces[0] == traces[1] == traces[2]


@ways
def test_survivors_are_waited_for_once(method: str, way: dict[str, str]) -> None:
    waits = []
    found = selecting(method, Case(windows=3, audio=50), **way)()
    with pytest.MonkeyPatch.context() as patch:
        for asked in ASKS:
            real = getattr(torch.Tensor, asked)
            patch.setattr(
                torch.Tensor,
                asked,
                lambda *args, real=real, asked=asked: (waits.append(asked), real(*args))[1],
            )
        places = found.survivors()
        rows_kept = found.gather()
        again = found.survivors()
    assert waits == ["tolist"]
    assert again is places
    expected = torch.nonzero(found.keep)[:, 0]
    assert torch.equal(places, expected)
    assert torch.equal(rows_kept, found.embeddings[expected])
    merged = (found.embeddings != Case(windows=3, audio=50).embeddings()).any(dim=1)
    assert bool(merged.any()) == (method in ("omnizip", "visionzip"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@ways
@some
def test_cuda_sees_no_wait_and_chooses_as_the_cpu(
    method: str, way: dict[str, str], case: Case
) -> None:
    work = selecting(method, case, "cuda", **way)
    work()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = work()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(found.keep.cpu(), selecting(method, case, **way)().keep)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_bad_scores_are_refused_when_survivors_are_asked_for(bad: float) -> None:
    case = CASES[1]
    scores = case.audio_scores()
    scores[3] = bad
    rows_given, layout = case.embeddings(), layout_of(case)
    with no_wait():
        found = select("omnizip", rows_given, scores, layout, audio_pruning=0.4, video_pruning=0.6)
    with pytest.raises(InvalidValueError, match="scores must be finite"):
        found.survivors()
    with pytest.raises(InvalidValueError, match="scores must be finite"):
        found.gather()


# -- the witness itself --------------------------------------------------------------------------

NUMBERS = torch.arange(6.0)
WAITING: dict[str, Callable[[torch.Tensor], Any]] = {
    "item": lambda x: x[1].item(),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "bool": lambda x: 1 if x[1] > 0 else 2,
    "int": lambda x: int(x[1]),
    "float": lambda x: float(x[1]),
    "index": lambda x: [1, 2, 3][x.long()[1]],
    "in": lambda x: 3 in x,
    "cpu": lambda x: x.cpu(),
    "mask": lambda x: x[x > 2],
    "mask written": lambda x: x.clone().__setitem__(x > 2, x[3:]),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 2),
    "masked_select": lambda x: x.masked_select(x > 2),
    "unique": lambda x: x.unique(),
    "equal": lambda x: torch.equal(x, x),
    "bincount": lambda x: x.long().bincount(),
    "repeat": lambda x: x.repeat_interleave(torch.arange(6)),
    "blocking copy": lambda x: x.to("meta"),
    "built on the device": lambda x: torch.tensor([1, 2], device="meta"),
    "new on the device": lambda x: x.to("meta", non_blocking=True).new_tensor([1, 2]),
    "as a tensor on the device": lambda x: torch.as_tensor([1, 2], device="meta"),
    "copy back": lambda x: x.to("meta", non_blocking=True).to("cpu"),
}


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING.keys())
def test_every_kind_of_wait_is_caught(waiting: Callable[[torch.Tensor], Any]) -> None:
    with no_wait(), pytest.raises(HostWaitError):
        waiting(NUMBERS)


def test_what_does_not_wait_is_let_through() -> None:
    with no_wait() as trace:
        NUMBERS[torch.tensor([1, 2])].sort().values.cumsum(0).to("meta", non_blocking=True)
        NUMBERS.repeat_interleave(torch.full((6,), 2), output_size=12)
    assert trace.largest == 12


# -- memory --------------------------------------------------------------------------------------


def prompt_on_meta(windows: int, width: int = 3584) -> tuple[torch.Tensor, torch.Tensor, Layout]:
    """Real sizes: 288 video and 50 audio tokens in each window, and not a byte of them."""
    case = Case(windows=windows, grids=2, audio=50, tokens_per_grid=144)
    layout = layout_of(case)
    embeddings = torch.empty(layout.length, width, device="meta")
    return embeddings, torch.empty(layout.audio_tokens, device="meta"), layout


@pytest.mark.parametrize("mode", ["official", "paper"])
def test_no_temporary_grows_faster_than_the_prompt(mode: str) -> None:
    """At 3,384 and 162,243 tokens; 2**25 elements are 128 MB, the rows themselves 2.3 GB."""
    for windows in (10, 480):
        embeddings, scores, layout = prompt_on_meta(windows)
        with no_wait() as trace:
            select(
                "omnizip",
                embeddings,
                scores,
                layout,
                audio_pruning=0.4,
                video_pruning=0.7,
                mode=mode,
            )
        left_over = round(0.4 * layout.audio_tokens) * embeddings.shape[1]
        assert trace.largest <= max(rows.DEVICE_BLOCK_ELEMENTS, left_over)


@pytest.mark.parametrize("mode", ["official", "paper"])
def test_audio_scores_take_memory_linear_in_the_clip(mode: str) -> None:
    """1, 4 and 16 minutes of Qwen2.5-Omni's encoder: 20 heads of 64, 50 positions a second."""
    largest = []
    for minutes in (1, 4, 16):
        positions = minutes * 3_000
        states = torch.empty(20, positions, 64, device="meta")
        with no_wait() as trace:
            scores = audio_scores(
                states, states, [100] * (positions // 100), scaling=0.125, mode=mode
            )
        assert scores.shape == (positions // 2,)
        largest.append(trace.largest)
        assert trace.largest <= max(rows.DEVICE_BLOCK_ELEMENTS, 20 * 64 * positions)
    assert largest[2] <= 4 * largest[1]
