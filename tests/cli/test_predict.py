"""``predict``: the contract's rows, tables that say what binds, one sentence when wrong."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.cli.predict_ops import folded
from omnizip_cost.cost import count
from omnizip_cost.hardware import load_device
from omnizip_cost.latency import Calibration
from omnizip_cost.latency.calibration import PARAMETERS, Estimate, Fit
from omnizip_cost.latency.calibration_file import write_calibration
from omnizip_cost.plotting import canvas, entry
from omnizip_cost.results.store import read_table

Capture = pytest.CaptureFixture[str]

CONTRACT = ["model", "device", "method", "retained", "prefill_s", "ttft_s", "decode_s_per_token",
            "end_to_end_s", "peak_memory_bytes", "fits"]  # fmt: skip
MODEL = ("predict", "--model", "qwen2.5-omni-7b")
CARD = ("--device", "rtx-a6000")
PAPER = (*MODEL, *CARD, "--tokens", "10004")
CLIP = ("--seconds", "20", "--pixels", "252x448")


def _out(capsys: Capture, *arguments: str) -> str:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


def _json(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    rows = json.loads(_out(capsys, *arguments, "--json"))
    assert isinstance(rows, list)
    return rows


def test_rows_begin_with_the_contracts_columns(capsys: Capture) -> None:
    (row,) = _json(capsys, *PAPER, "--method", "omnizip", "--retained", "0.35")
    assert list(row)[: len(CONTRACT)] == CONTRACT
    assert row["model"] == "qwen2.5-omni-7b"
    assert (row["device"], row["method"], row["retained"]) == ("rtx-a6000", "omnizip", 0.35)
    lines = list(csv.DictReader(io.StringIO(_out(capsys, *PAPER, "--csv"))))
    assert [set(line) for line in lines] == [set(row)]


def test_a_row_is_what_python_predicts(capsys: Capture) -> None:
    formats = ("--weight-dtype", "int4", "--cache-dtype", "fp8", "--backend", "compiled")
    arguments = (*MODEL, *CARD, *CLIP, "--method", "fastv", "--retained", "0.5", *formats)
    (row,) = _json(capsys, *arguments, "--decode", "7")
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=20, pixels=(252, 448))
    plan = oz.plan("fastv", work, spec, retained=0.5)
    found = oz.predict(
        spec, plan, "rtx-a6000", workload=work, backend="compiled", weight_dtype="int4",
        cache_dtype="fp8", decode=7,
    )  # fmt: skip
    assert row["prefill_s"] == found.prefill_s
    assert row["ttft_s"] == found.ttft_s
    assert row["end_to_end_s"] == found.end_to_end_s
    assert row["peak_memory_bytes"] == found.memory.peak_bytes
    assert (row["scheme"], row["decode_steps"]) == ("W4A16 KV8", 7)


def test_speedups_are_over_full_tokens_though_nobody_asked_for_them(capsys: Capture) -> None:
    full, kept = _json(capsys, *PAPER, "--method", "full,omnizip", "--retained", "0.35")
    (alone,) = _json(capsys, *PAPER, "--retained", "0.35")
    assert alone == kept
    for name, column in (("prefill", "prefill_s"), ("end_to_end", "end_to_end_s")):
        assert kept[f"{name}_speedup"] == pytest.approx(full[column] / kept[column])
        assert full[f"{name}_speedup"] == 1


def test_flops_beside_are_eq9_in_letters_and_the_executed_count(capsys: Capture) -> None:
    """The README's 3.48 at r = 0.35; decode and selection are in neither."""
    (row,) = _json(capsys, *PAPER, "--retained", "0.35")

    def eq9(n: float, d: int = 3584, m: int = 18944) -> float:
        return 4 * n * d**2 + 2 * n**2 * d + 2 * n * d * m

    assert row["prefill_speedup_eq9"] == pytest.approx(eq9(10_004) / eq9(0.35 * 10_004), rel=1e-9)
    assert f"{row['prefill_speedup_eq9']:.2f}" == "3.48"
    spec, work = oz.load_spec("qwen2.5-omni-7b"), oz.bare_workload(10_004)
    flops = {}
    for ratio in (1.0, 0.35):
        plan = oz.plan("omnizip", work, spec, retained=ratio)
        flops[ratio] = oz.total_flops(count(spec, plan, "sdpa", decode=0))
    assert row["exact_convention"] == "sdpa"
    assert row["prefill_speedup_exact"] == flops[1.0] / flops[0.35]


