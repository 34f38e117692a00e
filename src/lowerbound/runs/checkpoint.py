"""Tensors on disk: safetensors with a checksum over all of it, written whole or not at all.

Nothing is pickled. A model's weights are one file, everything a training needs to go on another. Weights of compiled networks have the
names that they have without ``torch.compile``, so that either can be read by the other.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch import Tensor, nn

from lowerbound.errors import RunError
from lowerbound.system.files import content, written
from lowerbound.training.state import State

COMPILED = "_orig_mod."  # what torch.compile puts into the names of weights
#: how the files begin that torch.save writes, now and formerly
PICKLED = (b"PK\x03\x04", b"\x80\x02\x8a\n")
OF_OPTIMIZER = 4  # times the weights at most, for what the optimiser keeps of each
REST = 2**24  # bytes of names, shapes, numbers of steps and the like
OPTIMIZER = "optimizer"
OF_ADAM = {"step", "exp_avg", "exp_avg_sq"}
#: what reading a damaged file may raise
DAMAGE = (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error)
CHECKSUM = "sha256"
HEADER = "lowerbound"  # one entry, since safetensors writes several in an order that changes from file to file


def write(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write ``tensors``, and ``meta`` as JSON, into one file with a checksum, whole or not at all.

    Errors: OutputError where it cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lb.checkpoint.write(Path(folder, "some"), {"a": torch.ones(2)}, {"step": 7})
    ...     lb.checkpoint.read(Path(folder, "some"))
    ({'a': tensor([1., 1.])}, {'step': 7})
    """
    raw = packed(tensors, meta)
    with written(path) as file:
        file.write(raw)


