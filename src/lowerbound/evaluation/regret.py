"""Likelihood regret: how much an example's bound would gain from a posterior made for it alone, the decoder as it is.

The encoder has learned the data it was trained on. A stranger may well have a high likelihood, where it is simple; what it
has not is a posterior that the encoder knows.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, numbers_of
from lowerbound.errors import DataError
from lowerbound.evaluation.log_likelihood import MEMORY, must_have_density
from lowerbound.nn.memory import bytes_each, in_batches
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import whole
from lowerbound.system.seeding import key, seeded_by_row
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.model import Model, terms_of
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import kl_of
from lowerbound.vae.observation import Observation, must_fit, observe
from lowerbound.vae.parts import must_be_model

ROWS = 100  # data in one go, or as many as fit into memory; they share their noise, so that both are part of what a seed means
STEPS = 100
LOOKS = 3  # times that an example is observed (binarized): the regret is the mean over them
LEARNING_RATE = 0.05
SCORED = 64  # draws by which the bound is estimated before and after
BOTH_WAYS = 3  # a network's outputs, their gradients, and what the way back needs besides


def likelihood_regret(vae: Model, data: Source, *, steps: int = STEPS, memory: int = MEMORY, seed: int = 0) -> Float[Tensor, "*N"]:
    """max_q bound(x; q) − bound(x; q(z|x)) of each example ``(N,)``, of one alone ``()``, in nats; high for a stranger.

    The encoder's output, the parameters of q(z|x), is moved by Adam from where the encoder puts it. The bounds before and after
    are means over ``SCORED`` draws; the noise of an example depends on those it is scored with, and moves its regret by tenths of a nat.
    ``memory`` is in bytes, besides the data and the model.
    Source: Xiao, Yan and Amit, "Likelihood Regret: An Out-of-Distribution Detection Score For Variational Auto-encoder",
    2020, https://arxiv.org/abs/2003.02977, who move the encoder's weights.
    Errors: DataError for no data; RecipeError where q has no density; UsageError for too little memory.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> encoder = torch.nn.Linear(1, 2)  # q(z|x) = N(x/2, ½), the exact posterior of x = z + ε: there is nothing to gain
    >>> _ = encoder.load_state_dict({"weight": torch.tensor([[0.5], [0.0]]), "bias": torch.tensor([0.0, math.log(0.5)])})
    >>> likelihood = lb.likelihoods.Gaussian(torch.nn.Identity(), scale=1.0)
    >>> vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(encoder))
    >>> regret = lb.likelihood_regret(vae, torch.tensor([[0.0], [1.0], [2.0]]), steps=10)
    >>> regret.shape, bool((regret.abs() < 0.1).all())
    (torch.Size([3]), True)
    """
    must_be_model(vae, Model)
    steps = whole("steps", steps, 0)
    examples = vae.examples(data)
    data = examples.rows
    if not len(data):
        raise DataError("there are no data to score")
    must_fit(vae, data)
    frozen = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        vae = in_evaluation(vae)
        parts = torch.arange(len(data)).split(at_once(vae, data, memory, seed))
        looks = [torch.cat([_regret(vae, data, rows.tolist(), steps, key(seed, look)) for rows in parts]) for look in range(LOOKS)]
        regret = torch.stack(looks).mean(0)
        return regret[0] if examples.alone else regret
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def at_once(vae: Model, data: Rows, memory: int, seed: int) -> int:
    """How many examples are done in one go. Errors: UsageError for too little memory."""
    seen = _observed(vae, data, [0], seed)
    vae, x = seen.vae, seen.x
    with torch.no_grad():
        z = vae.posterior.centre(vae.posterior(x))
        each = bytes_each(vae.posterior.network, *vae.posterior.inputs(x)) + bytes_each(vae.likelihood.network, *vae.likelihood.inputs(z))
    return in_batches(memory, BOTH_WAYS * each, "the regret of an example", most=ROWS)


def _regret(vae: Model, data: Rows, rows: list[int], steps: int, seed: int) -> Float[Tensor, " B"]:
    seen = _observed(vae, data, rows, seed)
    vae, x = seen.vae, seen.x
    start = vae.posterior.output(x)
    must_have_density(vae.posterior.law(start, 1))
    moved = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([moved], lr=LEARNING_RATE)
    objective = ELBO(kl_of(vae.posterior.law(start, 1), vae.prior()))
    numbers = numbers_of(data, torch.tensor(rows))
    with seeded_by_row(numbers, seed, "regret", device=x.device):
        for _ in range(steps):
            optimizer.zero_grad()
            (-_bound(vae, x, moved, objective).sum()).backward()
            optimizer.step()
    bounds = []
    for output in (moved.detach(), start):
        with torch.no_grad(), seeded_by_row(numbers, seed, "regret", "bound", device=x.device):
            bounds.append(torch.stack([_bound(vae, x, output, objective) for _ in range(SCORED)]).mean(0))
    return (bounds[0] - bounds[1]).cpu().double()


def _observed(vae: Model, data: Rows, rows: list[int], seed: int) -> Observation:
    vae.likelihood.admit(data[rows])
    return observe(vae, data, torch.tensor(rows), seed)


def _bound(vae: Model, x: Tensor, output: Tensor, objective: Objective) -> Float[Tensor, " B"]:
    posterior = vae.posterior.law(output, 1)
    return objective.bound(terms_of(vae, x, Pathwise().sampler(1), posterior))
