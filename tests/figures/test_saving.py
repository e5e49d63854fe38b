"""Files: three formats, whole or not at all, the same bytes each time, no pyplot anywhere."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from invented_tables import compare_table, windows_table
from matplotlib.figure import Figure

from omnizip_cost.errors import InputFileError
from omnizip_cost.plotting import draw_speedup, draw_windows, save_figure


def test_three_formats_are_written_and_listed(tmp_path: Path) -> None:
    paths = save_figure(draw_speedup(compare_table()), "speedup", tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["speedup.pdf", "speedup.svg", "speedup.png"]
    assert paths[0].read_bytes().startswith(b"%PDF")
    assert paths[1].read_text().startswith("<?xml")
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(paths)


def test_the_png_has_the_printed_size_at_300_dots_per_inch(tmp_path: Path) -> None:
    png = save_figure(draw_speedup(compare_table()), "f", tmp_path)[2].read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width == round(3.3 * 300)
    assert height > 600
    assert len(png) > 20_000


def test_fonts_are_embedded_as_truetype(tmp_path: Path) -> None:
    pdf = save_figure(draw_windows(windows_table(3)), "f", tmp_path)[0].read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_equal_tables_give_equal_files_without_a_date(tmp_path: Path) -> None:
    one = save_figure(draw_windows(windows_table()), "f", tmp_path / "one")
    two = save_figure(draw_windows(windows_table()), "f", tmp_path / "two")
    for left, right in zip(one, two, strict=True):
        assert left.read_bytes() == right.read_bytes(), left.suffix
        assert b"CreationDate" not in left.read_bytes()
        assert b"<dc:date>" not in left.read_bytes()


def test_a_failed_save_keeps_the_old_file_and_leaves_no_scraps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fig = draw_windows(windows_table(3))
    old = save_figure(fig, "f", tmp_path)[0].read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(InputFileError, match="cannot write figures there \\(No space left"):
        save_figure(fig, "f", tmp_path)
    assert (tmp_path / "f.pdf").read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputFileError, match="cannot write figures there"):
        save_figure(Figure(), "f", tmp_path / "taken")


def test_drawing_needs_no_display_and_never_loads_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from invented_tables import windows_table\n"
        "from omnizip_cost.plotting import draw_windows, save_figure\n"
        f"save_figure(draw_windows(windows_table(3)), 'f', {str(tmp_path)!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    here = Path(__file__).resolve()
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    environment["PYTHONPATH"] = os.pathsep.join([str(here.parents[1]), str(here.parents[2])])
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert (tmp_path / "f.png").stat().st_size > 0
