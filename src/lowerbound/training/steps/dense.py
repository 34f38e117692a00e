"""Networks that captured steps know: linear layers with ReLUs or gates between them, and those of a hierarchy of Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import nn

from lowerbound.nn.precision import LARGE, Linear
from lowerbound.training.steps.fused import is_standard
from lowerbound.vae import posteriors, priors
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.model import Model


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
    """The networks of a hierarchy: of the example, of each level of q, of each of p but the first, and of the latents, side by side.

    ``sizes`` are the dimensions of each level.
    """

    trunk: Dense
    q: list[Dense]
    p: list[Dense]
    decoder: Dense
    sizes: tuple[int, ...]

    @property
    def networks(self) -> list[Dense]:
        """All of them."""
        return [self.trunk, *self.q, *self.p, self.decoder]

    @property
    def fits(self) -> bool:
        """Whether each takes what those before give."""
        above, features = list(accumulate(self.sizes, initial=0)), self.trunk.outputs
        q = [(features + before, 2 * d) for before, d in zip(above, self.sizes, strict=False)]
        p = [(before, 2 * d) for before, d in zip(above[1:], self.sizes[1:], strict=False)]
        sizes = [(self.trunk.inputs, features), *q, *p, (above[-1], self.trunk.inputs)]
        ends = [one.ends for one in self.networks] == [True, *[False] * (len(sizes) - 1)]
        return ends and [(one.inputs, one.outputs) for one in self.networks] == sizes and all(one.fits for one in self.networks)


def hierarchy(vae: Model) -> Hierarchy | None:
    """The networks of a model that is one of bits, None of any other."""
    q, p, likelihood = vae.posterior, vae.prior, vae.likelihood
    if type(q) is not posteriors.Chain or type(p) is not priors.Chain or type(likelihood) is not Bernoulli:
        return None
    levels: list[Any] = [*q.levels, *p.levels]
    if not len(q.sizes) == len(p.sizes) == len(q.levels) == len(p.levels) + 1 or q.sizes != p.sizes:
        return None
    if type(p.first) is not priors.StandardNormal or any(level.floor or level.context is not None for level in levels):
        return None
    made = [one for one in (dense(law.network, law.rough) for law in (q, *levels, likelihood)) if one is not None]
    if len(made) < len(levels) + 2 or not is_standard(p.first, q.sizes[0]):
        return None
    between = made[1:-1]
    found = Hierarchy(made[0], between[: len(q.levels)], between[len(q.levels) :], made[-1], q.sizes)
    return found if found.fits else None
