"""Every model known by name does on a device what it does on the CPU."""

from __future__ import annotations

import pytest
import torch

from accelerator import checks
from accelerator.conftest import ACCELERATOR
from lowerbound.recipes.zoo import ZOO

FEW = ("vae", "svae", "vaeac", "m2")  # a label, a sphere, a mask and two latents: a pretended device is slow, and asks no more


@pytest.mark.parametrize("check", checks.CHECKS)
@pytest.mark.parametrize("name", ZOO)
def test_it_does_as_on_the_cpu(name: str, check: str, device: torch.device) -> None:
    if device.type != ACCELERATOR and name not in FEW:
        pytest.skip("of a pretended device a few models are asked")
    if (reason := checks.missing(name)) is not None:
        pytest.skip(reason)
    checks.CHECKS[check](name, device)
