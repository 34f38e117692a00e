"""The data sets known by name: where their files are searched for and downloaded from.

A new one is a row of ``NAMED``.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lowerbound.data import download, idx, named_arrays
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError
from lowerbound.system.files import make_folder, save_arrays

ENVIRONMENT = "LOWERBOUND_DATA"


def folders(data_dir: Path | None) -> list[Path]:
    """Where the folder of a named data set may be, in search order: ``data_dir``, $LOWERBOUND_DATA, the user's cache."""
    import platformdirs

    named = [data_dir, os.environ.get(ENVIRONMENT) or None]
    return [Path(folder) for folder in named if folder is not None] + [platformdirs.user_cache_path("lowerbound")]


@dataclass(frozen=True)
class Source(ABC):
    """A data set known by name, with a one-line description."""

    description: str

    @abstractmethod
    def load(self, name: str, data_dir: Path | None) -> Splits:
        """The data, downloaded where files are missing."""

    @abstractmethod
    def missing(self, name: str, data_dir: Path | None) -> list[str]:
        """The files that were not found; empty where the data set is ready."""

    @abstractmethod
    def place(self, name: str, data_dir: Path | None) -> str:
        """Where it is, or would be downloaded to."""


def _digits() -> np.ndarray:
    """64 pixels and the class of each digit ``(1797, 65)``, read from scikit-learn's file: importing scikit-learn takes a second."""
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (file := Path(folder) / "datasets" / "data" / "digits.csv.gz").is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target])


@dataclass(frozen=True)
class Bundled(Source):
    """The handwritten digits that come with scikit-learn."""

    def load(self, name: str, data_dir: Path | None) -> Splits:
        """1,797 images of 8 × 8 with 17 grey levels, scaled to pixels of 0–255."""
        import torch

        rows = torch.from_numpy(_digits())
        pixels = (rows[:, :-1] * (255 / 16)).round().to(torch.uint8)
        return Splits.of(Dataset(pixels.reshape(-1, 1, 8, 8), rows[:, -1].long(), tuple("0123456789")))

    def missing(self, name: str, data_dir: Path | None) -> list[str]:
        """An empty list: no file is ever missing."""
        return []

    def place(self, name: str, data_dir: Path | None) -> str:
        """A note that it is part of scikit-learn."""
        return "bundled with scikit-learn"


@dataclass(frozen=True)
class Files(Source):
    """A data set stored as files in a folder of its name."""

    @abstractmethod
    def lacking(self, folder: Path) -> list[str]:
        """The files that ``folder`` lacks."""

    def missing(self, name: str, data_dir: Path | None) -> list[str]:
        """The files that would be downloaded."""
        return self.lacking(self.folder(name, data_dir))

    def place(self, name: str, data_dir: Path | None) -> str:
        """The folder that holds it, or the one it would be downloaded to."""
        return str(self.folder(name, data_dir))

    def folder(self, name: str, data_dir: Path | None) -> Path:
        """The first folder that has all files, else the one to download to."""
        candidates = [folder / name for folder in folders(data_dir)]
        complete = (folder for folder in candidates if not self.lacking(folder))
        # download to the folder the user named, else to the cache: the variable's folder may be shared
        return next(complete, candidates[0] if data_dir is not None else candidates[-1])


@dataclass(frozen=True)
class Idx(Files):
    """Four gzipped IDX files, the SHA-256 of their uncompressed content, and mirrors to download them from."""

    mirrors: Sequence[str]
    checksums: Mapping[str, str] = field(repr=False)
    classes: Sequence[str] = tuple("0123456789")

    def load(self, name: str, data_dir: Path | None) -> Splits:
        """Read the first folder that has all files, else download what is missing. Errors: DataError where a download fails."""
        folder = self.folder(name, data_dir)
        for file in self.lacking(folder):
            plain = file.removesuffix(".gz")
            download.fetch([f"{mirror}/{file}" for mirror in self.mirrors], folder / file, self.checksums[plain])
        return idx.load_folder(folder, self.classes)

    def lacking(self, folder: Path) -> list[str]:
        """The files that ``folder`` has neither plain nor compressed."""
        parts = ((part, kind) for part in (idx.TRAIN, idx.TEST) for kind in idx.KINDS)
        return [f"{idx.file_name(*pair)}.gz" for pair in parts if idx.find(folder, *pair) is None]


@dataclass(frozen=True)
class Faces(Files):
    """The Olivetti faces as ``olivetti.npz``: ``images`` uint8 (400, 64, 64), ten in a row for each person, and ``subject``."""

    FILE = "olivetti.npz"
    WHITE = 242  # scikit-learn's floats are grey levels divided by this

    def load(self, name: str, data_dir: Path | None) -> Splits:
        """Read the first file found, or have scikit-learn download it. Errors: DataError where that fails."""
        path = self.folder(name, data_dir) / self.FILE
        if not path.is_file():
            self._fetch(path)
        return named_arrays.load(path, Reading())

    def lacking(self, folder: Path) -> list[str]:
        """The one file, if it is missing."""
        return [] if (folder / self.FILE).is_file() else [self.FILE]

    def _fetch(self, path: Path) -> None:
        from sklearn.datasets import fetch_olivetti_faces

        with tempfile.TemporaryDirectory() as cache:  # for the pickle that it writes and nothing here reads
            try:
                found = fetch_olivetti_faces(data_home=cache)
            except OSError as error:
                where = f"Put it at {path} by hand, or name its folder with --data-dir"
                raise DataError(f"cannot download {self.FILE} ({error}). {where}") from error
        make_folder(path.parent)
        pixels = np.rint(found.images * self.WHITE).astype(np.uint8)
        save_arrays(path, {"images": pixels, "subject": found.target.astype(np.uint8)})


NAMED: Mapping[str, Source] = {
    "digits": Bundled("handwritten digits, 1,797 of 8 × 8"),
    "mnist": Idx(
        "handwritten digits, 60,000 + 10,000 of 28 × 28",
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
        checksums={
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion-mnist": Idx(
        "articles of clothing, 60,000 + 10,000 of 28 × 28",
        mirrors=(
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
        ),
        checksums={
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
        classes=("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "olivetti": Faces("faces, 400 of 64 × 64: ten of each of 40 people"),
}
