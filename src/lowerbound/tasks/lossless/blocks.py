"""Bits back: examples of a block → words, and the reverse.

An example costs −log p(x|z) − log p(z) bits for a z that is drawn from q(z|x) by bits of the stack, which comes back −log q(z|x) bits
shorter: on average −E_q[log p(x|z) p(z)/q(z|x)], the negative bound (Townsend, Bird and Barber, 2019, https://arxiv.org/abs/1901.04866).
With K particles there are K draws of q, of which one is drawn by its weight w = p(x|z) p(z)/q(z|x); the others go back by q. The cost is
that of the importance-weighted bound, −E[log 1/K Σ w] (Ruan et al., 2021, https://arxiv.org/abs/2102.11086).

Where latents have levels, q(z₁|x) q(z₂|z₁, x) …, all are drawn before the example is pushed, and given back after it has come: the example
is by all levels, and q of each by the example, so that Bit-Swap's order, which pushes some before others are drawn, is none that could be
read (Kingma, Abbeel and Ho, 2019, https://arxiv.org/abs/1905.06845, whose q goes up from level to level).

Examples are taken in groups, whose latents are all drawn before their values are pushed, so that networks see many at once. A group draws
a part as many latents as there are examples below it, an eighth or less, such that the stack has bits enough: only the first example is to
draw from the counter's words. Particles are as many as was asked for once there are examples enough below them.

What the first example draws is what a block has to begin with: as many bits as its latents have, less KL. So it draws from coarse bins,
and those of the examples after it are finer by a bit each, as the stack grows: −log p(x|z) is a little more, the initial bits far fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lowerbound.tasks.lossless import functions, laws, loops
from lowerbound.tasks.lossless.code import Code
from lowerbound.tasks.lossless.coder import Stack, Words
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.latents import Seen
from lowerbound.tasks.lossless.laws import LATENT_BITS, Law, Whole

PARTS = (3, 4, 5, 7, 15)  # powers of two that the examples below a group are divided by, for the latents that it may draw
LARGEST = 64  # draws in a group
SLACK = 8  # words of the counter that later groups may take
RISE = 5  # the largest part of which latents are a bit finer from one example to the next; of later ones more slowly
FIRST_BITS = (2, 3, 4, 6, 8, LATENT_BITS)  # of a latent of a block's first example
TRIED = 16  # examples that they are chosen by


@dataclass(frozen=True)
class Block:
    """The words of some examples, how many of the counter's are below them, and which power of ``PARTS`` made the groups."""

    words: Words
    initial: int
    part: int


@dataclass(frozen=True)
class Group:
    """Examples from ``first`` to before ``last``, each of so many ``particles``, whose latents have 2^``bits`` bins each."""

    first: int
    last: int
    particles: int
    bits: int

    def __len__(self) -> int:
        return self.last - self.first


