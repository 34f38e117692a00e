"""Networks that captured steps know: linear layers with ReLUs or gates between them; and all those of a model of Gaussian latents."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import nn

from lowerbound.nn.networks import dense_parts
from lowerbound.nn.stages import Stages
from lowerbound.training.steps.fused import is_standard
from lowerbound.training.steps.perceptron import kinds_of
from lowerbound.vae import posteriors, priors
from lowerbound.vae.conditional import Level
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.model import Model
from lowerbound.vae.posteriors import Posterior
from lowerbound.vae.priors import Prior


@dataclass(frozen=True)
class Dense:
    """Linear layers with ReLUs, or ``gated``, between them; one that ``ends`` in hidden units has what is between after the last too.

    ``kinds`` are the types of their products; ``flat`` says that it begins by making its input flat.
    """

    layers: list[nn.Linear]
    gated: bool
    ends: bool
    kinds: list[torch.dtype]
    flat: bool

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
        """Whether each layer takes what the one before gives, with as many biases as outputs, of gates an even number."""
        chained = all(width == after.weight.shape[1] for width, after in zip(self._units, self.layers[1:], strict=False))
        even = not self.gated or all(len(layer.weight) % 2 == 0 for layer in self.layers[: self._hidden])
        return chained and even and all(layer.bias.shape == layer.weight.shape[:1] for layer in self.layers)

    @property
    def _hidden(self) -> int:
        """How many of its layers lead to hidden units."""
        return len(self.layers) if self.ends else len(self.layers) - 1

    @property
    def _units(self) -> list[int]:
        """What each layer gives, a gate and what it gates being one."""
        return [len(layer.weight) // (2 if self.gated and number < self._hidden else 1) for number, layer in enumerate(self.layers)]


def dense(network: nn.Module, products: torch.dtype, rough: bool, decodes: bool = False) -> Dense | None:
    """A network as such layers; None for any other. ``rough`` says that its output may be rounded.

    Only one that ``decodes`` may give its output a shape.
    """
    parts = dense_parts(network)
    if parts is None or (parts.shaped and not decodes) or any(layer.weight.dim() != 2 or layer.bias is None for layer in parts.layers):
        return None
    gated = bool(parts.activations) and all(type(each) is nn.GLU and each.dim in (1, -1) for each in parts.activations)
    if not gated and any(type(each) is not nn.ReLU for each in parts.activations):
        return None
    ends = len(parts.activations) == len(parts.layers)
    rough = rough or (ends and getattr(parts.layers[-1], "rough", True))
    return Dense(parts.layers, gated, ends, kinds_of(parts.layers, products, rough), parts.flat)


@dataclass(frozen=True)
class Networks:
    """Those of a model: ``stages`` make features of an example, ``q`` and ``p`` the parameters of levels, the decoder those of p(x|z).

    p has none of the first level, whose prior is N(0, I), or ``vamp``. ``sizes`` are the dimensions of each level. All levels of q see what
    the one stage gives; where q ``refines`` p there are as many stages, one after the other, the last for the first level.
    """

    stages: list[Dense]
    q: list[Dense]
    p: list[Dense]
    decoder: Dense
    sizes: tuple[int, ...]
    refines: bool
    vamp: priors.VampPrior | None

    @property
    def all(self) -> list[Dense]:
        """All of them."""
        return [*self.stages, *self.q, *self.p, self.decoder]

    @property
    def features(self) -> list[int]:
        """How many each level of q sees of the example."""
        return [stage.outputs for stage in self.stages][::-1] if self.refines else [self.stages[0].outputs] * len(self.sizes)

    @property
    def fits(self) -> bool:
        """Whether each network takes what those before give, the first one images too."""
        above, event = list(accumulate(self.sizes, initial=0)), self.stages[0].inputs
        if not self.stages[0].flat or len(self.stages) != (len(self.sizes) if self.refines else 1):
            return False
        seen = self.features if self.refines else [features + before for features, before in zip(self.features, above, strict=False)]
        shapes = list(pairwise([event, *(stage.outputs for stage in self.stages)]))
        shapes += [(inputs, 2 * d) for inputs, d in (*zip(seen, self.sizes, strict=True), *zip(above[1:-1], self.sizes[1:], strict=True))]
        shapes.append((above[-1], event))
        hidden = [number < len(self.stages) for number in range(len(shapes))]
        found = [((one.inputs, one.outputs), one.ends) for one in self.all]
        return found == list(zip(shapes, hidden, strict=True)) and all(one.fits for one in self.all)


def networks_of(vae: Model, products: torch.dtype) -> Networks | None:
    """Those of a model of bits whose networks are all dense, None of any other. A flat model is one of one level."""
    likelihood = vae.likelihood
    if type(likelihood) is not Bernoulli or (decoder := dense(likelihood.network, products, likelihood.rough, decodes=True)) is None:
        return None
    of_kind = _flat if type(vae.posterior) is posteriors.DiagonalGaussian else _of_levels
    found = of_kind(vae, products, decoder)
    if found is None or not found.fits:
        return None
    u = None if found.vamp is None else found.vamp.inputs
    return found if u is None or (len(u) and u.shape[1:].numel() == found.stages[0].inputs) else None


def _flat(vae: Model, products: torch.dtype, decoder: Dense) -> Networks | None:
    """Of a flat model: its encoder but for the last layer is the stage, and that is q's."""
    q, p = vae.posterior, vae.prior
    encoder = dense(q.network, products, q.rough)
    if not isinstance(q, posteriors.DiagonalGaussian) or q.floor or encoder is None or encoder.ends or len(encoder.layers) == 1:
        return None
    *hidden, last = encoder.layers
    *kinds, kind = encoder.kinds
    stage, level = Dense(hidden, encoder.gated, True, kinds, encoder.flat), Dense([last], False, False, [kind], False)
    size = len(last.weight) // 2
    return Networks([stage], [level], [], decoder, (size,), False, _vamp(p)) if _is_first(p, size, q) else None


