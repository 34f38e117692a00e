"""The mean bound of examples that were not trained on, with its standard error."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, in_turn
from lowerbound.errors import DataError, NoClosedForm
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import one_of, whole
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.estimators import Enumerated, PerNode, ScoreFunction
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import SampledKL
from lowerbound.vae.observation import Observation, admit_rows, must_fit, observe
from lowerbound.vae.parts import must_be_model
from lowerbound.vae.semi_supervised import SemiSupervised
from lowerbound.vae.terms import Terms


@dataclass(frozen=True)
class MeanBound:
    """The mean bound and its parts over ``rows`` examples, in nats per example.

    ``bound_se`` is the standard error of the mean bound over examples; ``bits_per_dim`` is
    −bound / (D log 2) for D values per example, of which those do not count that a context says already.
    """

    bound: float
    bound_se: float
    log_likelihood_term: float
    kl: float
    bits_per_dim: float
    rows: int


@torch.no_grad()
def mean_bound(vae: Model, data: Source, *, objective: Objective | None = None, batch: int | None = None, seed: int = 0) -> MeanBound:
    """The bound of ``data``, each row once, with noise that follows from ``seed``: the same at each call.

    ``data`` are what ``fit`` takes, or one example. ``objective`` is by default the ELBO, its KL in closed form where there is one, else by
    a draw of each example. ``batch`` is by default what fits (``rows_at_once``).
    Errors: DataError where the likelihood cannot be one of these data, or there are none; RecipeError where the parts of the model do not
    fit one another; UsageError for an argument that is none.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> encoder = torch.nn.Linear(1, 2)  # q(z|x) = N(x/2, ½), the exact posterior of x = z + ε: the bound is log p(x), that of N(0, 2)
    >>> _ = encoder.load_state_dict({"weight": torch.tensor([[0.5], [0.0]]), "bias": torch.tensor([0.0, math.log(0.5)])})
    >>> likelihood = lb.likelihoods.Gaussian(torch.nn.Identity(), scale=1.0)
    >>> vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(encoder))
    >>> found = lb.mean_bound(vae, torch.zeros(100, 1), objective=lb.objectives.ELBO(kl=lb.objectives.SampledKL()))
    >>> round(found.bound, 3), round(-math.log(4 * math.pi) / 2, 3)
    (-1.266, -1.266)
    """
    must_be_model(vae, Model)
    batch, data = None if batch is None else whole("batch", batch, 1), vae.examples(data).rows
    if not len(data):
        raise DataError("there are no examples to score")
    must_fit(vae, data)
    if objective is not None:
        return bound_of_rows(vae, data, one_of("objective", objective, Objective, "lb.objectives.ELBO()"), batch, seed)
    try:
        return bound_of_rows(vae, data, ELBO(), batch, seed)
    except NoClosedForm:
        return bound_of_rows(vae, data, ELBO(kl=SampledKL()), batch, seed)


@torch.no_grad()
def bound_of_rows(vae: Model, data: Rows, objective: Objective, batch: int | None = None, seed: int = 0) -> MeanBound:
    """The same of data that are known to fit the model, as after each epoch of a training. Errors: DataError for values that do not."""
    parts, vae = [], in_evaluation(vae)
    for rows in in_turn(data, batch):
        admit_rows(vae, data, rows)
        with seeded_by_row(rows, seed, "evaluation", device=vae.device):
            part = _bounds(vae, data, rows, objective)
        parts.append(part.cpu().double())  # in this order: not every accelerator has doubles
    return _summary(torch.cat(parts, 1))


def score(vae: Model, data: Source, *, objective: Objective | None = None, batch: int | None = None, seed: int = 0) -> MeanBound:
    """``mean_bound`` under the name that it had in version 0.1.0, with a warning.

    On the command line ``score`` is log p(x) of each example, which is ``lb.log_likelihood``.

    >>> import warnings
    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8"), (6,)).vae
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     same = lb.score(vae, torch.ones(3, 6)) == lb.mean_bound(vae, torch.ones(3, 6))
    >>> same, caught[0].category.__name__
    (True, 'DeprecationWarning')
    """
    warnings.warn("lb.score is now lb.mean_bound: on the command line score is log p(x) of each example", DeprecationWarning, stacklevel=2)
    return mean_bound(vae, data, objective=objective, batch=batch, seed=seed)


def _bounds(vae: Model, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, "4 B"]:
    seen = _seen(vae, data, rows)
    terms = _terms(seen, objective.samples)
    return torch.stack([objective.bound(terms), terms.mean(terms.log_likelihood), objective.kl(terms), seen.sizes])


def scored_terms(vae: Model, data: Rows, rows: Tensor) -> Terms:
    """The terms of the bound of some rows without their labels, by a draw of each latent and all classes."""
    return _terms(_seen(vae, data, rows), 1)


def _seen(vae: Model, data: Rows, rows: Tensor) -> Observation:
    if isinstance(vae, SemiSupervised):  # whose bound is one without labels, whatever the data have
        return Observation(vae, vae.likelihood.observe(data[rows].to(vae.device)))
    return observe(vae, data, rows)


def _terms(seen: Observation, samples: int) -> Terms:
    scoring = PerNode(y=Enumerated(), z=ScoreFunction())  # nothing is to be learned: labels are listed, of latents some are drawn
    return seen.vae.terms(seen.x, scoring.sampler(samples))


def _summary(parts: Float[Tensor, "4 N"]) -> MeanBound:
    bound, log_likelihood, kl, sizes = (float(mean) for mean in parts.mean(1))
    rows = parts.shape[1]
    error = float(parts[0].std()) / math.sqrt(rows) if rows > 1 else math.nan
    return MeanBound(bound, error, log_likelihood, kl, bits_per_dim(bound, sizes), rows)


def bits_per_dim(bound: float, dimensions: float) -> float:
    """Nats per example as bits/dim: −bound / (D log 2), D the values that count; NaN where there are none."""
    return -bound / (dimensions * math.log(2)) if dimensions else math.nan
