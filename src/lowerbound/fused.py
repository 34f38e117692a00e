"""The step of the most usual model by hand: what autograd would do for it, in fewer passes over memory.

That is a Gaussian posterior and a Bernoulli likelihood of fully connected ReLU networks, a standard normal prior, the ELBO or the
importance-weighted bound, and the pathwise gradient. Its random numbers are those of the plain way in the same order, so that both give the
same gradients but for rounding: a law of tests/test_fused.py. Whoever reads for the ideas reads ``loss``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.conditional import LOG_VARIANCE
from lowerbound.estimators import Estimator, Pathwise
from lowerbound.levels import log_prob_of_bits
from lowerbound.likelihoods import Bernoulli
from lowerbound.loss import LossFunction, of_rows
from lowerbound.model import VAE, Rows
from lowerbound.nn import LARGE, Linear
from lowerbound.objectives import ELBO, ClosedKL, Objective, Renyi, SampledKL
from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import StandardNormal

#: rows of logits at once: few enough for the processor's cache
ROWS = 512
#: of how many times as many columns the other factor of a product has, for this one to be narrow
NARROW = 32

#: of data, rows and an objective: leaves the gradient of the loss in the weights, and gives the means of bound, reconstruction term and KL
Step = Callable[[Rows, Tensor, Objective], Float[Tensor, " 3"]]


def step_of(vae: VAE, objective: Objective, estimator: Estimator, loss: LossFunction, products: torch.dtype) -> Step | None:
    """The step of a model of this kind; None for any other."""
    likelihood, usual = vae.likelihood, (VAE, StandardNormal, DiagonalGaussian, Pathwise)
    if tuple(map(type, (vae, vae.prior, vae.posterior, estimator))) != usual or type(likelihood) is not Bernoulli or loss is not of_rows:
        return None
    if vae.context is not None or likelihood.holes or not (_is_elbo(objective) or _is_importance_weighted(objective)):
        return None
    encoder, decoder = _perceptron(vae.posterior.network), _perceptron(likelihood.network)
    if encoder is None or decoder is None or encoder[0].weight.dtype != torch.float32:
        return None
    return _Step(likelihood, _Network(encoder, products, rough=False), _Network(decoder, products, rough=True))


def _is_elbo(objective: Objective) -> bool:
    return type(objective) is ELBO and objective.kl == ClosedKL()


def _is_importance_weighted(objective: Objective) -> bool:
    return type(objective) is Renyi and objective.alpha == 0 and objective.kl == SampledKL()


def _perceptron(network: nn.Module) -> list[nn.Linear] | None:
    """The layers of a network as ``mlp`` makes them, all of whose weights learn; None for any other."""
    if type(network) is not nn.Sequential:
        return None
    inner = [layer for layer in network if not isinstance(layer, (nn.Flatten, nn.Unflatten))]
    layers = [
        layer for layer in inner[::2] if isinstance(layer, nn.Linear) and type(layer) in (nn.Linear, Linear) and layer.bias is not None
    ]
    between = [layer for layer in inner[1::2] if type(layer) is nn.ReLU]
    hooked = any(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks for layer in network.modules())
    learning = all(weight.requires_grad and not weight._backward_hooks for weight in network.parameters())
    whole = len(layers) == len(between) + 1 and len(layers) + len(between) == len(inner)
    return layers if whole and learning and not hooked else None


@dataclass
class _Network:
    """Linear layers with ReLUs between them; the large ones multiply in the type ``products``, the last only if it is ``rough``."""

    layers: list[nn.Linear]
    products: torch.dtype
    rough: bool

    def types(self) -> list[torch.dtype]:
        """Of each layer's product."""
        rounded = self.layers if self.rough else self.layers[:-1]
        return [self.products if layer in rounded and layer.weight.numel() >= LARGE else torch.float32 for layer in self.layers]

    def forward(self, x: Float[Tensor, "N in"]) -> tuple[list[Tensor], list[Tensor]]:
        """What goes into each layer, and the weights, in the types of their products."""
        types = self.types()
        weights = [layer.weight.to(kind) for layer, kind in zip(self.layers, types, strict=True)]
        inputs = [x.to(types[0])]
        for layer, weight, kind in zip(self.layers, weights, types[1:], strict=False):
            inputs.append(torch.addmm(layer.bias.to(weight.dtype), inputs[-1], weight.t()).relu_().to(kind))
        return inputs, weights

    def last(self, inputs: list[Tensor], weights: list[Tensor], rows: slice = slice(None)) -> Tensor:
        """What the last layer makes of some rows."""
        return torch.addmm(self.layers[-1].bias.to(weights[-1].dtype), inputs[-1][rows], weights[-1].t())

    def backward(
        self, inputs: list[Tensor], weights: list[Tensor], gradient: Float[Tensor, "N out"], scale: Float[Tensor, "N 1"] | None = None
    ) -> Tensor:
        """Leave the weights' gradients, that of the output being ``scale`` × ``gradient``, and give that of what the first layer made."""
        for number in reversed(range(len(self.layers))):
            gradient = gradient.to(weights[number].dtype)
            scale = scale if scale is None else scale.to(gradient.dtype)
            scaled = inputs[number] if scale is None else inputs[number] * scale
            _leave(self.layers[number].weight, _crosswise(gradient, scaled))
            _leave(self.layers[number].bias, gradient.sum(0) if scale is None else (scale.t() @ gradient)[0])
            if number:
                gradient = gradient @ weights[number]
                gradient = gradient if scale is None else gradient.mul_(scale)
                gradient, scale = torch.ops.aten.threshold_backward(gradient, inputs[number], 0), None
        return gradient if scale is None else gradient * scale


