"""Which array of a file is what: factors, columns of labels, examples on the last axis, arrays in groups, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import answer, complaint
from readable import READABLE

import lowerbound as lb
from lowerbound import data
from lowerbound.errors import DataError

RANDOM = np.random.default_rng(0)
GREYS = RANDOM.integers(0, 256, (24, 6, 6)).astype(np.uint8)


def dsprites(path: Path) -> Path:
    """The arrays of dSprites by their names, with its pickled ones."""
    classes = np.stack(np.unravel_index(np.arange(24), (1, 3, 2, 2, 2, 1)), 1)
    sprites = (GREYS > 128).astype(np.uint8)
    np.savez(path, imgs=sprites, latents_classes=classes, latents_values=classes / 2, metadata=np.array({"title": "dSprites"}, object))
    return path


def test_the_factors_of_dsprites_have_their_names(tmp_path: Path) -> None:
    path = dsprites(tmp_path / "d.npz")
    splits = data.load(path, label_column="shape")
    assert splits.whole.names == [str(number // 8) for number in range(24)]
    assert np.array_equal(splits.whole[:].numpy()[:, 0], GREYS > 128)
    notes = data.load(path).notes
    assert f"{path}: not read: latents_classes, latents_values, metadata" in notes
    assert any("labels may be color, shape, scale, orientation, posX, posY, latents_values.0" in note for note in notes)


def test_labels_of_several_columns_are_taken_one_at_a_time(tmp_path: Path) -> None:
    """As ChestMNIST's fourteen findings, in parts."""
    findings = RANDOM.integers(0, 2, (24, 3))
    parts = {"train_images": GREYS[:16], "test_images": GREYS[16:], "train_labels": findings[:16], "test_labels": findings[16:]}
    np.savez(tmp_path / "c.npz", **parts)
    splits = data.load(tmp_path / "c.npz")
    assert splits.train.labels is None
    assert any("labels may be train_labels.0, train_labels.1, train_labels.2; --label-column" in note for note in splits.notes)
    splits = data.load(tmp_path / "c.npz", label_column="train_labels.1")
    assert splits.train.names == [str(label) for label in findings[:16, 1]]
    assert splits.test.names == [str(label) for label in findings[16:, 1]]


def test_examples_on_the_last_axis_are_turned_or_asked_for(tmp_path: Path) -> None:
    last, long = GREYS.transpose(1, 2, 0), np.tile(GREYS, (3, 1, 1)).transpose(1, 2, 0)
    np.savez(tmp_path / "labels.npz", x=last, y=np.arange(24) % 2)
    np.save(tmp_path / "alone.npy", long)
    np.save(tmp_path / "frey.npy", GREYS.reshape(24, 36).T)
    splits = data.load(tmp_path / "labels.npz")
    assert np.array_equal(splits.whole[:].numpy()[:, 0] * 255, GREYS)
    assert "its examples are on the last axis, and it is turned" in splits.notes[0]
    with pytest.raises(DataError, match="say --shape 6x6 if its examples are on the last axis, or --shape 1x6x72"):
        data.load(tmp_path / "alone.npy")
    assert len(data.load(tmp_path / "alone.npy", shape="6x6").whole) == 72
    assert len(data.load(tmp_path / "alone.npy", shape="1x6x72").whole) == 6
    assert np.array_equal(data.load(tmp_path / "frey.npy", shape="6x6").whole[:].numpy()[:, 0] * 255, GREYS)


def test_an_array_within_a_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"], file["deep/two"], file["deep/labels"] = GREYS, GREYS[::-1], np.arange(24) % 3
        file["deep/words"] = [f"word {number}" for number in range(24)]
    with pytest.raises(DataError, match="name the array of the data 'images' or 'x'"):
        data.load(tmp_path / "a.h5")
    with pytest.raises(DataError, match="holds no array 'deep/three'; did you mean 'deep/two'"):
        data.load(f"{tmp_path / 'a.h5'}:/deep/three")
    splits = data.load(f"{tmp_path / 'a.h5'}:/deep/two")
    assert splits.whole.names[:4] == ["0", "1", "2", "0"]
    assert data.load(f"{tmp_path / 'a.h5'}:deep/two", label_column="words").whole.names[1] == "word 1"


