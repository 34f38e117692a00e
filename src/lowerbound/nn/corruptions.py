"""Corruptions: modules at the front of an encoder that damage its input in training, and only then, as dropout does.

``nn.Sequential(corruption, encoder)`` makes a denoising autoencoder of any model: the encoder sees damaged data, while the
loss asks for the sound ones. The bound stays a bound, whatever the encoder saw. A corruption has no weights.

Sources: Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008,
https://doi.org/10.1145/1390156.1390294; Vincent et al., "Stacked Denoising Autoencoders", 2010,
https://jmlr.org/papers/v11/vincent10a.html; for the VAE: Im et al., "Denoising Criterion for Variational Auto-Encoding
Framework", 2017, https://arxiv.org/abs/1511.06406.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.errors import RecipeError
from lowerbound.system import noise
from lowerbound.system.arguments import is_number, shown


class Corruption(nn.Module, ABC):
    """The contract of what damages an encoder's input: damage in training mode; in evaluation mode values pass as they are.

    A new corruption says how in ``corrupt``. It is put before an encoder by ``torch.nn.Sequential(corruption, encoder)``.

    >>> import torch
    >>> import lowerbound as lb
    >>> encoder = torch.nn.Sequential(lb.corruptions.Masking(0.5), torch.nn.Identity())
    >>> _ = encoder.eval()
    >>> encoder(torch.ones(1, 4)).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """

    def forward(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values, damaged afresh at each call while training."""
        return self.corrupt(x) if self.training else x

    @abstractmethod
    def corrupt(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values damaged, whatever the mode."""


class Corrupted(nn.Module):
    """An encoder that is given a context, behind a corruption of the data alone.

    ``(N, *event)`` and ``(N, *context)`` → ``(N, *out)``. Without a context ``torch.nn.Sequential(corruption, encoder)`` is enough.

    >>> import torch
    >>> import lowerbound as lb
    >>> encoder = lb.corruptions.Corrupted(lb.corruptions.Masking(0.5), lb.nn.Joined(lb.nn.mlp(64 + 10, 4)))
    >>> encoder(torch.rand(5, 64), torch.eye(10)[:5]).shape
    torch.Size([5, 4])
    """

    def __init__(self, corruption: Corruption, encoder: nn.Module):
        super().__init__()
        self.corruption, self.encoder = corruption, encoder

    def forward(self, x: Tensor, *context: Tensor) -> Tensor:
        """``(N, *event)`` and ``(N, *context)`` → ``(N, *out)``."""
        return self.encoder(self.corruption(x), *context)


class Gaussian(Corruption):
    """x + σ ε with ε ~ N(0, I), σ = ``scale`` in the units of the data.

    With ``clamp`` what leaves [0, 1] is brought back to its edge, so that a damaged image is still one: a black pixel then has the mean
    σ/√(2π) and not 0.
    Source: Im et al., "Denoising Criterion for Variational Auto-Encoding Framework", 2017, https://arxiv.org/abs/1511.06406.
    Errors: RecipeError for a σ that is no positive number.

    >>> import torch
    >>> import lowerbound as lb
    >>> noisy = lb.corruptions.Gaussian(0.3).corrupt(torch.zeros(1000, 1000))
    >>> round(float(noisy.std()), 2)
    0.3
    """

    def __init__(self, scale: float = 0.3, clamp: bool = False):
        super().__init__()
        if not (is_number(scale) and 0 < scale < math.inf):
            raise RecipeError(f"the σ of a gaussian corruption must be a positive number, not {shown(scale)}")
        self.scale, self.clamp = scale, clamp

    def corrupt(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values with normal noise, of the same shape."""
        noisy = x + self.scale * noise.normal(x.shape, 0, x.dtype, x.device)
        return noisy.clamp(0, 1) if self.clamp else noisy


class Masking(Corruption):
    """Each value 0 with probability ``share``, by itself, as in a denoising autoencoder. Images stay in [0, 1].

    Source: Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008,
    https://doi.org/10.1145/1390156.1390294.
    Errors: RecipeError for a share outside (0, 1).

    >>> import torch
    >>> import lowerbound as lb
    >>> holes = lb.corruptions.Masking(0.3).corrupt(torch.ones(1000, 1000))
    >>> round(float(holes.mean()), 2)
    0.7
    """

    def __init__(self, share: float = 0.3):
        super().__init__()
        self.share = _share(share)

    def corrupt(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values with some of them 0, of the same shape."""
        return x.masked_fill(noise.uniform(x.shape, 0, x.dtype, x.device) < self.share, 0.0)


class SaltAndPepper(Corruption):
    """Each value 0 or 1, by a fair coin, with probability ``share``, by itself: the extremes of a pixel.

    Source: Vincent et al., "Stacked Denoising Autoencoders", 2010, https://jmlr.org/papers/v11/vincent10a.html.
    Errors: RecipeError for a share outside (0, 1).

    >>> import torch
    >>> import lowerbound as lb
    >>> specks = lb.corruptions.SaltAndPepper(0.1).corrupt(torch.full((1000, 1000), 0.5))
    >>> [round(float((specks == value).float().mean()), 2) for value in (0.0, 0.5, 1.0)]
    [0.05, 0.9, 0.05]
    """

    def __init__(self, share: float = 0.1):
        super().__init__()
        self.share = _share(share)

    def corrupt(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values with black and white specks, of the same shape."""
        chance = noise.uniform(x.shape, 0, x.dtype, x.device)
        return x.masked_fill(chance < self.share, 0.0).masked_fill(chance < self.share / 2, 1.0)


def _share(share: float) -> float:
    if not (is_number(share) and 0 < share < 1):
        raise RecipeError(f"the share of values that a corruption hits must be above 0 and below 1, not {shown(share)}")
    return share
