"""Latents drawn from q(z|x), of a hierarchy level by level, beside the prior of each."""

from __future__ import annotations

from dataclasses import replace

from torch.distributions import Distribution

from lowerbound.distributions.chain import Levels, is_hierarchy, side_by_side
from lowerbound.distributions.operations import detach
from lowerbound.errors import RecipeError
from lowerbound.vae.terms import Node, Sampler


def drawn(sampler: Sampler, posterior: Distribution, prior: Distribution) -> tuple[Node, ...]:
    """Draws of q(z|x), level by level where the prior is of the same levels: z1 the first, z2 the next, …"""
    if not (is_hierarchy(posterior, prior) and isinstance(prior, Levels)):
        return (sampler(posterior, prior, "z"),)
    walk = side_by_side(posterior, prior)
    nodes = [sampler(*next(walk)[:2], "z1")]
    if nodes[0].path is not None:
        return _drawn_held(sampler, posterior, prior)
    for level in range(2, len(prior.sizes) + 1):
        nodes.append(sampler(*walk.send(nodes[-1].z)[:2], f"z{level}"))
    return tuple(nodes)


def _drawn_held(sampler: Sampler, posterior: Levels, prior: Levels) -> tuple[Node, ...]:
    """The same where terms are to see q held: of copies of z, so that what flows back from the terms can be weighed apart from the paths.

    Errors: RecipeError where q cannot be held, or not every level has a path.
    """
    held = detach(posterior)
    assert isinstance(held, Levels)
    walks = posterior.walk(), prior.walk(), held.walk()
    laws, nodes = [next(walk)[0] for walk in walks], list[Node]()
    for level in range(1, len(prior.sizes) + 1):
        q, p, seen = laws
        node = sampler(q, p, f"z{level}")
        if node.path is None:
            raise RecipeError("of a hierarchy either every level is doubly reparameterized or none is; choose one estimator for all")
        nodes.append(replace(node, z=node.path.clone(), posterior=seen))
        if level < len(prior.sizes):
            drawn = node.path, nodes[-1].z, nodes[-1].z
            laws = [walk.send(z)[0] for walk, z in zip(walks, drawn, strict=True)]
    return tuple(nodes)