def test_fastv_gives_out_at_48_gb_and_fits_80_as_the_paper_reports(capsys: Capture) -> None:
    """OmniZip, Tab. 2: FastV on the 7B ran out of memory on a 48 GB card and needed one of 80."""
    arguments = (*MODEL, "--device", "rtx-a6000,h100-sxm", "--tokens", "12500", "--method", "fastv",
                 "--retained", "0.5")  # fmt: skip
    small, large = _json(capsys, *arguments)
    assert (small["fits"], large["fits"]) == (False, True)
    assert large["fits_up_to_tokens"] is None
    most = small["fits_up_to_tokens"]
    out = _out(capsys, *arguments)
    assert f"does not fit rtx-a6000, where up to {most:,} audio and video tokens do" in out
    assert " > 47.0" in out
    assert "attention weights" in out
    for length, fits in ((most, True), (most + 1, False)):
        (row,) = _json(capsys, *MODEL, *CARD, "--tokens", str(length), *arguments[-4:])
        assert row["fits"] is fits


def test_the_tables_are_narrow_and_say_what_binds_and_where_time_parts(capsys: Capture) -> None:
    out = _out(capsys, *MODEL, *CARD, *CLIP, "--method", "full,omnizip,fastv")
    lines = [line.rstrip() for line in out.splitlines() if line.startswith("  ")]
    assert max(map(len, lines)) <= 150
    assert out.count("\n  omnizip") == 2 * 4
    assert "45% (0.55, 0.55)" in out
    assert "45% (0.3, 0.6)" in out
    assert "Full tokens: prefill " in out
    assert ", bound by compute; decode " in out
    assert "Eq. 9 says 3." in out
    assert "encoders stay: " in out
    assert "e+" not in out
    bare = _out(capsys, *PAPER)
    assert "encoders" not in bare
    assert "How many times" not in bare, "full tokens alone have nothing to be compared to"


def test_what_kernel_times_rest_on_is_said(capsys: Capture) -> None:
    out = _out(capsys, *MODEL, "--device", "h100-sxm,rtx-a6000", "--tokens", "300")
    said = "with median errors where left out"
    assert f"Kernel times of h100-sxm, {said}: measured there, products " in out
    assert f"Kernel times of rtx-a6000, {said}: efficiency borrowed from a100-sxm, products " in out
    assert "Host: 12 us an operator, assumed; `calibrate` measures it." in out
    assert "h100-sxm, hf-sdpa: Full tokens: " in out


def test_ops_add_up_to_their_stages(capsys: Capture) -> None:
    arguments = (*MODEL, *CARD, *CLIP, "--retained", "0.45")
    rows = _json(capsys, *arguments, "--ops")
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=20, pixels=(252, 448))
    plan = oz.plan("omnizip", work, spec, retained=0.45)
    found = oz.predict(spec, plan, "rtx-a6000", workload=work)
    assert {row["bound"] for row in rows} == {"compute", "memory", "launch"}
    for stage in found.stages:
        own = [row for row in rows if row["stage"] == stage.stage]
        assert sum(row["seconds"] for row in own) == pytest.approx(stage.device_s)
        lines = folded([op for op in found.ops if op.stage == stage.stage])
        assert sum(line.seconds for line in lines) == pytest.approx(stage.device_s)
        assert sum(line.kernels for line in lines) == stage.kernels
        assert len(lines) <= 12
    out = _out(capsys, *arguments, "--ops")
    assert "where the time goes" in out
    assert "a stage takes the longer of device and host" in out
    assert " x 18944" in out


def test_structured_pruning_names_the_model_and_saves_time(capsys: Capture) -> None:
    (whole,) = _json(capsys, *PAPER)
    (cut,) = _json(capsys, *PAPER, "--prune-layers", "8", "--ffn-width", "9472")
    assert cut["model"] == "qwen2.5-omni-7b-20-layers-ffn-9472"
    assert cut["prefill_s"] < 0.7 * whole["prefill_s"]
    assert cut["peak_memory_bytes"] < whole["peak_memory_bytes"]


def test_layers_given_one_by_one(capsys: Capture) -> None:
    """Beside FastV's own, which pays for its choice besides."""
    (given,) = _json(capsys, *MODEL, *CARD, "--layer-tokens", "5x10000+23x5000")
    fastv = ("--tokens", "10000", "--method", "fastv", "--retained", "0.5")
    (chosen,) = _json(capsys, *MODEL, *CARD, *fastv)
    assert given["method"] == "layered"
    assert given["prefill_s"] == pytest.approx(chosen["prefill_s"])
    assert given["prefill_speedup"] == pytest.approx(chosen["prefill_speedup"])


def test_no_decode_has_no_time_per_token(capsys: Capture) -> None:
    (row,) = _json(capsys, *PAPER, "--decode", "0")
    assert row["decode_s_per_token"] is None
    assert row["end_to_end_s"] == row["ttft_s"]
    assert "all" in _out(capsys, *PAPER, "--decode", "0", "--retained", "0.5")


