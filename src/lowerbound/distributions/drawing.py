"""Draws of a distribution by row: those for a share of a batch are that share of the draws for the batch (``system.noise``).

The last axis before the event counts rows: of the batch, or of the sample where the law has no batch. How a law is drawn is a row of a
table; outside a block of ``noise.by_row`` torch draws all of them, and within one those that have no row, if no other process draws too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Size, Tensor
from torch.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Distribution,
    Gamma,
    Independent,
    LogNormal,
    MultivariateNormal,
    Normal,
    TransformedDistribution,
)

from lowerbound import distributions
from lowerbound.distributions.mixture import Mixture
from lowerbound.errors import UsageError, law_name
from lowerbound.system import noise

#: a law, the shape of its sample, and how many of its batch axes come after that of the rows → draws
Drawing = Callable[[Any, Size, int], Tensor]
TABLE: dict[type, Drawing] = {}


def rsample(law: Distribution, sample_shape: Sequence[int] = ()) -> Tensor:
    """Draws ``(*sample_shape, *batch, *event)``, differentiable in the parameters where the law has a path.

    Errors: UsageError for a share of a batch, where the law has no row in the table.
    """
    return _drawn(law, Size(sample_shape), 0)


@torch.no_grad()
def sample(law: Distribution, sample_shape: Sequence[int] = ()) -> Tensor:
    """Draws ``(*sample_shape, *batch, *event)``, as constants. Errors: as for ``rsample``."""
    return _drawn(law, Size(sample_shape), 0) if noise.is_on() else law.sample(Size(sample_shape))


def is_known(law: Distribution) -> bool:
    """Whether the law, and those that it is made of, have rows in the table."""
    parts = (getattr(law, name, None) for name in ("base_dist", "base", "component_distribution"))
    return type(law) in TABLE and all(is_known(part) for part in parts if isinstance(part, Distribution))


def draws(*kinds: type) -> Callable[[Drawing], Drawing]:
    """Add rows to the table: laws of just these types are drawn by the function."""

    def put(drawing: Drawing) -> Drawing:
        TABLE.update(dict.fromkeys(kinds, drawing))
        return drawing

    return put


def _drawn(law: Distribution, shape: Size, after: int) -> Tensor:
    drawing = TABLE.get(type(law))
    if noise.is_on() and drawing is not None:
        return drawing(law, shape, after)
    if noise.is_of_a_share():
        raise UsageError(f"{law_name(law)} is drawn as a whole batch alone: its noise does not come by row; train in one process")
    return law.rsample(shape) if law.has_rsample else law.sample(shape)


def _whole(law: Distribution, shape: Size, after: int) -> tuple[Size, int | None]:
    """The shape of the draws, and which of their axes counts rows."""
    return law._extended_shape(shape), noise.last(len(shape) + len(law.batch_shape), after)


# --- laws made of others -------------------------------------------------------------------------------


@draws(Independent)
def _(law: Independent[Distribution], shape: Size, after: int) -> Tensor:
    return _drawn(law.base_dist, shape, after + law.reinterpreted_batch_ndims)


@draws(TransformedDistribution, LogNormal)
def _(law: TransformedDistribution, shape: Size, after: int) -> Tensor:
    z = _drawn(law.base_dist, shape, after + len(law.base_dist.batch_shape) - len(law.batch_shape))
    for transform in law.transforms:
        z = transform(z)
    return z


def of_flow(law: Any, shape: Size, after: int) -> Tensor:
    """Draws of zuko's ``NormalizingFlow``: of its base, taken back through the transform."""
    z: Tensor = law.transform.inv(_drawn(law.base, shape, after))
    return z


@draws(distributions.Chain, distributions.Refined)
def _(law: distributions.Chain | distributions.Refined, shape: Size, after: int) -> Tensor:
    return law.along(lambda level, some: _drawn(level, some, after), shape)


@draws(Mixture)
def _(law: Mixture, shape: Size, after: int) -> Tensor:
    chosen = _drawn(law.mixture_distribution, shape, after)
    if (normal := law.gaussians) is not None:
        loc, scale = normal.loc[chosen], normal.scale[chosen]
        return loc + scale * noise.normal(loc.shape, noise.last(len(shape), after), loc.dtype, loc.device)
    each = _drawn(law.component_distribution, shape, after + 1)  # of all components
    place = chosen.reshape(*chosen.shape, *[1] * (len(law.event_shape) + 1))
    axis = len(chosen.shape)
    return each.gather(axis, place.expand(*chosen.shape, 1, *law.event_shape)).squeeze(axis)


# --- single laws ---------------------------------------------------------------------------------------


@draws(Normal)
def _(law: Normal, shape: Size, after: int) -> Tensor:
    return law.loc + noise.normal(*_whole(law, shape, after), law.loc.dtype, law.loc.device) * law.scale


@draws(MultivariateNormal)
def _(law: MultivariateNormal, shape: Size, after: int) -> Tensor:
    normal = noise.normal(*_whole(law, shape, after), law.loc.dtype, law.loc.device)
    return law.loc + (law._unbroadcasted_scale_tril @ normal[..., None])[..., 0]


@draws(Bernoulli)
def _(law: Bernoulli, shape: Size, after: int) -> Tensor:
    return (noise.uniform(*_whole(law, shape, after), law.probs.dtype, law.probs.device) < law.probs).to(law.probs.dtype)


@draws(Categorical)
def _(law: Categorical, shape: Size, after: int) -> Tensor:
    """By the inverse of the distribution function."""
    u = noise.uniform(*_whole(law, shape, after), law.probs.dtype, law.probs.device)
    edges = law.probs.cumsum(-1)
    place = (edges < u[..., None]).sum(-1) if law.batch_shape else torch.searchsorted(edges, u)
    return place.clamp(max=edges.shape[-1] - 1)


@draws(Gamma)
def _(law: Gamma, shape: Size, after: int) -> Tensor:
    return _drawn(distributions.Gamma(law.concentration, law.rate, validate_args=False), shape, after)


@draws(Beta)
def _(law: Beta, shape: Size, after: int) -> Tensor:
    return _drawn(distributions.Beta(law.concentration1, law.concentration0, validate_args=False), shape, after)


@draws(distributions.Delta)
def _(law: distributions.Delta, shape: Size, after: int) -> Tensor:
    return law.rsample(shape)


@draws(
    distributions.Gamma,
    distributions.Beta,
    distributions.OneHotCategorical,
    distributions.VonMisesFisher,
    distributions.UniformSphere,
)
def _(law: Any, shape: Size, after: int) -> Tensor:
    drawn: Tensor = law.drawn(*_whole(law, shape, after))
    return drawn
