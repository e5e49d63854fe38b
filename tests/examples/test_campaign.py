"""The campaign: its declared grids, what it does when time or memory gives out, its copy."""

from __future__ import annotations

import importlib
import tarfile
from dataclasses import FrozenInstanceError, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from campaign_fixtures import Stage, stage  # noqa: F401

import omnizip_cost as oz
from omnizip_cost.errors import InputFileError, InvalidValueError
from omnizip_cost.results import MeasurementStore
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.specs import load_spec, parameter_counts


def test_a_grid_is_frozen_and_no_cell_stands_in_it_twice(stage: Stage) -> None:  # noqa: F811
    grids, how = stage.grid.GRIDS, attrgetter("attention", "execution", "decode_steps")
    with pytest.raises(FrozenInstanceError):
        grids["cuda"].steps[0].rounds = 1
    for names in (("cpu",), ("cuda", "cuda-more")):
        chain = [grids[name] for name in names]
        for one in (chain, [stage.grid.rehearsed(grid) for grid in chain]):
            cases = [case for grid in one for case in stage.grid.cases(grid)]
            keys = [
                (case.spec.name, case.clip, case.cell.label, *how(case.block)) for case in cases
            ]
            assert len(set(keys)) == len(keys)


def test_the_first_block_is_the_papers_own(stage: Stage) -> None:  # noqa: F811
    first = stage.grid.GRIDS["cuda"].steps[0]
    assert first.workload.tokens == 10_208  # 60 grids of 144, 60 s of 25, 68 of text
    assert (first.spec.name, first.attention, first.rounds) == ("qwen2.5-omni-7b", "sdpa", 5)
    labels = [cell.label for cell in first.cells]
    shares = [f"OmniZip {share}%" for share in (85, 70, 55, 45, 35, 25)]
    assert labels[:7] == ["Full tokens", *shares]
    assert {"Random 55%", "Random 40%", "FastV 50%", "FastV 35% last query"} < set(labels)
    with pytest.raises(InvalidValueError, match="full tokens first"):
        replace(first, cells=first.cells[1:])


@pytest.mark.parametrize(("name", "minutes"), [("cuda", 8), ("cuda-more", 8), ("cpu", 15)])
def test_a_grid_fits_its_time_as_predicted(stage: Stage, name: str, minutes: float) -> None:  # noqa: F811
    grid = stage.grid.GRIDS[name]
    rows = stage.plan.plan_rows(grid)
    assert [row.step for row in rows[1:]] == [step.name for step in grid.steps]
    total = sum(row.build_s + row.run_s for row in rows)
    assert rows[-1].total_s == pytest.approx(total)
    assert 0.5 * minutes * 60 < total <= minutes * 60


def test_a_block_takes_its_rounds_and_two_passes_more_of_each_cell(stage: Stage) -> None:  # noqa: F811
    grid = stage.grid.GRIDS["cuda"]
    block = next(block for block in grid.blocks if block.decode_steps == 100)
    ends_s = [
        oz.predict(
            case.spec, case.plan, "h100-sxm", workload=case.workload, decode=100
        ).end_to_end_s
        for case in stage.grid.cases_of(block, "bfloat16")
    ]
    passes = stage.plan.passes_of(grid, block, stage.plan.Machine.of("cuda"))
    assert [one.seconds for one in passes.values()] == pytest.approx(ends_s)
    assert stage.plan.step_seconds(block, passes) == pytest.approx(sum(ends_s) * 5 + ends_s[0])
    assert stage.plan.step_seconds(block, passes, {"OmniZip 35%": 1}) == pytest.approx(
        4 * ends_s[1]
    )
    tight = {label: one._replace(fits=False) for label, one in passes.items()}
    assert stage.plan.step_seconds(block, tight) == pytest.approx(sum(ends_s) + ends_s[0])


