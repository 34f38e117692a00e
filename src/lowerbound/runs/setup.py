"""Before a first step: the data are read, the parts of a recipe are made, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch.optim.swa_utils import AveragedModel

from lowerbound import data
from lowerbound.data import Dataset, DataSpec, labels
from lowerbound.data.rows import LOOKED_AT as LOOK
from lowerbound.data.rows import some_of
from lowerbound.data.streams.blocks import streamed
from lowerbound.data.streams.on_disk import stays
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.recipes.build import Parts, build
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run as runs
from lowerbound.runs.data_record import DataRecord
from lowerbound.runs.run import Run
from lowerbound.system import devices
from lowerbound.training.adam import Adam
from lowerbound.training.average import moving_average
from lowerbound.training.processes import ProcessGroup, Share
from lowerbound.training.state import State
from lowerbound.vae.contexts import Label
from lowerbound.vae.likelihoods import Bernoulli, Columns, Likelihood
from lowerbound.vae.likelihoods.scales import Optimal
from lowerbound.vae.loss import LossFunction, of_rows
from lowerbound.vae.model import Model
from lowerbound.vae.semi_supervised import Classified, ClassifiedLoss, OnLabels, SemiSupervised, SemiSupervisedLoss, shares_of

LOOKED_AT = 1000  # examples, for the mean of pixels
COLOURS = 3  # channels of an image that has some


@dataclass(frozen=True)
class Setup:
    """What a training has before its first step: data in three parts, model and optimiser, and ``notes`` that a user should know.

    ``average`` is the moving average of the weights, where the recipe wants one; ``group`` says which of several processes this is.
    """

    run: Run
    train: Dataset
    validation: Dataset
    test: Dataset
    state: State
    average: AveragedModel | None
    notes: tuple[str, ...]
    group: ProcessGroup

    @property
    def shown(self) -> Model:
        """The model with the weights that are scored and kept: their moving average, where there is one."""
        return self.run.vae if self.average is None else cast(Model, self.average.module)


def set_up(
    recipe: Recipe, folder: Path, data_dir: str | Path | None, device: str, group: ProcessGroup, spec: DataSpec | None = None
) -> Setup:
    """Everything that the training of a recipe needs; ``spec`` is that of the data of a run that goes on.

    Errors: DataError, RecipeError, UsageError.
    """
    where = devices.choose(device)
    splits = runs.load_data(recipe, data_dir, goes_on=spec)
    train, validation = runs.learned_from(recipe, splits)
    if not len(splits.test):
        raise DataError(f"'{recipe.data}' has {len(train):,} examples: too few to learn from and to test")
    if recipe.patience is not None and not len(validation):
        raise DataError("patience is with the held-out bound, and there are too few data to hold any out; leave it out")
    if recipe.semi_supervised is not None:
        labels.must_be_several(train)
    recipe = replace(recipe, stream=True) if stays(train) else recipe  # so that it does when the run is read again, wherever that is
    record = DataRecord.of(train, validation, splits.test, recipe.takes_labels, splits.schema)
    parts = build(recipe, record.spec)
    for part in (train, splits.test):
        parts.vae.likelihood.check(part.extremes)
    parts, balance = balanced(parts, train)
    white = [*([] if recipe.invert else _mostly_white(parts.vae, train)), *_colours(parts.vae, train)]
    notes = (*splits.notes, *_first_look(train), *_few(train, recipe.batch), *_missing(train, parts.vae.likelihood), *white, *balance)
    run = Run(folder, recipe, replace(record, notes=notes), parts)
    if isinstance(run.vae.context, Label) and recipe.semi_supervised is None:
        for part in (train, validation, splits.test):
            labels.must_be_known(part)
    group = group.in_parts(recipe.microbatches)
    if not group.takes_all:
        _must_be_of_rows(run, train)
    return Setup(run, train, validation, splits.test, *fresh(recipe, parts, where), notes=notes, group=group)


def fresh(recipe: Recipe, parts: Parts, where: torch.device) -> tuple[State, AveragedModel | None]:
    """The state before a first step of parts, which are brought to that device, and the moving average of their weights, if wanted."""
    parts.vae.to(where)
    parts.estimators.to(where)
    state = State(Adam(parts.vae.parameters(), recipe.learning_rate), recipe.seed)
    return state, None if recipe.average is None else moving_average(parts.vae, recipe.average)


def balanced(parts: Parts, data: Dataset) -> tuple[Parts, list[str]]:
    """The parts, classes balanced as they are frequent in ``data`` where they are balanced at all, and a note on that."""
    loss = parts.loss.head if isinstance(parts.loss, ClassifiedLoss) else parts.loss
    if not (isinstance(loss, SemiSupervisedLoss) and loss.balance):
        return parts, []
    assert isinstance(parts.vae, SemiSupervised | Classified)
    shares = shares_of(parts.vae.reader, data)
    loss = replace(loss, shares=shares.of_each)
    return replace(parts, loss=replace(parts.loss, head=loss) if isinstance(parts.loss, ClassifiedLoss) else loss), [shares.note]


def _first_look(data: Dataset) -> list[str]:
    """A note where not all examples are looked at before the first step."""
    if streamed(data) is None or len(data) <= LOOK:
        return []
    return [f"of {len(data):,} training examples on disk {LOOK:,} were looked at before the first step"]


def _few(data: Dataset, batch: int) -> list[str]:
    return [f"a step takes all {len(data):,} training examples, fewer than a batch of {batch:,}"] if len(data) < batch else []


def _missing(data: Dataset, likelihood: Likelihood) -> list[str]:
    """A note on values that are not there, and on what is assumed of them. Errors: RecipeError for a law of holes where there are none."""
    if not data.holes and likelihood.scores_holes:
        raise RecipeError("no cell to learn from is missing, and --missingness says by what some are; leave it out")
    if not data.holes:
        return []
    share = f"{data.holes / data.array.numel():.1%} of all values are missing"
    if likelihood.scores_holes:
        return [f"{share}, each by its own value as it is assumed, which the bound counts"]
    more = "; if it may depend on its own, ask for --missingness self" if isinstance(likelihood, Columns) else ""
    return [f"{share}, and left out of the bound: it is assumed that whether one is missing depends on values that are there{more}"]


def _mostly_white(vae: Model, data: Dataset) -> list[str]:
    """A note on strokes that are dark, on white, where pixels are scored as bits."""
    if not isinstance(vae.likelihood, Bernoulli) or len(data.event_shape) < 3:
        return []
    mean = float(data[some_of(data, LOOKED_AT)].nanmean())
    return (
        [f"the mean of the pixels is {mean:.2f}, most of them white; if strokes are dark, --invert makes them the ones"]
        if mean > 0.5
        else []
    )


def _colours(vae: Model, data: Dataset) -> list[str]:
    """A note on colours of which bits are drawn."""
    coloured = len(data.event_shape) == 3 and data.event_shape[0] == COLOURS and isinstance(vae.likelihood, Bernoulli)
    if not coloured or not vae.likelihood.binarize or bool(((values := data[some_of(data, LOOKED_AT)]) == values.round()).all()):
        return []
    return ["colours are taken for chances of ones, and samples are noisy; for photos take --likelihood gaussian --scale optimal"]


def _adds_up(loss: LossFunction) -> bool:
    """Whether the loss of a batch is the mean of those of its shares: that of rows, also beside a classifier of labelled data alone."""
    return loss is of_rows or (isinstance(loss, ClassifiedLoss) and isinstance(loss.head, OnLabels))


def _must_be_of_rows(run: Run, data: Dataset) -> None:
    """Raise UsageError where a batch is more than its rows, so that shares of it do not add up, or a law is not drawn by row."""
    recipe, parts = run.recipe, run.parts
    # an average over processes is one of what all compute at the same time; microbatches come one after the other
    alone = parts.objective.can_be_shared if recipe.microbatches is None else not parts.objective.over_batch
    whole = {
        f"the objective {recipe.objective}": (not alone, "its value for one example depends on the others"),
        f"the estimator {recipe.estimator}, which remembers,": (
            any(True for _ in parts.estimators.buffers()),
            "its baseline follows the means of batches",
        ),
        f"the scale {recipe.scale}": (
            any(isinstance(module, Optimal) for module in run.vae.modules()),
            "σ is that of all the residuals of a batch",
        ),
        f"{recipe.semi_supervised}": (not _adds_up(parts.loss), "the loss of its labels is one of the batch"),
    }
    for what, (is_so, why) in whole.items():
        if is_so:
            advice = "in one process, without torchrun" if recipe.microbatches is None else "without microbatches"
            raise UsageError(f"{what} looks at a batch as a whole: {why}; train it {advice}")
    two = torch.arange(2)
    run.vae.train()
    with ProcessGroup(0, 2).noise(Share(two[:1], 1), "trial", device=run.vae.device):  # refuses laws that are not drawn by row
        parts.loss(run.vae, data, two[:1], parts.objective.at(0.0), parts.estimator)
    run.vae.eval()


def absolute(recipe: Recipe) -> Recipe:
    """The recipe with the places of its files in full, so that it is the same from another folder."""
    recipe = replace(recipe, data=data.located(recipe.data))
    recipe = recipe if recipe.labels_file is None else replace(recipe, labels=data.located(recipe.labels_file))
    return recipe if recipe.types is None else replace(recipe, types=data.located(recipe.types))


def must_be_data_of(record: DataRecord, setup: Setup, folder: Path) -> None:
    """Raise DataError where the data are not those that the run of a folder was trained on."""
    if setup.run.record != record:
        recipe = setup.run.recipe
        source = f"'{recipe.data}'" + ("" if recipe.labels_file is None else f", or their labels in {recipe.labels_file},")
        raise DataError(f"the data of {source} are not those that {folder} was trained on; bring those back")
