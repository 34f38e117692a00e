"""What an estimator has once it is fitted: a model with the state of its training, which can go on, be copied and be pickled.

A pickle holds the recipe, what is known of the data, and all tensors as the bytes of one safetensors file; none of torch's pickles.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel

from lowerbound.data import Dataset
from lowerbound.data.spec import DataSpec
from lowerbound.evaluation.mean_bound import bound_of_rows
from lowerbound.recipes.build import Parts, build
from lowerbound.recipes.networks import products
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.schedules import schedule
from lowerbound.runs import checkpoint
from lowerbound.runs.setup import balanced, fresh
from lowerbound.system import devices
from lowerbound.training.batches import fewest, steps_an_epoch
from lowerbound.training.loop import Record, fit
from lowerbound.training.settling import settle
from lowerbound.training.state import State
from lowerbound.vae.model import Model

#: torch's random numbers are the process's: threads that train or draw take turns
IN_TURN = threading.RLock()
NAME = "the pickle"


@dataclass
class Fitted:
    """A model under training. ``epochs`` are those that are done, ``notes`` what a user should know."""

    recipe: Recipe
    spec: DataSpec
    parts: Parts
    state: State
    average: AveragedModel | None
    epochs: int = 0
    notes: list[str] = field(default_factory=list)
    _exact: Model | None = None

    @classmethod
    def new(cls, recipe: Recipe, spec: DataSpec) -> Fitted:
        """With the first weights. Errors: RecipeError where the words do not fit the data or one another."""
        with IN_TURN:
            parts = build(recipe, spec)
            return cls(recipe, spec, parts, *fresh(recipe, parts, devices.choose(devices.AUTO)))

    @property
    def model(self) -> Model:
        """The model with the weights that are used: their moving average, where there is one."""
        return self.parts.vae if self.average is None else cast(Model, self.average.module)

    @property
    def exact(self) -> Model:
        """The same in double precision on the CPU, where a row's figures are the same to many digits whichever rows are with it."""
        if self._exact is None:
            self._exact = copy.deepcopy(self.model).cpu().double().eval()
        return self._exact

    def learn(self, data: Dataset, epochs: int, held_out: Dataset | None = None) -> None:
        """Train for so many epochs more; with ``held_out`` data until the recipe's patience ends, and keep the weights best for those.

        Errors: DataError for data that the likelihood cannot have; Diverged.
        """
        best: tuple[float, dict[str, torch.Tensor]] | None = None
        waited = 0
        with IN_TURN:
            for record in self._steps(data, epochs):
                if not record.ends_epoch or held_out is None:
                    continue
                bound, waited = bound_of_rows(self.model, held_out, self.parts.objective).bound, waited + 1
                if best is None or bound > best[0]:
                    best, waited = (bound, copy.deepcopy(self.model.state_dict())), 0
                if waited == self.recipe.patience:
                    break
            if best is not None:
                self.model.load_state_dict(best[1])
            self._exact = None
            self.parts.vae.eval()

    def _steps(self, data: Dataset, epochs: int) -> Any:
        """Each step, noted in the moving average and the number of epochs. Data may be others, or more, than at the last call."""
        recipe, vae = self.recipe, self.parts.vae
        parts, self.notes[:] = balanced(self.parts, data)
        self.state.step = self.epochs * steps_an_epoch(len(data), recipe.batch, fewest(vae))
        steps = fit(
            vae,
            data,
            epochs=self.epochs + epochs,
            batch=recipe.batch,
            objective=parts.objective,
            estimator=parts.estimator,
            loss=parts.loss,
            state=self.state,
            products=products(recipe.precision, vae.device),
            rate=None if recipe.schedule is None else schedule(recipe.schedule),
            clip=recipe.clip,
            skip=recipe.skip,
        )
        for record in steps:
            self._after(record, data)
            yield record

    def _after(self, record: Record, data: Dataset) -> None:
        if self.average is not None:
            self.average.update_parameters(self.parts.vae)
        if record.ends_epoch:
            self.epochs = record.epoch
            if self.average is not None:
                settle(self.model, data, self.state.seed)

    # --- pickling --------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        parts = self.parts
        tensors = checkpoint.packed_training(parts.vae, parts.estimators, self.state, self.average)
        return {"recipe": self.recipe, "spec": self.spec, "tensors": tensors, "epochs": self.epochs, "notes": self.notes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        new = Fitted.new(state["recipe"], state["spec"])
        self.__dict__.update(vars(new), epochs=state["epochs"], notes=state["notes"])
        parts = self.parts
        checkpoint.unpack_training(state["tensors"], NAME, parts.vae, parts.estimators, self.state, self.average)
        parts.vae.eval()
