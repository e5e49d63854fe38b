"""Witness: the paper's ten memory rows, and the one that did not fit.

What is printed beside what is counted under one set of assumptions (see ``audit.memory``).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from audited import find

import omnizip_cost as oz
from omnizip_cost.audit import Claim, Printed, audit
from omnizip_cost.cost.memory import longest_that_fits, memory_peak
from omnizip_cost.hardware import load_device

SEVEN, THREE = "qwen2.5-omni-7b", "qwen2.5-omni-3b"


def _peak(model: str, method: str, n: int, retained: float | None = None) -> int:
    spec, work = oz.load_spec(model), oz.bare_workload(n)
    ratio = {} if retained is None else {"retained": retained}
    return memory_peak(spec, oz.plan(method, work, spec, **ratio), work).peak_bytes


def test_fastv_does_not_fit_where_the_paper_says_so() -> None:
    """45 G against 25 G on the 3B, in one layer's attention: about 12,500 tokens.

    By hand: 20e9 bytes over 16 heads are n^2 times 8 bytes at n = 12,500, or at 11,180 times the
    10 bytes that torch's softmax takes in bf16; full tokens hold logits at that moment instead.
    """
    (row,) = find("omnizip", "out of memory", model=SEVEN)
    implied = int(row.reason.split("implies n = ")[1].split(":")[0].replace(",", ""))
    assert 11_180 < implied < 12_500
    grown = _peak(THREE, "fastv", implied, 0.5) - _peak(THREE, "full", implied)
    assert grown == pytest.approx(20e9, rel=1e-3)
    needs = _peak(SEVEN, "fastv", implied, 0.5)
    assert row.counted == pytest.approx(needs / 1e9)
    assert load_device("rtx-a6000").usable_bytes < needs < load_device("a100-sxm").usable_bytes
    assert row.verdict == "plausible" and row.bound_by == "device"
    assert _peak(SEVEN, "full", implied) < load_device("rtx-a6000").usable_bytes / 2


def test_ten_rows_under_one_set_of_assumptions() -> None:
    rows = [*find("omnizip", "memory", benchmark=None), *find("omnizip", "out of memory")]
    assert len(rows) == 10
    for row in rows:
        if row.quantity == "memory":
            counted = _peak(row.model, row.method, 10_004, row.retained)
            assert row.counted == pytest.approx(counted / 1e9)
            assert row.residual == pytest.approx(row.claimed - row.counted)
    printed = {(row.model, row.method, row.retained): row for row in rows}
    full, least = printed[SEVEN, "full", 1.0], printed[SEVEN, "omnizip", 0.35]
    assert full.residual > least.residual > 0  # no constant beside the thinker explains both
    assert "would fill it" in full.reason


def test_fewer_bytes_than_are_counted_need_an_assumption() -> None:
    facts = {"place": "a test", "source": "a test", "model": SEVEN, "tokens": 10_004}
    said = {gb: audit([Claim(**facts, memory_gb=Printed.of(gb))])[0] for gb in ("19", "21.6", "30")}
    assert said["19"].verdict == "needs an unstated assumption"
    assert "less is claimed" in said["19"].reason
    assert said["21.6"].verdict == "plausible" and said["21.6"].reason.endswith("as printed.")
    assert said["30"].verdict == "plausible"


@pytest.mark.parametrize("device", ["rtx-a6000", "l4", "h100-sxm"])
@pytest.mark.parametrize(
    ("method", "retained"), [("full", None), ("fastv", 0.5), ("omnizip", 0.35)]
)
def test_one_token_more_does_not_fit(device: str, method: str, retained: float | None) -> None:
    spec, usable = oz.load_spec(SEVEN), load_device(device).usable_bytes
    longest = longest_that_fits(spec, usable, method, retained=retained)
    assert _peak(SEVEN, method, longest, retained) <= usable
    if longest == 250_000:
        assert method == "omnizip" and device != "l4"  # all that are looked at
        return
    assert _peak(SEVEN, method, longest + 1, retained) > usable


def test_a_clips_encoders_count() -> None:
    """At the longest clip that fits, encoders of all its seconds run; 2 s more do not fit."""
    spec = oz.load_spec(SEVEN)
    clip = oz.workload(spec, seconds=20, pixels=(252, 448))
    usable = load_device("l4").usable_bytes
    bare, seen = (longest_that_fits(spec, usable, mix=mix) for mix in (None, clip))
    assert 0 < seen < bare
    window = clip.windows[0].tokens
    assert seen % window == 0
    for more, fits in ((0, True), (1, False)):
        seconds = 2 * (seen // window + more)
        work = oz.workload(spec, seconds=seconds, pixels=(252, 448))
        peak = memory_peak(spec, oz.plan("full", work, spec), work).peak_bytes
        assert (peak <= usable) == fits
    assert longest_that_fits(spec, 17 * 10**9) == 0


def test_residuals_under_other_assumptions(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that holds for all rows closes them: the longest clips, or more, must be in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[2] / "analysis")
        import memory_published

        memory_published.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    full = next(line for line in lines if line[:2] == ["7b", "full"])
    (row,) = find("omnizip", "memory", model=SEVEN, method="full", benchmark=None)
    assert float(full[4]) == pytest.approx(row.residual, abs=0.06)
    rows = [line for line in lines if line and line[0] in {"7b", "3b"}]
    assert len(rows) == 10
    for column in (4, 5, 7):  # as audited, GB = 2^30, the length that FastV's rows imply
        residuals = [float(line[column]) for line in rows if line[3] != "oom"]
        assert max(residuals) - min(residuals) > 4
