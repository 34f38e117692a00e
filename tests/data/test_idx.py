from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import needs

from lowerbound import data
from lowerbound.errors import DataError

PIXELS = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)


def idx(values: np.ndarray, code: int = 0x08) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape) + values.tobytes()


def folder(path: Path, images: bytes, labels: bytes | None, part: str = "train", suffix: str = "") -> Path:
    pack = gzip.compress if suffix else bytes
    (path / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(images))
    if labels is not None:
        (path / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(pack(labels))
    return path


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_plain_and_gzipped_files_are_read(tmp_path: Path, suffix: str) -> None:
    labels = np.array([0, 1, 2, 0, 1, 2], np.uint8)
    folder(tmp_path, idx(PIXELS), idx(labels), suffix=suffix)
    folder(tmp_path, idx(PIXELS[:2]), idx(labels[:2]), "t10k", suffix)
    splits = data.load(tmp_path)
    assert splits.train.array.dtype == torch.uint8
    assert splits.train.event_shape == (1, 4, 3)
    assert torch.equal(splits.train[[1, 0]], torch.from_numpy(PIXELS[[1, 0], None]).float() / 255)
    assert splits.train.labels is not None
    assert splits.train.labels.tolist() == labels.tolist()
    assert len(splits.test) == 2
    assert splits.whole is None


def test_without_a_test_part_one_in_ten_is_held_out(tmp_path: Path) -> None:
    splits = data.load(folder(tmp_path, idx(PIXELS), None))
    assert (len(splits.train), len(splits.test)) == (5, 1)
    assert splits.whole is not None
    assert torch.equal(splits.whole[:], torch.from_numpy(PIXELS[:, None]).float() / 255)


BROKEN = {
    "wrong magic number": (idx(PIXELS, 0x0D), None, "magic number"),
    "truncated values": (idx(PIXELS)[:-3], None, "truncated"),
    "too many values": (idx(PIXELS) + b"x", None, "damaged"),
    "truncated header": (b"\0\0\x08", None, "truncated"),
    "nothing": (b"", None, "truncated"),
    "no images": (idx(PIXELS[:0]), None, "empty"),
    "fewer labels": (idx(PIXELS), idx(np.zeros(5, np.uint8)), "5 labels, train-images-idx3-ubyte 6 images"),
    "labels that are images": (idx(PIXELS), idx(PIXELS), "magic number"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused(tmp_path: Path, case: str) -> None:
    images, labels, message = BROKEN[case]
    with pytest.raises(DataError, match=message):
        data.load(folder(tmp_path, images, labels))


@pytest.mark.parametrize("keep", [1, 10, 50, -1])
def test_a_truncated_gzip_is_refused(tmp_path: Path, keep: int) -> None:
    folder(tmp_path, idx(PIXELS), None, suffix=".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="truncated or damaged"):
        data.load(tmp_path)


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("mnist", "fashion-mnist")])
def test_the_real_files(name: str) -> None:
    splits = data.load(name)
    assert (len(splits.train), len(splits.test)) == (60_000, 10_000)
    assert splits.train.event_shape == (1, 28, 28)
    assert splits.train.labels is not None
    assert splits.train.labels.bincount().min() > 5000
    assert len(splits.train.classes) == 10
    train, held_out = splits.validation()
    assert (len(train), len(held_out)) == (55_000, 5_000)
    assert train.array.data_ptr() == held_out.array.data_ptr(), "the slices share one array"
