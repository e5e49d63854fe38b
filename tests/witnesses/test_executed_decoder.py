"""Witness: every operator that torch dispatches in the stock text model and its head.

By name: as many as listed, the same bytes read and written, the same FLOPs of products (torch's
own formulas) and the same other arithmetic. Full size on meta in bfloat16; fused attention, which
meta does not have, on the CPU.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from executed_record import Executed, differences, listed
from transformers import DynamicCache

import omnizip_cost as oz
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.cost.executed import ExecutedOp
from omnizip_cost.cost.executed.decoder import decoder_executed
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.units import BYTES_PER_ELEMENT

STEPS = 2


def _run(
    spec: ThinkerSpec, n: int, *, dtype: str, device: str, attention: str
) -> tuple[Executed, Executed]:
    """Prefill of n tokens by their ids and two cached steps of the real modules."""
    thinker = oz.build_thinker(spec, dtype=dtype, device=device, attention=attention)
    text: Any = find_text_model(thinker)
    cache = DynamicCache(config=text.config)
    records = []
    for lengths in ([n], [1] * STEPS):
        ids = [torch.zeros(1, length, dtype=torch.long, device=device) for length in lengths]
        places = [torch.zeros(3, 1, length, dtype=torch.long, device=device) for length in lengths]
        with Executed() as seen, torch.no_grad():
            for id_, place in zip(ids, places, strict=True):
                out = text(
                    input_ids=id_, position_ids=place, past_key_values=cache, use_cache=True
                )
                thinker.lm_head(out.last_hidden_state)  # type: ignore[operator]
        records.append(seen)
    return records[0], records[1]


def _ours(spec: ThinkerSpec, n: int, phase: str, *, dtype: str, kind: Any) -> list[ExecutedOp]:
    plan = oz.plan("full", oz.bare_workload(n), spec)
    width = BYTES_PER_ELEMENT[dtype]
    ops = decoder_executed(spec, plan, CONVENTIONS["torch"], STEPS, kind, width)
    return [op for op in ops if op.phase == phase]


@pytest.mark.parametrize("kind", ["math", "eager"])
@pytest.mark.parametrize(
    ("model", "n", "dtype"),
    [
        ("qwen2.5-omni-7b", 1, "bfloat16"),
        ("qwen2.5-omni-7b", 2_345, "bfloat16"),
        ("qwen2.5-omni-3b", 333, "bfloat16"),
        ("qwen2.5-omni-3b", 333, "float32"),
    ],
)
def test_every_operator_at_full_size(model: str, n: int, dtype: str, kind: str) -> None:
    spec = oz.load_spec(model)
    attention = "sdpa" if kind == "math" else kind
    seen = _run(spec, n, dtype=dtype, device="meta", attention=attention)
    for phase, record in zip(("prefill", "decode"), seen, strict=True):
        ours = listed(_ours(spec, n, phase, dtype=dtype, kind=kind))
        assert not differences(ours, record.sums), phase


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fused_attention_is_one_operator(dtype: str) -> None:
    """On the CPU, where torch's counter has no formula for it: our FLOPs are the missing ones."""
    spec = oz.load_spec("omni-tiny")
    seen = _run(spec, 37, dtype=dtype, device="cpu", attention="sdpa")
    for phase, record in zip(("prefill", "decode"), seen, strict=True):
        ours = listed(_ours(spec, 37, phase, dtype=dtype, kind="sdpa"))
        (name, (fused, counted)), = differences(ours, record.sums).items()
        assert name == "_scaled_dot_product_flash_attention"
        assert counted.flops == 0
        assert fused == counted._replace(flops=fused.flops)
