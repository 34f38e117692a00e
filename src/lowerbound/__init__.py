"""lowerbound: a VAE is three distributions, trained by one bound and one gradient estimator.

The public names. Each is imported when first used, because torch takes seconds and ``--help`` should not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lowerbound import (
        calibration,
        checkpoint,
        contexts,
        corruptions,
        coupled,
        data,
        errors,
        estimators,
        laws,
        likelihoods,
        nn,
        objectives,
        plots,
        posteriors,
        priors,
        recipes,
        scales,
        schedules,
        seeding,
        semi,
        tasks,
    )
    from lowerbound.adam import Adam
    from lowerbound.assembly import build
    from lowerbound.density import Density
    from lowerbound.evaluation import evaluate, score
    from lowerbound.experiment import Experiment
    from lowerbound.model import VAE
    from lowerbound.recipes import Recipe
    from lowerbound.regret import likelihood_regret
    from lowerbound.runs import Run, load
    from lowerbound.semi import log_likelihood
    from lowerbound.training import State, fit

ROOMS = (
    "calibration",
    "checkpoint",
    "contexts",
    "corruptions",
    "coupled",
    "data",
    "errors",
    "estimators",
    "laws",
    "likelihoods",
    "nn",
    "objectives",
    "plots",
    "posteriors",
    "priors",
    "recipes",
    "scales",
    "schedules",
    "seeding",
    "semi",
    "tasks",
)
NAMES = {
    "Adam": "adam",
    "Density": "density",
    "Experiment": "experiment",
    "Recipe": "recipes",
    "Run": "runs",
    "State": "training",
    "VAE": "model",
    "build": "assembly",
    "evaluate": "evaluation",
    "fit": "training",
    "likelihood_regret": "regret",
    "load": "runs",
    "log_likelihood": "semi",
    "score": "evaluation",
}
__all__ = [*ROOMS, *NAMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return importlib.import_module(f"lowerbound.{name}")
    if name in NAMES:
        value = getattr(importlib.import_module(f"lowerbound.{NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'lowerbound' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
