"""A recipe: everything that decides what a run does, as flat words. The only place where a string becomes a class.

The fields, in their order, are the keys of ``recipe.toml`` and the options of ``lowerbound train``.
Classes are imported only when one is made, so that the words alone (for ``--help``) cost nothing.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowerbound.errors import RecipeError, nearest

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.estimators import Estimator
    from lowerbound.likelihoods import Likelihood
    from lowerbound.model import VAE
    from lowerbound.objectives import KL, Objective
    from lowerbound.posteriors import Posterior


# --- the words of each part, and what they make ----------------------------------------------------


def _normal(recipe: Recipe) -> nn.Module:
    from lowerbound.priors import StandardNormal

    return StandardNormal(recipe.latent)


def _bernoulli(recipe: Recipe, network: nn.Module) -> Likelihood:
    from lowerbound.likelihoods import Bernoulli

    return Bernoulli(network, binarize=PIXELS[recipe.pixels or ""])


def _gaussian(recipe: Recipe, network: nn.Module) -> Likelihood:
    from lowerbound.likelihoods import Gaussian

    assert recipe.scale is not None
    return Gaussian(network, recipe.scale)


def _diagonal_gaussian() -> type[Posterior]:
    from lowerbound.posteriors import DiagonalGaussian

    return DiagonalGaussian


def _elbo(recipe: Recipe) -> Objective:
    from lowerbound.objectives import ELBO

    return ELBO(KLS[recipe.kl]())


def _closed() -> KL:
    from lowerbound.objectives import closed_kl

    return closed_kl


def _sampled() -> KL:
    from lowerbound.objectives import sampled_kl

    return sampled_kl


def _pathwise() -> Estimator:
    from lowerbound.estimators import Pathwise

    return Pathwise()


@dataclass(frozen=True)
class LikelihoodWord:
    """A likelihood: how it is made, and the recipe's words that only it has, with their defaults."""

    make: Callable[[Recipe, nn.Module], Likelihood]
    own: Mapping[str, Any]
    squash: bool = False  # whether its mean, for data in [0, 1], is kept there by a sigmoid


PRIORS = {"normal": _normal}
LIKELIHOODS = {
    "bernoulli": LikelihoodWord(_bernoulli, own={"pixels": "binarized"}),
    "gaussian": LikelihoodWord(_gaussian, own={"scale": 0.1}, squash=True),
}
PIXELS = {"binarized": True, "grey": False}
POSTERIORS = {"gaussian": _diagonal_gaussian}
OBJECTIVES = {"elbo": _elbo}
KLS = {"closed": _closed, "sampled": _sampled}
ESTIMATORS = {"pathwise": _pathwise}


# --- networks: mlp:512, conv:32-64 -----------------------------------------------------------------


@dataclass(frozen=True)
class NetworkWord:
    """A kind of network: its usual widths, and its encoder and decoder for given widths."""

    widths: tuple[int, ...]
    encoder: Callable[[Sequence[int], Sequence[int], int], nn.Module]
    decoder: Callable[[int, Sequence[int], Sequence[int]], nn.Module]


def _mlp_encoder(event: Sequence[int], widths: Sequence[int], features: int) -> nn.Module:
    from lowerbound.nn import mlp

    return mlp(event, *widths, features)


def _mlp_decoder(latent: int, widths: Sequence[int], event: Sequence[int]) -> nn.Module:
    from lowerbound.nn import mlp

    return mlp(latent, *reversed(widths), event)


def _conv_encoder(event: Sequence[int], widths: Sequence[int], features: int) -> nn.Module:
    from lowerbound.nn import convolutional_encoder

    _must_be_image(event)
    return convolutional_encoder(event, widths, features)


def _conv_decoder(latent: int, widths: Sequence[int], event: Sequence[int]) -> nn.Module:
    from lowerbound.nn import convolutional_decoder

    _must_be_image(event)
    return convolutional_decoder(latent, widths, event)


def _must_be_image(event: Sequence[int]) -> None:
    if len(event) != 3:
        raise RecipeError(f"a conv network needs images, and these data are of shape {tuple(event)}; choose mlp")


NETWORKS = {
    "mlp": NetworkWord((512,), _mlp_encoder, _mlp_decoder),
    "conv": NetworkWord((32, 64), _conv_encoder, _conv_decoder),
}


