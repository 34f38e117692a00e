"""Every model known by name does on a device what it does on the CPU."""

from __future__ import annotations

import pytest
import torch

from accelerator import checks
from lowerbound.recipes.zoo import ZOO

QUICK = ("vae", "svae", "vaeac", "m2")  # a label, a sphere, a mask and two latents: `make test` asks no more


@pytest.mark.parametrize(
    ("name", "check"),
    [pytest.param(name, check, marks=[] if name in QUICK else [pytest.mark.long]) for name in ZOO for check in checks.CHECKS],
)
def test_it_does_as_on_the_cpu(name: str, check: str, device: torch.device) -> None:
    if (reason := checks.missing(name)) is not None:
        pytest.skip(reason)
    checks.CHECKS[check](name, device)
