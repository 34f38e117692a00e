"""Distributions of several latents side by side in one flat event, each given those before it: p(z) = Π p(zᵢ | z₁ … zᵢ₋₁).

What a level is given comes by steps, state → zᵢ → law of the next and its state, so that work that levels share is done once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.errors import RecipeError

#: what steps carry from level to level
State = Any
#: the state and zᵢ ``(*batch, dᵢ)`` → p(zᵢ₊₁ | z₁ … zᵢ), a batch ``(*batch,)`` over ``(dᵢ₊₁,)``, and its state
Step = Callable[[State, Tensor], tuple[Distribution, State]]
#: z₁ … zᵢ₋₁, side by side ``(*batch, size before)`` → p(zᵢ | them)
Conditional = Callable[[Float[Tensor, "*batch before"]], Distribution]
#: the laws of levels one after the other, each with its state; it is sent a level's z
Walk = Generator[tuple[Distribution, State], Tensor, None]


class Levels(Distribution, ABC):
    """z = (z₁, …, z_n) ``(d₁ + … + d_n,)``, each zᵢ given those before it; log p(z) is the sum of the levels', nats.

    ``sizes`` are d₁, …, d_n.
    """

    arg_constraints = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, batch_shape: Size, sizes: Sequence[int]):
        self.sizes = tuple(sizes)
        super().__init__(batch_shape, Size([sum(sizes)]), validate_args=False)

    @abstractmethod
    def walk(self) -> Walk:
        """The law of each level, from first to last."""

    @property
    def first(self) -> Distribution:
        """The law of the first level, p(z₁)."""
        return next(self.walk())[0]

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # torch has it as a constant
        """Whether its first has a path; the others are asked when they are there."""
        return self.first.has_rsample

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) ``(*batch,)`` of ``value`` ``(*batch, d)``, nats."""
        return torch.stack([law.log_prob(part) for law, part in self.levels(value)]).sum(0)

    def levels(self, z: Float[Tensor, "*batch d"]) -> list[tuple[Distribution, Float[Tensor, "*batch d_i"]]]:
        """Each level's law given the part of z before it, and z's own part."""
        parts, walk = z.split(self.sizes, -1), self.walk()
        laws = [next(walk)[0], *(walk.send(part)[0] for part in parts[:-1])]
        return list(zip(laws, parts, strict=True))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws ``(*sample_shape, *batch, d)``, from first to last."""
        with torch.no_grad():
            return self.along(lambda law, shape: law.sample(shape), Size(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws as those of ``sample``, differentiable along the path through every level."""
        return self.along(lambda law, shape: law.rsample(shape), Size(sample_shape))

    @property
    def mean(self) -> Tensor:
        """Each level at its mean given the means before it: a point that stands for it, its mean where levels are linear."""
        return self.along(lambda law, _: law.mean)

    def along(self, take: Callable[[Distribution, Size], Tensor], shape: Size = Size()) -> Tensor:  # noqa: B008 a constant
        """``take`` of each level given what was taken before it: of the first in that ``shape``, of the others one of each law."""
        walk = self.walk()
        z = [take(next(walk)[0], shape)]
        for _ in self.sizes[1:]:
            z.append(take(walk.send(z[-1])[0], Size()))
        return torch.cat(z, -1)


class Chain(Levels):
    """Π p(zᵢ | z₁ … zᵢ₋₁): ``first`` is p(z₁), whose batch is the chain's, ``steps`` lead from each level to the next.

    ``state`` is that of the first. ``held`` makes the same chain with its parameters held, where it can be had. ``maker`` is what made it,
    which says whether two chains are the same.
    Errors: RecipeError for another number of sizes than of levels.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> first = Independent(Normal(torch.zeros(1), 1.0), 1)
    >>> given = lambda state, z: (Independent(Normal(z, 1.0), 1), state)  # p(z₂|z₁) = N(z₁, 1)
    >>> chain = lb.distributions.Chain(first, [given], sizes=(1, 1))
    >>> round(float(chain.log_prob(torch.zeros(2))), 2)  # −log 2π
    -1.84
    """

    def __init__(
        self,
        first: Distribution,
        steps: Sequence[Step],
        sizes: Sequence[int],
        state: State = None,
        held: Callable[[], Chain] | None = None,
        maker: object = None,
    ):
        if len(steps) + 1 != len(sizes):
            raise RecipeError(f"a chain of {len(steps) + 1} levels has as many sizes, not {len(sizes)}; give the size of each")
        self._first, self.steps, self.state, self.held, self.maker = first, tuple(steps), state, held, maker
        super().__init__(first.batch_shape, sizes)

    def walk(self) -> Walk:
        """The first, and what each step makes of the z that it is sent."""
        law, state = self._first, self.state
        for step in self.steps:
            law, state = step(state, (yield law, state))
        yield law, state

    def expand(self, batch_shape: Any, _instance: Any = None) -> Chain:
        """The chain over a larger batch, ``batch_shape``."""
        return Chain(self._first.expand(batch_shape), self.steps, self.sizes, self.state, self.held, self.maker)


