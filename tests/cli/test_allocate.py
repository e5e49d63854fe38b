"""``allocate`` on media files: the rates of a clip's own sound, and the figure of what was kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_media import Pictures, Sound, write
from tiny_thinker import tiny_thinker

from omnizip_cost.cli.app import run
from omnizip_cost.compression import allocate
from omnizip_cost.compression.windows import audio_keep, window_retention
from omnizip_cost.results import read_table
from omnizip_cost.runtime.proxy import proxy_scores
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import decode_clip, make_demo_clip

Capture = pytest.CaptureFixture[str]
SMALL = ("--max-pixels", "12544")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "made.mp4"
    make_demo_clip(path, seconds=7.0, size=(112, 112))
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _rows(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    assert run(["allocate", *arguments, "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def _refused(capsys: Capture, *arguments: str) -> str:
    assert run(["allocate", *arguments]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert len(out.err.splitlines()) == 1
    return out.err


@pytest.mark.parametrize("mode", ["paper", "official"])
@pytest.mark.parametrize("rho_v", [0.2, 0.6, 0.7, 1.0])
def test_rates_are_algorithm_1_on_the_sound_alone(
    clip: Path, capsys: Capture, mode: str, rho_v: float
) -> None:
    """No pixel and no part of the selection on tensors has a say in the rates."""
    rows = _rows(capsys, str(clip), "--video-pruning", str(rho_v), "--mode", mode, *SMALL)
    spec = load_spec("qwen2.5-omni-7b")
    decoded = decode_clip(clip, spec)
    work = decoded.workload(spec)
    assert decoded.waveform is not None
    scores = proxy_scores(decoded.waveform, tokens=work.audio_tokens)
    shares = window_retention(
        audio_keep(scores.numpy(), 0.4), [window.audio_tokens for window in work.windows]
    )
    rates = allocate(
        shares,
        video_pruning=rho_v,
        video_tokens=[row["video_tokens"] for row in rows],
        mode=mode,  # type: ignore[arg-type]
    )
    tight = {"rtol": 0, "atol": 1e-12 if mode == "paper" else 1e-7}  # a float32 mean in official
    np.testing.assert_allclose([row["retention"] for row in rows], shares, **tight)
    np.testing.assert_allclose([row["rate"] for row in rows], rates, **tight)


def test_rows_say_where_scores_and_features_come_from(clip: Path, capsys: Capture) -> None:
    rows = _rows(capsys, str(clip), "--video-pruning", "0.6", *SMALL)
    assert {row["scores"] for row in rows} == {"proxy"}
    assert {row["video_features"] for row in rows} == {"pixels (proxy)"}
    assert [row["audio_tokens"] for row in rows] == [50, 50, 50, 24]
    assert not Path("out").exists(), "rows alone draw nothing unless told where"
    for row in rows:
        assert row["audio_kept"] == round(row["retention"] * row["audio_tokens"])
        grid = 16
        assert row["video_kept"] == row["video_tokens"] // grid * int(grid * (1 - row["rate"]))
    kept = sum(row["audio_kept"] + row["video_kept"] for row in rows)
    given = sum(row["audio_tokens"] + row["video_tokens"] for row in rows)
    assert rows[0]["realised"] == pytest.approx(kept / given)


def test_a_person_gets_a_table_and_two_figures(clip: Path, capsys: Capture) -> None:
    assert run(["allocate", str(clip), "--video-pruning", "0.6", *SMALL]) == 0
    out = capsys.readouterr().out
    assert "scores: proxy; video features: pixels (proxy)" in out
    assert "figure: out/allocate/figures/kept.png" in out
    for name in ("kept", "windows"):
        for kind in ("pdf", "svg", "png"):
            assert Path(f"out/allocate/figures/{name}.{kind}").stat().st_size > 1000
    arguments = ["figures", "kept", "--from", "out/allocate", "--out", "again", "--width", "page"]
    assert run(arguments) == 0
    again = Path("again/kept.png").read_bytes()
    assert again == Path("out/allocate/figures/kept.png").read_bytes(), "tables are all it takes"


def test_rows_and_a_folder(clip: Path, capsys: Capture) -> None:
    rows = _rows(capsys, str(clip), "--video-pruning", "0.6", *SMALL, "--out", "here")
    stored = read_table("here/tables/windows.csv")
    assert list(stored["rate"]) == [row["rate"] for row in rows]
    assert Path("here/figures/kept.svg").is_file()


def test_a_checkpoint_scores_by_its_own_encoders(
    clip: Path, capsys: Capture, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    tiny_thinker(layers=2).save_pretrained(folder)
    arguments = (str(clip), "--video-pruning", "0.6", "--checkpoint", str(folder), *SMALL)
    rows = _rows(capsys, *arguments)
    assert {row["scores"] for row in rows} == {"random-weights encoder"}
    assert {row["video_features"] for row in rows} == {"random-weights encoder"}
    assert {row["model"] for row in rows} == {"tiny"}
    assert sum(row["rate"] * row["video_tokens"] for row in rows) == pytest.approx(
        0.6 * sum(row["video_tokens"] for row in rows), abs=1e-9
    )
    assert "left out beside --checkpoint" in _refused(capsys, *arguments, "--model", "omni-tiny")
    assert "unknown device 'gpu'" in _refused(capsys, *arguments, "--device", "gpu")


def test_one_window(tmp_path: Path, capsys: Capture) -> None:
    make_demo_clip(tmp_path / "one.mp4", seconds=2.0, size=(112, 112))
    (row,) = _rows(capsys, "one.mp4", "--video-pruning", "0.6", *SMALL, "--out", "one")
    assert row["rate"] == pytest.approx(0.6, abs=1e-12)
    assert Path("one/figures/kept.png").is_file()


@pytest.mark.parametrize(("rho_v", "kept"), [("0", 1.0), ("1", 0.0)])
def test_all_or_nothing(clip: Path, capsys: Capture, rho_v: str, kept: float) -> None:
    rows = _rows(capsys, str(clip), "--video-pruning", rho_v, *SMALL, "--out", "edge")
    assert {row["rate"] for row in rows} == {float(rho_v)}
    tokens = read_table("edge/tables/kept.parquet")
    assert tokens.loc[tokens["modality"] == "video", "kept"].mean() == kept
    assert Path("edge/figures/kept.png").is_file()


def test_nothing_pruned_at_all(clip: Path, capsys: Capture) -> None:
    arguments = (str(clip), "--video-pruning", "0", "--audio-pruning", "0", *SMALL)
    for mode in ("paper", "official"):
        rows = _rows(capsys, *arguments, "--mode", mode)
        assert {(row["retention"], row["rate"], row["realised"]) for row in rows} == {(1, 0, 1)}


def test_sound_alone_has_its_figure(tmp_path: Path, capsys: Capture) -> None:
    make_demo_clip(tmp_path / "both.mp4", seconds=4.0, size=(112, 112))
    _copy_stream(tmp_path / "both.mp4", tmp_path / "sound.mp4", "audio")
    (row,) = _rows(capsys, "sound.mp4", "--video-pruning", "0.6", "--out", "heard")
    assert (row["video_tokens"], row["video_kept"]) == (0, 0)
    assert row["end_s"] == pytest.approx(4.0, abs=0.1)
    assert Path("heard/figures/kept.png").is_file()


def test_a_window_without_video_has_no_rate_in_the_table(tmp_path: Path, capsys: Capture) -> None:
    make_demo_clip(tmp_path / "both.mp4", seconds=4.0, size=(112, 112))
    _copy_stream(tmp_path / "both.mp4", tmp_path / "sound.mp4", "audio")
    assert run(["allocate", "sound.mp4", "--video-pruning", "0.6"]) == 0
    out = capsys.readouterr().out
    (row,) = [line.split() for line in out.splitlines() if line.split()[:1] == ["0"]]
    assert row[4:6] == ["0", "0"] and row[7:] == ["-", "-"]
    assert "scores: proxy\n" in out and "video features" not in out
    assert "mean rate" not in out, "no window with video has audio"


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_pictures_alone_get_the_budget_everywhere(
    clip: Path, tmp_path: Path, capsys: Capture, mode: str
) -> None:
    _copy_stream(clip, tmp_path / "mute.mp4", "video")
    arguments = ("mute.mp4", "--video-pruning", "0.9", "--mode", mode, *SMALL)
    rows = _rows(capsys, *arguments)
    assert {(row["retention"], row["rate"], row["audio_tokens"]) for row in rows} == {
        (None, 0.9, 0)
    }
    assert {(row["scores"], row["note"]) for row in rows} == {
        ("none", "no audio: every window gets rho_v")
    }
    assert sum(row["video_kept"] for row in rows) == 7 * int(16 * (1 - 0.9))
    assert run(["allocate", *arguments]) == 0
    out = capsys.readouterr().out
    assert out.count("no audio: every window gets rho_v") == 1
    assert "0.9000" in out
    for name in ("kept", "windows"):
        assert Path(f"out/allocate/figures/{name}.png").stat().st_size > 1000


def test_pictures_alone_before_a_checkpoint(clip: Path, tmp_path: Path, capsys: Capture) -> None:
    _copy_stream(clip, tmp_path / "mute.mp4", "video")
    tiny_thinker(layers=2).save_pretrained(tmp_path / "tiny")
    rows = _rows(
        capsys, "mute.mp4", "--video-pruning", "0.6", "--checkpoint", str(tmp_path / "tiny"), *SMALL
    )
    assert {(row["rate"], row["scores"], row["video_features"]) for row in rows} == {
        (0.6, "none", "random-weights encoder")
    }


def test_silence_is_refused(tmp_path: Path, capsys: Capture) -> None:
    write(tmp_path / "still.mp4", Pictures(frames=50), Sound(seconds=2.0, level=0.0))
    message = _refused(capsys, "still.mp4", "--video-pruning", "0.6")
    assert "silent throughout: the scores of its sound are all equal" in message


def test_a_budget_outside_the_bounds_is_said(clip: Path, capsys: Capture) -> None:
    assert run(["allocate", str(clip), "--video-pruning", "0.9", *SMALL]) == 0
    out = capsys.readouterr().out
    assert "rho_v = 0.9 lies outside [0.35, 0.75]" in out
    assert "mean rate of the windows with audio 0.9000 (budget 0.9)" in out


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (("--out", "x"), "--out must be left out beside a table"),
        (("--checkpoint", "x"), "--checkpoint must be left out beside a table"),
        (("--model", "omni-tiny"), "--model must be left out beside a table"),
        (("--audio-pruning", "0.4"), "--audio-pruning must be left out beside a table"),
        (("--device", "cpu"), "--device must be left out beside a table"),
        (("--max-pixels", "12544"), "--max-pixels must be left out beside a table"),
        (("--max-frames", "8"), "--max-frames must be left out beside a table"),
        (("--width", "page"), "--width must be left out beside a table"),
    ],
)
def test_a_table_takes_no_media_options(
    more: tuple[str, ...], part: str, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "windows.csv").write_text("retention\n0.5\n")
    assert part in _refused(capsys, "windows.csv", "--video-pruning", "0.5", *more)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (("--width", "poster"), "unknown figure width 'poster'"),
        (("--audio-pruning", "2"), "audio_pruning must be a ratio in [0, 1], got 2.0"),
        (("--mode", "papers"), "unknown mode 'papers'"),
        (("--rho-min", "0.8"), "rho_min"),
        (("--model", "omni-tinny"), "unknown model"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--device", "cuda"), "--device must be left out without --checkpoint, got 'cuda'"),
    ],
)
def test_wrong_options_are_one_sentence(
    clip: Path, more: tuple[str, ...], part: str, capsys: Capture
) -> None:
    assert part in _refused(capsys, str(clip), "--video-pruning", "0.5", *SMALL, *more)
    assert not Path("out").exists()


def _copy_stream(source: Path, target: Path, kind: str) -> None:
    import av

    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = getattr(given.streams, kind)[0]
        copy = made.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                made.mux(packet)
