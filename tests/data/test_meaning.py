"""What the numbers of a file mean is settled once, noted, and the same for a run's other data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import answer, complaint
from PIL import Image
from rows import long_if
from trainings import resumed, train, weights

from lowerbound import data
from lowerbound.data import Dataset, DataSpec
from lowerbound.errors import DataError
from lowerbound.recipes.likelihoods import OF_COUNTS
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run as runs

RANDOM = np.random.default_rng(0)


def saved(path: Path, values: np.ndarray | None = None, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays) if values is None else np.save(path, values)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, bool])
def test_zeros_and_ones_are_bits(tmp_path: Path, dtype: type) -> None:
    values = (RANDOM.random((30, 6)) < 0.3).astype(dtype)
    splits = data.load(saved(tmp_path / "a.npy", values))
    assert torch.equal(splits.whole[:], torch.from_numpy(values.astype(np.float32)))
    assert splits.whole.extremes.tolist() == [0, 1]
    assert splits.whole.array.dtype == torch.uint8
    assert any("read as bits" in note for note in splits.notes) == (dtype is not bool)
    if dtype is not bool:
        assert data.load(tmp_path / "a.npy", limits="0:255").whole[:].max() == pytest.approx(1 / 255)


@pytest.mark.parametrize(
    ("dtype", "greatest", "white", "note"),
    [
        (np.uint8, 255, 255, None),
        (np.uint8, 16, 255, "greatest value is 16 where 255 is read as white; if 31 is white"),
        (np.int32, 255, 255, None),
        (np.uint16, 255, 255, None),
        (np.uint16, 65535, 65535, None),
        (np.uint16, 4095, 65535, "greatest value is 4095 where 65535 .* --range 0:4095"),
    ],
)
def test_whole_numbers_are_greys_of_their_type(tmp_path: Path, dtype: type, greatest: int, white: int, note: str | None) -> None:
    values = np.linspace(0, greatest, 60).round().astype(dtype).reshape(20, 3)
    splits = data.load(saved(tmp_path / "a.npy", values))
    assert torch.allclose(splits.whole[:], torch.from_numpy((values / white).astype(np.float32)), atol=1e-7)
    assert len(splits.notes) == (note is not None)
    with pytest.raises(DataError, match="outside the range 0:2"):
        data.load(tmp_path / "a.npy", limits="0:2")
    found = data.load(tmp_path / "a.npy", limits=f"0:{greatest}").whole[:]
    assert torch.allclose(found, torch.from_numpy((values / greatest).astype(np.float32)), atol=1e-7)


@pytest.mark.parametrize(
    ("values", "message"), [(np.arange(-3, 9), "from -3 to 8.*--range -3:8"), (np.arange(900), "greys or counts.*0:899")]
)
def test_whole_numbers_that_can_be_no_greys_are_refused_and_have_a_range(tmp_path: Path, values: np.ndarray, message: str) -> None:
    path = saved(tmp_path / "a.npy", values.reshape(-1, 3))
    with pytest.raises(DataError, match=message):
        data.load(path)
    found = data.load(path, limits=f"{values.min()}:{values.max()}").whole[:]
    assert torch.allclose(found.flatten(), torch.linspace(0, 1, len(values)), atol=1e-6)


@pytest.mark.parametrize("text", ["1", "a:b", "3:3", "4:1", "0:nan", "0:1:2"])
def test_a_range_goes_from_a_number_to_a_greater_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"LOW:HIGH|greater"):
        data.load(saved(tmp_path / "a.npy", np.ones((4, 3))), limits=text)


@pytest.mark.parametrize("likelihood", long_if(lambda word: word == "nb", OF_COUNTS))
@pytest.mark.parametrize("greatest", [pytest.param(1, marks=pytest.mark.long), 40, pytest.param(3000, marks=pytest.mark.long)])
def test_with_a_likelihood_of_counts_they_are_counts_and_come_back_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], likelihood: str, greatest: int
) -> None:
    values = RANDOM.poisson(greatest / 2, (200, 5)).clip(0, greatest)
    path = saved(tmp_path / "c.npy", values)
    words = [
        "train",
        path,
        "--likelihood",
        likelihood,
        "--epochs",
        3,
        "--network",
        "mlp:16",
        "--learning-rate",
        0.01,
        "--out",
        tmp_path / "r",
    ]
    answer(capsys, *words)
    assert torch.equal(runs.load(tmp_path / "r").read().whole[:], torch.from_numpy(values).float())
    answer(capsys, "sample", tmp_path / "r", "--n", 200, "--draw", "-o", tmp_path / "s.npy")
    drawn = np.load(tmp_path / "s.npy")
    assert np.array_equal(drawn, np.round(drawn))
    assert greatest < 2 or drawn.max() > 2
    answer(capsys, "score", tmp_path / "r", path, "--samples", 20, "-o", tmp_path / "s.csv")
    saved(tmp_path / "f.npy", values + 0.5)
    assert "likelihood is one of counts" in complaint(capsys, "score", tmp_path / "r", tmp_path / "f.npy", "-o", tmp_path / "s.csv")


# --- a run and other data ----------------------------------------------------------------------------


def test_other_data_are_read_as_those_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bits = (RANDOM.random((60, 8, 8)) < 0.3).astype(np.uint8)
    train(Recipe(data=str(saved(tmp_path / "bits.npy", bits)), epochs=1, batch=20), tmp_path / "of bits").finish()
    train(Recipe(epochs=1), tmp_path / "of greys").finish()
    for name, values, message in (
        ("of bits", bits * 255, "whole numbers from 0 to 255, and this run's data are zeros and ones"),
        ("of greys", bits * 255.0, "these data go from 0 to 255, the run's from 0 to 1"),
    ):
        saved(tmp_path / "o.npy", values)
        for verb, end in (("encode", ".npz"), ("score", ".csv"), ("reconstruct", ".npy")):
            printed = complaint(capsys, verb, tmp_path / name, tmp_path / "o.npy", "-o", tmp_path / f"o{end}")
            assert message in printed, verb
    saved(tmp_path / "o.npy", bits)
    assert runs.load(tmp_path / "of bits").read(tmp_path / "o.npy").whole[:].unique().tolist() == [0, 1]
    splits = runs.load(tmp_path / "of greys").read(tmp_path / "o.npy")  # a run of 255 levels: all but black
    assert splits.whole[:].max() == pytest.approx(1 / 255)
    assert any("greatest value is 1 where 255" in note for note in splits.notes)


def test_a_run_of_before_reads_its_zeros_and_ones_as_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 0.1.0 read them as pixels, of which 255 is white; its runs go on to the same bits."""
    bits = (RANDOM.random((60, 8, 8)) < 0.3).astype(np.uint8)
    words = {"data": str(saved(tmp_path / "x.npy", bits)), "batch": 20, "network": "mlp:8"}
    with monkeypatch.context() as before:
        load = runs.load_data
        before.setattr(runs, "load_data", lambda recipe, data_dir, goes_on: load(recipe, data_dir, goes_on=DataSpec((1, 8, 8), unit=255)))
        train(Recipe(**words, epochs=1), tmp_path / "r").finish()
        train(Recipe(**words, epochs=2), tmp_path / "whole").finish()
    record = tmp_path / "r" / "data.json"
    record.write_text(record.read_text().replace('"unit": 255', '"was": 0'))
    run = runs.load(tmp_path / "r")
    assert run.spec.unit == 255
    assert run.read().whole[:].max() == pytest.approx(1 / 255)
    resumed(tmp_path / "r", epochs=2)
    assert weights(tmp_path / "r") == weights(tmp_path / "whole")


