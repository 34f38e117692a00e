"""Networks that captured steps know: linear layers with ReLUs or gates between them, and those of one level of Gaussians or more."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import nn

from lowerbound.nn.precision import LARGE, Linear
from lowerbound.nn.stages import Stages
from lowerbound.training.steps.fused import is_standard
from lowerbound.vae import posteriors, priors
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.model import Model
from lowerbound.vae.posteriors import Posterior
from lowerbound.vae.priors import Prior


@dataclass(frozen=True)
class Dense:
    """Linear layers with ReLUs, or ``gated``, between them; one that ``ends`` in hidden units has what is between after the last too.

    ``rough`` says that the output may be rounded.
    """

    layers: list[nn.Linear]
    gated: bool
    ends: bool
    rough: bool

    @property
    def inputs(self) -> int:
        """Numbers that it takes."""
        return self.layers[0].weight.shape[1]

    @property
    def outputs(self) -> int:
        """Numbers that it gives."""
        return self._units[-1]

    @property
    def fits(self) -> bool:
        """Whether each layer takes what the one before gives, with as many biases as outputs."""
        chained = all(width == after.weight.shape[1] for width, after in zip(self._units, self.layers[1:], strict=False))
        return chained and all(layer.bias.shape == layer.weight.shape[:1] for layer in self.layers)

    @property
    def _units(self) -> list[int]:
        """What each layer gives, a gate and what it gates being one."""
        hidden = len(self.layers) if self.ends else len(self.layers) - 1
        return [len(layer.weight) // (2 if self.gated and number < hidden else 1) for number, layer in enumerate(self.layers)]

    def kinds(self, products: torch.dtype) -> list[torch.dtype]:
        """The types of each layer's products: ``products`` of large ones whose output may be rounded."""
        rounded = self.layers if self.rough else self.layers[:-1]
        return [products if layer in rounded and layer.weight.numel() >= LARGE else torch.float32 for layer in self.layers]


def dense(network: nn.Module, rough: bool) -> Dense | None:
    """A network as such layers, flattened before and given a shape after or not; None for any other."""
    inner = list(network) if type(network) is nn.Sequential else []
    if inner and type(inner[0]) is nn.Flatten and (inner[0].start_dim, inner[0].end_dim) == (1, -1):
        inner = inner[1:]
    if inner and type(inner[-1]) is nn.Unflatten and inner[-1].dim == 1:
        inner = inner[:-1]
    layers = [layer for layer in inner[::2] if isinstance(layer, nn.Linear) and type(layer) in (nn.Linear, Linear)]
    between = inner[1::2]
    gated = bool(between) and all(type(each) is nn.GLU and each.dim in (1, -1) for each in between)
    known = gated or all(type(each) is nn.ReLU for each in between)
    if not layers or len(layers) < len(inner[::2]) or not known or any(layer.bias is None for layer in layers):
        return None
    ends = len(between) == len(layers)
    return Dense(layers, gated, ends, rough or (ends and getattr(layers[-1], "rough", True)))


@dataclass(frozen=True)
class Hierarchy:
    """The networks of a hierarchy: stages of the example, each level of q, each of p but the first, and that of the latents, side by side.

    ``sizes`` are the dimensions of each level. All levels of q see what the one stage gives; where q ``refines`` p there are as many
    stages, one after the other, the last for the first level. The first level's prior is N(0, I), or ``vamp``.
    """

    stages: list[Dense]
    q: list[Dense]
    p: list[Dense]
    decoder: Dense
    sizes: tuple[int, ...]
    refines: bool
    vamp: priors.VampPrior | None

    @property
    def networks(self) -> list[Dense]:
        """All of them."""
        return [*self.stages, *self.q, *self.p, self.decoder]

    @property
    def features(self) -> list[int]:
        """How many each level of q sees of the example."""
        return [stage.outputs for stage in self.stages][::-1] if self.refines else [self.stages[0].outputs] * len(self.sizes)

    @property
    def fits(self) -> bool:
        """Whether each network takes what those before give."""
        above, event = list(accumulate(self.sizes, initial=0)), self.stages[0].inputs
        if len(self.stages) != (len(self.sizes) if self.refines else 1):
            return False
        seen = self.features if self.refines else [features + before for features, before in zip(self.features, above, strict=False)]
        shapes = list(pairwise([event, *(stage.outputs for stage in self.stages)]))
        shapes += [(inputs, 2 * d) for inputs, d in (*zip(seen, self.sizes, strict=True), *zip(above[1:-1], self.sizes[1:], strict=True))]
        shapes.append((above[-1], event))
        hidden = [number < len(self.stages) for number in range(len(shapes))]
        found = [((one.inputs, one.outputs), one.ends) for one in self.networks]
        return found == list(zip(shapes, hidden, strict=True)) and all(one.fits for one in self.networks)


