"""The training step for the most common model, by hand: the gradient of autograd, in fewer passes over CPU memory.

That model has a Gaussian posterior and a Bernoulli likelihood of fully connected ReLU networks, a standard normal prior, the ELBO or the
importance-weighted bound, and the pathwise gradient. Matrix products are torch's, the rest is ``compiled``. It draws the same random
numbers in the same order as autograd's step, so that both give the same gradients but for rounding: tests/training/test_fused.py checks
that. To learn the ideas read ``vae.loss``, which is also what runs where nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.data.rows import Rows
from lowerbound.errors import DataError, UsageError
from lowerbound.nn.precision import LARGE, Linear
from lowerbound.system.devices import loops
from lowerbound.system.noise import normal
from lowerbound.system.threads import is_plain
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.loss import LossFunction, of_rows
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import ClosedKL, SampledKL
from lowerbound.vae.objectives.renyi import Renyi
from lowerbound.vae.posteriors import DiagonalGaussian
from lowerbound.vae.priors import StandardNormal

#: rows of logits at once: few enough for the CPU's cache
ROWS = 512
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
#: types of matrix products
TYPES = (torch.float32, torch.bfloat16)
#: a factor of a product is narrow if the other one has at least this many times its columns
NARROW = 32

#: data, rows, objective → means of bound, reconstruction term and KL in nats; leaves the gradient of the loss in the weights
Step = Callable[[Rows, Tensor, Objective], Float[Tensor, " 3"]]


def step_of(
    vae: Model, objective: Objective, estimator: Estimator, loss: LossFunction, products: torch.dtype, rounded: bool = False
) -> Step | None:
    """The step for a model of this kind; None for any other, for other devices, and where nothing is compiled.

    Gradients have the type of their products if they may be ``rounded``, else that of their weights.
    """
    likelihood, usual = vae.likelihood, (VAE, StandardNormal, DiagonalGaussian, Pathwise)
    if tuple(map(type, (vae, vae.prior, vae.posterior, estimator))) != usual or type(likelihood) is not Bernoulli or loss is not of_rows:
        return None
    if vae.context is not None or likelihood.holes or not (_is_elbo(objective) or _is_importance_weighted(objective)):
        return None
    encoder, decoder = _perceptron(vae.posterior.network), _perceptron(likelihood.network)
    if encoder is None or decoder is None or (compiled := loops()) is None or products not in TYPES or not _are_plain(encoder + decoder):
        return None
    networks = [_Network(compiled, layers, products, rough, rounded) for layers, rough in ((encoder, False), (decoder, True))]
    return _Step(compiled, likelihood, *networks)


def _are_plain(layers: list[nn.Linear]) -> bool:
    """Whether loops can read the weights, no two layers share one, and each layer has as many biases as outputs."""
    weights = [weight for layer in layers for weight in (layer.weight, layer.bias)]
    alone = len(set(map(id, weights))) == len(weights)
    return alone and all(map(is_plain, weights)) and all(layer.bias.shape == layer.weight.shape[:1] for layer in layers)


def _is_elbo(objective: Objective) -> bool:
    return type(objective) is ELBO and objective.kl == ClosedKL()


def _is_importance_weighted(objective: Objective) -> bool:
    return type(objective) is Renyi and objective.alpha == 0 and objective.kl == SampledKL()


def _perceptron(network: nn.Module) -> list[nn.Linear] | None:
    """The layers of a network of the form of ``mlp`` whose weights are all trained; None for any other."""
    if type(network) is not nn.Sequential:
        return None
    inner = [layer for layer in network if not isinstance(layer, (nn.Flatten, nn.Unflatten))]
    layers = [
        layer for layer in inner[::2] if isinstance(layer, nn.Linear) and type(layer) in (nn.Linear, Linear) and layer.bias is not None
    ]
    between = [layer for layer in inner[1::2] if type(layer) is nn.ReLU]
    hooked = any(getattr(layer, kind) for layer in network.modules() for kind in HOOKS)
    learning = all(
        weight.requires_grad and not weight._backward_hooks and not weight._post_accumulate_grad_hooks for weight in network.parameters()
    )
    whole = len(layers) == len(between) + 1 and len(layers) + len(between) == len(inner)
    return layers if whole and learning and not hooked else None


class _Memory:
    """Buffers between two products, the same in each step, so that a core finds what it wrote in its own cache."""

    def __init__(self) -> None:
        self.places: dict[tuple[object, ...], Tensor] = {}

    def __call__(self, name: object, kind: torch.dtype, *shape: int) -> Tensor:
        """The buffer of that name, type and shape."""
        place = self.places.get((name, kind, *shape))
        if place is None:
            place = self.places[(name, kind, *shape)] = torch.empty(shape, dtype=kind, device="cpu")
        return place


@dataclass
class _Network:
    """Linear layers with ReLUs between them; large layers multiply in the type ``products``, the last one only if ``rough``."""

    compiled: ModuleType
    layers: list[nn.Linear]
    products: torch.dtype
    rough: bool
    rounded: bool

    def __post_init__(self) -> None:
        rounded = self.layers if self.rough else self.layers[:-1]
        self.kinds = [self.products if layer in rounded and layer.weight.numel() >= LARGE else torch.float32 for layer in self.layers]
        self.memory = _Memory()

    def forward(self, x: Float[Tensor, "N in"]) -> tuple[list[Tensor], list[Tensor]]:
        """The input of each layer, and the weights, in the types of their products."""
        weights = [layer.weight.to(kind) for layer, kind in zip(self.layers, self.kinds, strict=True)]
        inputs = [x if x.dtype == self.kinds[0] else self.memory("x", self.kinds[0], *x.shape).copy_(x)]
        for number, kind in enumerate(self.kinds[1:]):
            output = self.product(number, inputs[-1], weights)
            inputs.append(self.compiled.relu(output, self.bias(number), self.memory(("input", number + 1), kind, *output.shape)))
        return inputs, weights

    def product(self, number: int, given: Float[Tensor, "N in"], weights: list[Tensor]) -> Float[Tensor, "N out"]:
        """The output of a layer without its bias, in a buffer that the next call overwrites."""
        weight = weights[number]
        return torch.mm(given, weight.t(), out=self.memory(("output", number), weight.dtype, given.shape[0], weight.shape[0]))

    def bias(self, number: int) -> Tensor:
        """The bias of a layer. Errors: UsageError if its type or shape has changed."""
        weight, bias = self.layers[number].weight, self.layers[number].bias
        if not is_plain(bias) or bias.shape[0] != weight.shape[0]:
            raise UsageError("the bias of a layer was replaced by one of another type or shape during training; call fit again")
        return bias

    def backward(self, inputs: list[Tensor], weights: list[Tensor], gradient: Tensor, scale: Tensor | None = None) -> Tensor:
        """Leave the weights' gradients; return that in the first layer's output. ``gradient`` is not yet scaled by row."""
        each = None if scale is None else scale[:, None].to(gradient.dtype)
        total = _single(self.bias(-1))
        if each is None:
            torch.sum(gradient, 0, dtype=total.dtype, out=total)
        else:
            total.copy_((each.t() @ gradient)[0])
        for number in reversed(range(len(self.layers))):
            scaled = inputs[number] if each is None else inputs[number] * each
            self._leave(self.layers[number].weight, gradient, scaled)
            if number:
                back = torch.mm(gradient, weights[number], out=self.memory(("back", number), gradient.dtype, *inputs[number].shape))
                gradient = self.memory(("gradient", number), self.kinds[number - 1], *back.shape)
                self.compiled.through_relu(back, inputs[number], gradient, _single(self.bias(number - 1)), scale)
                scale = each = None
        return gradient if each is None else gradient * each

    def _leave(self, weight: Tensor, gradient: Float[Tensor, "N out"], given: Float[Tensor, "N in"]) -> None:
        """The weight's gradient, Σ over rows of gradient × input."""
        if NARROW * given.shape[1] <= gradient.shape[1]:  # five times as fast
            _single(weight).copy_((given.t() @ gradient).t())
        elif not self.rounded:
            _single(weight).copy_(gradient.t() @ given)
        elif weight.grad is not None and weight.grad.dtype == gradient.dtype:
            torch.mm(gradient.t(), given, out=weight.grad)
        else:
            weight.grad_dtype, weight.grad = None, gradient.t() @ given


