"""A grid swept into a folder: what is written, what a kill leaves, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from omnizip_cost.errors import InputFileError, InvalidValueError
from omnizip_cost.results.lock import WriterLock
from omnizip_cost.sweep import COLUMNS, Grid, columns, make_grid
from omnizip_cost.sweep.estimate import Estimate, estimate
from omnizip_cost.sweep.folder import LOCK_FILE, sweep
from omnizip_cost.sweep.folder_record import GRID_FILE


def small(**changes: object) -> Grid:
    """Two models and two conventions, 42 configurations of each pair in parts of 12 at most."""
    asked: dict = {
        "models": ["qwen2.5-omni-7b", "omni-tiny"],
        "conventions": ["eq9", "hardware"],
        "methods": ["full", "omnizip", "fastv"],
        "tokens": [10_004, 77, 40_000],
        "retained": [0.45, 0.35, 1 / 3],
        "decode": [0, 100],
        "fastv_layer": 2,
        "chunk_rows": 12,
    }
    return make_grid(**{**asked, **changes})


def parts(folder: Path) -> dict[str, int]:
    """Every finished part and the moment it was written."""
    found = sorted(folder.rglob("*.parquet"))
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in found}


def as_sets(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order of their own, names as plain text."""
    plain = frame.astype(dict.fromkeys(("model", "method", "convention"), str))
    return plain.sort_values(list(COLUMNS), ignore_index=True)[list(COLUMNS)]


def test_the_folder_reads_back_as_the_grid(tmp_path: Path) -> None:
    grid = small()
    swept = sweep(grid, tmp_path / "out")
    whole = pd.read_parquet(tmp_path / "out")
    assert len(whole) == grid.size == swept.rows == swept.written_rows == 168
    expected = pd.DataFrame(columns(grid))
    pd.testing.assert_frame_equal(as_sets(whole), as_sets(expected), check_exact=True)
    assert not whole.drop(columns=["retained", "share_left"]).duplicated().any()


def test_a_folder_or_a_file_of_it_reads_alike(tmp_path: Path) -> None:
    sweep(small(), tmp_path)
    folder = tmp_path / "model=omni-tiny" / "convention=eq9"
    for place in (folder, folder / "part-00000.parquet"):
        frame = pd.read_parquet(place)
        assert set(frame.columns) == set(COLUMNS)
        assert set(frame.model) == {"omni-tiny"}
        assert set(frame.convention) == {"eq9"}
    filtered = pd.read_parquet(tmp_path, filters=[("model", "==", "omni-tiny")])
    assert set(filtered.model) == {"omni-tiny"}


def test_the_record_says_which_grid_and_how_many_rows(tmp_path: Path) -> None:
    swept = sweep(small(), tmp_path)
    record = json.loads((tmp_path / GRID_FILE).read_text())
    assert record["complete"] is True
    assert record["configurations"] == 168
    assert [entry["rows"] for entry in record["partitions"]] == [42] * 4
    assert [row.files for row in swept.partitions] == [p["files"] for p in record["partitions"]]
    assert sum(row.files for row in swept.partitions) == len(parts(tmp_path))
    assert record["grid"]["tokens"]["values"] == 3


KILLED = """
import os, sys
from omnizip_cost.sweep.folder import sweep
from test_sweep_folder import small
left, real = [int(sys.argv[2])], os.replace
def replace(source, target):
    left[0] -= 1
    if left[0] < 0:
        os._exit(9)
    real(source, target)
os.replace = replace
sweep(small(), sys.argv[1])
"""


def test_a_kill_loses_the_part_that_was_being_written_and_no_other(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "6"],
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert killed.returncode == 9
    finished = parts(tmp_path)
    assert len(finished) == 5, "the record of the grid and five parts were renamed into place"
    assert list(tmp_path.rglob(".*.tmp")), "the killed writer must have left its unfinished part"
    assert json.loads((tmp_path / GRID_FILE).read_text())["complete"] is False
    assert 0 < len(pd.read_parquet(tmp_path)) < 168
    swept = sweep(small(), tmp_path)
    after = parts(tmp_path)
    assert {name: after[name] for name in finished} == finished
    assert swept.written_rows == 168 - sum(
        len(pd.read_parquet(tmp_path / name)) for name in finished
    )
    assert len(pd.read_parquet(tmp_path)) == 168
    assert not list(tmp_path.rglob(".*.tmp"))


