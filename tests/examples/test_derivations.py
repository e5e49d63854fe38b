"""The derivations: every check holds, known numbers come out, limits are reached, errors shown."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import sympy
from sympy.core.function import AppliedUndef

import omnizip_cost as oz
from omnizip_cost.errors import InvalidValueError, UnknownNameError, UnsupportedModelError
from omnizip_cost.specs.spec import DecoderSpec, ExpertsSpec
from omnizip_cost.symbolic import (
    TOPICS,
    Point,
    checks,
    derivation,
    derivation_rows,
    number_rows,
    selection_price,
)
from omnizip_cost.symbolic.letters import MEANINGS, A, B, K, R, T, h, m, n, r, s_1, s_2, spec_values
from omnizip_cost.symbolic.topics import crossover, decode, exact, fastv, speedup
from omnizip_cost.symbolic.topics.break_even import pays_from, pays_from_without_fixed_part
from omnizip_cost.symbolic.topics.decode import gain_in_bytes
from omnizip_cost.symbolic.witness import agree, bracketed, counted, flops, proof

SEVEN = oz.load_spec("qwen2.5-omni-7b")
THREE = oz.load_spec("qwen2.5-omni-3b")
POINT = Point(tokens=10_004, ratios=(0.45, 0.35), flop_per_byte=200.0)


def _numbers(topic: str, spec: Any = SEVEN, point: Point = POINT) -> dict[Any, Any]:
    return {
        (row.statement, row.convention, row.retained): row.value
        for row in number_rows(derivation(topic), spec, point)
    }


@pytest.mark.parametrize("topic", TOPICS)
def test_every_check_holds(topic: str) -> None:
    done = checks(topic)
    assert len(done) >= 4
    assert any(check.points for check in done) and any(not check.points for check in done)
    for check in done:
        apart = 1e-3 if "norms and biases apart" in check.says else 0.0
        assert check.worst <= apart, str(check)
        assert "NOT" not in str(check)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_derivation_is_whole(topic: str) -> None:
    found = derivation(topic)
    assert found.name == topic
    assert found.question.endswith("?")
    assert found.assumptions and found.source and len(found.steps) >= 6
    names = [(form.name, form.convention) for form in found.forms]
    assert len(set(names)) == len(names)
    letters = set(found.legend())
    before = "."
    for _, step in found.parts():
        goes_on = step.says[0].islower()
        assert not (goes_on and before.endswith(".")), "a sentence begins with a capital letter"
        assert goes_on or not before.endswith(","), "a comma is followed by the rest"
        before = step.says
        unknown = {str(letter) for letter in step.expression.free_symbols - letters}
        assert all("_" in name or name in {"N", "share", "i"} for name in unknown), unknown
    assert before.endswith(".")
    for form in found.forms:
        assert form.expression.free_symbols <= set(MEANINGS), form.name


def test_eq9_ends_at_the_papers_numbers() -> None:
    """73.2 and 37.4 TFLOP, at n = 10,004 and R = 100 (OmniZip, Tab. 1)."""
    for spec, printed in ((SEVEN, "73.2"), (THREE, "37.4")):
        stages = list(_numbers("eq9", spec).values())
        assert f"{stages[-1] / 1e12:.1f}" == printed
        assert stages[0] > 2 * stages[-1] or spec is THREE


def test_the_ratio_to_eq9_lies_between_the_known_counts() -> None:
    """13,451,984,896,000 FLOPs at 1,000 tokens, 170,646,568,960,000 at 10,000, as torch counts."""
    layers = sympy.lambdify(n, exact.ratio("torch", with_head=False).subs(spec_values(SEVEN)))
    for tokens, counted_by_torch in ((1_000, 13_451_984_896_000), (10_000, 170_646_568_960_000)):
        eq9 = flops(counted(SEVEN.name, tokens, "eq9"))
        assert layers(tokens) == pytest.approx(counted_by_torch / eq9, rel=1e-14)
    assert layers(1_000) == pytest.approx(2.472, abs=5e-4)
    assert layers(10_000) == pytest.approx(2.354, abs=5e-4)


def test_crossover_of_the_7b() -> None:
    numbers = _numbers("crossover")
    assert numbers["attention overtakes the FFN", "eq9", None] == 18_944
    assert numbers["attention overtakes all matrices", "eq9", None] == 2 * 3_584 + 18_944
    assert numbers["attention overtakes the FFN", "torch", None] == 18_944 * 3 // 2


def test_fastv_fills_the_memory_that_the_paper_says_it_did() -> None:
    """45 G against 25 G for full tokens in the 3B: 20 GB of weights at about 12,500 tokens."""
    assert fastv.attention_bytes().subs({h: 16, n: 12_500}) == 20 * 10**9


def test_fastv_below_its_least_ratio_is_out_of_reach() -> None:
    tight = Point(tokens=10_004, ratios=(0.22, 0.45))
    row = next(
        row
        for row in number_rows(derivation("fastv"), SEVEN, tight)
        if row.statement.startswith("ratio at which FastV") and row.retained == 0.22
    )
    assert (row.value, row.means) == (None, "out of reach")
    least = fastv.in_letters(fastv.least_ratio(), "eq9").subs(
        {**spec_values(SEVEN), n: 10_004, K: 5}
    )
    assert 0.22 < float(least) < 0.23


def test_bytes_say_less_than_eq9_promises() -> None:
    """What a decoded token gains at n = 10,004: 1.1 to 1.5 times by Eq. 9, far less by bytes."""
    for spec in (SEVEN, THREE):
        numbers = _numbers("decode", spec)
        for ratio in (0.45, 0.35):
            assert 1.1 < numbers["gain per decoded token, FLOPs", "eq9", ratio] < 1.5
            assert 1.01 < numbers["gain per decoded token, bytes", None, ratio] < 1.07


SIZES = spec_values(SEVEN)
FAR, NEAR = 10**12, sympy.Rational(1, 10**9)


@pytest.mark.parametrize(
    ("expression", "near", "far"),
    [
        (speedup.general().subs({A: 5, B: 3}), 1 / r, r**-2),
        (speedup.ratio("eq9"), 1 / r, r**-2),
        (speedup.ratio("torch"), 1 / r, r**-2),
        (speedup.ratio("hardware"), 1, r**-2),
        (crossover.attention_share("eq9"), 0, 1),
        (exact.ratio("torch", with_head=False), *exact.limits("torch")),
        (exact.ratio("hardware", with_head=False), *exact.limits("hardware")),
        (fastv.ratio("eq9").subs(K, 5), T / (5 + (T - 5) * r), T / (5 + (T - 5) * r**2)),
        (decode.in_letters(gain_in_bytes()), 1, 1 / r),
    ],
)
def test_limits_are_reached_at_extreme_lengths(expression: Any, near: Any, far: Any) -> None:
    values = {**SIZES, r: sympy.Rational(7, 20)}
    found = [float(expression.subs(values).subs(n, place)) for place in (NEAR, FAR)]
    said = [float(sympy.sympify(limit).subs(values)) for limit in (near, far)]
    assert found == pytest.approx(said, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("topic", TOPICS)
def test_limits_as_written_are_reached(topic: str) -> None:
    """Each limit against its own expression, far out, at one set of odd numbers."""
    for limit in derivation(topic).limits:
        place = 10**18 if limit.place == sympy.oo else sympy.Rational(1, 10**18)
        letters = sorted(
            (limit.of.free_symbols | limit.value.free_symbols) - {limit.letter}, key=str
        )
        values = {letter: 3 + 2 * number for number, letter in enumerate(letters)}
        values |= {r: sympy.Rational(3, 8)} if limit.letter != r else {}
        found = limit.of.subs(values).subs(limit.letter, place)
        assert float(found) == pytest.approx(float(limit.value.subs(values)), rel=1e-6, abs=1e-12)


def test_a_cached_token_of_the_7b_is_57344_bytes() -> None:
    """Keys and values of 4 heads of 128 in 28 layers, two bytes each."""
    assert decode.in_letters(decode.cache_bytes()).subs(SIZES) == 2 * 28 * 4 * 128 * 2 == 57_344


@pytest.mark.parametrize("kept", [0.25, 0.35, 0.45, 0.6])
def test_omnizips_line_gives_the_plans_own_pruning(kept: float) -> None:
    """On 60 s in the paper's windows, whole tokens apart."""
    work = oz.workload(SEVEN, seconds=60, pixels=(252, 448))
    plan = oz.plan("omnizip", work, SEVEN, retained=kept)
    ours = selection_price.audio_pruning().subs({**selection_price.WINDOW, r: kept})
    assert float(ours) == pytest.approx(plan.rho_a, abs=2e-3)


