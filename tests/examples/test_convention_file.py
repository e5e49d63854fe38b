"""A convention of the user's own: the example loads, and every slip is one sentence."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import omnizip_cost as oz
from omnizip_cost.cost import load_convention
from omnizip_cost.cost.convention import CHOICES
from omnizip_cost.cost.convention_file import EXAMPLE, REQUIRED
from omnizip_cost.errors import (
    InputFileError,
    InvalidValueError,
    OmnizipCostError,
    UnknownNameError,
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(EXAMPLE)
    return path


def test_the_example_is_what_it_says(written: Path) -> None:
    """Grouped projections, three FFN products, causal pairs, one FLOP per multiply-add."""
    own = load_convention(written)
    assert (own.name, own.ffn_matrices, own.attention) == ("mac-exact", None, "causal")
    text = oz.load_spec("qwen2.5-omni-7b").text
    d, m, q, kv, n = text.hidden_size, text.intermediate_size, 28 * 128, 4 * 128, 333
    layer = n * d * (2 * q + 2 * kv) + n * (n + 1) * q + 3 * n * d * m
    spec = oz.load_spec("qwen2.5-omni-7b")
    full = oz.plan("full", oz.bare_workload(n), spec)
    for convention in (own, written, str(written)):
        assert oz.total_flops(oz.count(spec, full, convention)) == 28 * layer


def test_the_examples_comments_name_every_other_choice() -> None:
    stated = tomllib.loads(EXAMPLE)
    for field, allowed in CHOICES.items():
        (line,) = [line for line in EXAMPLE.splitlines() if line.startswith(f"{field} ")]
        comment = line.partition("#")[2]
        others = [option for option in allowed if option != stated[field]]
        for option in others:
            spelled = str(option).lower() if isinstance(option, bool) else str(option)
            assert re.search(rf"\b{re.escape(spelled)}\b", comment), line


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_field_is_named(written: Path, key: str) -> None:
    lines = [line for line in EXAMPLE.splitlines() if not line.startswith(f"{key} ")]
    written.write_text("\n".join(lines))
    with pytest.raises(InputFileError, match=f"lacks {key}; {key} must be .*nothing is guessed"):
        load_convention(written)


@pytest.mark.parametrize("key", [key for key in REQUIRED if key not in ("name", "answers")])
def test_a_wrong_value_is_named_with_the_right_ones(written: Path, key: str) -> None:
    stated = tomllib.loads(EXAMPLE)
    lines = [
        line if not line.startswith(f"{key} ") else f"{key} = [1]" for line in EXAMPLE.splitlines()
    ]
    written.write_text("\n".join(lines))
    assert key in stated
    with pytest.raises(InvalidValueError) as refusal:
        load_convention(written)
    assert str(refusal.value).startswith(f"{written}: {key} must be ")
    for option in CHOICES.get(key, ()):
        assert str(option).lower() in str(refusal.value)


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("widths =", "width =", "unknown key of .*'width': did you mean widths"),
        ("name =", "[convention]\nname =", "unknown key of .*'convention'"),
        ('"mac-exact"', '"eq9"', "name must be one that no built-in convention has, got 'eq9'"),
        ('"mac-exact"', '"Mac Exact"', "name must be small letters"),
        ('"mac-exact"', "7", "name must be small letters"),
        ('"as built"', '"as-built"', "ffn_matrices must be a positive whole number or 'as built'"),
        ('"as built"', "0", "ffn_matrices must be a positive whole number"),
        ('"as built"', "true", "ffn_matrices must be a positive whole number"),
        ("add = 1", "add = 1.0", "flop_per_multiply_add must be 1 or 2, got 1.0"),
        ("decode = false", "decode = 0", "decode must be true or false, got 0"),
        ("padding = false", "padding = true", "counts_padding must be false where the encoders"),
        ("name =", "name", "is not valid TOML"),
        ("name =", 'name = "a"\nname =', "is not valid TOML"),
    ],
)
def test_a_slip_is_one_sentence(written: Path, was: str, now: str, says: str) -> None:
    assert was in EXAMPLE
    written.write_text(EXAMPLE.replace(was, now, 1))
    with pytest.raises(OmnizipCostError, match=says) as refusal:
        load_convention(written)
    assert str(written) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_number_of_products_counts_as_stated(written: Path) -> None:
    written.write_text(EXAMPLE.replace('"as built"', "2"))
    assert load_convention(written).ffn_matrices == 2


def test_texts_may_be_added(written: Path) -> None:
    written.write_text(EXAMPLE + 'used_by = "us"\nnote = "draft"\n')
    own = load_convention(written)
    assert (own.used_by, own.note) == ("us", "draft")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00a", "not text in UTF-8"),
        (b"x" * 70_000, "is larger than 64 KiB; give the TOML file of a convention"),
        (b"", "lacks name, ffn_matrices, flop_per_multiply_add, widths"),
        (b"a = " + b"[" * 5_000, "is not valid TOML"),
    ],
)
def test_another_kind_of_file_is_one_sentence(written: Path, content: bytes, says: str) -> None:
    written.write_bytes(content)
    with pytest.raises(InputFileError, match=says):
        load_convention(written)


def test_no_file_a_folder_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no such file"):
        load_convention(tmp_path / "none.toml")
    with pytest.raises(InputFileError, match="cannot be read"):
        load_convention(tmp_path)
    with pytest.raises(InvalidValueError, match="path must be a path"):
        load_convention(3)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="did you mean eq9"):
        oz.count(
            oz.load_spec("omni-tiny"),
            oz.plan("full", oz.bare_workload(9), oz.load_spec("omni-tiny")),
            "eq_9",
        )