def groups(n: int, code: Code, particles: int, part: int, bits: int = LATENT_BITS) -> Iterator[Group]:
    """The groups of n examples, whose first one's latents have so many ``bits``."""
    done = 0
    while done < n:
        draws = min(LARGEST, code.together, 1 + (done >> part))
        each = min(particles, draws)
        last = min(n, done + draws // each)
        yield Group(done, last, each, min(LATENT_BITS, bits + (done >> max(0, part - RISE))))
        done = last


def first_bits(code: Code, numbers: Whole, particles: int = 1) -> int:
    """Of how many bits the latents of a block's first example are best: the block's first examples are shortest by them."""
    some = numbers[:TRIED]
    return min(FIRST_BITS, key=lambda bits: len(_encoded(code, some, particles, RISE, bits)[0].words))


def encode(code: Code, numbers: Whole, particles: int = 1, bits: int = LATENT_BITS, before: Block | None = None) -> Block:
    """The block of examples ``(n, values)``. Where each costs few bits, groups that are too large for them give way to smaller ones.

    Groups of the block ``before`` are tried first, if they are not so small that latents stay coarse.
    """
    best: Block | None = None
    begin = PARTS.index(before.part) if before is not None and before.part <= RISE else 0
    for part in PARTS[begin:]:
        block, first = _encoded(code, numbers, particles, part, bits)
        if best is None or len(block.words) < len(best.words):
            best = block
        if block.initial <= first + SLACK:
            break
    assert best is not None
    return best


def _encoded(code: Code, numbers: Whole, particles: int, part: int, bits: int) -> tuple[Block, int]:
    """The block by groups of one part, and how many of the counter's words the first example took."""
    stack, first = loops.stack(), 0
    for group in groups(len(numbers), code, particles, part, bits):
        some = numbers[group.first : group.last]
        bins, z = _drawn(stack, code, some, group)
        first = first or stack.initial
        code.push(stack, some, z)
        code.latents.push(stack, bins, group.bits)
    return Block(stack.words, stack.initial, part), first


def decode(code: Code, block: Block, known: Whole, particles: int = 1, bits: int = LATENT_BITS) -> Whole:
    """The examples of a block, each of which ``known`` ``(n, k)`` says something of, for k = 0 nothing.

    Errors: DataError where they are not those that ``encode`` made by this code.
    """
    stack, parts = loops.stack(block.words, block.initial), []
    for group in reversed(list(groups(len(known), code, particles, block.part, bits))):
        bins = code.latents.pop(stack, len(group), group.bits)
        z = code.latents.values(bins, group.bits)
        parts.append(code.pop(stack, z, known[group.first : group.last]))
        _give_back(stack, code, parts[-1], bins, group)
    stack.must_be_as_before()
    return np.concatenate(parts[::-1])


def _drawn(stack: Stack, code: Code, some: Whole, group: Group) -> tuple[Whole, Array]:
    """The numbers of a z of each example, its bins, and its places ``(m, latent)``."""
    n, particles = len(some), group.particles
    every = np.repeat(some, particles, 0)
    posterior = code.posterior(every, group.bits)
    bins, z = posterior.drawn(stack.draw)
    if particles == 1:
        return bins, z
    chosen = stack.draw(_by_weight(code, posterior, every, bins, z, n), n)
    is_chosen = (np.arange(particles) == chosen[:, None]).reshape(-1)
    code.posterior(np.repeat(some, particles - 1, 0), group.bits).give_back(stack, bins[~is_chosen])
    stack.push(laws.even(particles, n), chosen)
    return bins[is_chosen], z[is_chosen]


def _give_back(stack: Stack, code: Code, some: Whole, bins: Whole, group: Group) -> None:
    """The reverse of ``_drawn``."""
    n, particles = len(some), group.particles
    every = np.repeat(some, particles, 0)
    posterior, all_bins = code.posterior(every, group.bits), bins
    if particles > 1:
        chosen = stack.pop(laws.even(particles, n), n)
        is_chosen = (np.arange(particles) == chosen[:, None]).reshape(-1)
        others, _ = code.posterior(np.repeat(some, particles - 1, 0), group.bits).drawn(stack.pop)
        all_bins = np.empty((n * particles, code.latents.numbers), np.int64)
        all_bins[is_chosen], all_bins[~is_chosen] = bins, others
        z = code.latents.values(all_bins, group.bits)
        stack.push(_by_weight(code, posterior, every, all_bins, z, n), chosen)
    posterior.give_back(stack, all_bins)


def _by_weight(code: Code, posterior: Seen, every: Whole, bins: Whole, z: Array, n: int) -> Law:
    """Which of the particles of each of n examples, by w; p(z) is the same in all bins, but where it is a mixture."""
    log_weight = (posterior.costs(bins) - code.costs(every, z)).reshape(n, -1).T / laws.COST
    return laws.Listed(lambda some: functions.exp()(some - some.max(0)), log_weight)
