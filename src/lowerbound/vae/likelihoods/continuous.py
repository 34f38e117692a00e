"""Likelihoods of real values, by location and scale."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution, Normal
from torch.distributions import Laplace as LaplaceLaw

from lowerbound.distributions import double
from lowerbound.errors import RecipeError
from lowerbound.vae.likelihoods.base import PerValue
from lowerbound.vae.likelihoods.scales import Fixed, Optimal, Scale, positive
from lowerbound.vae.misfits import must_be_free


class LocationScale(PerValue):
    """p(x|z) = Π L((xᵢ − fᵢ(z))/σᵢ)/σᵢ for a law L; the network gives f, and what ``scale`` needs besides.

    With ``squash`` the location is kept in [0, 1] by a sigmoid, as the mean of pixels is: L's own mean must be 0.
    Errors: RecipeError for ``scales.Optimal``, unless the optimum is known here.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Laplace(torch.nn.Identity(), scale=lb.scales.Learned(), squash=True)
    >>> likelihood(torch.tensor([[-100.0, 0.0, 100.0]])).mean.round(decimals=3).tolist()
    [[0.0, 0.5, 1.0]]
    """

    #: whether training scores a batch with the σ that suits it best, where that is asked for
    optimum = False
    outputs_of = {"scale": 1}  # noqa: RUF012

    def __init__(self, network: nn.Module, scale: Scale | float = 0.1, squash: bool = False, holes: bool = False):
        super().__init__(network, holes)
        self.scale = scale if isinstance(scale, Scale) else Fixed(scale)
        if isinstance(self.scale, Optimal) and not self.optimum:
            raise RecipeError("the optimal σ is known for a gaussian alone; choose --scale learned")
        self.squash = squash
        if squash:
            self.takes = "locations before its own sigmoid"
            must_be_free(network, type(self).__name__, self.takes)
        _, self.outputs = self.shape((), scale=self.scale)

    def each(self, *parameters: Tensor) -> Distribution:
        """The law of each value about its location."""
        loc, *extra = parameters
        loc = torch.sigmoid(loc) if self.squash else loc
        return self.around(loc, self.scale(loc, extra), extra)

    @abstractmethod
    def around(self, loc: Tensor, scale: Tensor, extra: list[Tensor]) -> Distribution:
        """L at this location and scale."""

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values as they are ``(B, *event)``."""
        return values

    def share_at_floor(self, law: Distribution, counted: Bool[Tensor, "*batch_event"] | None = None) -> Float[Tensor, "*batch"]:
        """The share of (``counted``) values whose σ, in a distribution that this gave, is held up by ``scales.FLOOR`` alone."""
        scale = law.base_dist.scale  # type: ignore[attr-defined]  # an Independent
        weight = torch.ones_like(scale) if counted is None else counted.reshape(scale.shape).to(scale.dtype)
        held, axes = self.scale.share_at_floor(scale) * weight, len(law.batch_shape)
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

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Gaussian(torch.nn.Identity(), scale=1.0)  # a decoder whose means are z itself
    >>> round(float(likelihood(torch.zeros(1, 64)).log_prob(torch.zeros(1, 64))), 3), round(-64 / 2 * math.log(2 * math.pi), 3)
    (-58.812, -58.812)
    >>> likelihood.weight
    0.5
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
    """A normal that scores data with the σ that makes them most likely together: what ``Gaussian`` with ``scales.Optimal`` is in training.

    ``loc`` and ``scale`` ``(*batch, *event)`` are the means and the running σ, which draws have; ``observed`` says which values count.

    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.likelihoods.Calibrated(torch.zeros(1, 2), torch.ones(1, 2), lb.scales.Optimal())
    >>> x = torch.tensor([[3.0, -3.0]])
    >>> law.log_prob(x).allclose(torch.distributions.Normal(0.0, 3.0).log_prob(x))  # σ² is the mean square, 9
    True
    """

    def __init__(self, loc: Tensor, scale: Tensor, optimal: Optimal, observed: Tensor | None = None):
        self.optimal, self.observed = optimal, observed
        super().__init__(loc, scale, validate_args=False)

    def of(self, x: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"] | None = None) -> Calibrated:
        """The law whose σ is the best for the values of an example that are ``observed``; the others are not there, or not scored."""
        return Calibrated(self.loc, self.scale, self.optimal, observed)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; f(z), σ²) at the best σ."""
        residual = value - self.loc
        square = residual.square()
        scored = torch.ones_like(square) if self.observed is None else self.observed.to(square.dtype).expand_as(square)
        scale = self.optimal.fit((square * scored).sum() / scored.sum().clamp(min=1))
        return Normal(self.loc, scale, validate_args=False).log_prob(value)


class Laplace(LocationScale):
    """p(x|z) = Π exp(−|xᵢ − fᵢ(z)|/b) / 2b: the absolute error, so that a few wrong values weigh less than for a Gaussian.

    b is the ``scale``.
    Errors: as for ``LocationScale``.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.likelihoods.Laplace(torch.nn.Identity(), scale=1.0)(torch.zeros(1, 4))
    >>> round(float(law.log_prob(torch.ones(1, 4))), 3), round(-4 * (1 + math.log(2)), 3)
    (-6.773, -6.773)
    """

    def around(self, loc: Tensor, scale: Tensor, extra: list[Tensor]) -> Distribution:
        """A Laplace law of each value."""
        return LaplaceLaw(loc, scale, validate_args=False)


class StudentT(LocationScale):
    """p(x|z) = Student-t with location, scale and 2 + softplus degrees of freedom from the decoder: heavy tails.

    Source: Takahashi et al., "Student-t Variational Autoencoder", 2018, https://doi.org/10.24963/ijcai.2018/374.

    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.likelihoods.StudentT(torch.nn.Unflatten(1, (2, 1)), scale=1.0)(torch.zeros(1, 2))
    >>> far = torch.tensor([[10.0]])  # ten σ away
    >>> round(float(law.log_prob(far)), 1), round(float(torch.distributions.Normal(0.0, 1.0).log_prob(far)), 1)
    (-9.3, -50.9)
    """

    outputs = 2

    def around(self, loc: Tensor, scale: Tensor, extra: list[Tensor]) -> Distribution:
        """A Student-t law of each value, its variance finite."""
        return double.StudentT(2 + positive(extra[-1] + 2), loc, scale, validate_args=False)
