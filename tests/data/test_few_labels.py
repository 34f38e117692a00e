"""Labels for some of the examples: equally many of each class, by seed; those of a file; errors say what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lowerbound import data
from lowerbound.data import UNKNOWN, Dataset, Splits, labels
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, RecipeError
from lowerbound.interfaces.cli import main
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe

NAMES = ("cat", "dog", "owl")


def some(n: int = 60) -> Dataset:
    return Dataset(torch.rand(n, 4, generator=torch.Generator().manual_seed(0)), torch.arange(n) % 3, NAMES)


@pytest.mark.parametrize(("n", "counts"), [(3, [1, 1, 1]), (30, [10, 10, 10]), (11, [4, 4, 3])])
def test_few_labels_are_equally_many_of_each_class(n: int, counts: list[int]) -> None:
    whole = some()
    kept = labels.few(whole, n, seed=0)
    known = kept.labels != UNKNOWN
    assert torch.bincount(kept.labels[known]).tolist() == counts
    assert torch.equal(kept.labels[known], whole.labels[known])
    assert torch.equal(kept.labels, labels.few(whole, n, seed=0).labels)
    assert not torch.equal(kept.labels, labels.few(whole, n, seed=1).labels)


def test_few_of_a_view_are_of_that_view() -> None:
    view = some().view(torch.arange(0, 60, 2))
    kept = labels.few(view, 9, seed=0)
    assert int((kept.labels != UNKNOWN).sum()) == 9
    assert (kept.targets[1::2] == UNKNOWN).all()


def test_an_impossible_number_of_labels_is_refused() -> None:
    for n, message in ((2, "one of each of the 3"), (61, "has 20 training examples, and 21"), (100, "ask for fewer")):
        with pytest.raises(DataError, match=message):
            labels.few(some(), n, seed=0)
    with pytest.raises(DataError, match="no labels"):
        labels.few(Dataset(torch.rand(5, 4)), 3, seed=0)
    with pytest.raises(DataError, match="all known labels are 'cat'"):
        labels.few(Dataset(torch.rand(5, 4), torch.zeros(5, dtype=torch.long), NAMES), 3, seed=0)


def test_a_class_without_training_examples_needs_no_label() -> None:
    absent = Dataset(torch.rand(30, 4), torch.arange(30) % 2 * 2, NAMES)  # no dog
    kept = labels.few(absent, 5, seed=0)
    assert torch.bincount(kept.labels[kept.known], minlength=3).tolist() == [3, 0, 2]
    with pytest.raises(DataError, match="one of each of the 2"):
        labels.few(absent, 1, seed=0)


def test_known_rows_are_looked_up_once() -> None:
    view = some().view(torch.arange(0, 60, 2))
    assert view.known is view.known
    assert view.labels is view.labels


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


TEXTS = ["cat\n\n-1\nowl\n", "row,label\n0,cat\n1,\n2,-1\n3,owl\n", "row,Label\n0,cat\n1,\n2,-1\n3,owl\n"]


@pytest.mark.parametrize("text", TEXTS, ids=["lines", "a column", "a capital"])
def test_a_text_is_read(text: str, tmp_path: Path) -> None:
    assert labels.read(write(tmp_path / "y.csv", text)) == ["cat", None, None, "owl"]


def test_arrays_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.array([3, -1, 0]))
    np.save(tmp_path / "names.npy", np.array(["owl", "", "cat"]))
    np.save(tmp_path / "wide.npy", np.zeros((2, 2), int))
    np.save(tmp_path / "column.npy", np.array([[1.0], [-1.0], [12.0]]))
    np.save(tmp_path / "half.npy", np.array([1.0, 0.5]))
    np.save(tmp_path / "nan.npy", np.array([1.0, np.nan, np.inf]))
    np.savez(tmp_path / "encoded.npz", latents=np.zeros((3, 2)), labels=np.array([1, -1, 0]), classes=np.array(["owl", "cat"]))
    assert labels.read(tmp_path / "column.npy") == ["1", None, "12"]
    assert labels.read(tmp_path / "encoded.npz") == ["cat", None, "owl"], "names, not class numbers"
    for name in ("half.npy", "nan.npy"):
        with pytest.raises(DataError, match="no list of labels"):
            labels.read(tmp_path / name)
    assert labels.read(tmp_path / "y.npy") == ["3", None, "0"]
    assert labels.read(tmp_path / "names.npy") == ["owl", None, "cat"]
    with pytest.raises(DataError, match="no list of labels"):
        labels.read(tmp_path / "wide.npy")


def test_a_file_labels_all_examples_or_the_training_examples(tmp_path: Path) -> None:
    bare = Splits.of(Dataset(torch.rand(20, 4)))
    lines = ["dog" if row % 2 else "cat" for row in range(20)]
    lines[3] = ""
    both = labels.of_file(bare, write(tmp_path / "all.csv", "\n".join(lines) + "\n"))
    assert both.whole is not None
    assert both.train.classes == both.test.classes == ("cat", "dog")
    assert both.whole.labels.tolist() == [UNKNOWN if row == 3 else row % 2 for row in range(20)]
    train = labels.of_file(bare, write(tmp_path / "train.csv", "1\n10\n" + "2\n" * (len(bare.train) - 2)))
    assert train.train.classes == ("1", "2", "10"), "numbers in numerical order"
    assert train.train.labels.tolist()[:3] == [0, 2, 1]
    assert (train.test.labels == UNKNOWN).all()


def test_blank_lines_at_the_end_do_not_count(tmp_path: Path) -> None:
    splits = Splits(some(6), some(3))
    found = labels.of_file(splits, write(tmp_path / "y.csv", "owl\n\n\ncat\n\n\n\n\n"))
    assert found.train.labels.tolist() == [2, -1, -1, 0, -1, -1]
    with pytest.raises(DataError, match="has 8 labels, but there are 6 examples"):
        labels.of_file(splits, write(tmp_path / "y.csv", "owl\n\n\ncat\n\n\n\ncat\n"))


def test_unusual_labels_are_names_but_very_long_ones_are_refused(tmp_path: Path) -> None:
    bare = Splits.of(Dataset(torch.rand(4, 4)))
    assert labels.of_file(bare, write(tmp_path / "y.csv", "²\n2\n10\n²\n")).train.classes == ("2", "10", "²")
    with pytest.raises(DataError, match="label of example 1 has 5,000 characters"):
        labels.of_file(bare, write(tmp_path / "y.csv", f"2\n{'9' * 5000}\n10\n2\n"))


def test_a_file_keeps_the_existing_classes(tmp_path: Path) -> None:
    splits = Splits(some(6), some(3))
    found = labels.of_file(splits, write(tmp_path / "y.csv", "owl\n\n\ncat\n\n\n"))
    assert found.train.classes == NAMES
    assert found.train.labels.tolist() == [2, -1, -1, 0, -1, -1]
    assert torch.equal(found.test.labels, splits.test.labels)
    with pytest.raises(DataError, match=r"label 'own' of example 1 is not a class of these data; did you mean 'owl'"):
        labels.of_file(splits, write(tmp_path / "y.csv", "owl\nown\n\ncat\n\n\n"))
    with pytest.raises(DataError, match="has 2 labels, but there are 6 examples"):
        labels.of_file(splits, write(tmp_path / "y.csv", "owl\ncat\n"))
    with pytest.raises(DataError, match="several columns"):
        labels.read(write(tmp_path / "y.csv", "owl,1\ncat,2\n"))
    with pytest.raises(DataError, match="cannot read labels"):
        labels.read(tmp_path / "gone.csv")


def test_relabelling_leaves_the_unknown_unknown() -> None:
    kept = labels.few(some(), 6, seed=0)
    other = kept.relabelled(("owl", "dog", "cat"))
    assert torch.equal(other.labels, torch.where(kept.labels == UNKNOWN, UNKNOWN, 2 - kept.labels))


WORDS = [
    ({"labels": 100}, "choose --semi-supervised m2"),
    ({"label_estimator": "score"}, "choose --semi-supervised m2"),
    ({"semi_supervised": "m2"}, "give --labels N"),
    ({"semi_supervised": "m2", "labels": 0}, "labels must be from 1"),
    ({"semi_supervised": "m2", "labels": 9, "given": "label"}, "leave out --given"),
    ({"semi_supervised": "m1", "labels": 9, "label_estimator": "score"}, "leave out --label-estimator"),
    ({"semi_supervised": "m3", "labels": 9}, "known: m1"),
    ({"semi_supervised": "m2:x", "labels": 9}, "write m2:30.0"),
    ({"semi_supervised": "m1m2:50:99999999999", "labels": 9}, "latent must be at most 1,000,000"),
    ({"semi_supervised": "m2", "labels": ""}, "give --labels N, or FILE"),
]


@pytest.mark.parametrize(("words", "message"), WORDS, ids=str)
def test_words_that_make_no_sense_are_refused(words: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe(**words)


def own(folder: Path, numbers: np.ndarray | None) -> str:
    """A file of 60 small images, with those labels."""
    images = np.random.default_rng(0).integers(0, 255, (60, 4, 4)).astype(np.uint8)
    path = folder / "own.npz"
    np.savez(path, images=images, **({} if numbers is None else {"labels": numbers}))
    return str(path)


BAD = [
    (None, "100", "no labels; give a file"),
    (np.zeros(60, int), "10", "nothing to classify"),
    (np.arange(60) % 3, "100", "ask for fewer labels"),
    (np.arange(60) % 3, "2", "at least one of each"),
    (np.arange(60) % 3, "gone.csv", "cannot read labels"),
    (np.arange(60) % 3, "0\n" * 59 + "7\n", "label '7' of example 59 is not a class"),
    (None, "a\n" * 60, "all known labels are 'a'"),
    (None, "\n" * 60, "no label is known"),
]


@pytest.mark.parametrize(("numbers", "labels_option", "message"), BAD, ids=[row[2] for row in BAD])
def test_the_command_line_reports_bad_labels_in_one_line(
    numbers: np.ndarray | None, labels_option: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(write(tmp_path / "y.csv", labels_option)) if "\n" in labels_option else labels_option
    out = tmp_path / "run"
    assert main(["train", own(tmp_path, numbers), "--recipe", "m2", "--labels", file, "--batch", "8", "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not out.exists()


SMALL = ["--batch", "16", "--latent", "2", "--network", "mlp:8", "--epochs", "1"]
WRONG = [
    (["--semi-supervised", "m2:nan"], "must be 0 or a positive number, not nan"),
    (["--semi-supervised", "m1:inf"], "must be 0 or a positive number, not inf"),
    (["--semi-supervised", "m2:-5"], "must be 0 or a positive number, not -5"),
    (["--semi-supervised", "m1m2:1e39"], "choose smaller weights"),
    (["--recipe", "m2", "--objective", "mmd"], "looks at a batch as a whole"),
    (["--recipe", "m2", "--prior", "vamp:10"], "choose another --prior"),
    (["--recipe", "m2", "--label-estimator", "score-leave-one-out:1"], "the label's gradient needs 2 draws of it"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_an_impossible_model_is_refused_in_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", own(tmp_path, np.arange(60) % 3), *options, "--labels", "9", *SMALL, "--out", str(tmp_path / "run")]
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("estimator", ["enumerated", "score"])
def test_a_training_that_diverges_says_so(estimator: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--recipe", "m2", "--label-estimator", estimator, "--labels", "9", *SMALL, "--learning-rate", "1e30"]
    assert main(["train", own(tmp_path, np.arange(60) % 3), *words, "--out", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert "is not finite; with the learning rate halved 3 times it still was so" in printed
    assert "lower --learning-rate" in printed


def test_building_a_model_leaves_the_callers_random_state_alone() -> None:
    drawn = []
    for words in (None, {"semi_supervised": "m2", "labels": 9}, {"semi_supervised": "m1m2", "labels": 9}):
        torch.manual_seed(0)
        if words is not None:
            build(Recipe(network="mlp:8", **words), DataSpec((1, 4, 4), classes=tuple("012")))
        drawn.append(float(torch.rand(())))
    assert drawn[0] == drawn[1] == drawn[2]


def test_labels_that_changed_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, run = write(tmp_path / "y.csv", "0\n1\n2\n" * 20), str(tmp_path / "run")
    assert main(["train", own(tmp_path, None), "--recipe", "m2", "--labels", str(file), *SMALL, "--out", run]) == 0
    write(file, "0\n2\n1\n" * 20)
    assert main(["resume", run, "--epochs", "2"]) == 2
    assert f"or their labels in {file}, are not those" in capsys.readouterr().err


def test_unknown_labels_are_not_a_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = np.arange(60) % 3 - 1
    named = np.array(["", "cat", "dog"])[numbers + 1]
    for given, classes in ((numbers, ("0", "1")), (numbers[:, None].astype(float), ("0", "1")), (named, ("cat", "dog"))):
        found = data.load(own(tmp_path, given)).whole
        assert found is not None
        assert found.classes == classes
        assert found.labels.tolist() == numbers.tolist()
    words = ["--given", "label", *SMALL, "--out", str(tmp_path / "run")]
    assert main(["train", own(tmp_path, numbers), *words]) == 2
    assert "have no known label" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_data_without_labels_are_trained_with_those_of_a_file(tmp_path: Path) -> None:
    file = write(tmp_path / "y.csv", "".join(f"{'even' if row % 2 == 0 else 'odd'}\n" if row < 30 else "\n" for row in range(60)))
    run = tmp_path / "run"
    words = ["--recipe", "m2", "--labels", str(file), "--epochs", "1", "--batch", "16", "--latent", "2", "--network", "mlp:8"]
    assert main(["train", own(tmp_path, None), *words, "--out", str(run)]) == 0
    assert main(["sample", str(run), "--label", "odd", "--n", "3", "-o", str(tmp_path / "s.npy")]) == 0
    assert np.load(tmp_path / "s.npy").shape == (3, 1, 4, 4)
    assert data.load(own(tmp_path, None)).train.targets is None