def test_the_slice_is_one_layer_of_the_7b(stage: Stage) -> None:  # noqa: F811
    spec, whole = stage.models.slice_spec(), load_spec("qwen2.5-omni-7b")
    same = (
        "hidden_size",
        "intermediate_size",
        "heads",
        "kv_heads",
        "head_dim",
        "qkv_bias",
        "rotary",
    )
    assert [getattr(spec.text, name) for name in same] == [
        getattr(whole.text, name) for name in same
    ]
    read = load_spec(stage.models.write_config(spec, stage.folder))
    assert (read, "vocabulary" in spec.source.lower()) == (replace(spec, source=read.source), True)
    built = sum(one.numel() for one in build_thinker(spec, device="meta").parameters())
    assert built == parameter_counts(spec)["total"]


def test_a_step_that_does_not_fit_makes_room_for_a_smaller_one(stage: Stage) -> None:  # noqa: F811
    large = stage.block("large", 40, rounds=200)
    campaign = stage.campaign(large, stage.block("small", 2), minutes=2)
    skipped, done = campaign.run()
    assert (skipped.status, done.status, done.ok) == ("skipped", "done", 3)
    assert "of the 112 s left" in skipped.note  # 2 minutes less what is kept for the end
    assert {clip for clip, _, _ in stage.samples()} == {"2 s at 112x112"}


def test_time_that_runs_out_stops_between_two_passes(stage: Stage) -> None:  # noqa: F811
    stage.pass_s = 5.0
    blocks = stage.block("first", 2, rounds=2), stage.block("second", 3)
    part, skipped = stage.campaign(*blocks, minutes=1.5).run()
    assert (part.status, part.left, skipped.status) == ("part", 3, "skipped")
    assert stage.clock.now_s < 1.5 * 60 + 10
    assert [row.status for row in stage.campaign(*blocks).run()] == ["done", "done"]


def test_a_cell_that_fails_is_a_row_and_is_tried_again(stage: Stage) -> None:  # noqa: F811
    stage.breaks = {"Random 40%": RuntimeError("no"), "OmniZip 35%": RuntimeError("out of memory")}
    blocks = stage.block("first", 2, rounds=1), stage.block("second", 3, rounds=1)
    for row in stage.campaign(*blocks).run():
        assert (row.status, row.ok, row.oom, row.failed, row.left) == ("failed", 1, 1, 1, 0)
    stage.breaks = {}
    again = stage.campaign(*blocks).run()
    assert [(row.status, row.ok, row.oom) for row in again] == [("done", 2, 1)] * 2
    ended = stage.campaign(*blocks)
    summary = stage.summary.summary_rows(
        ended.grids, ended.store.rows(), ended.here, ended.thinkers
    )
    assert [(row.ok, row.oom, row.left, row.speedup) for row in summary] == [(2, 1, 0, None)] * 2
    assert summary[0].full_ms and summary[0].full_ms > 2000