def test_decode_inside_leaves_nothing_of_the_gain() -> None:
    values = {**SIZES, r: sympy.Rational(7, 20), n: 10_004}
    whole = speedup.ratio("eq9", decoding=True).subs(values)
    gains = [float(whole.subs(R, steps)) for steps in (0, 100, 10**4, 10**9)]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] == pytest.approx(1, abs=1e-4)
    assert gains[0] == pytest.approx(float(speedup.ratio("eq9").subs(values)))


def test_break_even_with_and_without_a_fixed_part_agree() -> None:
    letters = {A: 7, B: 3, s_1: 20, s_2: 1, r: sympy.Rational(1, 2)}
    plain = pays_from_without_fixed_part().subs(letters)
    assert plain == sympy.Rational(66, 5)
    assert pays_from().subs(letters).subs(sympy.Symbol("s_0", nonnegative=True), 0) == plain


def test_wrong_formulas_are_found_out() -> None:
    def truth(model: str, length: int, _: str) -> int:
        return flops(counted(model, length, "eq9"))

    right = speedup.prefill(speedup.CONVENTIONS["eq9"])
    assert agree("right", right, truth).worst == 0
    assert 0 < agree("one too many", right + 1, truth).worst < 1e-3
    assert proof("identity", (n + 1) ** 2 - n**2 - 2 * n - 1).worst == 0
    assert "NOT equal" in str(proof("no identity", (n + 1) ** 2 - n**2))

    def surplus(_: str, length: int, __: str) -> int:
        return length - 18_944

    seven = (SEVEN.name,)
    assert bracketed("at m", m, surplus, models=seven).worst == 0
    assert bracketed("past m", m + sympy.Rational(3, 2), surplus, models=seven).worst > 0


