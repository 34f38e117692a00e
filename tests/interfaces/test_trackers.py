"""Trackers: what each is given its own reader finds, none of them stops or changes a training, and a resume goes on where it was."""

from __future__ import annotations

import csv
import json
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import answer, complaint
from trainings import SMALL, weights, whole

import lowerbound as lb
from lowerbound.figures.of_run import Context
from lowerbound.figures.table import plot
from lowerbound.interfaces.trackers.csv_files import CsvFiles
from lowerbound.interfaces.trackers.table import TRACKERS, names
from lowerbound.interfaces.trackers.tracker import figures_of
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.experiment import Experiment
from lowerbound.system.files import make_folder

Found = dict[str, dict[int, float]]
Kept = tuple[Found, Mapping[str, Any], set[str]]  # curves, words of the recipe, pictures


def of_csv(folder: Path) -> Kept:
    with (folder / "trackers" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (folder / "trackers" / "summary.csv").open() as file:
        summary = {row["name"]: row["value"] for row in csv.DictReader(file)}
    found = {name: {int(row["epoch"]): float(row[name]) for row in rows} for name in rows[0] if name != "epoch"}
    found |= {name: {len(rows): float(value)} for name, value in summary.items() if name.startswith("test/")}
    return found, summary, {path.stem for path in (folder / "figures").glob("*.png")}


def of_tensorboard(folder: Path) -> Kept:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed")
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    events = accumulators.EventAccumulator(str(folder / "trackers"))
    events.Reload()
    found = {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
    held = plugin.HParamsPluginData.FromString(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    words = {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in held.session_start_info.hparams.items()}
    return found, words, set(events.Tags()["images"])


def of_mlflow(folder: Path) -> Kept:
    from mlflow import MlflowClient

    client, known = MlflowClient(), (folder / "trackers" / "mlflow.id").read_text().strip()
    run = client.get_run(known)
    assert (run.info.status, run.info.run_name) == ("FINISHED", folder.name)
    found = {name: {metric.step: metric.value for metric in client.get_metric_history(known, name)} for name in run.data.metrics}
    return found, run.data.params, {Path(file.path).stem for file in client.list_artifacts(known, "figures")}


def records(log: bytes) -> Iterator[bytes]:
    """The records of a file of wandb: LevelDB's log format (blocks of 32 KiB; crc, length, kind), after a head of seven bytes."""
    at, whole = 7, b""
    while at + 7 <= len(log):
        if (left := -at % 2**15) < 7:  # a tail that no head fits into
            at += left
            continue
        length, kind = struct.unpack("<HB", log[at + 4 : at + 7])
        whole += log[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield whole
            whole = b""


def of_wandb(folder: Path) -> Kept:
    from wandb.proto import wandb_internal_pb2

    found: Found = {}
    config, pictures = {}, set()
    for file in sorted((folder / "trackers" / "wandb").glob("*/*.wandb")):
        for raw in records(file.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(raw)
            for item in record.run.config.update:
                config[item.key] = json.loads(item.value_json)
            line = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            for name, value in line.items():
                if name.startswith("figures/"):
                    pictures.add(name.split("/")[1])
                elif not name.startswith("_") and name != "epoch":
                    found.setdefault(name, {})[line["epoch"]] = value
    return found, config, pictures


def of_trackio(folder: Path) -> Kept:
    from trackio import Api
    from trackio.sqlite_storage import SQLiteStorage

    known = (folder / "trackers" / "trackio.id").read_text().strip()
    (run,) = (run for run in Api().runs("lowerbound") if run.name == known)
    lines = SQLiteStorage.get_logs("lowerbound", known)
    found: Found = {}
    pictures = set()
    for line in lines:
        for name, value in line.items():
            if isinstance(value, dict):
                pictures.add(name.removeprefix("figures/"))
            elif isinstance(value, int | float) and name != "step":
                found.setdefault(name, {})[line["step"]] = value
    return found, run.config, pictures


READERS: dict[str, Callable[[Path], Kept]] = {
    "csv": of_csv,
    "tensorboard": of_tensorboard,
    "mlflow": of_mlflow,
    "wandb": of_wandb,
    "trackio": of_trackio,
}
INSTALLED = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(any(find_spec(module) is None for module in row.needs), reason=f"{name} needs {', '.join(row.needs)}"),
    )
    for name, row in TRACKERS.items()
]


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stores of trackers are in the test's folder, and warnings of their libraries their own affair."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_each_has_a_reader_here() -> None:
    assert READERS.keys() == TRACKERS.keys()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", INSTALLED)
def test_its_own_reader_finds_every_figure_also_after_a_resume(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    recipe = Recipe(**SMALL)
    begun = Experiment.begin(recipe, folder, device="cpu", observers=[lb.tracker(name)])
    for record in begun.train():
        if record.ends_epoch and record.epoch == 2:
            break
    begun.close()
    went_on = Experiment.resume(folder, device="cpu", observers=[lb.tracker(name)])
    list(went_on.train())
    make_folder(folder / "figures")
    plot("curves", Context(went_on.run, lambda: went_on.trainer.setup.test, 0), folder / "figures" / "curves.png")
    result = went_on.finish()
    assert not went_on.notes
    expected: Found = {}
    for line in went_on.run.history():
        for figure, value in figures_of(line).items():
            expected.setdefault(figure, {})[line["epoch"]] = value
    expected |= {figure: {SMALL["epochs"]: value} for figure, value in figures_of({"test": result["test"]}).items()}
    found, words, pictures = READERS[name](folder)
    assert found.keys() == expected.keys()
    for figure, curve in expected.items():
        assert found[figure] == pytest.approx(curve, rel=1e-6), figure  # TensorBoard keeps single precision
    for word, value in recipe.words().items():
        assert str(words[word]) == str(value) or float(words[word]) == value, word
    assert pictures == {"curves"}


def test_a_training_is_the_same_to_the_bit(tmp_path: Path) -> None:
    alone = whole(tmp_path / "alone")
    experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "logged", device="cpu", observers=[lb.tracker("csv")])
    list(experiment.train())
    experiment.finish()
    assert weights(tmp_path / "logged") == alone


@pytest.mark.parametrize("when", ["open", "curves", "end"])
def test_one_that_fails_is_left_out_with_one_note(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail(*_: object) -> None:
        calls.append(when)
        raise OSError(f"no space\nfor {when}")

    monkeypatch.setattr(CsvFiles, when, fail)
    experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "run", device="cpu", observers=[lb.tracker("csv")])
    list(experiment.train())
    experiment.finish()
    assert calls == [when]
    assert experiment.notes == [f"the tracker csv failed and is left out from here on (no space for {when}); the training goes on"]
    assert weights(tmp_path / "run") == whole(tmp_path / "alone")


def test_an_epoch_that_comes_again_has_one_row(tmp_path: Path) -> None:
    experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "run", device="cpu")
    log = CsvFiles(experiment.run, 0)
    for epoch, bound in [(1, -3.0), (2, -2.0), (2, -2.5), (3, -1.0), (1, -4.0)]:
        log.curves(epoch, {"train/bound": bound} | ({"validation/bound": bound - 1} if epoch == 3 else {}))
        text = (tmp_path / "run" / "trackers" / "metrics.csv").read_text()
    assert text == "epoch,train/bound\n1,-4.0\n"


class Fake(ModuleType):
    """A library that notes what it is called with, prints, and returns itself."""

    def __init__(self, name: str, calls: list[str]):
        super().__init__(name)
        self.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*args: object, **given: object) -> Fake:
            sys.stdout.write("a library that says much")
            self.calls.append(name)
            return self

        return called

    @property
    def summary(self) -> Fake:
        return self


def test_what_a_library_prints_is_no_part_of_an_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []
    for name in ("wandb", "trackio"):
        monkeypatch.setitem(sys.modules, name, Fake(name, calls))
    found = answer(capsys, "train", "digits", "--epochs", 2, "--network", "mlp:8", "--out", "r", "--log", "wandb,csv", "--log", "trackio")
    assert found["notes"] == []
    assert calls.count("init") == calls.count("finish") == 2
    assert calls.count("log") == 2 * 3
    assert Path("r/trackers/metrics.csv").is_file()


@pytest.mark.parametrize(("word", "said"), [("tensorbord", "did you mean 'tensorboard'"), ("csv,", "unknown tracker ''")])
def test_an_unknown_one_is_refused(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in complaint(capsys, "train", "digits", "--out", "r", "--log", word)
    assert not Path("r").exists()


def test_one_that_is_not_installed_is_refused_before_the_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lowerbound.interfaces.trackers.table.find_spec", lambda name: None)
    assert "pip install 'lowerbound[wandb]'" in complaint(capsys, "train", "digits", "--out", "r", "--log", "csv,wandb")
    assert not Path("r").exists()


def test_names() -> None:
    assert names(["csv,mlflow", "csv"]) == ["csv", "mlflow"]


def test_overwriting_a_run_leaves_nothing_of_its_trackers(tmp_path: Path) -> None:
    for observers in ([lb.tracker("csv")], []):
        experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "run", device="cpu", overwrite=True, observers=observers)
        experiment.close()
    assert not list((tmp_path / "run" / "trackers").iterdir())


def test_numbers_that_are_not_finite_are_no_figures() -> None:
    assert figures_of({"epoch": 1, "train": {"bound": -np.inf, "kl": 2.0}, "validation": None}) == {"train/kl": 2.0}
