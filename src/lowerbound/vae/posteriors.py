"""q(z|x): the encoder, read as a distribution of the latent given an example."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from lowerbound import distributions
from lowerbound.distributions import operations
from lowerbound.distributions.chain import Refinement, State, given_all
from lowerbound.distributions.triangular import multivariate_normal
from lowerbound.nn.held import held
from lowerbound.vae.conditional import ConditionalLaw, Level, deviation, diagonal_gaussian, floor_of
from lowerbound.vae.likelihoods.scales import positive
from lowerbound.vae.misfits import ENCODER

#: the least concentration of a Gamma or Beta: below it single precision has no digits left for the draws
CONCENTRATION = 1e-2


class Posterior(ConditionalLaw):
    """A distribution of z given data ``(B, *event)``: one batch axis. The network is ``(N, *event) → (N, features(d))``.

    ``latent`` is d, for those that have weights of their own for each dimension. A new one says how many ``features`` its network gives,
    and of which ``law`` these are the parameters.

    >>> import torch
    >>> from torch.distributions import Independent, Laplace
    >>> import lowerbound as lb
    >>> class LaplacePosterior(lb.posteriors.Posterior):
    ...     features = staticmethod(lambda latent: 2 * latent)
    ...     def law(self, output, axes):
    ...         loc, log_scale = output.chunk(2, axes)
    ...         return Independent(Laplace(loc, log_scale.exp()), 1)
    >>> LaplacePosterior(lb.nn.mlp(64, LaplacePosterior.features(2)))(torch.rand(5, 64)).event_shape
    torch.Size([2])
    """

    part = ENCODER

    def __init__(self, network: nn.Module, latent: int | None = None):
        super().__init__(network)

    @staticmethod
    @abstractmethod
    def features(latent: int) -> int:
        """How many numbers the network has to give for a z of that many dimensions."""

    def batch_axes(self, parent: Tensor) -> int:
        """1: data come with one axis, B."""
        return 1

    def centre(self, law: Distribution) -> Float[Tensor, "B latent"]:
        """The point that stands for q(z|x) where one is wanted: its mean, where it has one that a latent can be."""
        return operations.centre(law)


class Normals(Posterior):
    """The base of ``DiagonalGaussian`` and ``FullGaussian``, whose network gives means and logs of variances, bounded to ``LOG_VARIANCE``.

    With a ``floor`` no σ that they stand for is below it.
    Errors: UsageError for a floor that is no number of 0 or more.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.DiagonalGaussian(torch.nn.Identity(), floor=0.1)
    >>> round(float(posterior(torch.tensor([[0.0, -100.0]])).stddev), 2)  # of a network that says log σ² = −100
    0.1
    """

    def __init__(self, network: nn.Module, latent: int | None = None, floor: float = 0.0):
        super().__init__(network, latent)
        self.floor = floor_of(floor)


class DiagonalGaussian(Normals):
    """q(z|x) = N(μ, diag σ²); the network gives μ, then log σ², 2 d numbers. No σ is below ``floor``.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.2).

    >>> import torch
    >>> from torch.distributions import kl_divergence
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.DiagonalGaussian(torch.nn.Identity())  # an encoder that gives x itself: μ, then log σ²
    >>> x = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0]])
    >>> kl_divergence(posterior(x), lb.priors.StandardNormal(2)()).tolist()  # ½ (μ₁² + μ₂²) at σ = 1
    [0.0, 2.5]
    """

    @staticmethod
    def features(latent: int) -> int:
        """2 d: a mean and a log-variance for each dimension."""
        return 2 * latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        return diagonal_gaussian(output, axes, self.floor)


class FullGaussian(Normals):
    """q(z|x) = N(μ, L Lᵀ); the network gives μ, log diag L, then L below its diagonal, row by row: 2 d + d (d − 1)/2 numbers.

    No number of diag L, which is σ given the dimensions before, is below ``floor``.
    Source: Kingma and Welling, "An Introduction to Variational Autoencoders", 2019, https://arxiv.org/abs/1906.02691 (section 2.5.1).

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.FullGaussian(torch.nn.Identity())
    >>> lb.posteriors.FullGaussian.features(2)
    5
    >>> posterior(torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.5]])).covariance_matrix.tolist()  # L = [[1, 0], [½, 1]]
    [[[1.0, 0.5], [0.5, 1.25]]]
    """

    @staticmethod
    def features(latent: int) -> int:
        """2 d + d (d − 1)/2: a mean and a triangle."""
        return 2 * latent + latent * (latent - 1) // 2

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        n = output.shape[-1]
        d = round(((9 + 8 * n) ** 0.5 - 3) / 2)
        mean, log_diagonal, below = output.split([d, d, n - 2 * d], -1)
        triangle = torch.diag_embed(deviation(2 * log_diagonal, self.floor))
        rows, columns = torch.tril_indices(d, d, -1, device=output.device)
        triangle[..., rows, columns] = below
        return multivariate_normal(mean, triangle)


class PositivePair(Posterior):
    """q(z|x) = Π ``kind``(zᵢ; aᵢ, bᵢ); the network gives a, then b, through softplus, 2 d numbers: what ``Gamma`` and ``Beta`` are made of.

    No concentration is below ``CONCENTRATION``, a hundredth. Both are near 1.3 where the network gives 0.

    >>> import torch
    >>> import lowerbound as lb
    >>> class Weibull(lb.posteriors.PositivePair):
    ...     kind = torch.distributions.Weibull
    >>> Weibull(lb.nn.mlp(64, Weibull.features(3)))(torch.rand(5, 64)).sample().shape
    torch.Size([5, 3])
    """

    @property
    @abstractmethod
    def kind(self) -> Callable[..., Distribution]:
        """The distribution of one zᵢ, of a and b."""

    @staticmethod
    def features(latent: int) -> int:
        """2 d: two parameters for each dimension."""
        return 2 * latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        pair = (positive(raw + 1, CONCENTRATION) for raw in output.chunk(2, dim=axes))
        return Independent(self.kind(*pair, validate_args=False), 1, validate_args=False)


class Gamma(PositivePair):
    """q(z|x) = Π Gamma(zᵢ; αᵢ, βᵢ) on positive latents; the network gives concentrations α, then rates β, through softplus.

    These are 2 d numbers ``(N, 2 d)``. Draws have a path, and the KL with ``priors.Gamma`` is in closed form.
    Source: Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.Gamma(lb.nn.mlp(64, 2 * 3))
    >>> z = posterior(torch.rand(5, 64)).rsample()
    >>> z.shape, bool((z > 0).all()), z.requires_grad
    (torch.Size([5, 3]), True, True)
    """

    kind = distributions.Gamma


class Beta(PositivePair):
    """q(z|x) = Π Beta(zᵢ; aᵢ, bᵢ) on latents in (0, 1): densities ∝ z^(a−1) (1 − z)^(b−1); the network gives a, then b, through softplus.

    These are 2 d numbers ``(N, 2 d)``. Draws have a path, and the KL with ``priors.Beta`` is in closed form.
    Source: Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.Beta(torch.nn.Identity())
    >>> posterior(torch.zeros(1, 6)).mean.tolist()  # a = b
    [[0.5, 0.5, 0.5]]
    """

    kind = distributions.Beta


class VonMisesFisher(Posterior):
    """q(z|x) = vMF(μ, κ) on the unit sphere of d dimensions; the network gives the direction, then κ − 1 through softplus.

    Source: Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018, https://arxiv.org/abs/1804.00891.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.VonMisesFisher(lb.nn.mlp(64, 3 + 1))
    >>> z = posterior(torch.rand(5, 64)).sample()
    >>> z.shape, round(float(z.norm(dim=-1).max()), 3)
    (torch.Size([5, 3]), 1.0)
    """

    @staticmethod
    def features(latent: int) -> int:
        """d + 1: a direction and how sharp."""
        return latent + 1

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        direction, raw = output[..., :-1], output[..., -1]
        loc = nn.functional.normalize(direction, dim=-1, eps=1e-6)
        return distributions.VonMisesFisher(loc, 1 + positive(raw, 0.0))


class Flow(Posterior):
    """q(z|x) by a masked autoregressive flow whose context the network gives, ``CONTEXT`` numbers; ``latent`` is d.

    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
    https://arxiv.org/abs/1606.04934; Papamakarios et al., "Masked Autoregressive Flow", 2017, https://arxiv.org/abs/1705.07057.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.Flow(lb.nn.mlp(64, lb.posteriors.Flow.CONTEXT), latent=3)
    >>> law = posterior(torch.rand(5, 64))
    >>> law.log_prob(law.rsample((2,))).shape  # (K, B)
    torch.Size([2, 5])
    """

    CONTEXT = 32

    def __init__(self, network: nn.Module, latent: int):
        super().__init__(network, latent)
        from lowerbound.distributions.flows import affine

        self.flow = affine(latent, self.CONTEXT)

    @staticmethod
    def features(latent: int) -> int:
        """``CONTEXT`` numbers, whatever d: the flow's context."""
        return Flow.CONTEXT

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        return self.flow(output)


