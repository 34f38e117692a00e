"""p(z): what is believed of the latent before any example is seen."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch import distributions as td
from torch.distributions import Distribution, Independent, Normal

from lowerbound import distributions
from lowerbound.distributions.chain import Levels, given_all
from lowerbound.distributions.mixture import Mixture
from lowerbound.errors import RecipeError
from lowerbound.nn.held import held
from lowerbound.system.arguments import number_above, whole
from lowerbound.system.noise import of_no_row
from lowerbound.vae.conditional import Level, diagonal_gaussian, floor_of
from lowerbound.vae.likelihoods.scales import FLOOR, positive
from lowerbound.vae.posteriors import Posterior


class Prior(nn.Module, ABC):
    """``forward() -> p(z)``, learned or not; a module of its own that does the same can stand in its place.

    Events of p(z) are ``(d,)``, those of the posterior. It has no batch axes, or where it has another p(z|c) for each context,
    and is given some, one axis for those ``(B,)``. It is where the weights are, draws there and in their type, and gives log densities,
    in nats, to latents ``(K, B, d)``.

    >>> import torch
    >>> from torch.distributions import Independent, Laplace
    >>> import lowerbound as lb
    >>> class LaplacePrior(lb.priors.Prior):
    ...     def forward(self):
    ...         return Independent(Laplace(torch.zeros(2), 1.0), 1)
    >>> round(float(LaplacePrior()().log_prob(torch.zeros(2))), 3)  # −2 log 2
    -1.386
    """

    @abstractmethod
    def forward(self) -> Distribution:
        """p(z), as the weights are now. Errors: RecipeError where it is one of a context and none was given."""


def _dimensions(size: int) -> int:
    """Of a latent. Errors: UsageError for a size that is none."""
    return whole("the size of a prior", size, 1)


class StandardNormal(Prior):
    """N(0, I) over ``size`` latent dimensions, log p(z) = −½ ‖z‖² − (d/2) log 2π: the usual prior, with nothing to learn.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114.
    Errors: UsageError for a size that is none.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.StandardNormal(2)
    >>> round(float(prior().log_prob(torch.zeros(2))), 3), round(-math.log(2 * math.pi), 3)
    (-1.838, -1.838)
    """

    zero: Tensor
    one: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("zero", torch.zeros(_dimensions(size)), persistent=False)
        self.register_buffer("one", torch.ones_like(self.zero), persistent=False)

    def forward(self) -> Distribution:
        """p(z), with no batch axes and events ``(size,)``."""
        return Independent(Normal(self.zero, self.one, validate_args=False), 1, validate_args=False)


class GivenContext(Prior):
    """p(z|c) = N(μ(c), diag σ²(c)), learned; the network ``(N, *context) → (N, features(size))`` gives μ, then log σ².

    No σ is below ``floor``. Only of a model with a context.
    Source: Sohn et al., "Learning Structured Output Representation using Deep Conditional Generative Models", 2015,
    https://papers.nips.cc/paper/5775.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.GivenContext(lb.nn.mlp(10, 4))  # of a class as zeros and a one, over two latent dimensions
    >>> law = prior.given(torch.eye(10))()
    >>> law.batch_shape, law.event_shape
    (torch.Size([10]), torch.Size([2]))
    """

    #: c ``(B, *context)``, where it was given one
    context: Tensor | None = None

    def __init__(self, network: nn.Module, floor: float = 0.0):
        super().__init__()
        self.network, self.floor = network, floor_of(floor)

    @staticmethod
    def features(latent: int) -> int:
        """How many numbers the network has to give for a z of that many dimensions: two for each."""
        return 2 * latent

    def given(self, context: Float[Tensor, "B *context"]) -> GivenContext:
        """The prior with c ``(B, *context)`` at hand, its weights shared."""
        bound = copy.copy(self)
        bound.context = context
        return bound

    def forward(self) -> Distribution:
        """A batch ``(B,)`` of distributions over ``(size,)``. Errors: RecipeError where no context was given."""
        if self.context is None:
            raise RecipeError("this prior is that of a context; take the model's given(context)")
        return diagonal_gaussian(self.network(self.context.to(next(self.parameters(), self.context).dtype)), 1, self.floor)


class Chain(Prior):
    """p(z₁) p(z₂|z₁) …, levels of one hierarchy side by side in z: ``first`` is p(z₁), ``levels`` are networks of those that follow.

    Network i is ``(N, d₁ + … + dᵢ₋₁) → (N, 2 dᵢ)`` and gives μ and log σ² of a Gaussian, no σ below ``floor``; ``sizes`` are d₁, d₂, …
    With a ``posteriors.Chain`` of the same sizes the closed-form KL is computed level by level.
    Source: Sønderby et al., "Ladder Variational Autoencoders", 2016, https://arxiv.org/abs/1602.02282.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.Chain(lb.priors.StandardNormal(2), [lb.nn.mlp(2, 6)], sizes=(2, 3))
    >>> prior().sample((5,)).shape, [law.event_shape.numel() for law, _ in prior().levels(torch.zeros(5))]
    (torch.Size([5, 5]), [2, 3])
    """

    def __init__(self, first: Prior, levels: Sequence[nn.Module], sizes: Sequence[int], floor: float = 0.0):
        super().__init__()
        self.first, self.sizes = first, tuple(sizes)
        self.levels = nn.ModuleList(Level(level, floor) for level in levels)

    def forward(self) -> distributions.Chain:
        """p(z), with no batch axes and events ``(Σ sizes,)``."""
        return distributions.Chain(self.first(), list(map(given_all, self.levels)), self.sizes, held=lambda: held(self)(), maker=self)


class Categorical(Prior):
    """Each of ``size`` classes as likely as the others, as zeros and a one: p(z) = 1/``size``, for a latent that is one of so many things.

    Errors: UsageError for a size that is none.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.Categorical(10)
    >>> round(float(prior().log_prob(torch.eye(10)[3])), 3)  # −log 10
    -2.303
    """

    zero: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("zero", torch.zeros(_dimensions(size)), persistent=False)

    def forward(self) -> Distribution:
        """p(z), with no batch axes and events ``(size,)``."""
        return distributions.OneHotCategorical(self.zero)


class GaussianMixture(Prior):
    """Σ_k π_k N(μ_k, diag σ_k²) over ``size`` dimensions, everything learned; the means begin as draws of N(0, I).

    No σ is below ``floor``, or a thousandth.
    Source: Dilokthanakul et al., "Deep Unsupervised Clustering with Gaussian Mixture VAEs", 2016, https://arxiv.org/abs/1611.02648.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.GaussianMixture(1, components=3)
    >>> z = torch.linspace(-30, 30, 6001)[:, None]
    >>> round(prior().log_prob(z).exp().sum().item() * 0.01, 2)  # it integrates to one
    1.0
    """

    def __init__(self, size: int, components: int = 10, floor: float = 0.0):
        super().__init__()
        self.floor = max(floor_of(floor), FLOOR)
        self.logits = nn.Parameter(torch.zeros(components))
        size, components = _dimensions(size), whole("components", components, 1)
        self.means = nn.Parameter(torch.randn(components, size))
        self.raw = nn.Parameter(torch.full((components, size), 0.5))

    def forward(self) -> Distribution:
        """p(z), with no batch axes and events ``(size,)``."""
        each = Independent(Normal(self.means, positive(self.raw, self.floor), validate_args=False), 1, validate_args=False)
        return Mixture(td.Categorical(logits=self.logits, validate_args=False), each, validate_args=False)


class VampPrior(Prior):
    """1/K Σ_k q(z|u_k): the mean of the posteriors of K learned pseudo-inputs u_k ``(K, *event)``.

    ``posterior`` is that of the same model, whose weights it shares; of several levels this is the prior of the first. With ``squash``
    pseudo-inputs are kept in [0, 1].
    Source: Tomczak and Welling, "VAE with a VampPrior", 2018, https://arxiv.org/abs/1705.07120.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 4))
    >>> prior = lb.priors.VampPrior(posterior, (64,), components=1)
    >>> z = prior().sample((5,))
    >>> prior().log_prob(z).allclose(posterior(prior.inputs.sigmoid()).log_prob(z), atol=1e-4)
    True
    """

    def __init__(self, posterior: Posterior, event: Sequence[int], components: int = 100, squash: bool = True):
        super().__init__()
        self.inputs = nn.Parameter(torch.randn(components, *event))
        self.squash = squash
        self._posterior = (posterior,)  # in a tuple, so that its weights are counted, moved and saved once

    def forward(self) -> Distribution:
        """p(z), with no batch axes and events ``(size,)``."""
        inputs = torch.sigmoid(self.inputs) if self.squash else self.inputs
        weights = inputs.new_zeros(len(inputs))
        with of_no_row():  # a corruption, say, of pseudo-inputs
            found = self._posterior[0](inputs)
        each = found.first if isinstance(found, Levels) else found
        return Mixture(td.Categorical(logits=weights, validate_args=False), each, validate_args=False)


class Flow(Prior):
    """A neural spline flow over ``size`` dimensions, learned: draws of N(0, I) moved by an invertible network, so that p(z) may have any
    shape.

    log p(z) is in nats.
    Source: Durkan et al., "Neural Spline Flows", 2019, https://arxiv.org/abs/1906.04032.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.Flow(2)
    >>> z = prior().sample((5,))
    >>> z.shape, prior().log_prob(z).shape
    (torch.Size([5, 2]), torch.Size([5]))
    """

    def __init__(self, size: int):
        super().__init__()
        from lowerbound.distributions.flows import spline

        self.flow = spline(_dimensions(size))

    def forward(self) -> Distribution:
        """p(z), with no batch axes and events ``(size,)``."""
        return self.flow()


class PositivePair(Prior):
    """Π ``kind``(zᵢ; a, b) over ``size`` dimensions, a and b given: what ``Gamma`` and ``Beta`` are made of, by their ``kind`` alone.

    Errors: UsageError for a or b that is no positive number.

    >>> import torch
    >>> import lowerbound as lb
    >>> class Weibull(lb.priors.PositivePair):
    ...     kind = torch.distributions.Weibull
    >>> round(float(Weibull(2, a=1.0, b=1.0)().log_prob(torch.ones(2))), 3)  # Π e^−zᵢ
    -2.0
    """

    a: Tensor
    b: Tensor

    def __init__(self, size: int, a: float = 1.0, b: float = 1.0):
        super().__init__()
        size, a, b = _dimensions(size), number_above("a", a), number_above("b", b)
        self.register_buffer("a", torch.full((size,), a), persistent=False)
        self.register_buffer("b", torch.full((size,), b), persistent=False)

    @property
    @abstractmethod
    def kind(self) -> Callable[..., Distribution]:
        """The distribution of one zᵢ, of a and b."""

    def forward(self) -> Distribution:
        """p(z), with no batch axes and events ``(size,)``."""
        return Independent(self.kind(self.a, self.b, validate_args=False), 1, validate_args=False)


class Gamma(PositivePair):
    """p(z) = Π Gamma(zᵢ; a, b) = Π bᵃ zᵢ^(a−1) e^(−b zᵢ)/Γ(a) over ``size`` positive dimensions: concentration a, rate b.

    Errors: UsageError for a or b that is no positive number.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.Gamma(2)  # a = b = 1: Π e^−zᵢ
    >>> round(float(prior().log_prob(torch.ones(2))), 3)
    -2.0
    """

    kind = distributions.Gamma


class Beta(PositivePair):
    """p(z) = Π Beta(zᵢ; a, b) ∝ Π zᵢ^(a−1) (1 − zᵢ)^(b−1) over ``size`` dimensions in (0, 1); uniform by default.

    Errors: UsageError for a or b that is no positive number.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.Beta(2, a=2.0, b=2.0)
    >>> round(float(prior().log_prob(torch.tensor([0.5, 0.5])).exp()), 3)  # (6 z (1 − z))² = 1.5²
    2.25
    """

    kind = distributions.Beta


class UniformSphere(Prior):
    """Uniform on the unit sphere of ``size`` dimensions: log p(z) = −log of its area, 2 π^{d/2}/Γ(d/2). The prior to
    ``posteriors.VonMisesFisher``.

    Source: Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018, https://arxiv.org/abs/1804.00891.
    Errors: RecipeError for fewer than two dimensions.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.UniformSphere(3)
    >>> z = prior().sample((100,))
    >>> round(float(z.norm(dim=-1).max()), 3), round(float(prior().log_prob(z[0])), 3)  # −log 4π
    (1.0, -2.531)
    """

    where: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.size = _dimensions(size)
        self.register_buffer("where", torch.zeros(()), persistent=False)

    def forward(self) -> Distribution:
        """p(z), with no batch axes and events ``(size,)``."""
        return distributions.UniformSphere(self.size, dtype=self.where.dtype, device=self.where.device)
