"""The report says whose token layout and which scores its figures of the windows rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnizip_cost.cli.folder_facts import windows_basis

HEAD = "window,scores,model,video_features"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            (HEAD, "0,proxy,qwen2.5-omni-7b,pixels (proxy)", "1,proxy,qwen2.5-omni-7b,"),
            "Tokens are laid out as those of qwen2.5-omni-7b, not of omni-tiny, which was timed. "
            "Audio scores: proxy; video features: pixels (proxy).",
        ),
        (
            (HEAD, "0,encoder,omni-tiny,encoder"),
            "Tokens are laid out as those of omni-tiny. Audio scores: encoder; "
            "video features: encoder.",
        ),
        (("window,scores", "0,encoder"), "Audio scores: encoder."),
        (("window", "0"), ""),
    ],
)
def test_the_sentence_is_the_tables(lines: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "windows.csv").write_text("\n".join(lines) + "\n")
    assert windows_basis(tmp_path, "omni-tiny") == said


def test_without_windows_nothing_is_said(tmp_path: Path) -> None:
    assert windows_basis(tmp_path, "omni-tiny") == ""
