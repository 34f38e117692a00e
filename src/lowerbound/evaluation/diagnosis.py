"""The doctor: what is wrong with a trained model, by what numbers, and what to try. A healthy one gets no findings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lowerbound.data.rows import Rows, rows_at_once
from lowerbound.evaluation.density import Density
from lowerbound.evaluation.encoded import Encoded, run_pass
from lowerbound.evaluation.latent_space import LEAST_KL, Latents
from lowerbound.vae.likelihoods import LocationScale
from lowerbound.vae.likelihoods.scales import FLOOR
from lowerbound.vae.model import Model

LEAST_RATE = 0.1  # nats: a latent that tells less tells a class in thirty at best
LEAST_ACTIVE = 0.25  # share of units: many an ample latent leaves half of them idle in good health
FLOORED = 0.01  # share of the values with σ at its floor
ERRORS = 1.0  # standard errors of the held-out bound by which it must have fallen
FEW_DRAWS = 10  # effective ones, below which an estimate's own error says little
FEW_SHARE = 0.01  # of the data


@dataclass(frozen=True)
class Finding:
    """A disease: its name, the numbers that show it, what to try, and what it costs.

    ``nats`` are those per example that the bound, or log p(x|z), would gain without it, with their standard error ``nats_se``; None where
    that cannot be known from a model and data.
    """

    name: str
    evidence: str
    advice: str
    nats: float | None = None
    nats_se: float | None = None


def collapse(latents: Latents, rate: float) -> list[Finding]:
    """The posterior is the prior in most dimensions: z tells nothing there."""
    if latents.aggregated == 1:  # the means of one example do not vary, whatever the model
        return []
    # the variance of means, by which units are called active, is to be measured by the prior's; nats are what they are
    size, each = len(latents.variance), latents.kl_per_dimension
    used = size if each is None else int((each > LEAST_KL).sum())
    enough = 1 if latents.levels else max(1, LEAST_ACTIVE * size)  # levels are looked at one by one: of thousands of units few are needed
    if rate >= LEAST_RATE and used >= enough:
        return []
    evidence = (
        f"rate {rate:.2f} nats" if each is None else f"{used} of {size} latent dimensions tell more than {LEAST_KL} nats, rate {rate:.2f}"
    )
    return [
        Finding(
            "posterior collapse",
            evidence,
            "raise β slowly (--objective beta-linear:1:10), leave each dimension some nats (free-bits:0.1), a weaker decoder, "
            "a smaller σ, or fewer dimensions (--latent)",
        )
    ]


def scale_at_floor(share: float) -> list[Finding]:
    """σ held up by its bound alone, for that share of the values (``share_at_floor``)."""
    if share < FLOORED:
        return []
    evidence = (
        f"σ is at its floor of {FLOOR:g} for {share:.0%} of the values: the decoder predicts them exactly, as it can constant or discrete "
        "values, and the bound says more of that floor than of the model"
    )
    advice = "give --scale a number or learned (one σ for all), or for pixels choose --likelihood ordered-logistic"
    return [Finding("a scale at its floor", evidence, advice)]


def share_at_floor(vae: Model, data: Rows, seed: int = 0) -> float:
    """The share, 0 to 1, of the scored values of ``data`` whose σ in p(x|z), z the centre of q(z|x), is held up by ``scales.FLOOR`` alone.

    A decoder that predicts some values exactly, constant pixels say, can raise their density without end; the bound on log p(x) is
    then one, but its number says more of FLOOR than of the model.
    """
    asked = AtFloor()
    run_pass(vae, data, [asked], seed, rows_at_once(data))
    return asked.found()


class AtFloor:
    """What a pass is asked for the share of values whose σ is at its floor."""

    def __init__(self) -> None:
        self._shares: list[Tensor] = []

    def add(self, some: Encoded) -> None:
        """Take in some examples."""
        plain = some.plain
        law = plain.vae.likelihood(plain.vae.encode(plain.x))
        likelihood = some.whole.likelihood
        held = likelihood.share_at_floor(law, plain.counted) if isinstance(likelihood, LocationScale) else torch.zeros(law.batch_shape)
        self._shares.append(held.cpu())

    def found(self) -> float:
        """The share over all of them."""
        return float(torch.cat(self._shares).mean())


def overfitting(history: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """The held-out bound has come down from its best while that of the training data went up."""
    lines = [line for line in history if line.get("validation") and math.isfinite(line["validation"]["bound"] or math.nan)]
    if len(lines) < 2:
        return []
    best, last = max(lines, key=lambda line: line["validation"]["bound"]), lines[-1]
    fall = best["validation"]["bound"] - last["validation"]["bound"]
    rise = last["train"]["bound"] - best["train"]["bound"]
    if rise <= 0 or fall <= ERRORS * (last["validation"].get("bound_se") or math.inf):
        return []
    evidence = (
        f"held-out bound {last['validation']['bound']:.2f} after epoch {last['epoch']}, {fall:.2f} nats below its best of epoch "
        f"{best['epoch']}, while that of the training data rose by {rise:.2f}"
    )
    return [Finding("over-fitting", evidence, f"stop sooner (--epochs {best['epoch']}), a smaller --network or --latent, or more data")]


def out_of_range(density: Density) -> list[Finding]:
    """Data whose log p(x) is beyond what numbers hold."""
    rows = (~density.log_p.isfinite()).nonzero()[:, 0].tolist()
    if not rows:
        return []
    named = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
    evidence = f"log p(x) of {len(rows):,} of {len(density.log_p):,} examples is not finite: rows {named}; so is then every mean"
    return [Finding("data out of range", evidence, "look at these rows: they are far from all that the model was trained on")]


def few_draws(density: Density) -> list[Finding]:
    """So few effective draws for some data that even the stated error cannot be trusted."""
    few = int((density.ess < FEW_DRAWS).sum())  # data out of the numbers' range have none, and are not meant
    if few <= FEW_SHARE * len(density.ess):
        return []
    evidence = (
        f"fewer than {FEW_DRAWS} effective draws for {few:,} of {len(density.ess):,} examples: "
        "log p(x) is too low there, its error too small"
    )
    return [Finding("too few draws", evidence, f"--samples {max(100, 10 * density.samples)}")]
