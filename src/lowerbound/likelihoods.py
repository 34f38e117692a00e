"""p(x|z): the decoder, read as a distribution of the datum given the latent.

Each also says how values are seen by it (``observe``): a Bernoulli is a law of zeros and ones, so
grey values become them before anything is scored.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Beta as BetaLaw
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
)
from torch.distributions import ContinuousBernoulli as ContinuousBernoulliLaw
from torch.distributions import Laplace as LaplaceLaw
from torch.distributions import NegativeBinomial as NegativeBinomialLaw
from torch.distributions import Poisson as PoissonLaw
from torch.distributions import StudentT as StudentTLaw

from lowerbound import levels
from lowerbound.conditional import ConditionalLaw
from lowerbound.errors import DataError
from lowerbound.scales import Fixed, Optimal, Scale, positive

PIXEL_STEPS = 255
A_DENSITY = "A log density in the units of the data (white is 1 for images): it can be positive, and bits a dimension are no code length."
A_PROBABILITY = "The probability of the pixels' levels as they are: −bound/log 2 is a code length in bits, bits a dimension are honest."


class Likelihood(ConditionalLaw):
    """A law of x given latents ``(*batch, d)``; in training the batch axes are ``(K, B)``.

    The network ``(N, d) → (N, *event)`` gives the law's one parameter for each value, or
    ``(N, P, *event)`` its P parameters.
    """

    #: P, how many numbers the network gives for each value
    outputs: int = 1
    #: what its nats are nats of, for whoever reads a figure
    note: str = A_DENSITY

    def batch_axes(self, context: Tensor) -> int:
        """All axes of z but the last."""
        return context.dim() - 1

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Laws over the shape of the network's output, without the axis of the parameters."""
        parameters = (output,) if self.outputs == 1 else output.unbind(axes)
        return Independent(self.each(*parameters), parameters[0].dim() - axes, validate_args=False)

    def each(self, *parameters: Tensor) -> Distribution:
        """The law of each value alone, all values independent given z; its batch is the shape of ``parameters[0]``."""
        raise NotImplementedError

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError where this law cannot be one of ``values``; all real numbers will do by default.

        Apart from ``observe`` because a look at the values makes an accelerator wait: once, not each step.
        """

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Raw values as the data that this law describes; the same by default."""
        return values


def _must_be_within(values: Tensor, low: float, high: float, name: str) -> None:
    if not (values.min() >= low and values.max() <= high):  # said so that NaN is outside too
        bounds = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"of {low:g} or more"
        raise DataError(f"a {name} likelihood needs values {bounds}; rescale the data or choose gaussian")


# --- zeros, ones and greys ---------------------------------------------------------------------------


class Bernoulli(Likelihood):
    """p(x|z) = Π pᵢ^xᵢ (1 − pᵢ)^(1−xᵢ), the network giving the logits of p.

    With ``binarize`` (the default) a value g in [0, 1] is the probability of a one, drawn afresh each
    time it is observed; zeros and ones stay what they are. Without it grey values are kept, and the
    log-likelihood is the negative cross-entropy Σ g log p + (1 − g) log(1 − p): the mean of log p(b|z) over all
    binarizations b of g, so that the bound is one on the mean of log p(b), with an encoder that sees g.
    It is no density of grey values.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.1); dynamic binarization: Salakhutdinov and Murray, "On the quantitative analysis of
    deep belief networks", 2008, https://doi.org/10.1145/1390156.1390266.
    """

    def __init__(self, network: nn.Module, binarize: bool = True):
        super().__init__(network)
        self.binarize = binarize
        self.note = (
            "Pixels are binarized, their grey value the probability of a one: −bound/log 2 is a code length in bits."
            if binarize
            else "Grey pixels are kept: the mean over their binarizations of a bound on each, with an encoder that sees the greys."
        )

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Bernoullis of these logits."""
        return levels.Bits(output, output.dim() - axes)

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values outside [0, 1]."""
        _must_be_within(values, 0.0, 1.0, "bernoulli")

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Zeros and ones, or the grey values themselves."""
        return (torch.rand_like(values) < values).to(values.dtype) if self.binarize else values


class ContinuousBernoulli(Likelihood):
    """p(x|z) ∝ λ^x (1 − λ)^(1−x) on [0, 1]: the cross-entropy of grey values with the constant that makes it a density.

    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", 2019, https://arxiv.org/abs/1907.06845.
    """

    def each(self, *parameters: Tensor) -> Distribution:
        """A continuous Bernoulli of these logits."""
        return ContinuousBernoulliLaw(logits=parameters[0], validate_args=False)

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values outside [0, 1]."""
        _must_be_within(values, 0.0, 1.0, "continuous-bernoulli")


