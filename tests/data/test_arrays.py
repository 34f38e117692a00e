from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from lowerbound import data
from lowerbound.errors import DataError

RANDOM = np.random.default_rng(0)


def save(path: Path, values: object, **more: object) -> Path:
    if more or path.suffix == ".npz":
        np.savez(path, x=values, **more)
    else:
        np.save(path, values)
    return path


@pytest.mark.parametrize(
    ("shape", "event"),
    [((20, 5), (5,)), ((20, 6, 4), (1, 6, 4)), ((20, 6, 4, 3), (3, 6, 4)), ((20, 6, 4, 1), (1, 6, 4)), ((20, 3, 6, 4), (3, 6, 4))],
)
def test_layouts(tmp_path: Path, shape: tuple[int, ...], event: tuple[int, ...]) -> None:
    values = RANDOM.random(shape).astype(np.float32)
    splits = data.load(save(tmp_path / "a.npy", values))
    assert splits.train.event_shape == event
    assert splits.whole is not None
    given = values if values.ndim != 4 or event[0] != shape[-1] else values.transpose(0, 3, 1, 2)
    assert np.array_equal(splits.whole[:].numpy(), given.reshape(20, *event))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_whole_numbers_are_pixels_and_stay_bytes(tmp_path: Path, dtype: type) -> None:
    splits = data.load(save(tmp_path / "a.npy", np.full((20, 4), 51, dtype)))
    assert splits.train.array.dtype == torch.uint8
    assert splits.train[:2].unique().tolist() == pytest.approx([0.2])


def test_floats_and_booleans_keep_their_values(tmp_path: Path) -> None:
    values = RANDOM.normal(size=(20, 4))
    assert torch.equal(data.load(save(tmp_path / "a.npy", values)).whole[:], torch.from_numpy(values).float())
    assert data.load(save(tmp_path / "b.npy", values > 0)).train[:].unique().tolist() == [0.0, 1.0]


def test_labels_of_any_kind_are_carried_along(tmp_path: Path) -> None:
    names = np.array(["cat", "ant"] * 10)
    splits = data.load(save(tmp_path / "a.npz", np.zeros((20, 4)), y=names))
    assert splits.whole.classes == ("ant", "cat")
    assert splits.whole.labels.tolist() == [1, 0] * 10
    assert data.load(save(tmp_path / "b.npz", np.zeros((4, 2)), labels=np.array([7, 9, 7, 9]))).whole.classes == ("7", "9")


def test_training_and_test_data_in_one_file(tmp_path: Path) -> None:
    train, test = RANDOM.random((9, 4)), RANDOM.random((3, 4))
    np.savez(tmp_path / "a.npz", x_train=train, y_train=np.arange(9) % 2, x_test=test, y_test=np.zeros(3, int))
    splits = data.load(tmp_path / "a.npz")
    assert (len(splits.train), len(splits.test), splits.whole) == (9, 3, None)


def test_the_classes_of_both_parts_are_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 2)), y_train=[3, 7, 3, 7], x_test=np.zeros((2, 2)), y_test=[7, 7])
    splits = data.load(tmp_path / "a.npz")
    assert splits.test.labels.tolist() == [1, 1]
    assert splits.test.classes == splits.train.classes == ("3", "7")


def test_parts_of_different_shapes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 2)), x_test=np.zeros((4, 3)))
    with pytest.raises(DataError, match="must have the same shape and type"):
        data.load(tmp_path / "a.npz")


def with_one(value: float) -> np.ndarray:
    values = np.zeros((10, 4))
    values[3, 2] = value
    return values


BROKEN = {
    "NaN": (with_one(np.nan), {}, r"NaN or infinite, the first at \(3, 2\)"),
    "infinity": (with_one(-np.inf), {}, "NaN or infinite"),
    "too large for a float32": (with_one(1e300), {}, "single precision"),
    "integers beyond pixels": (np.full((10, 4), 256), {}, "from 256 to 256, which may be greys or counts"),
    "objects": (np.array([{}] * 4, dtype=object), {}, "plain numbers"),
    "text": (np.array(["a"] * 4), {}, "numbers are needed"),
    "complex": (np.zeros((4, 2), complex), {}, "numbers are needed"),
    "nothing": (np.zeros((0, 4)), {}, "is empty"),
    "one number": (np.array(3.0), {}, "a single number"),
    "a vector": (np.zeros(7), {}, "has the shape"),
    "six axes": (np.zeros((2, 2, 2, 2, 2, 2)), {}, "has the shape"),
    "labels of another length": (np.zeros((10, 4)), {"y": np.zeros(9)}, "one label per example"),
    "labels that are NaN": (np.zeros((10, 4)), {"y": np.full(10, np.nan)}, "labels are NaN"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_unusable_array_is_refused(tmp_path: Path, case: str) -> None:
    values, more, message = BROKEN[case]
    with pytest.raises(DataError, match=message):
        data.load(save(tmp_path / ("a.npz" if more else "a.npy"), values, **more))


@pytest.mark.parametrize("keep", [0, 4, 60, -9])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, keep: int) -> None:
    path = save(tmp_path / name, np.zeros((10, 4)))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.np"):
        data.load(path)


def test_ambiguous_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros((3, 2)), b=np.zeros((3, 2)))
    with pytest.raises(DataError, match="holds a, b"):
        data.load(tmp_path / "a.npz")


def test_a_single_example_can_be_read_though_not_learned_from(tmp_path: Path) -> None:
    splits = data.load(save(tmp_path / "a.npy", np.zeros((1, 4))))
    assert len(splits.usual) == 1
    assert len(splits.test) == 0


def test_a_damaged_header_is_one_error_without_warnings(tmp_path: Path) -> None:
    """Whatever the parser of Python says of escapes in it."""
    np.save(tmp_path / "x.npy", np.zeros((8, 4, 5), np.uint8))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content.replace(b"'descr'", b"'descr\\:", 1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(DataError, match="is not a NumPy file of plain numbers or is damaged"):
            data.load(tmp_path / "x.npy")
    assert not seen