class Chain(Posterior):
    """q(z₁|x) q(z₂|z₁, x) …, Gaussians over levels of one hierarchy: the posterior to a ``priors.Chain`` of the same ``sizes``.

    The encoder gives features h ``(N, f)``; network i of ``levels``, ``(N, f + d₁ + … + dᵢ₋₁) → (N, 2 dᵢ)``, makes μ and log σ² of them
    and of the latents before. No σ is below ``floor``.
    Source: Sønderby et al., "Ladder Variational Autoencoders", 2016, https://arxiv.org/abs/1602.02282.

    >>> import torch
    >>> import lowerbound as lb
    >>> levels = [lb.nn.mlp(8, 4), lb.nn.mlp(8 + 2, 6)]  # of 8 features: z₁ of 2 dimensions, and z₂ of 3, given z₁
    >>> posterior = lb.posteriors.Chain(lb.nn.mlp(64, 8), levels, sizes=(2, 3))
    >>> posterior(torch.rand(5, 64)).sample().shape
    torch.Size([5, 5])
    """

    def __init__(self, network: nn.Module, levels: Sequence[nn.Module], sizes: Sequence[int], floor: float = 0.0):
        super().__init__(network, sum(sizes))
        self.levels, self.sizes = nn.ModuleList(Level(level, floor) for level in levels), tuple(sizes)

    @staticmethod
    def features(latent: int) -> int:
        """Any number will do; as many as a Gaussian has."""
        return 2 * latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> distributions.Chain:
        """A batch ``(B,)`` of laws over ``(Σ sizes,)``."""

        def given(level: nn.Module, before: Float[Tensor, "*batch before"]) -> Distribution:
            features = output.expand(*before.shape[:-1], output.shape[-1])
            found: Distribution = level(torch.cat([features, before], -1))
            return found

        first, *then = self.levels
        steps = [given_all(partial(given, level)) for level in then]
        return distributions.Chain(first(output), steps, self.sizes, held=lambda: held(self).law(output.detach(), axes))


