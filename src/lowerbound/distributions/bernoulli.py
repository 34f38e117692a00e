"""Zeros and ones: drawn, and what their log p is, as operations that a device may have in one pass over memory."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Bernoulli, Independent

from lowerbound.system import noise
from lowerbound.system.operations import in_graphs, operation

FACTORS = 120  # whose product stays a normal number of single precision, each being ½ at least
GOLDEN = -0x61C8864680B583EB  # 2^64 over the golden ratio


class Bits(Independent):  # type: ignore[type-arg]  # it takes none where Python runs
    """Π Bernoulli(xᵢ; logits lᵢ) over the last ``axes`` axes of the logits."""

    def __init__(self, logits: Tensor, axes: int):
        super().__init__(Bernoulli(logits=logits, validate_args=False), axes, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Bits:
        """The same laws over more batches."""
        return Bits(self.base_dist.logits.expand(*batch_shape, *self.event_shape), len(self.event_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the zeros and ones, nats; of greys the negative cross-entropy."""
        logits = self.base_dist.logits
        if not self.event_shape or value.requires_grad:
            return super().log_prob(value)  # type: ignore[no-untyped-call]
        logits, value = logits.flatten(-len(self.event_shape)), value.flatten(-len(self.event_shape))
        logits = torch.broadcast_tensors(logits, value)[0]
        value = value.expand(*value.shape[:-1], logits.shape[-1])
        log_prob: Tensor = _OfBits.apply(logits, value)  # type: ignore[no-untyped-call]
        return log_prob


@operation("log_prob_of_bits(Tensor logits, Tensor value) -> Tensor")
def log_prob_of_bits(logits: Float[Tensor, "*batch D"], value: Float[Tensor, "*rows D"]) -> Float[Tensor, "*batch"]:
    """Σ log p of Bernoullis in few passes: Σ ((xᵢ − ½) lᵢ − ½|lᵢ|) + Σ log S(|lᵢ|), one logarithm for up to ``FACTORS`` values."""
    logits = logits.to(value.dtype)
    size, centred, distance = logits.shape[-1], value - 0.5, logits.abs()
    if value.dim() == 2 and len(value) == 1:  # of one example for many draws
        linear = logits @ centred[0] - distance.sum(-1) / 2
    else:
        linear = (logits * centred).sub_(distance, alpha=0.5).sum(-1)
    group = next(n for n in range(FACTORS, 0, -1) if size % n == 0)
    return linear + distance.sigmoid_().unflatten(-1, (-1, group)).prod(-1).log_().sum(-1)


@in_graphs("log_prob_of_bits")
def _(logits: Float[Tensor, "*batch D"], value: Float[Tensor, "*rows D"]) -> Float[Tensor, "*batch"]:
    return (logits * value - torch.nn.functional.softplus(logits)).sum(-1)


@operation("slope_of_bits(Tensor logits, Tensor value, Tensor scale, Tensor(a!) slope, Tensor? bias=None) -> Tensor")
def slope_of_bits(
    logits: Float[Tensor, "*batch D"],
    value: Float[Tensor, "*rows D"],
    scale: Float[Tensor, "*some"],
    slope: Float[Tensor, "*batch D"],
    bias: Float[Tensor, " D"] | None = None,
) -> Float[Tensor, "*batch"]:
    """The same of logits + ``bias``, and into ``slope`` its gradient, x − S(l), times ``scale``: one number, or one for each log p."""
    logits = logits.to(value.dtype) if bias is None else logits + bias
    slope.copy_((value - logits.sigmoid()).mul_(scale[..., None]))
    return log_prob_of_bits(logits, value)


def drawn(chance: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
    """Zeros and ones of these chances, NaN where a chance is, in a tenth of ``torch.bernoulli``'s time.

    A chance is compared with a number of 24 binary digits. Each example has a key of 64 random bits, from which its numbers follow.
    Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014, https://doi.org/10.1145/2660193.2660195.
    """
    if chance.device.type != "cpu" and not noise.is_on():
        return (torch.rand_like(chance) < chance).to(chance.dtype).add_(chance, alpha=0)
    flat = chance[:, None].flatten(1)
    keys = noise.keys(len(flat), flat.device)
    return drawn_bits(flat, keys).view(chance.shape)


@operation("drawn_bits(Tensor chance, Tensor keys) -> Tensor")
def drawn_bits(chance: Float[Tensor, "B D"], keys: Int64[Tensor, " B"]) -> Float[Tensor, "B D"]:
    """Zeros and ones of each row by the numbers of its key."""
    return (_numbers(keys, chance.shape[1]) < chance * 2**24).to(chance.dtype).add_(chance, alpha=0)


def _numbers(keys: Int64[Tensor, " B"], size: int) -> Int64[Tensor, "B D"]:
    """Of each key so many numbers below 2^24: half of SplitMix64's bits is for a place of the first half, half for one of the last."""
    z = keys[:, None] + GOLDEN * torch.arange(1, (size + 1) // 2 + 1, device=keys.device)
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15), (31, 1)):
        z = (z ^ _shifted(z, shift)) * factor  # modulo 2^64, as the source has it
    return torch.cat([_shifted(z, 8) % 2**24, _shifted(z, 40)], 1)[:, :size]


def _shifted(z: Int64[Tensor, "B n"], bits: int) -> Int64[Tensor, "B n"]:
    """To the right, zeros coming in."""
    return (z >> bits) & (2 ** (64 - bits) - 1)


class _OfBits(torch.autograd.Function):
    """The same, with its gradient x − S(l)."""

    @staticmethod
    def forward(context: Any, logits: Float[Tensor, "*batch D"], value: Float[Tensor, "*rows D"]) -> Float[Tensor, "*batch"]:
        context.save_for_backward(logits, value)
        return log_prob_of_bits(logits, value)

    @staticmethod
    def backward(context: Any, *gradients: Float[Tensor, "*batch"]) -> tuple[Tensor, None]:
        (logits, value), (gradient,) = context.saved_tensors, gradients
        if torch.is_grad_enabled():  # which is to be differentiated once more
            return (value - logits.sigmoid()) * gradient[..., None], None
        slope = torch.empty_like(logits)
        slope_of_bits(logits, value, gradient, slope)
        return slope, None