def test_reals_of_another_range_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = RANDOM.normal(size=(60, 4)).astype(np.float32)
    words = {"likelihood": "gaussian", "scale": "learned", "epochs": 1, "batch": 20, "network": "mlp:8"}
    train(Recipe(data=str(saved(tmp_path / "x.npy", values)), **words), tmp_path / "r").finish()
    saved(tmp_path / "o.npy", 100 * values)
    assert any("the run's from" in note for note in runs.load(tmp_path / "r").read(tmp_path / "o.npy").notes)
    assert not runs.load(tmp_path / "r").read(tmp_path / "x.npy").notes


def test_a_run_keeps_its_range(tmp_path: Path) -> None:
    values = RANDOM.integers(0, 4096, (60, 8, 8)).astype(np.uint16)
    path = saved(tmp_path / "x.npy", values)
    train(Recipe(data=str(path), range="0:4095", epochs=1, batch=20, pixels="grey"), tmp_path / "r").finish()
    other = saved(tmp_path / "o.npy", values[::-1] // 2)
    found = runs.load(tmp_path / "r").read(other).whole[:]
    assert torch.allclose(found[:, 0], torch.from_numpy((values[::-1] // 2 / 4095).astype(np.float32)), atol=1e-6)


# --- names within a file -----------------------------------------------------------------------------

IMAGES = RANDOM.integers(0, 256, (40, 5, 5)).astype(np.uint8)
CLASSES = np.arange(40) % 3


@pytest.mark.parametrize("name", ["labels", "label", "y", "target", "targets"])
@pytest.mark.parametrize("column", [False, True])
def test_labels_go_by_several_names(tmp_path: Path, name: str, column: bool) -> None:
    labels = CLASSES[:, None] if column else CLASSES
    splits = data.load(saved(tmp_path / "a.npz", images=IMAGES, **{name: labels}))
    assert splits.whole.labels.tolist() == CLASSES.tolist()
    assert not splits.notes


@pytest.mark.parametrize("names", [("x_{}", "y_{}"), ("{}_images", "{}_labels")])
def test_parts_are_read_with_their_labels(tmp_path: Path, names: tuple[str, str]) -> None:
    parts = {"train": slice(0, 25), "val": slice(25, 30), "test": slice(30, 40)}
    arrays = {names[0].format(part): IMAGES[rows] for part, rows in parts.items()}
    arrays |= {names[1].format(part): CLASSES[rows, None] for part, rows in parts.items()}
    splits = data.load(saved(tmp_path / "a.npz", **arrays))
    assert np.array_equal((255 * splits.train[:]).round().numpy()[:, 0], IMAGES[:25])
    train, validation = splits.validation()
    assert (len(train), len(validation), len(splits.test)) == (25, 5, 10)
    assert validation.labels.tolist() == CLASSES[25:30].tolist()
    assert [len(part) for part in splits.validation(3)] == [22, 3]
    assert not splits.notes


def test_what_is_not_read_is_named_and_labels_of_one_part_are_kept(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", x_train=IMAGES[:30], y_train=CLASSES[:30], x_test=IMAGES[30:], weights=np.ones(40))
    splits = data.load(path)
    assert splits.train.labels.tolist() == CLASSES[:30].tolist()
    assert splits.test.labels.tolist() == [data.UNKNOWN] * 10
    assert splits.notes == (f"{path}: not read: weights",)


def test_dsprites_are_bits_and_what_is_pickled_stays_so(tmp_path: Path) -> None:
    """Its form: ``imgs`` of zeros and ones in bytes, its factors beside them, and a dictionary that nothing here unpickles."""
    metadata = np.array({"title": "x"}, dtype=object)
    bits = (IMAGES > 128).astype(np.uint8)
    path = saved(
        tmp_path / "a.npz", metadata=metadata, imgs=bits, latents_values=RANDOM.normal(size=(40, 6)), latents_classes=np.ones((40, 6))
    )
    splits = data.load(path)
    assert np.array_equal(splits.whole[:][:, 0].numpy(), bits)
    assert splits.notes[-1] == f"{path}: not read: latents_values, latents_classes, metadata"


# --- pixels in a CSV ---------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("label", [True, False])
def test_columns_named_as_pixels_are_images(tmp_path: Path, first: int, label: bool) -> None:
    names = [f"pixel{first + place}" for place in range(25)]
    table = np.column_stack([CLASSES, IMAGES.reshape(40, 25)]) if label else IMAGES.reshape(40, 25)
    np.savetxt(tmp_path / "a.csv", table, "%d", ",", header=",".join([*(["label"] if label else []), *names]), comments="")
    splits = data.load(tmp_path / "a.csv")
    assert np.array_equal(splits.whole.array[:, 0].numpy(), IMAGES)
    assert (splits.whole.labels.tolist() if label else splits.whole.labels) == (CLASSES.tolist() if label else None)
    assert "images of 5 × 5" in splits.notes[-1]
    (tmp_path / "b.csv").write_text((tmp_path / "a.csv").read_text().replace(f"pixel{first + 24}", "weight"))
    assert data.load(tmp_path / "b.csv").schema is not None, "a table"
    (tmp_path / "c.csv").write_text((tmp_path / "a.csv").read_text() + "x," * 24 + "1\n")
    with pytest.raises(DataError, match=r"are no numbers|correct that line"):
        data.load(tmp_path / "c.csv")


# --- one example, some, and those of a mask -----------------------------------------------------------


def test_an_index_is_one_example_and_a_mask_chooses() -> None:
    whole = Dataset(torch.arange(20).view(10, 2).float())
    assert whole[3].tolist() == [6, 7]
    assert whole[-1].tolist() == whole[torch.tensor(9)].tolist() == whole[np.int64(9)].tolist() == [18, 19]
    mask = torch.arange(10) % 3 == 0
    for chosen in (mask, mask.numpy(), mask.tolist()):
        assert whole[chosen].tolist() == whole[[0, 3, 6, 9]].tolist()
    part = whole.view(torch.tensor([8, 2]))
    assert part[torch.tensor([False, True])].tolist() == [[4, 5]]
    assert part[-2].tolist() == [16, 17]
    assert len(whole[[]]) == 0
    for wrong in (10, -11, torch.ones(9).bool()):
        with pytest.raises(IndexError):
            whole[wrong]
    batches = list(torch.utils.data.DataLoader(whole, batch_size=4))
    assert [len(batch) for batch in batches] == [4, 4, 2]


# --- the white of a run, parts, and what reviewers broke -----------------------------------------------


def test_a_runs_white_is_that_of_its_other_data(tmp_path: Path) -> None:
    sixteen = RANDOM.integers(0, 65536, (60, 8, 8)).astype(np.uint16)
    train(Recipe(data=str(saved(tmp_path / "x.npy", sixteen)), epochs=1, batch=20, pixels="grey"), tmp_path / "r").finish()
    found = runs.load(tmp_path / "r").read(saved(tmp_path / "o.npy", sixteen // 400))
    assert found.whole[:].max() < 0.003
    assert any("where 65535 is read as white" in note for note in found.notes)
    for name, top in (("own", 255.0), ("other", 0.9)):
        (tmp_path / name).mkdir()
        for number in range(40):
            pixels = np.full((8, 8), top * (number + 1) / 40, np.float32)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.tif")
    train(Recipe(data=str(tmp_path / "own"), epochs=1, batch=20, pixels="grey"), tmp_path / "f").finish()
    assert runs.load(tmp_path / "f").read(tmp_path / "other").whole[:].max() == pytest.approx(0.9 / 255)


@pytest.mark.parametrize("dtype", [">u2", ">i4", "<u2"])
def test_the_order_of_bytes_changes_nothing(tmp_path: Path, dtype: str) -> None:
    values = np.linspace(0, 255 if dtype == ">i4" else 65535, 60).round().astype(dtype).reshape(20, 3)
    assert data.load(saved(tmp_path / "a.npy", values)).whole[:].max() == 1


WRONG = {
    "parts of two types": ({"x_train": IMAGES, "x_test": IMAGES.astype(np.uint16)}, "same shape and type"),
    "labels that are NaN": ({"x_train": IMAGES, "y_train": np.full(40, np.nan), "x_test": IMAGES}, "labels are NaN"),
    "a single number": ({"x_train": np.uint8(3), "x_test": np.uint8(3)}, "a single number"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_in_an_archive_is_said(tmp_path: Path, what: str) -> None:
    arrays, message = WRONG[what]
    with pytest.raises(DataError, match=message):
        data.load(saved(tmp_path / "a.npz", **arrays))


def test_the_name_of_a_file_does_not_say_what_it_is(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, IMAGES)
    assert len(data.load(tmp_path / "a.npz").whole) == 40
