"""A run and its data → one figure of it, to be drawn; table.py says which there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lowerbound.data import Dataset
from lowerbound.data.rows import some_of
from lowerbound.distributions.operations import over_all_of_space
from lowerbound.errors import DataError, UsageError
from lowerbound.evaluation import calibration as calibrating
from lowerbound.evaluation.bubbles import SHOWN as BUBBLES
from lowerbound.evaluation.bubbles import posterior_bubbles
from lowerbound.evaluation.evaluation import Evaluation
from lowerbound.evaluation.log_likelihood import log_likelihood
from lowerbound.figures import bubbles as bubble_plots
from lowerbound.figures.drawing import Drawing, Drawings
from lowerbound.figures.pictures import images
from lowerbound.figures.sheets import subscript
from lowerbound.runs.run import Run
from lowerbound.system.seeding import seeded
from lowerbound.tasks import classes as labels
from lowerbound.tasks import encode, generate
from lowerbound.vae.contexts import Label
from lowerbound.vae.posteriors import Categorical
from lowerbound.vae.priors import StandardNormal
from lowerbound.vae.semi_supervised import classifier_of

Array = npt.NDArray[Any]

charts, plots = Drawings("charts"), Drawings("images")

SHOWN = 64  # prior samples
PAIRS = 16  # reconstructions
POINTS = 10_000  # in the scatter, at most
DIMENSIONS = 15  # in a traversal, at most: those that vary most
SIDE = 20  # images in a row of the manifold
SCORED = 500  # examples whose log p(x) is estimated, at most, to find the extremes
DRAWS = 200  # of z per example
STYLES = 8  # latents, each a row of all classes
EXTREMES = 12  # images of the highest, and of the lowest log p(x)


@dataclass
class Context:
    """A run, the data of its figures (read only if a figure needs them), and a seed for random draws."""

    run: Run
    load: Callable[[], Dataset]
    seed: int = 0

    @cached_property
    def data(self) -> Dataset:
        """The data, read once."""
        return self.load().pictured


def samples(context: Context) -> Drawing:
    """Means of p(x|z) for draws of the prior; of a conditional model all classes in turn, or the contexts of evenly spread examples."""
    vae = context.run.vae
    vae = vae if vae.context is None else generate.given(vae, SHOWN, lambda: context.data, context.seed)
    with seeded(context.seed, "samples", device=vae.device):
        return plots.samples(images(vae.sample(SHOWN), context.run.spec))


def reconstructions(context: Context) -> Drawing:
    """Examples and their reconstructions."""
    data = context.data.view(torch.arange(min(PAIRS, len(context.data))))
    given, back = data[:], encode.reconstruct(context.run.vae, data)
    return plots.reconstructions(images(given, context.run.spec), images(back, context.run.spec))


def manifold(context: Context) -> Drawing:
    """Means of p(x|z) over the plane of a 2-D latent."""
    _must_be_of_no_context(context.run)
    _must_be_over_all_of_space(context.run)
    coordinates = generate.manifold_coordinates(SIDE).numpy()
    return plots.manifold(images(generate.manifold(context.run.vae, SIDE), context.run.spec), coordinates)


def scatter(context: Context) -> Drawing:
    """Posterior means, coloured by class; of more than two dimensions two principal components, of one example its first two."""
    data = context.data
    rows = torch.arange(min(len(data), POINTS))
    latents = encode.encode(context.run.vae, data.view(rows)).numpy()
    labels = None if data.labels is None else data.labels[rows].numpy()
    points, names = _plane(latents)
    rings = latents.shape[1] == 2 and isinstance(context.run.vae.prior, StandardNormal)
    return charts.scatter(points, labels, data.classes, names, rings=rings)


def _plane(latents: Array) -> tuple[Array, tuple[str, str]]:
    if latents.shape[1] == 1:
        return np.column_stack([latents[:, 0], np.zeros(len(latents))]), ("z₁", "")
    if latents.shape[1] == 2 or len(latents) < 2:  # one point has no principal components
        return latents[:, :2], ("z₁", "z₂")
    centred = latents - latents.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    share = s**2 / (s**2).sum()
    names = tuple(f"principal component {i + 1} of z ({share[i]:.0%} of its variance)" for i in range(2))
    return u[:, :2] * s[:2], (names[0], names[1])


def _traversal(context: Context, steps: int) -> tuple[Array, Array, list[str]]:
    """Images, values and names of the dimensions whose posterior mean varies most, in that order."""
    _must_be_of_no_context(context.run)
    _must_be_over_all_of_space(context.run)
    rows = torch.arange(min(len(context.data), POINTS))
    variance = encode.encode(context.run.vae, context.data.view(rows)).var(0)
    dims = variance.argsort(descending=True)[:DIMENSIONS]
    values = torch.linspace(-3, 3, steps)
    decoded = generate.traverse(context.run.vae, dims, values)
    names = [f"z{subscript(int(dim) + 1)}" for dim in dims]
    shown = images(decoded.flatten(0, 1), context.run.spec)
    return shown.reshape(*decoded.shape[:2], *shown.shape[1:]), values.numpy(), names


def _must_be_of_no_context(run: Run) -> None:
    if isinstance(run.vae.context, Label):
        raise UsageError("a run given labels decodes each z in another way for each class; plot styles")
    if is_conditional(run):
        raise UsageError(f"a run given {run.recipe.given} decodes each z in another way for each example; plot samples")


def _must_be_over_all_of_space(run: Run) -> None:
    if not over_all_of_space(run.vae.prior()):
        raise UsageError(f"latents of the prior {run.recipe.prior} cannot have any value, and this figure lays them all out; plot samples")


def traversal(context: Context) -> Drawing:
    """A latent traversal: each dimension moved alone, as an animation."""
    return plots.animation(*_traversal(context, steps=25))


def traversal_sheet(context: Context) -> Drawing:
    """A latent traversal: each dimension moved alone, a row per dimension."""
    return plots.traversal(*_traversal(context, steps=11))


def curves(context: Context) -> Drawing:
    """The bound and its parts against epochs."""
    return charts.curves(context.run.history())


def density(context: Context) -> Drawing:
    """log p(x) against the number of draws, and its histogram over examples, as last evaluated."""
    found = _evaluation(context.run)
    if found.log_p is None:
        raise UsageError("this posterior has no density, and so there is no log p(x) to plot")
    log_p, curve = found.log_p, found.log_p.curve
    draws, means, errors = (np.array([getattr(point, name) for point in curve]) for name in ("draws", "mean", "se"))
    counts, edges = np.array(log_p.counts), np.array(log_p.edges)
    return charts.density(draws, means, errors, log_p.mean, log_p.bound, log_p.samples, counts, edges, found.of)


def dimensions(context: Context) -> Drawing:
    """KL per dimension, as last evaluated."""
    found = _evaluation(context.run)
    if found.latents.kl_per_dimension is None:
        raise UsageError("the KL of this prior and posterior is not a sum over dimensions")
    return charts.dimensions(found.latents.kl_per_dimension.tolist(), found.latents.active.tolist())


def _evaluation(run: Run) -> Evaluation:
    found = run.evaluation()
    if found is None:
        raise UsageError(f"this run has not been evaluated; first: lowerbound evaluate {run.folder}")
    return found


def bubbles(context: Context) -> Drawing:
    """Posteriors with their spread, in the two dimensions of z whose means vary most."""
    data, vae = context.data.view(some_of(context.data, BUBBLES)), context.run.vae
    if isinstance(vae.posterior, Categorical):
        raise UsageError("a posterior over classes has no spread around its mean to plot; plot scatter")
    found, rings = posterior_bubbles(vae, data, context.seed), bubble_plots.has_rings(vae)
    labels, reach = None if data.labels is None else data.labels.numpy(), bubble_plots.reach([found], rings, whole=True)
    return bubble_plots.plot(found, labels, data.classes, rings, reach, title="Posteriors, each one standard deviation around its mean")


def scores(context: Context) -> Drawing:
    """The images of the highest and of the lowest log p(x)."""
    data = context.data.view(some_of(context.data, SCORED))
    images(data[:1], context.run.spec)  # before the work: vectors cannot be shown
    log_p = log_likelihood(context.run.vae, data, DRAWS, seed=context.seed).log_p
    order = log_p.argsort(descending=True)
    n = min(EXTREMES, max(1, len(order) // 2))
    most, least = order[:n], order[-n:].flip(0)
    likely, unlikely = images(data[most], context.run.spec), images(data[least], context.run.spec)
    return plots.extremes(likely, unlikely, log_p[most].tolist(), log_p[least].tolist())


def styles(context: Context) -> Drawing:
    """Decoded draws of the prior, one z per row, one class per column."""
    run = context.run
    with seeded(context.seed, "styles", device=run.vae.device):
        decoded = labels.styles(run.vae, labels.drawn_styles(run.vae, STYLES))
    return plots.styles(images(decoded.flatten(0, 1), run.spec), run.spec.classes)


def confusion(context: Context) -> Drawing:
    """The confusion matrix."""
    log_q, labels = _classified(context)
    return charts.confusion(calibrating.confusion(log_q, labels).numpy(), context.run.spec.classes)


def calibration(context: Context) -> Drawing:
    """The reliability diagram, as trained and with the temperature T."""
    log_q, labels = _classified(context)
    found = context.run.calibration()
    temperatures = {"as trained": 1.0} | ({f"T = {found.temperature:.3g}": found.temperature} if found.calibrated_on else {})
    ways = []
    for name, temperature in temperatures.items():
        bins = calibrating.reliability(calibrating.scaled(log_q, temperature), labels)
        table = torch.stack([bins.counts, bins.confidence, bins.accuracy]).numpy()
        ways.append((f"{name}: calibration error {bins.error:.1%}", table))
    return charts.reliability(ways)


def _classified(context: Context) -> tuple[torch.Tensor, torch.Tensor]:
    """log q(y|x) of the labelled examples, and their labels. Errors: UsageError for a run without classifier; DataError."""
    classifier_of(context.run.vae)
    data, known = context.data, context.data.known
    if not len(known):
        raise DataError("no label of these data is known; give data with labels")
    data = data.view(known)
    assert data.labels is not None
    return calibrating.log_probabilities(context.run.vae, data), data.labels


def is_conditional(run: Run) -> bool:
    """Whether its model is given something besides z."""
    return run.vae.context is not None