def _network(word: str) -> tuple[NetworkWord, tuple[int, ...]]:
    """``mlp:300-300`` → its kind and widths."""
    name, _, told = word.partition(":")
    _known("network", name, NETWORKS)
    try:
        widths = tuple(int(width) for width in told.split("-")) if told else NETWORKS[name].widths
    except ValueError:
        widths = ()
    if not widths or min(widths) < 1 or max(widths) > LARGEST:
        raise RecipeError(f"network '{word}' is not understood; write e.g. {name}:{'-'.join(map(str, NETWORKS[name].widths))}")
    return NETWORKS[name], widths


def _known(what: str, word: str, table: Iterable[str]) -> None:
    if word not in table:
        raise RecipeError(f"unknown {what} '{word}'{nearest(word, table)}")


LARGEST = 1_000_000  # for every whole number of a recipe but the seed: more is a slip of the finger

# --- the recipe ------------------------------------------------------------------------------------


def _word(default: Any, group: str, text: str, table: Iterable[str] = ()) -> Any:
    told = f"{text}: {', '.join(table)}" if table else text
    return dataclasses.field(default=default, metadata={"group": group, "help": told, "table": tuple(table)})


@dataclass(frozen=True)
class Recipe:
    """What to learn from, which model, how to train it; a word that is left out gets its default.

    Errors: RecipeError for a value that makes no sense, said when the recipe is made.
    """

    data: str = _word("digits", "data", "a known set, a .npy or .npz file, a folder of IDX files or of images")
    size: int | None = _word(None, "data", "images: crop the centre square and resize it to this many pixels")
    color: str = _word("auto", "data", "images: grey, rgb, or auto (grey if all are)")
    skip_unreadable: bool = _word(False, "data", "images: leave out those that cannot be read")
    validation: int | None = _word(None, "data", "data held out for the curves (default: 5,000, at most a tenth)")

    latent: int = _word(2, "model", "dimensions of z")
    prior: str = _word("normal", "model", "p(z)", PRIORS)
    likelihood: str = _word("bernoulli", "model", "p(x|z)", LIKELIHOODS)
    scale: float | None = _word(None, "model", "gaussian: σ, where white is 1 (default: 0.1); C = 1/(2σ²)")
    pixels: str | None = _word(None, "model", "bernoulli: zeros and ones drawn afresh (default), or grey values kept", PIXELS)
    posterior: str = _word("gaussian", "model", "q(z|x)", POSTERIORS)
    network: str = _word("mlp:512", "model", "mlp:WIDTH-… or conv:CHANNELS-…, the decoder's in reverse order")
    objective: str = _word("elbo", "model", "what is maximised", OBJECTIVES)
    kl: str = _word("closed", "model", "how the KL is computed", KLS)
    estimator: str = _word("pathwise", "model", "how gradients get past the sampling", ESTIMATORS)

    epochs: int = _word(20, "training", "passes over the training data")
    batch: int = _word(128, "training", "data a step")
    learning_rate: float = _word(1e-3, "training", "Adam's step size")
    seed: int = _word(0, "training", "decides the first weights, the order of the data and all noise")

    def __post_init__(self) -> None:
        _check_types(self)
        _check_likelihood_words(self)
        for field in dataclasses.fields(self):
            if field.metadata["table"] and getattr(self, field.name) is not None:
                _known(field.name, getattr(self, field.name), field.metadata["table"])
        for name in ("latent", "epochs", "batch", "size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} must be at least 1, not {value}")
            if value is not None and value > LARGEST:
                raise RecipeError(f"{name} must be at most {LARGEST:,}, not {value:,}")
        if self.validation is not None and self.validation < 0:
            raise RecipeError(f"validation must be 0 (none) or more, not {self.validation}")
        if not (0 < self.learning_rate < math.inf):
            raise RecipeError(f"learning-rate must be a positive number, not {self.learning_rate:g}")
        if not self.data or not _encodable(self.data):
            raise RecipeError(f"data must be a name or a path in Unicode, not {self.data!r}")
        if not (0 <= self.seed < 2**63):
            raise RecipeError(f"seed must be from 0 to 2^63 − 1, not {self.seed}")
        if self.scale is not None and not (0 < self.scale < LARGEST):
            raise RecipeError(f"scale, the σ of the likelihood, must be a positive number, not {self.scale:g}")
        _network(self.network)

    def words(self) -> dict[str, Any]:
        """Every word that has a value, in order."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def _check_types(recipe: Recipe) -> None:
    for field in dataclasses.fields(recipe):
        value, wanted = getattr(recipe, field.name), word_type(field)
        if value is not None and type(value) is not wanted and not (wanted is float and type(value) is int):
            raise RecipeError(f"{field.name} must be {wanted.__name__}, not {value!r}")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def merge(told: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Words of a file and words that were typed, which win; the file's words of another likelihood than theirs go."""
    merged = {**told, **typed}
    chosen = merged.get("likelihood", told.get("likelihood"))
    foreign = {word for name, row in LIKELIHOODS.items() if name != chosen for word in row.own}
    own = LIKELIHOODS[chosen].own if chosen in LIKELIHOODS else {}
    return {word: value for word, value in merged.items() if word in typed or word in own or word not in foreign}


