"""The words of what is maximised, and of how its KL is computed. An objective is offered the ``kl`` of ``--kl``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import At, Word

if TYPE_CHECKING:
    from lowerbound.vae.objectives.base import Objective
    from lowerbound.vae.objectives.kl import KL
    from lowerbound.vae.schedules import Schedule

KLS = {
    "closed": Word("vae.objectives.kl:ClosedKL", "in closed form"),
    "sampled": Word("vae.objectives.kl:SampledKL", "from the draws, log q(z|x) − log p(z)"),
}

WARM_UP = {"beta": 1.0, "epochs": 10.0, "samples": 1}
OBJECTIVES = {
    "elbo": Word("vae.objectives.elbo:ELBO", "the evidence lower bound", {"samples": 1}),
    "beta": Word("recipes.objectives:scheduled", "the KL times β", {"beta": 4.0, "samples": 1}, {"schedule": At("vae.schedules:Constant")}),
    "beta-linear": Word(
        "recipes.objectives:scheduled", "the KL times β, which rises from 0", WARM_UP, {"schedule": At("vae.schedules:Linear")}
    ),
    "beta-cyclical": Word(
        "recipes.objectives:scheduled", "β rises from 0 again and again", WARM_UP, {"schedule": At("vae.schedules:Cyclical")}
    ),
    "beta-sigmoid": Word(
        "recipes.objectives:scheduled", "β rises slowly, fast, slowly", WARM_UP, {"schedule": At("vae.schedules:Sigmoid")}
    ),
    "free-bits": Word(
        "recipes.objectives:free_bits",
        "the KL per dimension counts from so many nats on, times β, which rises from 0 over so many epochs",
        {"nats": 0.1, "epochs": 0.0},
        {"of_levels": False},
    ),
    "free-bits-of-levels": Word(
        "recipes.objectives:free_bits", "the same of each level of a hierarchy", {"nats": 1.0, "epochs": 0.0}, {"of_levels": True}
    ),
    "iwae": Word("vae.objectives.renyi:IWAE", "the importance-weighted bound", {"samples": 5}),
    "renyi": Word("vae.objectives.renyi:Renyi", "Rényi's bound", {"alpha": 0.5, "samples": 5}, {"kl": KLS["sampled"]}),
    "total-correlation": Word("vae.objectives.batchwise:TotalCorrelation", "the KL's total correlation times β", {"beta": 6.0}),
    "mmd": Word("vae.objectives.batchwise:MMD", "a maximum mean discrepancy of q(z) and p(z)", {"weight": 500.0, "kl_weight": 0.0}),
    "reconstruction": Word("vae.objectives.elbo:Reconstruction", "E[log p(x|z)] alone, without a KL"),
    "contractive": Word("vae.objectives.elbo:Contractive", "that, less the squared norm of the encoder's Jacobian", {"weight": 0.1}),
}


def scheduled(kl: KL, schedule: Callable[..., Schedule], beta: float, samples: int, **settings: float) -> Objective:
    """The ELBO, its KL weighed by a schedule that leads to β."""
    from lowerbound.vae.objectives.elbo import ELBO

    return ELBO(kl, samples, schedule(beta, **settings))


def free_bits(kl: KL, nats: float, epochs: float, of_levels: bool) -> Objective:
    """So many nats of each dimension or level are free; β rises over so many epochs, or is 1 from the start."""
    from lowerbound.vae.objectives.batchwise import FreeBits
    from lowerbound.vae.schedules import Constant, Linear

    if not epochs >= 0:
        raise RecipeError(f"β rises over 0 epochs or more, not {epochs:g}")
    return FreeBits(nats, kl, of_levels=of_levels, beta=Linear(epochs=epochs) if epochs > 0 else Constant())
