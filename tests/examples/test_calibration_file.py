"""A calibration on disk: what is written is read back, and anything else is one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnizip_cost.errors import InputFileError, InvalidValueError, OmnizipCostError
from omnizip_cost.latency.calibration import PARAMETERS, Calibration, Estimate, Fit
from omnizip_cost.latency.calibration_file import (
    calibration_text,
    read_calibration,
    write_calibration,
)
from omnizip_cost.text_file import toml_text

FITTED = Calibration(
    gemm=0.81,
    attention=0.5,
    memory=0.62,
    host_s=2.1e-05,
    fit=Fit(
        device="cpu",
        models=("omni-tiny",),
        created_utc="2026-11-22T21:00:00+00:00",
        versions={"torch": "2.13.0", "numpy": "2.3"},
        environments=("0123456789ab",),
        rows_used=12,
        rows_held_out=4,
        held_out_rule="every second length",
        cells_used=('12 s "full"', "20 s, 50%"),
        cells_held_out=("16 s",),
        median_error_used=0.02,
        worst_error_used=0.05,
        median_error_held_out=0.04,
        worst_error_held_out=0.09,
        estimates=(
            Estimate(name="gemm", value=0.81, standard_error=0.01),
            Estimate(name="attention", value=0.5, standard_error=0.03),
            Estimate(name="memory", value=0.62, standard_error=0.05),
            Estimate(name="launch_s", value=1e-8, held="a CPU launches nothing"),
            Estimate(name="host_s", value=2.1e-05, standard_error=0.02),
        ),
        correlations={"gemm attention": -0.4},
    ),
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = write_calibration(FITTED, tmp_path / "deep" / "cpu.toml")
    assert read_calibration(path) == FITTED
    assert read_calibration(path).fit.held == ("launch_s",)  # type: ignore[union-attr]
    plain = Calibration(memory=0.5, mel_s_per_s=0.001)
    assert read_calibration(write_calibration(plain, tmp_path / "plain.toml")) == plain
    assert not Calibration.none().measured
    assert plain.measured
    assert sorted(item.name for item in tmp_path.iterdir()) == ["deep", "plain.toml"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("gemm = 0.81", "gem = 0.81", "'gem': did you mean gemm"),
        ("gemm = 0.81", "gemm = 81", "gemm must be between 0.02 and 2, got 81"),
        ("gemm = 0.81", 'gemm = "fast"', "values.gemm must be a number, got 'fast'"),
        ("gemm = 0.81", "gemm = nan", "values.gemm must be a number, got nan"),
        ("gemm = 0.81", "gemm = true", "values.gemm must be a number, got True"),
        ("format = 1", "format = 2", "format must be 1, got 2"),
        ("format = 1\n", "", "lacks format"),
        ("format = 1", "formats = 1", "'formats': did you mean format"),
        ("rows_used = 12", "rows_used = -1", "fit.rows_used must be a whole number, got -1"),
        ("rows_used = 12\n", "", "lacks rows_used; a record says where it comes from"),
        ('models = ["omni-tiny"]', "models = [3]", "fit.models must be a list of texts"),
        ('torch = "2.13.0"', "torch = 2", "fit.versions.torch must be a text, got 2"),
        ("[estimates.memory]", "[estimates.memry]", "'memry': did you mean memory"),
        ("standard_error = 0.03\n", "", "held must be a reason where there is no standard"),
        ("standard_error = 0.03", "standard_error = -1", "standard_error must be a share"),
        ("[fit]", "[fits]", "'fits': did you mean fit"),
        ("[values]", "[[values]]", "values must be a table"),
    ],
)
def test_a_faulty_file_is_one_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = calibration_text(FITTED)
    assert old in text
    path = tmp_path / "cpu.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(OmnizipCostError) as caught:
        read_calibration(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no such file"):
        read_calibration(tmp_path / "absent.toml")
    with pytest.raises(InputFileError, match=r"give a name ending in \.toml"):
        write_calibration(FITTED, tmp_path / "cpu.json")
    text = calibration_text(FITTED)
    (tmp_path / "half.toml").write_text(text[: text.index("[estimates]")])
    with pytest.raises(InputFileError, match="fit and estimates must both be given, or neither"):
        read_calibration(tmp_path / "half.toml")


def test_numbers_outside_their_bounds_are_refused_where_they_are_made() -> None:
    with pytest.raises(InvalidValueError, match=r"host_s must be between 1e-08 and 0.001 s"):
        Calibration(host_s=1.0)
    with pytest.raises(InvalidValueError, match="mel_s_per_s must be seconds, 0 or more"):
        Calibration(mel_s_per_s=-1.0)
    for name, bounds in PARAMETERS.items():
        middle = (bounds.low * bounds.high) ** 0.5
        assert bounds.low < middle < bounds.high, name
        stuck = Estimate(name=name, value=bounds.high, standard_error=0.1)
        assert stuck.on_bound
        assert not Estimate(name=name, value=middle, standard_error=0.1).on_bound


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = (
    st.none()
    | words
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
tables = st.recursive(
    st.dictionaries(words, plain | st.lists(words, max_size=3), max_size=4),
    lambda inner: st.dictionaries(words, plain | inner, max_size=3),
    max_leaves=8,
)


def without_none(table: dict[str, object]) -> dict[str, object]:
    return {
        key: without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


@given(table=tables)
def test_any_table_comes_back_from_its_toml_text(table: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(table)) == without_none(table)
