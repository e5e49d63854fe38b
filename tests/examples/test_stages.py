"""No stage is inside another's time, on invented modules and on the real compressed thinker."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from profiling_fixtures import FASTV, FULL, LAYERS, OMNIZIP, RANDOM, WorkClock, inputs, thinker
from torch import nn

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.profiling.cell import Cell
from omnizip_cost.profiling.clock import RecordedClock
from omnizip_cost.profiling.stages import (
    MemoryLedger,
    TimeLedger,
    run_pass,
    stage_hooks,
    thinker_parts,
)
from omnizip_cost.runtime import fastv_layers, session
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_decoder_layers,
    find_lm_head,
    find_text_model,
    find_vision_encoder,
)

STEPS = 3


@pytest.fixture(scope="module")
def model() -> Any:
    return thinker()


def hooks_on(model: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    )


def test_nested_stages_share_no_time() -> None:
    ledger = TimeLedger(RecordedClock([0, 1, 3, 6, 10, 15]))
    ledger.start("outer")
    ledger.start("inner")
    ledger.stop("inner")
    ledger.start("inner")
    assert ledger.current == "inner"
    ledger.stop("inner")
    ledger.stop("outer")
    assert ledger.current is None
    assert ledger.seconds() == {"outer": 1 + 3 + 5, "inner": 2 + 4}


def test_time_between_stages_counts_for_none() -> None:
    clock = RecordedClock([0, 1, 100, 102])
    ledger = TimeLedger(clock)
    for stage in ("first", "second"):
        ledger.start(stage)
        ledger.stop(stage)
    assert clock.synchronised == 0, "the device is awaited once, after all work is given to it"
    assert ledger.seconds() == {"first": 1, "second": 2}
    assert clock.synchronised == 1


def test_stages_close_in_order() -> None:
    ledger = TimeLedger(RecordedClock(range(9)))
    ledger.start("outer")
    ledger.start("inner")
    with pytest.raises(InvalidValueError, match="the open stage 'inner', got 'outer'"):
        ledger.stop("outer")


def test_hooks_hear_modules_and_leave_them() -> None:
    inner, outer = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))
    outer.append(inner)
    heard: list[str] = []

    class Listener:
        def start(self, stage: str) -> None:
            heard.append(f"+{stage}")

        def stop(self, stage: str) -> None:
            heard.append(f"-{stage}")

    with stage_hooks([(outer, "outer"), (inner, "inner")], Listener()):
        first = outer(torch.ones(1, 2))
    assert heard == ["+outer", "+inner", "-inner", "-outer"]
    assert torch.equal(outer(torch.ones(1, 2)), first)
    assert len(heard) == 4
    assert hooks_on(outer) == 0


class FakeMeter:
    """Memory use that a test sets; peaks are those since the last reset."""

    source = "invented"

    def __init__(self) -> None:
        self.now = self.most = 0

    def use(self, size: int) -> None:
        self.now = size
        self.most = max(self.most, size)

    def reset(self) -> None:
        self.most = self.now

    def peaks(self) -> dict[str, int]:
        return {"resident_bytes": self.most}

    def close(self) -> None:
        pass


def test_a_peak_counts_for_the_stage_it_fell_in() -> None:
    meter = FakeMeter()
    ledger = MemoryLedger(meter)
    meter.use(900)
    meter.use(100)
    ledger.start("outer")
    meter.use(150)
    ledger.start("inner")
    meter.use(700)
    meter.use(120)
    ledger.stop("inner")
    meter.use(130)
    ledger.stop("outer")
    assert ledger.peaks == {"outer": {"resident_bytes": 150}, "inner": {"resident_bytes": 700}}


def seconds_of(model: Any, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Stage times when each part of the thinker takes a known time on an invented clock."""
    clock = WorkClock()
    handles: list[Any] = []

    def takes(module: nn.Module, seconds: float) -> None:
        handles.append(module.register_forward_hook(lambda *_: clock.work(seconds)))

    def also(owner: ModuleType, name: str, seconds: float) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            clock.work(seconds)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapped)

    takes(find_audio_encoder(model).layers[0], 1000)
    takes(find_vision_encoder(model).blocks[0], 2000)
    takes(find_text_model(model).get_input_embeddings(), 1)
    takes(find_lm_head(model), 300)
    for layer in find_decoder_layers(model):
        takes(layer, 10)
    also(session, "select", 50)
    also(fastv_layers, "fastv_keep", 60)
    ledger = TimeLedger(clock)
    try:
        run_pass(model, inputs().kwargs(), cell, decode_steps=STEPS, ledger=ledger)
    finally:
        for handle in handles:
            handle.remove()
    return ledger.seconds()


@pytest.mark.parametrize(
    ("cell", "selection"), [(FULL, None), (RANDOM, 50), (OMNIZIP, 50), (FASTV, 60)]
)
def test_each_stage_holds_its_own_work(
    model: Any, cell: Cell, selection: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = seconds_of(model, cell, monkeypatch)
    # The stock thinker embeds tokens outside its decoder; where nothing is pruned, looking at
    # the prompt is no selection and falls there too.
    assert found.pop("assembly") == 1 + (50 if cell is FULL else 0)
    assert found.pop("selection", None) == selection
    assert found == {
        "audio_encoder": 1000,
        "vision_encoder": 2000,
        "prefill": 10 * LAYERS + 300,
        "decode": STEPS * (10 * LAYERS + 300 + 1),
    }


def test_a_silent_clip_has_no_audio_stage(model: Any) -> None:
    ledger = TimeLedger(RecordedClock(range(1000)))
    kept = run_pass(model, inputs(pixels=None).kwargs(), RANDOM, decode_steps=0, ledger=ledger)
    assert list(ledger.seconds()) == ["assembly", "audio_encoder", "selection", "prefill"]
    assert (kept.video_tokens, kept.audio_tokens) == (0, 100)


def test_a_pass_leaves_the_model_as_it_was(model: Any) -> None:
    before = hooks_on(model)
    call = inputs().kwargs()
    with torch.inference_mode():
        logits = model(**call).logits
    run_pass(model, call, OMNIZIP, decode_steps=2, ledger=TimeLedger(RecordedClock(range(999))))
    assert hooks_on(model) == before
    with torch.inference_mode():
        assert torch.equal(model(**call).logits, logits)


def test_hooks_go_also_after_an_error(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hooks_on(model)
    ledger = TimeLedger(RecordedClock(range(999)))

    def fail(*args: object, **kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr(session, "select", fail)
    try:
        raise KeyError  # a pass may well run while another error is being handled
    except KeyError:
        with pytest.raises(MemoryError):
            run_pass(model, inputs().kwargs(), OMNIZIP, decode_steps=1, ledger=ledger)
    assert ledger.current == "selection"
    assert hooks_on(model) == before


def test_parts_are_found_by_class(model: Any) -> None:
    names = [stage for _, stage in thinker_parts(model)]
    assert names == ["audio_encoder", "vision_encoder", "prefill", "prefill"]
