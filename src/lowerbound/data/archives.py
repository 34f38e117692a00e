"""Files of named arrays: a row of ``ARCHIVES`` for each format. Each is read by the library that owns it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import idx, matlab_process, numpy_files
from lowerbound.data.numpy_files import ALONE
from lowerbound.errors import DataError, reason

#: FILE.h5:/path, an array within a file
INSIDE = re.compile(r"(?P<file>.+\.(?:h5|hdf5|mat|npz|safetensors|h5ad)):/*(?P<name>.+)", re.IGNORECASE)
#: MATLAB's own groups in a file of HDF5
OF_MATLAB = "#"
SMALL = 200  # numbers an example, of an array beside another that may be its labels


@dataclass(frozen=True)
class Archive:
    """The arrays of a file by their names, and the names of what is in it besides, which cannot be read.

    ``by_columns`` says that it comes from a program that counts by columns, and may have its examples last.
    """

    arrays: dict[str, np.ndarray]
    unread: tuple[str, ...] = ()
    by_columns: bool = False


def split(source: str | Path) -> tuple[Path, str | None]:
    """The file, and the name of an array within it where the source says one: ``FILE.h5:/path``."""
    found = INSIDE.fullmatch(str(source))
    if found is None or Path(source).exists():
        return Path(source), None
    return Path(found["file"]), found["name"]


def is_archive(path: Path) -> bool:
    """Whether ``read`` knows the format, by the file's name."""
    file, _ = split(path)
    return _reader(file) is not None and file.is_file()


def read(path: Path, inside: str | None = None) -> Archive:
    """The arrays of a file, of HDF5 only what is ``inside`` and small arrays beside it. Errors: DataError for a damaged or empty file."""
    reader = _reader(path)
    assert reader is not None
    found = _of_hdf5(path, inside) if reader is _of_hdf5 else reader(path)
    if not found.arrays and inside is None:
        others = f" (it holds {', '.join(found.unread[:5])})" if found.unread else ""
        raise DataError(f"{path} holds no array of numbers{others}")
    return found


def _reader(path: Path) -> Callable[[Path], Archive] | None:
    return _of_idx if idx.is_file_name(path) else ARCHIVES.get(path.suffix.lower())


def _of_numpy(path: Path) -> Archive:
    arrays = numpy_files.read(path)
    return Archive(arrays, tuple(name for name in numpy_files.names(path) if name not in arrays))


def _of_idx(path: Path) -> Archive:
    return Archive({ALONE: idx.read(path).numpy()})


def _of_matlab(path: Path) -> Archive:
    """By SciPy in a process of its own, or of version 7.3, which is HDF5, by h5py: with the axes in MATLAB's order."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "arrays.npz"
        command = [sys.executable, matlab_process.__file__, str(path), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own file
        if done.returncode == 0:
            arrays = numpy_files.read(target)
            return Archive(arrays, tuple(arrays.pop(matlab_process.UNREAD).tolist()), by_columns=True)
    if done.returncode == matlab_process.HDF5:
        in_hdf5 = _of_hdf5(path)
        return Archive(
            {name: array if array.dtype.kind == "U" else array.T for name, array in in_hdf5.arrays.items()}, in_hdf5.unread, by_columns=True
        )
    why = done.stderr.strip().splitlines()[-1:] if done.returncode == matlab_process.DAMAGED else ["it ends its reader"]
    raise DataError(f"{path} is not a MATLAB file or is damaged: {''.join(why)}")


def _of_hdf5(path: Path, inside: str | None = None) -> Archive:
    """By h5py, each array under its path; or the one ``inside``, by any link, with those beside it that are small enough for labels."""
    h5py = _h5py(path)
    arrays: dict[str, np.ndarray] = {}
    unread: list[str] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and not name.startswith(OF_MATLAB):
            array = _array(h5py, node)
            if array is None:
                unread.append(name)
            else:
                arrays[name] = array

    try:
        with h5py.File(path, "r") as file:
            if inside is None:
                file.visititems(visit)
            elif inside.strip("/") in file:
                _visit_beside(file, inside.strip("/"), visit)
            else:
                file.visit(unread.append)
    except MemoryError as error:
        raise DataError(f"{path} claims to be larger than the memory; it is damaged, or use fewer examples") from error
    except Exception as error:  # damaged files make it raise any kind of exception
        raise DataError(f"{path} is not an HDF5 file or is damaged: {_short(error)}") from error
    return Archive(arrays, tuple(unread))


def _visit_beside(file: Any, name: str, visit: Callable[[str, Any], None]) -> None:
    node = file[name]
    group = name.rpartition("/")[0]
    visit(name, node)
    for leaf in file[group] if group else file:
        other = f"{group}/{leaf}" if group else leaf
        there = file.get(other)
        if other != name and getattr(there, "shape", None) and np.prod(there.shape) <= SMALL * node.shape[0]:
            visit(other, there)


def _array(h5py: Any, node: Any) -> np.ndarray | None:
    """The values of a data set: numbers or text; None where they are neither, or there are none."""
    if node.shape is None:
        return None
    if node.attrs.get("MATLAB_class") == b"char":  # text as the numbers of its letters
        rows = np.atleast_2d(node[()].T)
        return np.array(["".join(map(chr, row)).strip() for row in rows])
    if node.dtype.kind in "biufS":
        return np.asarray(node[()])
    is_text = h5py.check_string_dtype(node.dtype) is not None and node.ndim == 1
    return node.asstr()[()].astype(str) if is_text else None


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise DataError(f"{path} needs h5py, which is not installed: pip install 'lowerbound[hdf5]'") from error
    return h5py


def _of_safetensors(path: Path) -> Archive:
    import safetensors.torch

    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except Exception as error:  # its own kind, and those of json and struct
        raise DataError(f"{path} is not a safetensors file or is damaged: {_short(error)}") from error
    whole = {name: tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor for name, tensor in tensors.items()}
    return Archive({name: tensor.numpy() for name, tensor in whole.items()})


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


ARCHIVES: dict[str, Callable[[Path], Archive]] = {
    ".npy": _of_numpy,
    ".npz": _of_numpy,
    ".mat": _of_matlab,
    ".h5": _of_hdf5,
    ".hdf5": _of_hdf5,
    ".safetensors": _of_safetensors,
}
