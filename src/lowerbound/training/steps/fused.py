"""The training step for the most common models, by hand: the gradient of autograd, in fewer passes over CPU memory.

They have a Gaussian posterior and a Bernoulli likelihood, or one of a table's columns, of fully connected ReLU networks, a standard normal
prior, the ELBO or the importance-weighted bound, and the pathwise gradient. Matrix products are torch's, the rest the operations of
lines.py; the slope of a column's law in what the decoder gives is autograd's. It draws the same random numbers in the same order as
autograd's step, so that both give the same gradients but for rounding: tests/training/test_fused.py checks that. To learn the ideas read
``vae.loss``, which is also what runs where nothing is compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.data.rows import Rows
from lowerbound.distributions.bernoulli import slope_of_bits
from lowerbound.nn.hooks import any_global_hook
from lowerbound.nn.missing import TableInput, perceptron
from lowerbound.system.devices import loops
from lowerbound.system.noise import normal
from lowerbound.system.threads import is_plain
from lowerbound.training.adam import ROUNDED, Adam
from lowerbound.training.steps.changes import is_as_made
from lowerbound.training.steps.lines import bounds, latents, of_latents
from lowerbound.training.steps.perceptron import Perceptron
from lowerbound.training.steps.plan import Plan, Ready, Step, nobody
from lowerbound.vae.conditional import LOG_VARIANCE, ConditionalLaw
from lowerbound.vae.density import log_density
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.likelihoods import Bernoulli, Columns, Likelihood
from lowerbound.vae.loss import of_rows
from lowerbound.vae.misfits import other_numbers
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import KL, ClosedKL, SampledKL
from lowerbound.vae.objectives.renyi import Renyi
from lowerbound.vae.posteriors import DiagonalGaussian
from lowerbound.vae.priors import Prior, StandardNormal

#: rows of logits at once, and numbers in them: few enough for the CPU's cache
ROWS, VALUES = 512, 2**18
#: types of matrix products
TYPES = (torch.float32, torch.bfloat16)


def is_usual(plan: Plan) -> bool:
    """Whether model, estimator and loss are the most common ones with nothing given, and no method or mode of theirs is another."""
    vae = plan.vae
    if type(vae) is not VAE or type(plan.estimator) is not Pathwise or plan.loss is not of_rows or plan.products not in TYPES:
        return False
    if type(vae.likelihood) is not Columns and (type(vae.likelihood) is not Bernoulli or vae.likelihood.holes):
        return False
    alone = vae.context is None and vae.likelihood.context is None and vae.posterior.context is None
    return alone and all(map(is_as_made, (*vae.modules(), plan.estimator))) and not any_global_hook()


def is_elbo(objective: Objective, kl: KL) -> bool:
    """Whether it is the ELBO with such a KL."""
    return type(objective) is ELBO and objective.kl == kl


def _is_importance_weighted(objective: Objective) -> bool:
    return type(objective) is Renyi and objective.alpha == 0 and objective.kl == SampledKL()


def are_all(vae: Model, layers: Sequence[nn.Linear], others: Sequence[Tensor] = ()) -> bool:
    """Whether a model has the weights of these layers, and these, and no more, no two are one, and all are trained as loops read them."""
    weights = [weight for layer in layers for weight in (layer.weight, layer.bias)] + list(others)
    if len(weights) != len(list(vae.parameters())):  # else nothing would clear the others' gradients
        return False
    there = [weight for weight in weights if type(weight) is nn.Parameter]
    hooked = any(weight._backward_hooks or weight._post_accumulate_grad_hooks for weight in there)
    plain = all(is_plain(weight) and weight.requires_grad for weight in there)
    return len(set(map(id, there))) == len(weights) and plain and not hooked


def _fit_each_other(prior: Prior, encoder: list[nn.Linear], decoder: list[nn.Linear]) -> bool:
    """Whether layers take what those before give and have as many biases as outputs, and latents are those of N(0, I)."""
    chained = all(before.weight.shape[0] == after.weight.shape[1] for layers in (encoder, decoder) for before, after in pairwise(layers))
    biased = all(layer.bias.shape == layer.weight.shape[:1] for layer in encoder + decoder)
    size = decoder[0].weight.shape[1]
    return chained and biased and is_standard(prior, size) and encoder[-1].weight.shape[0] == 2 * size


def is_standard(prior: Prior, size: int) -> bool:
    """Whether a normal prior is N(0, I), of so many dimensions."""
    law = prior()
    return law.event_shape.numel() == size and not bool(law.mean.any()) and bool(law.stddev.eq(1).all())


# --- the step ------------------------------------------------------------------------------------------


def are_perceptrons(plan: Plan) -> bool:
    """Whether it is a model of this kind whose weights are all trained, on a CPU with compiled loops."""
    vae, objective = plan.vae, plan.objective
    if type(vae.prior) is not StandardNormal or type(vae.posterior) is not DiagonalGaussian or not is_usual(plan) or loops() is None:
        return False
    if vae.posterior.floor or not (is_elbo(objective, ClosedKL()) or _is_importance_weighted(objective)):
        return False
    encoder, decoder = perceptron(vae.posterior.network), perceptron(vae.likelihood.network)
    return bool(encoder and decoder) and are_all(vae, encoder + decoder) and _fit_each_other(vae.prior, encoder, decoder)


class OfPerceptrons(Step):
    """A step of that model.

    Gradients of large weights have the type of their products where the optimizer takes them so and nobody adds them up.
    """

    draws_by_row = True

    def __init__(self, plan: Plan, ready: Ready = nobody):
        super().__init__(plan, ready)
        rounded = ROUNDED and isinstance(plan.state.optimizer, Adam) and plan.group.takes_all and plan.clip is None and plan.skip is None
        laws: tuple[ConditionalLaw, ...] = plan.vae.posterior, plan.vae.likelihood
        sparse = type(plan.vae.likelihood) is Bernoulli  # columns are dense
        networks = (
            Perceptron(perceptron(law.network), plan.products, law.rough, rounded, ready, of_data)
            for law, of_data in zip(laws, (sparse, False), strict=True)
        )
        self.encoder, self.decoder = networks
        self.event = event_of(plan.vae.likelihood)

    def _observed(self, data: Rows, rows: Tensor) -> Float[Tensor, "B D"]:
        seen = self.plan.vae.likelihood.observe(data[rows])
        x = seen.flatten(1).to("cpu", torch.float32).contiguous()
        if x.shape[1] != math.prod(self.event):
            raise other_numbers(self.event, seen.shape[1:])
        return x


class ByHand(OfPerceptrons):
    """The gradient of its loss, by hand."""

    @classmethod
    def takes(cls, plan: Plan) -> bool:
        """All such models."""
        return are_perceptrons(plan)

    @torch.no_grad()
    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        x = self._observed(data, rows)
        network = self.plan.vae.posterior.network
        inputs, weights = self.encoder.forward(network.shown(x) if type(network) is TableInput else x)
        q, bias = self.encoder.product(len(weights) - 1, inputs[-1], weights), self.encoder.bias(-1)
        noise = normal((objective.samples, q.shape[0], q.shape[1] // 2), 1, q.dtype, q.device)
        scale, z, kl, log_ratio = latents(q, bias, noise, *LOG_VARIANCE)
        weighted, n = not isinstance(objective, ELBO), q.shape[0]
        log_likelihood, back = self._decoded(x, z, 1.0 if weighted else 1 / log_ratio.numel())
        means, shares = bounds(log_likelihood, kl, log_ratio, weighted)
        share = shares if weighted else None
        # of what of_z has not: the KL and log σ²
        constants = (objective.weight_of_kl / n, 0.0) if isinstance(objective, ELBO) else (0.0, -1 / n)
        of_q = of_latents(q, noise, scale, z, back(share), share, *LOG_VARIANCE, *constants)
        self.encoder.backward(inputs, weights, of_q)
        return means

    def _decoded(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "K B d"], even: float
    ) -> tuple[Float[Tensor, "K B"], Callable[[Float[Tensor, "K B"] | None], Float[Tensor, "K B d"]]]:
        """log p(x|z); and a function of each draw's share (or ``even``) that leaves the decoder's gradients and returns that in z."""
        inputs, weights = self.decoder.forward(z.flatten(0, 1))
        parts, scale, n = [], self.decoder.memory("scale", torch.float32).fill_(-even), x.shape[0]
        width, likelihood = weights[-1].shape[0], self.plan.vae.likelihood
        slope, of_draws = self.decoder.memory("slope", weights[-1].dtype, inputs[0].shape[0], width), (-1, n, width)
        for part in parts_of(z.shape[0], n, width):
            output, own = self.decoder.product(len(weights) - 1, inputs[-1][part], weights).view(of_draws), slope[part].view(of_draws)
            if type(likelihood) is Columns:
                parts.append(_slope_of_columns(likelihood, output + self.decoder.bias(-1), x, own))
                own *= scale
            else:
                parts.append(slope_of_bits(output, x, scale, own, self.decoder.bias(-1)))

        def back(share: Float[Tensor, "K B"] | None) -> Float[Tensor, "K B d"]:
            gradient = self.decoder.backward(inputs, weights, slope, None if share is None else share.flatten())
            return (gradient @ weights[0]).float().view(z.shape)

        return torch.cat(parts), back


def event_of(likelihood: Likelihood) -> Sequence[int]:
    """The shape of an example: that of the columns, or of the logits that a perceptron gives."""
    if isinstance(likelihood, Columns):
        return (len(likelihood.columns),)
    last = list(likelihood.network.children())[-1]
    return last.unflattened_size if isinstance(last, nn.Unflatten) else perceptron(likelihood.network)[-1].weight.shape[:1]


def _slope_of_columns(
    likelihood: Columns, output: Float[Tensor, "K B parameters"], x: Float[Tensor, "B D"], slope: Float[Tensor, "K B parameters"]
) -> Float[Tensor, "K B"]:
    """log p(x|z) of the values that are there, and into ``slope`` its slope in the decoder's output."""
    with torch.enable_grad():
        output.requires_grad_()
        found = log_density(likelihood.law(output, 2), x, ~x.isnan())
        (of_output,) = torch.autograd.grad(found.sum(), output)
    slope.copy_(of_output)
    return found.detach()


def parts_of(k: int, b: int, width: int) -> list[slice]:
    """The rows of K draws for B examples, in parts of some draws for all examples; ``width`` numbers a row."""
    some = max(1, max(ROWS, VALUES // width) // b)
    return [slice(start * b, min(start + some, k) * b) for start in range(0, k, some)]
