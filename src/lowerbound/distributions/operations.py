"""What can be done with a distribution besides drawing and scoring: find its centre, hold its parameters, standardise its noise.

All are tables by its type; a new one adds a row to each that it can.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Beta, Distribution, Gamma, Independent, LogNormal, MultivariateNormal, Normal, kl_divergence, register_kl

from lowerbound import distributions
from lowerbound.distributions import Delta
from lowerbound.distributions.drawing import sample
from lowerbound.errors import RecipeError, law_name
from lowerbound.system import noise


def within(law: Distribution, value: Tensor) -> bool:
    """Whether all of ``value`` is in the law's support."""
    try:
        return bool(law.support.check(value).all())  # type: ignore[union-attr]
    except NotImplementedError:  # a flow does not say; it is over all of space
        return bool(torch.isfinite(value).all())


def over_all_of_space(law: Distribution) -> bool:
    """Whether values of any sign and size are in the law's support, as in a normal's: by two points of ``(*event)``."""
    point = torch.full((1, *law.event_shape), 3.0)
    return within(law, point) and within(law, -point)


@singledispatch
def centre(law: Distribution) -> Float[Tensor, "*batch event"]:
    """The point that stands for all of it where one is wanted: its mean, unless that is no value that it can have, or not known."""
    return law.mean


@centre.register
def _(law: distributions.VonMisesFisher) -> Tensor:
    """Its mode: the mean is inside the sphere."""
    return law.loc


@singledispatch
def unflattened(law: Distribution, batch: Size) -> Distribution:
    """A law without batch axes as it is; of one whose batch is ``(n,)`` the same laws as a ``batch`` of n. Errors: RecipeError."""
    if law.batch_shape:
        raise RecipeError(f"a batch of {law_name(law)} cannot be laid out anew; choose another prior")
    return law


@unflattened.register(Independent)
def _(law: Independent[Distribution], batch: Size) -> Distribution:
    if not law.batch_shape:
        return law
    if type(law.base_dist) is not Normal:
        raise RecipeError(f"a batch of {law_name(law)} cannot be laid out anew; choose another prior")
    parts = (law.base_dist.loc.unflatten(0, batch), law.base_dist.scale.unflatten(0, batch))
    return Independent(Normal(*parts, validate_args=False), law.reinterpreted_batch_ndims, validate_args=False)


@singledispatch
def detach(law: Distribution) -> Distribution:
    """The same law with its parameters held constant. Errors: RecipeError for a law whose parameters are not at hand."""
    raise RecipeError(f"the parameters of {law_name(law)} cannot be held; choose the pathwise estimator")


@detach.register(Independent)
def _(law: Independent[Distribution]) -> Distribution:
    return Independent(detach(law.base_dist), law.reinterpreted_batch_ndims, validate_args=False)


def holds(kind: type[Distribution], *parameters: str) -> None:
    """Add a row to ``detach``: ``kind`` is made of these parameters."""

    @detach.register(kind)
    def _(law: Distribution) -> Distribution:
        return kind(**{name: getattr(law, name).detach() for name in parameters}, validate_args=False)


holds(Normal, "loc", "scale")
holds(LogNormal, "loc", "scale")
holds(MultivariateNormal, "loc", "scale_tril")
holds(Gamma, "concentration", "rate")
holds(Beta, "concentration1", "concentration0")
# A row of its own for each of ours: torch's row, which a subclass would else share, makes torch's law.
holds(distributions.Gamma, "concentration", "rate")
holds(distributions.Beta, "concentration1", "concentration0")
holds(distributions.VonMisesFisher, "loc", "concentration")


@detach.register
def _(law: distributions.Chain | distributions.Refined) -> Distribution:
    if law.held is None:
        raise RecipeError(f"the parameters of this {law_name(law)} cannot be held; choose the pathwise estimator")
    return law.held()


@detach.register
def _(law: distributions.Delta) -> Distribution:
    return distributions.Delta(law.value.detach(), len(law.event_shape), validate_args=False)


# --- standardisation, for G-REP ---------------------------------------------------------------------

Elementwise = Callable[[Tensor], Tensor]
Transport = Callable[[Distribution, Tensor], "Standardised"]
Standardised = tuple[Float[Tensor, "*K_B_d"], Float[Tensor, "*K_B_d"]]  # z = T(ε; φ), and log q_ε(ε; φ) − log q(z; φ)


@singledispatch
def transported(law: Distribution, z: Tensor) -> Standardised:
    """z again, as T(ε; φ) with the standardised ε = T⁻¹(z; φ) held, and log q_ε − log q = log |∂T/∂ε|, both differentiable in φ."""
    raise RecipeError(f"{law_name(law)} has no standardisation here; choose the pathwise or the score estimator")


