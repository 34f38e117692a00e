"""Likelihoods of numbers: of zeros, ones and greys, and of real values by location and scale."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Beta as BetaLaw
from torch.distributions import ContinuousBernoulli as ContinuousBernoulliLaw
from torch.distributions import Distribution, Normal
from torch.distributions import Laplace as LaplaceLaw
from torch.distributions import StudentT as StudentTLaw

from lowerbound.distributions import bernoulli
from lowerbound.errors import RecipeError
from lowerbound.vae.likelihoods.base import PIXEL_STEPS, Likelihood, must_be_within
from lowerbound.vae.likelihoods.scales import Fixed, Optimal, Scale, positive

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

    rough = True  # of a logit

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
        return bernoulli.Bits(output, output.dim() - axes)

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values outside [0, 1]."""
        must_be_within(values, 0.0, 1.0, "bernoulli")

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Zeros and ones, or the grey values themselves."""
        if not self.binarize:
            return values
        return bernoulli.drawn(values)


class ContinuousBernoulli(Likelihood):
    """p(x|z) ∝ λ^x (1 − λ)^(1−x) on [0, 1]: the cross-entropy of grey values with the constant that makes it a density.

    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", 2019, https://arxiv.org/abs/1907.06845.
    """

    def each(self, *parameters: Tensor) -> Distribution:
        """A continuous Bernoulli of these logits."""
        return ContinuousBernoulliLaw(logits=parameters[0], validate_args=False)

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values outside [0, 1]."""
        must_be_within(values, 0.0, 1.0, "continuous-bernoulli")


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
        must_be_within(values, 0.0, 1.0, "beta")

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Values off the ends."""
        return values.clamp(self.INSIDE, 1 - self.INSIDE)


# --- location and scale ------------------------------------------------------------------------------


class LocationScale(Likelihood):
    """p(x|z) = Π L((xᵢ − fᵢ(z))/σᵢ)/σᵢ for a law L; the network gives f, and what ``scale`` needs besides.

    With ``squash`` the mean is kept in [0, 1] by a sigmoid, as that of pixels.
    Errors: RecipeError for ``scales.Optimal``, unless the optimum is known here.
    """

    #: whether training scores a batch with the σ that suits it best, where that is asked for
    optimum = False

    def __init__(self, network: nn.Module, scale: Scale | float = 0.1, squash: bool = False):
        super().__init__(network)
        self.scale = scale if isinstance(scale, Scale) else Fixed(scale)
        if isinstance(self.scale, Optimal) and not self.optimum:
            raise RecipeError("the optimal σ is known for a gaussian alone; choose --scale learned")
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

    def at_floor(self, law: Distribution, counted: Bool[Tensor, "*batch_event"] | None = None) -> Float[Tensor, "*batch"]:
        """The share of σ at ``scales.FLOOR``; 0 where σ is given."""
        scale = law.base_dist.scale  # type: ignore[attr-defined]  # an Independent
        weight = torch.ones_like(scale) if counted is None else counted.reshape(scale.shape).to(scale.dtype)
        held, axes = self.scale.at_floor(scale) * weight, len(law.batch_shape)
        return held.flatten(axes).sum(-1) / weight.flatten(axes).sum(-1).clamp(min=1)


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

    optimum = True

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

    def __init__(self, loc: Tensor, scale: Tensor, optimal: Optimal, observed: Tensor | None = None):
        self.optimal, self.observed = optimal, observed
        super().__init__(loc, scale, validate_args=False)

    def of(self, observed: Bool[Tensor, "B *event"]) -> Calibrated:
        """The same, its σ the best for these values alone, the others not being there, or not scored."""
        return Calibrated(self.loc, self.scale, self.optimal, observed)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; f(z), σ²) at the best σ."""
        residual = value - self.loc
        square = residual.square()
        scored = torch.ones_like(square) if self.observed is None else self.observed.to(square.dtype).expand_as(square)
        scale = self.optimal.fit((square * scored).sum() / scored.sum().clamp(min=1))
        return Normal(self.loc, scale, validate_args=False).log_prob(value)


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