class Ladder(Posterior):
    """q(zᵢ|z₁ … zᵢ₋₁, x) ∝ p(zᵢ|z₁ … zᵢ₋₁) N(zᵢ; μ̂ᵢ(x), σ̂ᵢ²(x)): the ``prior`` of a level times what the example says of it.

    The encoder gives features of each level ``(N, Σ features)``, the first level's first, ``features`` how many of each; network i of
    ``levels``, ``(N, fᵢ) → (N, 2 dᵢ)``, makes μ̂ and log σ̂² of them. The first level is N(μ̂₁, σ̂₁²) alone. ``prior`` is that of the same
    model, a chain of Gaussians, whose weights it shares. No σ̂ is below ``floor``.
    Source: Sønderby et al., "Ladder Variational Autoencoders", 2016, https://arxiv.org/abs/1602.02282.

    >>> import torch
    >>> import lowerbound as lb
    >>> prior = lb.priors.Chain(lb.priors.StandardNormal(2), [lb.nn.mlp(2, 6)], sizes=(2, 3))
    >>> levels = [lb.nn.mlp(4, 4), lb.nn.mlp(8, 6)]  # of 4 features and of 8
    >>> posterior = lb.posteriors.Ladder(lb.nn.mlp(64, 12), levels, features=(4, 8), prior=prior)
    >>> posterior(torch.rand(5, 64)).sample().shape
    torch.Size([5, 5])
    """

    def __init__(self, network: nn.Module, levels: Sequence[nn.Module], features: Sequence[int], prior: nn.Module, floor: float = 0.0):
        super().__init__(network)
        self.levels, self.split = nn.ModuleList(Level(level, floor) for level in levels), tuple(features)
        self._prior = (prior,)  # in a tuple, so that its weights are counted, moved and saved once

    @staticmethod
    def features(latent: int) -> int:
        """Any number will do; as many as a Gaussian has."""
        return 2 * latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> distributions.Refined:
        """A batch ``(B,)`` of laws over ``(Σ sizes,)``."""
        first, *then = (level(part) for level, part in zip(self.levels, output.split(self.split, -1), strict=True))
        refined: list[Refinement] = [lambda *_: first, *(partial(product, law) for law in then)]
        return distributions.Refined(self._prior[0](), refined, held=lambda: held(self).law(output.detach(), axes))


