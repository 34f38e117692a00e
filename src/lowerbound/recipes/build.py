"""From a recipe to parts: the model, what is maximised, how its gradient is estimated, for the data of a spec.

They are tried on two examples, so that what cannot be crossed is said before any training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from lowerbound.data import Dataset
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.operations import within
from lowerbound.errors import NoClosedForm, RecipeError
from lowerbound.nn import missing
from lowerbound.nn.log_counts import LogCounts
from lowerbound.nn.networks import expect, variance_preserving
from lowerbound.recipes import contexts, hierarchy, likelihoods, networks, posteriors, priors
from lowerbound.recipes.estimators import ESTIMATORS
from lowerbound.recipes.grammar import make
from lowerbound.recipes.likelihoods import Plan
from lowerbound.recipes.objectives import KLS, OBJECTIVES
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.semi_supervised import LABEL_ESTIMATORS, SEMI_SUPERVISED, Makers, OfLabels, Supervision
from lowerbound.system.arguments import one_of, whole
from lowerbound.system.seeding import seeded
from lowerbound.vae.contexts import Context
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.likelihoods import Columns, Likelihood, LocationScale
from lowerbound.vae.likelihoods.library import OfLibrary
from lowerbound.vae.likelihoods.scales import Optimal
from lowerbound.vae.loss import LossFunction, loss, of_rows
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import Contractive

DRAWS = 64  # of each distribution that are looked at to tell whether prior and posterior are over the same space


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


def build(recipe: Recipe, spec: DataSpec | Sequence[int]) -> Parts:
    """The parts of ``recipe`` for data of this spec: model, objective, estimator and loss, with the first weights that its seed decides.

    A shape alone is the spec of data between 0 and 1 without labels, none of them missing. The model is ``.vae``; ``lb.fit`` takes the
    others.
    Errors: RecipeError, with the reason, where the words do not fit the data or one another.

    >>> import torch
    >>> import lowerbound as lb
    >>> parts = lb.build(lb.Recipe(objective="iwae:5", estimator="doubly-reparameterized", network="mlp:16", latent=3), (1, 8, 8))
    >>> parts.objective.samples, parts.vae.latent, parts.vae.event_shape
    (5, 3, (1, 8, 8))
    >>> steps = list(lb.fit(parts.vae, torch.rand(100, 1, 8, 8), epochs=1, objective=parts.objective, estimator=parts.estimator))
    >>> lb.build(lb.Recipe(posterior="categorical", prior="categorical"), (1, 8, 8))
    Traceback (most recent call last):
        ...
    lowerbound.errors.RecipeError: OneHotCategorical cannot be reparameterized; choose another posterior, or an estimator without a path
    """
    if not isinstance(spec, DataSpec):
        shape: Sequence[int] = one_of("the shape of an example", spec, Sequence, "(1, 28, 28)")
        spec = DataSpec(tuple(whole("a side", side, 1) for side in shape))
    supervision = None if recipe.semi_supervised is None else make("semi-supervised", recipe.semi_supervised, SEMI_SUPERVISED)
    context = _context(recipe, supervision, spec)
    vae = _model(recipe, supervision, context, spec)
    parts = _crossed(recipe, vae, spec)
    return parts if supervision is None else _supervised(recipe, supervision, parts, spec)


def _context(recipe: Recipe, supervision: Supervision | None, spec: DataSpec) -> Context | None:
    if supervision is None:
        return None if recipe.given is None else contexts.context(recipe.given, spec)
    if len(spec.classes) < 2:
        raise RecipeError("these data have no labels of several classes; bring some with --labels FILE")
    return supervision.context(len(spec.classes))


# --- the model ---------------------------------------------------------------------------------------


def _model(recipe: Recipe, supervision: Supervision | None, context: Context | None, spec: DataSpec) -> Model:
    """Encoder, decoder and prior, in the order in which their first weights are drawn."""
    shape = context.shape if context else ()
    network, widths = networks.network(recipe.network)
    likelihood = likelihoods.likelihood(recipe.likelihood, spec, recipe.own_words)
    _must_fit(recipe, likelihood, spec)

    def encoder(features: int, context: tuple[int, ...] = ()) -> nn.Module:
        return _around(recipe, likelihood, spec, bool(context), lambda seen: network.encoder(seen, widths, features, context))

    def of_latents(latent: int) -> Likelihood:
        return likelihood.around(network.decoder(latent, widths, *likelihood.shape(spec.event_shape), ()))

    floor = recipe.sigma_floor or 0.0
    latent, around = sum(recipe.sizes), partial(_around, recipe, likelihood, spec, bool(shape))
    with seeded(recipe.seed, "weights"):
        if recipe.images:
            posterior, prior, decoder = hierarchy.top_down(
                spec.event_shape, widths, latent, recipe.images, floor, around, *likelihood.shape(spec.event_shape)
            )
            latent = int(prior().event_shape[0])  # not the channels, but all
        elif len(recipe.sizes) > 1:
            levels = hierarchy.Hierarchy(network, widths, recipe.sizes, shape, floor)
            posterior, prior = levels.parts(recipe.posterior, recipe.prior, around, spec)
            decoder = network.decoder(latent, levels.of_decoder(recipe.posterior), *likelihood.shape(spec.event_shape), shape)
            if recipe.posterior == hierarchy.LADDER:  # its stages are a network of many layers
                variance_preserving(nn.ModuleList([posterior, prior, decoder]))
        else:
            posterior = posteriors.made(recipe.posterior, latent, lambda features: encoder(features, shape), floor)
            decoder = network.decoder(latent, widths, *likelihood.shape(spec.event_shape), shape)
            prior = priors.prior(recipe.prior, latent, posterior, spec, shape, floor)
        if not list(prior.parameters()):  # the latents' scale stays what it is
            expect(decoder, prior().mean, prior().stddev)
        if supervision is None:
            return VAE(prior, likelihood.around(decoder), posterior, context)
        makers = Makers(encoder, of_latents, floor)
        return supervision.model(prior, likelihood.around(decoder), posterior, latent, len(spec.classes), makers)


def _around(recipe: Recipe, likelihood: Plan, spec: DataSpec, context: bool, network: Callable[[tuple[int, ...]], nn.Module]) -> nn.Module:
    """The encoder that ``network`` makes for a shape, as it sees the data, in training behind a corruption."""
    return networks.corrupted(recipe.corruption, _sighted(likelihood, spec, network), spec, context)


def _sighted(likelihood: Plan, spec: DataSpec, network: Callable[[tuple[int, ...]], nn.Module]) -> nn.Module:
    """The encoder that ``network`` makes for a shape, shown what there is of data of which some may be missing, and the logs of counts."""
    columns = likelihood.arguments.get("columns", spec.columns)
    if columns is not None:
        return missing.TableInput(network(missing.TableInput.shape(columns)), columns)
    holes = likelihood.arguments["holes"]
    shown = missing.MaskedInput(network(missing.MaskedInput.shape(spec.event_shape))) if holes else network(spec.event_shape)
    return LogCounts(shown, likelihood.arguments["steps"]) if issubclass(likelihood.kind, OfLibrary) else shown


def _must_fit(recipe: Recipe, likelihood: Plan, spec: DataSpec) -> None:
    """Errors: RecipeError for a likelihood that a table's columns cannot have, or that says nothing of data of which some are missing."""
    if spec.holes and isinstance(likelihood.arguments.get("scale"), Optimal):
        raise RecipeError("the optimal σ is that of whole data, and some values of these are missing; choose --scale learned")
    if spec.columns is None:
        return
    numbers = all(column.kind in ("number", "date") for column in spec.columns)
    if not (likelihood.kind is Columns or (numbers and issubclass(likelihood.kind, LocationScale))):
        kinds = ", ".join(sorted({column.kind for column in spec.columns}))
        raise RecipeError(
            f"a {recipe.likelihood} is no law of this table's columns ({kinds}); choose --likelihood columns, which --recipe miwae has"
        )
    if recipe.corruption is not None:
        raise RecipeError("a table's columns are of several kinds, and a corruption is of one; leave out --corruption")


