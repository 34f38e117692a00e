"""What each level of a hierarchy decides: some levels held while those below are drawn anew, or taken of an example and the rest of p."""

from __future__ import annotations

from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.distributions.chain import Levels, is_hierarchy, side_by_side
from lowerbound.errors import UsageError
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import whole
from lowerbound.vae.model import Model


@torch.no_grad()
def sample_frozen(vae: Model, n: int, levels: int, group: int, draw: bool = False) -> Float[Tensor, "n *event"]:
    """n new data ``(n, *event)`` of which each ``group``, one after the other, shares its first ``levels`` levels; those below are drawn
    for each.

    Means of p(x|z), or with ``draw`` draws.
    Errors: UsageError for a model without levels, or without so many.

    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent="2-3"), (1, 8, 8)).vae
    >>> same = lb.tasks.levels.sample_frozen(vae, 4, levels=2, group=2)  # all levels are shared by each two
    >>> same.shape, same[0].allclose(same[1], atol=1e-5), same[1].allclose(same[2], atol=1e-5)
    (torch.Size([4, 1, 8, 8]), True, False)
    """
    n, group, vae = whole("n", n, 0), whole("group", group, 1), in_evaluation(vae)
    prior = _hierarchy(vae.prior(), levels)
    walk, leaders = prior.walk(), torch.arange(n, device=vae.device) // group * group
    law, parts = next(walk)[0], list[Tensor]()
    for level in range(1, len(prior.sizes) + 1):
        z = law.sample(Size([n] if not law.batch_shape else []))
        parts.append(z[leaders] if level <= levels else z)
        if level < len(prior.sizes):
            law = walk.send(parts[-1])[0]
    return vae.decode(torch.cat(parts, -1), draw)


def encoded(vae: Model, x: Float[Tensor, "B *event"], levels: int, grad: bool = False) -> Float[Tensor, "B latent"]:
    """The first ``levels`` levels at the means of q(z|x), those below at the means of p given these: ``(B, latent)``.

    Gradients: as for ``vae.encode``.
    Errors: as for ``sample_frozen``.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent="2-3"), (6,)).vae
    >>> x = torch.ones(5, 6)
    >>> lb.tasks.levels.encoded(vae, x, levels=2).allclose(vae.encode(x)), lb.tasks.levels.encoded(vae, x, levels=1).shape
    (True, torch.Size([5, 5]))
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and (grad or x.requires_grad)):
        vae = in_evaluation(vae)
        return _means(vae.posterior(x), _hierarchy(vae.prior(), levels), levels)


def completed(vae: Model, z: Float[Tensor, "N some"], grad: bool = False) -> Float[Tensor, "N latent"]:
    """A whole latent ``(N, latent)`` of its first levels, side by side; those below are at the means of p given these. A whole one is as it
    is.

    Gradients: as for ``vae.encode``.
    Errors: UsageError where they are not the first levels of this model.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent="2-3"), (6,)).vae
    >>> lb.tasks.levels.completed(vae, torch.zeros(5, 2)).shape
    torch.Size([5, 5])
    """
    if (width := z.shape[-1]) == vae.latent:
        return z
    prior = vae.prior()
    ends = list(accumulate(prior.sizes)) if isinstance(prior, Levels) else [vae.latent]
    if width not in ends or not isinstance(prior, Levels):
        raise UsageError(f"these are latents (N, {width}), and this model decodes {' or '.join(f'(N, {end})' for end in ends)}")
    sizes = prior.sizes[: ends.index(width) + 1]
    with torch.set_grad_enabled(torch.is_grad_enabled() and (grad or z.requires_grad)):
        walk, parts = prior.walk(), list(z.to(vae.device).split(sizes, -1))
        next(walk)
        for level in range(1, len(prior.sizes)):
            law, _ = walk.send(parts[level - 1])
            parts += [law.mean] if level == len(parts) else []
        return torch.cat(parts, -1)


def _means(posterior: Distribution, prior: Levels, levels: int) -> Float[Tensor, "B latent"]:
    assert is_hierarchy(posterior, prior)
    walk = side_by_side(posterior, prior)
    q, p, _ = next(walk)
    parts = [q.mean]
    for level in range(2, len(prior.sizes) + 1):
        q, p, _ = walk.send(parts[-1])
        parts.append((q if level <= levels else p).mean)
    return torch.cat(parts, -1)


def _hierarchy(prior: Distribution, levels: int) -> Levels:
    if not isinstance(prior, Levels):
        raise UsageError("this model has one level; of several, as --latent 40-40 makes them, the first can be held")
    if not 1 <= levels <= len(prior.sizes):
        raise UsageError(f"this model has {len(prior.sizes)} levels, from the top down; give a number from 1 to {len(prior.sizes)}")
    return prior