def hierarchy(vae: Model) -> Hierarchy | None:
    """The networks of a model that is one of bits, None of any other. A flat model is one of one level."""
    if type(vae.likelihood) is not Bernoulli or (decoder := dense(vae.likelihood.network, vae.likelihood.rough)) is None:
        return None
    found = _flat(vae, decoder) if type(vae.posterior) is posteriors.DiagonalGaussian else _of_levels(vae, decoder)
    if found is None or not found.fits:
        return None
    return found if found.vamp is None or found.vamp.inputs[0].numel() == found.stages[0].inputs else None


def _flat(vae: Model, decoder: Dense) -> Hierarchy | None:
    """Of a flat model: its encoder but for the last layer is the stage, and that is q's."""
    q, p = vae.posterior, vae.prior
    encoder = dense(q.network, q.rough)
    if not isinstance(q, posteriors.DiagonalGaussian) or q.floor or encoder is None or encoder.ends or len(encoder.layers) == 1:
        return None
    *hidden, last = encoder.layers
    level, size = Dense([last], False, False, q.rough), len(last.weight) // 2
    if not _is_first(p, size, q):
        return None
    return Hierarchy([Dense(hidden, encoder.gated, True, True)], [level], [], decoder, (size,), False, _vamp(p))


def _of_levels(vae: Model, decoder: Dense) -> Hierarchy | None:
    q, p = vae.posterior, vae.prior
    if not isinstance(p, priors.Chain) or type(p) is not priors.Chain or (networks := _stages(q, p)) is None:
        return None
    assert isinstance(q, posteriors.Chain | posteriors.Ladder)
    levels: list[Any] = [*q.levels, *p.levels]
    if not len(p.sizes) == len(q.levels) == len(p.levels) + 1 or any(level.floor or level.context is not None for level in levels):
        return None
    laws = [(network, q.rough) for network in networks] + [(law.network, law.rough) for law in levels]
    made = [one for one in (dense(network, rough) for network, rough in laws) if one is not None]
    if len(made) < len(laws) or not _is_first(p.first, p.sizes[0], q):
        return None
    stages, rest, refines = made[: len(networks)], made[len(networks) :], isinstance(q, posteriors.Ladder)
    found = Hierarchy(stages, rest[: len(p.sizes)], rest[len(p.sizes) :], decoder, p.sizes, refines, _vamp(p.first))
    return found if not isinstance(q, posteriors.Ladder) or list(q.split) == found.features else None


def _stages(q: Posterior, p: priors.Chain) -> list[nn.Module] | None:
    """The networks of an example one after the other, of a chain of p's sizes or a ladder on p; None of others."""
    if isinstance(q, posteriors.Ladder):
        return list(q.network.stages) if type(q) is posteriors.Ladder and q._prior[0] is p and isinstance(q.network, Stages) else None
    return [q.network] if type(q) is posteriors.Chain and isinstance(q, posteriors.Chain) and q.sizes == p.sizes else None


def _is_first(p: Prior, size: int, q: Posterior) -> bool:
    """Whether it is N(0, I), or a VampPrior of this q, which is no ladder."""
    if isinstance(p, priors.VampPrior):
        return type(p) is priors.VampPrior and p._posterior[0] is q and type(q) is not posteriors.Ladder
    return type(p) is priors.StandardNormal and is_standard(p, size)


def _vamp(p: Prior) -> priors.VampPrior | None:
    return p if isinstance(p, priors.VampPrior) else None