def product(seen: Distribution, prior: Distribution, state: State) -> Distribution:
    """The Gaussian proportional to both densities: means weighted by precisions, μ = (μ₁/σ₁² + μ₂/σ₂²) σ², 1/σ² = 1/σ₁² + 1/σ₂².

    ``seen`` and ``prior`` are normals over ``(d,)``; ``state`` is that of a chain's level, and not looked at. It is a level of ``Ladder``.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> seen, prior = Independent(Normal(torch.ones(1), 1.0), 1), Independent(Normal(torch.zeros(1), 1.0), 1)
    >>> both = lb.posteriors.product(seen, prior, None)
    >>> both.mean.tolist(), both.variance.round(decimals=3).tolist()
    ([0.5], [0.5])
    """
    (mean, precision), (other, of_other) = ((law.mean, law.variance.reciprocal()) for law in (seen, prior))
    both = precision + of_other
    mean = (mean * precision + other * of_other) / both
    return Independent(Normal(mean, both.rsqrt(), validate_args=False), 1, validate_args=False)


class Categorical(Posterior):
    """q(y|x) over a class of so many, as zeros and a one; the network gives their logits. As a classifier it is the law of a label.

    As a posterior of latents it has no path: it wants ``estimators.Enumerated``, ``Relaxed`` or a score function.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.Categorical(torch.nn.Identity())
    >>> [round(p, 2) for p in posterior(torch.tensor([[0.0, 0.0, 0.0, 0.0]])).probs[0].tolist()]
    [0.25, 0.25, 0.25, 0.25]
    """

    @staticmethod
    def features(latent: int) -> int:
        """As many as there are classes."""
        return latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(classes,)``."""
        return distributions.OneHotCategorical(output)


class Dirac(Posterior):
    """All of q(z|x) at one point, which the network gives: the deterministic autoencoder. There is no density, and no KL.

    It is trained by an objective without a KL, as ``objectives.Reconstruction``.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.Dirac(torch.nn.Identity())
    >>> posterior(torch.tensor([[1.0, 2.0]])).sample((2,)).tolist()
    [[[1.0, 2.0]], [[1.0, 2.0]]]
    """

    @staticmethod
    def features(latent: int) -> int:
        """d: the point."""
        return latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of points ``(d,)``."""
        return distributions.Delta(output)
