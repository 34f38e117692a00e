"""Computations in one pass over memory where torch needs several: compiled by numba, run by torch's own threads.

Here the loops are called with tensors. Each computes the same as some lines of torch: of distributions/bernoulli.py, of
``torch.optim.Adam`` or of a training step by autograd. Those lines run where nothing is compiled, and are the ones to read for the ideas;
tests/system/test_compiled.py checks that the results agree.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from lowerbound.system.compiled import loops
from lowerbound.system.threads import is_plain, run


def _numbers(*shape: int) -> Tensor:
    """An uninitialised tensor of this shape, in single precision for any default type of torch."""
    return torch.empty(shape, dtype=torch.float32, device="cpu")


ONE = _numbers().fill_(1.0)


def _as_wholes(*numbers: float) -> tuple[int, ...]:
    """The 32-bit integers with the same bits as these numbers in single precision."""
    return struct.unpack(f"{len(numbers)}i", struct.pack(f"{len(numbers)}f", *numbers))


def takes_bits(logits: Tensor, value: Tensor, scale: Tensor | None = None, slope: Tensor | None = None) -> bool:
    """Whether ``bits`` can be called: the values' shape is the last part of the logits', and loops can read all tensors."""
    fits = logits.shape[-value.dim() :] == value.shape or value.shape[-1:].numel() == value.numel() == logits.shape[-1]
    of_type = slope is None or slope.dtype == logits.dtype
    singles, others = (value, *(() if scale is None else (scale,))), (logits, *(() if slope is None else (slope,)))
    return fits and value.numel() > 0 and of_type and all(map(is_plain, singles)) and all(is_plain(one, torch.bfloat16) for one in others)


def bits(
    logits: Float[Tensor, "*batch D"],
    value: Float[Tensor, "*rows D"],
    scale: Float[Tensor, "*some"] | None = None,
    slope: Float[Tensor, "*batch D"] | None = None,
    bias: Float[Tensor, " D"] | None = None,
) -> Float[Tensor, "*batch"]:
    """``log_prob_of_bits`` and ``slope_of_bits`` of distributions/bernoulli.py; with a slope, of logits + ``bias``."""
    found, size = _numbers(*logits.shape[:-1]), logits.shape[-1]
    bias = _numbers(size).zero_() if bias is None and slope is not None else bias
    sizes = found.numel(), size, value.numel() // size
    addresses = [0 if tensor is None else tensor.data_ptr() for tensor in (logits, value, found, slope, scale)]
    stride = scale is not None and scale.numel() > 1
    biases = 0 if bias is None else bias.data_ptr()
    run(loops.bits, logits.numel(), *sizes, *addresses, stride, biases, logits.dtype == torch.bfloat16)
    return found


def drawn(chance: Float[Tensor, "B D"], keys: Int64[Tensor, " B"]) -> Float[Tensor, "B D"]:
    """Bernoulli draws ``(B, D)``, the same as those of distributions/bernoulli.py."""
    found = torch.empty_like(chance)
    run(loops.drawn, chance.numel(), len(chance), chance.shape[1], keys.data_ptr(), chance.data_ptr(), found.data_ptr())
    return found


def random_words(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Int32[Tensor, "B size"]:
    """Random words of system/philox.py, their bits as integers of 32; ``size`` is a multiple of 4."""
    return _random(loops.random_words, torch.int32, key, rows, size, call)


def random_uniforms(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Float[Tensor, "B size"]:
    """Uniform numbers of system/philox.py; ``size`` is a multiple of 4."""
    return _random(loops.random_uniforms, torch.float32, key, rows, size, call)


def random_normals(key: int, rows: Int64[Tensor, " B"], size: int, call: int) -> Float[Tensor, "B size"]:
    """Normal numbers of system/philox.py; ``size`` is a multiple of 4."""
    return _random(loops.random_normals, torch.float32, key, rows, size, call)


def random_blocks(key: int, rows: Int64[Tensor, " n"], places: Int64[Tensor, " n"], call: int, lane: int) -> Int64[Tensor, "4 n"]:
    """The four words of each counter (place, row, call, lane), as ``blocks`` of system/philox.py."""
    found, rows, places = torch.empty(4, len(rows), dtype=torch.int64, device="cpu"), rows.contiguous(), places.contiguous()
    run(loops.random_blocks, found.numel(), len(rows), rows.data_ptr(), places.data_ptr(), _signed(key), call, lane, found.data_ptr())
    return found


def _signed(key: int) -> int:
    """The integer with the same 64 bits."""
    return key - 2**64 if key >= 2**63 else key


def _random(loop: Any, kind: torch.dtype, key: int, rows: Tensor, size: int, call: int) -> Tensor:
    found, rows = torch.empty(len(rows), size, dtype=kind, device="cpu"), rows.contiguous()
    run(loop, found.numel(), len(rows), size, rows.data_ptr(), _signed(key), call, found.data_ptr())
    return found


def latents(
    q: Float[Tensor, "B both"], bias: Float[Tensor, " both"], noise: Float[Tensor, "K B d"], low: float, high: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """σ ``(B, d)``, z ``(K, B, d)``, the KL ``(B,)`` and log p(z)/q(z|x) ``(K, B)``, in nats, from ``q`` and noise ε.

    ``q`` holds means and log σ² (clipped to bounds) but for their bias, which is added in place.
    """
    k, n, d = noise.shape
    scale, z, kl, ratio = _numbers(n, d), torch.empty_like(noise), _numbers(n), _numbers(k, n)
    places = [tensor.data_ptr() for tensor in (q, noise, scale, z, kl, ratio, bias)]
    run(loops.latents, noise.numel(), n, d, k, *_as_wholes(low, high), *places)
    return scale, z, kl, ratio


def bounds(
    log_likelihood: Float[Tensor, "K B"], kl: Float[Tensor, " B"], ratio: Float[Tensor, "K B"], weighted: bool
) -> tuple[Float[Tensor, " 3"], Float[Tensor, "K B"] | None]:
    """Means of ELBO, log p(x|z) and KL; if ``weighted``, of the importance-weighted bound, with each draw's weight in its gradient."""
    found, share, (k, n) = _numbers(3), torch.empty_like(ratio) if weighted else None, log_likelihood.shape
    run(loops.bounds, 0, n, k, *(0 if tensor is None else tensor.data_ptr() for tensor in (log_likelihood, kl, ratio, share, found)))
    return found, share


