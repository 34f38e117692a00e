"""The IDX format of MNIST and similar data sets: a magic number, big-endian sizes, then the values.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998,
http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lowerbound.data.dataset import Dataset, Splits
from lowerbound.errors import DataError

UNSIGNED_BYTE = 0x08
#: a file's name says what it is: train-images-idx3-ubyte, train-images.idx3-ubyte, plain or gzipped
FILE = re.compile(r".+[-.]idx[1-9]-ubyte(\.gz)?", re.IGNORECASE)
IMAGES, LABELS = 3, 1  # axes
TRAIN, TEST = "train", "t10k"
KINDS = {"images": IMAGES, "labels": LABELS}


def file_name(part: str, kind: str) -> str:
    """The usual file name, e.g. ``train-images-idx3-ubyte``."""
    return f"{part}-{kind}-idx{KINDS[kind]}-ubyte"


def is_file_name(path: Path) -> bool:
    """Whether a file is named as an IDX file."""
    return FILE.fullmatch(path.name) is not None


def find(folder: Path, part: str, kind: str) -> Path | None:
    """The file of a part and kind in ``folder``, plain or gzipped, or None."""
    name = file_name(part, kind)
    variants = (name, name.replace("-idx", ".idx"))
    return next((path for n in variants for path in (folder / n, folder / f"{n}.gz") if path.is_file()), None)


def is_idx_folder(folder: Path) -> bool:
    """Whether the folder has training images in IDX format."""
    return find(folder, TRAIN, "images") is not None


def load_folder(folder: Path, classes: Sequence[str] = ()) -> Splits:
    """Training images and, if the folder has them, test images, with their labels.

    Errors: DataError for a damaged file, or where the numbers of labels and images differ.
    """
    train = load_part(folder, TRAIN)
    if find(folder, TEST, "images") is None:
        return Splits.of(named(folder, classes, train)[0])
    train, test = named(folder, classes, train, load_part(folder, TEST))
    must_be_alike(folder, train, test)
    return Splits(train, test)


def must_be_alike(folder: Path, train: Dataset, test: Dataset) -> None:
    """Raise DataError for parts of several shapes."""
    if test.event_shape != train.event_shape:
        raise DataError(f"{folder}: training images are {train.event_shape}, test images {test.event_shape}")


def named(folder: Path, classes: Sequence[str], *parts: Dataset) -> list[Dataset]:
    """The parts with their class names: those given, or the class numbers."""
    highest = max((int(part.targets.max()) for part in parts if part.targets is not None), default=-1)
    names = tuple(classes) or tuple(str(i) for i in range(highest + 1))
    if highest >= len(names):
        raise DataError(f"{folder} has a label {highest}, but only 0 to {len(names) - 1} are known; its files are of another data set")
    return [part if part.targets is None else replace(part, classes=names) for part in parts]


def load_part(folder: Path, part: str) -> Dataset:
    """The images of a part, with their labels where it has some. Errors: DataError."""
    images_path, labels_path = find(folder, part, "images"), find(folder, part, "labels")
    assert images_path is not None
    images = read(images_path, IMAGES)
    if labels_path is None:
        return Dataset(images.unsqueeze(1))
    labels = read(labels_path, LABELS)
    if len(labels) != len(images):
        raise DataError(
            f"{labels_path} has {len(labels):,} labels, {images_path.name} {len(images):,} images; "
            "they do not belong together: download both again"
        )
    return Dataset(images.unsqueeze(1), labels.long())


def content(path: Path) -> bytes:
    """The uncompressed content of a file, gzipped or not. Errors: DataError where it cannot be read."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is truncated or damaged ({error}); delete it and download it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def read(path: Path, axes: int | None = None) -> Tensor:
    """The values of an IDX file, uint8, in the shape that its header gives; of so many ``axes``, where they are said.

    Errors: DataError for a wrong magic number, or a length that differs from the header's.
    """
    data = content(path)
    axes = (data[3] if len(data) > 3 else IMAGES) if axes is None else axes
    header = 4 + 4 * axes
    if len(data) < header:
        raise DataError(f"{path} is truncated: {len(data)} bytes are too few for an IDX header; download it again")
    magic, *sizes = struct.unpack(f">{1 + axes}I", data[:header])
    expected = UNSIGNED_BYTE << 8 | axes
    if magic != expected:
        raise DataError(f"{path} has the magic number {magic:#010x}, not {expected:#010x}: it is not an IDX file of this kind")
    if len(data) - header != math.prod(sizes):
        raise DataError(
            f"{path} holds {len(data) - header:,} values where its header promises {math.prod(sizes):,}; "
            "it is truncated or damaged: download it again"
        )
    if 0 in sizes:
        raise DataError(f"{path} is empty: its header says {sizes}")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=header).reshape(sizes)
