"""Plans by example: the paper's settings, ratios into pairs, and every refusal."""

from __future__ import annotations

import math

import pytest

import omnizip_cost as oz
from omnizip_cost.compression import PAPER_SETTINGS, resolve_pruning
from omnizip_cost.errors import InvalidValueError, OmnizipCostError, UnknownNameError
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload import Workload


@pytest.fixture(scope="module")
def spec() -> ThinkerSpec:
    return oz.load_spec("qwen2.5-omni-7b")


@pytest.fixture(scope="module")
def work(spec: ThinkerSpec) -> Workload:
    """Sixty seconds at the paper's 252 x 448: windows of 288 video and 50 audio tokens."""
    return oz.workload(spec, seconds=60, pixels=(252, 448))


@pytest.mark.parametrize(("pair", "kept"), [((0.3, 0.6), 0.452), ((0.4, 0.7), 0.352)])
def test_the_papers_pairs_keep_what_they_say(
    spec: ThinkerSpec, work: Workload, pair: tuple[float, float], kept: float
) -> None:
    """The paper's layout, 50 + 288 tokens a window, anchors counted."""
    plan = oz.plan("omnizip", work, spec, audio_pruning=pair[0], video_pruning=pair[1])
    assert plan.retained == pytest.approx(kept, abs=5e-4)
    assert plan.realised == pytest.approx(plan.retained, abs=0.005)


@pytest.mark.parametrize(
    ("retained", "pair"),
    [(0.45, (0.3, 0.6)), (0.35, (0.4, 0.7)), (0.25, (0.5, 0.8)), (0.7, (0.05, 0.35))],
)
def test_one_ratio_becomes_a_pair_on_omnizips_line(
    retained: float, pair: tuple[float, float]
) -> None:
    found = resolve_pruning("omnizip", retained, video_tokens=288 * 30, audio_tokens=50 * 30)
    assert found == pytest.approx(pair, abs=0.003)
    assert found[1] - found[0] == pytest.approx(0.3, abs=1e-9)


@pytest.mark.parametrize("retained", [0.02, 0.1, 0.5, 0.85, 0.99, 1.0])
def test_the_solved_pair_keeps_the_asked_ratio(
    spec: ThinkerSpec, work: Workload, retained: float
) -> None:
    plan = oz.plan("omnizip", work, spec, retained=retained, rounding="largest-remainder")
    assert plan.realised == pytest.approx(retained, abs=0.002)


def test_anchors_stay_when_nothing_is_asked_to(spec: ThinkerSpec, work: Workload) -> None:
    """At ratio 0 the 5% of anchors remain, as in the published code."""
    plan = oz.plan("omnizip", work, spec, retained=0.0)
    assert (plan.video_kept, plan.audio_kept) == (0, 75)


def test_random_and_dycoke_prune_both_modalities_alike() -> None:
    for method in ("random", "dycoke", "fastv"):
        assert resolve_pruning(method, 0.4, video_tokens=288, audio_tokens=50) == (0.6, 0.6)
    assert resolve_pruning("full", 1.0, video_tokens=288, audio_tokens=50) == (0.0, 0.0)


def test_fastv_has_two_lengths(spec: ThinkerSpec, work: Workload) -> None:
    plan = oz.plan("fastv", work, spec, retained=0.35)
    text = work.text_tokens
    assert plan.layer_tokens[:5] == (work.tokens,) * 5
    assert plan.layer_tokens[5:] == (round(0.35 * work.av_tokens) + text,) * 23


def test_bare_counts_stay_real(spec: ThinkerSpec) -> None:
    plan = oz.plan("omnizip", oz.bare_workload(10_004), spec, retained=0.35)
    assert plan.layer_av_tokens == (0.35 * 10_004,) * 28
    assert plan.layer_tokens == (3501,) * 28
    assert plan.rho_a is None


