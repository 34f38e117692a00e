"""All that can be said of a model on data that it was not trained on, in one pass over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, labels_of, rows_at_once
from lowerbound.distributions import Delta
from lowerbound.errors import DataError
from lowerbound.evaluation import diagnosis
from lowerbound.evaluation.calibration import UNCALIBRATED, Calibration, Classification, classification, log_probabilities
from lowerbound.evaluation.density import Density
from lowerbound.evaluation.diagnosis import AtFloor, Finding
from lowerbound.evaluation.encoded import Asked, Encoded, run_pass
from lowerbound.evaluation.evaluation import Evaluation, LogP
from lowerbound.evaluation.latent_space import Latents, OfLatents
from lowerbound.evaluation.levels import idle
from lowerbound.evaluation.log_likelihood import MEMORY, SAMPLES, asked_for
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.ranges import ranges
from lowerbound.evaluation.signs import one_sign
from lowerbound.evaluation.width import width
from lowerbound.nn.mode import in_evaluation
from lowerbound.vae.model import Model
from lowerbound.vae.observation import must_fit, read
from lowerbound.vae.parts import must_be_model
from lowerbound.vae.semi_supervised import Classifier


def evaluate(
    vae: Model,
    data: Source,
    *,
    samples: int = SAMPLES,
    memory: int = MEMORY,
    seed: int = 0,
    history: Sequence[Mapping[str, Any]] = (),
    calibration: Calibration = UNCALIBRATED,
) -> Evaluation:
    """log p(x) of ``data`` with its error, rate and distortion, the use of the latent space, problems found, how classes are predicted.

    ``data`` are what ``fit`` takes. ``samples``, ``memory`` and ``seed`` are those of ``log_likelihood``. ``history`` are the lines of a
    run's metrics, for over-fitting to be seen; ``calibration`` has the temperature of a classifier. What comes back has log p(x) in
    ``log_p``, in nats per example, active units and KL of each dimension in ``latents``, and in ``findings`` what is wrong, why, and what
    to do.
    Errors: as for ``log_likelihood``; DataError for labels that are none of a classifier's classes.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:16", latent=2), (1, 8, 8)).vae
    >>> found = lb.evaluate(vae, digits.test[:20], samples=50)
    >>> found.rows, found.log_p.samples, round(found.log_p.bound + found.log_p.rate + found.log_p.distortion, 3) + 0.0
    (20, 50, 0.0)
    """
    must_be_model(vae, Model)
    data = vae.examples(data).rows
    if not len(data):
        raise DataError("there are no examples to score")
    must_fit(vae, data)
    log_p = None if _is_point(vae, data, seed) else asked_for(vae, data, samples, memory, seed)
    latents, floor, error, sizes = OfLatents(vae, seed), AtFloor(), ReconstructionError(), Sizes()
    asked: list[Asked] = [latents, floor, error, sizes, *([] if log_p is None else [log_p])]
    run_pass(vae, data, asked, seed, rows_at_once(data) if log_p is None else log_p.at_once)
    density, used, scored = None if log_p is None else log_p.found(), latents.found(), sizes.found()
    return Evaluation(
        log_p=None if density is None else LogP.of(density, scored),
        latents=used,
        reconstruction_error=error.found(),
        findings=tuple(_findings(vae, data, seed, density, used, floor.found(), history)),
        scored=scored,
        rows=len(data),
        note=vae.likelihood.note,
        classifier=_classified(vae, data, calibration),
        of=vae.density,
        density=density,
    )


@torch.no_grad()
def _is_point(vae: Model, data: Rows, seed: int) -> bool:
    """Whether q(z|x) has no density."""
    vae = in_evaluation(vae)
    first = read(vae, data, torch.tensor([0]), seed)
    return isinstance(first.vae.posterior(first.x), Delta)


def _findings(
    vae: Model, data: Rows, seed: int, density: Density | None, used: Latents, floor: float, history: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    drawn = one_draw(vae, data, seed)
    found = [*diagnosis.scale_at_floor(floor), *(one_sign(drawn) or width(drawn)), *diagnosis.overfitting(history)]
    if density is None:
        return found
    return [
        *(diagnosis.collapse(used, float(density.kl.mean())) or idle(vae, data, seed)),
        *ranges(vae, data, seed),
        *found,
        *diagnosis.out_of_range(density),
        *diagnosis.few_draws(density),
    ]


def _classified(vae: Model, data: Rows, calibration: Calibration) -> Classification | None:
    if not isinstance(vae, Classifier):
        return None
    return classification(log_probabilities(vae, data), labels_of(data, torch.arange(len(data))), calibration)


class Sizes:
    """What a pass is asked for the mean number of values per example that log p(x) is of."""

    def __init__(self) -> None:
        self._each: list[Tensor] = []

    def add(self, some: Encoded) -> None:
        """Take in some examples."""
        self._each.append(some.seen.sizes)

    def found(self) -> float:
        """The mean."""
        return float(torch.cat(self._each).double().mean())


# --- reconstruction ----------------------------------------------------------------------------------


def reconstruction_error(vae: Model, data: Rows, damage: Callable[[Tensor], Tensor] | None = None, seed: int = 0) -> float:
    """Mean squared error per value (of categories the share that is wrong) of what comes back through the latent.

    Of the values that are there, and that a context does not say. With ``damage`` the encoder sees the data so changed.
    """
    asked = ReconstructionError(damage)
    run_pass(vae, data, [asked], seed, rows_at_once(data))
    return asked.found()


class ReconstructionError:
    """What a pass is asked for the reconstruction error; of values as they are, greys not binarized."""

    def __init__(self, damage: Callable[[Tensor], Tensor] | None = None):
        self.damage = damage
        self._total = self._scored = 0.0

    def add(self, some: Encoded) -> None:
        """Take in some examples."""
        plain = some.plain
        back = plain.vae.reconstruct(plain.x if self.damage is None else self.damage(plain.x))
        errors, compared = some.whole.likelihood.errors(back, plain.x), plain.compared
        self._total += float(errors.where(compared, 0.0).double().sum())
        self._scored += float(compared.sum())

    def found(self) -> float:
        """The error over all of them."""
        return self._total / max(self._scored, 1.0)