@transported.register
def _(law: Gamma, z: Tensor) -> Standardised:
    mean, scale = law.concentration.digamma() - law.rate.log(), torch.polygamma(1, law.concentration).sqrt()
    return _along(z, torch.log, torch.exp, mean, scale, lambda z: z.log())


@transported.register
def _(law: Beta, z: Tensor) -> Standardised:
    a, b = law.concentration1, law.concentration0
    mean, scale = a.digamma() - b.digamma(), (torch.polygamma(1, a) + torch.polygamma(1, b)).sqrt()
    return _along(z, torch.logit, torch.sigmoid, mean, scale, lambda z: z.log() + (-z).log1p())


@transported.register
def _(law: LogNormal, z: Tensor) -> Standardised:
    return _along(z, torch.log, torch.exp, law.loc, law.scale, lambda z: z.log())


@transported.register
def _(law: Normal, z: Tensor) -> Standardised:
    return _along(z, torch.clone, torch.clone, law.loc, law.scale, torch.zeros_like)


def _along(z: Tensor, to: Elementwise, back: Elementwise, mean: Tensor, scale: Tensor, log_slope: Elementwise) -> Standardised:
    """T(ε) = back(mean + scale ε); ``log_slope(z)`` is log |d back/du| at u = to(z)."""
    noise = ((to(z) - mean) / scale).detach()
    again = back(mean + scale * noise)
    return again, log_slope(again) + scale.log()


@singledispatch
def rejection(law: Distribution, z: Tensor) -> Standardised:
    """z ``(K, B, …)`` again, as the rejection sampler's T(ε; φ) with the accepted ε held, and log q_ε − log q, both differentiable in φ.

    For a Gamma with α ≥ 1 that of Marsaglia and Tsang, z = (α − 1/3)(1 + ε/√(9α − 3))³/β, whose accepted ε is nearly free
    of φ: the score term that is left is small. For α < 1 the sampler is that of z' ~ Gamma(α + 1, 1), and z = z' U^(1/α)/β with a
    uniform U that is held too (shape augmentation). Errors: RecipeError for another law.
    Source: Naesseth et al., "Reparameterization Gradients through Acceptance-Rejection Sampling Algorithms", 2017,
    https://arxiv.org/abs/1610.05683.
    """
    raise RecipeError(f"{law_name(law)} has no rejection sampler here; choose the standardised transport or another estimator")


@rejection.register
def _(law: Gamma, z: Tensor) -> Standardised:
    shape, scaled = law.concentration, (z * law.rate).detach()
    small = shape < 1
    # p(z'|z) ∝ e^(−z') above z: where α < 1, the z' that z may have come from is z and an exponential more
    sampled = torch.where(small, scaled + noise.exponential(z.shape, 1, z.dtype, z.device), scaled)
    log_u = (shape * (scaled / sampled).log()).detach()  # 0 where z' is z
    raised = shape + small
    middle, slope = raised - 1 / 3, (9 * raised - 3).rsqrt()
    accepted = (((sampled / middle) ** (1 / 3) - 1) / slope).detach()
    root = 1 + slope * accepted
    again = middle * root**3
    shrunk = again * (log_u / shape).exp()
    augmented = again.log() - (1 - 1 / shape) * log_u - again + shrunk - shape.log()  # log p(z'; α + 1) − log p(βz; α)
    log_slope = (3 * middle * slope / law.rate).log() + 2 * root.log()
    return shrunk / law.rate, log_slope + torch.where(small, augmented, 0.0)


def standardized(
    law: Distribution, samples: int, transport: Transport = transported
) -> tuple[Tensor, Distribution, Float[Tensor, "K B *factors"]]:
    """K draws along T, the law, and log q_ε(ε; φ) with ε held, of each law of the batch.

    ``transport`` says which T: ``transported``, where ε is standardised, or ``rejection``, where a sampler accepted it.
    """
    base, summed = (law.base_dist, law.reinterpreted_batch_ndims) if isinstance(law, Independent) else (law, 0)
    z, difference = transport(base, sample(law, [samples]))
    for _ in range(summed):
        difference = difference.sum(-1)
    return z, law, law.log_prob(z) + difference


@register_kl(MultivariateNormal, Independent)  # type: ignore[untyped-decorator]
def _(q: MultivariateNormal, p: Independent[Distribution]) -> Tensor:
    """A full Gaussian against a diagonal one."""
    if not (isinstance(p.base_dist, Normal) and p.reinterpreted_batch_ndims == 1):
        raise NotImplementedError
    diagonal = MultivariateNormal(p.base_dist.loc, scale_tril=torch.diag_embed(p.base_dist.scale), validate_args=False)
    return kl_divergence(q, diagonal)


@register_kl(Delta, Distribution)  # type: ignore[untyped-decorator]
def _(q: Delta, p: Distribution) -> Tensor:
    """Infinite: a point has no density."""
    return torch.full(q.batch_shape, math.inf, dtype=q.value.dtype, device=q.value.device)
