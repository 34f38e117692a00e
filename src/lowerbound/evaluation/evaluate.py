"""How good a model is on data it was not trained on: its bound, and with ``evaluate`` all that can be said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from lowerbound.data.rows import Rows, labels_of, rows_at_once
from lowerbound.distributions import Delta
from lowerbound.errors import DataError
from lowerbound.evaluation import diagnosis
from lowerbound.evaluation.bound import bits_per_dim, values_scored
from lowerbound.evaluation.calibration import UNCALIBRATED, Calibration, Classification, classification, log_probabilities
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.latent_space import Latents, latents
from lowerbound.evaluation.log_likelihood import MEMORY, SAMPLES, Density, observed
from lowerbound.evaluation.marginal import log_likelihood
from lowerbound.vae.model import VAE
from lowerbound.vae.semi_supervised import Classifier

#: what an evaluation says, and what besides where q has a density: as files have it
KEYS = (
    *("rows", "log_likelihood", "active_units", "latent", "posterior_mean_variance", "kl_per_dimension", "mutual_information"),
    *("aggregate_gap", "aggregated", "reconstruction_error", "findings", "note"),
)
DENSITY_KEYS = ("samples", "ess", "ess_least", "bits_per_dim", "bound", "bound_se", "rate", "distortion", "curve", "histogram")


# --- all that can be said ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """What is known of a model on ``rows`` data; ``density`` is None where q has no density, ``classifier`` where no classes can be told.

    ``reconstruction_error`` is the mean squared error a value of what comes back through the latent, in the data's units;
    ``note`` says what the nats are nats of. ``scored`` is how many values of a datum they are of, on average; ``of`` what there is a
    density of, log p(x) or that of a part of x.
    """

    density: Density | None
    latents: Latents
    reconstruction_error: float
    findings: tuple[Finding, ...]
    scored: float
    rows: int
    note: str
    classifier: Classification | None = None
    of: str = "log p(x)"

    def values(self) -> dict[str, Any]:
        """All of it as words and numbers, for JSON; the bound is −(rate + distortion)."""
        return {
            "rows": self.rows,
            **(_of_density(self.density, self.scored) if self.density is not None else {"log_likelihood": None}),
            **_of_latents(self.latents),
            "reconstruction_error": self.reconstruction_error,
            **({} if self.classifier is None else {"classifier": asdict(self.classifier)}),
            "density": self.of,
            "scored": self.scored,
            "findings": [asdict(finding) for finding in self.findings],
            "note": self.note,
        }


def evaluate(
    vae: VAE,
    data: Rows,
    *,
    samples: int = SAMPLES,
    memory: int = MEMORY,
    seed: int = 0,
    history: Sequence[Mapping[str, Any]] = (),
    calibration: Calibration = UNCALIBRATED,
) -> Evaluation:
    """log p(x) of ``data`` with its error, rate and distortion, the use of the latent space, what a doctor finds, how classes are told.

    ``history`` are the lines of a run's metrics, for over-fitting to be seen; ``calibration`` has the temperature of a classifier.
    Errors: as for ``log_likelihood``; DataError for labels that are none of a classifier's classes.
    """
    if not len(data):
        raise DataError("there are no data to score")
    with torch.no_grad(), vae.evaluating():
        given, first = vae.read(data, torch.tensor([0]), seed=seed)
        point = isinstance(given.posterior(first), Delta)
    density = None if point else log_likelihood(vae, data, samples, memory=memory, seed=seed)
    used = latents(vae, data, seed)
    findings = [*diagnosis.scale_at_floor(vae, data), *diagnosis.misweighted(vae, data, seed), *diagnosis.overfitting(history)]
    if density is not None:
        findings = [
            *diagnosis.collapse(used, float(density.kl.mean())),
            *findings,
            *diagnosis.out_of_range(density),
            *diagnosis.few_draws(density),
        ]
    error = reconstruction_error(vae, data, seed=seed)
    told = _classified(vae, data, calibration)
    scored = _mean_scored(vae, data, seed)
    return Evaluation(density, used, error, tuple(findings), scored, len(data), vae.likelihood.note, told, vae.density)


def _mean_scored(vae: VAE, data: Rows, seed: int) -> float:
    """How many values of a datum ``log_likelihood`` scores, on average."""
    if vae.context is None and not vae.likelihood.holes:
        return float(data[[0]].numel())
    few = (observed(vae, data, rows.tolist(), seed) for rows in torch.arange(len(data)).split(rows_at_once(data)))
    return float(torch.cat([values_scored(given, x) for given, x in few]).double().mean())


def _classified(vae: VAE, data: Rows, calibration: Calibration) -> Classification | None:
    labels = labels_of(data, torch.arange(len(data)))
    return classification(log_probabilities(vae, data), labels, calibration) if isinstance(vae, Classifier) else None


def reconstruction_error(vae: VAE, data: Rows, damage: Callable[[Tensor], Tensor] | None = None, seed: int = 0) -> float:
    """Mean squared error a value (of categories the share that is wrong) of what comes back through the latent.

    Of the values that are there, and that a context does not tell. With ``damage`` the encoder sees the data so changed.
    """
    total, scored = 0.0, 0.0
    for rows in torch.arange(len(data)).split(rows_at_once(data)):
        given, values = vae.read(data, rows, seed=seed)
        back = given.reconstruct(values if damage is None else damage(values))
        errors, counted = vae.likelihood.errors(back, values), given.counted(values)
        total += float((errors if counted is None else errors.where(counted, 0.0)).double().sum())
        scored += float(values_scored(given, values).double().sum())
    return total / max(scored, 1.0)


def _error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _of_density(density: Density, dimensions: float) -> dict[str, Any]:
    finite = density.log_p[density.log_p.isfinite()]  # data far from all that a model knows can be out of the numbers' range
    counts, edges = torch.histogram(finite, bins=min(50, max(1, len(finite) // 5)))
    return {
        "samples": density.samples,
        "log_likelihood": {"mean": density.mean, "se_data": density.se_data, "se_samples": density.se_samples, "bias": density.bias},
        "ess": float(density.ess.mean()),
        "ess_least": float(density.ess.min()),
        "bits_per_dim": bits_per_dim(density.mean, dimensions),
        "bound": float(density.elbo.mean()),
        "bound_se": _error(density.elbo),
        "rate": float(density.kl.mean()),
        "distortion": -float(density.log_likelihood_term.mean()),
        "curve": [{"draws": k, "mean": float(row.mean()), "se": _error(row)} for k, row in zip(density.draws, density.curve, strict=True)],
        "histogram": {"counts": counts.tolist(), "edges": edges.tolist()},
    }


def _of_latents(used: Latents) -> dict[str, Any]:
    return {
        "active_units": int(used.active.sum()),
        "latent": len(used.variance),
        "posterior_mean_variance": used.variance.tolist(),
        "kl_per_dimension": None if used.kl_per_dimension is None else used.kl_per_dimension.tolist(),
        "mutual_information": used.mutual_information,
        "aggregate_gap": used.gap,
        "aggregated": used.aggregated,
    }
