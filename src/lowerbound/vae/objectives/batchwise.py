"""Objectives that look at a batch as a whole: at the aggregate posterior q(z) = mean of q(z|x) over data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from lowerbound.distributions.drawing import sample
from lowerbound.errors import NoClosedForm, RecipeError, law_name
from lowerbound.vae.objectives.base import Average, Objective, Scheduled, alone
from lowerbound.vae.objectives.kl import KL, ClosedKL
from lowerbound.vae.schedules import Constant, Schedule
from lowerbound.vae.terms import Node, Terms


def factors(law: Distribution) -> Distribution:
    """The law with its latent dimensions as one more batch axis.

    Errors: RecipeError where it does not factorise.

    >>> import lowerbound as lb
    >>> law = lb.priors.StandardNormal(2)()
    >>> law.event_shape, lb.coupled.factors(law).batch_shape
    (torch.Size([2]), torch.Size([2]))
    """
    if not (isinstance(law, Independent) and law.reinterpreted_batch_ndims == 1):
        raise RecipeError(f"{law_name(law)} does not factorise over dimensions, and this objective looks at each; choose another")
    return law.base_dist


@dataclass(frozen=True)
class FreeBits(Scheduled):
    """E_q[log p(x|z)] − β Σᵢ max(λ, KLᵢ), KLᵢ the batch's mean for dimension i: the first ``nats`` λ per dimension are free.

    With ``of_levels`` i are the levels of a hierarchy, or a flat latent as a whole; of a level KL(q ‖ p) is given those above. β may follow
    a schedule. Of a share of a batch, ``average`` makes of its means those of the batch, whose gradient is the share's own.
    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016, https://arxiv.org/abs/1606.04934
    (appendix C.8).
    Errors: RecipeError where prior or posterior does not factorise, NoClosedForm for other pairs.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> p, q = Independent(Normal(torch.zeros(2), 1.0), 1), Independent(Normal(torch.tensor([[1.0, 0.0]]), 1.0), 1)
    >>> terms = lb.objectives.Terms(torch.tensor([[-4.0]]), [lb.estimators.Node(q.sample((1,)), p, q)])
    >>> round(float(lb.objectives.FreeBits(nats=0.1).value(terms)), 2)  # −4 − max(.1, ½) − max(.1, 0)
    -4.6
    """

    over_batch: ClassVar[bool] = True
    nats: float = 0.1
    kl: KL = field(default_factory=ClosedKL)
    samples: int = 1
    average: Average = field(default=alone, repr=False)
    of_levels: bool = False
    beta: Schedule = field(default_factory=Constant)
    epoch: float = math.inf

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """E[log p(x|z)] of each example less the batch's KL with its floor ``(B,)``, in nats."""
        of_node = self._of_level if self.of_levels else self._of_dimensions
        each = torch.cat([_mean_over_draws(terms, of_node(node)).mean(0) for node in terms.nodes])
        return terms.mean(terms.log_likelihood) - self.weight_of_kl * self.average(each).clamp(min=self.nats).sum()

    def _of_level(self, node: Node) -> Float[Tensor, "*K_B 1"]:
        try:
            return kl_divergence(node.posterior, node.prior)[..., None]
        except NotImplementedError:
            return (node.posterior.log_prob(node.z) - node.prior.log_prob(node.z))[..., None]

    def _of_dimensions(self, node: Node) -> Float[Tensor, "*K_B d"]:
        q, p = factors(node.posterior), factors(node.prior)
        try:
            return kl_divergence(q, p)
        except NotImplementedError as error:
            raise NoClosedForm(f"free bits need KL({law_name(q)} ‖ {law_name(p)}) in closed form, and it has none here") from error


def _mean_over_draws(terms: Terms, each: Float[Tensor, "*K_B d"]) -> Float[Tensor, "B d"]:
    """E_q of what depends on the draws of levels before, ``(K, B, d)``; what does not ``(B, d)`` as it is."""
    if each.dim() < 3:
        return each
    return each.mean(0) if terms.weights is None else (terms.weights[..., None] * each).sum(0)


