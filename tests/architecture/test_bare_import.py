"""What a bare import loads, in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "pandas", "matplotlib", "sympy", "transformers", "numpy", "pyarrow", "av", "rich")

_PROBE = """
import json, sys, builtins
opened = []
real = builtins.open
def spy(file, *rest, **more):
    opened.append(str(file))
    return real(file, *rest, **more)
builtins.open = spy
{statement}
print(json.dumps([sorted(sys.modules), opened]))
"""


def _loaded(statement: str) -> tuple[set[str], list[str]]:
    code = _PROBE.format(statement=statement)
    out = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    modules, opened = json.loads(out.splitlines()[-1])
    return {name.split(".")[0] for name in modules}, opened


def test_a_bare_import_loads_no_library_and_reads_no_file() -> None:
    modules, opened = _loaded("import omnizip_cost")
    assert not modules & set(HEAVY)
    assert opened == []


def test_the_probe_sees_what_is_loaded() -> None:
    modules, _ = _loaded("import omnizip_cost; omnizip_cost.allocate")
    assert "numpy" in modules


@pytest.mark.parametrize(
    "arguments",
    [
        ["flops", "--model", "qwen2.5-omni-7b", "--tokens", "10000"],
        ["models"],
        ["tokens", "--model", "qwen2.5-omni-7b", "--seconds", "20", "--pixels", "252x448"],
    ],
)
def test_light_commands_stay_light(arguments: list[str]) -> None:
    modules, _ = _loaded(f"from omnizip_cost.cli.app import run; assert run({arguments!r}) == 0")
    assert not modules & {"torch", "pandas", "matplotlib", "sympy", "transformers", "av"}


def test_counting_a_number_of_tokens_needs_no_arrays() -> None:
    arguments = ["flops", "--model", "qwen2.5-omni-7b", "--tokens", "10000", "--json"]
    modules, _ = _loaded(f"from omnizip_cost.cli.app import run; assert run({arguments!r}) == 0")
    assert not modules & set(HEAVY)


def test_public_names_resolve_and_unknown_ones_do_not() -> None:
    import omnizip_cost as oz

    names = ("load_spec", "plan", "count", "allocate", "workload", "clip_workload")
    for name in (*names, "kernel_latency_ms"):
        assert callable(getattr(oz, name))
        assert name in dir(oz)
    with pytest.raises(AttributeError, match="no attribute 'utils'"):
        _ = oz.utils