class Beta(Likelihood):
    """p(x|z) = Beta(x; a, b) with a and b from the decoder, for values in (0, 1).

    The density is 0 or infinite at the ends, so values there are moved to half a grey level inside.
    Concentrations are bounded below by .001 (``scales.FLOOR``) and start near 1.
    """

    outputs = 2
    INSIDE = 0.5 / (PIXEL_STEPS + 1)

    def each(self, *parameters: Tensor) -> Distribution:
        """A Beta of these concentrations."""
        a, b = (positive(raw + 0.5) for raw in parameters)
        return BetaLaw(a, b, validate_args=False)

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values outside [0, 1]."""
        _must_be_within(values, 0.0, 1.0, "beta")

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Values off the ends."""
        return values.clamp(self.INSIDE, 1 - self.INSIDE)


# --- location and scale ------------------------------------------------------------------------------


class LocationScale(Likelihood):
    """p(x|z) = Π L((xᵢ − fᵢ(z))/σᵢ)/σᵢ for a law L; the network gives f, and what ``scale`` needs besides.

    With ``squash`` the mean is kept in [0, 1] by a sigmoid, as that of pixels.
    """

    def __init__(self, network: nn.Module, scale: Scale | float = 0.1, squash: bool = False):
        super().__init__(network)
        self.scale = scale if isinstance(scale, Scale) else Fixed(scale)
        self.squash = squash
        self.outputs = 1 + self.scale.outputs

    def each(self, *parameters: Tensor) -> Distribution:
        """The law of each value about its location."""
        loc, *extra = parameters
        loc = torch.sigmoid(loc) if self.squash else loc
        return self.around(loc, self.scale(loc, extra), extra)

    def around(self, loc: Tensor, scale: Tensor, extra: list[Tensor]) -> Distribution:
        """L at this location and scale."""
        raise NotImplementedError


class Gaussian(LocationScale):
    """p(x|z) = N(x; f(z), σ²), σ fixed by default.

    −log p(x|z) = C ‖x − f(z)‖² + (D/2) log(2πσ²) with C = 1/(2σ²) for D values: C is the weight of the
    squared error against the KL, and the constant is kept, so that the bound is one on log p(x), a
    density in the units of x.

    Errors: RecipeError for σ ≤ 0 or not finite.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.2); Rybkin et al., "Simple and effective VAE training with calibrated decoders", 2021,
    https://arxiv.org/abs/2006.13202, on why σ matters.
    """

    @property
    def weight(self) -> float | None:
        """C = 1/(2σ²), the weight of the squared error, where σ is fixed."""
        return 1 / (2 * self.scale.value**2) if isinstance(self.scale, Fixed) else None

    def around(self, loc: Tensor, scale: Tensor, extra: list[Tensor]) -> Distribution:
        """A normal, whose σ in training is the batch's own where the scale is the optimal one."""
        if isinstance(self.scale, Optimal) and self.training:
            return Calibrated(loc, scale, self.scale)
        return Normal(loc, scale, validate_args=False)


