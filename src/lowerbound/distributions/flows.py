"""Normalizing flows, from zuko: imported only where one is made."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.distributions import Distribution

HIDDEN = (64, 64)


def spline(size: int) -> nn.Module:
    """A neural spline flow over ``size`` dimensions without context: ``flow() -> Distribution``."""
    return _zuko().NSF(size, 0, transforms=3, hidden_features=HIDDEN)


def affine(size: int, context: int) -> nn.Module:
    """A masked autoregressive flow over ``size`` dimensions: ``flow(context) -> Distribution``."""
    return _zuko().MAF(size, context, transforms=2, hidden_features=HIDDEN)


def _zuko() -> Any:
    """zuko's flows, with torch's global validation left as it was: importing zuko switches it off."""
    before = Distribution._validate_args
    import zuko.flows

    Distribution.set_default_validate_args(before)
    return zuko.flows
