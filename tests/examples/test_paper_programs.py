"""Programs of the paper's tables: what is committed is what they make, and they say when not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from omnizip_cost.results.store import read_table

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
PAPER = ANALYSIS / "tables" / "paper"


@pytest.fixture(scope="module")
def programs() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import paper_accuracy
        import paper_anchors
        import paper_program
        import paper_sensitivity
        import paper_settings
        import paper_tables

        yield SimpleNamespace(accuracy=paper_accuracy, anchors=paper_anchors,
                              program=paper_program, sensitivity=paper_sensitivity,
                              settings=paper_settings, tables=paper_tables)  # fmt: skip


@pytest.mark.parametrize("name", ["accuracy", "tables", "anchors"])
def test_committed_tables_are_what_the_programs_make_today(programs: Any, name: str) -> None:
    """Else `python analysis/paper_<name>.py` makes them again."""
    made = getattr(programs, name).tables()
    assert made
    assert programs.program.differences(made, PAPER) == []


def test_the_committed_grid_is_what_is_predicted_today(programs: Any, tmp_path: Path) -> None:
    """A coarser grid of the same pairs; `paper_sensitivity.py --check` compares them all."""
    found = programs.sensitivity.Sensitivity()
    stored = read_table(PAPER / "sensitivity.csv")
    assert len(stored) == programs.sensitivity.PARTS**2
    corner = stored[stored["rho_a"].isin([0, 0.5]) & stored["rho_v"].isin([0, 0.5])]
    corner.to_csv(tmp_path / "sensitivity.csv", index=False)
    marks = read_table(PAPER / "sensitivity_marks.csv")
    marks[marks["kind"] == "setting"].to_csv(tmp_path / "sensitivity_marks.csv", index=False)
    made = {"sensitivity.csv": list(found.grid(2)), "sensitivity_marks.csv": [*found.settings()]}
    assert programs.program.differences(made, tmp_path) == []


def test_pruning_nothing_gains_nothing_and_more_always_gains() -> None:
    stored = read_table(PAPER / "sensitivity.csv")
    (origin,) = stored[(stored["rho_a"] == 0) & (stored["rho_v"] == 0)].itertuples()
    assert (origin.speedup, origin.flops_share, origin.realised) == (1, 1, 1)
    speedups = stored.pivot_table(index="rho_v", columns="rho_a", values="speedup")
    assert (speedups.diff().iloc[1:] > 0).all(axis=None), "more video pruned"
    shares = stored.pivot_table(index="rho_v", columns="rho_a", values="flops_share")
    assert (shares.diff(axis=1).iloc[1:, 2:] < 0).all(axis=None), "more audio pruned"
    assert (stored["speedup_low"] <= stored["speedup"]).all()
    assert (stored["speedup"] <= stored["speedup_high"]).all()


def test_windows_of_a_real_clip_are_what_is_selected_today(shared: Path, tmp_path: Path) -> None:
    """The larger clip is left to `paper_windows.py --clips DIR --check`."""
    pytest.importorskip("av")
    stored = read_table(PAPER / "windows.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import paper_program
        import paper_windows

        clip = paper_windows.CLIPS[0]
        stored[stored["clip"] == clip].to_csv(tmp_path / "windows.csv", index=False)
        made = {"windows.csv": list(paper_windows.window_rows(shared / "clips", [clip]))}
        assert paper_program.differences(made, tmp_path) == []


def test_windows_keep_the_budget_and_say_their_scores_are_a_proxy() -> None:
    stored = read_table(PAPER / "windows.csv")
    assert set(stored["scores"]) == {"proxy"}
    for (_, label), own in stored.groupby(["clip", "label"]):
        mean = (own["rate"] * own["video_tokens"]).sum() / own["video_tokens"].sum()
        assert mean == pytest.approx(own["rho_v"].iloc[0], abs=1e-9), label
    assert stored.groupby("clip")["window"].nunique().to_dict() == {
        "bigbuckbunny.mp4": 3, "nasa_13013.mp4": 7,
    }  # fmt: skip


def test_a_cell_that_differs_a_row_too_few_and_an_absent_file_are_told(
    programs: Any, tmp_path: Path
) -> None:
    rows = pd.DataFrame({"name": ["a", "b"], "value": [1.0, float("nan")]})
    differences = programs.program.differences
    programs.program.written({"t.csv": rows, "t.md": "| a |\n"}, tmp_path)
    assert differences({"t.csv": rows, "t.md": "| a |\n"}, tmp_path) == []
    assert differences({"t.csv": rows.assign(value=[1.0 + 1e-9, float("nan")])}, tmp_path) == []
    (said,) = differences({"t.csv": rows.assign(value=[1.01, float("nan")])}, tmp_path)
    assert said.endswith("t.csv: line 2, value: 1.0 is stored, 1.01 comes out now")
    (said,) = differences({"t.csv": rows.assign(value=[1.0, 2.0])}, tmp_path)
    assert "line 3, value" in said
    assert differences({"t.csv": rows.head(1)}, tmp_path)
    assert differences({"t.md": "| b |\n"}, tmp_path) == [f"{tmp_path / 't.md'}: is not what is "
                                                          "written now"]  # fmt: skip
    assert differences({"u.csv": rows}, tmp_path) == [f"{tmp_path / 'u.csv'}: is not there"]


def test_check_writes_nothing_and_its_status_says_stale(programs: Any, tmp_path: Path) -> None:
    words = ["--out", str(tmp_path), "--check"]

    def make() -> dict[str, str]:
        return {"t.md": "| a |\n"}

    assert programs.program.run(make, "Make.", words) == 1
    assert list(tmp_path.iterdir()) == []
    assert programs.program.run(make, "Make.", words[:2]) == 0
    assert programs.program.run(make, "Make.", words) == 0


def test_measured_seconds_are_joined_from_a_gpu_only(programs: Any, tmp_path: Path) -> None:
    """A result table as the campaign writes it: pairs solved from the ratio, one out of memory."""
    three = [one for one in programs.settings.worldsense() if one.model == "qwen2.5-omni-3b"]
    same = {"model": "qwen2.5-omni-3b", "execution": "stock", "attention": "sdpa",
            "dtype": "bfloat16", "clip": programs.settings.CLIP, "mode": "paper",
            "fastv_form": "", "method": "omnizip", "prefill_low_s": 0.048,
            "prefill_high_s": 0.053, "selection_s": 0.002}  # fmt: skip
    result = pd.DataFrame([
        {**same, "label": "OmniZip 45%", "retained": 0.45, "rho_a": 0.3018, "rho_v": 0.6018,
         "realised": 0.4479, "status": "ok", "prefill_s": 0.05},
        {**same, "label": "Random 55%", "method": "random", "retained": 0.55, "rho_a": 0.45,
         "rho_v": 0.45, "realised": 0.55, "status": "oom"},
        {**same, "label": "OmniZip 35%", "retained": 0.35, "rho_a": 0.43, "rho_v": 0.69,
         "realised": 0.35, "status": "ok", "prefill_s": 0.04},
        {**same, "label": "OmniZip 35%", "retained": 0.35, "rho_a": 0.4018, "rho_v": 0.7018,
         "realised": 0.3444, "status": "ok", "prefill_s": 0.04, "clip": "30 s at 252x448"},
    ])  # fmt: skip
    for device in ("h100-sxm", "cpu"):
        (tmp_path / device).mkdir()
        result.to_csv(tmp_path / device / "result.csv", index=False)
    folders = [tmp_path / "cpu", tmp_path / "h100-sxm", tmp_path / "absent"]
    rows = list(programs.accuracy.accuracy_rows(three, folders))
    (row,) = [row for row in rows if row.kind == "measured"]
    assert (row.device, row.label) == ("h100-sxm", "OmniZip 45% (0.3, 0.6)")
    assert (row.value, row.low, row.high) == pytest.approx((0.052, 0.05, 0.055))
    assert (row.rho_a, row.rho_v, row.realised) == (0.3018, 0.6018, 0.4479), "what ran"
    assert row.accuracy == 45.2
