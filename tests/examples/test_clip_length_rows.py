"""The tables behind the figure of clip lengths: made again, and held to facts from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.results.tables import read_table

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
TABLES = ANALYSIS / "tables"
FOLDERS = ("cpu", "h100-sxm", "rtx-a6000")


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import clip_length

        yield clip_length


def _rows(folder: str, name: str = "clip_length", **wanted: object) -> list[dict[str, Any]]:
    table = read_table(TABLES / folder / f"{name}.csv")
    for column, value in wanted.items():
        table = table[table[column] == value]
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _same(made: Any, kept: dict[str, Any]) -> None:
    for name, value in dict(made).items():
        old = None if kept[name] != kept[name] else kept[name]
        if isinstance(value, float) and name.endswith("_s"):
            assert old == pytest.approx(value, rel=1e-9), name
        else:
            assert (old or None) == (value or None), name


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_committed_lines_are_made_again(program: Any, folder: str) -> None:
    (target,) = (one for one in program.TARGETS if one.folder == folder)
    lines = program.Lines.of(target)
    cells = [cell for cell in program.TRACED if cell.label in ("OmniZip 35%", "FastV 35%")]
    some = [cell for cell in cells if folder == "cpu" or cell.method == "fastv"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "SECONDS", (5, 60, 600))
        made = list(program.predicted_rows(lines, some))
    for row in made:
        (kept,) = _rows(folder, timed="predicted", label=row.label, seconds=row.seconds)
        _same(row, kept)
    assert len(made) >= 3 * len(some)


@pytest.mark.parametrize("folder", FOLDERS)
def test_observed_points_are_those_of_the_result_table(program: Any, folder: str) -> None:
    (target,) = (one for one in program.TARGETS if one.folder == folder)
    source = TABLES / folder / "result.csv"
    result = read_table(source).to_dict("records") if source.is_file() else []
    made = list(program.observed_rows(program.Lines.of(target), result))
    kept = _rows(folder, timed="observed")
    assert len(made) == len(kept)
    for row, old in zip(made, kept, strict=True):
        _same(row, old)


def test_only_points_that_lie_on_a_line_are_taken(program: Any) -> None:
    lines = program.Lines.of(program.TARGETS[0])
    on = {"model": "omni-tiny", "attention": "sdpa", "execution": "stock", "decode_steps": 16,
          "clip": "11 s at 252x448", "label": "OmniZip 35%", "method": "omnizip",
          "dtype": "float32", "fastv_form": float("nan"), "full_tokens": 1927, "weights": "random",
          "status": "ok", "prefill_s": 0.4, "ttft_s": 0.5, "end_to_end_s": 0.6,
          "peak_memory_bytes": float("nan")}  # fmt: skip
    off = [{"model": "omni-tiny-2"}, {"attention": "eager"}, {"execution": "graph"},
           {"decode_steps": 100}, {"clip": "11 s at 112x112"}, {"clip": "clip.mp4"},
           {"label": "OmniZip 25%"}, {"dtype": "bfloat16"}]  # fmt: skip
    (taken,) = program.observed_rows(lines, [on, *(on | other for other in off)])
    assert (taken.seconds, taken.prefill_s, taken.timed) == (11.0, 0.4, "observed")
    assert taken.peak_memory_bytes is taken.fastv_form is None


@pytest.mark.parametrize("folder", FOLDERS)
def test_long_clips_stop_growing_where_the_processor_stops(folder: str) -> None:
    """25 audio tokens a second up to 300 s; 144 video tokens a grid, of two of 768 frames each."""
    rows = {row["seconds"]: row for row in _rows(folder, label="Full tokens", timed="predicted")}
    assert [rows[s]["audio_tokens"] for s in (60, 300, 600)] == [1_500, 7_500, 7_500]
    assert [rows[s]["video_tokens"] for s in (60, 384, 600)] == [8_640, 55_296, 55_296]
    assert [rows[s]["frames"] for s in (60, 384, 450)] == [120, 768, 768]
    assert {(row["sound_ends_s"], row["frames_end_s"]) for row in rows.values()} == {(300, 384)}


def test_fastv_needs_a_larger_card_where_the_paper_says_that_it_did() -> None:
    """Out of memory on 48 GB, run on 80 GB, at some 12,500 tokens; all else fits both."""
    reach = {}
    for folder in ("rtx-a6000", "h100-sxm"):
        rows = _rows(folder, timed="predicted")
        assert {row["label"] for row in rows if row["status"] == "oom"} == {"FastV 35%"}
        fitting = [row for row in rows if row["label"] == "FastV 35%" and row["status"] == "ok"]
        reach[folder] = max(row["full_tokens"] for row in fitting)
        assert max(row["seconds"] for row in fitting) == fitting[0]["fits_up_to_s"]
        assert all(row["peak_memory_bytes"] <= row["usable_bytes"] for row in fitting)
    assert reach["rtx-a6000"] < 12_500 < reach["h100-sxm"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_limits_are_those_of_the_devices(program: Any, folder: str) -> None:
    (target,) = (one for one in program.TARGETS if one.folder == folder)
    made = program.limit_rows(program.load_device(target.device))
    kept = _rows(folder, "memory_limits")
    assert [dict(row) for row in made] == kept
    sold = sorted(row["memory_bytes"] / 2**30 for row in kept)
    assert {24.0, 48.0, 80.0} <= set(sold)
    assert len(set(sold)) == len(sold)


def test_the_program_says_where_each_method_stops(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(program, "TARGETS", program.TARGETS[2:])
    monkeypatch.setattr(program, "SECONDS", (60, 120))
    assert program.main(["--tables", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "FastV 35%                fits up to 62 s      0 observed" in printed
    assert "OmniZip 35%              all to 120 s fit     0 observed" in printed
    assert len(list(tmp_path.glob("rtx-a6000/*.csv"))) == 2
    (tmp_path / "rtx-a6000" / "result.csv").write_bytes(b"")
    assert program.main(["--tables", str(tmp_path)]) == 2
    assert "result.csv" in capsys.readouterr().err
