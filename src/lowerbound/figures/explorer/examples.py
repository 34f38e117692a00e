"""What a page shows of data: where training examples are encoded, how some of them look, and test examples with their log p(x)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from lowerbound.data import UNKNOWN, Dataset
from lowerbound.data.rows import rows_at_once, some_of
from lowerbound.data.spec import DataSpec
from lowerbound.distributions import Delta
from lowerbound.distributions.drawing import sample
from lowerbound.errors import RecipeError
from lowerbound.evaluation.latent_space import latents
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.given import given_part, is_given_values, masks_of
from lowerbound.figures.explorer.model import latent_size
from lowerbound.figures.explorer.shown import Progress, nobody
from lowerbound.system.seeding import permutation, seeded
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.model import Model
from lowerbound.vae.observation import observe, read

CODES, NUMBERS = 10_000, 320_000  # examples on the map, at most, and numbers of their codes
SHOWN, VALUES = 2_000, 1_600_000  # examples that are shown, at most, and their values
TESTED, TEST_VALUES = 100, 400_000  # test examples that are scored, at most, and their values
DRAWS = 64  # of z for log p(x) of each, here as in the page
WHITE = 255  # of pixels
BINARIZATIONS = 8  # of greys, for which there are a fourth of these draws each
LARGE = 10_000  # values of an example, from where on there are fewer draws
MEASURED = 2_000  # examples for the KL of each dimension, at most


def examples_words(
    vae: Model, train: Dataset, test: Dataset, spec: DataSpec, arrays: Arrays, seed: int = 0, progress: Progress = nobody
) -> dict[str, Any]:
    """Codes of some training examples, and the first of these; test examples, and how likely the model finds them.

    ``order`` is of the latent dimensions, by their KL, the largest first, or where it is no sum over dimensions by how much means vary.
    """
    rows = permutation(len(train), "explorer")[: min(CODES, max(1, NUMBERS // latent_size(vae)))]
    progress(f"encoding {len(rows):,} examples")
    mean, sd, dense = _codes(vae, train, rows)
    if not (mean.isfinite().all() and (sd is None or sd.isfinite().all())):
        raise RecipeError("the encoder gives numbers that are not finite; look at the run with: lowerbound evaluate")
    dims = math.prod(spec.event_shape)
    some, tested = rows[: min(SHOWN, max(1, VALUES // dims))], some_of(test, min(TESTED, max(1, TEST_VALUES // dims)))
    known = masks_of(vae, test, tested, seed)
    use = latents(vae, train.view(rows[:MEASURED]), seed, carved=False)
    progress(f"scoring {len(tested):,} test examples")
    weight = use.variance if use.kl_per_dimension is None else use.kl_per_dimension
    return {
        "classes": list(spec.classes),
        "range": [float(spec.low), float(spec.high)],
        "codes": arrays.weights(mean.numpy()),
        "spreads": None if sd is None or is_given_values(vae) else arrays.weights(sd.numpy()),
        "labels": _labels(train, rows, arrays),
        "shown": values_words(train[some], spec, arrays),
        "order": weight.argsort(descending=True).tolist(),
        "kl": None if use.kl_per_dimension is None else use.kl_per_dimension.tolist(),
        "variance": use.variance.tolist(),
        "active": use.active.tolist(),
        "test": {
            "values": values_words(test[tested], spec, arrays),
            "labels": _labels(test, tested, arrays),
            "known": None if known is None else arrays.numbers(known.flatten(1).numpy(), np.uint8),
            "log_p": [round(value, 3) for value in log_p_by_draws(vae, test, tested, seed, known).tolist()] if dense else None,
            "draws": draws_of(dims),
            "binarizations": BINARIZATIONS,
        },
    }


def spread_of(law: Distribution) -> Float[Tensor, "*batch d"] | None:
    """The standard deviations of a law of latents that is Gaussian; None of others."""
    independent = isinstance(law, Independent) and isinstance(law.base_dist, Normal)
    return law.stddev if independent or isinstance(law, MultivariateNormal) else None


@torch.no_grad()
def _codes(vae: Model, data: Dataset, rows: Int64[Tensor, " n"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"] | None, bool]:
    """Centres of q(z|x), their standard deviations where these are all of its spread, and whether it has a density."""
    centres, spreads, dense = [], [], True
    for some in rows.split(rows_at_once(data)):
        seen = read(vae, data, some, 0)
        law = seen.vae.posterior(seen.x)
        dense = not isinstance(law, Delta)
        centres.append(seen.vae.posterior.centre(law).cpu())
        spread = None if isinstance(law, MultivariateNormal) else spread_of(law)  # of which they give no density
        spreads += [] if spread is None else [spread.cpu()]
    return torch.cat(centres), torch.cat(spreads) if spreads else None, dense


@torch.no_grad()
def log_p_by_draws(
    vae: Model, data: Dataset, rows: Int64[Tensor, " n"], seed: int, known: Bool[Tensor, "n *event"] | None = None
) -> Float[Tensor, " n"]:
    """log p(x) of some examples as the page has it of one: log 1/K Σ p(x|z) p(z)/q(z|x), by K = ``DRAWS`` draws of q(z|x), in nats.

    Of greys that are seen as zeros and ones it is the mean over ``BINARIZATIONS``, each by a fourth of the draws. A model that is given
    a part of the examples is given the ``known`` values.
    """
    values = data[rows]
    grey = isinstance(vae.likelihood, Bernoulli) and vae.likelihood.binarize and bool(((values > 0) & (values < 1)).any())
    most = draws_of(values[0].numel())
    times, draws = (BINARIZATIONS, most // 4) if grey else (1, most)
    each = [_log_p(vae, data, rows, draws, seed + time, known) for time in range(times)]
    return torch.stack(each).mean(0)


def draws_of(dims: int) -> int:
    """``DRAWS``, or of examples of very many values an eighth: a page decodes each, while somebody waits."""
    return DRAWS if dims <= LARGE else DRAWS // 8


def _log_p(
    vae: Model, data: Dataset, rows: Int64[Tensor, " n"], draws: int, seed: int, known: Bool[Tensor, "n *event"] | None
) -> Float[Tensor, " n"]:
    found, at_once = [], max(1, rows_at_once(data) // draws)
    for k, some in enumerate(rows.split(at_once)):
        seen = given_part(vae, observe(vae, data, some, seed), None if known is None else known[k * at_once :][: len(some)])
        with seeded(seed, "explorer", device=vae.device):
            law: Distribution = seen.vae.posterior(seen.x)
            z = sample(law, [draws])
            log = seen.vae.log_likelihood(seen.x, z) + seen.vae.prior().log_prob(z) - law.log_prob(z)
        found.append((log.logsumexp(0) - math.log(draws)).cpu())
    return torch.cat(found)


def _labels(data: Dataset, rows: Int64[Tensor, " n"], arrays: Arrays) -> int | None:
    """Class numbers, −1 where one is not known."""
    return None if data.labels is None else arrays.numbers(data.labels[rows].where(data.labels[rows] != UNKNOWN, -1).numpy(), np.int32)


def values_words(values: Float[Tensor, "n *event"], spec: DataSpec, arrays: Arrays) -> dict[str, Any]:
    """Values as bytes where they are pixels of so many levels, else in single precision; NaN where one is missing."""
    flat = values.flatten(1).numpy()
    if spec.schema is None and flat.min() >= 0 and flat.max() <= 1:  # which NaN is not
        levels = (flat * WHITE).round()
        if np.abs(flat * WHITE - levels).max() < 0.01:
            return {"array": arrays.numbers(levels, np.uint8), "white": WHITE}
    return {"array": arrays.numbers(flat)}
