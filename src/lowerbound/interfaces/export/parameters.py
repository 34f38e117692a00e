"""The parameters of a law, by name: what a graph gives in the place of a distribution."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor
from torch import distributions as td
from torch.distributions import Distribution

from lowerbound import distributions
from lowerbound.distributions.chain import Levels
from lowerbound.distributions.continuous_bernoulli import ContinuousBernoulli
from lowerbound.vae.likelihoods.library import SharedCounts

Parameters = dict[str, Tensor]


@singledispatch
def parameters(law: Distribution) -> Parameters:
    """Those that say which law of its family it is, each with the law's batch first; none of a family that has no names for them here."""
    return {}


def named(kind: type[Distribution], **names: str) -> None:
    """Add a row: ``kind`` has these parameters, each under a name of its own and as an attribute."""

    @parameters.register(kind)
    def _(law: Any) -> Parameters:
        return {name: getattr(law, attribute) for name, attribute in names.items()}


named(td.Normal, mean="loc", scale="scale")
named(td.Laplace, location="loc", scale="scale")
named(td.StudentT, degrees_of_freedom="df", location="loc", scale="scale")
named(td.MultivariateNormal, mean="loc", scale_tril="scale_tril")
named(td.Bernoulli, logits="logits")
named(td.Gamma, concentration="concentration", rate="rate")
named(td.Beta, concentration1="concentration1", concentration0="concentration0")
named(distributions.Gamma, concentration="concentration", rate="rate")
named(distributions.Beta, concentration1="concentration1", concentration0="concentration0")
named(distributions.VonMisesFisher, mean_direction="loc", concentration="concentration")
named(distributions.OneHotCategorical, logits="logits")
named(distributions.Delta, point="value")
named(ContinuousBernoulli, logits="logits")


@parameters.register
def _(law: td.Independent) -> Parameters:  # type: ignore[type-arg]  # it takes none where Python runs
    return parameters(law.base_dist)


@parameters.register
def _(law: SharedCounts) -> Parameters:
    """Of the counts' total: μ is that times the share."""
    found = {"log_share": law.log_share, "log_dispersion": law.log_dispersion.expand(law.log_share.shape)}
    return found if law.dropout is None else found | {"zero_logits": law.dropout}


@parameters.register
def _(law: Levels) -> Parameters:
    """Side by side, of each level given the means of those before it."""
    each = [parameters(level) for level, _ in law.levels(law.mean)]
    return {name: torch.cat([one[name] for one in each], -1) for name in each[0]}
