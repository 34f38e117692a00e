"""The words of what is maximised and how: objectives, KLs, estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lowerbound.vae.estimators.base import Estimator
    from lowerbound.vae.objectives.base import Objective
    from lowerbound.vae.objectives.kl import KL
    from lowerbound.vae.schedules import Schedule

# --- objectives --------------------------------------------------------------------------------------


def _elbo(kl: KL, samples: int = 1) -> Objective:
    from lowerbound.vae.objectives.elbo import ELBO

    return ELBO(kl, samples)


def _beta_elbo(kl: KL, beta: float = 4.0, samples: int = 1) -> Objective:
    from lowerbound.vae.objectives.elbo import ELBO
    from lowerbound.vae.schedules import Constant

    return ELBO(kl, samples, Constant(beta))


def _scheduled(name: str) -> Callable[..., Objective]:
    def make(kl: KL, beta: float = 1.0, epochs: float = 10.0, samples: int = 1) -> Objective:
        from lowerbound.vae import schedules
        from lowerbound.vae.objectives.elbo import ELBO

        schedule: Schedule = getattr(schedules, name)(beta, epochs)
        return ELBO(kl, samples, schedule)

    return make


def _free_bits(kl: KL, nats: float = 0.1) -> Objective:
    from lowerbound.vae.objectives.batchwise import FreeBits

    return FreeBits(nats, kl)


def _iwae(kl: KL, samples: int = 5) -> Objective:
    from lowerbound.vae.objectives.renyi import IWAE

    return IWAE(samples)


def _renyi(kl: KL, alpha: float = 0.5, samples: int = 5) -> Objective:
    from lowerbound.vae.objectives.renyi import Renyi

    return Renyi(alpha, samples)


def _total_correlation(kl: KL, beta: float = 6.0) -> Objective:
    from lowerbound.vae.objectives.batchwise import TotalCorrelation

    return TotalCorrelation(beta, kl)


def _mmd(kl: KL, weight: float = 500.0, kl_weight: float = 0.0) -> Objective:
    from lowerbound.vae.objectives.batchwise import MMD

    return MMD(kl, weight, kl_weight)


def _reconstruction(kl: KL) -> Objective:
    from lowerbound.vae.objectives.elbo import Reconstruction

    return Reconstruction(kl)


def _contractive(kl: KL, weight: float = 0.1) -> Objective:
    from lowerbound.vae.objectives.elbo import Contractive

    return Contractive(kl, weight=weight)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "elbo": _elbo,
    "beta": _beta_elbo,
    "beta-linear": _scheduled("Linear"),
    "beta-cyclical": _scheduled("Cyclical"),
    "beta-sigmoid": _scheduled("Sigmoid"),
    "free-bits": _free_bits,
    "iwae": _iwae,
    "renyi": _renyi,
    "total-correlation": _total_correlation,
    "mmd": _mmd,
    "reconstruction": _reconstruction,
    "contractive": _contractive,
}


def _closed() -> KL:
    from lowerbound.vae.objectives.kl import ClosedKL

    return ClosedKL()


def _sampled() -> KL:
    from lowerbound.vae.objectives.kl import SampledKL

    return SampledKL()


KLS = {"closed": _closed, "sampled": _sampled}


# --- estimators --------------------------------------------------------------------------------------


def _estimator(name: str, baseline: str | None = None, transport: str | None = None) -> Callable[[], Estimator]:
    def make() -> Estimator:
        from lowerbound.distributions import operations
        from lowerbound.vae import estimators

        given: dict[str, Any] = {} if baseline is None else {"baseline": getattr(estimators, baseline)()}
        if transport is not None:
            given["transport"] = getattr(operations, transport)
        made: Estimator = getattr(estimators, name)(**given)
        return made

    return make


ESTIMATORS: dict[str, Callable[..., Estimator]] = {
    "pathwise": _estimator("Pathwise"),
    "doubly-reparameterized": _estimator("DoublyReparameterized"),
    "score": _estimator("ScoreFunction"),
    "score-moving-average": _estimator("ScoreFunction", "MovingAverage"),
    "score-leave-one-out": _estimator("ScoreFunction", "LeaveOneOut"),
    "score-rao-blackwell": _estimator("RaoBlackwell"),
    "g-rep": _estimator("GREP"),
    "rejection": _estimator("GREP", transport="rejection"),
}
