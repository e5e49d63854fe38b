"""A method of another package, from its metadata to every command; broken ones name themselves."""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from attended_method import MostAttended
from installed_plugin import EXAMPLE, MODULE, command, install, install_example, python
from tiny_thinker import tiny_inputs, tiny_thinker

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.compression import METHODS, all_methods, require_method
from omnizip_cost.errors import OmnizipCostError, PluginError, UnknownNameError
from omnizip_cost.runtime.modules import find_audio_encoder, find_vision_encoder
from omnizip_cost.runtime.scores import ScoreTap
from omnizip_cost.runtime.vision_scores import VisionScoreTap

Capture = pytest.CaptureFixture[str]

CLIP = ("--model", "omni-tiny", "--seconds", "4", "--pixels", "112x112", "--max-pixels", "12544")
FRESH = count()
SOUND = """
from omnizip_cost.plugin import Counts, Method
class Whole(Method):
    name, title, answers, source = {name!r}, "Whole", "keeps all", "tests"
    def planned(self, request):
        return Counts(video=request.video_sizes, audio=request.audio_sizes)
    def select(self, request):
        layout = request.layout
        return request.keep(video=range(layout.video_tokens), audio=range(layout.audio_tokens))
"""


@pytest.fixture
def stride(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The documented example on this process's path."""
    place = install_example(tmp_path / "site")
    monkeypatch.syspath_prepend(str(place))
    yield place
    sys.modules.pop(MODULE.stem, None)


def offer(
    place: Path, monkeypatch: pytest.MonkeyPatch, *, package: str = "broken-package", **offered: str
) -> None:
    """Install one module per method, ``name=source``, under names that no other test used."""
    stem = f"{package.replace('-', '_')}_{next(FRESH)}"
    install(
        place / package,
        package=package,
        modules={f"{stem}_{name}": text for name, text in offered.items()},
        methods={name: f"{stem}_{name}:Whole" for name in offered},
    )
    monkeypatch.syspath_prepend(str(place / package))


def test_the_example_is_short_and_keeps_every_promise(stride: Path) -> None:
    assert len(MODULE.read_text().splitlines()) <= 40
    rows = oz.check_method("stride")
    assert [row.counterexample for row in rows if row.held < row.cases] == []
    assert all(row.cases for row in rows)


def test_it_is_listed_explained_and_checked(stride: Path, capsys: Capture) -> None:
    assert run(["methods", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == [*METHODS, "stride"]
    assert run(["methods", "stride"]) == 0
    assert "55%, 45%, 35%" in capsys.readouterr().out
    assert run(["methods", "stride", "--check"]) == 0
    assert "Uniform stride" in (run(["methods"]), capsys.readouterr().out)[1]


def test_near_names_hold_it(stride: Path, capsys: Capture) -> None:
    assert run(["flops", "--model", "omni-tiny", "--tokens", "100", "--method", "strid"]) == 2
    assert "did you mean stride?" in capsys.readouterr().err


def test_plans_and_counts(stride: Path, capsys: Capture) -> None:
    """At equal ratios it costs what Random costs: the same counts, by another choice."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=21, pixels=(252, 448))
    plan = oz.plan("stride", work, spec, audio_pruning=0.3, video_pruning=0.6)
    twin = oz.plan("random", work, spec, audio_pruning=0.3, video_pruning=0.6)
    assert plan.exact and not twin.exact
    assert (plan.video_kept, plan.audio_kept) == (twin.video_kept, twin.audio_kept)
    assert all(isinstance(window.video_kept, int) for window in plan.windows)
    assert sum(window.video_kept for window in plan.windows) == plan.video_kept
    arguments = ["flops", "--model", "qwen2.5-omni-7b", "--tokens", "10004", "--convention", "eq9"]
    assert run([*arguments, "--method", "stride,random", "--retained", "0.45", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    flops = {row["method"]: row["flops"] for row in rows if row["phase"] == "prefill"}
    assert flops["stride"] == flops["random"] > 0


def test_default_settings(stride: Path, capsys: Capture) -> None:
    arguments = ["flops", "--model", "omni-tiny", "--tokens", "1000", "--convention", "eq9"]
    assert run([*arguments, "--method", "all", "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["method"] == "stride"]
    assert {row["retained"] for row in rows} == {0.55, 0.45, 0.35}


@pytest.mark.parametrize("only", ["", "audio", "video"])
def test_inside_a_real_thinker(stride: Path, only: str) -> None:
    thinker, inputs = tiny_thinker(), tiny_inputs(only=only)
    with torch.no_grad(), oz.compressed(thinker, "stride", retained=0.5) as handle:
        logits = thinker(**inputs).logits
    kept = handle.last
    assert kept is not None and logits.shape[1] == kept.kept_tokens < kept.full_tokens
    places = kept.keep[kept.layout.audio_positions()].nonzero()[:, 0]
    tokens = kept.audio_tokens
    assert places.tolist() == [2 * place for place in range(len(places))]
    assert len(places) == round(tokens / 2)


def test_profile_compare_figures_and_report(tmp_path: Path) -> None:
    """Typed as a user would, in processes that know the package by its metadata alone."""
    place, out = install_example(tmp_path / "site"), tmp_path / "out"
    arguments = ("--method", "full,stride", "--retained", "0.5", "--decode", "1", "--rounds", "2")
    done = command(
        place, "profile", *CLIP, *arguments, "--no-operators", "--out", str(out), "--json"
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["label"] for row in rows} == {"Full tokens", "Uniform stride 50%"}
    assert {row["status"] for row in rows} == {"ok"}
    compared = command(place, "compare", str(out), "--json")
    assert compared.returncode == 0, compared.stderr
    _, row = json.loads(compared.stdout)
    assert row["method"] == "stride" and row["kept_tokens"] < row["full_tokens"]
    assert row["speedup_exact"] > 1 and row["speedup_observed"] > 0
    elsewhere = command(tmp_path / "empty", "compare", str(out), "--json")
    assert elsewhere.stdout == compared.stdout, "rows are read where the package is absent"
    tables = tmp_path / "tables"
    assert command(place, "compare", str(out), "--out", str(tables)).returncode == 0
    drawn = command(
        place,
        "figures",
        "speedup",
        "stages",
        "--from",
        str(tables),
        "--out",
        str(tmp_path / "drawn"),
    )
    assert drawn.returncode == 0, drawn.stderr
    assert {path.stem for path in (tmp_path / "drawn").iterdir()} >= {"speedup", "stages"}
    document = tmp_path / "report.md"
    written = command(place, "report", "--from", str(out), "--out", str(document))
    assert written.returncode == 0, written.stderr
    assert "Uniform stride 50%" in document.read_text()


@pytest.mark.parametrize("only", ["", "audio", "video"])
def test_scores_of_both_encoders_reach_a_method(
    only: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = {"attended": "attended_method:MostAttended"}
    place = install(tmp_path / "site", package="attended", modules={}, methods=methods)
    monkeypatch.syspath_prepend(str(place))
    assert not [row for row in oz.check_method("attended") if row.held < row.cases]
    thinker, inputs = tiny_thinker(), tiny_inputs(only=only)
    with (
        torch.no_grad(),
        ScoreTap(find_audio_encoder(thinker)) as heard,
        VisionScoreTap(find_vision_encoder(thinker)) as seen,
    ):
        thinker(**inputs)
        scores = {"audio": heard.scores, "video": seen.scores}
    with torch.no_grad(), oz.compressed(thinker, "attended", retained=0.5) as handle:
        thinker(**inputs)
    assert handle.last is not None
    layout, keep = handle.last.layout, handle.last.keep
    for positions, found in (
        (layout.audio_positions(), scores["audio"]),
        (layout.video_positions(), scores["video"]),
    ):
        if len(positions):
            kept = keep[positions]
            assert int(kept.sum()) == round(0.5 * len(positions))
            assert found[kept].min() >= found[~kept].max()


BROKEN = [
    ("raise RuntimeError('no device')", "fails with RuntimeError: no device"),
    ("import sys; sys.exit('bye')", "fails with SystemExit: bye"),
    (
        SOUND.format(name="mine").replace(
            "def planned", "def __init__(self, x): pass\n    def planned"
        ),
        "making one fails with TypeError",
    ),
    ("import nothing_of_this_name", "fails with ModuleNotFoundError: No module named"),
    ("Whole = 5", "it must be a subclass or an instance of Method, got 5"),
    (SOUND.format(name="other"), "its name must be 'mine', as in its entry point, got 'other'"),
    (SOUND.format(name="mine").replace('"Whole"', '""'), "its title must be a text, got ''"),
    (SOUND.format(name="mine").replace("planned", "plan"), "it must define planned()"),
    (SOUND.format(name="mine").replace("def select", "def choose"), "it must define select()"),
    (
        "from omnizip_cost.compression.method_builtin import Random\n\n"
        "class Whole(Random):\n    name = 'mine'\n",
        "it must define select(), which no built-in method hands down",
    ),
    (SOUND.format(name="mine") + "    scores = ('smell',)\n", "a tuple of 'audio' and 'video'"),
    (SOUND.format(name="mine") + "    prunes = 'inside the decoder'\n", "'before layer 1'"),
    (SOUND.format(name="mine") + "    paper_settings = ((2.0, None, None),)\n", "its settings"),
    (
        SOUND.format(name="mine") + "    @property\n    def title(self): raise OSError('gone')\n"
        "    title = title\n",
        "reading it fails with OSError: gone",
    ),
    (
        SOUND.format(name="mine") + "    assumptions = 'one text'\n",
        "its assumptions must be a tuple of texts, got 'one text'",
    ),
    (SOUND.format(name="mine") + "    assumptions = (1, 2)\n", "its assumptions must be a tuple"),
    (
        SOUND.format(name="mine") + "    own_settings = 'merge'\n",
        "its own_settings must be a tuple",
    ),
    (SOUND.format(name="mine") + "    ranks_together = 'no'\n", "its ranks_together must be True"),
    (
        SOUND.format(name="mine") + "    def facts(self): raise ValueError('x')\n",
        "facts() fails with ValueError: x",
    ),
    (SOUND.format(name="mine") + "    def facts(self): return 5\n", "facts() must return a dict"),
    (
        SOUND.format(name="mine") + "    def facts(self): return {'name': 'mine'}\n",
        "facts() must hold title, answers, source",
    ),
]


@pytest.mark.parametrize(("source", "words"), BROKEN, ids=[words[:30] for _, words in BROKEN])
def test_a_broken_package_names_itself_and_breaks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, source: str, words: str
) -> None:
    offer(tmp_path, monkeypatch, mine=source)
    with pytest.raises(PluginError) as caught:
        require_method("mine")
    assert str(caught.value).startswith("method 'mine' of broken-package: ")
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert run(["methods", "mine"]) == 2
    assert capsys.readouterr().err == f"omnizip-cost: {caught.value}\n"
    assert run(["methods", "--json"]) == 0
    listed = capsys.readouterr()
    assert [row["name"] for row in json.loads(listed.out)] == list(METHODS)
    assert listed.err == f"omnizip-cost: left out: {caught.value}\n"
    assert run(["flops", "--model", "omni-tiny", "--tokens", "10", "--method", "random"]) == 0
    assert capsys.readouterr().err == ""


def test_no_package_takes_a_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, monkeypatch, omnizip=SOUND.format(name="omnizip"))
    assert require_method("omnizip") is METHODS["omnizip"]
    methods, refusals = all_methods()
    assert [method.name for method in methods] == list(METHODS)
    assert ["the name is a built-in method's" in str(refusal) for refusal in refusals] == [True]


def test_a_name_offered_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one", "two"):
        offer(tmp_path, monkeypatch, package=package, mine=SOUND.format(name="mine"))
    with pytest.raises(PluginError, match="method 'mine' of one and two: the name is offered more"):
        require_method("mine")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("request.video_sizes", "()"), "planned() must return one video count for each of"),
        (
            ("request.video_sizes", "[-1.0]"),
            "planned() must return 0 to 288 video tokens in window 0, got -1.0",
        ),
        (("request.video_sizes", "[0.5]"), "planned() must return whole video counts"),
        (("video_sizes", "video_sizes, exact=False, video_kept=0.5"), "video_kept, a whole total"),
        (("Counts(", "dict("), "planned() must return Counts, got {"),
        (("request.video_sizes", "1 / 0"), "planned() fails with ZeroDivisionError"),
        (("return request.keep", "return print"), "select() fails with TypeError"),
        (("range(layout.video_tokens)", "[99]"), "numbers of tokens from 0 to 15, got '99 to 99'"),
        (("range(layout.video_tokens)", "[True]"), "a row of token numbers, or 16 bools"),
        (("range(layout.video_tokens)", "[0.5]"), "a row of token numbers, or 16 bools"),
    ],
    ids=str,
)
def test_wrong_answers_are_one_sentence(change: tuple[str, str], words: str) -> None:
    scope: dict[str, Any] = {"__name__": "made_up"}
    source = SOUND.format(name="mine").replace(*change)
    exec(source, scope)
    method = scope["Whole"]()
    spec = oz.load_spec("omni-tiny")
    work = oz.workload(spec, seconds=1, pixels=(112, 112))
    pair = {"audio_pruning": 0.5, "video_pruning": 0.5}
    with pytest.raises(OmnizipCostError) as caught:
        oz.plan(method, work, spec, **pair)
        ids = torch.tensor([1] + [7] * 16 + [8] * 25 + [1])
        places = {"audio_id": 8, "video_id": 7, "tokens_per_grid": 16}
        oz.select(method, torch.randn(len(ids), 8), None, ids, **places, **pair)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_instance_is_as_good_as_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, monkeypatch, mine=SOUND.format(name="mine") + "Whole = Whole()\n")
    assert require_method("mine").title == "Whole"
    assert require_method("mine") is require_method("mine")


def test_unreadable_metadata_is_named_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    offer(tmp_path, monkeypatch, mine=SOUND.format(name="mine"))
    torn = install(tmp_path / "torn", package="torn-package", modules={}, methods={})
    entries = next(torn.glob("*.dist-info")) / "entry_points.txt"
    entries.write_text("[omnizip_cost.methods]\nno entry at all\n")
    monkeypatch.syspath_prepend(str(torn))
    assert require_method("mine").name == "mine"
    assert run(["methods", "--json"]) == 0
    listed = capsys.readouterr()
    assert [row["name"] for row in json.loads(listed.out)][-1] == "mine"
    assert "of torn-package: its entry points cannot be read" in listed.err
    assert listed.err.count("\n") == 1


def test_objects_are_checked_like_packages() -> None:
    assert require_method(MostAttended).name == require_method(MostAttended()).name == "attended"
    with pytest.raises(PluginError, match="the name is a built-in method's"):
        require_method(type("Mine", (MostAttended,), {"name": "omnizip"}))
    with pytest.raises(PluginError, match="its name must be small letters"):
        require_method(type("Mine", (MostAttended,), {"name": "My Method"})())
    with pytest.raises(PluginError, match="subclass or an instance of Method, got 5"):
        require_method(5)


def test_known_names_never_look_for_packages(tmp_path: Path) -> None:
    """Neither a plain command nor a bare import reads any package's metadata."""
    probe = (
        "import importlib.metadata as m\n"
        "def refuse(*a, **k): raise SystemExit('looked for packages')\n"
        "m.distributions = m.entry_points = refuse\n"
        "from omnizip_cost.cli.app import run\n"
        "line = 'flops --model omni-tiny --tokens 1000 --method omnizip,random --retained 0.5'\n"
        "assert run(line.split()) == 0\n"
    )
    done = python(tmp_path, "-c", probe)
    assert done.returncode == 0, done.stderr
    looked = python(tmp_path, "-c", probe.replace("omnizip,random", "all"))
    assert "looked for packages" in looked.stderr


def test_a_plan_of_the_example_loads_no_torch(tmp_path: Path) -> None:
    place = install_example(tmp_path / "site")
    line = "flops --model omni-tiny --tokens 1000 --method stride --retained 0.5"
    done = python(
        place,
        "-c",
        "import sys; from omnizip_cost.cli.app import run\n"
        f"assert run({line.split()!r}) == 0; assert 'omnizip_stride' in sys.modules\n"
        "assert not {'torch', 'transformers', 'pandas'} & set(sys.modules)",
    )
    assert done.returncode == 0, done.stderr


def test_unknown_names_stay_unknown_without_packages() -> None:
    with pytest.raises(UnknownNameError, match="unknown method 'stride'"):
        require_method("stride")


def test_the_example_declares_its_module() -> None:
    assert MODULE.is_file()
    assert "omnizip_stride:UniformStride" in (EXAMPLE / "pyproject.toml").read_text()