@dataclass(frozen=True)
class TotalCorrelation(Objective):
    """ELBO − (β − 1) TC, with the total correlation TC = KL(q(z) ‖ Π q(zᵢ)) of the aggregate posterior (β-TCVAE).

    q(z) is taken as the mean of q(z|x) over the batch; the size of the data set would only add a constant.
    Source: Chen et al., "Isolating Sources of Disentanglement in VAEs", 2018, https://arxiv.org/abs/1802.04942.
    Errors: RecipeError where the posterior does not factorise.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> p, q = Independent(Normal(torch.zeros(2), 1.0), 1), Independent(Normal(torch.ones(1, 2), 1.0), 1)
    >>> terms = lb.objectives.Terms(torch.tensor([[-4.0]]), [lb.estimators.Node(torch.ones(1, 1, 2), p, q)])
    >>> round(float(lb.objectives.TotalCorrelation(beta=6.0).value(terms)), 2)  # of one example q(z) factorises: TC = 0, and KL = 1
    -5.0
    """

    over_batch: ClassVar[bool] = True
    beta: float = 6.0
    kl: KL = field(default_factory=ClosedKL)
    samples: int = 1

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The ELBO of each example, its total correlation weighted ``(B,)``, in nats."""
        node = terms.only
        q = factors(node.posterior)
        crossed = q.log_prob(node.z[:, :, None])  # (K, B draws, B posteriors, d)
        rows = math.log(crossed.shape[2])
        joint = crossed.sum(-1).logsumexp(2) - rows
        product = (crossed.logsumexp(2) - rows).sum(-1)
        return self.bound(terms) - (self.beta - 1) * terms.mean(joint - product)


@dataclass(frozen=True)
class MMD(Objective):
    """E_q[log p(x|z)] − ``kl_weight`` KL − ``weight`` MMD²(q(z), p(z)): the aggregate posterior matched to the prior (InfoVAE, WAE).

    Of draws that are weighted, as listed values are, the discrepancy is the mean over draws of one for each example.
    The kernel is a sum of inverse multiquadrics Σ_s C_s/(C_s + ‖z − z'‖²), C_s = 2 d s.
    Source: Zhao et al., "InfoVAE", 2019, https://arxiv.org/abs/1706.02262; Tolstikhin et al., "Wasserstein Auto-Encoders",
    2018, https://arxiv.org/abs/1711.01558 (the kernel).

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> p, q = Independent(Normal(torch.zeros(2), 1.0), 1), Independent(Normal(torch.zeros(500, 2), 1.0), 1)
    >>> terms = lb.objectives.Terms(torch.full((1, 500), -4.0), [lb.estimators.Node(q.sample((1,)), p, q)])
    >>> round(float(lb.objectives.MMD(weight=1.0).value(terms).mean()), 1)  # q(z) = p(z): nothing is charged
    -4.0
    """

    over_batch: ClassVar[bool] = True
    kl: KL = field(default_factory=ClosedKL)
    weight: float = 500.0
    kl_weight: float = 0.0
    samples: int = 1

    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """The objective of each example ``(B,)``; the discrepancy is the batch's."""
        node = terms.only
        lead = node.z.shape[:2]
        of_prior = sample(node.prior, lead[:1] if node.prior.batch_shape else [lead.numel()]).flatten(0, -2)
        value = terms.mean(terms.log_likelihood) - self.weight * mmd(node.z.flatten(0, 1), of_prior, terms.weights)
        return value - self.kl_weight * self.kl(terms) if self.kl_weight else value


def mmd(a: Float[Tensor, "N d"], b: Float[Tensor, "M d"], weights: Float[Tensor, "K B"] | None = None) -> Float[Tensor, ""]:
    """The unbiased estimate of the squared maximum mean discrepancy between the distributions of a and b.

    With ``weights`` those of a are K values for each of B examples, and the estimate is the mean of that for one draw of each.
    Source: Gretton et al., "A Kernel Two-Sample Test", 2012, https://jmlr.org/papers/v13/gretton12a.html (lemma 6).

    >>> import torch
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> a, b = torch.randn(1000, 2), torch.randn(1000, 2)
    >>> round(float(lb.coupled.mmd(a, b)), 1) + 0.0, bool(lb.coupled.mmd(a, b + 1) > 0.1)
    (0.0, True)
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        square = (x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.T).clamp(min=0)
        scales = [2 * a.shape[1] * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
        return torch.stack([c / (c + square) for c in scales]).sum(0)

    def among(found: Tensor) -> Tensor:
        """The mean over pairs of two."""
        return (found.sum() - found.diagonal().sum()) / (len(found) * (len(found) - 1))

    own, across = kernel(a, a), kernel(a, b)
    if weights is not None:
        own = torch.einsum("kb,kblc,lc->bc", weights, own.reshape(weights.shape * 2), weights)
        across = torch.einsum("kb,kbm->bm", weights, across.unflatten(0, weights.shape))
    return among(own) + among(kernel(b, b)) - 2 * across.mean()
