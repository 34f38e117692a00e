"""Images from smaller ones: draws from p(x|y), y the means of an image's blocks of pixels, y = A x.

A model that is given y has learned p(z|y) and p(x|z, y). Any other one has p(z|y) ∝ p(z) p(y|z), and latents are found that stand for it as
for data with holes. One example at a time, its noise that of (seed, its row).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal
from torch.nn import functional as F

from lowerbound.errors import UsageError
from lowerbound.evaluation import log_likelihood as density
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded
from lowerbound.tasks.latent_inference import SAMPLES, few_of, from_prior, importance, moments, must_suffice, of_prior, room
from lowerbound.vae.contexts import LowResolution, must_divide
from lowerbound.vae.model import Model

#: steps that lead from a draw of the prior to a guess at the whole image
LOOKS = 10
#: the standard deviation with which y itself is known, white being 1: about a quarter of a grey level
NOISE = 1e-3

# --- what is done without a model --------------------------------------------------------------------


def reduced(images: Float[Tensor, "N C H W"], factor: int) -> Float[Tensor, "N C h w"]:
    """A x: the means of blocks of ``factor`` × ``factor`` pixels ``(N, C, H/factor, W/factor)``.

    Errors: RecipeError for images whose sides the factor does not divide.

    >>> import torch
    >>> import lowerbound as lb
    >>> lb.tasks.upscale.reduced(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    must_divide(factor, tuple(images.shape[1:]))
    return F.avg_pool2d(images, factor)


def nearest(small: Float[Tensor, "N C h w"], factor: int) -> Float[Tensor, "N C H W"]:
    """Each pixel as a block of its value ``(N, C, h factor, w factor)``: what any image enlarged is to be better than.

    >>> import torch
    >>> import lowerbound as lb
    >>> lb.tasks.upscale.nearest(torch.tensor([[[[0.0, 1.0]]]]), 2)[0, 0].tolist()
    [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    return F.interpolate(small, scale_factor=factor)


def bicubic(small: Float[Tensor, "N C h w"], factor: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "N C H W"]:
    """Cubic convolution with a = −½, its overshoot cut off at the least and the greatest value that there can be.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981, https://doi.org/10.1109/TASSP.1981.1163711.

    >>> import torch
    >>> import lowerbound as lb
    >>> lb.tasks.upscale.bicubic(torch.full((1, 1, 4, 4), 0.5), 2).round(decimals=3).unique().tolist()  # what is even stays so
    [0.5]
    """
    # torch has a = −¾ without antialiasing, which changes nothing else where images grow
    return F.interpolate(small, scale_factor=factor, mode="bicubic", antialias=True).clamp(low, high)


# --- with one ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upscaled:
    """n images for each of N small ones, on the CPU, and what they are on average.

    ``values`` are means of p(x|z), or draws from it, at n draws of z. ``mean`` and ``spread`` are what the mean and the standard deviation
    of ever more of them would be, by all draws of z. ``ess`` is how many independent draws of z the weighted ones are worth.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", likelihood="gaussian", latent=2), (1, 8, 8)).vae
    >>> found = lb.tasks.upscale.upscale(vae, torch.rand(2, 1, 4, 4), 2, n=3, samples=100)
    >>> found.values.shape, found.mean.shape, found.ess.shape
    (torch.Size([3, 2, 1, 8, 8]), torch.Size([2, 1, 8, 8]), torch.Size([2]))
    """

    values: Float[Tensor, "n N C H W"]
    mean: Float[Tensor, "N C H W"]
    spread: Float[Tensor, "N C H W"]
    ess: Float[Tensor, " N"]


@torch.no_grad()
def upscale(
    vae: Model,
    small: Float[Tensor, "N C h w"],
    factor: int,
    n: int = 8,
    *,
    samples: int = SAMPLES,
    draw: bool = False,
    memory: int = density.MEMORY,
    seed: int = 0,
) -> Upscaled:
    """n images, ``factor`` times larger, for each of these; ``samples`` draws of z are made for each, ``draw`` draws x from p(x|z).

    Of a model given the image made small z is drawn from its p(z|y), x from its p(x|z, y). Of a model that is given nothing, z is drawn by
    importance resampling (``posterior.importance``) from p(z|y) ∝ p(z) p(y|z), where p(y|z) is normal with mean A E[x|z] and variance
    A² Var[x|z], A² the squares of A's numbers, and ``NOISE``² for y itself. That is exact for a Gaussian likelihood, whose values are
    independent given z, and else by the central limit theorem, the better the larger blocks are. Given z as well y still says something of
    x: of a Gaussian likelihood E[x|z, y] = E[x|z] + G (y − A E[x|z]) with the gain G = Var[x|z] Aᵀ / (A² Var[x|z] + ``NOISE``²), exact
    again; of others that is left out.

    Errors: UsageError for a model given something else, another factor than it was made for, fewer samples than images, or too little
    memory; RecipeError where q has no density or the numbers of values do not fit.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", likelihood="gaussian", latent=2), (1, 8, 8)).vae
    >>> small = torch.rand(2, 1, 4, 4)
    >>> large = lb.tasks.upscale.upscale(vae, small, 2, n=3, samples=100).mean
    >>> large.shape, lb.tasks.upscale.reduced(large, 2).allclose(small, atol=0.01)  # made small again it is what was given
    (torch.Size([2, 1, 8, 8]), True)
    """
    must_suffice(samples, n, "images")
    must_take(vae, factor)
    vae = in_evaluation(vae)
    found = []
    for row in range(len(small)):
        with seeded(seed, "upscale", row, device=vae.device):
            found.append(_upscaled(vae, small[row : row + 1].to(vae.device), factor, n, samples, draw, memory))
    axes = {field.name: int(field.name == "values") for field in fields(Upscaled)}
    return Upscaled(**{name: torch.cat([getattr(one, name) for one in found], axis) for name, axis in axes.items()})


def must_take(vae: Model, factor: int) -> None:
    """Raise UsageError for a model that cannot be asked to make images ``factor`` times larger: one given something else, or another
    factor.

    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", given="low-resolution:2"), (1, 8, 8)).vae
    >>> lb.tasks.upscale.must_take(vae, 4)
    Traceback (most recent call last):
        ...
    lowerbound.errors.UsageError: this model makes images 2 times larger, not 4 times; leave out the factor
    """
    if vae.context is None:
        return
    if not isinstance(vae.context, LowResolution):
        raise UsageError("this model is given something else than a small image; take one given low-resolution, or nothing")
    if vae.context.factor != factor:
        raise UsageError(f"this model makes images {vae.context.factor} times larger, not {factor} times; leave out the factor")


def _upscaled(vae: Model, y: Tensor, factor: int, n: int, samples: int, draw: bool, memory: int) -> Upscaled:
    example = _Example.read(vae, y, factor, memory)
    few = few_of(example.decoded, y.numel() * factor**2)
    found = of_prior(example.vae, n, samples) if example.given else importance(example, n, samples)
    chosen = torch.cat([example.drawn(z) if draw else example.moments(z)[0] for z in found.chosen.split(few)])
    mean, spread = moments(found, example.moments, few, draw)
    return Upscaled(chosen.cpu()[:, None], mean[None], spread[None], torch.tensor([found.ess]))


@dataclass(frozen=True)
class _Example:
    """One image made small, y; the model, given it where it is ``given`` it; what fits into memory."""

    vae: Model
    y: Float[Tensor, "1 C h w"]
    factor: int
    given: bool
    decoded: int  # draws of z
    chains: int

    @classmethod
    def read(cls, vae: Model, y: Float[Tensor, "1 C h w"], factor: int, memory: int) -> _Example:
        """One small image."""
        given = vae.context is not None
        vae = vae.given(y) if given else vae
        return cls(vae, y, factor, given, *room(vae, nearest(y, factor), memory))

    def log_likelihood(self, z: Float[Tensor, "K C d"]) -> Float[Tensor, "K C"]:
        """log p(y|z), nats."""
        mean, variance = self._plain(self.vae.likelihood(z.flatten(0, 1)))
        law = Normal(self.small(mean), self._variance(variance).sqrt(), validate_args=False)
        return law.log_prob(self.y).flatten(1).sum(1).reshape(z.shape[:2])

    def guesses(self, n: int) -> Float[Tensor, "n C H W"]:
        """E[x|z] made to agree with y, z of what the encoder says of the last one."""
        z = from_prior(self.vae, n)
        for look in range(LOOKS):
            mean, _ = self._plain(self.vae.likelihood(z))
            x = mean + nearest(self.y - self.small(mean), self.factor)
            z = self.vae.posterior(x).sample() if look < LOOKS - 1 else z
        return x

    def moments(self, z: Float[Tensor, "k d"]) -> tuple[Float[Tensor, "k C H W"], Float[Tensor, "k C H W"]]:
        """Mean and variance of x given z and y."""
        law = self.vae.likelihood(z)
        mean, variance = self._plain(law)
        if self.given or not _is_normal(law):
            return mean, variance
        gain = self._gain(variance)
        return mean + gain * nearest(self.y - self.small(mean), self.factor), variance * (1 - gain / self.factor**2)

    def drawn(self, z: Float[Tensor, "k d"]) -> Float[Tensor, "k C H W"]:
        """A draw of x given z and y: one of p(x, y|z), moved by as much as its y is off (Matheron's rule)."""
        law = self.vae.likelihood(z)
        x = law.sample().reshape(len(z), *self._event)
        if self.given or not _is_normal(law):
            return x
        small = self.small(x)
        off = self.y - small - NOISE * torch.randn_like(small)
        return x + self._gain(self._plain(law)[1]) * nearest(off, self.factor)

    def small(self, x: Float[Tensor, "k C H W"]) -> Float[Tensor, "k C h w"]:
        """A x."""
        return F.avg_pool2d(x, self.factor)

    @property
    def _event(self) -> tuple[int, ...]:
        channels, height, width = self.y.shape[1:]
        return channels, self.factor * height, self.factor * width

    def _plain(self, law: Distribution) -> tuple[Tensor, Tensor]:
        """Mean and variance of p(x|z), as images."""
        return law.mean.reshape(-1, *self._event), law.variance.reshape(-1, *self._event)

    def _variance(self, variance: Float[Tensor, "k C H W"]) -> Float[Tensor, "k C h w"]:
        """That of y given z."""
        return self.small(variance) / self.factor**2 + NOISE**2

    def _gain(self, variance: Float[Tensor, "k C H W"]) -> Float[Tensor, "k C H W"]:
        """By how much each value moves with the y of its block."""
        return variance / self.factor**2 / nearest(self._variance(variance), self.factor)


def _is_normal(law: Distribution) -> bool:
    return isinstance(law, Independent) and isinstance(law.base_dist, Normal)
