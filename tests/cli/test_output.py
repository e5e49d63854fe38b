"""Tables on narrow terminals: nothing is lost."""

from __future__ import annotations

import pytest

from omnizip_cost.cli import output


@pytest.mark.parametrize("width", [20, 40, 100, 150])
def test_no_cell_is_cropped(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_PLAIN_WIDTH", width)
    columns = ["configuration", *(f"heading {i}" for i in range(8))]
    rows = [
        ["OmniZip 45% (0.3, 0.6)", *(f"{1234.5 * i:,.1f} (52.{i}%)" for i in range(8))],
        ["Full tokens", *("-" for _ in range(8))],
    ]
    output.show("title", columns, rows)
    printed = capsys.readouterr().out
    for heading in columns:
        assert heading in printed
    for cell in rows[0][1:]:
        assert cell in printed
    for word in ["OmniZip", "45%", "(0.3,", "0.6)", "Full", "tokens"]:
        assert word in printed