def test_a_run_goes_on_from_another_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/two"] = GREYS
    monkeypatch.chdir(tmp_path)
    answer(capsys, "train", "a.h5:/deep/two", "--epochs", 1, "--network", "mlp:4", "--batch", 8, "--out", tmp_path / "run")
    monkeypatch.chdir("/")
    answer(capsys, "resume", tmp_path / "run", "--epochs", 2)


def test_several_sets_of_emnist_are_told_apart(tmp_path: Path) -> None:
    READABLE["EMNIST, one of two"].write(tmp_path)
    with pytest.raises(DataError, match=r"holds several sets: emnist-digits, emnist-letters; give one of them, as .*emnist-digits"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.npy": GREYS[0], "b.npy": GREYS[0, :5]}, "where each file is an example, all have one shape and type"),
        ({"x_test.npy": GREYS}, "a part to test on and none to learn from"),
        ({"x_train.npy": GREYS, "y_train.npy": np.arange(3)}, "give one label per example"),
    ],
)
def test_a_folder_of_arrays_that_is_none_is_refused(files: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    for name, array in files.items():
        np.save(tmp_path / name, array)
    with pytest.raises(DataError, match=message):
        data.load(tmp_path)


def test_dark_strokes_on_white_are_noticed_and_inverted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strokes = np.where(RANDOM.random((40, 5, 5)) < 0.2, 0, 255).astype(np.uint8)
    np.save(tmp_path / "s.npy", strokes)
    words = ("train", tmp_path / "s.npy", "--epochs", 30, "--network", "mlp:4", "--batch", 8, "--overwrite", "--out", tmp_path / "r")
    noted = answer(capsys, *words)["notes"]
    assert any("most of them white; if strokes are dark, --invert" in note for note in noted)
    assert answer(capsys, "evaluate", tmp_path / "r", "--samples", 5)["notes"][: len(noted)] == noted
    assert answer(capsys, *words, "--invert")["notes"] == []
    assert json.loads((tmp_path / "r" / "data.json").read_text())["notes"] == []
    answer(capsys, "sample", tmp_path / "r", "--draw", "-o", tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").mean() > 128, "black and white as the data have them"
    np.save(tmp_path / "reals.npy", RANDOM.normal(size=(9, 3)))
    assert "only values from black to white" in complaint(capsys, "data", tmp_path / "reals.npy", "--invert")


def test_a_csv_whose_first_line_is_a_row(tmp_path: Path) -> None:
    path = READABLE["CSV without names"].write(tmp_path)
    with pytest.raises(DataError, match="its first line is numbers; say --no-header if it is a row"):
        data.load(path, shape="4x4", label_column="column 1")
    with pytest.raises(DataError, match=r"two columns called '.*'; if the first line is a row, say --no-header"):
        data.load(path)
    rows = data.load(path, header=False)
    assert (len(rows.whole), rows.schema.columns[0].name) == (12, "column 1")


@pytest.mark.parametrize(
    ("likelihood", "bits", "noted"), [("bernoulli", False, True), ("bernoulli", True, False), ("gaussian", False, False)]
)
def test_colours_of_which_bits_are_drawn_are_noted(likelihood: str, bits: bool, noted: bool, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((60, 3, 8, 8))
    np.save(tmp_path / "x.npy", (values > 0.5 if bits else 255 * values).astype(np.uint8))
    recipe = lb.Recipe(data=str(tmp_path / "x.npy"), network="mlp:8", likelihood=likelihood, epochs=1)
    notes = lb.Experiment.begin(recipe, tmp_path / "r").notes
    assert any("--likelihood gaussian --scale optimal" in note for note in notes) is noted
