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

    ``latent`` is d, for those that have weights of their own for each dimension.
    """

    part = ENCODER

    def __init__(self, network: nn.Module, latent: int | None = None):
        super().__init__(network)

    @staticmethod
    @abstractmethod
    def features(latent: int) -> int:
        """How many numbers the network has to give for a z of that many dimensions."""

    def batch_axes(self, parent: Tensor) -> int:
        """Data come with one axis, B."""
        return 1

    def centre(self, law: Distribution) -> Float[Tensor, "B latent"]:
        """The point that stands for q(z|x) where one is wanted: its mean, where it has one that a latent can be."""
        return operations.centre(law)


class Normals(Posterior):
    """One whose network gives means and logs of variances, bounded to ``LOG_VARIANCE``; no σ that they stand for is below ``floor``."""

    def __init__(self, network: nn.Module, latent: int | None = None, floor: float = 0.0):
        super().__init__(network, latent)
        self.floor = floor_of(floor)


class DiagonalGaussian(Normals):
    """q(z|x) = N(μ, diag σ²); the network gives μ, then log σ², 2 d numbers. No σ is below ``floor``.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.2).
    """

    @staticmethod
    def features(latent: int) -> int:
        """2 d."""
        return 2 * latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        return diagonal_gaussian(output, axes, self.floor)


class FullGaussian(Normals):
    """q(z|x) = N(μ, L Lᵀ); the network gives μ, log diag L, then L below its diagonal, row by row: 2 d + d (d − 1)/2 numbers.

    No number of diag L, which is σ given the dimensions before, is below ``floor``.
    Source: Kingma and Welling, "An Introduction to Variational Autoencoders", 2019, https://arxiv.org/abs/1906.02691 (section 2.5.1).
    """

    @staticmethod
    def features(latent: int) -> int:
        """A mean and a triangle."""
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
    """q(z|x) = Π ``kind``(zᵢ; aᵢ, bᵢ); the network gives a, then b, through softplus, 2 d numbers."""

    @property
    @abstractmethod
    def kind(self) -> Callable[..., Distribution]:
        """The distribution of one zᵢ, of a and b."""

    @staticmethod
    def features(latent: int) -> int:
        """2 d."""
        return 2 * latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        pair = (positive(raw + 1, CONCENTRATION) for raw in output.chunk(2, dim=axes))
        return Independent(self.kind(*pair, validate_args=False), 1, validate_args=False)


class Gamma(PositivePair):
    """q(z|x) = Π Gamma(zᵢ; αᵢ, βᵢ) on positive latents."""

    kind = distributions.Gamma


class Beta(PositivePair):
    """q(z|x) = Π Beta(zᵢ; aᵢ, bᵢ) on latents in (0, 1)."""

    kind = distributions.Beta


class VonMisesFisher(Posterior):
    """q(z|x) = vMF(μ, κ) on the unit sphere of d dimensions; the network gives the direction, then κ − 1 through softplus.

    Source: Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018, https://arxiv.org/abs/1804.00891.
    """

    @staticmethod
    def features(latent: int) -> int:
        """A direction and how sharp."""
        return latent + 1

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        direction, raw = output[..., :-1], output[..., -1]
        loc = nn.functional.normalize(direction, dim=-1, eps=1e-6)
        return distributions.VonMisesFisher(loc, 1 + positive(raw, 0.0))


class Flow(Posterior):
    """q(z|x) by a masked autoregressive flow whose context the network gives, ``CONTEXT`` numbers.

    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
    https://arxiv.org/abs/1606.04934; Papamakarios et al., "Masked Autoregressive Flow", 2017, https://arxiv.org/abs/1705.07057.
    """

    CONTEXT = 32

    def __init__(self, network: nn.Module, latent: int):
        super().__init__(network, latent)
        from lowerbound.distributions.flows import affine

        self.flow = affine(latent, self.CONTEXT)

    @staticmethod
    def features(latent: int) -> int:
        """The context."""
        return Flow.CONTEXT

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        return self.flow(output)


class Chain(Posterior):
    """q(z₁|x) q(z₂|z₁, x) …, Gaussians over levels of one hierarchy: the posterior to a ``priors.Chain`` of the same ``sizes``.

    The encoder gives features h ``(N, f)``; network i of ``levels``, ``(N, f + d₁ + … + dᵢ₋₁) → (N, 2 dᵢ)``, makes μ and log σ² of them
    and of the latents before. No σ is below ``floor``.
    Source: Sønderby et al., "Ladder Variational Autoencoders", 2016, https://arxiv.org/abs/1602.02282.
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
    """The Gaussian proportional to both densities: means weighted by precisions."""
    (mean, precision), (other, of_other) = ((law.mean, law.variance.reciprocal()) for law in (seen, prior))
    both = precision + of_other
    mean = (mean * precision + other * of_other) / both
    return Independent(Normal(mean, both.rsqrt(), validate_args=False), 1, validate_args=False)


class Categorical(Posterior):
    """q(y|x) over a class of so many, as zeros and a one; the network gives their logits. As a classifier it is the law of a label."""

    @staticmethod
    def features(latent: int) -> int:
        """The number of classes."""
        return latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(classes,)``."""
        return distributions.OneHotCategorical(output)


class Dirac(Posterior):
    """All of q(z|x) at one point, which the network gives: the deterministic autoencoder. There is no density, and no KL."""

    @staticmethod
    def features(latent: int) -> int:
        """The point."""
        return latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of points ``(d,)``."""
        return distributions.Delta(output)
