"""A recipe: everything that decides what a run does, as flat words.

The fields, in their order, are the keys of ``recipe.toml`` and the options of ``lowerbound train``; what each
word makes is said in ``words``, and ``zoo`` has recipes by the names under which models are known.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowerbound import words
from lowerbound.errors import NoClosedForm, RecipeError, nearest
from lowerbound.words import (
    CONTEXTS,
    CORRUPTIONS,
    ESTIMATORS,
    KLS,
    LABEL_ESTIMATORS,
    LIKELIHOODS,
    OBJECTIVES,
    PIXELS,
    POSTERIORS,
    PRIORS,
    SCALES,
    SEMI_SUPERVISED,
    Facts,
    OfLabels,
    Supervision,
)
from lowerbound.zoo import ZOO

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.contexts import Context
    from lowerbound.estimators import Estimator
    from lowerbound.loss import LossFunction
    from lowerbound.model import VAE
    from lowerbound.objectives import Objective


DRAWS = 64  # of each law that are looked at to tell whether prior and posterior are over the same space
LARGEST = 1_000_000  # for every whole number of a recipe but the seed: more is a slip of the finger

# --- the recipe ------------------------------------------------------------------------------------


def _word(default: Any, group: str, text: str, table: Iterable[str] = ()) -> Any:
    told = f"{text}: {', '.join(table)}" if table else text
    return dataclasses.field(default=default, metadata={"group": group, "help": told, "table": table})


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

    labels: str | int | None = _word(None, "data", "semi-supervised: how many training data keep theirs, or a file of labels")

    given: str | None = _word(None, "model", "what all three laws are given besides, c", CONTEXTS)
    latent: int = _word(2, "model", "dimensions of z")
    prior: str = _word("normal", "model", "p(z), or p(z|c)", PRIORS)
    likelihood: str = _word("bernoulli", "model", "p(x|z)", LIKELIHOODS)
    scale: str | float | None = _word(None, "model", "gaussian and its kin: σ, where white is 1 (default: 0.1), or whence", SCALES)
    pixels: str | None = _word(None, "model", "bernoulli: zeros and ones drawn afresh (default), or grey values kept", PIXELS)
    posterior: str = _word("gaussian", "model", "q(z|x)", POSTERIORS)
    network: str = _word("mlp:512", "model", "mlp:WIDTH-… or conv:CHANNELS-… (the decoder's in reverse order), or linear")
    corruption: str | None = _word(None, "model", "in training the encoder sees x damaged (default: as it is)", CORRUPTIONS)
    semi_supervised: str | None = _word(None, "model", "how the labels of some of the data come in", SEMI_SUPERVISED)
    label_estimator: str | None = _word(None, "model", "how gradients get past an unknown label (default: enumerated)", LABEL_ESTIMATORS)
    objective: str = _word("elbo", "model", "what is maximised", OBJECTIVES)
    kl: str | None = _word(None, "model", "how the KL is computed (default: closed where it can be)", KLS)
    estimator: str = _word("pathwise", "model", "how gradients get past the sampling", ESTIMATORS)

    epochs: int = _word(20, "training", "passes over the training data")
    batch: int = _word(128, "training", "data a step")
    learning_rate: float = _word(1e-3, "training", "Adam's step size")
    seed: int = _word(0, "training", "decides the first weights, the order of the data and all noise")

    def __post_init__(self) -> None:
        if isinstance(self.scale, (int, float)):
            object.__setattr__(self, "scale", repr(float(self.scale)))
        if type(self.labels) is int:
            object.__setattr__(self, "labels", str(self.labels))
        _check_types(self)
        _check_likelihood_words(self)
        for field in dataclasses.fields(self):
            told = getattr(self, field.name)
            if field.metadata["table"] and told is not None and not _is_number(told):
                words.known(field.name, told.partition(":")[0], field.metadata["table"])
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
        if self.scale is not None and _is_number(self.scale) and not (0 < float(self.scale) < LARGEST):
            raise RecipeError(f"scale, the σ of the likelihood, must be a positive number, not {self.scale}")
        words.network(self.network)
        _check_semi_supervised(self)

    @property
    def labels_kept(self) -> int | None:
        """How many labels are kept; None where a file says which, or there is nothing to keep."""
        try:
            return int(self.labels or "")
        except ValueError:
            return None

    def words(self) -> dict[str, Any]:
        """Every word that has a value, in order."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def _check_types(recipe: Recipe) -> None:
    for field in dataclasses.fields(recipe):
        value, wanted = getattr(recipe, field.name), word_type(field)
        if value is not None and type(value) is not wanted and not (wanted is float and type(value) is int):
            raise RecipeError(f"{field.name} must be {wanted.__name__}, not {value!r}")


