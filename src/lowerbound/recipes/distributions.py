"""The words of the three distributions: priors, likelihoods with their σ, posteriors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import call

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.data.schema import Column
    from lowerbound.vae.likelihoods import Likelihood
    from lowerbound.vae.likelihoods.scales import Scale
    from lowerbound.vae.posteriors import Posterior
    from lowerbound.vae.priors import Prior

# --- what is known of the data -----------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What parts have to know of data, latent and context: shapes, whether values are in [0, 1], as pixels are, a table's columns."""

    event: tuple[int, ...]
    latent: int
    unit_interval: bool = True
    context: tuple[int, ...] = ()  # the shape of what the model is given, if it is given any
    columns: tuple[Column, ...] | None = None

    @property
    def steps(self) -> int:
        """What value 1 stands for where values are whole numbers: 255 levels of a pixel, or itself."""
        return 255 if self.unit_interval else 1


# --- likelihoods -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LikelihoodWord:
    """A likelihood: a function of facts, the recipe's own words and the word's numbers, and those own words with their defaults."""

    make: Callable[..., Likelihood]
    own: Mapping[str, Any]


def _bernoulli(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
    from lowerbound.vae.likelihoods import Bernoulli

    return Bernoulli(network, binarize=PIXELS[own["pixels"]])


def _continuous_bernoulli(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
    from lowerbound.vae.likelihoods import ContinuousBernoulli

    return ContinuousBernoulli(network)


def _beta_likelihood(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
    from lowerbound.vae.likelihoods import Beta

    return Beta(network)


def _located(name: str) -> Callable[..., Likelihood]:
    def make(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
        from lowerbound.vae.likelihoods import continuous

        return getattr(continuous, name)(network, scale(own["scale"], facts), squash=facts.unit_interval)

    return make


def _whole(name: str) -> Callable[..., Likelihood]:
    def make(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
        from lowerbound.vae.likelihoods import counts

        return getattr(counts, name)(network, facts.steps)

    return make


def _logistic_mixture(network: nn.Module, facts: Facts, own: Mapping[str, Any], components: int = 5) -> Likelihood:
    from lowerbound.vae.likelihoods import LogisticMixture

    return LogisticMixture(network, facts.steps, components)


def _categorical(network: nn.Module, facts: Facts, own: Mapping[str, Any], levels: int = 256) -> Likelihood:
    from lowerbound.vae.likelihoods import LevelCategorical

    return LevelCategorical(network, levels - 1)


def _columns(heavy: bool) -> Callable[..., Likelihood]:
    def make(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
        """A law for each column, or of images, whose networks keep their shape, for each value."""
        from lowerbound.vae.likelihoods import Columns, Gaussian, StudentT
        from lowerbound.vae.likelihoods.scales import Decoded

        if len(facts.event) == 1:
            return Columns(network, facts.event[0] if facts.columns is None else facts.columns, heavy)
        made = StudentT if heavy else Gaussian
        numbers = made(network, Decoded(), squash=facts.unit_interval)
        numbers.holes = True
        return numbers

    return make


SCALED = {"scale": "0.1"}
LIKELIHOODS = {
    "bernoulli": LikelihoodWord(_bernoulli, own={"pixels": "binarized"}),
    "continuous-bernoulli": LikelihoodWord(_continuous_bernoulli, own={}),
    "gaussian": LikelihoodWord(_located("Gaussian"), own=SCALED),
    "laplace": LikelihoodWord(_located("Laplace"), own=SCALED),
    "student-t": LikelihoodWord(_located("StudentT"), own=SCALED),
    "beta": LikelihoodWord(_beta_likelihood, own={}),
    "categorical": LikelihoodWord(_categorical, own={}),
    "logistic": LikelihoodWord(_whole("DiscretizedLogistic"), own={}),
    "logistic-mixture": LikelihoodWord(_logistic_mixture, own={}),
    "beta-binomial": LikelihoodWord(_whole("BetaBinomial"), own={}),
    "poisson": LikelihoodWord(_whole("Poisson"), own={}),
    "negative-binomial": LikelihoodWord(_whole("NegativeBinomial"), own={}),
    "columns": LikelihoodWord(_columns(heavy=True), own={}),
    "columns-gaussian": LikelihoodWord(_columns(heavy=False), own={}),
}
LIKELIHOOD_MAKERS: dict[str, Callable[..., Any]] = {name: row.make for name, row in LIKELIHOODS.items()}
PIXELS = {"binarized": True, "grey": False}


def likelihood(word: str, network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
    """The likelihood of that word around ``network``."""
    return call("likelihood", word, LIKELIHOOD_MAKERS, network, facts, own)


def _learned(facts: Facts) -> Scale:
    from lowerbound.vae.likelihoods.scales import Learned

    return Learned()


def _by_dimension(facts: Facts) -> Scale:
    from lowerbound.vae.likelihoods.scales import Learned

    return Learned(facts.event)


def _decoded(facts: Facts) -> Scale:
    from lowerbound.vae.likelihoods.scales import Decoded

    return Decoded()


def _optimal(facts: Facts) -> Scale:
    from lowerbound.vae.likelihoods.scales import Optimal

    return Optimal()


SCALES: dict[str, Callable[..., Scale]] = {"learned": _learned, "dimension": _by_dimension, "decoder": _decoded, "optimal": _optimal}


def scale(word: str, facts: Facts) -> Scale:
    """A number, or a word that says where σ comes from."""
    from lowerbound.vae.likelihoods.scales import Fixed

    try:
        return Fixed(float(word))
    except ValueError:
        made: Scale = call("scale", word, SCALES, facts)
        return made


# --- posteriors and priors ---------------------------------------------------------------------------


def _posterior(name: str) -> Callable[..., type[Posterior]]:
    def find() -> type[Posterior]:
        from lowerbound.vae import posteriors

        found: type[Posterior] = getattr(posteriors, name)
        return found

    return find


POSTERIORS: dict[str, Callable[..., type[Posterior]]] = {
    "gaussian": _posterior("DiagonalGaussian"),
    "full-gaussian": _posterior("FullGaussian"),
    "flow": _posterior("Flow"),
    "gamma": _posterior("Gamma"),
    "beta": _posterior("Beta"),
    "von-mises-fisher": _posterior("VonMisesFisher"),
    "dirac": _posterior("Dirac"),
}


def _normal(facts: Facts, posterior: Posterior) -> Prior:
    from lowerbound.vae.priors import StandardNormal

    return StandardNormal(facts.latent)


def _mixture(facts: Facts, posterior: Posterior, components: int = 10) -> Prior:
    from lowerbound.vae.priors import GaussianMixture

    return GaussianMixture(facts.latent, components)


def _vamp(facts: Facts, posterior: Posterior, components: int = 100) -> Prior:
    from lowerbound.vae.priors import VampPrior

    if any(column.kind == "category" for column in facts.columns or ()):
        raise RecipeError("pseudo-inputs are learned, and a category of a table cannot be; choose another prior")
    if facts.context:
        raise RecipeError("vamp is the mean of what the encoder makes of data, and here it wants a context besides; choose another --prior")
    return VampPrior(posterior, facts.event, components, squash=facts.unit_interval)


def _flow_prior(facts: Facts, posterior: Posterior) -> Prior:
    from lowerbound.vae.priors import Flow

    return Flow(facts.latent)


def _gamma_prior(facts: Facts, posterior: Posterior, concentration: float = 1.0, rate: float = 1.0) -> Prior:
    from lowerbound.vae.priors import Gamma

    return Gamma(facts.latent, concentration, rate)


def _beta_prior(facts: Facts, posterior: Posterior, a: float = 1.0, b: float = 1.0) -> Prior:
    from lowerbound.vae.priors import Beta

    return Beta(facts.latent, a, b)


def _sphere(facts: Facts, posterior: Posterior) -> Prior:
    from lowerbound.vae.priors import UniformSphere

    return UniformSphere(facts.latent)


def _given_context(facts: Facts, posterior: Posterior, width: int = 128) -> Prior:
    from lowerbound.nn.networks import mlp
    from lowerbound.vae.priors import GivenContext

    if not facts.context:
        raise RecipeError("a prior given the context needs one; add --given label, or choose another prior")
    return GivenContext(mlp(facts.context, width, GivenContext.features(facts.latent)))


PRIORS: dict[str, Callable[..., Prior]] = {
    "normal": _normal,
    "given-context": _given_context,
    "mixture": _mixture,
    "vamp": _vamp,
    "flow": _flow_prior,
    "gamma": _gamma_prior,
    "beta": _beta_prior,
    "sphere": _sphere,
}
