"""From a recipe's words to parts: the model, what is maximised, how its gradient is estimated.

They are tried on two data, so that what cannot be crossed is said before any training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

from lowerbound.data import Dataset, Schema
from lowerbound.distributions.operations import within
from lowerbound.errors import NoClosedForm, RecipeError
from lowerbound.nn import missing
from lowerbound.nn.networks import expect
from lowerbound.recipes import words
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.words import (
    ESTIMATORS,
    KLS,
    LABEL_ESTIMATORS,
    OBJECTIVES,
    POSTERIORS,
    PRIORS,
    SEMI_SUPERVISED,
    Facts,
    OfLabels,
    Supervision,
)
from lowerbound.system.seeding import seeded
from lowerbound.vae.contexts import Context
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.likelihoods import Columns, Likelihood, LocationScale
from lowerbound.vae.likelihoods.scales import Optimal
from lowerbound.vae.loss import LossFunction, loss, of_rows
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import Contractive

DRAWS = 64  # of each law that are looked at to tell whether prior and posterior are over the same space


@dataclass(frozen=True)
class Parts:
    """What a recipe makes: the model, what is maximised, how its gradient is estimated, and the loss of a step, which has them all."""

    vae: Model
    objective: Objective
    estimator: Estimator
    loss: LossFunction
    of_labels: OfLabels | None = None

    @property
    def estimators(self) -> nn.Module:
        """Of the latents, and of labels where there is one: what they remember is a part of a training."""
        return self.estimator if self.of_labels is None else nn.ModuleList([self.estimator, self.of_labels.estimator])


def build(
    recipe: Recipe,
    event_shape: Sequence[int],
    unit_interval: bool = True,
    classes: int = 0,
    holes: bool = False,
    schema: Schema | None = None,
) -> Parts:
    """The parts of ``recipe`` for data of ``event_shape``, with the first weights that its seed decides.

    ``unit_interval`` says that all values are in [0, 1], as pixels are; the mean of a Gaussian and its kin is then
    kept there by a sigmoid. ``classes`` is the number of classes of their labels, where they have some. With
    ``holes`` some values are missing, and ``schema`` says what the columns of a table are.
    Errors: RecipeError, with the reason, where the words do not fit the data or one another.
    """
    supervision = None if recipe.semi_supervised is None else words.call("semi-supervised", recipe.semi_supervised, SEMI_SUPERVISED)
    context = _context(recipe, supervision, event_shape, classes)
    shape = context.shape if context else ()
    facts = Facts(tuple(event_shape), recipe.latent, unit_interval, shape, None if schema is None else schema.modelled)
    kind, widths = words.network(recipe.network)
    likelihood = words.likelihood(recipe.likelihood, nn.Identity(), facts, recipe.own_words)
    likelihood.holes = likelihood.holes or holes
    _must_take_columns(recipe, likelihood, facts)
    with seeded(recipe.seed, "weights"):

        def encoder(features: int, context: tuple[int, ...] = ()) -> nn.Module:
            made = _sighted(likelihood, facts, lambda seen: kind.encoder(seen, widths, features, context))
            return words.corrupted(recipe.corruption, made, replace(facts, context=context))

        posterior_kind = words.call("posterior", recipe.posterior, POSTERIORS)
        posterior = posterior_kind.of(encoder(posterior_kind.features(recipe.latent), shape), recipe.latent)
        likelihood.network = kind.decoder(recipe.latent, widths, *likelihood.decoded(event_shape), shape)  # now that they are counted
        prior = words.call("prior", recipe.prior, PRIORS, facts, posterior)
        if not list(prior.parameters()):  # the latents' scale stays what it is
            expect(likelihood.network, prior().mean, prior().stddev)
        if supervision is None:
            return _crossed(recipe, VAE(prior, likelihood, posterior, context), facts)
        vae = supervision.model(prior, likelihood, posterior, recipe.latent, classes, encoder)
        return _supervised(recipe, supervision, _crossed(recipe, vae, facts), facts, classes)


def _sighted(likelihood: Likelihood, facts: Facts, network: Callable[[tuple[int, ...]], nn.Module]) -> nn.Module:
    """The encoder that ``network`` makes for a shape, shown what there is of data that may have holes."""
    columns = likelihood.columns if isinstance(likelihood, Columns) else facts.columns
    if columns is not None:
        return missing.TableInput(network(missing.TableInput.shape(columns)), columns)
    return missing.MaskedInput(network(missing.MaskedInput.shape(facts.event))) if likelihood.holes else network(facts.event)


def _must_take_columns(recipe: Recipe, likelihood: Likelihood, facts: Facts) -> None:
    """Errors: RecipeError for a likelihood that a table's columns cannot have, or that says nothing of data with holes."""
    if likelihood.holes and isinstance(likelihood, LocationScale) and isinstance(likelihood.scale, Optimal):
        raise RecipeError("the optimal σ is that of whole data, and some values of these are missing; choose --scale learned")
    if facts.columns is None:
        return
    numbers = all(column.kind in ("number", "date") for column in facts.columns)
    if not (isinstance(likelihood, Columns) or (numbers and isinstance(likelihood, LocationScale))):
        kinds = ", ".join(sorted({column.kind for column in facts.columns}))
        raise RecipeError(
            f"a {recipe.likelihood} is no law of this table's columns ({kinds}); choose --likelihood columns, which --recipe miwae has"
        )
    if recipe.corruption is not None:
        raise RecipeError("a table's columns are of several kinds, and a corruption is of one; leave out --corruption")