def _check_semi_supervised(recipe: Recipe) -> None:
    """Errors: RecipeError for labels that nothing is done with, or too little told of what is to be done with them."""
    if recipe.semi_supervised is None:
        for word in ("labels", "label_estimator"):
            if getattr(recipe, word) is not None:
                raise RecipeError(
                    f"{word.replace('_', '-')} is a word of semi-supervised models; choose --semi-supervised m2, or leave it out"
                )
        return
    supervision = words.call("semi-supervised", recipe.semi_supervised, SEMI_SUPERVISED)
    if recipe.labels is None:
        raise RecipeError("a semi-supervised model wants to know the labels of some data; give --labels N, or a file of them")
    if recipe.labels_kept is not None and not 1 <= recipe.labels_kept <= LARGEST:
        raise RecipeError(f"labels must be from 1 to {LARGEST:,}, or a file, not {recipe.labels}")
    if recipe.given is not None:
        raise RecipeError("a semi-supervised model has its own way with labels; leave out --given")
    if recipe.label_estimator is not None and not supervision.samples_labels:
        raise RecipeError(f"{recipe.semi_supervised} has no unknown label to get past; leave out --label-estimator")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def _own(likelihood: str | None) -> Mapping[str, Any]:
    """The recipe's words that only this likelihood has, with their defaults."""
    row = LIKELIHOODS.get((likelihood or "").partition(":")[0])
    return row.own if row else {}


def _foreign(likelihood: str | None) -> set[str]:
    """The recipe's words that only other likelihoods have."""
    return {word for row in LIKELIHOODS.values() for word in row.own} - _own(likelihood).keys()


