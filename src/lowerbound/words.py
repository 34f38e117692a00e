"""The words of a recipe and what each makes: the only place where a string becomes a class.

A word may carry numbers, ``iwae:5``. Each table's rows are a function of those numbers with their
defaults; classes are imported only when one is made, so that the words alone (for ``--help``) cost nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lowerbound.errors import RecipeError, nearest

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.estimators import Estimator
    from lowerbound.likelihoods import Likelihood
    from lowerbound.objectives import KL, Objective
    from lowerbound.posteriors import Posterior
    from lowerbound.scales import Scale
    from lowerbound.schedules import Schedule

# --- reading words -----------------------------------------------------------------------------------


def call(what: str, word: str, table: Mapping[str, Callable[..., Any]], *given: Any) -> Any:
    """What ``word`` makes: ``name:number:number`` calls the row ``name`` with ``given`` and the numbers.

    Errors: RecipeError for an unknown name, or numbers that it does not take.
    """
    name, *numbers = word.split(":")
    known(what, name, table)
    makes = table[name]
    parameters = [p for p in inspect.signature(makes).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD][len(given) :]
    if len(numbers) > len(parameters):
        raise RecipeError(f"{what} '{word}' has too many numbers; write {usage(name, parameters)}")
    try:
        values = [_number(p, text) for p, text in zip(parameters, numbers, strict=False)]
    except ValueError as error:
        raise RecipeError(f"{what} '{word}' is not understood; write {usage(name, parameters)}") from error
    return makes(*given, *values)


def usage(name: str, parameters: Sequence[inspect.Parameter]) -> str:
    """How a word is written with its default numbers, e.g. ``iwae:5``."""
    return ":".join([name, *(f"{p.default}" for p in parameters)])


def _number(parameter: inspect.Parameter, text: str) -> int | float:
    value = type(parameter.default)(text)
    if isinstance(value, int) and value < 1:
        raise ValueError(text)
    return value


def known(what: str, word: str, table: Iterable[str]) -> None:
    """Raise RecipeError with the nearest known word where ``word`` is not in the table."""
    if word not in table:
        raise RecipeError(f"unknown {what} '{word}'{nearest(word, table)}")


# --- what is known of the data -----------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What parts have to know of data and latent: shapes, and whether all values are in [0, 1], as pixels are."""

    event: tuple[int, ...]
    latent: int
    unit_interval: bool = True

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
    from lowerbound.likelihoods import Bernoulli

    return Bernoulli(network, binarize=PIXELS[own["pixels"]])


