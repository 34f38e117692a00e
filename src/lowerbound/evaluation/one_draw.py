"""p(x|z) of some examples at a draw of each p(z|x), and what another p(x|z) beside it would gain in nats.

At the centre of q(z|x) the residuals would be smaller than what p(x|z) has to explain; at a draw of q they are larger where q is not
p(z|x), as that of an importance-weighted bound is not. So several draws of q are weighted, and one is taken by its weight. What is
gained is E[log p(x|z)] of one law less that of the other, over p(z|x): log p(x) gains at least as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.distributions import Categorical, Distribution

from lowerbound.data.rows import Rows, some_of, spread
from lowerbound.distributions import Delta
from lowerbound.distributions.drawing import sample
from lowerbound.evaluation.log_likelihood import MEMORY
from lowerbound.evaluation.weighted_draws import most_draws, weighted_draws
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.density import log_density
from lowerbound.vae.likelihoods import Likelihood
from lowerbound.vae.model import Model
from lowerbound.vae.observation import Observation, observe

SCORED = 500  # examples that are looked at, at most
WEIGHED = 50  # draws of q(z|x), of which one is taken; fewer where memory has no room for those
NUMBERS = 2**21  # of the decoder's and of latents, at most: what is tried takes some seconds then
SURE = 3.0  # standard errors of a gain above which it is one
BY_LUCK = SURE**2 / 2  # nats in all that the best of one number gains by chance, in one case of some hundreds
LOWEST = -1e30  # log weight of a draw that has none, so that an example without any has all
LEAST = 0.1  # nats per example that are worth a word
GOLDEN = (math.sqrt(5) - 1) / 2
STEPS = 16  # of the search: to .0005 of its range


@dataclass(frozen=True)
class OneDraw:
    """Some examples, and the decoder's ``output`` at a draw of each p(z|x)."""

    seen: Observation
    output: Float[Tensor, "1 B *numbers"]

    @property
    def likelihood(self) -> Likelihood:
        """That of the model."""
        return self.seen.vae.likelihood

    @cached_property
    def law(self) -> Distribution:
        """p(x|z), a batch ``(1, B)``."""
        return self.likelihood.law(self.output, 2)

    def log_p(self, law: Distribution) -> Float[Tensor, " n"]:
        """log p of each example of finite density under another law of its kind, nats, as doubles on the CPU."""
        return self._log_p(law)[self.sound].nan_to_num(nan=-math.inf)

    def some(self, most: int) -> OneDraw:
        """At most so many of the examples, from all over them."""
        rows = spread(len(self.seen.x), most).to(self.seen.x.device)
        return OneDraw(Observation(self.seen.vae.some(rows), self.seen.x[rows]), self.output[:, rows])

    @cached_property
    def sound(self) -> Bool[Tensor, " B"]:
        """Which examples have a finite density."""
        return self._log_p(self.law).isfinite()

    @property
    def values(self) -> Bool[Tensor, "B *event"]:
        """Which values are scored and there: a hole that is scored has no place among values."""
        there = self.seen.compared
        return there & self.sound.to(there.device).reshape(-1, *[1] * (there.dim() - 1))

    def _log_p(self, law: Distribution) -> Float[Tensor, " B"]:
        return log_density(law, self.seen.x, self.seen.counted)[0].cpu().double()


@torch.no_grad()
def one_draw(vae: Model, data: Rows, seed: int = 0) -> OneDraw:
    """Of the examples ``looked_at``, in evaluation mode."""
    return _drawn(in_evaluation(vae), data, looked_at(vae, data, seed), seed)


@torch.no_grad()
def looked_at(vae: Model, data: Rows, seed: int = 0) -> Int64[Tensor, " B"]:
    """Up to ``SCORED`` row numbers from all over ``data``; fewer where an example has many values, latents, or numbers of the decoder."""
    first = _drawn(in_evaluation(vae), data, some_of(data, 1), seed)
    return some_of(data, min(SCORED, max(1, NUMBERS // max(1, first.output.numel(), first.seen.x.numel(), vae.latent))))


def _drawn(vae: Model, data: Rows, rows: Int64[Tensor, " B"], seed: int) -> OneDraw:
    with seeded_by_row(rows, seed, "residuals", device=vae.device):
        vae.likelihood.admit(data[rows])
        seen = observe(vae, data, rows, seed)
        return OneDraw(seen, seen.vae.likelihood.output(_latents(seen)))


def _latents(seen: Observation) -> Float[Tensor, "1 B latent"]:
    """A draw of each p(z|x), by importance; of a q(z|x) that is a point, that."""
    posterior = seen.vae.posterior(seen.x)
    if isinstance(posterior, Delta):
        return sample(posterior, [1])
    drawn = weighted_draws(seen.vae, seen.x, min(WEIGHED, most_draws(posterior, MEMORY)), MEMORY)
    chosen = Categorical(logits=drawn.log_weight(seen.vae, seen.x).nan_to_num(nan=-math.inf).clamp(min=LOWEST).T).sample()
    return drawn.z[chosen, torch.arange(len(seen.x), device=chosen.device)][None]


@dataclass(frozen=True)
class Gain:
    """What a number ``at`` another place would gain: ``nats`` per example and their standard error over the ``rows`` examples."""

    at: float
    nats: float
    se: float
    rows: int

    @classmethod
    def of(cls, at: float, each: Float[Tensor, " B"]) -> Gain:
        """That of the gains of each example."""
        rows = len(each)
        return cls(at, float(each.mean()), float(each.std()) / math.sqrt(rows) if rows > 1 else math.nan, rows)

    @property
    def is_sure(self) -> bool:
        """Whether it is more than chance gives, and worth a word. Of one example nothing is sure."""
        return self.nats > LEAST and self.nats > SURE * self.se and self.nats * self.rows > BY_LUCK


def best(log_p: Callable[[float], Float[Tensor, " B"]], now: float, low: float, high: float) -> Gain:
    """The number between ``low`` and ``high`` of the largest mean log p, beside that of ``now``.

    By golden sections: right where the mean log p has one maximum; where it is level, the larger number is taken.
    """
    at_now = log_p(now)
    start, end = low, high
    inner, outer = end - GOLDEN * (end - start), start + GOLDEN * (end - start)
    of_inner, of_outer = float(log_p(inner).mean()), float(log_p(outer).mean())
    for _ in range(STEPS):
        if of_inner > of_outer:
            end, outer, of_outer = outer, inner, of_inner
            inner = end - GOLDEN * (end - start)
            of_inner = float(log_p(inner).mean())
        else:
            start, inner, of_inner = inner, outer, of_outer
            outer = start + GOLDEN * (end - start)
            of_outer = float(log_p(outer).mean())
    at = (start + end) / 2
    found = Gain.of(at, log_p(at) - at_now)
    return found if found.nats > 0 else Gain.of(now, torch.zeros_like(at_now))