def merge(told: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Words of a file and words that were typed, which win; the file's words of another likelihood than theirs go."""
    merged = {**told, **typed}
    foreign = _foreign(merged.get("likelihood"))
    return {word: value for word, value in merged.items() if word in typed or word not in foreign}


def _check_likelihood_words(recipe: Recipe) -> None:
    """Fill in the words of the chosen likelihood; refuse those of the others rather than ignore them."""
    words.known("likelihood", recipe.likelihood.partition(":")[0], LIKELIHOODS)
    for word in _foreign(recipe.likelihood):
        if getattr(recipe, word) is not None:
            whose = ", ".join(name for name, row in LIKELIHOODS.items() if word in row.own)
            raise RecipeError(f"{word} is a word of {whose}, and this likelihood is {recipe.likelihood}; leave it out")
    for word, default in _own(recipe.likelihood).items():
        if getattr(recipe, word) is None:
            object.__setattr__(recipe, word, default)


def word_type(field: dataclasses.Field[Any]) -> type:
    """The type of a recipe's word, ``int`` for ``int | None``."""
    hint = typing.get_type_hints(Recipe)[field.name]
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next(option for option in options if option is not types.NoneType)


def read(path: str | Path) -> dict[str, Any]:
    """The words of a TOML file, or of a recipe of the zoo by its name. Errors: RecipeError for what is unreadable or unknown."""
    if str(path) in ZOO:
        return dict(ZOO[str(path)].words)
    try:
        told = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"no file and no recipe is called {path}{nearest(str(path), ZOO)} ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # TOML's own errors are ValueErrors, as are numbers of too many digits
        raise RecipeError(f"{path} is no recipe (TOML): {error}") from error
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    for name, value in told.items():
        if name not in fields:
            raise RecipeError(f"{path}: unknown word '{name}'{nearest(name, fields)}")
        wanted = word_type(fields[name])
        if wanted is float and type(value) is int and abs(value) < 2**53:
            told[name] = float(value)
        elif wanted is str and type(value) in (int, float):  # scale = 0.1
            told[name] = str(value)
        elif type(value) is not wanted:
            raise RecipeError(f"{path}: {name} must be {wanted.__name__}, not {value!r}")
    return told


def to_toml(recipe: Recipe) -> str:
    """The recipe as the text of a TOML file that ``read`` takes back."""
    import tomli_w

    return "# lowerbound train --recipe THIS_FILE repeats the run\n\n" + tomli_w.dumps(recipe.words())


# --- from words to parts ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """What a recipe makes: the model, what is maximised, how its gradient is estimated, and the loss of a step, which has them all."""

    vae: VAE
    objective: Objective
    estimator: Estimator
    loss: LossFunction
    of_labels: OfLabels | None = None

    @property
    def estimators(self) -> nn.Module:
        """Of the latents, and of labels where there is one: what they remember is a part of a training."""
        from torch import nn

        return self.estimator if self.of_labels is None else nn.ModuleList([self.estimator, self.of_labels.estimator])


def build(recipe: Recipe, event_shape: Sequence[int], unit_interval: bool = True, classes: int = 0) -> Parts:
    """The parts of ``recipe`` for data of ``event_shape``, with the first weights that its seed decides.

    ``unit_interval`` says that all values are in [0, 1], as pixels are; the mean of a Gaussian and its kin is then
    kept there by a sigmoid. ``classes`` is the number of classes of their labels, where they have some.
    Errors: RecipeError, with the reason, where the words do not fit the data or one another.
    """
    from torch import nn

    from lowerbound.model import VAE
    from lowerbound.seeding import seeded

    supervision = None if recipe.semi_supervised is None else words.call("semi-supervised", recipe.semi_supervised, SEMI_SUPERVISED)
    context = _context(recipe, supervision, classes)
    shape = context.shape if context else ()
    facts = Facts(tuple(event_shape), recipe.latent, unit_interval, shape)
    own = {word: getattr(recipe, word) for word in _own(recipe.likelihood)}
    kind, widths = words.network(recipe.network)
    with seeded(recipe.seed, "weights"):

        def encoder(features: int, context: tuple[int, ...] = ()) -> nn.Module:
            return words.corrupted(recipe.corruption, kind.encoder(event_shape, widths, features, context), replace(facts, context=context))

        posterior_kind = words.call("posterior", recipe.posterior, POSTERIORS)
        posterior = posterior_kind.of(encoder(posterior_kind.features(recipe.latent), shape), recipe.latent)
        likelihood = words.likelihood(recipe.likelihood, nn.Identity(), facts, own)
        likelihood.network = kind.decoder(recipe.latent, widths, event_shape, likelihood.outputs, shape)  # now that they are counted
        prior = words.call("prior", recipe.prior, PRIORS, facts, posterior)
        if supervision is None:
            return _crossed(recipe, VAE(prior, likelihood, posterior, context), facts)
        vae = supervision.model(prior, likelihood, posterior, recipe.latent, classes, encoder)
    return _supervised(recipe, supervision, _crossed(recipe, vae, facts), facts, classes)


def _context(recipe: Recipe, supervision: Supervision | None, classes: int) -> Context | None:
    if supervision is None:
        return None if recipe.given is None else words.call("context", recipe.given, CONTEXTS, classes)
    if classes < 2:
        raise RecipeError("these data have no labels of several classes; bring some with --labels FILE")
    return supervision.context(classes)


def _supervised(recipe: Recipe, supervision: Supervision, parts: Parts, facts: Facts, classes: int) -> Parts:
    """The same parts with the loss of partly labelled data, after a trial on two of them."""
    import torch

    from lowerbound.data import Dataset

    of_labels = words.call("label-estimator", recipe.label_estimator or "enumerated", LABEL_ESTIMATORS)
    parts = replace(parts, loss=supervision.loss(of_labels), of_labels=of_labels)
    two = Dataset(torch.full((2, *facts.event), 0.5), torch.arange(2), tuple(map(str, range(classes))))
    with _at_rest(parts):
        parts.loss(parts.vae, two, torch.arange(2), parts.objective, parts.estimator)
    return parts


@contextmanager
def _at_rest(parts: Parts) -> Iterator[None]:
    """Within the block nothing is in training, so that a trial leaves no trace."""
    parts.vae.eval(), parts.estimators.eval()
    yield
    parts.vae.train(), parts.estimators.train()


def _crossed(recipe: Recipe, vae: VAE, facts: Facts) -> Parts:
    """The model with objective and estimator, after a trial on two data: what cannot be crossed says so here."""
    from lowerbound.loss import of_rows

    estimator = words.call("estimator", recipe.estimator, ESTIMATORS)
    choices = [recipe.kl] if recipe.kl else ["sampled"] if estimator.needs_log_posterior else ["closed", "sampled"]
    for kl in choices:
        parts = Parts(vae, words.call("objective", recipe.objective, OBJECTIVES, KLS[kl]()), estimator, of_rows)
        try:
            with _at_rest(parts):
                _try(parts, facts)
            return parts
        except NoClosedForm:
            if kl == choices[-1]:
                raise
    raise AssertionError("there is always a choice")


def _try(parts: Parts, facts: Facts) -> None:
    """Errors: RecipeError where supports differ, or the loss of two data cannot be had or is not finite."""
    import torch

    from lowerbound.distributions import within
    from lowerbound.loss import loss

    x = torch.full((2, *facts.event), 0.5)
    vae = parts.vae.given(torch.zeros(2, *facts.context)) if facts.context else parts.vae
    prior, posterior = vae.prior(), vae.posterior(x)
    for law, other, name in ((prior, posterior, "prior"), (posterior, prior, "posterior")):
        if not within(other, law.sample(torch.Size([DRAWS]))):
            raise RecipeError(f"the {name} gives latents that the other law cannot; choose prior and posterior over the same space")
    if not bool(torch.isfinite(loss(vae, x, parts.objective, parts.estimator).value)):
        raise RecipeError("a posterior without a density has an infinite KL; choose the reconstruction objective")
