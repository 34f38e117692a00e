"""Which axes are channels and space: a table of shapes, the shapes of examples they make, and those that are refused."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from lowerbound import data
from lowerbound.data.axes import read_shape, shape_of
from lowerbound.errors import DataError

N = 10
#: sides of an example in a file → its shape, and what the note says where that is a guess
KNOWN: dict[tuple[int, ...], tuple[tuple[int, ...], str | None]] = {
    (5,): ((5,), None),
    (6, 4): ((1, 6, 4), None),
    (28, 28): ((1, 28, 28), None),
    (12, 100): ((1, 12, 100), "grey images of 12 × 100; where they are series of 100 steps, say --shape 12x100"),
    (100, 12): ((1, 100, 12), "grey images of 100 × 12; where they are series of 100 steps, say --shape 12x100"),
    (1, 128): ((1, 1, 128), "--shape 1x128"),
    (6, 4, 3): ((3, 6, 4), None),
    (6, 4, 1): ((1, 6, 4), None),
    (3, 6, 4): ((3, 6, 4), None),
    (1, 6, 4): ((1, 6, 4), None),
    (4, 6, 3): ((3, 4, 6), None),
    (5, 3, 3): ((3, 5, 3), None),
    (4, 6, 7): ((4, 6, 7), "images of 6 × 7 with 4 channels"),
    (6, 7, 4): ((4, 6, 7), "images of 6 × 7 with 4 channels"),
    (2, 16, 16): ((2, 16, 16), "images of 16 × 16 with 2 channels"),
    (5, 16, 16): ((5, 16, 16), "images of 16 × 16 with 5 channels"),
    (16, 12, 6): ((6, 16, 12), "images of 16 × 12 with 6 channels"),
    (1, 8, 8, 8): ((1, 8, 8, 8), None),
    (8, 9, 10, 3): ((3, 8, 9, 10), None),
    (8, 9, 10, 2): ((2, 8, 9, 10), "volumes of 8 × 9 × 10 with 2 channels"),
}
REFUSED = {
    (3, 5, 3): "which axis of (3, 5, 3) is channels cannot be known; say --shape 3x5x3 or --shape 3x3x5, channels first",
    (4, 9, 4): "say --shape 4x9x4 or --shape 4x4x9",
    (2, 9, 2): "say --shape 2x9x2 or --shape 2x2x9",
    (7, 9, 8): "say --shape 7x9x8 or --shape 8x7x9",
    (9, 16, 16): "say --shape 9x16x16 or --shape 16x9x16",
    (5, 5, 5, 5): "say --shape 5x5x5x5, channels first",
    (2, 2, 2, 2, 2): "vectors (N, D), grey images (N, H, W), images (N, C, H, W) or volumes (N, C, D, H, W) are needed",
    (): "vectors (N, D)",
}
#: sides of an example in a file, the shape that is said → the shape of the example; or what is wrong
SAID: dict[tuple[tuple[int, ...], str], tuple[int, ...] | str] = {
    ((12, 100), "12x100"): (12, 100),
    ((100, 12), "12x100"): (12, 100),
    ((32,), "1x32"): (1, 32),
    ((32, 1), "1x32"): (1, 32),
    ((784,), "28x28"): (1, 28, 28),
    ((28, 28), "28x28"): (1, 28, 28),
    ((12,), "3x2x2"): (3, 2, 2),
    ((2, 5, 3), "3x2x5"): (3, 2, 5),
    ((3, 5, 3), "3x5x3"): (3, 5, 3),
    ((9, 16, 16), "9x16x16"): (9, 16, 16),
    ((16, 16, 9), "9x16x16"): (9, 16, 16),
    ((4, 5, 6), "1x4x5x6"): (1, 4, 5, 6),
    ((4, 5, 6, 2), "2x4x5x6"): (2, 4, 5, 6),
    ((5, 5, 5, 5), "5x5x5x5"): (5, 5, 5, 5),
    ((6, 4), "24"): (24,),
    ((), "1"): (1,),
    ((6, 4), "3x2x4"): "the shape (10, 6, 4), and examples of 3x2x4 would be (10, 3, 2, 4) or (10, 2, 4, 3) or (10, 24)",
    ((7,), "2x4"): "the shape (10, 7), and examples of 2x4 would be (10, 2, 4) or (10, 4, 2) or (10, 8)",
    ((7,), "8"): "the shape (10, 7), and examples of 8 would be (10, 8)",
    ((2, 5), "5x2x1"): "and examples of 5x2x1 would be",
}


def saved(folder: Path, sides: tuple[int, ...]) -> tuple[Path, np.ndarray]:
    """A file of numbers that are all different."""
    values = np.arange(N * prod(sides), dtype=np.float32).reshape(N, *sides)
    np.save(folder / "a.npy", values)
    return folder / "a.npy", values


def must_be(found: data.Splits, values: np.ndarray, event: tuple[int, ...]) -> None:
    """The numbers of the file, of each example in order, or with the last axis before the others where that alone fits."""
    assert found.train.event_shape == event
    assert found.whole is not None
    moved = values.ndim == len(event) + 1 and values.shape[1:] != event
    wanted = np.moveaxis(values, -1, 1) if moved else values
    assert np.array_equal(found.whole[:].numpy(), wanted.reshape(N, *event))
    assert found.whole.array.is_contiguous()


@pytest.mark.parametrize("sides", KNOWN, ids=str)
def test_what_axes_tell(tmp_path: Path, sides: tuple[int, ...]) -> None:
    event, guess = KNOWN[sides]
    path, values = saved(tmp_path, sides)
    found = data.load(path)
    must_be(found, values, event)
    assert len(found.notes) == (guess is not None)
    assert guess is None or guess in found.notes[0]


@pytest.mark.parametrize("sides", REFUSED, ids=str)
def test_what_they_do_not_tell_is_refused(tmp_path: Path, sides: tuple[int, ...]) -> None:
    path, _ = saved(tmp_path, sides)
    with pytest.raises(DataError) as error:
        data.load(path)
    assert REFUSED[sides] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("sides", "shape"), SAID, ids=str)
def test_what_is_said(tmp_path: Path, sides: tuple[int, ...], shape: str) -> None:
    wanted = SAID[sides, shape]
    path, values = saved(tmp_path, sides)
    if isinstance(wanted, str):
        with pytest.raises(DataError) as error:
            data.load(path, shape=shape)
        assert wanted in str(error.value)
        return
    found = data.load(path, shape=shape)
    must_be(found, values, wanted)
    assert found.notes == ()


def test_a_shape_of_numbers_means_what_it_is() -> None:
    assert shape_of((28, 28)) == (28, 28)
    assert shape_of("28x28") == (1, 28, 28)
    assert shape_of(None) is None


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("784", (784,)),
        ("1x128", (1, 128)),
        ("12X1000", (12, 1000)),
        ("8×8", (1, 8, 8)),
        ("1x8x8", (1, 8, 8)),
        ("1x16x16x16", (1, 16, 16, 16)),
    ],
)
def test_a_shape_is_read(text: str, shape: tuple[int, ...]) -> None:
    assert read_shape(text) == shape


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "''"),
        ("28,28", "'28,28'"),
        ("-1x3", "'-1x3'"),
        ("3x", "'3x'"),
        ("٣x3", "numbers with x"),
        ("0x3", "0x3"),
        ("1x2x3x4x5", "1x2x3x4x5"),
    ],
)
def test_what_is_no_shape_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(DataError, match=wrong) as error:
        read_shape(text)
    assert "\n" not in str(error.value)


def test_pixels_stay_bytes_and_labels_their_own(tmp_path: Path) -> None:
    values = np.arange(N * 12, dtype=np.uint8).reshape(N, 12)
    np.savez(tmp_path / "a.npz", x=values, y=np.arange(N) % 2)
    whole = data.load(tmp_path / "a.npz", shape="3x2x2").whole
    assert whole is not None
    assert (str(whole.array.dtype), whole.event_shape, whole.names) == ("torch.uint8", (3, 2, 2), ["0", "1"] * 5)


def test_lists_and_columns_of_pixels_have_shapes_too(tmp_path: Path) -> None:
    values = np.arange(N * 16) % 251
    pyarrow.parquet.write_table(pyarrow.table({"x": values.reshape(N, 16).tolist()}), tmp_path / "a.parquet")
    lines = [",".join(f"pixel{place}" for place in range(16)), *(",".join(map(str, row)) for row in values.reshape(N, 16))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    for name in ("a.parquet", "a.csv"):
        whole = data.load(tmp_path / name, shape="1x2x2x4").whole
        assert whole is not None
        assert whole.array.tolist() == values.reshape(N, 1, 2, 2, 4).tolist()


def test_a_shape_of_what_is_no_array_is_refused(tmp_path: Path) -> None:
    for source in ("digits", tmp_path):
        with pytest.raises(DataError, match="a shape is for arrays, which"):
            data.load(source, shape="8x8")
