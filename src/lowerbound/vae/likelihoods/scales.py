"""Where the σ of a location-scale likelihood comes from: given, learned, from the decoder, or at its optimum.

Every σ that is not given is FLOOR + softplus(s): bounded below, since a decoder that gets one value
exactly right would otherwise make its density infinite, and with a gradient everywhere. A new way is one class here
and one row in a table of ``words``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from lowerbound.errors import RecipeError, UsageError
from lowerbound.system.arguments import number_above, shown

#: the least σ, in units of the data: a quarter of a grey level where white is 1
FLOOR = 1e-3
#: a σ of less than this many FLOORs is at the bound: what training wants is less still
NEAR = 1.1
#: where a σ begins that is learned: softplus(−2) = .13
BEGIN = -2.0


def positive(raw: Tensor, floor: float = FLOOR) -> Tensor:
    """Any number as a positive one: FLOOR + softplus(raw) = .001 + log(1 + e^raw), with a gradient everywhere; of the shape of ``raw``.

    >>> import torch
    >>> import lowerbound as lb
    >>> [round(float(sigma), 3) for sigma in lb.scales.positive(torch.tensor([-100.0, 0.0, 10.0]))]
    [0.001, 0.694, 10.001]
    """
    return floor + softplus(raw)


class Scale(nn.Module, ABC):
    """The contract of where a likelihood's σ comes from: ``forward(loc, extra) -> σ``.

    ``loc`` ``(*batch, *event)`` are the locations, ``extra`` the decoder's ``outputs`` further numbers for each value. σ is of the units of
    the data and broadcastable to ``loc``.

    >>> import torch
    >>> import lowerbound as lb
    >>> for scale in (lb.scales.Fixed(0.1), lb.scales.Learned(), lb.scales.Decoded()):
    ...     print(type(scale).__name__, scale.outputs, round(scale(torch.zeros(1), [torch.zeros(1)]).item(), 2))
    Fixed 0 0.1
    Learned 0 0.13
    Decoded 1 0.13
    """

    #: numbers that the decoder has to give for each value, besides its location
    outputs = 0
    #: whether it is bounded below by FLOOR, and may be held up by that alone
    bounded = True

    @abstractmethod
    def forward(self, loc: Float[Tensor, "*batch_event"], extra: Sequence[Tensor]) -> Tensor:
        """σ for each value, broadcastable to ``loc``."""

    def share_at_floor(self, scale: Float[Tensor, "*batch_event"]) -> Float[Tensor, "*batch_event"]:
        """Which of the σ that ``forward`` gave are held up by the bound alone: 1 there, 0 elsewhere, and where σ is as it was given."""
        return (scale < NEAR * FLOOR).to(scale.dtype) if self.bounded else torch.zeros_like(scale)


class Fixed(Scale):
    """One σ for all values, as given.

    Errors: RecipeError for σ ≤ 0 or not finite.

    >>> import lowerbound as lb
    >>> lb.likelihoods.Gaussian(lb.nn.mlp(2, 64), scale=lb.scales.Fixed(0.5)).weight  # 1/(2σ²)
    2.0
    """

    bounded = False

    def __init__(self, value: float = 0.1):
        super().__init__()
        try:
            self.value = number_above("σ", value)
        except UsageError as error:
            raise RecipeError(f"σ must be a positive number, not {shown(value)}; e.g. --scale 0.1") from error

    def forward(self, loc: Float[Tensor, "*batch_event"], extra: Sequence[Tensor]) -> Tensor:
        """The one σ, of the shape of ``loc``."""
        return torch.full_like(loc, self.value)


class Learned(Scale):
    """One σ for all values, or with ``event`` one for each dimension, learned with the weights.

    Source: Rybkin et al., "Simple and effective VAE training with calibrated decoders", 2021, https://arxiv.org/abs/2006.13202.

    >>> import torch
    >>> import lowerbound as lb
    >>> scale = lb.scales.Learned((3,))  # of data (N, 3), one σ for each dimension
    >>> scale(torch.zeros(5, 3), []).shape, [name for name, _ in scale.named_parameters()]
    (torch.Size([5, 3]), ['raw'])
    """

    def __init__(self, event: Sequence[int] = ()):
        super().__init__()
        self.raw = nn.Parameter(torch.full(tuple(event), BEGIN))

    def forward(self, loc: Float[Tensor, "*batch_event"], extra: Sequence[Tensor]) -> Tensor:
        """The σ of now, of the shape of ``loc``."""
        return positive(self.raw).expand_as(loc)


class Decoded(Scale):
    """A σ for each value, which the decoder gives beside the mean (a heteroscedastic likelihood).

    The network then gives two numbers a value, ``(N, 2, *event)``: the location, and what σ is the softplus of.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Gaussian(lb.nn.mlp(2, (2, 64)), scale=lb.scales.Decoded())
    >>> likelihood(torch.zeros(5, 2)).base_dist.scale.shape
    torch.Size([5, 64])
    """

    outputs = 1

    def forward(self, loc: Float[Tensor, "*batch_event"], extra: Sequence[Tensor]) -> Tensor:
        """What the decoder says: FLOOR + softplus of its number, of the shape of ``loc``."""
        return positive(extra[0] + BEGIN)


class Optimal(Scale):
    """The σ that makes a batch most likely, σ² = mean (x − f(z))², as the law that uses it finds; σ-VAE.

    Outside training it is one σ, so that the law is one: that of the training data's residuals (``training/settling.py``, at the end of
    each epoch), and between two such ends the running root mean square of batches.
    Source: Rybkin et al., "Simple and effective VAE training with calibrated decoders", 2021, https://arxiv.org/abs/2006.13202.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Gaussian(torch.nn.Identity(), scale=lb.scales.Optimal()).train()
    >>> law = likelihood(torch.zeros(1, 2))  # f(z) = 0
    >>> at_best = law.log_prob(torch.tensor([[3.0, -3.0]]))  # the residuals' root mean square is 3
    >>> at_best.allclose(torch.distributions.Normal(0.0, 3.0).log_prob(torch.tensor(3.0)) * 2)
    True
    """

    square: Tensor
    MOMENTUM = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("square", torch.tensor(math.nan))

    def forward(self, loc: Float[Tensor, "*batch_event"], extra: Sequence[Tensor]) -> Tensor:
        """The running σ; 1 before the first batch."""
        return self.square.nan_to_num(nan=1.0).sqrt().clamp(min=FLOOR).expand_as(loc)

    def settle(self, square: float) -> None:
        """Take the mean square of the residuals of the training data under the weights of now."""
        self.square = self.square.new_tensor(square)

    def fit(self, square: Float[Tensor, ""]) -> Tensor:
        """The batch's own σ, of the mean ``square`` of its residuals, which the running one then follows."""
        with torch.no_grad():
            before = torch.where(self.square.isnan(), square, self.square)
            self.square = (1 - self.MOMENTUM) * before + self.MOMENTUM * square
        return square.sqrt().clamp(min=FLOOR)
