"""Images and vectors in Parquet files of the form that Hugging Face's data sets have."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from lowerbound import data
from lowerbound.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 5, 5)).astype(np.uint8)
LABELS = [0, 1, 2] * 4
FEATURES = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}}}
IMAGE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def encoded(pixels: np.ndarray) -> dict[str, Any]:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "png")
        return {"bytes": file.getvalue(), "path": "x.png"}


def written(path: Path, columns: dict[str, Any], described: bool = False) -> Path:
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(FEATURES)}) if described else table, path)
    return path


@pytest.mark.parametrize("described", [True, False])
def test_images_come_with_their_labels(tmp_path: Path, described: bool) -> None:
    images = pyarrow.array([encoded(one) for one in PIXELS], IMAGE)
    path = written(tmp_path / "a.parquet", {"image": images, "label": LABELS, "id": list(range(12))}, described)
    splits = data.load(path)
    assert np.array_equal(splits.whole.array[:, 0].numpy(), PIXELS)
    assert splits.whole.labels.tolist() == LABELS
    assert splits.whole.classes == (("cat", "dog", "owl") if described else ("0", "1", "2"))
    assert splits.notes == (f"{path}: not read: id",)
    assert data.load(path, size=3, color="rgb").train.event_shape == (3, 3, 3)


@pytest.mark.parametrize(
    "kind", [pyarrow.list_(pyarrow.float32()), pyarrow.list_(pyarrow.float64(), 7), pyarrow.large_list(pyarrow.float32())], ids=str
)
def test_lists_of_one_length_are_vectors(tmp_path: Path, kind: pyarrow.DataType) -> None:
    values = np.random.default_rng(0).normal(size=(12, 7)).astype(np.float32)
    path = written(tmp_path / "a.parquet", {"embedding": pyarrow.array(values.tolist(), kind), "label": ["a", None, "b"] * 4})
    splits = data.load(path)
    assert torch.allclose(splits.whole[:], torch.from_numpy(values))
    assert splits.whole.names[:3] == ["a", None, "b"]


WRONG = [
    ({"x": pyarrow.array([[1.0], [1.0, 2.0]])}, "several lengths"),
    ({"x": pyarrow.array([[1.0], None])}, "several lengths"),
    ({"x": pyarrow.array([[1.0], [None]])}, "NaN or infinite|empty cells"),
    ({"x": pyarrow.array([[1.0], [2.0]]), "z": pyarrow.array([[1.0], [2.0]])}, "several columns .* x, z"),
    ({"image": pyarrow.array([encoded(PIXELS[0]), {"bytes": b"no image", "path": ""}], IMAGE)}, r"1 of 2 images .*row 2"),
    ({"image": pyarrow.array([encoded(PIXELS[0]), None], IMAGE)}, r"1 of 2 images .*row 2"),
    ({"image": pyarrow.array([encoded(PIXELS[0]), encoded(PIXELS[0, :3])], IMAGE)}, "images of 2 sizes"),
]


@pytest.mark.parametrize(("columns", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_read_is_said(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.load(written(tmp_path / "a.parquet", columns))


def test_a_table_stays_a_table(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", {"age": [1.5, 2.5, 3.5, 1.5] * 3, "kind": ["a", "b"] * 6})
    assert data.load(path).schema is not None


def test_numbers_in_the_place_of_names_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1.5,2\n" + "2.5,3\n3.5,3\n2.5,2\n" * 4)
    assert "all of them are numbers" in data.load(tmp_path / "a.csv").notes[0]
    (tmp_path / "b.csv").write_text("a,2\n" + "2.5,3\n3.5,3\n2.5,2\n" * 4)
    assert not data.load(tmp_path / "b.csv").notes


def test_lists_beside_columns_are_a_tables_and_options_are_heeded(tmp_path: Path) -> None:
    table = {"age": [1.5, 2.5, 3.5, 1.5] * 3, "h": [1.0, 2.0, 2.5] * 4, "tags": [[1, 2]] * 12}
    splits = data.load(written(tmp_path / "t.parquet", table))
    assert [column.name for column in splits.schema.modelled] == ["age", "h"]
    assert data.load(tmp_path / "t.parquet", schema=splits.schema).schema == splits.schema
    path = written(tmp_path / "a.parquet", {"x": [[0, 1, 5]] * 12})
    assert data.load(path, counts=True).whole[:].max() == 5
    assert data.load(path, limits="0:5").whole[:].max() == 1
    assert "greatest value is 5" in data.load(path).notes[0]
    with pytest.raises(DataError, match="outside the range"):
        data.load(path, limits="0:4")
    holes = written(tmp_path / "h.parquet", {"x": [[0.5, float("nan")]] * 12})
    assert data.load(holes, holes=True).whole.holes == 12


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["cat", "cow"], "numbers or names of its 3"), ([0.5, 1.0], "numbers or names"), ([{"a": 1}] * 2, "no numbers or names")],
)
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, labels: list, message: str) -> None:
    images = pyarrow.array([encoded(one) for one in PIXELS[:2]], IMAGE)
    with pytest.raises(DataError, match=message):
        data.load(written(tmp_path / "a.parquet", {"image": images, "label": labels}, described=True))
    named = written(tmp_path / "b.parquet", {"image": images, "label": ["owl", "cat"]}, described=True)
    assert data.load(named).whole.names == ["owl", "cat"]


def test_pixels_may_be_floats_and_counts(tmp_path: Path) -> None:
    names = ",".join(f"pixel{place}" for place in range(4))
    (tmp_path / "a.csv").write_text(f"{names}\n" + "0.5,1.5,2,3\n0.25,1,2.5,4\n" * 5)
    assert data.load(tmp_path / "a.csv").whole[:2].tolist() == [[[[0.5, 1.5], [2, 3]]], [[[0.25, 1], [2.5, 4]]]]
    (tmp_path / "b.csv").write_text(f"{names}\n" + "0,300,2,3\n0,1,2,4\n" * 5)
    assert data.load(tmp_path / "b.csv", counts=True).whole[:].max() == 300


def test_matrices_are_images(tmp_path: Path) -> None:
    """Lists of lists, as ``datasets`` keeps arrays of two axes."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 4))
    pixels[0, 0, 0] = 255
    kind = pyarrow.list_(pyarrow.list_(pyarrow.uint8()))
    table = pyarrow.table({"x": pyarrow.array(pixels.tolist(), kind), "label": [number % 2 for number in range(20)]})
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet")
    splits = data.load(tmp_path / "m.parquet")
    assert np.array_equal(splits.whole[:].numpy() * 255, pixels[:, None])
    assert splits.whole.names[:2] == ["0", "1"]


@pytest.mark.parametrize("name", ["data-00000-of-00001", "data.txt", "data-00000-of-00001.arrow/x"])
def test_a_state_that_names_other_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "data-00000-of-00001").write_bytes(b"")
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(DataError, match=r"is none of \.parquet|names no files of the data"):
        data.load(tmp_path)
