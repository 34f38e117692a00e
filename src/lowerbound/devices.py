"""Which device a model lives on."""

from __future__ import annotations

import torch

from lowerbound.errors import UsageError

AUTO = "auto"
KINDS = ("cpu", "cuda", "mps")  # those whose random numbers ``seeding`` can decide


def choose(name: str = AUTO) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one, else Apple's MPS, else the CPU.

    Errors: UsageError for a name that torch does not know, or a device that is not there.
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
        raise UsageError(f"the device '{name}' is not to be had here ({str(error).splitlines()[0]}); leave --device out") from error
    return device