def _crosswise(a: Float[Tensor, "N i"], b: Float[Tensor, "N j"]) -> Float[Tensor, "i j"]:
    """aᵀ b; where b is far narrower than a it goes on the left, which takes a fifth of the time."""
    return (b.t() @ a).t() if NARROW * b.shape[1] <= a.shape[1] else a.t() @ b


def _leave(weight: Tensor, gradient: Tensor) -> None:
    if weight.grad is None:
        weight.grad = torch.empty_like(weight)
    weight.grad.copy_(gradient)


# --- bounds --------------------------------------------------------------------------------------------


@dataclass
class _Draw:
    """q(z|x) of B data and K draws of each."""

    mean: Float[Tensor, "B d"]
    log_variance: Float[Tensor, "B d"]
    scale: Float[Tensor, "B d"]
    noise: Float[Tensor, "K B d"]
    z: Float[Tensor, "K B d"]


@dataclass
class _Bound:
    """A bound and its KL, each ``(B,)``, and the gradient of the mean of its negative.

    In log p(x|z) that is −``share`` (None where all have the same); in mean, log σ² and z what they have besides by the laws of z.
    """

    value: Float[Tensor, " B"]
    kl: Float[Tensor, " B"]
    share: Float[Tensor, "K B"] | None
    of_mean: Tensor | float
    of_log_variance: Tensor | float
    of_z: Tensor | float


def _elbo(q: _Draw, log_likelihood: Float[Tensor, "K B"], beta: float) -> _Bound:
    """E_q[log p(x|z)] − KL, whose KL weighs β in what is descended."""
    variance, weight = q.scale.square(), beta / len(q.mean)
    kl = 0.5 * (q.mean.square() + variance - q.log_variance - 1).sum(1)
    return _Bound(log_likelihood.mean(0) - kl, kl, None, weight * q.mean, 0.5 * weight * (variance - 1), 0.0)


def _importance_weighted(q: _Draw, log_likelihood: Float[Tensor, "K B"]) -> _Bound:
    """log 1/K Σ_k w_k."""
    log_ratio = 0.5 * (q.noise.square() + q.log_variance - q.z.square()).sum(2)  # log p(z) − log q(z|x)
    log_weight = log_likelihood + log_ratio
    share = log_weight.softmax(0) / len(q.mean)
    value = log_weight.logsumexp(0) - math.log(len(q.z))
    return _Bound(value, -log_ratio.mean(0), share, 0.0, -0.5 / len(q.mean), share[..., None] * q.z)


# --- the step ------------------------------------------------------------------------------------------


@dataclass
class _Step:
    likelihood: Bernoulli
    encoder: _Network
    decoder: _Network

    @torch.no_grad()
    def __call__(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """Forward and backward."""
        x = self.likelihood.observe(data[rows].to(self.encoder.layers[0].weight.device)).flatten(1)
        inputs, weights = self.encoder.forward(x)
        mean, raw = self.encoder.last(inputs, weights).chunk(2, 1)
        log_variance = raw.clamp(*LOG_VARIANCE)
        scale, noise = (log_variance / 2).exp(), torch.randn(objective.samples, *mean.shape, device=x.device)
        q = _Draw(mean, log_variance, scale, noise, torch.addcmul(mean, scale, noise))
        elbo = isinstance(objective, ELBO)
        log_likelihood, back = self._decoded(x, q.z, 1 / (len(q.z) * len(x)) if elbo else None)
        bound = _elbo(q, log_likelihood, objective.weight_of_kl) if elbo else _importance_weighted(q, log_likelihood)
        of_z = back(bound.share).add_(bound.of_z)
        of_mean = of_z.sum(0) + bound.of_mean
        of_log_variance = (of_z * noise).sum(0).mul_(scale).mul_(0.5) + bound.of_log_variance
        of_raw = torch.ops.aten.hardtanh_backward(of_log_variance, raw, *LOG_VARIANCE)
        self.encoder.backward(inputs, weights, torch.cat([of_mean, of_raw], 1))
        return torch.stack([bound.value.mean(), log_likelihood.mean(), bound.kl.mean()])

    def _decoded(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "K B d"], even: float | None
    ) -> tuple[Float[Tensor, "K B"], Callable[[Float[Tensor, "K B"] | None], Float[Tensor, "K B d"]]]:
        """log p(x|z); and what takes the share of each (None: all have ``even``) to the gradient of z and leaves the decoder's."""
        inputs, weights = self.decoder.forward(z.flatten(0, 1))
        parts, slope = [], torch.empty(len(inputs[0]), x.shape[1], dtype=weights[-1].dtype, device=x.device)
        for part in _parts(len(z), len(x)):
            logits = self.decoder.last(inputs, weights, part).float().unflatten(0, (-1, len(x)))
            parts.append(log_prob_of_bits(logits, x))
            gradient = logits.sigmoid_().sub_(x)
            slope[part].unflatten(0, (-1, len(x))).copy_(gradient if even is None else gradient.mul_(even))

        def back(share: Float[Tensor, "K B"] | None) -> Float[Tensor, "K B d"]:
            scale = None if share is None else share.reshape(-1, 1)
            gradient = self.decoder.backward(inputs, weights, slope, scale)
            return (gradient @ weights[0]).float().unflatten(0, z.shape[:2])

        return torch.cat(parts), back


def _parts(k: int, b: int) -> list[slice]:
    """The rows of K draws of B data, some draws of all data at once."""
    some = max(1, ROWS // b)
    return [slice(start * b, min(start + some, k) * b) for start in range(0, k, some)]
