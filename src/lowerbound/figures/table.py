"""The table of a run's figures: which there are, whether each suits a run, and how a report presents it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lowerbound.distributions.operations import over_all_of_space
from lowerbound.errors import OutputError
from lowerbound.evaluation.evaluation import Evaluation
from lowerbound.figures.drawing import Drawing
from lowerbound.figures.of_run import (
    SCORED,
    Context,
    bubbles,
    calibration,
    confusion,
    curves,
    density,
    dimensions,
    is_conditional,
    manifold,
    reconstructions,
    samples,
    scatter,
    scores,
    styles,
    traversal,
    traversal_sheet,
)
from lowerbound.figures.pictures import can_be_shown
from lowerbound.runs.run import Run
from lowerbound.system.files import written
from lowerbound.vae.contexts import Label


@dataclass(frozen=True)
class Row:
    """A figure: the file types that it can have, the default first; whether it suits a run; how a report presents it."""

    kinds: dict[str, Callable[[Context], Drawing]]
    suits: Callable[[Run], bool]
    heading: str
    caption: str
    square: bool = False


def _of_images(run: Run) -> bool:
    return can_be_shown(run.spec.event_shape)


def _evaluated(run: Run, what: Callable[[Evaluation], object]) -> bool:
    found = run.evaluation()
    return found is not None and what(found) is not None


FIGURES = {
    "curves": Row(
        {".png": curves},
        lambda run: bool(run.history()),
        "Training",
        "The bound, the reconstruction term E[log p(x|z)] and the KL. Held-out examples are scored at the end of each epoch, "
        "training examples while the weights still change. A held-out curve that falls while the other rises shows over-fitting.",
    ),
    "manifold": Row(
        {".png": manifold},
        lambda run: _of_images(run) and run.vae.latent == 2 and not is_conditional(run) and over_all_of_space(run.vae.prior()),
        "Latent plane",
        "Each tile is the mean of p(x|z) at one point of the plane. The points are quantiles of the prior, so that "
        "each tile has the same probability under the model.",
        square=True,
    ),
    "scatter": Row(
        {".png": scatter},
        lambda _: True,
        "Latents",
        "The posterior mean of each test example, its values not binarized. Colours are classes; where the "
        "model was given no labels, they show what it found by itself.",
        square=True,
    ),
    "reconstructions": Row(
        {".png": reconstructions},
        _of_images,
        "Reconstructions",
        "Test examples above, and below each the mean of p(x|z) at the mean of q(z|x): what passes through the latent.",
    ),
    "samples": Row(
        {".png": samples},
        _of_images,
        "Samples",
        "New examples: z drawn from the prior, then the mean of p(x|z). A conditional model is given its context: a class, or its part of "
        "test examples.",
        square=True,
    ),
    "styles": Row(
        {".png": styles},
        lambda run: _of_images(run) and isinstance(run.vae.context, Label),
        "Styles and classes",
        "Each row is one z drawn from the prior, each column a class: what z encodes besides the class is the same along a row.",
    ),
    "traversal": Row(
        {".gif": traversal, ".png": traversal_sheet},
        lambda run: _of_images(run) and run.vae.latent != 2 and not is_conditional(run) and over_all_of_space(run.vae.prior()),
        "Latent traversal",
        "Each picture moves one latent dimension from −3 to 3 with the others at 0. The dimensions whose posterior mean "
        "varies most come first; one that changes nothing is not used by the model.",
    ),
    "density": Row(
        {".png": density},
        lambda run: _evaluated(run, lambda found: found.log_p),
        "log p(x)",
        "Left, the estimate from K draws of q(z|x) alone: too low for few, and for any number where q misses a part of p(z|x). "
        "The dashed line is the estimate by all draws. Right, its histogram over examples.",
    ),
    "dimensions": Row(
        {".png": dimensions},
        lambda run: _evaluated(run, lambda found: found.latents.kl_per_dimension),
        "KL per dimension",
        "A dimension near 0 is not used: its posterior is the prior. Active are those whose posterior mean has a variance "
        "over examples above .01.",
    ),
    "confusion": Row(
        {".png": confusion},
        lambda run: _evaluated(run, lambda found: found.classifier),
        "Confusion matrix",
        "How many test examples of the class of each row were predicted to be of that of each column. Correct predictions are grey; the "
        "colour of an error is its share of the row.",
        square=True,
    ),
    "calibration": Row(
        {".png": calibration},
        lambda run: _evaluated(run, lambda found: found.classifier),
        "Reliability diagram",
        "Accuracy of test examples against confidence, the probability of the predicted class: a model is calibrated if the two are equal. "
        "The temperature T was learned from validation labels; it changes the confidence and not the predicted class.",
        square=True,
    ),
    "bubbles": Row({".png": bubbles}, lambda _: False, "Posteriors", "Each q(z|x), one standard deviation around its mean."),
    "scores": Row(
        {".png": scores},
        lambda _: False,
        "Most and least likely",
        f"Of {SCORED} examples, those of the highest and of the lowest log p(x).",
    ),
}


def usual_name(name: str) -> str:
    """The file name of a figure, e.g. ``traversal.gif``."""
    return name + next(iter(FIGURES[name].kinds))


def drawing(name: str, context: Context, path: Path) -> Drawing:
    """The figure ``name`` as a file of this name will have it. Errors: OutputError for a file type that it cannot have."""
    kinds = FIGURES[name].kinds
    if path.suffix not in kinds:
        raise OutputError(f"{name} is written as {' or '.join(kinds)}, not '{path.suffix}'; choose such a file name")
    return kinds[path.suffix](context)


def plot(name: str, context: Context, path: Path) -> Path:
    """Write the figure ``name`` to ``path``. Errors: OutputError for a file type that it cannot have."""
    content = drawing(name, context, path).content()
    with written(path) as file:
        file.write(content)
    return path


def suitable(run: Run) -> list[str]:
    """The names of the figures in a run's report: the manifold for 2-D latents, the traversal for others."""
    return [name for name, row in FIGURES.items() if row.suits(run)]