def _single(weight: Tensor) -> Tensor:
    """The weight's gradient as a buffer in single precision."""
    if weight.grad is None or not is_plain(weight.grad):
        weight.grad = torch.empty_like(weight)
    return weight.grad


# --- the step ------------------------------------------------------------------------------------------


@dataclass
class _Step:
    compiled: ModuleType
    likelihood: Bernoulli
    encoder: _Network
    decoder: _Network

    @torch.no_grad()
    def __call__(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        x = self.likelihood.observe(data[rows]).flatten(1).to("cpu", torch.float32).contiguous()
        if x.shape[1] != (values := self.decoder.layers[-1].out_features):
            raise DataError(f"the decoder gives {values} values per example, the data have {x.shape[1]}; they must be equal")
        inputs, weights = self.encoder.forward(x)
        q, bias = self.encoder.product(len(weights) - 1, inputs[-1], weights), self.encoder.bias(-1)
        noise = normal((objective.samples, q.shape[0], q.shape[1] // 2), 1, q.dtype, q.device)
        scale, z, kl, log_ratio = self.compiled.latents(q, bias, noise, *LOG_VARIANCE)
        weighted, n = not isinstance(objective, ELBO), q.shape[0]
        log_likelihood, back = self._decoded(x, z, 1.0 if weighted else 1 / log_ratio.numel())
        means, share = self.compiled.bounds(log_likelihood, kl, log_ratio, weighted)
        # of what of_z has not: log σ² and the KL
        constants = (objective.weight_of_kl / n, 0.0) if isinstance(objective, ELBO) else (0.0, -1 / n)
        of_q = self.compiled.of_latents(q, noise, (scale, z), back(share), share, (*LOG_VARIANCE, *constants))
        self.encoder.backward(inputs, weights, of_q)
        return means

    def _decoded(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "K B d"], even: float
    ) -> tuple[Float[Tensor, "K B"], Callable[[Float[Tensor, "K B"] | None], Float[Tensor, "K B d"]]]:
        """log p(x|z); and a function of each draw's share (or ``even``) that leaves the decoder's gradients and returns that in z."""
        inputs, weights = self.decoder.forward(z.flatten(0, 1))
        parts, scale, n = [], self.decoder.memory("scale", torch.float32).fill_(-even), x.shape[0]
        slope = self.decoder.memory("slope", weights[-1].dtype, inputs[0].shape[0], x.shape[1])
        for part in _parts(z.shape[0], n):
            logits = self.decoder.product(len(weights) - 1, inputs[-1][part], weights)
            parts.append(self.compiled.bits(logits, x, scale, slope[part], self.decoder.bias(-1)))

        def back(share: Float[Tensor, "K B"] | None) -> Float[Tensor, "K B d"]:
            gradient = self.decoder.backward(inputs, weights, slope, None if share is None else share.flatten())
            return (gradient @ weights[0]).float().view(z.shape)

        return torch.cat(parts).view(z.shape[:2]), back


def _parts(k: int, b: int) -> list[slice]:
    """The rows of K draws for B examples, in parts of some draws for all examples."""
    some = max(1, ROWS // b)
    return [slice(start * b, min(start + some, k) * b) for start in range(0, k, some)]
