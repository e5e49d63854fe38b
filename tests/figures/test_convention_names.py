"""The convention figure draws every built-in convention and the user's own, long names included."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars

import omnizip_cost as oz
from omnizip_cost.compare import convention_rows
from omnizip_cost.cost import CONVENTIONS, counted, require_conventions
from omnizip_cost.plotting import draw_conventions

LONG = "our-groups-appendix-b-without-the-head-as-of-the-second-revision"
OWN = [
    replace(CONVENTIONS["seats"], name="mac", lm_head="none"),
    replace(CONVENTIONS["sdpa"], name=LONG, encoders=False, counts_padding=False),
    replace(CONVENTIONS["eq9"], name="x" * 64),
]


@pytest.mark.parametrize("width", ["column", "page"])
def test_every_convention_and_the_users_own(width: str) -> None:
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=20, pixels=(252, 448))
    plans = {
        "Full tokens": oz.plan("full", work, spec),
        "OmniZip 45%": oz.plan("omnizip", work, spec, retained=0.45),
    }
    known = require_conventions([*CONVENTIONS, *OWN])
    rows = convention_rows(counted(spec, plans.values(), work, known, 100), plans)
    fig = draw_conventions(pd.DataFrame([dict(row) for row in rows]), width=width)
    assert_tidy(fig)
    (ax,) = fig.axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert len(names) == len(CONVENTIONS) + 3
    assert [name.replace("\n", "") for name in names[:-2]] == [*CONVENTIONS, "mac"]
    assert names[-2].replace("\n", "").startswith("our-groups-")
    assert all(name.count("\n") <= 1 for name in names)
    assert sorted(bar.get_width() for bar in bars(fig)) == sorted(row.flops for row in rows)