def test_a_thinker_that_cannot_be_built_is_noted_once(
    stage: Stage,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def build(spec: Any, **_: Any) -> Any:
        tried.append(spec.name)
        if spec.name == "omni-tiny-2-layers":
            raise RuntimeError("CUDA error: out of memory")
        return stage._built(spec)

    monkeypatch.setattr(stage.thinkers, "build_thinker", build)
    broken = [stage.block(name, seconds, layers=2) for name, seconds in (("a", 2), ("b", 3))]
    rows = stage.campaign(*broken, stage.block("whole", 2)).run()
    assert [row.status for row in rows] == ["failed", "failed", "done"]
    assert "out of memory" in rows[1].note
    assert tried == ["omni-tiny-2-layers", "omni-tiny-1-layers"]


def test_a_checkpoint_of_no_block_is_refused(stage: Stage) -> None:  # noqa: F811
    folder = stage.models.write_config(stage.models.slice_spec(), stage.folder).parent
    thinkers = stage.thinkers.Thinkers(device="cpu", dtype="float32", checkpoint=folder)
    with pytest.raises(InvalidValueError, match="--checkpoint must be one of omni-tiny-1-layers"):
        thinkers.require_use((stage.block("only", 2),))
    own = stage.models.write_config(stage.block("only", 2).spec, stage.folder).parent
    thinkers = stage.thinkers.Thinkers(device="cpu", dtype="float32", checkpoint=own)
    assert thinkers.weights(stage.block("only", 2)) == "checkpoint"


def test_a_packed_campaign_goes_on_elsewhere(stage: Stage) -> None:  # noqa: F811
    copy, blocks = stage.folder / "copy.tar.gz", (stage.block("a", 2), stage.block("b", 3))
    out = stage.folder / "out"
    campaign = stage.campaign(*blocks[:1], after_step=lambda: stage.pack.pack(out, copy))
    campaign.run()
    rows = MeasurementStore(out).rows()
    out.rename(stage.folder / "lost")
    stage.pack.unpack(copy, out)
    assert MeasurementStore(out).rows() == rows
    assert [row.status for row in stage.campaign(*blocks).run()] == ["held", "done"]
    with pytest.raises(InputFileError, match="holds measurements already"):
        stage.pack.unpack(copy, out)
    (stage.folder / "cut.tar.gz").write_bytes(copy.read_bytes()[:99])
    with pytest.raises(InputFileError, match="not a whole packed campaign"):
        stage.pack.unpack(stage.folder / "cut.tar.gz", stage.folder / "new")


def test_a_copy_that_grows_too_large_leaves_traces_behind(stage: Stage, tmp_path: Path) -> None:  # noqa: F811
    import random

    for name, size in (
        ("traces/a.json.gz", 9000),
        ("traces/b.json.gz", 3000),
        ("rows.parquet", 50),
    ):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(random.Random(size).randbytes(size))
    left = stage.pack.pack(tmp_path / "in", tmp_path / "t.gz", largest_bytes=6000)
    assert len(left) == 1 and left[0].startswith("traces/a.json.gz")
    with tarfile.open(tmp_path / "t.gz") as archive:
        assert sorted(archive.getnames()) == ["rows.parquet", "traces/b.json.gz"]


def test_two_runs_are_held_against_each_other(stage: Stage, capsys: Any) -> None:  # noqa: F811
    block, out = stage.block("only", 2), stage.folder / "out"
    stage.campaign(block).run()
    first = out.rename(stage.folder / "first")
    assert stage.repeat.main([str(first), str(first)]) == 0
    stage.pass_s = 40.0  # all stages take longer, prefill less so than assembly
    stage.campaign(block).run()
    rows = {row.label: row for row in stage.repeat.repeat_rows(first, out)}
    assert rows["OmniZip 35%"].prefill_ratio == pytest.approx(41 / 2, rel=0.02)
    assert stage.repeat.verdict(list(rows.values())).worst < 0.02  # yet speed-ups stay
    capsys.readouterr()
    stage.breaks = {"Random 40%": RuntimeError("no")}
    out.rename(stage.folder / "second")
    stage.campaign(block).run()
    assert stage.repeat.main([str(first), str(out)]) == 1
    assert "Not alike: Random 40% of omni-tiny-1-layers" in capsys.readouterr().out
    assert stage.repeat.main([str(first), str(stage.folder / "nowhere")]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "cpu", "--grid", "cuda"], "one for --device cpu"),
        (["--device", "cpu", "--grid", "gpu"], "unknown grid 'gpu'"),
        (["--device", "cuda", "--rehearse", "--budget-minutes", "-1"], "--budget-minutes"),
        (["--device", "cpu", "--rehearse", "--budget-minutes", "0"], "above 0"),
    ],
)
def test_wrong_options_are_one_sentence(
    stage: Stage,  # noqa: F811
    capsys: Any,
    arguments: list[str],
    said: str,
) -> None:
    assert stage.program.main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_table_of_something_else_is_refused_in_a_sentence(stage: Stage) -> None:  # noqa: F811
    other = stage.folder / "cpu.micro.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputFileError, match="lacks the column 'environment_id'"):
        importlib.import_module("campaign_micro").micro_done(stage.folder, "cpu", "planted")


def test_a_card_that_is_not_known_gets_a_folder_of_its_own(stage: Stage) -> None:  # noqa: F811
    assert stage.program.slug("NVIDIA GeForce RTX 5090 D") == "nvidia-geforce-rtx-5090-d"
    assert stage.program.folder_name("cpu") == "cpu"
