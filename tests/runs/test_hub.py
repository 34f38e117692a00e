"""Runs pushed and pulled: the same bits come back, on a hub and in a folder, and nothing is read of what is no run."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import answer, complaint
from trainings import SMALL, train

import lowerbound as lb
from lowerbound.errors import LowerboundError, OutputError, RunError, UsageError
from lowerbound.figures.of_run import Context
from lowerbound.figures.table import plot
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout, pulled
from lowerbound.runs.places import MANIFEST
from lowerbound.system.files import make_folder
from runs.hub_server import serving

NEEDS_HUB = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> lb.Run:
    """A run that was evaluated, with a picture."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    train(Recipe(**{**SMALL, "epochs": 2}), folder).finish()
    assert main(["evaluate", str(folder), "--samples", "5"]) == 0
    run = lb.load(folder, device="cpu")
    make_folder(folder / layout.FIGURES)
    plot("scatter", Context(run, lambda: run.read().test, 0), folder / layout.FIGURES / "scatter.png")
    (folder / layout.REPORT).write_text("a page")
    return run


class OfFolder:
    """A shared folder, and how its files are changed behind our back."""

    def __init__(self, folder: Path):
        self.folder, self.address = folder, f"file:{folder}"

    def put(self, name: str, raw: bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(raw)

    def get(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


class OfHub:
    """The same of a repository on the server."""

    address = "hf:anna/digits"

    def __init__(self, held):
        self.held = held

    def put(self, name: str, raw: bytes) -> None:
        self.held.add("anna/digits", {name: raw})

    def get(self, name: str) -> bytes:
        return self.held.at("anna/digits", "main")[1][name]


@pytest.fixture(params=["folder", pytest.param("hub", marks=NEEDS_HUB)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OfFolder | OfHub]:
    if request.param == "folder":
        yield OfFolder(tmp_path / "shared" / "digits")
        return
    import huggingface_hub

    with serving() as (address, held):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_TOKEN", "hf_none")
        yield OfHub(held)
        huggingface_hub.close_session()


@pytest.mark.filterwarnings("default")
def test_a_run_comes_back_with_the_same_bits(place, small_run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pushed = answer(capsys, "push", small_run.folder, place.address)
    run = lb.load(place.address, device="cpu")
    assert run.folder.name == pushed["revision"]
    for name in (layout.WEIGHTS, layout.RECIPE, layout.DATA, layout.RESULT, layout.EVALUATION, "figures/scatter.png"):
        assert (run.folder / name).read_bytes() == (small_run.folder / name).read_bytes(), name
    assert not (run.folder / layout.REPORT).exists()
    source = json.loads((run.folder / pulled.SOURCE).read_text())
    assert (source["address"], source["revision"]) == (place.address, pushed["revision"])
    assert source["sha256"][layout.WEIGHTS] == pulled.sha256_of(run.folder / layout.WEIGHTS)
    found = [answer(capsys, "evaluate", folder, "digits", "--samples", 5) for folder in (small_run.folder, place.address)]
    own, other = ({key: value for key, value in each.items() if key not in ("run", "notes")} for each in found)
    assert own == other
    for number, folder in enumerate((small_run.folder, place.address)):
        answer(capsys, "sample", folder, "-n", 4, "-o", tmp_path / f"{number}.npy")
    assert (tmp_path / "0.npy").read_bytes() == (tmp_path / "1.npy").read_bytes()


@pytest.mark.filterwarnings("default")
def test_its_card_has_words_figures_and_pictures(place, small_run) -> None:
    lb.push(small_run, place.address)
    text = place.get("README.md").decode()
    result, evaluation = small_run.result(), small_run.evaluation()
    assert f"| bound | {result['test']['bound']:.3f} | {result['test']['bound_se']:.3f} |" in text
    assert f"| log p(x) | {evaluation.log_p.mean:.3f} | {evaluation.log_p.se_data:.3f} |" in text
    assert all(f"| {word} | {value} |" in text for word, value in small_run.recipe.words().items())
    assert "![scatter](figures/scatter.png)" in text
    assert f'lb.load("{place.address}")' in text
    assert text.startswith("---\nlibrary_name: lowerbound\n")


@pytest.mark.filterwarnings("default")
def test_the_same_revision_is_copied_once_and_another_apart(place, small_run) -> None:
    first = lb.push(small_run, place.address)
    folder = lb.load(place.address, device="cpu").folder
    (folder / "mark").touch()
    assert (lb.load(place.address, device="cpu").folder / "mark").exists()
    place.put(MANIFEST, place.get(MANIFEST) + b" ")
    assert lb.load(place.address, device="cpu").folder.name != first


def harmed(place, small_run, name: str, raw: bytes) -> str:
    lb.push(small_run, place.address)
    place.put(name, raw)
    with pytest.raises(RunError) as error:
        lb.load(place.address)
    assert not list(pulled.platformdirs.user_cache_path("lowerbound").rglob("*.*"))
    assert "\n" not in str(error.value)
    return str(error.value)


CODE = pickle.dumps(print)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("model.pkl", CODE, "holds model.pkl"),
        ("figures/weights.PT", CODE, "holds figures/weights.PT"),
        ("load.py", b"print()", "holds load.py"),
        (layout.WEIGHTS, CODE, "is not what was pushed"),
        ("figures/scatter.png", b"", "is not what was pushed"),
        (MANIFEST, b"{", "is damaged"),
        (MANIFEST, b"[]", "is damaged"),
        (MANIFEST, b'{"sha256": {"../../recipe.toml": "0"}}', "which is no file of a run"),
        (MANIFEST, b'{"sha256": {"figures/../../x.png": "0"}}', "which is no file of a run"),
        (MANIFEST, b'{"sha256": {"weights-of-another.safetensors": "0"}}', "which is no file of a run"),
    ],
    ids=["pickle", "pickle-below", "program", "pickle-as-weights", "empty-picture", "cut", "list", "way-out", "way-out-below", "strange"],
)
def test_what_is_no_run_is_refused_and_leaves_nothing(place, small_run, name: str, raw: bytes, said: str) -> None:
    assert said in harmed(place, small_run, name, raw)


def test_links_are_refused_both_ways(small_run, tmp_path: Path) -> None:
    place = OfFolder(tmp_path / "shared")
    lb.push(small_run, place.address)
    (tmp_path / "shared" / "more.png").symlink_to("/etc/hostname")
    with pytest.raises(RunError, match="holds a link"):
        lb.load(place.address)
    copy = shutil.copytree(small_run.folder, tmp_path / "copy")
    (copy / layout.RESULT).unlink()
    (copy / layout.RESULT).symlink_to(small_run.folder / layout.RESULT)
    with pytest.raises(RunError, match="is a link; nothing was pushed"):
        lb.push(lb.load(copy), f"file:{tmp_path / 'other'}")
    assert not (tmp_path / "other").exists()


def test_a_run_that_has_not_ended_is_not_pushed(small_run, tmp_path: Path) -> None:
    copy = shutil.copytree(small_run.folder, tmp_path / "copy")
    (copy / layout.RESULT).unlink()
    with pytest.raises(RunError, match="go on with: lowerbound resume"):
        lb.push(lb.load(copy), f"file:{tmp_path / 'shared'}")


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [("runs", UsageError, "no place for a run"), ("hf:", UsageError, "no place"), ("file:/nowhere/at/all", OutputError, "cannot")],
)
def test_what_is_no_place_is_said(small_run, address: str, kind: type[LowerboundError], said: str) -> None:
    with pytest.raises(kind, match=said):
        lb.push(small_run, address if kind is UsageError else "file:/proc/nowhere")


def test_a_folder_without_a_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds no run that was pushed" in complaint(capsys, "show", f"file:{tmp_path}")


@NEEDS_HUB
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("ask", [lambda run: lb.load("hf:anna/none"), lambda run: lb.push(run, "hf:anna/none")], ids=["pull", "push"])
def test_without_a_network_it_is_one_line(small_run, monkeypatch: pytest.MonkeyPatch, ask: Callable[[lb.Run], object]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(LowerboundError, match=r"hf:anna/none .*look at the name, at HF_TOKEN and at the network") as error:
        ask(small_run)
    assert "\n" not in str(error.value)


@NEEDS_HUB
@pytest.mark.filterwarnings("default")
def test_a_repository_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(RunError, match="cannot look at hf:anna/none"):
            lb.load("hf:anna/none")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"pip install 'lowerbound\[hub\]'"):
        lb.load("hf:anna/digits")