def test_out_writes_what_was_printed_and_its_memory(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (canvas, entry):
        monkeypatch.setattr(module, "FORMATS", ("svg",))
    arguments = (*MODEL, "--device", "rtx-a6000,l40s", "--seconds", "72", "--pixels", "252x448",
                 "--method", "full,fastv", "--retained", "0.5")  # fmt: skip
    rows = _json(capsys, *arguments, "--out", str(tmp_path))
    names = ("predictions", "stages", "memory", "memory_limits")
    told, stages, parts, held = (read_table(tmp_path / "tables" / f"{n}.csv") for n in names)
    assert list(told["end_to_end_s"]) == pytest.approx([row["end_to_end_s"] for row in rows])
    peaks = parts[parts["at_peak"]].groupby("method")["bytes"].sum()
    sums = stages.groupby(["device", "method"])["seconds"].sum()
    states = stages.groupby(["device", "method"])["status"].agg(set)
    for row in rows:
        assert peaks[row["method"]] == row["peak_memory_bytes"]
        assert sums[row["device"], row["method"]] == pytest.approx(row["end_to_end_s"])
        assert states[row["device"], row["method"]] == {"ok" if row["fits"] else "oom"}
    assert {row["fits"] for row in rows} == {True, False}
    assert set(held["device"]) == {"rtx-4090", "l40s", "rtx-a6000", "h100-sxm", "h200-sxm"}
    usable = held["device"].map(lambda name: load_device(name).usable_bytes)
    assert list(held["fits"]) == list(held["peak_memory_bytes"] <= usable)
    assert set(parts["label"]) == set(stages["label"]) == {"Full tokens", "FastV 50%"}
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"stages.svg", "memory.svg", "figures.lock.json"}


def test_a_calibration_replaces_what_was_assumed(capsys: Capture, tmp_path: Path) -> None:
    path = write_calibration(Calibration(gemm=0.5, host_s=1e-6), tmp_path / "mine.toml")
    (before,) = _json(capsys, *PAPER)
    (after,) = _json(capsys, *PAPER, "--calibration", str(path))
    assert (before["calibrated"], after["calibrated"]) == (False, True)
    assert after["prefill_s"] > 1.3 * before["prefill_s"]
    assert "Host: 1 us an operator, calibrated." in _out(capsys, *PAPER, "--calibration", str(path))


def test_a_calibration_of_another_device_is_refused(capsys: Capture, tmp_path: Path) -> None:
    found = {name: 2 * bounds.low for name, bounds in PARAMETERS.items()}
    held = tuple(Estimate(name=n, value=v, held="for this test") for n, v in found.items())
    fit = Fit(
        device="l40s", models=("omni-tiny",), created_utc="2026-01-01T00:00:00Z", versions={},
        environments=(), rows_used=3, rows_held_out=0, held_out_rule="none", cells_used=("a",),
        cells_held_out=(), median_error_used=0.1, worst_error_used=0.2,
        median_error_held_out=None, worst_error_held_out=None, estimates=held, correlations={},
    )  # fmt: skip
    path = write_calibration(Calibration(**found, fit=fit), tmp_path / "l40s.toml")
    assert run([*PAPER, "--calibration", str(path)]) == 2
    assert capsys.readouterr().err == (
        "omnizip-cost: --calibration: its device must be rtx-a6000, which is asked for, "
        "got 'l40s'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "rtx-a60000"), "unknown device 'rtx-a60000': did you mean rtx-a6000"),
        (("--device", ","), "--device must be at least one name"),
        (("--device", "cpu"), "measured on the spot"),
        (("--backend", "hf-spda"), "unknown backend 'hf-spda': did you mean hf-sdpa"),
        (("--dtype", "fp8"), "dtype must be one of bf16, fp16, fp32, got 'fp8'"),
        (("--weight-dtype", "int3"), "weight_dtype must be one of bf16, fp8, int8, int4"),
        (("--cache-dtype", "q8"), "cache_dtype must be one of bf16, fp8, int8, int4"),
        (("--decode", "-1"), "decode must be a whole number from 0"),
        (("--ops", "--method", "all"), "--ops shows one configuration, not 14: name one device"),
        (("--ops", "--out", "x"), "--ops and --out exclude each other"),
        (("--prune-layers", "28"), "--prune-layers must be from 0 to 27, got 28"),
        (("--ffn-width", "0"), "ffn_width must be a whole number from 1 to 18,944, got 0"),
        (("--calibration", "no.toml"), "no.toml: no such file"),
        (("--layer-tokens", "28x10"), "--layer-tokens must be given without an input"),
        (("--json", "--csv"), "give one of --json and --csv, not both"),
    ],
)
def test_bad_input_is_one_sentence(capsys: Capture, arguments: tuple[str, ...], words: str) -> None:
    device = () if "--device" in arguments else CARD
    assert run([*MODEL, *device, "--tokens", "100", *arguments]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert words in out.err
    assert out.err.count("\n") == 1


def test_nothing_heavy_is_loaded_for_one_prediction() -> None:
    code = (
        "import sys; from omnizip_cost.cli.app import run; "
        f"run({[*PAPER, '--retained', '0.35', '--json']!r}); "
        "heavy = {'torch', 'transformers', 'pandas', 'matplotlib', 'sympy', 'pyarrow', 'scipy'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