def of_latents(
    q: Float[Tensor, "B both"],
    noise: Float[Tensor, "K B d"],
    drawn: tuple[Tensor, Tensor],
    of_z: Float[Tensor, "K B d"],
    share: Float[Tensor, "K B"] | None,
    constants: tuple[float, float, float, float],
) -> Float[Tensor, "B both"]:
    """The gradient in means and log σ² from that in z and, by ``constants`` (the bounds of log σ², c, e), from a bound's other terms."""
    (k, n, d), found = noise.shape, torch.empty_like(q)
    tensors = (q, noise, *drawn, of_z, share, found)
    places = [0 if tensor is None else tensor.data_ptr() for tensor in tensors]
    run(loops.of_latents, noise.numel(), n, d, k, *_as_wholes(*constants), *places)
    return found


def relu(output: Float[Tensor, "N H"], bias: Float[Tensor, " H"], found: Float[Tensor, "N H"]) -> Float[Tensor, "N H"]:
    """max(output + bias, 0), written to ``found`` of any type."""
    places = [tensor.data_ptr() for tensor in (output, bias, found)]
    run(loops.relu, output.numel(), *output.shape, *places, output.dtype == torch.bfloat16, found.dtype == torch.bfloat16)
    return found


def through_relu(
    gradient: Float[Tensor, "N H"],
    output: Float[Tensor, "N H"],
    found: Float[Tensor, "N H"],
    sums: Float[Tensor, " H"],
    scale: Float[Tensor, " N"] | None = None,
) -> None:
    """A ReLU's gradient from that of its ``output``, times each row's ``scale``, to ``found`` of any type; and its ``sums`` over rows."""
    places = [tensor.data_ptr() for tensor in (gradient, output, found, sums)]
    halves = [one.dtype == torch.bfloat16 for one in (gradient, found)]
    run(
        loops.through_relu,
        gradient.numel(),
        *gradient.shape,
        *places,
        scale is not None,
        (ONE if scale is None else scale).data_ptr(),
        *halves,
    )


def adam(each: list[tuple[Tensor, Tensor, dict[str, Tensor]]], rate: float, betas: tuple[float, float], tiny: float) -> None:
    """A step of ``torch.optim.Adam`` for weights, each with its gradient, which may be bfloat16, and torch's state for it."""
    (one, two), known, total = betas, {}, 0
    given = [len(each), *_as_wholes(one, two, 1 - one, 1 - two, tiny)]  # 1 − 0.999 is rounded once
    for weight, gradient, slots in each:
        step, m, v = slots["step"], slots["exp_avg"], slots["exp_avg_sq"]
        if (count := int(step) + 1) not in known:
            known[count] = _as_wholes(rate / (1 - one**count), math.sqrt(1 - two**count), float(count))
        places = weight.data_ptr(), gradient.data_ptr(), m.data_ptr(), v.data_ptr(), step.data_ptr()
        given += (weight.numel(), *known[count], gradient.dtype == torch.bfloat16, *places)
        total += weight.numel()
    run(loops.adam, total, *given)