class Calibrated(Normal):
    """A normal that scores data with the σ that makes them most likely together (see ``scales.Optimal``)."""

    def __init__(self, loc: Tensor, scale: Tensor, optimal: Optimal):
        self.optimal = optimal
        super().__init__(loc, scale, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; f(z), σ²) at the best σ."""
        return Normal(self.loc, self.optimal.fit(value - self.loc), validate_args=False).log_prob(value)


class Laplace(LocationScale):
    """p(x|z) = Laplace(x; f(z), b): the absolute error, so that a few wrong values weigh less than for a Gaussian."""

    def around(self, loc: Tensor, scale: Tensor, extra: list[Tensor]) -> Distribution:
        """A Laplace."""
        return LaplaceLaw(loc, scale, validate_args=False)


class StudentT(LocationScale):
    """p(x|z) = Student-t with location, scale and 2 + softplus degrees of freedom from the decoder: heavy tails.

    Source: Takahashi et al., "Student-t Variational Autoencoder", 2018, https://doi.org/10.24963/ijcai.2018/374.
    """

    def __init__(self, network: nn.Module, scale: Scale | float = 0.1, squash: bool = False):
        super().__init__(network, scale, squash)
        self.outputs += 1

    def around(self, loc: Tensor, scale: Tensor, extra: list[Tensor]) -> Distribution:
        """A Student-t, its variance finite."""
        return StudentTLaw(2 + positive(extra[-1] + 2), loc, scale, validate_args=False)


# --- levels and counts -------------------------------------------------------------------------------


class Whole(Likelihood):
    """A law of whole numbers. ``steps`` is what value 1 stands for: 255 for pixels, which are then k/255, or 1 for counts."""

    note = A_PROBABILITY

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS):
        super().__init__(network)
        self.steps = steps

    def each(self, *parameters: Tensor) -> Distribution:
        """The counts' law, on the values' scale."""
        return levels.Levels(self.counts(*parameters), self.steps)

    def counts(self, *parameters: Tensor) -> Distribution:
        """The law of k = steps × value."""
        raise NotImplementedError

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values that are no levels, or below 0."""
        name = type(self).__name__
        _must_be_within(values, 0.0, math.inf, name)
        if ((values * self.steps).round() - values * self.steps).abs().max() > 0.05:
            raise DataError(f"a {name} likelihood needs whole numbers, or pixels; choose gaussian for others")


class Pixels(Whole):
    """A law of the ``steps`` + 1 levels of a pixel."""

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values that are no levels in [0, 1]."""
        _must_be_within(values, 0.0, 1.0, type(self).__name__)
        super().check(values)


class LogisticMixture(Pixels):
    """A mixture of ``components`` discretised logistics: honest bits a dimension for 8-bit pixels.

    The network gives 3 × components numbers a value: mixture logits, locations, scales.
    Source: Salimans et al., "PixelCNN++", 2017, https://arxiv.org/abs/1701.05517; Kingma et al., "Improving
    Variational Inference with Inverse Autoregressive Flow", 2016, https://arxiv.org/abs/1606.04934 (one logistic).
    """

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, components: int = 5):
        super().__init__(network, steps)
        self.components = components
        self.outputs = 3 * components
        # apart from the start, or all would stay the same for ever
        self.start: Tensor
        self.register_buffer("start", torch.logit((torch.arange(components) + 0.5) / components), persistent=False)

    def counts(self, *parameters: Tensor) -> Distribution:
        """The mixture."""
        logits, loc, scale = torch.stack(parameters, -1).split(self.components, -1)
        loc = self.steps * torch.sigmoid(loc + self.start)
        component = levels.DiscretizedLogistic(loc, self.steps * positive(scale - 2), self.steps)
        return MixtureSameFamily(Categorical(logits=logits, validate_args=False), component, validate_args=False)


class DiscretizedLogistic(LogisticMixture):
    """One logistic, discretised."""

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS):
        super().__init__(network, steps, components=1)


class BetaBinomial(Pixels):
    """The levels of a pixel as a beta-binomial, whose shape may be a bump, a U or a slope."""

    outputs = 2

    def counts(self, *parameters: Tensor) -> Distribution:
        """The beta-binomial."""
        a, b = (positive(raw + 0.5) for raw in parameters)
        return levels.BetaBinomial(a, b, self.steps)


class LevelCategorical(Pixels):
    """Each level of a pixel with a probability of its own, ``levels`` of them: no shape assumed, and as many numbers a pixel."""

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS):
        super().__init__(network, steps)
        self.outputs = steps + 1

    def counts(self, *parameters: Tensor) -> Distribution:
        """The categorical."""
        return levels.Numbered(torch.stack(parameters, -1))


class Poisson(Whole):
    """p(k|z) = Poisson(k; λ), λ = softplus of the decoder's number; ``steps`` as for all whole numbers."""

    def counts(self, *parameters: Tensor) -> Distribution:
        """The Poisson."""
        return PoissonLaw(positive(parameters[0]) * (self.steps / 2 if self.steps > 1 else 1), validate_args=False)


class NegativeBinomial(Whole):
    """Counts that vary more than a Poisson's: total count r and logits from the decoder."""

    outputs = 2

    def counts(self, *parameters: Tensor) -> Distribution:
        """The negative binomial."""
        return NegativeBinomialLaw(positive(parameters[0]), logits=parameters[1], validate_args=False)
