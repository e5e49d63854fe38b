"""Whatever a config holds, loading gives a spec or one sentence."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.specs import bundled_names, load_spec, parameter_counts

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**6)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(config: dict[str, Any]) -> list[tuple[str, ...]]:
    """Every key of the config and of its sections."""
    found: list[tuple[str, ...]] = []
    for key, value in config.items():
        found.append((key,))
        if isinstance(value, dict):
            found += [(key, inner) for inner in value]
    return found


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a bundled config with up to three keys replaced or removed."""
    config = copy.deepcopy(dict(load_spec(draw(st.sampled_from(bundled_names()))).config))
    for place in draw(st.lists(st.sampled_from(places(config)), max_size=3, unique=True)):
        section: Any = config
        for part in place[:-1]:
            section = section.get(part)
        if not isinstance(section, dict):
            continue
        if draw(st.booleans()):
            section.pop(place[-1], None)
        else:
            section[place[-1]] = draw(JUNK)
    return config


def load_or_sentence(given_name: Any) -> None:
    try:
        spec = load_spec(given_name)
    except OmnizipCostError as error:
        assert str(error).strip()
        assert "\n" in str(given_name) or "\n" not in str(error)
    else:
        counts = parameter_counts(spec)
        assert all(type(value) is int and value >= 0 for value in counts.values())
        assert counts["total"] == sum(counts.values()) - counts["total"] > 0


@settings(max_examples=150, deadline=None)
@given(damaged())
def test_damaged_configs(config: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        load_or_sentence(Path(folder))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_files_of_anything(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_bytes(content)
        load_or_sentence(folder)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20))
def test_names_of_anything(name: str) -> None:
    load_or_sentence(f"no-such-model {name}")
    load_or_sentence(f"no-such-folder/{name}.json")