@pytest.mark.parametrize("setting", PAPER_SETTINGS, ids=lambda s: s.label)
def test_paper_settings_come_out_near_their_names(
    spec: ThinkerSpec, work: Workload, setting: object
) -> None:
    """OmniZip's (0.5, 0.5) and (0.55, 0.55) keep more audio than their names say: anchors."""
    plan = oz.plan(
        setting.method,  # type: ignore[attr-defined]
        work,
        spec,
        retained=setting.retained,  # type: ignore[attr-defined]
        audio_pruning=setting.rho_a,  # type: ignore[attr-defined]
        video_pruning=setting.rho_v,  # type: ignore[attr-defined]
    )
    assert plan.realised == pytest.approx(plan.retained, abs=0.012)


def test_silent_and_soundless_clips(spec: ThinkerSpec) -> None:
    silent = oz.workload(spec, seconds=20, pixels=(252, 448), audio=False)
    plan = oz.plan("omnizip", silent, spec, retained=0.5)
    assert plan.realised == pytest.approx(0.5, abs=0.01)
    assert plan.windows[0].retention is None
    assert plan.windows[0].rate == plan.rho_v
    sound = oz.workload(spec, seconds=20, pixels=None)
    plan = oz.plan("omnizip", sound, spec, retained=0.5)
    assert plan.realised == pytest.approx(0.5, abs=0.01)


def test_expected_retention_is_even(spec: ThinkerSpec, work: Workload) -> None:
    plan = oz.plan("omnizip", work, spec, audio_pruning=0.4, video_pruning=0.7)
    shares = {window.retention for window in plan.windows}
    assert len(shares) == 1
    assert math.isclose(next(iter(shares)), 0.65, abs_tol=0.001)
    assert not plan.exact


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"method": "omnizap", "retained": 0.5}, "unknown method 'omnizap': did you mean omnizip"),
        ({"method": "omnizip"}, "retained must be a ratio in [0, 1], got None; or give both"),
        ({"method": "omnizip", "retained": 1.5}, "retained must be a ratio in [0, 1], got 1.5"),
        ({"method": "omnizip", "audio_pruning": 0.5}, "video_pruning must be given together"),
        ({"method": "full", "retained": 0.5}, "must be 1 (nothing is pruned)"),
        ({"method": "fastv", "retained": 0.5, "fastv_layer": 28}, "between 1 and 27, got 28"),
        (
            {"method": "fastv", "audio_pruning": 0.3, "video_pruning": 0.6},
            "video_pruning must be equal to audio_pruning",
        ),
        ({"method": "omnizip", "retained": 0.5, "mode": "papre"}, "did you mean paper"),
        (
            {"method": "omnizip", "retained": 0.5, "retention": [0.5]},
            "one value for each of 30 windows with audio",
        ),
        (
            {"method": "omnizip", "retained": 0.5, "retention": [0.5] * 29 + [None]},
            "retention must be a ratio in [0, 1], got None",
        ),
        ({"method": "omnizip", "retained": 0.5, "merge": -1}, "merge must be a whole number, zero"),
        ({"method": "omnizip", "retained": 0.5, "anchor_share": 3}, "anchor_share must be a ratio"),
        ({"method": "omnizip", "retained": 0.5, "rho_min": 0.8}, "at most rho_max (0.75), got 0.8"),
        ({"method": "omnizip", "retained": 0.5, "rounding": "up"}, "unknown rounding 'up'"),
        (
            {
                "method": "omnizip",
                "retained": 0.5,
                "mode": "official",
                "rounding": "largest-remainder",
            },
            "rounding must be 'floor' in official mode",
        ),
    ],
)
def test_bad_requests_are_one_sentence(
    spec: ThinkerSpec, work: Workload, arguments: dict[str, object], sentence: str
) -> None:
    method = str(arguments.pop("method"))
    with pytest.raises(OmnizipCostError) as caught:
        oz.plan(method, work, spec, **arguments)  # type: ignore[arg-type]
    assert sentence in str(caught.value)
    assert isinstance(caught.value, (InvalidValueError, UnknownNameError))
    assert "\n" not in str(caught.value)


def test_a_bare_count_has_no_mix_for_a_pair(spec: ThinkerSpec) -> None:
    with pytest.raises(InvalidValueError, match="no audio-video mix"):
        oz.plan("omnizip", oz.bare_workload(100), spec, audio_pruning=0.3, video_pruning=0.6)
