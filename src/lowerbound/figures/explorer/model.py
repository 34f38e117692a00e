"""A trained model as words and arrays, from which a page computes p(z), p(x|z) and q(z|x)."""

from __future__ import annotations

import torch

from lowerbound.distributions.mixture import Mixture
from lowerbound.distributions.operations import over_all_of_space
from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.columns import Floats, columns_words
from lowerbound.figures.explorer.likelihoods import likelihood_words
from lowerbound.figures.explorer.networks import Words, words_of
from lowerbound.nn.mode import in_evaluation
from lowerbound.vae import posteriors, priors
from lowerbound.vae.contexts import Label
from lowerbound.vae.likelihoods import Bernoulli, Columns
from lowerbound.vae.model import Model, given_zeros

#: what a page knows an encoder's output as
POSTERIORS: dict[type[posteriors.Posterior], str] = {
    posteriors.DiagonalGaussian: "gaussian",
    posteriors.FullGaussian: "full gaussian",
    posteriors.Dirac: "dirac",
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
    """The shapes of x and z, and how many classes the model is given. Errors: RecipeError."""
    if vae.context is not None and not isinstance(vae.context, Label):
        raise RecipeError("a page shows models that are given nothing, or labels")
    if vae.event_shape is None:
        raise RecipeError("the decoder gives no example for a latent of zeros, so that its shape is not known")
    classes = vae.context.classes if vae.context is not None else 0
    return {"event": list(vae.event_shape), "latent": latent_size(vae), "classes_given": classes}


@torch.no_grad()
def model_words(vae: Model, arrays: Arrays, values: Floats | None = None) -> Words:
    """All that a page needs to be the model; ``values`` ``(N, D)`` are rows of a table, whose extremes are the ends of sliders.

    Errors: RecipeError for a part of it that no page computes.
    """
    vae = in_evaluation(vae)
    if type(vae.posterior) not in POSTERIORS:
        known = ", ".join(POSTERIORS.values())
        raise RecipeError(f"a page computes posteriors that are {known}, and this one is {type(vae.posterior).__name__}")
    return _shape_words(vae) | {
        "posterior": POSTERIORS[type(vae.posterior)],
        "prior": _prior(vae, arrays),
        "likelihood": _likelihood(vae, arrays, values),
        "holes": vae.likelihood.holes,
        "encoder": words_of(vae.posterior.network, arrays),
        "decoder": words_of(vae.likelihood.network, arrays),
    }


def _likelihood(vae: Model, arrays: Arrays, values: Floats | None) -> Words:
    """Of a class that is known itself: one of its own kind may have another law."""
    if type(vae.likelihood) is Columns:
        return {"kind": "columns"} | columns_words(vae.likelihood, vae.likelihood.schema, values)
    known = type(vae.likelihood) in likelihood_words.registry
    words: Words = (likelihood_words if known else likelihood_words.registry[object])(vae.likelihood, arrays)
    return words


def _prior(vae: Model, arrays: Arrays) -> Words:
    """A standard normal, or any mixture of diagonal normals, such as that of the posteriors of pseudo-inputs."""
    if isinstance(vae.prior, priors.StandardNormal):
        return {"law": "normal"}
    law = None if isinstance(vae.prior, priors.GivenContext) or vae.context is not None else vae.prior()
    if isinstance(law, Mixture) and law.gaussians is not None:
        weights = law.mixture_distribution.probs.expand(len(law.gaussians.loc))
        kept = {"weights": weights, "means": law.gaussians.loc, "scales": law.gaussians.scale}
        return {"law": "mixture"} | {name: arrays.numbers(values.cpu().numpy()) for name, values in kept.items()}
    raise RecipeError(f"a page computes normal priors and mixtures of them, and this one is {type(vae.prior).__name__}")
