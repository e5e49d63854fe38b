"""The audit on claims made for it: shares of the peak, round trips, rounding, refusals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omnizip_cost as oz
from omnizip_cost.audit import (
    ATTAINABLE_SHARE,
    Claim,
    Finding,
    Printed,
    audit,
    read_claims,
)
from omnizip_cost.audit.fixed_part import parts
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.errors import InputFileError, InvalidValueError, UnknownNameError
from omnizip_cost.formulas import eq9
from omnizip_cost.hardware import bundled_devices, load_device
from omnizip_cost.specs import weights_read_per_pass

SEVEN = "qwen2.5-omni-7b"


def _claim(**facts: object) -> Claim:
    return Claim(**{"place": "test, line 2", "source": "test", "model": SEVEN, **facts})  # type: ignore[arg-type]


def _work(tokens: int, model: str = SEVEN) -> int:
    spec = oz.load_spec(model)
    plan = oz.plan("full", oz.bare_workload(tokens), spec)
    return oz.total_flops(oz.count(spec, plan, "hardware", 0))


def _at_share(share: float, tokens: int = 8_000, device: str = "h100-sxm") -> Finding:
    """Audit a prefill that takes just as long as it would at a share of the peak."""
    seconds = _work(tokens) / load_device(device).peak() / share
    claim = _claim(device=device, tokens=tokens, prefill_ms=Printed.of(f"{seconds * 1e3:.9f}"))
    (found,) = audit([claim])
    assert found.share_of_peak == pytest.approx(share, rel=1e-6)
    return found


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (0.30, "plausible"),
        (ATTAINABLE_SHARE - 1e-4, "plausible"),
        (ATTAINABLE_SHARE + 1e-4, "needs an unstated assumption"),
        (0.99, "needs an unstated assumption"),
        (1.01, "impossible"),
    ],
)
def test_the_share_of_the_peak_decides(share: float, verdict: str) -> None:
    assert _at_share(share).verdict == verdict


@settings(max_examples=8, deadline=None)
@given(
    ms=st.integers(20, 3000),
    device=st.sampled_from(sorted(bundled_devices())),
    method=st.sampled_from([("full", None), ("omnizip", 0.35), ("fastv", 0.5), ("other", 0.2)]),
    gpus=st.integers(1, 2),
)
def test_a_length_at_which_it_would_hold_makes_it_hold(
    ms: int, device: str, method: tuple[str, float | None], gpus: int
) -> None:
    """At the length named the claim holds; one token more and it no longer does."""
    claim = _claim(device=device, method=method[0], retained=method[1], gpus=gpus,
                   prefill_ms=Printed.of(str(ms)))  # fmt: skip
    (found,) = audit([claim])
    if found.verdict == "impossible":  # reading the weights takes longer than the time
        assert found.tokens_at_peak == 0 and found.hardware_flops is None
        return
    assert found.verdict == "needs an unstated assumption"
    for length, better in (
        (found.tokens_at_peak, {"plausible", "needs an unstated assumption"}),
        (found.tokens_at_attainable, {"plausible"}),
    ):
        assert length is not None
        if length:
            (at,) = audit([replace(claim, tokens=length)])
            assert at.verdict in better
        # rounding r n to whole tokens repeats a cost: a few tokens more are surely over
        (beyond,) = audit([replace(claim, tokens=length + 6)])
        assert beyond.verdict not in better


def test_rounding_speaks_for_the_claim() -> None:
    """A time of 10 ms may have been 10.5: the verdict takes the longest that prints so."""
    peak = load_device("h100-sxm").peak()
    tokens = 8_000
    milliseconds = _work(tokens) / peak * 1e3
    just_under = f"{milliseconds:.0f}"
    printed = Printed.of(just_under if float(just_under) < milliseconds else f"{milliseconds:.1f}")
    claim = _claim(device="h100-sxm", tokens=tokens, prefill_ms=printed)
    (found,) = audit([claim])
    assert float(printed.high) >= milliseconds
    assert found.verdict != "impossible"
    exact = replace(printed, half=Fraction(0))
    if exact.value < milliseconds:
        assert audit([replace(claim, prefill_ms=exact)])[0].verdict == "impossible"


def test_bytes_bound_a_short_prompt_and_each_decode_step() -> None:
    spec, device = oz.load_spec(SEVEN), load_device("rtx-4090")
    per_pass_s = 2 * weights_read_per_pass(spec) / device.bandwidth_bytes_per_s
    assert weights_read_per_pass(spec) == 8_931_813_888 - 639_647_232 - 676_550_144 - 152_064 * 3584
    slow, fast = (f"{11 * per_pass_s * factor:.6f}" for factor in (1.01, 0.99))
    claim = _claim(device="rtx-4090", tokens=10, decode_steps=10)
    (held,) = audit([replace(claim, end_to_end_s=Printed.of(slow))])
    (broken,) = audit([replace(claim, end_to_end_s=Printed.of(fast))])
    assert (held.verdict, held.bound_by) == ("plausible", "bytes")
    assert held.bound == pytest.approx(11 * per_pass_s)
    assert broken.verdict == "impossible"
    assert "GB of weights 11 times" in broken.reason


def test_too_little_time_after_the_claims_own_prefill() -> None:
    claim = _claim(device="rtx-4090", tokens=2_000, decode_steps=100, gpus=1,
                   prefill_ms=Printed.of("900"), end_to_end_s=Printed.of("2.0"))  # fmt: skip
    _, whole = audit([claim])
    assert whole.verdict == "needs an unstated assumption"
    assert "1.15 s are left for 100 decode steps, which take 1.4 s" in whole.reason


def test_a_part_cannot_outlast_the_whole() -> None:
    """Nothing else need be known: no card, no length, no model."""
    claim = _claim(device="rtx-a6000", tokens=10_004,
                   prefill_ms=Printed.of("5000"), end_to_end_s=Printed.of("3"))  # fmt: skip
    for told in (claim, replace(claim, device=None, tokens=None), replace(claim, model="unknown")):
        found = audit([told])
        assert [row.verdict for row in found] == ["needs an unstated assumption"] * 2
        assert all("5000 ms is longer than the whole item of 3 s" in row.reason for row in found)
    edge = replace(claim, prefill_ms=Printed.of("3500"))  # 3 s may have been 3.5
    assert {row.verdict for row in audit([edge])} == {"plausible"}


def test_cards_one_after_another_are_spoken_of() -> None:
    """Two cards at work at once have twice the peak and bandwidth; split layers do not."""
    claim = _claim(device="rtx-a5000", gpus=2, tokens=10_004, decode_steps=15,
                   prefill_ms=Printed.of("2104"), end_to_end_s=Printed.of("2.30"))  # fmt: skip
    prefill, whole = audit([claim])
    share = _work(10_004) / 2.104 / 111.1e12
    assert f"{share:.1%} of the peak of the one at work" in prefill.reason
    assert prefill.share_of_peak == pytest.approx(share / 2)
    left_s, pass_s = 2.305 - 2.1035, 2 * weights_read_per_pass(oz.load_spec(SEVEN)) / 768e9
    assert 15 * pass_s / 2 < left_s < 15 * pass_s
    assert whole.verdict == "plausible"
    assert f"{left_s * 1e3:.3g} ms are left for 15 decode steps" in whole.remark
    assert f"take {15 * pass_s * 1e3:.3g} ms at one card's bandwidth" in whole.remark
    alone = audit([replace(claim, gpus=1)])
    assert "one at work" not in alone[0].reason and not alone[1].remark
    assert alone[1].verdict == "needs an unstated assumption"


def _pair(saved_s: str, **facts: object) -> tuple[Claim, Claim]:
    """A full run of 2 s, 1 s of it prefill, and one at half the tokens that saves so much."""
    full = _claim(tokens=4_000, device="l40s", prefill_ms=Printed.of("1000"),
                  end_to_end_s=Printed.of("2.000"), **facts)  # fmt: skip
    fast = replace(full, method="random", retained=0.5, prefill_ms=Printed.of("500"),
                   end_to_end_s=Printed.of(str(2 - float(saved_s))))  # fmt: skip
    return full, fast


@pytest.mark.parametrize(
    ("saved_s", "verdict"),
    [("0.501", "plausible"), ("0.503", "needs an unstated assumption"), ("0.2", "plausible")],
)
def test_saved_seconds_are_intervals(saved_s: str, verdict: str) -> None:
    """500 to 501 ms of prefill, 1 ms less of the item for its rounding: 502 ms may be both."""
    found = audit(_pair(saved_s))
    assert found[-1].verdict == verdict
    assert ("were saved elsewhere" in found[-1].reason) == (verdict != "plausible")
    assert bool(found[0].remark) == (verdict != "plausible")


def test_a_shorter_cache_over_known_steps_is_the_claims_own() -> None:
    """2,000 tokens fewer are 0.13 ms a step: 1,000 steps explain 0.1 s, 100 steps do not."""
    step_s = 2_000 * 2 * 512 * 28 * 2 / 864e9
    assert step_s == pytest.approx(0.1327e-3, rel=1e-3)
    for steps, enough in ((1_000, True), (100, False)):
        (full, fast) = _pair("0.6", decode_steps=steps)
        slow = Printed.of("30.000"), Printed.of("29.400")
        full, fast = (
            replace(claim, end_to_end_s=item)
            for claim, item in zip((full, fast), slow, strict=True)
        )
        found = audit([full, fast])[-1]
        assert found.quantity == "end-to-end speed-up"
        assert ("were saved elsewhere" not in found.reason) == enough


def test_a_mixed_story_needs_both_runs_and_real_prefills() -> None:
    full, fast = _pair("0.9")
    assert audit([full, fast])[0].remark
    for first, second in (
        (replace(full, end_to_end_s=None), fast),
        (replace(full, timed="total"), replace(fast, timed="total")),
        (full, replace(fast, benchmark="another")),
    ):
        assert not any(row.remark or "elsewhere" in row.reason for row in audit([first, second]))


@pytest.mark.parametrize(
    ("dtype", "device", "peak", "name"),
    [
        (None, "l40s", 362_050, "bf16"),
        ("fp8", "l40s", 733_000, "fp8"),
        ("fp8", "rtx-a6000", 154_800, "bf16"),
        ("int8", "rtx-a6000", 309_700, "int8"),
        ("fp32", "rtx-a6000", 77_400, "tf32"),
    ],
)
def test_the_peak_is_that_of_the_fastest_products(
    dtype: str | None, device: str, peak: int, name: str
) -> None:
    claim = _claim(dtype=dtype, device=device, tokens=9_000, prefill_ms=Printed.of("9000"))
    (found,) = audit([claim])
    assert found.peak_flop_per_s == peak * 10**9
    assert f"dense {name} peak of {device}" in found.reason


@pytest.mark.parametrize(
    ("speedup", "tokens", "verdict"),
    [
        ("8.3", 10_000, "needs an unstated assumption"),  # a full run that spills may do it
        ("8.2", 10_000, "needs an unstated assumption"),  # may have been 8.15
        ("3.9", 10_000, "needs an unstated assumption"),
        ("3.4", 10_000, "plausible"),
        ("0.7", 10_000, "plausible"),
        ("2.8", None, "plausible"),
        ("3.4", None, "needs an unstated assumption"),
    ],
)
def test_speedups_between_one_over_r_and_its_square(
    speedup: str, tokens: int | None, verdict: str
) -> None:
    """At r = 0.35: 2.86 is the ratio of tokens, 8.163 that of their pairs."""
    claim = _claim(method="omnizip", retained=0.35, tokens=tokens, speedup=Printed.of(speedup))
    (found,) = audit([claim])
    assert found.bound == pytest.approx(1 / 0.35**2)
    assert found.verdict == verdict
    assert ("no length gives more than 8.16" in found.reason) == (speedup == "8.3")
    assert "impossible" not in found.reason


def test_the_ratio_of_work_is_a_range_and_attention_an_allowance() -> None:
    """By hand at n = 10,004 and 35%: 3.13 by causal pairs, 3.34 by all; then attention slower."""
    n, kept, d, m, kv, layers, vocab = 10_004, 0.35 * 10_004, 3584, 18_944, 512, 28, 152_064
    linear = layers * (2 * d * d + 2 * d * kv + 3 * d * m)

    def causal(tokens: float) -> float:
        return tokens * linear + layers * d * tokens * (tokens + 1) + d * vocab

    def every(tokens: float, attention: float = 1) -> float:
        return tokens * linear + attention * 2 * layers * d * tokens**2 + tokens * d * vocab

    low, high = causal(n) / causal(kept), every(n) / every(kept)
    slower = [every(n, cost) / every(kept, cost) for cost in (1.28, 1.57)]
    assert [f"{value:.2f}" for value in (low, high, *slower)] == ["3.13", "3.34", "3.46", "3.57"]
    for speedup, verdict, remarked in (
        ("3.30", "plausible", False),
        ("3.42", "plausible", True),
        ("3.55", "plausible", True),
        ("3.70", "needs an unstated assumption", False),
    ):
        claim = _claim(method="omnizip", retained=0.35, tokens=n, speedup=Printed.of(speedup))
        (found,) = audit([claim])
        assert (found.verdict, bool(found.remark)) == (verdict, remarked)
        assert "the work is 3.13 (causal pairs) to 3.34 (all pairs) times less" in found.reason
        beyond = f"{found.reason}{found.remark}"
        assert ("3.46 to 3.57 times less" in beyond) == (speedup != "3.30")
        assert ("It takes n = " in found.reason) == (speedup == "3.70")


def test_fastv_is_bounded_by_its_full_layers() -> None:
    claim = _claim(method="fastv", retained=0.35, tokens=100, speedup=Printed.of("2"))
    (found,) = audit([claim])
    assert found.bound == pytest.approx(28 / (5 + 23 * 0.35**2))


def test_layers_of_their_own_lengths_have_a_ratio_too() -> None:
    """Half the layers on half the tokens: 4 / 3 of tokens, 8 / 5 of pairs."""
    claim = _claim(method="other", layer_tokens="14x4000+14x2000", speedup=Printed.of("1.4"))
    (found,) = audit([claim])
    assert (found.bound, found.verdict) == (pytest.approx(8 / 5), "plausible")
    for speedup, verdict in (
        ("1.5", "needs an unstated assumption"),
        ("1.7", "needs an unstated assumption"),
    ):
        (found,) = audit([replace(claim, speedup=Printed.of(speedup))])
        assert found.verdict == verdict


def test_a_printed_speedup_must_follow_from_its_times() -> None:
    full = _claim(tokens=2_000, prefill_ms=Printed.of("300"), device="rtx-a6000")
    fast = replace(full, method="random", retained=0.5, prefill_ms=Printed.of("200"))
    derived = audit([full, fast])[-1]
    assert (derived.claimed, derived.derived, derived.verdict) == (1.5, True, "plausible")
    wrong = audit([full, replace(fast, speedup=Printed.of("1.8"))])[-1]
    assert wrong.verdict == "needs an unstated assumption"
    assert "does not follow from the times beside it" in wrong.reason


@pytest.mark.parametrize(
    ("gb", "dtype", "device", "verdict"),
    [
        ("17.9", "bf16", None, "plausible"),
        ("16.7", "bf16", None, "plausible"),  # GiB, in the claim's favour
        ("16.5", "bf16", None, "impossible"),
        ("16.5", None, None, "needs an unstated assumption"),
        ("16.5", "int8", None, "plausible"),
        ("51.5", None, "rtx-a6000", "plausible"),  # 48 GiB are 51.5 GB
        ("53", None, "rtx-a6000", "impossible"),
    ],
)
def test_memory(gb: str, dtype: str | None, device: str | None, verdict: str) -> None:
    (found,) = audit([_claim(memory_gb=Printed.of(gb), dtype=dtype, device=device)])
    assert found.verdict == verdict


def test_a_time_without_its_card() -> None:
    """Plausible on every card known, on some, or on none."""
    work = _work(4_000)
    for rate, verdict, says in (
        (50e12, "plausible", "which every card known here has"),
        (900e12, "needs an unstated assumption", "(h100-sxm or faster)"),
        (3e15, "impossible", "more than any card known here"),
    ):
        ms = Printed.of(f"{work / rate * 1e3:.6f}")
        (found,) = audit([_claim(tokens=4_000, prefill_ms=ms)])
        assert found.verdict == verdict
        assert says in found.reason
    (named,) = audit([_claim(tokens=4_000, prefill_ms=ms)], device="b200")
    assert (named.device, named.device_from) == ("b200", "given by --device")


def test_the_search_is_right_on_values_of_its_own_making() -> None:
    """Two values printed under any convention lead back to it and to their length."""
    spec = oz.load_spec(SEVEN)
    for name, tokens in (("hardware", 7_321), ("dynamic-llava", 12_345)):
        claims = [
            _claim(
                method=method, retained=ratio, decode_steps=0, flops_t=Printed.of(f"{flops:.6f}")
            )
            for method, ratio in (("full", None), ("random", 0.5))
            for plan in [oz.plan(method, oz.bare_workload(tokens), spec, retained=ratio)]
            for flops in [oz.total_flops(oz.count(spec, plan, name, 0)) / 1e12]
        ]
        found = audit(claims)
        assert {row.convention.split(" ")[0] for row in found} == {name}
        assert {row.tokens for row in found} == {tokens}


def test_one_value_alone_settles_nothing() -> None:
    (found,) = audit([_claim(flops_t=Printed.of("73.2"))])
    assert found.verdict == "needs an unstated assumption"
    assert "fits many conventions" in found.reason
    fits = [
        n for n in range(9_000, 11_000) if 73.15e12 <= eq9(n, 3584, 18_944, 28, 100) <= 73.25e12
    ]
    assert f"eq9 (R = 100) at n = {fits[0]:,} to {fits[-1]:,};" in found.reason


def test_a_convention_of_ones_own_is_searched_too() -> None:
    own = replace(CONVENTIONS["eq9"], name="mine", ffn_matrices=5)
    spec = oz.load_spec(SEVEN)
    plan = oz.plan("full", oz.bare_workload(3_000), spec)
    value = oz.total_flops(oz.count(spec, plan, own, 100)) / 1e12
    claim = _claim(tokens=3_000, decode_steps=100, flops_t=Printed.of(f"{value:.5f}"))
    assert audit([claim])[0].convention is None
    assert audit([claim], conventions=[own])[0].convention == "mine (R = 100)"


def test_printed_numbers_hold_what_rounds_to_them() -> None:
    printed = Printed.of("73.2")
    assert printed.holds(Fraction("73.15")) and printed.holds(Fraction("73.25"))
    assert not printed.holds(Fraction("73.2501"))
    assert Printed.of("1e3").half == Fraction(1, 2)
    assert Printed.of("5.0").half < Printed.of("5").half
    for text in ("0", "-1", "nan", "inf", "1_0", "", "x", "1e99"):
        with pytest.raises(ValueError):
            Printed.of(text)


def test_three_points_give_their_parabola() -> None:
    points = [(Fraction(r), 7 - 2 * Fraction(r) + 3 * Fraction(r) ** 2) for r in (1, 4, 9)]
    assert parts(points) == (7, -2, 3)


HEADER = "model,device,method,retained,tokens,prefill_ms,gpus,layer_tokens,dtype,timed\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: there is no column model"),
        ("device\nl4\n", "line 1: there is no column model"),
        (HEADER, "there is no row under its header"),
        ("model;device\nx;l4\n", "line 1: columns must be separated by commas, not ;"),
        (HEADER + f"{SEVEN},,,,{10**11},,,,,\n", "from 1 to 100,000,000, got '100000000000'"),
        ("model,prefil\nx,1\n", "line 1: unknown column 'prefil'; did you mean prefill"),
        ("model,speedup,prefill_speedup\nx,1,1\n", "column speedup stands there more than once"),
        (HEADER + f"{SEVEN},l4\n", "line 2 has 2 cells where the header has 10"),
        (HEADER + f"{SEVEN},,,,,,,,,\n,,,,,1,,,,\n", "line 3: model is empty"),
        (HEADER + f"{SEVEN},,,,,fast,,,,\n", "line 2: prefill_ms must be a number above zero"),
        (
            HEADER + f"{SEVEN},,,1.2,,,,,,\n",
            "retained must be a ratio above 0, at most 1, got '1.2'",
        ),
        (
            HEADER + f"{SEVEN},,,,1e4,,,,,\n",
            "tokens must be a whole number from 1 to 100,000,000, got '1e4'",
        ),
        (
            HEADER + f"{SEVEN},,,,,,0,,,\n",
            "gpus must be a whole number from 1 to 100,000,000, got '0'",
        ),
        (HEADER + f"{SEVEN},,,,,,,18*3,,\n", "layer_tokens must be layers x tokens"),
        (HEADER + f"{SEVEN},,,,,,,,int4,\n", "dtype must be one of bf16, fp16"),
        (HEADER + f"{SEVEN},,,,,,,,,both\n", "timed must be prefill or total, got 'both'"),
        (HEADER + f'{SEVEN},"l4\n', "is not CSV"),
    ],
)
def test_a_faulty_file_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(text)
    with pytest.raises(InputFileError) as caught:
        read_claims(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_row_names_must_be_known() -> None:
    with pytest.raises(InputFileError, match="test, line 2: unknown model 'qwen'"):
        audit([_claim(model="qwen")])
    with pytest.raises(InputFileError, match="unknown device 'a6000': did you mean rtx-a6000"):
        audit([_claim(device="a6000")])
    with pytest.raises(InputFileError, match="made for the 28 layers"):
        audit([_claim(layer_tokens="3x10", flops_t=Printed.of("1"))])
    with pytest.raises(UnknownNameError, match="unknown device"):
        audit([_claim()], device="h1000")
    with pytest.raises(InvalidValueError, match="tokens must be a positive whole number"):
        audit([_claim()], tokens=0)
    assert audit([_claim()]) == []


def test_oom_dashes_and_blank_lines_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(f"\ufeffModel, Prefill_MS,memory_gb\n{SEVEN},oom,-\n\n,,\n{SEVEN},10,\n")
    claims = read_claims(path)
    assert (claims[0].prefill_ms, claims[0].memory_gb) == (None, None)
    assert [claim.place for claim in claims] == ["claims.csv, line 2", "claims.csv, line 5"]
    assert claims[1].source == "claims"
