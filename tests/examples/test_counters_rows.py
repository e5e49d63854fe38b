"""The kept readings of other counters: whole, equal to today's counts, and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.results.store import read_table, write_table
from omnizip_cost.specs import require_thinker

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "analysis" / "measurements" / "counters"
MISS_FUSED = ("FlopCounterMode, CPU", "torch.profiler", "calflops", "fvcore", "thop",
              "ptflops, aten", "ptflops, pytorch")  # fmt: skip
SEE_ALL = ("FlopCounterMode, meta", "FlopCounterMode, math")


@pytest.fixture(scope="module")
def program() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        import counters

        yield counters


@pytest.fixture(scope="module")
def rows(program: Any) -> list[Any]:
    table = read_table(FOLDER / "readings.csv").astype(object)
    table = table.where(table.notna(), None)
    records = table.to_dict("records")
    for record in records:
        record |= {name: record[name] or "" for name in ("error", "experts")}
        for name in ("reported", "flops"):
            record[name] = None if record[name] is None else int(record[name])
    return [program.Reading(**record) for record in records]


def chosen(rows: list[Any], **wanted: object) -> dict[str, Any]:
    """Rows that agree with ``wanted``, by tool."""
    found = [row for row in rows if all(getattr(row, k) == v for k, v in wanted.items())]
    assert len({row.tool for row in found}) == len(found) > 0
    return {row.tool: row for row in found}


def test_every_tool_was_read_but_for_two_of_them_in_one_place_each(rows: list[Any]) -> None:
    assert {row.tool for row in rows} == {*MISS_FUSED, *SEE_ALL}
    failed = {(row.tool, row.case, row.tensors) for row in rows if row.error}
    assert failed == {
        ("FlopCounterMode, meta", "audio encoder", "meta"),
        ("FlopCounterMode, meta", "vision encoder", "meta"),
        ("torch.profiler", "prefill", "cpu shapes"),
    }
    unasked = {
        row.experts or row.model for row in rows if row.error.startswith("RuntimeError: not asked")
    }
    assert unasked == {"qwen3-omni-30b-a3b", "qwen3-omni, small"}
    for row in rows:
        assert (row.flops is None) == bool(row.error)
        if row.flops is not None:
            assert row.flops == row.reported * {"FLOPs": 1, "MACs": 2}[row.reports]
            assert row.ratio == row.flops / row.exact_torch


def test_exact_counts_are_those_of_today(rows: list[Any], program: Any) -> None:
    models = ("qwen2.5-omni-7b", "qwen3-omni-30b-a3b", "omni-tiny")
    specs = {name: require_thinker(oz.load_spec(name)) for name in models}
    specs[program.few_experts().name] = program.few_experts()
    few = program.few_layers("qwen2.5-omni-7b")
    known = {(r.case, r.model, r.tokens, r.layers): r for r in rows}
    for row in known.values():
        encoder = row.case.endswith("encoder")
        case = program.Case(
            name=row.case, spec=few if encoder else specs[row.model],
            tokens=0 if encoder else row.tokens, tensors="cpu",
        )  # fmt: skip
        assert row.layers == case.layers
        assert (row.exact_torch, row.exact_sdpa, row.exact_hardware) == tuple(
            case.exact(name) for name in ("torch", "sdpa", "hardware")
        )


@pytest.mark.parametrize("n", [1_000, 10_004, 16_000])
def test_fused_attention_is_what_they_miss(rows: list[Any], n: int) -> None:
    """By hand: 28 layers, scores and values, n^2 pairs of 3584, 2 FLOPs each."""
    found = chosen(rows, case="prefill", model="qwen2.5-omni-7b", tokens=n, attention="sdpa")
    missed = 28 * 2 * 2 * n * n * 3_584
    for tool in SEE_ALL:
        assert found[tool].flops == found[tool].exact_torch
    for tool in ("FlopCounterMode, CPU", "fvcore", "thop"):
        assert found[tool].exact_torch - found[tool].flops == missed
    for tool in MISS_FUSED:  # others add elementwise work and biases
        share = missed / found[tool].exact_torch
        assert found[tool].ratio == pytest.approx(1 - share, abs=2e-4)


def test_at_16_000_tokens_it_is_a_third_of_the_decoder(rows: list[Any]) -> None:
    """The share with the head at every position, and of the decoder stack alone."""
    row = chosen(rows, case="prefill", model="qwen2.5-omni-7b", tokens=16_000)["thop"]
    missed = row.exact_torch - row.flops
    head = 2 * 16_000 * 3_584 * 152_064
    assert missed / row.exact_torch == pytest.approx(0.312, abs=5e-4)
    assert missed / (row.exact_torch - head) == pytest.approx(0.330, abs=5e-4)


def test_written_out_attention_is_seen_by_all_but_hooks_on_modules(rows: list[Any]) -> None:
    found = chosen(rows, case="prefill", model="qwen2.5-omni-7b", tokens=10_004, attention="eager")
    for tool, row in found.items():
        assert (abs(row.ratio - 1) < 1e-3) == (tool != "thop")


def test_grouped_experts_are_missed_and_batched_ones_seen(rows: list[Any]) -> None:
    """By hand: 48 layers, 3 matrices of 2048 x 768, 8 experts a token, 2 FLOPs each."""
    wanted = {"case": "prefill", "model": "qwen3-omni-30b-a3b", "tokens": 10_004}
    experts = 48 * 3 * 2_048 * 768 * 8 * 10_004 * 2
    default = chosen(rows, experts="", **wanted)
    for tool in SEE_ALL:
        assert default[tool].exact_torch - default[tool].flops == experts
    for tool in {*MISS_FUSED} - {"torch.profiler"}:
        assert default[tool].ratio < 0.18
    batched = chosen(rows, experts="batched_mm", **wanted)
    assert all(batched[tool].flops == batched[tool].exact_torch for tool in SEE_ALL)


def test_tensors_without_data_give_what_data_gives(rows: list[Any]) -> None:
    for model, case in (
        ("omni-tiny", "prefill"),
        ("omni-tiny", "decode"),
        ("qwen3-omni, small", "prefill"),
    ):
        own = [row for row in rows if (row.model, row.case) == (model, case)]
        real = {row.tool: row.reported for row in own if row.tensors == "cpu"}
        bare = {row.tool: row.reported for row in own if row.tensors != "cpu"}
        assert set(real) == set(bare) - {SEE_ALL[0]}
        unlike = {tool for tool, reported in real.items() if bare[tool] != reported}
        assert unlike == ({"torch.profiler"} if model == "qwen3-omni, small" else set())


def test_the_smaller_tables_follow_from_the_readings(
    rows: list[Any], program: Any, tmp_path: Path
) -> None:
    for name, made in (
        ("counters.csv", program.shown(rows)),
        ("counters_speedup.csv", program.predictions(rows)),
    ):
        assert write_table(made, tmp_path / name).read_text() == (FOLDER / name).read_text()


def test_the_saving_they_predict_is_linear_in_tokens(rows: list[Any], program: Any) -> None:
    found = program.predictions(rows)
    assert len(found) == 4 * len((*MISS_FUSED, *SEE_ALL))
    for row in found:
        if row.tool in SEE_ALL:
            assert row.speedup == row.exact_torch
        else:
            assert row.speedup == pytest.approx(row.linear, rel=1e-5)
        assert row.linear < row.exact_sdpa < row.exact_torch


def test_the_environment_is_kept() -> None:
    kept = json.loads((FOLDER / "environment.json").read_text())
    assert set(kept["counters"]) == {"torch", "calflops", "fvcore", "thop", "ptflops"}
    assert set(kept["sources"]) == {*MISS_FUSED, *SEE_ALL}
    assert all((kept["torch"], kept["transformers"], kept["python"], kept["git_commit"]))
