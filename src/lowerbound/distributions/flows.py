"""Normalizing flows, from zuko: imported only where one is made."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from lowerbound.distributions.drawing import TABLE, draws, of_flow
from lowerbound.distributions.operations import centre

HIDDEN = (64, 64)


def spline(size: int) -> nn.Module:
    """A neural spline flow over ``size`` dimensions without context: ``flow() -> Distribution``."""
    return _zuko().NSF(size, 0, transforms=3, hidden_features=HIDDEN)


def affine(size: int, context: int) -> nn.Module:
    """A masked autoregressive flow over ``size`` dimensions: ``flow(context) -> Distribution``."""
    return _zuko().MAF(size, context, transforms=2, hidden_features=HIDDEN)


@cache
def _zuko() -> Any:
    """zuko's flows, with rows for their centre and draws, and torch's global validation left as it was: importing zuko switches it off."""
    before = Distribution._validate_args
    import zuko.flows

    Distribution.set_default_validate_args(before)
    centre.register(zuko.distributions.NormalizingFlow, _image_of_middle)
    draws(zuko.distributions.NormalizingFlow)(of_flow)
    draws(zuko.distributions.DiagNormal)(TABLE[Independent])
    return zuko.flows


def _image_of_middle(law: Any) -> Tensor:
    """Where the flow takes the middle of its base: the mean has no closed form."""
    return law.transform.inv(law.base.mean)
