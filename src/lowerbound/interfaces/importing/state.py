"""Weights of any library as a run, by a mapping file that says which tensor is which."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

from lowerbound.data import archives, numpy_files
from lowerbound.errors import RunError
from lowerbound.interfaces.importing.tensor_map import TensorMap
from lowerbound.recipes.build import build
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.data_record import DataRecord
from lowerbound.runs.folder import new_run
from lowerbound.runs.run import Run, load

KERAS, WITHIN = ".keras", "model.weights.h5"
#: names of files that torch.save and pickle write
PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".save")
SHOWN = 12  # tensors in a message
UNKNOWN = "a model that was brought came without its data: read others by naming them, as lowerbound encode RUN DATA"


def state(weights: str | Path, output: str | Path, map: str | Path) -> Run:  # noqa: A002 - as the option is called
    """The model of a file of weights as a run in a new folder, its tensors taken as the ``map`` says.

    Weights are a ``.safetensors``, an ``.npz``, a ``.weights.h5`` or another HDF5 file, or a ``.keras``. Every tensor in there must be used
    or ignored, and every weight of the recipe's model be given. Errors: RunError, which names the tensor; DataError for a damaged file;
    RecipeError for words that make no sense.
    """
    known, theirs = TensorMap.read(Path(map)), read(Path(weights))
    vae = build(known.recipe, known.spec).vae
    _take(vae, theirs, known)
    record = DataRecord(known.spec, 0, 0, 0, "", notes=() if known.names_data else (UNKNOWN,))
    with new_run(Path(output), known.recipe, record, torch.device("cpu"), False, state):
        checkpoint.save_weights(Path(output) / layout.WEIGHTS, vae)
    return load(output, "cpu")


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names. Errors: RunError for a kind that is not read; DataError for damage."""
    if path.suffix.lower() in PICKLED:
        load = f"safetensors.torch.save_file(torch.load('{path}', weights_only=True), 'weights.safetensors')"
        raise RunError(f"{path} is a pickle, which is never read here; write its tensors as safetensors: {load}")
    with _archive(path) as file:
        if not archives.is_archive(file):
            raise RunError(f"{path} is no file of weights that is read: .safetensors, .npz, .h5, {KERAS}")
        arrays = archives.read(file).arrays
    return {name: torch.from_numpy(array) for name, array in arrays.items() if array.dtype.kind in "biuf"}


@contextmanager
def _archive(path: Path) -> Iterator[Path]:
    """The file itself, or within a ``.keras`` that of the weights."""
    if path.suffix.lower() != KERAS:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as whole:
                whole.extract(WITHIN, folder)
        except (OSError, RuntimeError, *numpy_files.DAMAGE) as error:
            raise RunError(f"{path} is no {KERAS} file, a zip with {WITHIN} in it ({str(error)[:80]})") from error
        yield Path(folder) / WITHIN


@torch.no_grad()
def _take(vae: nn.Module, theirs: Mapping[str, Tensor], known: TensorMap) -> None:
    """Fill the model. Errors: RunError where a tensor is missing on either side, or does not fit."""
    own = vae.state_dict()
    used = {part.of for parts in known.tensors.values() for part in parts}
    theirs = {name: tensor for name, tensor in theirs.items() if name in used or not any(fnmatchcase(name, one) for one in known.ignore)}
    _must_be_of("model", known.tensors, own)
    _must_be_of("file", used, theirs)
    left = {name: tensor for name, tensor in theirs.items() if name not in used}
    lacking = {name: weight for name, weight in vae.named_parameters() if name not in known.tensors}
    if lacking:
        raise RunError(f"the map gives nothing to {_listed(lacking)}" + (f"; of the file are left {_listed(left)}" if left else ""))
    if left:
        raise RunError(f"the map does not use {_listed(left)}; give it a place, or say ignore = ['{next(iter(left))}']")
    for name, parts in known.tensors.items():
        own[name].copy_(joined(name, [part(theirs[part.of], known.layout) for part in parts], own[name]))


def _must_be_of(where: str, names: Collection[str], there: Mapping[str, Tensor]) -> None:
    for name in names:
        if name not in there:
            others = {other: tensor for other, tensor in there.items() if other not in names}
            raise RunError(f"'{name}' in the map is no tensor of the {where}; others that it has: {_listed(others) or 'none'}")


def joined(name: str, parts: Sequence[Tensor], own: Tensor) -> Tensor:
    """The parts one below the other, in the shape of ``own``. Errors: RunError, which names the tensor, where they do not fit it."""
    rows = [part.reshape(-1, *own.shape[1:]) for part in parts if _ends_in(part, own.shape[1:])]
    if len(rows) < len(parts) or sum(map(Tensor.numel, rows)) != own.numel():
        shapes = " and ".join(str(tuple(part.shape)) for part in parts)
        raise RunError(f"'{name}' is of shape {tuple(own.shape)}, and the map makes {shapes} of it; look at layout, shape and axes")
    found = torch.cat(rows).reshape(own.shape)
    if not bool(torch.isfinite(found).all()):
        raise RunError(f"'{name}' would not be finite: the weights in the file are not")
    return found


def _ends_in(part: Tensor, event: Sequence[int]) -> bool:
    """Whether the tensor is rows of that shape once neighbouring axes are put together."""
    sides = list(part.shape)
    for side in reversed(event):
        size = 1
        while sides and size < side:
            size *= sides.pop()
        if size != side:
            return False
    return True


def _listed(tensors: Mapping[str, Tensor]) -> str:
    """Their names and shapes, those of the first few."""
    shown = [f"{name} {tuple(tensor.shape)}" for name, tensor in list(tensors.items())[:SHOWN]]
    return ", ".join(shown) + f" and {len(tensors) - SHOWN} more" * (len(tensors) > SHOWN)
