"""Runs side by side: the scores of each on the same data, and one page with figures on the same axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Size, Tensor

from lowerbound.data import UNKNOWN, Dataset, Splits
from lowerbound.data.rows import some_of
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.evaluation import probes
from lowerbound.evaluation.bubbles import SHOWN, Bubbles, posterior_bubbles
from lowerbound.evaluation.evaluate import reconstruction_error
from lowerbound.evaluation.mean_bound import mean_bound
from lowerbound.figures import bubbles, pages, sheets
from lowerbound.figures.pictures import can_be_shown, images
from lowerbound.nn.mode import in_evaluation
from lowerbound.recipes.networks import corruption
from lowerbound.runs.run import Run
from lowerbound.system.seeding import seeded
from lowerbound.tasks import encode, generate
from lowerbound.vae.model import Model

DAMAGES = ("gaussian:0.3", "masking:0.3", "salt-and-pepper:0.1")
KNOWN = 10_000  # examples whose latents the probes are fitted to, at most
LINES, STEPS = 4, 9  # interpolations, at most, and images in each
SAMPLES = 40  # images decoded from draws of the prior
ACROSS = 10  # of them per row


@dataclass(frozen=True)
class Side:
    """A run among others: its name, its scores by their names (None where a score is not defined), and its posteriors."""

    name: str
    run: Run
    values: dict[str, Any]
    bubbles: Bubbles


def compare(runs: Mapping[str, Run], splits: Splits, seed: int = 0) -> list[Side]:
    """The scores of each of ``runs`` on the held-out examples of ``splits``; probes are fitted to latents of the training examples.

    Errors: DataError where a run is for data of another shape, or its likelihood does not suit these; UsageError for a
    conditional run.
    """
    if not len(splits.test):
        raise DataError("there are no held-out examples to compare runs on; give more data")
    for name, run in runs.items():
        if run.vae.context is not None:
            raise UsageError(
                f"{name} is given {run.recipe.given or 'labels'}, and how it decodes z depends on that; compare runs that are not"
            )
        if run.spec.holes:
            said = f"{name} is of a table, or of data with missing values, of which there is no such page"
            raise UsageError(f"{said}; see log p(x) of each: lowerbound evaluate {name}")
        if run.spec.event_shape != splits.test.event_shape:
            shapes = f"{run.spec.event_shape}, and these data are of shape {splits.test.event_shape}"
            raise DataError(f"{name} is for data of shape {shapes}; compare runs for data of one shape")
        run.vae.likelihood.check(splits.test.extremes)
    return [Side(name, run, _measured(run, splits, seed), _posteriors(run, splits.test, seed)) for name, run in runs.items()]


def _posteriors(run: Run, held_out: Dataset, seed: int) -> Bubbles:
    return posterior_bubbles(run.vae, held_out.view(some_of(held_out, SHOWN)), seed)


def _measured(run: Run, splits: Splits, seed: int) -> dict[str, Any]:
    found = mean_bound(run.vae, splits.test, objective=run.parts.objective, seed=seed)
    probed, accuracy = _probed(run.vae, splits, seed), _two_sample_accuracy(run.vae, splits.test, seed)
    return {
        "reconstruction_error": reconstruction_error(run.vae, splits.test),
        "robustness": {word: _robustness(run, word, splits.test, seed) for word in DAMAGES},
        **probed,
        "two_sample_accuracy": accuracy,
        "misplaced": probed["class_total_variation"],  # this and the next are the names of 0.1.0, still given for one version
        "told_apart": accuracy,
        "bound": found.bound,
        "bound_se": found.bound_se,
        "log_likelihood_term": found.log_likelihood_term,
        "kl": found.kl,
    }


def _robustness(run: Run, word: str, data: Dataset, seed: int) -> float | None:
    """The error of reconstructing clean examples from corrupted ones; None for a corruption that does not suit these data."""
    try:
        damage = corruption(word, run.spec)
    except RecipeError:
        return None
    with seeded(seed, "damage", device=run.vae.device):
        return reconstruction_error(run.vae, data, damage.corrupt)


def _probed(vae: Model, splits: Splits, seed: int) -> dict[str, float | None]:
    """How well latents predict classes, of examples whose labels are known; None where there are none."""
    known, test = (part.view(part.known) for part in (splits.train, splits.test))
    known = known.view(some_of(known, KNOWN))
    if not len(known) or not len(test):
        return dict.fromkeys(("nearest_neighbours", "linear_probe", "class_total_variation"))
    assert known.labels is not None
    assert test.labels is not None
    latents, held_out = encode.encode(vae, known), encode.encode(vae, test)
    return {
        "nearest_neighbours": probes.nearest_neighbours(latents, known.labels, held_out, test.labels),
        "linear_probe": probes.linear(latents, known.labels, held_out, test.labels),
        "class_total_variation": probes.class_total_variation(latents, known.labels, _prior(vae, KNOWN, seed).cpu()),
    }


def _two_sample_accuracy(vae: Model, held_out: Dataset, seed: int) -> float | None:
    if len(held_out) < 2:
        return None
    with seeded(seed, "latents", device=vae.device):
        drawn = encode.encode(vae, held_out.view(some_of(held_out, KNOWN)), draw=True)
    return probes.two_sample_accuracy(drawn, _prior(vae, len(drawn), seed).cpu())


@torch.no_grad()
def _prior(vae: Model, n: int, seed: int) -> Tensor:
    """Draws of the prior ``(n, d)``, the same for models whose priors are the same."""
    vae = in_evaluation(vae)
    with seeded(seed, "prior", device=vae.device):
        return vae.prior().sample(Size([n]))


# --- the table ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """A row of the table: its heading, a note, where its value is found and how many digits it has; shares are in percent."""

    heading: str
    note: str
    key: str
    digits: int
    factor: float = 1.0
    of: str | None = None

    def value(self, side: Side) -> float | None:
        """The number of this run as it is printed, or None."""
        found = side.values[self.key] if self.of is None else side.values[self.key][self.of]
        return None if found is None else self.factor * found


def _share(heading: str, note: str, key: str) -> Measure:
    return Measure(heading, note, key, 1, factor=100.0)


MEASURES = (
    Measure("reconstruction error", "mean squared error per value; lower is better", "reconstruction_error", 4),
    *(Measure(f"… from {word}", "of clean examples, reconstructed from corrupted ones", "robustness", 4, of=word) for word in DAMAGES),
    _share(
        "nearest neighbours, %",
        f"held-out classes predicted by the {probes.NEIGHBOURS} nearest training latents; higher is better",
        "nearest_neighbours",
    ),
    _share("linear probe, %", "held-out classes predicted by a logistic regression on latents", "linear_probe"),
    _share(
        "class total variation, %",
        "½ Σ over classes |share in draws of p(z) − share in the data|; lower is better",
        "class_total_variation",
    ),
    _share("two-sample accuracy, %", "nearest neighbours separating draws of q(z|x) from p(z); 50 is chance", "two_sample_accuracy"),
    Measure("bound, nats", "on log p(x); a Dirac posterior has none", "bound", 2),
    Measure("E[log p(x|z)], nats", "the reconstruction term", "log_likelihood_term", 2),
    Measure("KL(q(z|x) ‖ p(z)), nats", "the regularization term", "kl", 2),
)


def differing(sides: Sequence[Side]) -> dict[str, list[Any]]:
    """The words of the recipes that are not the same in all, each with the value of every run."""
    recipes = [side.run.recipe.words() for side in sides]
    names = dict.fromkeys(name for one in recipes for name in one)
    return {name: values for name in names if len(set(map(str, values := [one.get(name) for one in recipes]))) > 1}


# --- the page ----------------------------------------------------------------------------------------


def page(sides: Sequence[Side], splits: Splits, source: str, n: int = 10, seed: int = 0) -> bytes:
    """One self-contained page: the table, posteriors, all latents, and of images samples, ``n`` reconstructions, interpolations."""
    data = splits.test.view(some_of(splits.test, SHOWN))
    near, far = (bubbles.reach([side.bubbles for side in sides], _all_normal(sides), whole) for whole in (False, True))
    shown = splits.test.view(_shown(splits.test, n))
    of_images = can_be_shown(splits.test.event_shape)
    return pages.rendered(
        "compare.html",
        name=Path(source).name,
        sides=sides,
        rows=len(splits.test),
        posteriors=len(data),
        labelled=len(splits.test.known) > 0,
        seen=[side.name for side in sides if side.run.recipe.labels is not None],
        rings=_all_normal(sides),
        measures=MEASURES,
        differing=differing(sides),
        notes=list(dict.fromkeys(side.run.vae.likelihood.note for side in sides)),
        near=near,
        close=[_panel(side, data, near) for side in sides],
        wide=[_panel(side, data, far, points=True) for side in sides],
        samples=[_sheet(side, _decoded(side, seed), ACROSS) for side in sides] if of_images else [],
        reconstructions=_reconstructions(sides, shown) if of_images else [],
        lines=_lines(sides, shown) if of_images else [],
    )


def _all_normal(sides: Sequence[Side]) -> bool:
    return all(bubbles.has_rings(side.run.vae) for side in sides)


def _panel(side: Side, data: Dataset, reach: float, points: bool = False) -> str:
    labels = None if data.labels is None else data.labels.numpy()
    figure = bubbles.plot(side.bubbles, labels, data.classes, bubbles.has_rings(side.run.vae), reach, points)
    return pages.embedded(sheets.small_png(figure.content()))


def _sheet(side: Side, values: Tensor, columns: int) -> str:
    return pages.embedded(sheets.small_png(sheets.sheet_png(images(values, side.run.spec), columns)))


def _decoded(side: Side, seed: int) -> Tensor:
    return encode.decode(side.run.vae, _prior(side.run.vae, SAMPLES, seed)).reshape(-1, *side.run.spec.event_shape)


def _shown(data: Dataset, n: int) -> Tensor:
    """Rows to show: of labelled data one of each class in turn, those of unknown class last; else evenly spread ones."""
    if data.labels is None or not len(data.known):
        return some_of(data, n)
    labels = data.labels.numpy()
    turn = np.zeros(len(labels), int)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum()) + (len(labels) if label == UNKNOWN else 0)
    return torch.from_numpy(np.lexsort((labels, turn))[:n])


def _reconstructions(sides: Sequence[Side], shown: Dataset) -> list[tuple[str, str]]:
    back = [(side.name, _sheet(side, encode.reconstruct(side.run.vae, shown[:]).reshape(shown[:].shape), len(shown))) for side in sides]
    return [("given", _sheet(sides[0], shown[:], len(shown))), *back]


def _lines(sides: Sequence[Side], shown: Dataset) -> list[list[tuple[str, str]]]:
    """For each pair of examples the straight line between their latents, decoded by each run."""
    pairs = list(zip(shown[:][::2], shown[:][1::2], strict=False))[:LINES]
    return [[(side.name, _sheet(side, _line(side.run, torch.stack(pair)), STEPS)) for side in sides] for pair in pairs]


def _line(run: Run, ends: Tensor) -> Tensor:
    first, last = run.vae.encode(ends.to(run.vae.device))
    return generate.interpolate(run.vae, first, last, STEPS).reshape(STEPS, *run.spec.event_shape)
