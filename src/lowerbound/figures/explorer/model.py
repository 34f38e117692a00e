"""A trained model as words and arrays, from which a page computes p(z), p(x|z) and q(z|x)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from lowerbound.distributions.mixture import Mixture
from lowerbound.distributions.operations import over_all_of_space
from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.columns import Floats, columns_words
from lowerbound.figures.explorer.given import given_words
from lowerbound.figures.explorer.levels import posterior_words, prior_words, sizes_of
from lowerbound.figures.explorer.likelihoods import likelihood_words
from lowerbound.figures.explorer.networks import Words
from lowerbound.figures.explorer.onnx import network_words
from lowerbound.nn.mode import in_evaluation
from lowerbound.vae import posteriors, priors
from lowerbound.vae.likelihoods import Bernoulli, Columns
from lowerbound.vae.model import Model, given_zeros

#: what a page knows an encoder's output as
POSTERIORS: dict[type[posteriors.Posterior], str] = {
    posteriors.DiagonalGaussian: "gaussian",
    posteriors.FullGaussian: "full gaussian",
    posteriors.Dirac: "dirac",
    posteriors.Chain: "chain",
    posteriors.Ladder: "ladder",
}


def latent_size(vae: Model) -> int:
    """How many dimensions z has."""
    return int(given_zeros(vae).prior().event_shape[0])


def remote_words(vae: Model) -> Words:
    """What a page needs to ask for a model that it does not compute. Errors: RecipeError for one that it cannot show at all."""
    bounded = not over_all_of_space(given_zeros(vae).prior())
    binarize = isinstance(vae.likelihood, Bernoulli) and vae.likelihood.binarize
    words = {"remote": True, "bounded": bounded, "likelihood": {"binarize": binarize}}
    return words | _shape_words(vae)


def _shape_words(vae: Model) -> Words:
    """The shapes of x and z, and what the model is given. Errors: RecipeError."""
    given = given_words(vae)
    if vae.event_shape is None:
        raise RecipeError("the decoder gives no example for a latent of zeros, so that its shape is not known")
    return {"event": list(vae.event_shape), "latent": latent_size(vae), "sizes": sizes_of(vae)} | given


@torch.no_grad()
def model_words(vae: Model, arrays: Arrays, values: Floats | None = None, own: Sequence[int] | None = None) -> Words:
    """All that a page needs to be the model; ``values`` ``(N, D)`` are rows of a table, whose extremes are the ends of sliders.

    ``own`` is the shape of an example, where networks of one's own are to be written as ONNX. Errors: RecipeError for a part of it that
    no page computes; UsageError where what ONNX needs is not installed.
    """
    vae = in_evaluation(vae)
    if type(vae.posterior) not in POSTERIORS:
        known = ", ".join(POSTERIORS.values())
        raise RecipeError(f"a page computes posteriors that are {known}, and this one is {type(vae.posterior).__name__}")
    shapes = _shape_words(vae)
    context = [] if vae.context is None else [vae.context.shape]
    of_x, of_z = (None, None) if own is None else ([own, *context], [[shapes["latent"]], *context])
    return shapes | {
        "posterior": POSTERIORS[type(vae.posterior)],
        "prior": _prior(vae, vae.prior, arrays, None if own is None else context),
        "likelihood": _likelihood(vae, arrays, values),
        "holes": vae.likelihood.holes,
        "encoder": network_words(vae.posterior.network, arrays, of_x),
        "decoder": network_words(vae.likelihood.network, arrays, of_z),
        "floor": vae.posterior.floor if isinstance(vae.posterior, posteriors.Normals) else 0.0,
        **posterior_words(vae.posterior, arrays),
    }


def _likelihood(vae: Model, arrays: Arrays, values: Floats | None) -> Words:
    """Of a class that is known itself: one of its own kind may have another law."""
    if type(vae.likelihood) is Columns:
        return {"kind": "columns"} | columns_words(vae.likelihood, vae.likelihood.schema, values)
    known = type(vae.likelihood) in likelihood_words.registry
    words: Words = (likelihood_words if known else likelihood_words.registry[object])(vae.likelihood, arrays)
    return words


def _prior(vae: Model, prior: nn.Module, arrays: Arrays, context: Sequence[Sequence[int]] | None) -> Words:
    """A standard normal, that of a context, any mixture of diagonal normals, such as that of the posteriors of pseudo-inputs, or levels."""
    if isinstance(prior, priors.StandardNormal):
        return {"law": "normal"}
    if type(prior) is priors.GivenContext:
        return {"law": "given", "network": network_words(prior.network, arrays, context), "floor": prior.floor}
    if type(prior) is priors.Chain:
        return prior_words(prior, _prior(vae, prior.first, arrays, context), arrays)
    law = None if vae.context is not None else prior()
    if isinstance(law, Mixture) and law.gaussians is not None:
        weights = law.mixture_distribution.probs.expand(len(law.gaussians.loc))
        kept = {"weights": weights, "means": law.gaussians.loc, "scales": law.gaussians.scale}
        return {"law": "mixture"} | {name: arrays.numbers(values.cpu().numpy()) for name, values in kept.items()}
    raise RecipeError(f"a page computes normal priors and mixtures of them, and this one is {type(prior).__name__}")
