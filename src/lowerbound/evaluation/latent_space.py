"""What a model does with its latent space: which dimensions it uses, what they tell of the data, how the aggregate fits the prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from lowerbound.data.rows import Rows, rows_at_once, spread
from lowerbound.distributions import Delta
from lowerbound.distributions.drawing import sample
from lowerbound.evaluation.encoded import Encoded, run_pass
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.model import Model

#: the variance over data of a posterior mean above which a unit is called active
ACTIVE = 0.01
AGGREGATED = 2_000  # data whose posteriors make the aggregate, at most
PAIRS = 2**18  # values at once where draws meet posteriors: a flow makes hundreds of each


@dataclass(frozen=True)
class Latents:
    """The use of z, divergences and information in nats; None where q has no density, or its law does not come apart,
    or the prior is another for each example.

    ``kl_per_dimension`` ``(d,)`` is the mean KL(q(zᵢ|x) ‖ p(zᵢ)) and ``variance`` ``(d,)`` that of the posterior mean over data.
    ``mutual_information`` is E[log q(z|x) − log q(z)] and ``gap`` KL(q(z) ‖ p(z)), for the aggregate q(z) of ``aggregated``
    data, which are all the data there are for it: the information is at most log ``aggregated``, and the gap too high by what
    that cuts off. Both are by as many draws of each q(z|x) as make ``AGGREGATED`` of all; they add up to the KL of the bound by those.
    """

    variance: Float[Tensor, " d"]
    kl_per_dimension: Float[Tensor, " d"] | None
    mutual_information: float | None
    gap: float | None
    aggregated: int

    @property
    def active(self) -> Tensor:
        """Which units are active ``(d,)``.

        Source: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519 (section 5.2).
        """
        return self.variance > ACTIVE


def latents(vae: Model, data: Rows, seed: int = 0, carved: bool = True) -> Latents:
    """The use of z over ``data``, seen as the likelihood sees them; where the KL is not to be ``carved`` up, without information and gap.

    Source: Hoffman and Johnson, "ELBO surgery: yet another way to carve up the variational evidence lower bound", 2016,
    http://approximateinference.org/accepted/HoffmanJohnson2016.pdf (mutual information and gap).
    """
    asked = OfLatents(vae, seed, carved)
    run_pass(vae, data, [asked], seed, rows_at_once(data))
    return asked.found()


class OfLatents:
    """What a pass is asked for the use of z."""

    def __init__(self, vae: Model, seed: int, carved: bool = True):
        self.vae, self.seed, self.carved = vae, seed, carved
        self._outputs: list[Tensor] = []
        self._centres: list[Tensor] = []
        self._contexts: list[Tensor] = []

    def add(self, some: Encoded) -> None:
        """Take in some examples."""
        self._outputs.append(some.output)
        self._centres.append(some.centre)
        self._contexts += [] if some.vae.posterior.context is None else [some.vae.posterior.context]

    @torch.no_grad()
    def found(self) -> Latents:
        """The use of z over all of them."""
        vae, output = in_evaluation(self.vae), torch.cat(self._outputs)
        variance = torch.cat(self._centres).cpu().double().var(0, unbiased=False)
        posterior = vae.posterior.law(output, 1)
        if isinstance(posterior, Delta):
            return Latents(variance, None, None, None, 0)
        few = min(len(output), AGGREGATED)
        rows = spread(len(output), AGGREGATED)
        with seeded_by_row(rows, self.seed, "latents", device=vae.device):
            prior = (vae.given(torch.cat(self._contexts)) if self._contexts else vae).prior()
            if prior.batch_shape or not self.carved:  # another for each example: there is no aggregate of one prior
                return Latents(variance, _per_dimension(posterior, prior), None, None, few)
            information, gap = _carved(vae, output[rows.to(output.device)], prior)
        return Latents(variance, _per_dimension(posterior, prior), information, gap, few)


def _per_dimension(posterior: Distribution, prior: Distribution) -> Float[Tensor, " d"] | None:
    if not (isinstance(posterior, Independent) and isinstance(prior, Independent)):
        return None
    try:
        return kl_divergence(posterior.base_dist, prior.base_dist).mean(0).cpu().double()
    except NotImplementedError:
        return None


def _carved(vae: Model, output: Float[Tensor, "M features"], prior: Distribution) -> tuple[float, float]:
    """Mutual information, and KL of the aggregate to the prior: by draws of each of M posteriors."""
    posterior = vae.posterior.law(output, 1)
    z = sample(posterior, [max(1, AGGREGATED // len(output))])
    few = max(1, PAIRS // z[0].numel())
    # each draw meets every posterior, said with an expand: a flow does not broadcast
    pairs = (some[:, None].expand(-1, len(output), -1) for some in z.flatten(0, 1).split(few))
    log_aggregate = torch.cat([posterior.log_prob(pair).logsumexp(1) for pair in pairs]).view(z.shape[:2]) - math.log(len(output))
    information = (posterior.log_prob(z) - log_aggregate).double().mean()
    return float(information), float((log_aggregate - prior.log_prob(z)).double().mean())