def _context(recipe: Recipe, supervision: Supervision | None, event_shape: Sequence[int], classes: int) -> Context | None:
    if supervision is None:
        return None if recipe.given is None else words.context(recipe.given, event_shape, classes)
    if classes < 2:
        raise RecipeError("these data have no labels of several classes; bring some with --labels FILE")
    return supervision.context(classes)


def _supervised(recipe: Recipe, supervision: Supervision, parts: Parts, facts: Facts, classes: int) -> Parts:
    """The same parts with the loss of partly labelled data, after a trial on two of them. Errors: RecipeError where it is not finite."""
    of_labels = words.call("label-estimator", recipe.label_estimator or "enumerated", LABEL_ESTIMATORS)
    parts = replace(parts, loss=supervision.loss(of_labels), of_labels=of_labels)
    two = Dataset(torch.full((2, *facts.event), 0.5), torch.arange(2), tuple(map(str, range(classes))))
    with _at_rest(parts):
        found = parts.loss(parts.vae, two, torch.arange(2), parts.objective, parts.estimator)
    if not bool(torch.isfinite(found.value)):
        raise RecipeError(f"{recipe.semi_supervised} has a loss that is not finite from the start; choose smaller weights")
    return parts


@contextmanager
def _at_rest(parts: Parts) -> Iterator[None]:
    """Within the block nothing is in training, so that a trial leaves no trace."""
    parts.vae.eval(), parts.estimators.eval()
    try:
        yield
    finally:
        parts.vae.train(), parts.estimators.train()


def _crossed(recipe: Recipe, vae: Model, facts: Facts) -> Parts:
    """The model with objective and estimator, after a trial on two data: what cannot be crossed says so here."""
    estimator = words.call("estimator", recipe.estimator, ESTIMATORS)
    choices = [recipe.kl] if recipe.kl else ["sampled"] if estimator.needs_log_posterior else ["closed", "sampled"]
    for kl in choices:
        objective = words.call("objective", recipe.objective, OBJECTIVES, KLS[kl]())
        if isinstance(objective, Contractive) and vae.likelihood.holes:
            raise RecipeError("how far an encoder moves with data of which some are missing is not defined; choose another objective")
        parts = Parts(vae, objective, estimator, of_rows)
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
    x = torch.full((2, *facts.event), 0.5)
    vae = parts.vae.given(torch.zeros(2, *facts.context)) if facts.context else parts.vae
    prior, posterior = vae.prior(), vae.posterior(x)
    for law, other, name in ((prior, posterior, "prior"), (posterior, prior, "posterior")):
        if not within(other, law.sample(torch.Size([DRAWS]))):
            raise RecipeError(f"the {name} gives latents that the other law cannot; choose prior and posterior over the same space")
    if not bool(torch.isfinite(loss(vae, x, parts.objective, parts.estimator).value)):
        raise RecipeError("a posterior without a density has an infinite KL; choose the reconstruction objective")