def _continuous_bernoulli(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
    from lowerbound.likelihoods import ContinuousBernoulli

    return ContinuousBernoulli(network)


def _beta_likelihood(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
    from lowerbound.likelihoods import Beta

    return Beta(network)


def _located(name: str) -> Callable[..., Likelihood]:
    def make(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
        from lowerbound import likelihoods

        return getattr(likelihoods, name)(network, scale(own["scale"], facts), squash=facts.unit_interval)

    return make


def _whole(name: str) -> Callable[..., Likelihood]:
    def make(network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
        from lowerbound import likelihoods

        return getattr(likelihoods, name)(network, facts.steps)

    return make


def _logistic_mixture(network: nn.Module, facts: Facts, own: Mapping[str, Any], components: int = 5) -> Likelihood:
    from lowerbound.likelihoods import LogisticMixture

    return LogisticMixture(network, facts.steps, components)


def _categorical(network: nn.Module, facts: Facts, own: Mapping[str, Any], levels: int = 256) -> Likelihood:
    from lowerbound.likelihoods import LevelCategorical

    return LevelCategorical(network, levels - 1)


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
}
LIKELIHOOD_MAKERS: dict[str, Callable[..., Any]] = {name: row.make for name, row in LIKELIHOODS.items()}
PIXELS = {"binarized": True, "grey": False}


def likelihood(word: str, network: nn.Module, facts: Facts, own: Mapping[str, Any]) -> Likelihood:
    """The likelihood of that word around ``network``."""
    return call("likelihood", word, LIKELIHOOD_MAKERS, network, facts, own)


def _learned(facts: Facts) -> Scale:
    from lowerbound.scales import Learned

    return Learned()


def _by_dimension(facts: Facts) -> Scale:
    from lowerbound.scales import Learned

    return Learned(facts.event)


def _decoded(facts: Facts) -> Scale:
    from lowerbound.scales import Decoded

    return Decoded()


def _optimal(facts: Facts) -> Scale:
    from lowerbound.scales import Optimal

    return Optimal()


SCALES: dict[str, Callable[..., Scale]] = {"learned": _learned, "dimension": _by_dimension, "decoder": _decoded, "optimal": _optimal}


def scale(word: str, facts: Facts) -> Scale:
    """A number, or a word that says where σ comes from."""
    from lowerbound.scales import Fixed

    try:
        return Fixed(float(word))
    except ValueError:
        made: Scale = call("scale", word, SCALES, facts)
        return made


# --- posteriors and priors ---------------------------------------------------------------------------


def _posterior(name: str) -> Callable[..., type[Posterior]]:
    def find() -> type[Posterior]:
        from lowerbound import posteriors

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


def _normal(facts: Facts, posterior: Posterior) -> nn.Module:
    from lowerbound.priors import StandardNormal

    return StandardNormal(facts.latent)


def _mixture(facts: Facts, posterior: Posterior, components: int = 10) -> nn.Module:
    from lowerbound.priors import GaussianMixture

    return GaussianMixture(facts.latent, components)


def _vamp(facts: Facts, posterior: Posterior, components: int = 100) -> nn.Module:
    from lowerbound.priors import VampPrior

    return VampPrior(posterior, facts.event, components, squash=facts.unit_interval)


def _flow_prior(facts: Facts, posterior: Posterior) -> nn.Module:
    from lowerbound.priors import Flow

    return Flow(facts.latent)


def _gamma_prior(facts: Facts, posterior: Posterior, concentration: float = 1.0, rate: float = 1.0) -> nn.Module:
    from lowerbound.priors import Gamma

    return Gamma(facts.latent, concentration, rate)


def _beta_prior(facts: Facts, posterior: Posterior, a: float = 1.0, b: float = 1.0) -> nn.Module:
    from lowerbound.priors import Beta

    return Beta(facts.latent, a, b)


def _sphere(facts: Facts, posterior: Posterior) -> nn.Module:
    from lowerbound.priors import UniformSphere

    return UniformSphere(facts.latent)


PRIORS: dict[str, Callable[..., nn.Module]] = {
    "normal": _normal,
    "mixture": _mixture,
    "vamp": _vamp,
    "flow": _flow_prior,
    "gamma": _gamma_prior,
    "beta": _beta_prior,
    "sphere": _sphere,
}


# --- objectives --------------------------------------------------------------------------------------


def _elbo(kl: KL, samples: int = 1) -> Objective:
    from lowerbound.objectives import ELBO

    return ELBO(kl, samples)


def _beta_elbo(kl: KL, beta: float = 4.0, samples: int = 1) -> Objective:
    from lowerbound.objectives import ELBO
    from lowerbound.schedules import Constant

    return ELBO(kl, samples, Constant(beta))


def _scheduled(name: str) -> Callable[..., Objective]:
    def make(kl: KL, beta: float = 1.0, epochs: float = 10.0, samples: int = 1) -> Objective:
        from lowerbound import schedules
        from lowerbound.objectives import ELBO

        schedule: Schedule = getattr(schedules, name)(beta, epochs)
        return ELBO(kl, samples, schedule)

    return make


def _free_bits(kl: KL, nats: float = 0.1) -> Objective:
    from lowerbound.coupled import FreeBits

    return FreeBits(nats, kl)


def _iwae(kl: KL, samples: int = 5) -> Objective:
    from lowerbound.objectives import IWAE

    return IWAE(samples)


def _renyi(kl: KL, alpha: float = 0.5, samples: int = 5) -> Objective:
    from lowerbound.objectives import Renyi

    return Renyi(alpha, samples)


def _total_correlation(kl: KL, beta: float = 6.0) -> Objective:
    from lowerbound.coupled import TotalCorrelation

    return TotalCorrelation(beta, kl)


def _mmd(kl: KL, weight: float = 500.0, kl_weight: float = 0.0) -> Objective:
    from lowerbound.coupled import MMD

    return MMD(kl, weight, kl_weight)


def _reconstruction(kl: KL) -> Objective:
    from lowerbound.objectives import Reconstruction

    return Reconstruction(kl)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "elbo": _elbo,
    "beta": _beta_elbo,
    "beta-linear": _scheduled("Linear"),
    "beta-cyclical": _scheduled("Cyclical"),
    "beta-sigmoid": _scheduled("Sigmoid"),
    "free-bits": _free_bits,
    "iwae": _iwae,
    "renyi": _renyi,
    "total-correlation": _total_correlation,
    "mmd": _mmd,
    "reconstruction": _reconstruction,
}


def _closed() -> KL:
    from lowerbound.objectives import ClosedKL

    return ClosedKL()


def _sampled() -> KL:
    from lowerbound.objectives import SampledKL

    return SampledKL()


KLS = {"closed": _closed, "sampled": _sampled}


# --- estimators --------------------------------------------------------------------------------------


def _estimator(name: str, baseline: str | None = None, transport: str | None = None) -> Callable[[], Estimator]:
    def make() -> Estimator:
        from lowerbound import distributions, estimators

        given: dict[str, Any] = {} if baseline is None else {"baseline": getattr(estimators, baseline)()}
        if transport is not None:
            given["transport"] = getattr(distributions, transport)
        made: Estimator = getattr(estimators, name)(**given)
        return made

    return make


ESTIMATORS: dict[str, Callable[..., Estimator]] = {
    "pathwise": _estimator("Pathwise"),
    "doubly-reparameterized": _estimator("DoublyReparameterized"),
    "score": _estimator("ScoreFunction"),
    "score-moving-average": _estimator("ScoreFunction", "MovingAverage"),
    "score-leave-one-out": _estimator("ScoreFunction", "LeaveOneOut"),
    "score-rao-blackwell": _estimator("RaoBlackwell"),
    "g-rep": _estimator("GREP"),
    "rejection": _estimator("GREP", transport="rejection"),
}


# --- networks: mlp:512, conv:32-64 -------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkWord:
    """A kind of network: its usual widths, and its encoder and decoder for given widths.

    A decoder gives ``(N, *event)`` for one parameter a value, ``(N, P, *event)`` for P of them.
    """

    widths: tuple[int, ...]
    encoder: Callable[[Sequence[int], Sequence[int], int], nn.Module]
    decoder: Callable[[int, Sequence[int], Sequence[int], int], nn.Module]


def _mlp_encoder(event: Sequence[int], widths: Sequence[int], features: int) -> nn.Module:
    from lowerbound.nn import mlp

    return mlp(event, *widths, features)


def _mlp_decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int) -> nn.Module:
    from lowerbound.nn import mlp

    return mlp(latent, *reversed(widths), event if parameters == 1 else (parameters, *event))


def _conv_encoder(event: Sequence[int], widths: Sequence[int], features: int) -> nn.Module:
    from lowerbound.nn import convolutional_encoder

    _must_be_image(event)
    return convolutional_encoder(event, widths, features)


def _conv_decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int) -> nn.Module:
    from torch import nn

    from lowerbound.nn import convolutional_decoder

    _must_be_image(event)
    channels, *size = event
    made = convolutional_decoder(latent, widths, (parameters * channels, *size))
    return made if parameters == 1 else nn.Sequential(made, nn.Unflatten(1, (parameters, channels)))


def _must_be_image(event: Sequence[int]) -> None:
    if len(event) != 3:
        raise RecipeError(f"a conv network needs images, and these data are of shape {tuple(event)}; choose mlp")


WIDEST = 1_000_000  # units in a layer: more is a slip of the finger
NETWORKS = {
    "mlp": NetworkWord((512,), _mlp_encoder, _mlp_decoder),
    "conv": NetworkWord((32, 64), _conv_encoder, _conv_decoder),
}


def network(word: str) -> tuple[NetworkWord, tuple[int, ...]]:
    """``mlp:300-300`` → its kind and widths."""
    name, _, told = word.partition(":")
    known("network", name, NETWORKS)
    try:
        widths = tuple(int(width) for width in told.split("-")) if told else NETWORKS[name].widths
    except ValueError:
        widths = ()
    if not widths or min(widths) < 1 or max(widths) > WIDEST:
        raise RecipeError(f"network '{word}' is not understood; write e.g. {name}:{'-'.join(map(str, NETWORKS[name].widths))}")
    return NETWORKS[name], widths