def given_all(conditional: Conditional) -> Step:
    """The step to a law of all latents before it: the state is those, side by side."""

    def step(before: Tensor | None, z: Tensor) -> tuple[Distribution, Tensor]:
        before = z if before is None else torch.cat([before, z], -1)
        return conditional(before), before

    return step


#: p(zᵢ | z₁ … zᵢ₋₁) and its state → q(zᵢ | z₁ … zᵢ₋₁, x)
Refinement = Callable[[Distribution, State], Distribution]


class Refined(Levels):
    """q(z|x) = Π q(zᵢ | z₁ … zᵢ₋₁, x), each made of the same level of a ``prior`` chain and what is known of x.

    Source: Sønderby et al., "Ladder Variational Autoencoders", 2016, https://arxiv.org/abs/1602.02282.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> first = Independent(Normal(torch.zeros(1), 1.0), 1)
    >>> prior = lb.distributions.Chain(first, [lambda state, z: (Independent(Normal(z, 1.0), 1), state)], sizes=(1, 1))
    >>> one_more = lambda p, state: Independent(Normal(p.mean + 1, 1.0), 1)
    >>> lb.distributions.Refined(prior, [one_more, one_more]).mean
    tensor([1., 2.])
    """

    def __init__(self, prior: Chain, refinements: Sequence[Refinement], held: Callable[[], Refined] | None = None):
        self.prior, self.refinements, self.held = prior, tuple(refinements), held
        super().__init__(refinements[0](prior.first, prior.state).batch_shape, prior.sizes)

    def refines(self, p: Distribution) -> bool:
        """Whether p is the chain that it is made of, or another of the same maker."""
        return p is self.prior or (isinstance(p, Chain) and p.maker is not None and p.maker is self.prior.maker)

    def walk(self) -> Walk:
        """Each level refined, with the prior's state."""
        beside = self.beside()
        q, _, state = next(beside)
        for _ in self.sizes[1:]:
            q, _, state = beside.send((yield q, state))
        yield q, state

    def beside(self) -> Generator[tuple[Distribution, Distribution, State], Tensor, None]:
        """Each level of q and of p, which are of the same latents before them; it is sent a level's z."""
        walk = self.prior.walk()
        p, state = next(walk)
        for refinement in self.refinements[:-1]:
            p, state = walk.send((yield refinement(p, state), p, state))
        yield self.refinements[-1](p, state), p, state


def is_hierarchy(q: Distribution, p: Distribution) -> TypeGuard[Levels]:
    """Whether both are of the same levels, so that one can be held against the other level by level."""
    return isinstance(q, Levels) and isinstance(p, Levels) and q.sizes == p.sizes


def side_by_side(q: Levels, p: Levels) -> Generator[tuple[Distribution, Distribution, State], Tensor, None]:
    """The laws of each level of both, and p's state; it is sent a level's z. Where q refines p, p is walked once."""
    if isinstance(q, Refined) and q.refines(p):
        yield from q.beside()
        return
    first, second = q.walk(), p.walk()
    of_q, (of_p, state) = next(first)[0], next(second)
    for _ in q.sizes[1:]:
        z = yield of_q, of_p, state
        of_q, (of_p, state) = first.send(z)[0], second.send(z)
    yield of_q, of_p, state


def walked(q: Levels, p: Levels, take: Callable[[int, Distribution, Distribution], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """z ``(*batch, d)`` of what is taken of each level, by its number, q and p; its log q(z) and log p(z) ``(*batch,)``, nats."""
    walk, parts = side_by_side(q, p), list[Tensor]()
    of_q, of_p = list[Tensor](), list[Tensor]()
    laws = next(walk)
    for level in range(len(q.sizes)):
        laws = walk.send(parts[-1]) if parts else laws
        parts.append(take(level, *laws[:2]))
        of_q.append(laws[0].log_prob(parts[-1]))
        of_p.append(laws[1].log_prob(parts[-1]))
    return torch.cat(parts, -1), torch.stack(of_q).sum(0), torch.stack(of_p).sum(0)


def densities(q: Levels, p: Levels, z: Float[Tensor, "*batch d"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """log q(z) and log p(z) of given z, nats."""
    parts = z.split(q.sizes, -1)
    return walked(q, p, lambda level, *_: parts[level])[1:]