def _check_likelihood_words(recipe: Recipe) -> None:
    """Fill in the words of the chosen likelihood; refuse those of the others rather than ignore them."""
    _known("likelihood", recipe.likelihood, LIKELIHOODS)
    for name, likelihood in LIKELIHOODS.items():
        for word, default in likelihood.own.items():
            if name == recipe.likelihood and getattr(recipe, word) is None:
                object.__setattr__(recipe, word, default)
            elif name != recipe.likelihood and getattr(recipe, word) is not None:
                raise RecipeError(f"{word} is a word of the {name} likelihood, and this is {recipe.likelihood}; leave it out")


def word_type(field: dataclasses.Field[Any]) -> type:
    """The type of a recipe's word, ``int`` for ``int | None``."""
    hint = typing.get_type_hints(Recipe)[field.name]
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next(option for option in options if option is not types.NoneType)


def read(path: str | Path) -> dict[str, Any]:
    """The words of a TOML file. Errors: RecipeError for what is unreadable, unknown or of the wrong type."""
    try:
        words = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # TOML's own errors are ValueErrors, as are numbers of too many digits
        raise RecipeError(f"{path} is no recipe (TOML): {error}") from error
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    for name, value in words.items():
        if name not in fields:
            raise RecipeError(f"{path}: unknown word '{name}'{nearest(name, fields)}")
        wanted = word_type(fields[name])
        if wanted is float and type(value) is int and abs(value) < 2**53:
            words[name] = float(value)
        elif type(value) is not wanted:
            raise RecipeError(f"{path}: {name} must be {wanted.__name__}, not {value!r}")
    return words


def to_toml(recipe: Recipe) -> str:
    """The recipe as the text of a TOML file that ``read`` takes back."""
    import tomli_w

    return "# lowerbound train --recipe THIS_FILE repeats the run\n\n" + tomli_w.dumps(recipe.words())


# --- from words to parts ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """What a recipe makes: the model, what is maximised, and how its gradient is estimated."""

    vae: VAE
    objective: Objective
    estimator: Estimator


def build(recipe: Recipe, event_shape: Sequence[int], unit_interval: bool = True) -> Parts:
    """The parts of ``recipe`` for data of ``event_shape``, with the first weights that its seed decides.

    ``unit_interval`` says that all values are in [0, 1], as pixels are; a Gaussian's mean is then
    kept there by a sigmoid. Errors: RecipeError where the words do not fit the data.
    """
    from torch import nn

    from lowerbound.model import VAE
    from lowerbound.seeding import seeded

    kind, widths = _network(recipe.network)
    likelihood, posterior = LIKELIHOODS[recipe.likelihood], POSTERIORS[recipe.posterior]()
    with seeded(recipe.seed, "weights"):
        encoder = kind.encoder(event_shape, widths, posterior.parameters_per_dimension * recipe.latent)
        decoder = kind.decoder(recipe.latent, widths, event_shape)
    if likelihood.squash and unit_interval:
        decoder = nn.Sequential(decoder, nn.Sigmoid())
    vae = VAE(PRIORS[recipe.prior](recipe), likelihood.make(recipe, decoder), posterior(encoder))
    return Parts(vae, OBJECTIVES[recipe.objective](recipe), ESTIMATORS[recipe.estimator]())
