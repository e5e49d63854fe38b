"""The store keeps what was measured through crashes, second writers and damaged files."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from omnizip_cost.errors import InputFileError, InvalidValueError, UnknownNameError
from omnizip_cost.results import MeasurementRow, MeasurementStore, read_table, write_table
from omnizip_cost.results.lock import WriterLock
from omnizip_cost.results.schema import cell_key, environment_id

RECORD = {"device": "cpu", "torch": "2.13.0", "transformers": "5.23", "created_utc": "today"}
ROW = MeasurementRow(
    environment_id=environment_id(RECORD),
    model="omni-tiny",
    weights="random",
    device="cpu",
    dtype="float32",
    attention="sdpa",
    clip="demo",
    method="omnizip",
    mode="paper",
    label="omnizip 45%",
    retained=0.45,
    rho_a=0.3,
    rho_v=0.6,
    full_tokens=1000,
    text_tokens=20,
    av_tokens=980,
    audio_tokens=180,
    video_tokens=800,
    decode_steps=8,
    stage="prefill",
    median_s=0.2,
    low_s=0.19,
    high_s=0.21,
    samples_s=(0.2, 0.19, 0.21),
    warmup_s=(0.4,),
    doubts=("only 3 samples",),
)


@pytest.fixture
def store(tmp_path: Path) -> MeasurementStore:
    store = MeasurementStore(tmp_path / "run")
    store.register(RECORD, model="omni-tiny", config={"layers": 4})
    return store


def test_rows_come_back_as_they_were(store: MeasurementStore) -> None:
    rows = (ROW, replace(ROW, stage="decode", fastv_layer=5, peak_allocated_bytes=2**40))
    store.append(rows)
    assert store.rows() == rows
    assert MeasurementStore(store.folder).rows() == rows


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_tables_of_rows_survive_both_formats(tmp_path: Path, suffix: str) -> None:
    rows = [ROW, replace(ROW, stage="decode", fastv_layer=5, samples_s=(0.1, 1 / 3))]
    path = write_table(rows, tmp_path / f"deep/table{suffix}")
    records = read_table(path).to_dict("records")
    assert [MeasurementRow.from_mapping(record) for record in records] == rows
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_csv_keeps_words_that_look_like_nothing(tmp_path: Path) -> None:
    path = write_table(
        [{"name": "NA", "n": None}, {"name": "[not json]", "n": 3}], tmp_path / "t.csv"
    )
    assert list(read_table(path)["name"]) == ["NA", "[not json]"]
    assert read_table(path)["n"].tolist()[1] == 3


def test_csv_columns_take_the_narrowest_kind_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "kinds.csv"
    path.write_text(
        "whole,gaps,real,flag,code,list,none\n"
        "1,9007199254740993,0.1,True,007,[1],\n"
        "2,,nan,False,1,[],\n"
    )
    frame = read_table(path)
    assert frame["whole"].tolist() == [1, 2]
    assert frame["gaps"].tolist()[0] == 2**53 + 1
    assert pd.isna(frame["gaps"][1])
    assert frame["real"][0] == 0.1
    assert frame["flag"].tolist() == [True, False]
    assert frame["code"].tolist() == ["007", "1"]
    assert frame["list"].tolist() == [[1], []]
    assert frame["none"].isna().all()


def test_key_ignores_what_was_measured() -> None:
    later = replace(ROW, median_s=9.0, samples_s=(9.0,), kept_tokens=460, created_utc="later")
    assert later.key == ROW.key
    assert replace(ROW, stage="decode").key != ROW.key
    assert replace(ROW, stage="decode").cell_key == ROW.cell_key
    for change in ({"decode_steps": 9}, {"rho_v": 0.7}, {"clip": "other"}, {"full_tokens": 1001}):
        assert replace(ROW, **change).cell_key != ROW.cell_key
    assert cell_key({name: ROW[name] for name in ROW.keys()}) == ROW.cell_key  # noqa: SIM118


def test_a_cell_replaces_its_older_rows(store: MeasurementStore) -> None:
    failed = replace(
        ROW, status="failed", reason="boom", median_s=None, low_s=None, high_s=None, samples_s=()
    )
    other = replace(ROW, label="omnizip 35%", retained=0.35)
    store.append([failed])
    store.append([other])
    assert store.done_keys() == {other.cell_key}
    done = (replace(ROW, stage="decode"), replace(ROW, stage="selection"))
    store.append(done)
    assert store.rows() == (*done, other)
    assert store.done_keys() == {ROW.cell_key, other.cell_key}


def test_done_means_enough_samples_or_out_of_memory(store: MeasurementStore) -> None:
    oom = replace(
        ROW, label="fastv", status="oom", reason="CUDA out of memory", median_s=None, samples_s=()
    )
    store.append([ROW, oom])
    assert store.done_keys(samples=3) == {ROW.cell_key, oom.cell_key}
    assert store.done_keys(samples=4) == {oom.cell_key}


KILLED_WRITER = """
import os, sys
from omnizip_cost.results import MeasurementStore
store = MeasurementStore(sys.argv[1])
row = store.rows()[0]
os.replace = lambda source, target: os._exit(9)
from dataclasses import replace
store.append([replace(row, label="lost")])
"""


def test_a_kill_before_the_rename_loses_only_that_cell(store: MeasurementStore) -> None:
    store.append([ROW])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, str(store.folder)], check=False, timeout=60
    )
    assert killed.returncode == 9
    leftovers = [item.name for item in store.folder.glob(".*.tmp")]
    assert len(leftovers) == 1, "the killed writer must have left its temporary file"
    assert store.rows() == (ROW,)
    store.append([replace(ROW, label="next")])
    assert [row.label for row in store.rows()] == [ROW.label, "next"]
    assert not list(store.folder.glob(".*.tmp"))


def test_an_error_before_the_rename_leaves_no_trace(
    store: MeasurementStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([ROW])
    before = store.rows_path.read_bytes()

    def stop(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        store.append([replace(ROW, label="lost")])
    assert store.rows_path.read_bytes() == before
    assert not list(store.folder.glob(".*.tmp"))


def test_the_file_is_flushed_before_it_is_renamed(
    store: MeasurementStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), real_fsync(fd))[1])
    monkeypatch.setattr(
        os, "replace", lambda a, b: (calls.append("replace"), real_replace(a, b))[1]
    )
    store.append([ROW])
    assert calls[:2] == ["fsync", "replace"]


def test_a_second_writer_is_refused_and_a_reader_is_not(store: MeasurementStore) -> None:
    store.append([ROW])
    second = MeasurementStore(store.folder)
    with store:
        with pytest.raises(InputFileError, match=f"another run is writing here .*{os.getpid()}"):
            second.append([ROW])
        assert second.rows() == (ROW,)
        store.append([replace(ROW, label="inside")])
    second.append([replace(ROW, label="afterwards")])
    assert len(second.rows()) == 3


DEAD_HOLDER = """
import os, sys
from omnizip_cost.results.lock import WriterLock
WriterLock(sys.argv[1]).acquire()
os._exit(9)
"""


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    subprocess.run([sys.executable, "-c", DEAD_HOLDER, str(path)], check=False, timeout=60)
    assert path.read_text().strip() != ""
    lock = WriterLock(path)
    lock.acquire()
    assert lock.held
    assert path.read_text().strip() == str(os.getpid())
    lock.release()
    assert not lock.held


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not a table at all" * 9])
def test_a_damaged_file_is_an_input_error(store: MeasurementStore, damage: bytes) -> None:
    store.append([ROW])
    store.rows_path.write_bytes(damage)
    for use in (store.rows, store.done_keys, lambda: store.append([ROW])):
        with pytest.raises(InputFileError, match="not a whole Parquet file"):
            use()
    assert store.rows_path.read_bytes() == damage, "a damaged file must not be overwritten"


def test_a_parquet_file_cut_short_is_an_input_error(store: MeasurementStore) -> None:
    store.append([ROW])
    whole = store.rows_path.read_bytes()
    store.rows_path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputFileError, match="not a whole Parquet file"):
        read_table(store.rows_path)


def test_another_table_under_the_same_name_is_refused(store: MeasurementStore) -> None:
    write_table([{"a": 1}], store.rows_path)
    with pytest.raises(InputFileError, match="does not hold measurements: unknown column"):
        store.rows()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("absent.csv", None, "no such file"),
        ("empty.csv", b"", "not a CSV table"),
        ("binary.csv", bytes(range(256)), "not a CSV table"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3,4\n", "not a CSV table"),
    ],
)
def test_unreadable_csv(tmp_path: Path, name: str, content: bytes | None, error: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputFileError, match=error):
        read_table(path)


def test_tables_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"ending in \.parquet or \.csv"):
        write_table([{"a": 1}], tmp_path / "table.xlsx")
    with pytest.raises(InvalidValueError, match="at least one row"):
        write_table([], tmp_path / "table.csv")
    with pytest.raises(InvalidValueError, match="records with the columns a"):
        write_table([{"a": 1}, {"b": 1}], tmp_path / "table.csv")
    with pytest.raises(InvalidValueError, match="one kind per column"):
        write_table([{"a": 1}, {"a": "one"}], tmp_path / "table.parquet")
    with pytest.raises(InvalidValueError, match="one kind per column"):
        write_table([{"a": 2**70}], tmp_path / "table.parquet")
    assert not list(tmp_path.iterdir())


def test_an_empty_frame_keeps_its_columns(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        path = write_table(pd.DataFrame({"a": [], "b": []}), tmp_path / f"t{suffix}")
        assert list(read_table(path).columns) == ["a", "b"]


def test_environments_are_kept_apart(store: MeasurementStore) -> None:
    warm = {**RECORD, "created_utc": "tomorrow", "temperature_c": 60}
    other = {**RECORD, "torch": "2.11.0"}
    assert store.register(warm) == environment_id(RECORD)
    assert store.register(warm) == environment_id(RECORD)
    assert store.register(other) != environment_id(RECORD)
    first, second = store.environments()
    assert [item["created_utc"] for item in first["sessions"]] == ["today", "tomorrow"]
    assert second["identity"]["torch"] == "2.11.0"
    moved = replace(ROW, environment_id=second["id"])
    store.append([ROW, moved])
    assert len(store.cells()) == 2


def test_rows_of_an_unknown_environment_are_refused(store: MeasurementStore) -> None:
    with pytest.raises(InvalidValueError, match="registered before its rows"):
        store.append([replace(ROW, environment_id="elsewhere")])
    assert store.rows() == ()


def test_one_name_cannot_stand_for_two_configs(store: MeasurementStore) -> None:
    store.register(RECORD, model="omni-tiny", config={"layers": 4})
    with pytest.raises(InvalidValueError, match="a name with one config only, got 'omni-tiny'"):
        store.register(RECORD, model="omni-tiny", config={"layers": 5})
    assert store.thinkers() == {"omni-tiny": {"layers": 4}}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}', '{"format": 1}'])
def test_a_damaged_sidecar_is_an_input_error(store: MeasurementStore, text: str) -> None:
    store.environment_path.write_text(text)
    with pytest.raises(InputFileError, match=r"environment\.json"):
        store.environments()


def test_two_rows_for_one_stage_are_refused(store: MeasurementStore) -> None:
    with pytest.raises(InvalidValueError, match="one row per cell and stage"):
        store.append([ROW, replace(ROW, median_s=1.0)])


def test_the_frame_has_a_column_per_field_even_when_empty(store: MeasurementStore) -> None:
    assert list(store.frame().columns) == list(ROW.keys())
    store.append([ROW])
    frame = store.frame()
    assert frame["fastv_layer"].isna().all()
    assert str(frame["full_tokens"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": "prefil"}, "stage must be one of audio_encoder"),
        ({"status": "good"}, "status must be one of ok, oom, failed"),
        ({"weights": "real"}, "weights must be one of random, checkpoint"),
        ({"kept_tokens": 4.5}, "kept_tokens must be a whole number"),
        ({"full_tokens": -1}, "full_tokens must be a whole number"),
        ({"samples_s": (0.1, float("nan"))}, "samples_s must be finite seconds"),
        ({"samples_s": ()}, "samples_s must be filled when the status is 'ok'"),
    ],
)
def test_rows_are_checked_once(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        replace(ROW, **change)


def test_a_record_with_wrong_columns_is_refused() -> None:
    record = dict(ROW)
    with pytest.raises(UnknownNameError, match=r"'median_z'.*median_s"):
        MeasurementRow.from_mapping({**record, "median_z": 1.0})
    del record["model"]
    with pytest.raises(InvalidValueError, match="model must be a column"):
        MeasurementRow.from_mapping(record)
    with pytest.raises(InvalidValueError, match="decode_steps must be a whole number"):
        MeasurementRow.from_mapping({**dict(ROW), "decode_steps": 1.5})


def test_importing_the_results_room_loads_no_pandas() -> None:
    code = "import sys, omnizip_cost.results; print({'pandas', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_json_sidecar_is_plain_json(store: MeasurementStore) -> None:
    store.register({**RECORD, "driver": None}, model="odd", config={"dtype": SimpleNamespace()})
    assert json.loads(store.environment_path.read_text())["format"] == 1


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputFileError, match="cannot be written to: Not a directory"):
        MeasurementStore(tmp_path / "file" / "run").register(RECORD)
    with pytest.raises(InputFileError, match=r"table\.csv: cannot be written: Not a directory"):
        write_table([{"a": 1}], tmp_path / "file" / "run" / "table.csv")


def test_a_full_disk_is_an_input_error_and_loses_nothing(
    store: MeasurementStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([ROW])

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputFileError, match="cannot be written: No space left on device"):
        store.append([replace(ROW, label="lost")])
    assert store.rows() == (ROW,)
    assert not list(store.folder.glob(".*.tmp"))


_READING = """
import sys, psutil, pandas, pyarrow.parquet, pyarrow.compute
from omnizip_cost.results import read_table
read = psutil.Process().num_threads
before = read()
table = read_table(sys.argv[1])
print(len(table), read() - before)
"""


def test_reading_leaves_no_thread_behind(tmp_path: Path) -> None:
    """A command that refuses what it read ended with SIGABRT in 14 of 40 tries, beside a thread."""
    path = tmp_path / "rows.parquet"
    write_table([{"a": n, "b": str(n)} for n in range(100)], path)
    code = [sys.executable, "-c", _READING, str(path)]
    printed = subprocess.run(code, check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["100", "0"]
