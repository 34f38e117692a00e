"""A device that is not there: its tensors say that they are on it and keep their numbers in CPU memory.

It refuses what CUDA refuses: an operation on tensors here and there, but for single numbers and for row numbers that index; ``numpy()``;
loops over CPU memory. So code that forgets where a model is fails on a machine without an accelerator. Its random numbers are the CPU's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretended"
aten = torch.ops.aten
#: operations that themselves move numbers from one device to another
MOVES = (aten._to_copy.default, aten.copy_.default)
#: operations whose second argument, row numbers on the CPU, CUDA takes too
INDEXED = (
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
)
#: zeros that take no memory, which torch would fill in only outside ``_run``
WRITTEN = {aten._efficientzerotensor.default: aten.zeros.default}


def missing() -> str | None:
    """Why it cannot be had; None where it can."""
    there = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")
    return None if there else f"torch {torch.__version__} takes no device from Python"


class OnDevice(Tensor):
    """A tensor there, and ``numbers``, what it holds, here."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, real: Tensor) -> OnDevice:
        made: OnDevice = Tensor._make_wrapper_subclass(
            cls, real.shape, strides=real.stride(), storage_offset=real.storage_offset(), dtype=real.dtype, device=torch.device(NAME, 0)
        )
        made.numbers = real
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})

    def tolist(self) -> Any:
        return self.cpu().tolist()  # which torch does for devices of its own


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})

    def __enter__(self) -> Any:
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(…, device=…) makes it here first
        return super().__enter__()

    def __exit__(self, *fault: Any) -> None:
        torch._C._set_only_lift_cpu_tensors(False)
        super().__exit__(*fault)


def _run(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation on numbers here. What is made of tensors there, or made there, is there; what is changed in place stays itself."""
    leaves = tree_leaves((args, kwargs))
    there = [leaf for leaf in leaves if isinstance(leaf, OnDevice)]
    if there and function not in MOVES:
        _must_be_together(function, args, leaves)
    device = kwargs.get("device")
    goes_there = bool(there) if device is None else torch.device(device).type == NAME
    if device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    before = {id(one.numbers): one for one in there} | {id(leaf): leaf for leaf in leaves if isinstance(leaf, Tensor)}
    function = WRITTEN.get(function, function)
    found = function(*tree_map(_here, args), **tree_map(_here, kwargs))

    def placed(one: Any) -> Any:
        if not isinstance(one, Tensor):
            return one
        return before[id(one)] if id(one) in before else OnDevice(one) if goes_there else one

    return tree_map(placed, found)


def _here(one: Any) -> Any:
    return one.numbers if isinstance(one, OnDevice) else one


def _must_be_together(function: Any, args: tuple[Any, ...], leaves: list[Any]) -> None:
    """Errors: RuntimeError, as CUDA's, for a tensor on the CPU beside one on the device."""
    rows = tree_leaves(args[1]) if function in INDEXED and isinstance(args[0], OnDevice) else []
    single = torch.Tag.pointwise in function.tags or function in INDEXED
    for leaf in leaves:
        if not isinstance(leaf, Tensor) or isinstance(leaf, OnDevice) or any(leaf is row for row in rows):
            continue
        if leaf.dim() or not single or (leaf is args[0] and function._schema.is_mutable):
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {NAME} and cpu, {tuple(leaf.shape)}: {function}")


@contextmanager
def present() -> Iterator[torch.device]:
    """Within the block it is there, by its name, for ``lowerbound`` too."""
    from lowerbound.system import devices, seeding

    if torch._C._get_privateuse1_backend_name() != NAME:
        backend_registration._setup_privateuseone_for_python_backend(NAME)
        getattr(torch, NAME).get_amp_supported_dtype = lambda: [torch.float32]
    kinds, generators = devices.KINDS, seeding._accelerator_generators
    devices.KINDS, seeding._accelerator_generators = (*kinds, NAME), lambda device: []
    try:
        with _Mode(), torch.autograd.set_multithreading_enabled(False):  # a thread of its own for the device would wait for this one
            yield torch.device(NAME)
    finally:
        devices.KINDS, seeding._accelerator_generators = kinds, generators