def packed(tensors: dict[str, Tensor], meta: dict[str, Any]) -> bytes:
    """The bytes that ``write`` puts into a file: safetensors, with the checksum and ``meta``, which is JSON, in its header.

    >>> from pathlib import Path
    >>> import torch
    >>> import lowerbound as lb
    >>> raw = lb.checkpoint.packed({"a": torch.ones(2)}, {"step": 7})
    >>> lb.checkpoint.unpacked(raw, Path("some"))
    ({'a': tensor([1., 1.])}, {'step': 7})
    """
    tensors = {_plain(name): tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    # cloned, since modules may share a tensor and safetensors refuses to write one twice
    text = json.dumps(meta, sort_keys=True)
    header = json.dumps({CHECKSUM: _checksum(tensors, text), "meta": text})
    return safetensors.save(tensors, {HEADER: header})


def read(path: Path, most: int | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the meta, of a file of at most ``most`` bytes.

    Errors: RunError where the file is missing, damaged, another's or larger.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "some")
    ...     _ = path.write_bytes(lb.checkpoint.packed({"a": torch.ones(2)}, {})[:-1])  # its last byte is lost
    ...     try:
    ...         lb.checkpoint.read(path)
    ...     except lb.errors.RunError as error:
    ...         print("is damaged" in str(error))
    True
    """
    try:
        size = path.stat().st_size
        if most is not None and size > most:  # before any memory is taken for it
            raise RunError(f"{path} has {size:,} bytes, more than the model of this run can have; copy it anew from where it came")
        raw = content(path)
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing: this run has not saved anything yet, or lost it") from error
    except OSError as error:
        raise RunError(f"{path} is damaged ({str(error)[:80]}); train again, or copy it anew from where it came") from error
    return unpacked(raw, path)


def unpacked(raw: bytes, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the meta that ``packed`` made bytes of; ``path`` is the file that errors name.

    Errors: RunError where it is damaged, or another's.

    >>> from pathlib import Path
    >>> import torch
    >>> import lowerbound as lb
    >>> tensors, meta = lb.checkpoint.unpacked(lb.checkpoint.packed({"a": torch.arange(3)}, {"step": 7}), Path("some"))
    >>> tensors["a"].tolist(), meta
    ([0, 1, 2], {'step': 7})
    """
    try:
        _must_not_be_pickled(raw, path)
        tensors = safetensors.load(raw)
        header = _header(raw, path)
        whole = header[CHECKSUM] == _checksum(tensors, header["meta"])
        meta = dict(json.loads(header["meta"]))
    except DAMAGE as error:
        raise RunError(f"{path} is damaged ({str(error)[:80]}); train again, or copy it anew from where it came") from error
    if not whole:
        raise RunError(f"{path} is damaged: its checksum does not match; train again, or copy it anew from where it came")
    return tensors, meta


def _must_not_be_pickled(raw: bytes, path: Path) -> None:
    if raw.startswith(PICKLED):
        raise RunError(
            f"{path} is a file of torch.save, and nothing is unpickled here; model.load_state_dict(torch.load('{path}', weights_only=True))"
        )


def _header(raw: bytes, path: Path) -> dict[str, str]:
    """What is in a file besides the tensors. Errors: RunError for a plain safetensors file; ValueError, KeyError and others for damage."""
    (length,) = struct.unpack("<Q", raw[:8])
    meta = json.loads(raw[8 : 8 + length]).get("__metadata__", {})
    if HEADER not in meta:
        raise RunError(f"{path} is a safetensors file of others, without a checksum; lb.checkpoint.load_weights('{path}', model) reads it")
    found: dict[str, str] = json.loads(meta[HEADER])
    return found


def _plain(name: str) -> str:
    """The name of a weight without what torch.compile puts into it."""
    return name.replace(COMPILED, "")


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_weights(path: str | Path, model: nn.Module) -> None:
    """Write the weights of a model to ``path``, a safetensors file with a checksum.

    Errors: OutputError where they cannot be written.

    >>> import tempfile
    >>> import torch
    >>> import lowerbound as lb
    >>> one, other = (lb.build(lb.Recipe(network="mlp:8", latent=2, seed=seed), (6,)).vae for seed in (0, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lb.checkpoint.save_weights(f"{folder}/weights.safetensors", one)
    ...     lb.checkpoint.load_weights(f"{folder}/weights.safetensors", other)
    >>> one.encode(torch.ones(1, 6)).allclose(other.encode(torch.ones(1, 6)))
    True
    """
    write(Path(path), dict(model.state_dict()), {})


def load_weights(path: str | Path, model: nn.Module) -> None:
    """Put the weights of ``path`` into ``model``: of a file of ``save_weights``, or of any safetensors file with a model's names.

    Errors: RunError where they are damaged, which of a plain file only its form can tell, another model's, not finite, or pickled.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> small, large = (lb.build(lb.Recipe(network=f"mlp:{width}"), (6,)).vae for width in (8, 16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lb.checkpoint.save_weights(f"{folder}/small", small)
    ...     try:
    ...         lb.checkpoint.load_weights(f"{folder}/small", large)
    ...     except lb.errors.RunError as error:
    ...         print("the weights of another model" in str(error))
    True
    """
    path = Path(path)
    _into(model, _unsigned(path, _bytes(model) + REST) or read(path, _bytes(model) + REST)[0], path)


def load_kept(path: Path, model: nn.Module) -> None:
    """Put the weights that a run has kept into ``model``: as ``load_weights``, of a file with a checksum alone.

    Errors: as for ``load_weights``; RunError for a plain file.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from safetensors.torch import save_file
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8"), (6,)).vae
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file(vae.state_dict(), Path(folder, "plain"))
    ...     lb.checkpoint.load_weights(Path(folder, "plain"), vae)
    ...     try:
    ...         lb.checkpoint.load_kept(Path(folder, "plain"), vae)
    ...     except lb.errors.RunError as error:
    ...         print("without a checksum" in str(error))
    True
    """
    _into(model, read(path, _bytes(model) + REST)[0], path)


def _unsigned(path: Path, most: int) -> dict[str, Tensor] | None:
    """The tensors of a whole safetensors file of at most ``most`` bytes that has no checksum; None of all else."""
    try:
        with safe_open(path, "pt") as file:
            signs = (file.metadata() or {}).items()
            if path.stat().st_size > most or any(name == HEADER or CHECKSUM in text for name, text in signs):  # one of both survives damage
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except DAMAGE:
        return None


def save_training(
    path: Path, model: nn.Module, estimator: nn.Module, state: State, progress: dict[str, Any], average: nn.Module | None = None
) -> None:
    """Weights, what the estimator remembers, optimiser and position, with ``progress`` (JSON) beside them: all that going on needs.

    So is the moving ``average`` of the weights, where there is one.
    Errors: OutputError where they cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> import lowerbound as lb
    >>> parts = lb.build(lb.Recipe(network="mlp:8"), (6,))
    >>> state = lb.State.new(parts.vae, seed=0)
    >>> _ = list(lb.fit(parts.vae, torch.rand(100, 6), epochs=2, state=state))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lb.checkpoint.save_training(Path(folder, "training"), parts.vae, parts.estimator, state, {"best": -4.2})
    ...     lb.checkpoint.load_training(Path(folder, "training"), parts.vae, parts.estimator, lb.State.new(parts.vae, seed=0))
    {'best': -4.2}
    """
    write(path, *_of_training(model, estimator, state, progress, average))


def packed_training(model: nn.Module, estimator: nn.Module, state: State, average: nn.Module | None = None) -> bytes:
    """The bytes that ``save_training`` writes, without any progress; ``unpack_training`` takes them up.

    >>> import lowerbound as lb
    >>> parts = lb.build(lb.Recipe(network="mlp:8"), (6,))
    >>> state, other = lb.State.new(parts.vae, seed=3), lb.State.new(parts.vae, seed=0)
    >>> raw = lb.checkpoint.packed_training(parts.vae, parts.estimator, state)
    >>> lb.checkpoint.unpack_training(raw, "a training", parts.vae, parts.estimator, other)
    >>> other.seed
    3
    """
    return packed(*_of_training(model, estimator, state, {}, average))


def unpack_training(raw: bytes, name: str, model: nn.Module, estimator: nn.Module, state: State, average: nn.Module | None = None) -> None:
    """Fill ``model``, ``estimator``, ``state`` and ``average`` with what ``packed_training`` made bytes of.

    Errors: RunError, which has the ``name`` of what it was, for the state of another training, and for damage.

    >>> import torch
    >>> import lowerbound as lb
    >>> parts = lb.build(lb.Recipe(network="mlp:8"), (6,))
    >>> state, other = lb.State.new(parts.vae, seed=0), lb.State.new(parts.vae, seed=0)
    >>> _ = list(lb.fit(parts.vae, torch.rand(100, 6), epochs=2, batch=50, state=state))
    >>> raw = lb.checkpoint.packed_training(parts.vae, parts.estimator, state)
    >>> lb.checkpoint.unpack_training(raw, "a training", parts.vae, parts.estimator, other)
    >>> other.step
    4
    """
    _fill(Path(name), *unpacked(raw, Path(name)), model, estimator, state, average, lambda progress: None)


def _of_training(
    model: nn.Module, estimator: nn.Module, state: State, progress: dict[str, Any], average: nn.Module | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    optimizer = state.optimizer.state_dict()
    tensors = {
        f"{part}.{name}": tensor
        for part, module in _parts(model, estimator, average).items()
        for name, tensor in module.state_dict().items()
    }
    for index, slots in optimizer["state"].items():
        tensors |= {f"{OPTIMIZER}.{index}.{slot}": value for slot, value in slots.items()}
    return tensors, {"seed": state.seed, "step": state.step, "progress": progress}


def load_training(
    path: Path,
    model: nn.Module,
    estimator: nn.Module,
    state: State,
    average: nn.Module | None = None,
    accept: Callable[[dict[str, Any]], None] = lambda progress: None,
) -> dict[str, Any]:
    """Fill ``model``, ``estimator``, ``state`` and ``average`` from a file of ``save_training``, and give the ``progress``.

    ``accept`` is called with the progress first, and may refuse it by an error. The optimiser keeps its learning rate and other constants.
    Errors: as ``read``; RunError where it is the state of another training.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> import lowerbound as lb
    >>> parts = lb.build(lb.Recipe(network="mlp:8"), (6,))
    >>> state = lb.State.new(parts.vae, seed=0)
    >>> _ = list(lb.fit(parts.vae, torch.rand(100, 6), epochs=2, batch=50, state=state))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lb.checkpoint.save_training(Path(folder, "training"), parts.vae, parts.estimator, state, {"best": -4.2})
    ...     again, there = lb.build(lb.Recipe(network="mlp:8"), (6,)), lb.State.new(parts.vae, seed=0)
    ...     lb.checkpoint.load_training(Path(folder, "training"), again.vae, again.estimator, there), there.step
    ({'best': -4.2}, 4)
    """
    most = OF_OPTIMIZER * _bytes(model) + sum(map(_bytes, _parts(model, estimator, average).values())) + REST
    return _fill(path, *read(path, most), model, estimator, state, average, accept)


def _fill(
    path: Path,
    tensors: dict[str, Tensor],
    meta: dict[str, Any],
    model: nn.Module,
    estimator: nn.Module,
    state: State,
    average: nn.Module | None,
    accept: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """``load_training`` of what its file has."""
    parts = _parts(model, estimator, average)
    try:
        progress, seed, step = dict(meta["progress"]), meta["seed"], meta["step"]
        if not (type(seed) is type(step) is int and step >= 0):
            raise ValueError(f"seed {seed!r}, step {step!r}")
        accept(progress)
        modules: dict[str, dict[str, Tensor]] = {part: {} for part in (*parts, OPTIMIZER)}
        for name, tensor in tensors.items():
            part, rest = name.split(".", 1)
            modules[part][rest] = tensor
        slots = _slots(state.optimizer, modules[OPTIMIZER])
        for part, module in parts.items():
            _into(module, modules[part], path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is no state of this training ({str(error)[:80]}); copy it anew from where it came") from error
    state.optimizer.load_state_dict({"state": slots, "param_groups": state.optimizer.state_dict()["param_groups"]})
    state.seed, state.step = seed, step
    return progress


def _slots(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """What the optimiser keeps of each weight, by the weight's number: tensors of its shape and type, and a number of steps.

    Errors: ValueError, KeyError for what a step would read as something else, or beyond its end.
    """
    weights = dict(enumerate(weight for group in optimizer.param_groups for weight in group["params"]))
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, slot = name.split(".", 1)
        weight = weights[int(number)]
        shape, kind = ((), torch.float32) if slot == "step" else (weight.shape, weight.dtype)
        if tensor.shape != torch.Size(shape) or tensor.dtype != kind:
            raise ValueError(f"{slot} of weight {number} is {tensor.dtype} {tuple(tensor.shape)}")
        slots.setdefault(int(number), {})[slot] = tensor
    if isinstance(optimizer, torch.optim.Adam) and any(of_weight.keys() != OF_ADAM for of_weight in slots.values()):
        raise ValueError("of some weight Adam's moments are missing")
    return slots


def _parts(model: nn.Module, estimator: nn.Module, average: nn.Module | None) -> dict[str, nn.Module]:
    return {"model": model, "estimator": estimator} | ({} if average is None else {"average": average})


def _bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def _into(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    own, found = {_plain(name): name for name in model.state_dict()}, {_plain(name): tensor for name, tensor in tensors.items()}
    tensors = {own.get(name, name): tensor for name, tensor in found.items()}  # compiled here or there
    for name, there in model.state_dict().items():
        if name in tensors and tensors[name].dtype != there.dtype:
            raise RunError(f"{path} holds the weights of another model: {name} is {tensors[name].dtype}, not {there.dtype}")
    for name, _ in model.named_parameters():
        if name in tensors and not torch.isfinite(tensors[name]).all():
            raise RunError(f"{path} holds weights that are not finite ({name}); copy it anew from where it came")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        what = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise RunError(f"{path} holds the weights of another model: {what}") from error
