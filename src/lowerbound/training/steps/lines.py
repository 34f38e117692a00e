"""What the step by hand does between matrix products, in torch's lines: latents of a Gaussian, bounds, ReLUs, and the way back.

Each is an operation (system/operations.py), which a device may have in one pass over memory.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.system.operations import operation


@operation("latents(Tensor(a!) q, Tensor bias, Tensor noise, float low, float high) -> (Tensor, Tensor, Tensor, Tensor)")
def latents(
    q: Float[Tensor, "B both"], bias: Float[Tensor, " both"], noise: Float[Tensor, "K B d"], low: float, high: float
) -> tuple[Float[Tensor, "B d"], Float[Tensor, "K B d"], Float[Tensor, " B"], Float[Tensor, "K B"]]:
    """σ, z = μ + σ ε, KL(q ‖ p) and log p(z)/q(z|x), in nats, for a standard normal p and noise ε.

    ``q`` is (μ, log σ²) but for its ``bias``, which is added in place; log σ² is clipped to its bounds.
    """
    mean, log_variance = q.add_(bias).chunk(2, 1)
    log_variance = log_variance.clamp(low, high)
    scale = (log_variance / 2).exp()
    z = mean + scale * noise
    kl = (mean.square() + scale.square() - log_variance - 1).sum(1) / 2
    return scale, z, kl, (log_variance + noise.square() - z.square()).sum(2) / 2


@operation("bounds(Tensor log_likelihood, Tensor kl, Tensor ratio, bool weighted) -> (Tensor, Tensor)")
def bounds(
    log_likelihood: Float[Tensor, "K B"], kl: Float[Tensor, " B"], ratio: Float[Tensor, "K B"], weighted: bool
) -> tuple[Float[Tensor, " 3"], Tensor]:
    """Means of the ELBO, log p(x|z) and the KL; if ``weighted``, of log 1/K Σ_k w_k, and each draw's w_k / Σ w, over B, for its gradient.

    Without weights the second is empty.
    """
    k, n = ratio.shape
    if not weighted:
        means = log_likelihood.mean() - kl.mean(), log_likelihood.mean(), kl.mean()
        return torch.stack(means), ratio.new_empty(0)
    log_w = log_likelihood + ratio
    bound = log_w.logsumexp(0).mean() - math.log(k)
    return torch.stack((bound, log_likelihood.mean(), -ratio.mean())), log_w.softmax(0) / n


@operation(
    "of_latents(Tensor q, Tensor noise, Tensor scale, Tensor z, Tensor of_z, Tensor? share, float low, float high, float c, float e)"
    " -> Tensor"
)
def of_latents(
    q: Float[Tensor, "B both"],
    noise: Float[Tensor, "K B d"],
    scale: Float[Tensor, "B d"],
    z: Float[Tensor, "K B d"],
    of_z: Float[Tensor, "K B d"],
    share: Float[Tensor, "K B"] | None,
    low: float,
    high: float,
    c: float,
    e: float,
) -> Float[Tensor, "B both"]:
    """The gradient in (μ, log σ²) from that in z: Σ_k g + c μ and ½ (σ Σ_k g ε + c (σ² − 1) + e), where g = of_z + share z.

    It is zero in log σ² outside its bounds. c and e are a bound's other terms: of the KL, and of log σ² in log q(z|x).
    """
    mean, log_variance = q.chunk(2, 1)
    g = of_z if share is None else of_z + share[..., None] * z
    of_log_variance = (scale * (g * noise).sum(0) + c * (scale.square() - 1) + e) / 2
    inside = (low <= log_variance) & (log_variance <= high)
    return torch.cat((g.sum(0) + c * mean, of_log_variance * inside), 1)


@operation("rectified(Tensor output, Tensor bias, Tensor(a!) found) -> ()")
def rectified(output: Float[Tensor, "N H"], bias: Float[Tensor, " H"], found: Float[Tensor, "N H"]) -> None:
    """max(output + bias, 0), to ``found`` of any type."""
    found.copy_((output + bias).relu_())


@operation("through_relu(Tensor gradient, Tensor output, Tensor? scale, Tensor(a!) found, Tensor(b!) sums) -> ()")
def through_relu(
    gradient: Float[Tensor, "N H"],
    output: Float[Tensor, "N H"],
    scale: Float[Tensor, " N"] | None,
    found: Float[Tensor, "N H"],
    sums: Float[Tensor, " H"],
) -> None:
    """A ReLU's gradient from that in its ``output``, times each row's ``scale``, to ``found`` of any type; and its ``sums`` over rows."""
    back = torch.where(output > 0, gradient, 0).to(sums.dtype)
    back = back if scale is None else back * scale[:, None]
    found.copy_(back)
    torch.sum(back, 0, out=sums)
