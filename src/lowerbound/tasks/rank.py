"""How usual an example is: its rank by log p(x) among others seen with the same holes."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lowerbound.data.dataset import Dataset
from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, labels_of, numbers_of
from lowerbound.errors import DataError
from lowerbound.evaluation.log_likelihood import MEMORY
from lowerbound.evaluation.weighted_draws import weighted_draws
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import whole
from lowerbound.system.seeding import seeded
from lowerbound.tasks.impute import ROWS, impute
from lowerbound.vae.model import Model
from lowerbound.vae.observation import admit_rows, must_fit, observe
from lowerbound.vae.parts import must_be_model

#: draws of z for each example: few, since they are as few for all that are compared
SAMPLES = 100
#: examples that each is compared with, at most
MOST = 200


@torch.no_grad()
def rank(
    vae: Model,
    data: Source,
    reference: Dataset,
    *,
    samples: int = SAMPLES,
    most: int = MOST,
    memory: int = MEMORY,
    seed: int = 0,
) -> Float[Tensor, "*N"]:
    """The share of ``reference`` examples that are not more likely, seen with the same holes: near 0 for an unusual example.

    (1 + Σ_r 1[log p(x_r) ≤ log p(x)])/(1 + R), x_r being R ≤ ``most`` of the reference, at random, their own holes filled in by a draw of
    p(x_missing|x_observed) and then those of x made. Every log p is by as many draws, so that its error is that of all: for examples that
    come from where the reference comes from, ranks are uniform whatever the model, if it has not been trained on the reference. NaN for an
    example of which nothing is there; of one example that came without a batch axis a number alone.

    Source: Laxhammar and Falkman, "Conformal prediction for distribution-independent anomaly detection in streaming vessel data", 2010,
    https://doi.org/10.1145/1833280.1833287.
    Errors: DataError where there is nothing to compare with; RecipeError where q has no density.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Gaussian(torch.nn.Identity(), scale=1.0)
    >>> vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(lb.nn.mlp(1, 2)))
    >>> reference = lb.data.Dataset(torch.linspace(-3, 3, 99)[:, None])
    >>> lb.tasks.rank.rank(vae, torch.tensor([[0.0], [9.0]]), reference).round(decimals=1).tolist()  # usual, and unusual
    [1.0, 0.0]
    """
    must_be_model(vae, Model)
    samples, examples = whole("the number of samples", samples, 1), vae.examples(data)
    rows = examples.rows
    if len(rows):
        must_fit(vae, rows)
    others = _completed(in_evaluation(vae), reference, most, samples, memory, seed)
    values = rows[torch.arange(len(rows))]
    patterns, of = values.isnan().flatten(1).unique(dim=0, return_inverse=True)
    found = torch.full((len(rows),), torch.nan)
    own = _log_p(vae, rows, samples, memory, seed) if len(rows) else found
    for number, pattern in enumerate(patterns):
        here = of == number
        if not pattern.all():
            theirs = _log_p(vae, _holed(others, pattern), samples, memory, seed)
            found[here] = ((1 + (theirs <= own[here, None]).sum(1)) / (1 + len(theirs))).float()
    return found[0] if examples.alone else found


def _completed(vae: Model, reference: Dataset, most: int, samples: int, memory: int, seed: int) -> Dataset:
    """Some of the reference without holes."""
    if not len(reference):
        raise DataError("there are no examples to compare with")
    reference = compared(reference, most)
    values = reference[:]
    if values.isnan().any():
        values = impute(vae, reference, 1, samples=samples, memory=memory, seed=seed).draws[0]
    return Dataset(values, reference.labels, reference.classes)


def compared(reference: Dataset, most: int = MOST) -> Dataset:
    """The examples of ``reference`` that others are ranked among: at most ``most``, always the same ones.

    >>> import torch
    >>> import lowerbound as lb
    >>> len(lb.tasks.rank.compared(lb.data.Dataset(torch.rand(1000, 3)), most=200))
    200
    """
    return reference if len(reference) <= most else reference.hold_out(whole("most", most, 1), "rank")[1]


def _holed(data: Dataset, pattern: Bool[Tensor, " values"]) -> Dataset:
    values = data[:]
    return Dataset(values.masked_fill(pattern.view(values.shape[1:]), torch.nan), labels_of(data, torch.arange(len(data))), data.classes)


def _log_p(vae: Model, data: Rows, samples: int, memory: int, seed: int) -> Float[Tensor, " B"]:
    """log p(x) by a few draws."""
    found = []
    vae = in_evaluation(vae)
    for some in torch.arange(len(data)).split(ROWS):
        admit_rows(vae, data, some)
        with seeded(seed, "rank", int(numbers_of(data, some)[0]), device=vae.device):
            seen = observe(vae, data, some)
            log_w = weighted_draws(seen.vae, seen.x, samples, memory).log_weight(seen.vae, seen.x).cpu().double()
            found.append(log_w.nan_to_num(nan=-torch.inf, neginf=-torch.inf).logsumexp(0) - math.log(samples))
    return torch.cat(found)
