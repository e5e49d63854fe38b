"""Whatever is appended, in whatever order, the store behaves like a table keyed by cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from omnizip_cost.results import MeasurementRow, MeasurementStore, read_table, write_table
from omnizip_cost.results.schema import STAGES, environment_id

RECORD = {"device": "cpu"}
BASE = MeasurementRow(
    environment_id=environment_id(RECORD),
    model="omni-tiny",
    weights="random",
    device="cpu",
    dtype="float32",
    attention="sdpa",
    clip="demo",
    method="full",
    mode="paper",
    label="full",
    retained=1.0,
    full_tokens=10,
    text_tokens=2,
    av_tokens=8,
    audio_tokens=4,
    video_tokens=4,
    decode_steps=1,
    stage="prefill",
    status="failed",
)

seconds = st.floats(min_value=0, max_value=1e6, allow_nan=False)
counts = st.none() | st.integers(min_value=0, max_value=2**62)
words = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(
    lambda text: f"because {text}"
)


@st.composite
def cells(draw: st.DrawFn) -> list[MeasurementRow]:
    label = draw(st.sampled_from(["a", "b", "c"]))
    stages = draw(st.lists(st.sampled_from(STAGES), min_size=1, max_size=3, unique=True))
    rows = []
    for stage in stages:
        samples = draw(st.lists(seconds, min_size=1, max_size=4))
        rows.append(
            replace(
                BASE,
                label=label,
                stage=stage,
                status="ok",
                samples_s=tuple(samples),
                median_s=draw(seconds),
                peak_allocated_bytes=draw(counts),
                doubts=tuple(draw(st.lists(words, max_size=2))),
                reason=draw(words),
            )
        )
    return rows


@settings(max_examples=25, deadline=None)
@given(st.lists(cells(), max_size=5))
def test_the_store_is_a_table_keyed_by_cell(appended: list[list[MeasurementRow]]) -> None:
    expected: dict[object, tuple[MeasurementRow, ...]] = {}
    with TemporaryDirectory() as folder:
        store = MeasurementStore(folder)
        store.register(RECORD)
        for rows in appended:
            store.append(rows)
            expected[rows[0].cell_key] = tuple(rows)
            assert MeasurementStore(folder).cells() == expected
        assert store.done_keys() == frozenset(expected)


@settings(max_examples=25, deadline=None)
@given(st.lists(cells(), min_size=1, max_size=3), st.sampled_from([".csv", ".parquet"]))
def test_any_row_survives_any_table(drawn: list[list[MeasurementRow]], suffix: str) -> None:
    rows = [row for group in drawn for row in group]
    with TemporaryDirectory() as folder:
        path = write_table(rows, Path(folder) / f"table{suffix}")
        records = read_table(path).to_dict("records")
    assert [MeasurementRow.from_mapping(record) for record in records] == rows
