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
from lowerbound.distributions.chain import Levels, is_hierarchy, side_by_side
from lowerbound.distributions.drawing import sample
from lowerbound.evaluation.encoded import Encoded, run_pass
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.model import Model

#: the variance over data of a posterior mean above which a unit is called active
ACTIVE = 0.01
LEAST_KL = 0.01  # nats: a dimension that tells less is idle; of a Gaussian whose mean has the variance .01 it is about half of that
AGGREGATED = 2_000  # data whose posteriors make the aggregate, at most
PAIRS = 2**18  # values at once where draws meet posteriors: a flow makes hundreds of each


@dataclass(frozen=True)
class Level:
    """One level of a hierarchy: its dimensions, and the mean KL(q ‖ p) given the levels above, nats."""

    name: str
    latent: int
    kl: float


@dataclass(frozen=True)
class Latents:
    """The use of z, divergences and information in nats; None where q has no density, or its law does not come apart,
    or the prior is another for each example.

    ``kl_per_dimension`` ``(d,)`` is the mean KL(q(zᵢ|x) ‖ p(zᵢ)) and ``variance`` ``(d,)`` that of the posterior mean over data.
    ``mutual_information`` is E[log q(z|x) − log q(z)] and ``gap`` KL(q(z) ‖ p(z)), for the aggregate q(z) of ``aggregated``
    data, which are all the data there are for it: the information is at most log ``aggregated``, and the gap too high by what
    that cuts off. Both are by as many draws of each q(z|x) as make ``AGGREGATED`` of all; they add up to the KL of the bound by those.
    ``levels`` are those of a hierarchy, whose KL(q ‖ p) is given the levels above, the mean over one draw of them for each example.
    """

    variance: Float[Tensor, " d"]
    kl_per_dimension: Float[Tensor, " d"] | None
    mutual_information: float | None
    gap: float | None
    aggregated: int
    levels: tuple[Level, ...] = ()

    @property
    def active(self) -> Tensor:
        """Which units are active ``(d,)``. In a hierarchy means vary with the levels above: there it is those that cost ``LEAST_KL``.

        Source: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519 (section 5.2).
        """
        return self.variance > ACTIVE if not self.levels or self.kl_per_dimension is None else self.kl_per_dimension > LEAST_KL

    @property
    def active_of_levels(self) -> list[int]:
        """How many units of each level are active."""
        return [int(part.sum()) for part in self.active.split([level.latent for level in self.levels])]


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
            each, levels = _by_level(posterior, prior) if is_hierarchy(posterior, prior) else (_per_dimension(posterior, prior), ())
            if prior.batch_shape or not self.carved:  # another for each example: there is no aggregate of one prior
                return Latents(variance, each, None, None, few, levels)
            information, gap = _carved(vae, output[rows.to(output.device)], prior)
        return Latents(variance, each, information, gap, few, levels)


def _by_level(posterior: Levels, prior: Levels) -> tuple[Float[Tensor, " d"] | None, tuple[Level, ...]]:
    """KL per dimension of all levels, None where one does not come apart, and that of each level: by a draw of each example."""
    dimensions, levels, walk = [], [], side_by_side(posterior, prior)
    q, p, _ = next(walk)
    for number, size in enumerate(prior.sizes, 1):
        z = sample(q)
        each = _per_dimension(q, p)
        kl = (q.log_prob(z) - p.log_prob(z)).double().mean() if each is None else each.sum()
        dimensions.append(each)
        levels.append(Level(f"z{number}", size, float(kl)))
        if number < len(prior.sizes):
            q, p, _ = walk.send(z)
    known = [each for each in dimensions if each is not None]
    return torch.cat(known) if len(known) == len(dimensions) else None, tuple(levels)


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
