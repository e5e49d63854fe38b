"""Whatever a method of another package answers amiss is one sentence that names it, exit 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken_methods import First, method_named
from installed_plugin import install

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.compression.method import Counts
from omnizip_cost.cost import selection_ops
from omnizip_cost.errors import PluginError
from omnizip_cost.plugin import SelectionOp

SPEC = oz.load_spec("omni-tiny")
WORK = oz.workload(SPEC, seconds=6, pixels=(112, 112))
WINDOWS = len(WORK.windows)
PAIR = {"audio_pruning": 0.5, "video_pruning": 0.5}


def _named(value: Any) -> str:
    """Name a case the same in every process: a function's text holds its address."""
    return value.__name__ if callable(value) else str(value)


def answering(name: str, answer: Any) -> First:
    """Return a sound method but for one answer: a value, or an error to raise."""

    def answered(*_: Any, **__: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    return method_named("mine", __module__="odd", **{name: answered})


def counts(**beside: Any) -> Counts:
    return Counts(video=[0] * WINDOWS, audio=[0] * WINDOWS, **beside)


def one_sentence(caught: pytest.ExceptionInfo[PluginError], words: str) -> None:
    said = str(caught.value)
    assert said.startswith("method 'mine' of module odd: ")
    assert words in said and "\n" not in said


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        ({"rates": [0.5]}, f"planned() must return rates for each of {WINDOWS} windows or for"),
        ({"retention": [0.5]}, "retention for each of"),
        ({"initial_rates": [0.5] * (WINDOWS + 1)}, "initial_rates for each of"),
        ({"rates": ["half"] * WINDOWS}, "a number or None as rates of window 0, got 'half'"),
        ({"av_kept": 10**9}, "av_kept, a whole number from 0 to"),
        ({"av_kept": -1}, "av_kept, a whole number from 0 to"),
        ({"av_kept": 1.5}, "av_kept, a whole number from 0 to"),
        ({"notes": "a text"}, "notes as a tuple of texts, got 'a text'"),
        ({"notes": (1,)}, "notes as a tuple of texts, got (1,)"),
    ],
    ids=_named,
)
def test_what_stands_beside_the_counts_is_checked(beside: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError) as caught:
        oz.plan(answering("planned", counts(**beside)), WORK, SPEC, **PAIR)
    one_sentence(caught, words)


def test_counts_may_come_as_arrays() -> None:
    half = np.full(WINDOWS, 0.5)
    arrays = Counts(
        video=np.zeros(WINDOWS, dtype=np.int64), audio=np.zeros(WINDOWS), rates=half, retention=half
    )
    plan = oz.plan(answering("planned", arrays), WORK, SPEC, **PAIR)
    listed = oz.plan(
        answering("planned", counts(rates=[0.5] * WINDOWS, retention=[0.5] * WINDOWS)),
        WORK,
        SPEC,
        **PAIR,
    )
    assert plan == listed
    assert type(plan.windows[0].video_kept) is int and type(plan.windows[0].rate) is float


@pytest.mark.parametrize(
    ("name", "answer", "asked", "words"),
    [
        ("pruning_pair", KeyError("boo"), {"retained": 0.5}, "pruning_pair() fails with KeyError"),
        ("pruning_pair", (2, -1), {"retained": 0.5}, "two ratios in [0, 1], got (2, -1)"),
        ("pruning_pair", (0.5, float("nan")), {"retained": 0.5}, "two ratios in [0, 1], got"),
        ("pruning_pair", 0.5, {"retained": 0.5}, "pruning_pair() must return (rho_a, rho_v)"),
        ("audio_expected", ValueError("no"), PAIR, "audio_expected() fails with ValueError: no"),
        ("audio_expected", "many", PAIR, "audio tokens, got 'many'"),
        ("audio_expected", 10**9, PAIR, f"0 to {WORK.audio_tokens} audio tokens, got 1000000000"),
    ],
    ids=_named,
)
def test_ratios_are_checked(name: str, answer: Any, asked: dict[str, float], words: str) -> None:
    with pytest.raises(PluginError) as caught:
        oz.plan(answering(name, answer), WORK, SPEC, **asked)
    one_sentence(caught, words)


def torn() -> Any:
    yield SelectionOp(name="sound")
    raise LookupError("half way")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (KeyError("boo"), "selection_ops() fails with KeyError"),
        (torn, "selection_ops() fails with LookupError: half way"),
        (lambda: SelectionOp(name="x", kernels=-5), "fails with selection step 'x': kernels"),
        (5, "selection_ops() fails with TypeError"),
        ([1, 2], "must return named SelectionOps, or None, got 1"),
        ("steps", "must return named SelectionOps, or None, got 's'"),
        ([SelectionOp(name=3)], "must return named SelectionOps"),  # type: ignore[arg-type]
    ],
    ids=_named,
)
def test_steps_are_checked(answer: Any, words: str) -> None:
    plan = oz.plan(answering("selection_ops", answer), WORK, SPEC, retained=0.5)
    with pytest.raises(PluginError) as caught:
        selection_ops(SPEC, plan)
    one_sentence(caught, words)


def test_an_object_whose_name_cannot_be_read_is_one_sentence() -> None:
    nameless = type("Nameless", (First,), {"name": property(lambda self: 1 / 0)})
    with pytest.raises(PluginError, match=r"'Nameless' of module .*: reading its name fails with"):
        oz.plan(nameless(), WORK, SPEC, **PAIR)


SOURCE = """
from omnizip_cost.plugin import Counts, Method
class Whole(Method):
    name, title, answers, source = "mine", "Whole", "keeps all", "tests"
    def planned(self, request):
        return Counts(video=request.video_sizes, audio=request.audio_sizes)
    def select(self, request):
        return request.keep(video=range(request.video_tokens), audio=range(request.audio_tokens))
"""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "    def selection_ops(self, plan, spec): raise KeyError('boo')\n",
            "selection_ops() fails",
        ),
        ("    def selection_ops(self, plan, spec): return [1]\n", "selection_ops() must return"),
        ("    def pruning_pair(self, retained): return .1, .1\n", "pruning_pair() fails with"),
    ],
    ids=["raises", "no steps", "signature"],
)
def test_flops_and_the_check_agree(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: str,
    words: str,
) -> None:
    module = f"answers_{tmp_path.name}".replace("-", "_")
    place = install(
        tmp_path / "site",
        package="odd-package",
        modules={module: SOURCE + more},
        methods={"mine": f"{module}:Whole"},
    )
    monkeypatch.syspath_prepend(str(place))
    clip = ["--model", "omni-tiny", "--seconds", "4", "--pixels", "112x112"]
    assert run(["flops", *clip, "--method", "mine", "--retained", "0.5"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"omnizip-cost: method 'mine' of module {module}: ") and words in said
    assert said.count("\n") == 1
    assert run(["methods", "mine", "--check"]) == 2
    assert "stated" in capsys.readouterr().err
