"""Whether p(x|z) is as wide as the values ask: by the one factor on its width that suits them best, and what that would gain.

A σ that was given is a weight of the squared error, and a mis-weighted likelihood where it is far from that of the residuals; one σ for
all that is learned, or kept from training, lags behind them; what else has a width states errors, which cover the values or do not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.distributions.widths import widened
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.one_draw import Gain, OneDraw, best
from lowerbound.system.seeding import seeded
from lowerbound.vae.likelihoods import Bernoulli, ContinuousBernoulli, LevelCategorical, LocationScale, Poisson
from lowerbound.vae.likelihoods.base import Likelihood, at_hand
from lowerbound.vae.likelihoods.scales import Decoded, Fixed, Optimal

OCTAVES = 6.0  # by how many doublings and halvings widths are tried
GIVEN = 1.5  # a σ that was given may be meant: off by this it costs about .1 nats a value
FOUND = 1.2  # off by this, about .03
OF_LOGITS = (Bernoulli, ContinuousBernoulli, LevelCategorical)  # whose width is a temperature of probabilities
DRAWS = 199  # of a value's law, among which the value has one of 200 places
OUTSIDE = 5  # places at either end: 95% of values have another
DRAWN = 2**22  # values drawn for that, at most


@torch.no_grad()
def width(drawn: OneDraw) -> list[Finding]:
    """Another width of p(x|z) would gain what is more than chance: which, and how many nats."""
    gain, likelihood = best_factor(drawn), drawn.likelihood
    if gain is None or not gain.is_sure:
        return []
    factor = 2.0**gain.at
    off = max(factor, 1 / factor)
    if isinstance(likelihood, LocationScale) and not isinstance(likelihood.scale, Decoded):
        least = GIVEN if isinstance(likelihood.scale, Fixed) else FOUND
        return [_of_one_scale(likelihood, drawn.law, gain, factor)] if off >= least else []
    name = "stated errors that do not cover" if factor > 1 else "stated errors that are too wide"
    return [Finding(name, _stated(drawn, factor), _advice(likelihood, factor), gain.nats, gain.se)] if off >= FOUND else []


@torch.no_grad()
def best_factor(drawn: OneDraw) -> Gain | None:
    """log₂ of the factor on the width of p(x|z) that suits the values best, and what it gains; None where there is no width."""
    if widened(drawn.law, 1.0) is None:
        return None

    def log_p(octaves: float) -> Tensor:
        wide = widened(drawn.law, 2.0**octaves)
        assert wide is not None
        return drawn.log_p(wide)

    return best(log_p, 0.0, -OCTAVES, OCTAVES)


def _beyond(factor: float) -> str:
    """What is said beside a factor at the end of those that are tried."""
    end = 2.0 ** (OCTAVES - 0.01)
    return " or more" if factor > end else " or less" if factor < 1 / end else ""


def _of_one_scale(likelihood: LocationScale, law: Distribution, gain: Gain, factor: float) -> Finding:
    scale = law.base_dist.scale  # type: ignore[attr-defined]  # an Independent
    given, alike = float(scale.flatten()[0]), bool((scale == scale.flatten()[0]).all())
    wanted = f"{factor * given:.3g}" if alike else f"{factor:.3g} times as much"
    evidence = f"σ is {f'{given:.3g}' if alike else 'one for each dimension'}, the residuals ask for {wanted}{_beyond(factor)}"
    if isinstance(likelihood.scale, Fixed):
        learned = "optimal or learned" if likelihood.optimum else "learned"
        return Finding("a mis-weighted likelihood", evidence, f"--scale {wanted}, or --scale {learned}", gain.nats, gain.se)
    settled = ", or --scale optimal, which does not lag" if likelihood.optimum and not isinstance(likelihood.scale, Optimal) else ""
    advice = f"train longer (--epochs){settled}; else look at how these data differ from those of training"
    return Finding("a σ that lags", evidence, advice, gain.nats, gain.se)


# --- stated errors ------------------------------------------------------------------------------------


def _stated(drawn: OneDraw, factor: float) -> str:
    if isinstance(drawn.likelihood, OF_LOGITS):
        return f"the decoder's logits divided by {factor:.3g}{_beyond(factor)} suit the values best"
    return (
        f"central 95% intervals of p(x|z) hold {coverage(drawn):.0%} of the values; intervals {factor:.3g} times as wide"
        f"{_beyond(factor)} suit them best"
    )


@torch.no_grad()
def coverage(drawn: OneDraw) -> float:
    """The share of the scored values within the central 95% interval of p(x|z): .95 where the law is right.

    By the place of each value among ``DRAWS`` draws of its law, at random among those that are equal to it, as counts may be.
    """
    drawn = drawn.some(max(1, DRAWN // (DRAWS * drawn.seen.x[0].numel())))
    x = drawn.seen.x
    law = at_hand(drawn.law, x, drawn.seen.counted)
    below, equal = torch.zeros_like(x), torch.zeros_like(x)
    with seeded(0, "coverage", device=x.device):
        for _ in range(DRAWS):
            other = law.sample().reshape(x.shape)
            below += other < x
            equal += other == x
        place = below + (torch.rand_like(x) * (equal + 1)).floor()
    inside = (place >= OUTSIDE) & (place <= DRAWS - OUTSIDE)
    return float(inside[drawn.values].double().mean())


def _advice(likelihood: Likelihood, factor: float) -> str:
    if isinstance(likelihood, Poisson):
        return "--likelihood negative-binomial: counts that vary more than a Poisson's"
    if factor < 1:
        return "train longer (--epochs): the values are closer to the predictions than p(x|z) says"
    return "stop sooner (--epochs), a smaller --network, or more data: predictions are surer than these data allow"
