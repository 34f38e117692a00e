"""The device of a model, and its fastest and its widest type of numbers."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import torch

from lowerbound.errors import UsageError
from lowerbound.system import products, threads

AUTO = "auto"
KINDS = ("cpu", "cuda", "mps")  # those whose random numbers ``seeding`` can seed


def fastest(device: torch.device) -> torch.dtype:
    """The type in which a device multiplies matrices fastest: bfloat16 where it has that and is faster so, else single precision."""
    if device.type == "cpu":
        return products.fastest()
    native = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)  # where torch does not emulate it
    return torch.bfloat16 if native else torch.float32


def widest(device: torch.device) -> torch.dtype:
    """The type with the most digits that a device has: double precision, but on Apple's, which have single precision alone."""
    return torch.float32 if device.type == "mps" else torch.float64


@cache
def loops() -> ModuleType | None:
    """The package ``compiled``, for tensors in CPU memory; None where numba or torch's threads are not available."""
    if not threads.are_to_be_had():
        return None
    try:
        from lowerbound.system import compiled

        compiled.of_adam.adam  # noqa: B018 - has it compiled, or reads what is kept
    except Exception:  # where numba fails on a machine, torch does the work
        return None
    return compiled


@cache
def exact_loops() -> tuple[Any, Any] | None:
    """Those of lossless compression, ``entropy`` and ``fixed``, for arrays of NumPy's; None where they are not available."""
    compiled = loops()
    return None if compiled is None else (compiled.entropy, compiled.fixed)


def choose(name: str = AUTO) -> torch.device:
    """The device of that name; ``auto`` is CUDA if available, else Apple's MPS, else the CPU.

    Errors: UsageError for a name that torch does not know, or a device that is not available.
    """
    if name == AUTO:
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator if accelerator is not None and accelerator.type in KINDS else torch.device("cpu")
    try:
        device = torch.device(name)
        if device.type not in KINDS:
            raise NotImplementedError(f"known: {', '.join(KINDS)}")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"the device '{name}' is not available ({str(error).splitlines()[0]}); leave --device out") from error
    return device