# --- what is maximised, and how ----------------------------------------------------------------------


def _crossed(recipe: Recipe, vae: Model, spec: DataSpec) -> Parts:
    """The model with objective and estimator, after a trial on two examples: what cannot be crossed says so here."""
    estimator: Estimator = make("estimator", recipe.estimator, ESTIMATORS)
    choices = [recipe.kl] if recipe.kl else ["sampled"] if estimator.needs_log_posterior else ["closed", "sampled"]
    for kl in choices:
        objective: Objective = make("objective", recipe.objective, OBJECTIVES, kl=make("kl", kl, KLS))
        if isinstance(objective, Contractive) and vae.likelihood.holes:
            raise RecipeError("how far an encoder moves with data of which some are missing is not defined; choose another objective")
        parts = Parts(vae, objective, estimator, of_rows)
        try:
            with seeded(recipe.seed, "trial"), _at_rest(parts):
                _try(parts, spec)
            return parts
        except NoClosedForm:
            if kl == choices[-1]:
                raise
    raise AssertionError("there is always a choice")


def _try(parts: Parts, spec: DataSpec) -> None:
    """Errors: RecipeError where supports differ, or the loss of two examples cannot be had or is not finite."""
    x = torch.full((2, *spec.event_shape), 0.5)
    context = parts.vae.context
    vae = parts.vae if context is None else parts.vae.given(torch.zeros(2, *context.shape))
    prior, posterior = vae.prior(), vae.posterior(x)
    for law, other, name in ((prior, posterior, "prior"), (posterior, prior, "posterior")):
        if not within(other, law.sample(torch.Size([DRAWS]))):
            raise RecipeError(f"the {name} gives latents that the other law cannot; choose prior and posterior over the same space")
    if not bool(torch.isfinite(loss(vae, x, parts.objective, parts.estimator).value)):
        raise RecipeError("a posterior without a density has an infinite KL; choose the reconstruction objective")


def _supervised(recipe: Recipe, supervision: Supervision, parts: Parts, spec: DataSpec) -> Parts:
    """The same parts with the loss of partly labelled data, after a trial on two of them. Errors: RecipeError where it is not finite."""
    of_labels: OfLabels = make("label-estimator", recipe.label_estimator or "enumerated", LABEL_ESTIMATORS)
    parts = replace(parts, loss=supervision.loss(of_labels), of_labels=of_labels)
    two = Dataset(torch.full((2, *spec.event_shape), 0.5), torch.arange(2), spec.classes)
    with seeded(recipe.seed, "trial"), _at_rest(parts):
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
