"""The comparison of predictors: each is what its name says, and the kept rows follow from them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import omnizip_cost as oz
from omnizip_cost.hardware import load_device
from omnizip_cost.results.store import read_table
from omnizip_cost.specs import require_thinker

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "analysis" / "measurements" / "predictors"
MODULES = ("speedups", "kernels", "published", "aiconfigurator", "tables")


@pytest.fixture(scope="module")
def program() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "analysis")
        import predictors

        yield predictors


@pytest.fixture(scope="module")
def parts(program: Any) -> dict[str, Any]:
    return {name: sys.modules[f"predictors_{name}"] for name in MODULES}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return read_table(KEPT / "predictors.csv")


def test_every_predictor_was_asked_about_every_case(rows: pd.DataFrame, parts: Any) -> None:
    made = parts["speedups"]
    timed = {made.ROOFLINE, made.AICONFIGURATOR, *made.OURS}
    cases = len(made.MODELS) * len(made.RETAINED) * 2
    counts = rows["predictor"].value_counts().to_dict()
    assert counts == dict.fromkeys(made.COUNTED, cases) | dict.fromkeys(
        timed, cases * len(made.DEVICES)
    )
    assert not rows.duplicated(["predictor", "model", "device", "phase", "retained"]).any()
    assert np.allclose(rows["speedup"], rows["full"] / rows["kept"], rtol=1e-12)
    assert np.allclose(rows["linear"], rows["tokens"] / rows["kept_tokens"], rtol=1e-12)
    ours = rows["predictor"].isin(list(made.OURS))
    assert (rows[ours]["speedup_low"] <= rows[ours]["speedup"]).all()
    assert (rows[ours]["speedup"] <= rows[ours]["speedup_high"]).all()
    assert rows[~ours]["speedup_low"].isna().all()


def test_kept_counts_are_those_of_today(rows: pd.DataFrame, parts: Any) -> None:
    """FLOPs and roofline do not depend on any fit."""
    made = parts["speedups"]
    for model in made.MODELS:
        spec = require_thinker(oz.load_spec(model))
        for ratio, plan in made.plans(spec, made.TOKENS, made.RETAINED).items():
            own = rows[(rows["model"] == model) & (rows["retained"] == ratio)]
            for name, convention in made.COUNTED.items():
                today = made.counted(spec, plan, convention)
                for row in own[own["predictor"] == name].itertuples():
                    assert row.kept == today[row.phase]
            for row in own[own["predictor"] == made.ROOFLINE].itertuples():
                today = made.roofline_s(spec, plan, load_device(row.device))
                assert row.kept == pytest.approx(today[row.phase], rel=1e-12)


def test_kept_seconds_of_ours_are_those_of_today(rows: pd.DataFrame, parts: Any) -> None:
    """One case of each backend and phase, else `python analysis/predictors.py` makes them again."""
    made = parts["speedups"]
    case = {"model": "qwen2.5-omni-3b", "device": "l40s", "retained": 0.35}
    own = rows[(rows[list(case)] == list(case.values())).all(axis=1)]
    today = made.speedups([case["model"]], [case["device"]], made.TOKENS, [case["retained"]])
    ours = {(r.predictor, r.phase): r.kept for r in today if r.predictor in made.OURS}
    kept = own.set_index(["predictor", "phase"])["kept"]
    assert len(ours) == 2 * len(made.OURS)
    assert ours == pytest.approx({place: kept[place] for place in ours}, rel=5e-3)


def test_eq9_by_hand(rows: pd.DataFrame) -> None:
    """OmniZip, Eq. 9, 7B: T(4nd^2 + 2n^2d + 2ndm) at 16,384 tokens and at half of them."""
    layers, d, m, n = 28, 3_584, 18_944, 16_384
    full, kept = (layers * (4 * t * d * d + 2 * t * t * d + 2 * t * d * m) for t in (n, n // 2))
    found = rows[(rows["predictor"] == "Eq. 9") & (rows["model"] == "qwen2.5-omni-7b")]
    (row,) = found[(found["phase"] == "prefill") & (found["retained"] == 0.5)].itertuples()
    assert (row.full, row.kept) == (full, kept)
    assert row.speedup == pytest.approx(2.478, abs=5e-4)


def test_the_roofline_of_a_decode_step_is_its_bytes(parts: Any) -> None:
    """By hand: at one token nearly all bytes are weights, read once at the full bandwidth."""
    made = parts["speedups"]
    spec = require_thinker(oz.load_spec("qwen2.5-omni-7b"))
    device = load_device("h100-sxm")
    plan = made.plans(spec, 1_000, ())[made.FULL]
    d, m, kv, layers, vocab = 3_584, 18_944, 512, 28, 152_064
    weights = layers * (2 * d * d + 2 * d * kv + 3 * d * m) + vocab * d
    cache = layers * 2 * kv * 1_000
    bytes_least = 2 * (weights + cache)
    least_s = bytes_least / device.bandwidth_bytes_per_s
    assert made.roofline_s(spec, plan, device)["decode"] == pytest.approx(least_s, rel=0.01)


def test_a_quotient_of_flops_promises_more_than_seconds_do(rows: pd.DataFrame) -> None:
    """Decode is bound by weights, which compression leaves alone."""
    decode = rows[rows["phase"] == "decode"]
    for _, own in decode.groupby(["model", "retained"]):
        counted = own[own["predicts"] == "FLOPs"]["speedup"]
        timed = own[own["predictor"].isin(["roofline", "AIConfigurator"])]["speedup"]
        assert timed.max() < counted.min()


def test_without_aiconfigurator_it_is_left_out_and_named(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, made = parts["aiconfigurator"], parts["speedups"]
    monkeypatch.setattr(other, "PACKAGE", "no-such-package")
    assert other.installed() is None
    assert other.missing().startswith("no-such-package is not installed: its predictions are left")
    found = list(made.speedups(["qwen2.5-omni-3b"], ["l40s"], 2_000, [0.5]))
    names = {row.predictor for row in found}
    assert names == {*made.COUNTED, made.ROOFLINE, *made.OURS}


def test_aiconfigurator_is_asked_for_the_models_decoder(parts: Any, tmp_path: Path) -> None:
    other = parts["aiconfigurator"]
    if other.installed() is None:
        pytest.skip(other.missing())
    text = require_thinker(oz.load_spec("qwen2.5-omni-3b")).text
    with other.decoder(text, "a100-sxm") as decoder:
        assert decoder.prefill_s(4_000) > 1.5 * decoder.prefill_s(2_000) > 0
        assert decoder.decode_s_per_token(4_000, 2) >= decoder.decode_s_per_token(2_000, 2) > 0


def test_errors_of_the_roofline_are_relative_to_what_was_measured(parts: Any) -> None:
    """A kernel measured at twice its roofline is predicted half too short."""
    kernels = parts["kernels"]
    device = load_device("h100-sxm")
    m, n, k = 4_096, 8_192, 2_048
    twice_ms = 2 * 1e3 * 2 * m * n * k / device.peak("bf16")
    records = pd.DataFrame({
        "op": "gemm", "m": [m, 8], "n": [n, n], "k": [k, k], "latency_ms": [twice_ms, 1.0],
    })  # fmt: skip
    (row,) = kernels.roofline_errors(records, "h100-sxm")
    assert (row.records, row.op) == (1, "gemm")
    assert row.median == pytest.approx(0.5, rel=1e-12)
    assert row.bias == pytest.approx(-0.5, rel=1e-12)


def test_published_pairs_are_those_with_card_model_method_and_ratio(parts: Any) -> None:
    published = parts["published"]
    found = {
        (p.kept.source, p.kept.device, p.kept.model[-2:], p.kept.method, p.ratio)
        for p in published.pairs(published.bundled_claims())
        if p.kept.source != "omnizip"
    }
    a5000, l20 = ("independent-rerun-a5000", "rtx-a5000"), ("omniroute", "l20")
    assert found == {
        (*a5000, "7b", "omnizip", 0.436), (*a5000, "7b", "omnizip", 0.357),
        (*a5000, "3b", "omnizip", 0.45), (*a5000, "3b", "omnizip", 0.35),
        (*l20, "7b", "omnizip", 0.45), (*l20, "7b", "dycoke", 0.5),
    }  # fmt: skip


def test_the_length_that_fits_is_where_the_full_prefill_takes_as_long(parts: Any) -> None:
    published = parts["published"]
    pair = next(p for p in published.pairs(published.bundled_claims()) if p.kept.device == "l20")
    tokens = published.fitting_length(pair)
    times = [
        published.prefill_s(pair.spec, pair.plan(n, full=True), "l20", published.BACKEND)
        for n in (tokens, tokens + 1)
    ]
    assert times[0] <= 2.371 < times[1]


def test_kept_published_rows_hold_together(parts: Any) -> None:
    kept = read_table(KEPT / "published.csv")
    assert len(kept) == len(list(parts["published"].pairs(parts["published"].bundled_claims())))
    assert np.allclose(kept["residual"], kept["predicted"] / kept["measured"] - 1, atol=1e-12)
    assert np.allclose(kept["measured"], kept["full_ms"] / kept["kept_ms"], rtol=1e-12)
    for low, value, high in (
        ("measured_low", "measured", "measured_high"),
        ("predicted_low", "predicted", "predicted_high"),
    ):
        assert (kept[low] <= kept[value]).all()
        assert (kept[value] <= kept[high]).all()
    for other in ("at_half_length", "at_double_length"):  # tiles make steps of a few percent
        assert np.allclose(kept[other], kept["predicted"], rtol=0.2)
    two_cards = kept["source"] == "independent-rerun-a5000"
    assert (kept["cards"] == np.where(two_cards, 2, 1)).all()
    assert kept[two_cards]["note"].str.contains("two cards").all()


def test_what_others_say_has_a_source_each() -> None:
    said = read_table(KEPT / "literature.csv")
    assert said["source"].notna().all()
    assert said["error_pct"].gt(0).all()
    for row in said.dropna(subset=["derived"]).itertuples():
        first, operation, second, *less = row.derived.split()
        value = float(first) / float(second) - 1 if operation == "/" else None
        value = value * 100 if value is not None else float(first) * float(second)
        assert less in ([], ["-", "1"])
        assert row.error_pct == pytest.approx(value, abs=0.5)