def test_what_is_there_is_kept_and_what_is_damaged_is_written_again(tmp_path: Path) -> None:
    sweep(small(), tmp_path)
    before = parts(tmp_path)
    assert sweep(small(), tmp_path).written_rows == 0
    assert parts(tmp_path) == before
    first, second, *rest = before
    (tmp_path / first).unlink()
    (tmp_path / second).write_bytes((tmp_path / second).read_bytes()[:200])
    sweep(small(), tmp_path)
    after = parts(tmp_path)
    assert {name: after[name] for name in rest} == {name: before[name] for name in rest}
    assert len(pd.read_parquet(tmp_path)) == 168


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tokens": [10_004, 77, 40_001]}, "other tokens"),
        ({"retained": [0.45, 0.35, 0.3]}, "other retained"),
        ({"decode": [0, 101]}, "other decode"),
        ({"methods": ["full", "random", "fastv"]}, "other methods"),
        ({"conventions": ["eq9", "sdpa"]}, "other conventions"),
        ({"models": ["qwen2.5-omni-3b", "omni-tiny"]}, "other models"),
        ({"fastv_layer": 3, "chunk_rows": 13}, "other fastv_layer, chunk_rows"),
    ],
)
def test_another_grid_is_refused_in_the_same_folder(
    tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    few = {"tokens": [5], "conventions": ["eq9"], "models": ["omni-tiny"]}
    kept = {name: value for name, value in few.items() if name not in changes}
    sweep(small(**kept), tmp_path)
    before = parts(tmp_path)
    with pytest.raises(InputFileError, match=named):
        sweep(small(**{**kept, **changes}), tmp_path)
    assert parts(tmp_path) == before


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputFileError, match=r"holds files but no _grid\.json"):
        sweep(small(), tmp_path)
    with pytest.raises(InputFileError, match="is not a folder"):
        sweep(small(), tmp_path / "notes.txt")
    assert [item.name for item in tmp_path.iterdir()] == ["notes.txt"]
    other = tmp_path / "other"
    other.mkdir()
    for record in ('{"format": 1, "grid": 3}', "[" * 100_000, "[]", "\x00"):
        (other / GRID_FILE).write_text(record)
        with pytest.raises(InputFileError, match="does not say what was swept here"):
            sweep(small(), other)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / LOCK_FILE)
    lock.acquire()
    with pytest.raises(InputFileError, match="another run is writing here"):
        sweep(small(), tmp_path)
    lock.release()
    assert sweep(small(), tmp_path).rows == 168


def test_a_disk_that_is_too_small_is_refused_beforehand(tmp_path: Path) -> None:
    huge = replace(estimate(small()), bytes=2**70)
    with pytest.raises(InputFileError, match=r"GiB are free, and 168 configurations take about"):
        sweep(small(), tmp_path, expected=huge)
    assert not parts(tmp_path)
    sweep(small(), tmp_path)
    assert sweep(small(), tmp_path, expected=huge).written_rows == 0


def test_memory_does_not_grow_with_the_grid(tmp_path: Path) -> None:
    rows = 20_000

    def peak(parts_wanted: int) -> tuple[int, int]:
        arrow: list[int] = []

        grid = make_grid(
            models=["qwen2.5-omni-7b"],
            conventions=["hardware"],
            methods=["omnizip", "fastv"],
            tokens=np.arange(1, 200 * parts_wanted + 1),
            retained=np.linspace(0, 1, 10),
            decode=np.arange(5),
            chunk_rows=rows,
        )
        expected = estimate(grid)
        folder = tmp_path / str(parts_wanted)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        sweep(
            grid,
            folder,
            expected=expected,
            report=lambda *_: arrow.append(pa.total_allocated_bytes() - before),
        )
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(parts(folder)) == parts_wanted == len(arrow)
        assert max(arrow) <= 4096, "Arrow's own memory is given back after every part"
        return held, grid.size

    (few, _), (many, size) = peak(2), peak(20)
    assert size == 400_000
    assert many < 1.1 * few, "ten times the grid, the same memory"
    assert many < rows * 300, "300 bytes of arrays per configuration of a part"


def test_totals_past_2_to_53_are_flagged_in_the_table(tmp_path: Path) -> None:
    grid = make_grid(models=["qwen2.5-omni-7b"], conventions=["torch"], tokens=[1_000, 10**7])
    sweep(grid, tmp_path)
    frame = pd.read_parquet(tmp_path).set_index("tokens")
    assert frame.exact.to_dict() == {1_000: True, 10**7: False}
    assert (frame.flops < 2**53).to_dict() == frame.exact.to_dict()


def test_an_estimate_is_the_sample_scaled_up() -> None:
    ticks = count(step=0.5)
    grid = small(tokens=np.arange(1, 200_001), chunk_rows=1_000_000)
    found = estimate(grid, clock=lambda: next(ticks))
    assert isinstance(found, Estimate)
    assert found.configurations == grid.size == 4 * 200_000 * 14
    assert 50_000 < found.sample_rows <= 100_000
    assert found.rows_per_s == found.sample_rows / 0.5
    assert found.seconds == pytest.approx(grid.size / found.rows_per_s)
    assert found.files == grid.files == 4 * len(list(grid.boxes()))


def test_the_bytes_estimated_are_those_written(tmp_path: Path) -> None:
    grid = small(tokens=np.arange(1, 4_001), chunk_rows=1_000_000)
    expected = estimate(grid)
    swept = sweep(grid, tmp_path, expected=expected)
    written = sum(row.bytes for row in swept.partitions)
    assert written == sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert expected.bytes == pytest.approx(written, rel=0.15)


def test_two_models_of_one_name_are_refused() -> None:
    seven, tiny = small().models
    with pytest.raises(InvalidValueError, match="rename one"):
        small(models=[seven, replace(tiny, name=seven.name)])
    assert len(small(models=[seven, seven, "qwen2.5-omni-7b"]).models) == 1


@pytest.mark.parametrize("name", ["org/model v2", "a=b", "7b", "ü%2F"])
def test_names_of_models_survive_the_folder(tmp_path: Path, name: str) -> None:
    tiny = replace(small().models[1], name=name)
    sweep(small(models=[tiny], tokens=[5]), tmp_path)
    assert set(pd.read_parquet(tmp_path).model) == {name}


def test_a_model_called_like_a_number_is_refused(tmp_path: Path) -> None:
    """Readers of such folders take the name for one, and then contradict the column."""
    tiny = replace(small().models[1], name="2024")
    with pytest.raises(InvalidValueError, match="do not take for a number, got '2024'; rename it"):
        sweep(small(models=[tiny]), tmp_path / "out")
    assert not (tmp_path / "out").exists()
