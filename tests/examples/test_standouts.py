"""What stands out of each source: counts, and the strongest findings in a few sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audited import bundled_findings

from omnizip_cost.audit import Claim, Printed, audit, stand_outs, verdict_counts

SEVEN = "qwen2.5-omni-7b"
FAST = Claim(place="test, line 2", source="ours", model=SEVEN, device="rtx-a6000", tokens=10_004,
             tokens_from="a guess", prefill_ms=Printed.of("291"))  # fmt: skip


def test_one_line_per_bundled_source_with_all_its_numbers() -> None:
    found = {one.source: one for one in stand_outs(bundled_findings())}
    assert list(found) == list(dict.fromkeys(row.source for row in bundled_findings()))
    for source, one in found.items():
        counted = [int(part.split(" ")[0]) for part in one.counts.split(", ")]
        assert sum(counted) == sum(row.source == source for row in bundled_findings())
        assert 1 <= len(one.sentences) <= 3
    paper = found["omnizip"].sentences
    assert paper[0].startswith("9 times need 1.07 to 3.66 times the dense peak of rtx-a6000 at n =")
    assert "imply a full prefill of 1.84 to 2.44 s" in paper[1]
    assert "follows from eq9 (R = 100) at n = 10,004 alone" in paper[2]
    assert "at 42% to 59% of the peak of l20" in found["omniroute"].sentences[1]
    assert "is the whole item, encoders included" in found["omnisift"].sentences[0]
    assert "The weights alone take 17.9 GB" in found["omac"].sentences[0]


@pytest.mark.parametrize(
    ("claim", "counts", "says"),
    [
        (FAST, "1 impossible at the n assumed", "One time needs 3.34 times the dense peak of rtx"),
        (replace(FAST, tokens_from=""), "1 impossible", "at n = 10,004; 291 ms (prefill"),
        (replace(FAST, prefill_ms=Printed.of("9")), "1 impossible", "at any length"),
        (replace(FAST, tokens=2_000), "1 plausible", "at 60% of the peak"),
        (
            replace(
                FAST,
                method="omnizip",
                retained=0.5,
                tokens=10_004,
                tokens_from="",
                prefill_ms=Printed.of("900"),
                speedup=Printed.of("4.1"),
            ),
            "1 needs an unstated assumption, 1 plausible",
            "no length gives more than 4.00",
        ),
        (replace(FAST, tokens=None), "1 needs an unstated assumption", "No token count is given."),
    ],
)
def test_the_strongest_finding_is_said_first(claim: Claim, counts: str, says: str) -> None:
    (one,) = stand_outs(audit([claim]))
    assert one.counts == counts
    assert says in one.sentences[0]


def test_a_verdict_at_an_assumed_length_is_marked_and_one_at_any_length_is_not() -> None:
    rows = audit([FAST, replace(FAST, tokens_from="", dtype="bf16")])
    assert [row.assumed for row in rows] == ["n, dtype", None]
    assert verdict_counts(rows) == "2 impossible (1 at an assumed n)"
    assert any("bf16 are assumed" in said for said in rows[0].assumptions)
    assert not audit([replace(FAST, prefill_ms=Printed.of("9"))])[0].hangs_on_length


def test_a_close_miss_names_the_clock_and_the_type_that_would_do() -> None:
    """107% of the peak: in int8, at twice the peak, or a little above the rated clock."""
    near = replace(FAST, prefill_ms=Printed.of("900"))
    (row,) = audit([near])
    assert row.share_of_peak == pytest.approx(1.081, abs=1e-3) and row.verdict == "impossible"
    assert "rated boost clock" in row.reason and "in int8 (309.7 TFLOP/s)" in row.reason
    (stated,) = audit([replace(near, dtype="bf16")])
    assert "int8" not in stated.reason
    (far,) = audit([FAST])
    assert "int8" not in far.reason and "rated boost clock" not in far.reason


def test_where_an_unknown_method_drops_its_tokens_is_assumed() -> None:
    kept = replace(FAST, tokens_from="", dtype="bf16", retained=0.5, prefill_ms=Printed.of("900"))
    (known,), (unknown,) = (audit([replace(kept, method=name)]) for name in ("omnizip", "flashvid"))
    assert (known.assumed, unknown.assumed) == (None, "method")
    assert unknown.hardware_flops == known.hardware_flops
    (said,) = unknown.assumptions
    assert said.startswith("flashvid is taken to drop its tokens before the first layer")
    layered = replace(kept, method="flashvid", retained=None, tokens=None,
                      layer_tokens="14x4000+14x2000")  # fmt: skip
    assert audit([layered])[0].assumed is None
