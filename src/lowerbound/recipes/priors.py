"""The words of priors, p(z), or p(z|c) of a model that is given a context c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import Word, make

if TYPE_CHECKING:
    from lowerbound.data.spec import DataSpec
    from lowerbound.vae.posteriors import Posterior
    from lowerbound.vae.priors import GivenContext, Prior, VampPrior

PRIORS = {
    "normal": Word("vae.priors:StandardNormal", "standard normal, N(0, I)"),
    "given-context": Word("recipes.priors:given_context", "normal, mean and σ a network's of the context: p(z|c)", {"width": 128}),
    "mixture": Word("vae.priors:GaussianMixture", "mixture of Gaussians, learned", {"components": 10}),
    "vamp": Word("recipes.priors:vamp", "VampPrior, the mean of q(z|u) over learned pseudo-inputs u", {"components": 100}),
    "flow": Word("vae.priors:Flow", "neural spline flow, learned"),
    "gamma": Word("vae.priors:Gamma", "Gamma of each dimension, concentration a and rate b", {"a": 1.0, "b": 1.0}),
    "beta": Word("vae.priors:Beta", "Beta(a, b) of each dimension", {"a": 1.0, "b": 1.0}),
    "categorical": Word("vae.priors:Categorical", "each of --latent classes as likely as the others"),
    "sphere": Word("vae.priors:UniformSphere", "uniform on the unit sphere"),
}


def prior(word: str, size: int, posterior: Posterior | None, spec: DataSpec, context: tuple[int, ...] = (), floor: float = 0.0) -> Prior:
    """The prior of that word over ``size`` dimensions, beside this posterior, which only a VampPrior
    asks for, given contexts of that shape, if any; no σ that is learned is below ``floor``. Errors: RecipeError.
    """
    made: Prior = make("prior", word, PRIORS, size=size, posterior=posterior, spec=spec, context=context, floor=floor)
    return made


def vamp(posterior: Posterior, spec: DataSpec, context: tuple[int, ...], components: int) -> VampPrior:
    """The VampPrior of this posterior. Errors: RecipeError where pseudo-inputs cannot be learned, or are not all that q is given."""
    from lowerbound.vae.priors import VampPrior

    if any(column.classes for column in spec.columns or ()):
        raise RecipeError("pseudo-inputs are learned, and a category of a table cannot be; choose another prior")
    if context:
        raise RecipeError("vamp is the mean of what the encoder makes of data, and here it wants a context besides; choose another --prior")
    return VampPrior(posterior, spec.event_shape, components, squash=spec.unit_interval)


def given_context(size: int, context: tuple[int, ...], floor: float, width: int) -> GivenContext:
    """The prior of a context, by a network with one hidden layer. Errors: RecipeError where there is no context."""
    from lowerbound.nn.networks import mlp
    from lowerbound.vae.priors import GivenContext

    if not context:
        raise RecipeError("a prior given the context needs one; add --given label, or choose another prior")
    return GivenContext(mlp(context, width, GivenContext.features(size)), floor)