def _of_levels(vae: Model, products: torch.dtype, decoder: Dense) -> Networks | None:
    q, p = vae.posterior, vae.prior
    if not isinstance(p, priors.Chain) or type(p) is not priors.Chain or (stages := _stages(q, p)) is None:
        return None
    assert isinstance(q, posteriors.Chain | posteriors.Ladder)
    levels: list[Any] = [*q.levels, *p.levels]
    usual = all(type(level) is Level and not level.floor and level.context is None for level in levels)
    if not usual or not len(p.sizes) == len(q.levels) == len(p.levels) + 1 or not _is_first(p.first, p.sizes[0], q):
        return None
    laws = [(network, q.rough) for network in stages] + [(law.network, law.rough) for law in levels]
    made = [one for one in (dense(network, products, rough) for network, rough in laws) if one is not None]
    if len(made) < len(laws):
        return None
    (first, last), refines = (len(stages), len(stages) + len(p.sizes)), isinstance(q, posteriors.Ladder)
    found = Networks(made[:first], made[first:last], made[last:], decoder, p.sizes, refines, _vamp(p.first))
    return found if not isinstance(q, posteriors.Ladder) or list(q.split) == found.features else None


def _stages(q: Posterior, p: priors.Chain) -> list[nn.Module] | None:
    """The networks of an example one after the other, of a chain of p's sizes or a ladder on p; None of others."""
    if isinstance(q, posteriors.Ladder):
        usual = type(q) is posteriors.Ladder and q._prior[0] is p and type(q.network) is Stages
        return list(q.network.stages) if usual and isinstance(q.network, Stages) else None
    return [q.network] if type(q) is posteriors.Chain and isinstance(q, posteriors.Chain) and q.sizes == p.sizes else None


def _is_first(p: Prior, size: int, q: Posterior) -> bool:
    """Whether it is N(0, I), or a VampPrior of this q, which is no ladder."""
    if isinstance(p, priors.VampPrior):
        return type(p) is priors.VampPrior and p._posterior[0] is q and type(q) is not posteriors.Ladder
    return type(p) is priors.StandardNormal and is_standard(p, size)


def _vamp(p: Prior) -> priors.VampPrior | None:
    return p if isinstance(p, priors.VampPrior) else None
