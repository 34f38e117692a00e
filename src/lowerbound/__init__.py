"""lowerbound: a VAE is three distributions, trained by one bound and one gradient estimator.

The public names. Each is imported when first used, because importing torch takes seconds and ``--help`` should not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:  # each as itself, which is how a strict type checker knows that it is public
    from lowerbound import data as data
    from lowerbound import distributions as distributions
    from lowerbound import distributions as laws
    from lowerbound import errors as errors
    from lowerbound import nn as nn
    from lowerbound import recipes as recipes
    from lowerbound import tasks as tasks
    from lowerbound.errors import LowerboundError as LowerboundError
    from lowerbound.evaluation import calibration as calibration
    from lowerbound.evaluation.density import Density as Density
    from lowerbound.evaluation.evaluate import evaluate as evaluate
    from lowerbound.evaluation.log_likelihood import log_likelihood as log_likelihood
    from lowerbound.evaluation.mean_bound import mean_bound as mean_bound
    from lowerbound.evaluation.mean_bound import score as score
    from lowerbound.evaluation.regret import likelihood_regret as likelihood_regret
    from lowerbound.figures import images as plots
    from lowerbound.figures.report import report as report
    from lowerbound.interfaces.explorer import explore as explore
    from lowerbound.interfaces.export import export as export
    from lowerbound.interfaces.progress import progress as progress
    from lowerbound.interfaces.trackers.tracker import tracker as tracker
    from lowerbound.nn import corruptions as corruptions
    from lowerbound.recipes.build import build as build
    from lowerbound.recipes.recipe import Recipe as Recipe
    from lowerbound.runs import checkpoint as checkpoint
    from lowerbound.runs.experiment import Experiment as Experiment
    from lowerbound.runs.push import push as push
    from lowerbound.runs.run import Run as Run
    from lowerbound.runs.run import load as load
    from lowerbound.system import seeding as seeding
    from lowerbound.tasks.encode import decode as decode
    from lowerbound.tasks.encode import encode as encode
    from lowerbound.tasks.encode import reconstruct as reconstruct
    from lowerbound.training.adam import Adam as Adam
    from lowerbound.training.loop import fit as fit
    from lowerbound.training.state import State as State
    from lowerbound.vae import contexts as contexts
    from lowerbound.vae import estimators as estimators
    from lowerbound.vae import likelihoods as likelihoods
    from lowerbound.vae import objectives as objectives
    from lowerbound.vae import posteriors as posteriors
    from lowerbound.vae import priors as priors
    from lowerbound.vae import schedules as schedules
    from lowerbound.vae import semi_supervised as semi
    from lowerbound.vae.likelihoods import scales as scales
    from lowerbound.vae.model import VAE as VAE
    from lowerbound.vae.objectives import batchwise as coupled

#: every public name and where it is: a module, or with a colon an attribute of one
PUBLIC = {
    "Adam": "lowerbound.training.adam:Adam",
    "Density": "lowerbound.evaluation.density:Density",
    "Experiment": "lowerbound.runs.experiment:Experiment",
    "LowerboundError": "lowerbound.errors:LowerboundError",
    "Recipe": "lowerbound.recipes.recipe:Recipe",
    "Run": "lowerbound.runs.run:Run",
    "State": "lowerbound.training.state:State",
    "VAE": "lowerbound.vae.model:VAE",
    "build": "lowerbound.recipes.build:build",
    "calibration": "lowerbound.evaluation.calibration",
    "checkpoint": "lowerbound.runs.checkpoint",
    "contexts": "lowerbound.vae.contexts",
    "corruptions": "lowerbound.nn.corruptions",
    "coupled": "lowerbound.vae.objectives.batchwise",
    "data": "lowerbound.data",
    "decode": "lowerbound.tasks.encode:decode",
    "distributions": "lowerbound.distributions",
    "encode": "lowerbound.tasks.encode:encode",
    "errors": "lowerbound.errors",
    "estimators": "lowerbound.vae.estimators",
    "evaluate": "lowerbound.evaluation.evaluate:evaluate",
    "explore": "lowerbound.interfaces.explorer:explore",
    "export": "lowerbound.interfaces.export:export",
    "fit": "lowerbound.training.loop:fit",
    "laws": "lowerbound.distributions",
    "likelihood_regret": "lowerbound.evaluation.regret:likelihood_regret",
    "likelihoods": "lowerbound.vae.likelihoods",
    "load": "lowerbound.runs.run:load",
    "log_likelihood": "lowerbound.evaluation.log_likelihood:log_likelihood",
    "mean_bound": "lowerbound.evaluation.mean_bound:mean_bound",
    "nn": "lowerbound.nn",
    "objectives": "lowerbound.vae.objectives",
    "plots": "lowerbound.figures.images",
    "posteriors": "lowerbound.vae.posteriors",
    "priors": "lowerbound.vae.priors",
    "progress": "lowerbound.interfaces.progress:progress",
    "push": "lowerbound.runs.push:push",
    "recipes": "lowerbound.recipes",
    "reconstruct": "lowerbound.tasks.encode:reconstruct",
    "report": "lowerbound.figures.report:report",
    "scales": "lowerbound.vae.likelihoods.scales",
    "schedules": "lowerbound.vae.schedules",
    "score": "lowerbound.evaluation.mean_bound:score",
    "seeding": "lowerbound.system.seeding",
    "semi": "lowerbound.vae.semi_supervised",
    "tasks": "lowerbound.tasks",
    "tracker": "lowerbound.interfaces.trackers.tracker:tracker",
}
__all__ = [*PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'lowerbound' has no attribute '{name}'")
    module, _, attribute = PUBLIC[name].partition(":")
    found = importlib.import_module(module)
    found = getattr(found, attribute) if attribute else found
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
