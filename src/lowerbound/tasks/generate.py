"""New data: from the prior, along a line, over the plane of a 2-D latent, along each dimension."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.errors import UsageError
from lowerbound.tasks import classes, encode
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import Model

ALL = slice(None)


def interpolate(vae: Model, a: Float[Tensor, " d"], b: Float[Tensor, " d"], steps: int) -> Float[Tensor, "steps *event"]:
    """Means of p(x|z) ``(steps, *event)`` at ``steps`` points from latent ``a`` to latent ``b`` ``(d,)``, both included, on a straight
    line.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Gaussian(torch.nn.Identity())  # whose mean is z itself
    >>> vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(lb.nn.mlp(1, 2)))
    >>> lb.tasks.generate.interpolate(vae, torch.zeros(1), torch.ones(1), 5).tolist()
    [[0.0], [0.25], [0.5], [0.75], [1.0]]
    """
    shares = torch.linspace(0, 1, steps, device=a.device)[:, None]
    return vae.decode(a + shares * (b - a))


def manifold_coordinates(side: int) -> Float[Tensor, " side"]:
    """Φ⁻¹((i + ½)/side), i = 0 … side − 1, ``(side,)``: equal steps of a standard normal's probability, Φ being its distribution function.

    >>> import lowerbound as lb
    >>> [round(value, 2) for value in lb.tasks.generate.manifold_coordinates(4).tolist()]  # ⅛, ⅜, … of probability are below
    [-1.15, -0.32, 0.32, 1.15]
    """
    shares = (torch.arange(side) + 0.5) / side
    return torch.distributions.Normal(0.0, 1.0).icdf(shares)


def manifold(vae: Model, side: int = 20) -> Float[Tensor, "n *event"]:
    """Means of p(x|z) over the plane of a 2-D latent, ``side²`` of them, row by row from the top left.

    z₁ grows to the right and z₂ upwards, by ``manifold_coordinates``.
    Errors: UsageError for other latents.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114 (figure 4).

    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> lb.tasks.generate.manifold(vae, side=10).shape
    torch.Size([100, 1, 8, 8])
    """
    if vae.prior().event_shape != (2,):
        raise UsageError(f"the manifold needs a 2-D latent, and this one has {vae.prior().event_shape[0]}; plot the traversal")
    values = manifold_coordinates(side)
    rows, columns = torch.meshgrid(values.flip(0), values, indexing="ij")
    z = torch.stack([columns, rows], -1).reshape(-1, 2)
    return vae.decode(z.to(vae.device))


def traverse(vae: Model, dims: Tensor, values: Float[Tensor, " V"]) -> Float[Tensor, "dims V *event"]:
    """Means of p(x|z) ``(dims, V, *event)`` with each of ``dims`` alone moved along ``values`` ``(V,)`` and the other dimensions at 0.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=3), (1, 8, 8)).vae
    >>> lb.tasks.generate.traverse(vae, torch.tensor([0, 2]), torch.linspace(-2, 2, 5)).shape
    torch.Size([2, 5, 1, 8, 8])
    """
    size = vae.prior().event_shape[0]
    axes = torch.eye(size, device=vae.device)[dims]
    return vae.decode(axes[:, None, :] * values.to(vae.device)[None, :, None])


def given(vae: Model, n: int, load: Callable[[], Dataset], seed: int, some: slice = ALL) -> Model:
    """The conditional model given n contexts, or ``some`` of them: all classes in turn, or the contexts of evenly spread examples.

    ``load`` gives the examples, where contexts are made of their values; ``seed`` decides contexts that are drawn.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> spec = lb.data.DataSpec.of(digits.train, digits.test)
    >>> vae = lb.build(lb.Recipe(network="mlp:8", given="low-resolution:2"), spec).vae
    >>> lb.tasks.generate.given(vae, 10, lambda: digits.test, seed=0).sample(10).shape  # made larger, ten small images
    torch.Size([10, 1, 8, 8])
    """
    if isinstance(vae.context, Label):
        return classes.as_labels(vae, classes.evenly(vae, n)[some])
    data = load()
    first, end, _ = some.indices(n)
    rows = data.view(torch.arange(n) * len(data) // n).piece(first, end)
    return vae.given(encode.contexts(vae, rows, seed).to(vae.device))