@pytest.mark.parametrize("topic", ["eq9", "fastv"])
def test_rows_are_flat_and_their_expressions_read_back(topic: str) -> None:
    found = derivation(topic)
    rows = derivation_rows(found, checks(topic), number_rows(found, SEVEN, POINT))
    assert {row.kind for row in rows} >= {
        "question", "assumption", "step", "result", "check", "source", "number",
    }  # fmt: skip
    assert all(math.isfinite(row.value) for row in rows if row.value is not None)
    equations = [row for row in rows if row.expression is not None]
    assert len(equations) == len(list(found.parts()))
    for row, (_, step) in zip(equations, found.parts(), strict=True):
        if not isinstance(step.expression, sympy.Eq):
            continue
        names = {str(letter): letter for letter in step.expression.free_symbols | set(MEANINGS)}
        names |= {item.func.__name__: item.func for item in step.expression.atoms(AppliedUndef)}
        back = sympy.sympify(row.expression, locals=names, evaluate=False)
        for ours, theirs in zip(back.args, step.expression.args, strict=True):
            assert sympy.expand(ours.doit() - theirs.doit()) == 0, row.expression


def test_unknown_topics_have_near_names() -> None:
    with pytest.raises(UnknownNameError, match="unknown topic 'speed-up': did you mean speedup"):
        derivation("speed-up")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokens": 0}, "tokens must be a positive whole number"),
        ({"decoded": 0}, "decoded must be a positive whole number"),
        ({"ratios": (0.0,)}, "retained must be above 0"),
        ({"ratios": (1.5,)}, r"retained must be a ratio in \[0, 1\]"),
    ],
)
def test_points_outside_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        Point(**{"tokens": 100, "ratios": (0.5,), **changes})


def test_more_full_layers_than_there_are() -> None:
    assert _numbers("eq9", point=Point(tokens=100, ratios=(0.5,), fastv_layer=28))
    with pytest.raises(InvalidValueError, match="fastv_layer must be below the 28 layers, got 28"):
        _numbers("fastv", point=Point(tokens=100, ratios=(0.5,), fastv_layer=28))


def _decoder(**changes: Any) -> DecoderSpec:
    text = replace(oz.load_spec("omni-tiny").text, **changes)
    return DecoderSpec(name="drawn", family="mistral", text=text, source="", config={})


def test_a_sliding_window_is_refused_even_where_it_does_not_bind_yet() -> None:
    """Lengths in closed form may lie past it: a crossover at 16,000 tokens, a window of 4,096."""
    layers = oz.load_spec("omni-tiny").text.layers
    spec = _decoder(sliding_window=4_096, sliding_layers=tuple(range(layers)))
    with pytest.raises(UnsupportedModelError, match="not all of them see 1,000,000 tokens"):
        _numbers("speedup", spec, Point(tokens=90, ratios=(0.5,)))


def test_layers_that_differ_are_refused() -> None:
    experts = ExpertsSpec(experts=4, experts_per_token=2, intermediate_size=64, dense_layers=(0,))
    with pytest.raises(UnsupportedModelError, match="drawn: its layers are not all alike"):
        _numbers("speedup", _decoder(experts=experts))
