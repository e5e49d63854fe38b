"""Every counter on a module whose FLOPs are known by hand, and what a reading makes of it.

The module has one linear layer and one attention, no bias and nothing elementwise, so that the
tools can differ in one thing only: whether they see attention. Tools not installed are skipped.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import flop_registry

import omnizip_cost as oz

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
NAMES = (
    "FlopCounterMode, meta",
    "FlopCounterMode, math",
    "FlopCounterMode, CPU",
    "torch.profiler",
    "calflops",
    "fvcore",
    "thop",
    "ptflops, aten",
    "ptflops, pytorch",
)
SEE_FUSED = NAMES[:2]
SEE_WRITTEN_OUT = tuple(name for name in NAMES if name != "thop")

N, HEADS, SIZE = 6, 2, 8
WIDTH = HEADS * SIZE
LINEAR = 2 * N * WIDTH * WIDTH
ATTENTION = 2 * 2 * N * N * WIDTH
"""Scores and values, each n^2 multiply-adds of the width, 2 FLOPs each."""


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ANALYSIS)
    import counters_tools

    return counters_tools


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ANALYSIS)
    import counters

    return counters


class Attending(nn.Module):
    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.linear = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        x = self.linear(states).view(1, N, HEADS, SIZE).transpose(1, 2)
        if self.fused:
            return functional.scaled_dot_product_attention(x, x, x)
        return torch.matmul(torch.matmul(x, x.transpose(2, 3)), x)


def test_the_tools_are_those_of_this_table(tools: Any) -> None:
    assert tuple(tool.name for tool in tools.TOOLS) == NAMES


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "written out"])
@pytest.mark.parametrize("name", NAMES)
def test_a_known_module(tools: Any, name: str, fused: bool) -> None:
    tool = next(tool for tool in tools.TOOLS if tool.name == name)
    if tool.version() is None:
        pytest.skip(f"{tool.package} is not installed: its reading is not checked")
    device = "meta" if tool.fixed else "cpu"
    with torch.device(device):
        module, states = Attending(fused=fused).eval(), torch.zeros(1, N, WIDTH)
    flops = tool.ask(module, {"states": states}) * tools.FLOPS_EACH[tool.reports]
    sees = name in (SEE_FUSED if fused else SEE_WRITTEN_OUT)
    assert flops == LINEAR + ATTENTION * sees


def test_torch_has_a_formula_for_the_fused_kernels_of_a_gpu_and_none_for_a_cpus() -> None:
    """Why FlopCounterMode misses attention on a CPU alone."""
    names = {str(op).removeprefix("aten.") for op in flop_registry}
    fused = {name for name in names if name.startswith("_scaled_dot_product_")}
    assert {
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
    } <= fused
    assert "_scaled_dot_product_flash_attention_for_cpu" not in names


def test_a_failing_tool_is_a_row_and_leaves_nothing_behind(tools: Any, program: Any) -> None:
    before = functional.linear

    def fails(module: nn.Module, inputs: dict[str, Tensor]) -> float:
        functional.linear = lambda *_: 0
        Tensor.left_behind = 1
        print("noise")
        raise RuntimeError("first line\n  the cause\n")

    tool = replace(tools.TOOLS[2], read=fails)
    row = program.read(tool, _case(program, program.PREFILL, "meta"))
    assert row.error == "RuntimeError: the cause"
    assert (row.reported, row.flops, row.ratio) == (None, None, None)
    assert row.exact_torch > row.exact_sdpa > row.exact_hardware > 0
    assert functional.linear is before
    assert not hasattr(Tensor, "left_behind")


def test_tools_that_are_not_installed_are_named(
    tools: Any, program: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = replace(tools.TOOLS[0], name="other", package="no-such-counter")
    monkeypatch.setattr(program, "TOOLS", (tools.TOOLS[0], absent))
    assert program.installed() == [tools.TOOLS[0]]
    assert capsys.readouterr().err == "not installed and left out: no-such-counter\n"


def _case(program: Any, name: str, tensors: str) -> Any:
    return program.Case(name=name, spec=oz.load_spec("omni-tiny"), tokens=40, tensors=tensors)


@pytest.mark.parametrize(
    ("name", "tensors"),
    [("prefill", "cpu shapes"), ("decode", "cpu"), ("audio encoder", "cpu"),
     ("vision encoder", "cpu")],
)  # fmt: skip
def test_the_modules_are_those_that_are_counted(
    tools: Any, program: Any, name: str, tensors: str
) -> None:
    """The math backend meets the exact count; transformers 5.17 adds its rotary table to it."""
    case = _case(program, name, tensors)
    row = program.read(tools.TOOLS[1], case)
    queries = {"prefill": case.tokens, "decode": 1}.get(name, 0)
    assert row.error == ""
    assert row.flops - row.exact_torch in (0, 3 * case.spec.text.head_dim * queries)
