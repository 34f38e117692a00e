"""Bits back: examples of a block → words, and the reverse.

An example costs −log p(x|z) − log p(z) bits for a z that is drawn from q(z|x) by bits of the stack, which comes back −log q(z|x) bits
shorter: on average −E_q[log p(x|z) p(z)/q(z|x)], the negative bound (Townsend, Bird and Barber, 2019, https://arxiv.org/abs/1901.04866).
With K particles there are K draws of q, of which one is drawn by its weight w = p(x|z) p(z)/q(z|x); the others go back by q. The cost is
that of the importance-weighted bound, −E[log 1/K Σ w] (Ruan et al., 2021, https://arxiv.org/abs/2102.11086).

Examples are taken in groups, whose latents are all drawn before their values are pushed, so that networks see many at once. A group draws
a part as many latents as there are examples below it, an eighth or less, such that the stack has bits enough: only the first example is to
draw from the counter's words. Particles are as many as was asked for once there are examples enough below them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lowerbound.tasks.lossless import functions, laws, loops
from lowerbound.tasks.lossless.code import Code
from lowerbound.tasks.lossless.coder import Stack, Words
from lowerbound.tasks.lossless.laws import LATENT_BITS, Law, Whole

PARTS = (3, 5, 7, 15)  # powers of two that the examples below a group are divided by, for the latents that it may draw
LARGEST = 64  # draws in a group
SLACK = 8  # words of the counter that later groups may take


@dataclass(frozen=True)
class Block:
    """The words of some examples, how many of the counter's are below them, and which power of ``PARTS`` made the groups."""

    words: Words
    initial: int
    part: int


@dataclass(frozen=True)
class Group:
    """Examples from ``first`` to before ``last``, each of so many ``particles``."""

    first: int
    last: int
    particles: int

    def __len__(self) -> int:
        return self.last - self.first


def groups(n: int, code: Code, particles: int, part: int) -> Iterator[Group]:
    """The groups of n examples."""
    done = 0
    while done < n:
        draws = min(LARGEST, code.together, 1 + (done >> part))
        each = min(particles, draws)
        last = min(n, done + draws // each)
        yield Group(done, last, each)
        done = last


def encode(code: Code, numbers: Whole, particles: int = 1) -> Block:
    """The block of examples ``(n, values)``. Where each costs few bits, groups that are too large for them give way to smaller ones."""
    best: Block | None = None
    for part in PARTS:
        block, first = _encoded(code, numbers, particles, part)
        if best is None or len(block.words) < len(best.words):
            best = block
        if block.initial <= first + SLACK:
            break
    assert best is not None
    return best


def _encoded(code: Code, numbers: Whole, particles: int, part: int) -> tuple[Block, int]:
    """The block by groups of one part, and how many of the counter's words the first example took."""
    stack, first = loops.stack(), 0
    for group in groups(len(numbers), code, particles, part):
        some = numbers[group.first : group.last]
        bins = _drawn(stack, code, some, group.particles)
        first = first or stack.initial
        code.push(stack, some, bins)
        stack.push_even(LATENT_BITS, bins.reshape(-1))
    return Block(stack.words, stack.initial, part), first


def decode(code: Code, block: Block, known: Whole, particles: int = 1) -> Whole:
    """The examples of a block, each of which ``known`` ``(n, k)`` says something of, for k = 0 nothing.

    Errors: DataError where they are not those that ``encode`` made by this code.
    """
    stack, parts = loops.stack(block.words, block.initial), []
    for group in reversed(list(groups(len(known), code, particles, block.part))):
        bins = stack.pop_even(LATENT_BITS, len(group) * code.latent).reshape(len(group), -1)
        parts.append(code.pop(stack, bins, known[group.first : group.last]))
        _give_back(stack, code, parts[-1], bins, group.particles)
    stack.must_be_as_before()
    return np.concatenate(parts[::-1])


def _drawn(stack: Stack, code: Code, some: Whole, particles: int) -> Whole:
    """A latent of each example ``(m, latent)``."""
    n, every = len(some), np.repeat(some, particles, 0)
    posterior = code.posterior(every)
    bins = stack.draw(posterior, len(every) * code.latent).reshape(n, particles, -1)
    if particles == 1:
        return bins[:, 0]
    chosen = stack.draw(_by_weight(code, posterior, every, bins), n)
    is_chosen = np.arange(particles) == chosen[:, None]
    stack.push(code.posterior(np.repeat(some, particles - 1, 0)), bins[~is_chosen].reshape(-1))
    stack.push(laws.even(particles, n), chosen)
    return bins[is_chosen]


def _give_back(stack: Stack, code: Code, some: Whole, bins: Whole, particles: int) -> None:
    """The reverse of ``_drawn``."""
    n, every = len(some), np.repeat(some, particles, 0)
    posterior, all_bins = code.posterior(every), bins[:, None]
    if particles > 1:
        chosen = stack.pop(laws.even(particles, n), n)
        is_chosen = np.arange(particles) == chosen[:, None]
        others = stack.pop(code.posterior(np.repeat(some, particles - 1, 0)), n * (particles - 1) * code.latent)
        all_bins = np.empty((n, particles, code.latent), np.int64)
        all_bins[is_chosen], all_bins[~is_chosen] = bins, others.reshape(-1, code.latent)
        stack.push(_by_weight(code, posterior, every, all_bins), chosen)
    stack.push(posterior, all_bins.reshape(-1))


def _by_weight(code: Code, posterior: Law, every: Whole, bins: Whole) -> Law:
    """Which of the particles ``(n, K, latent)`` of each example, by w; p(z) is the same in all bins."""
    of_posterior = laws.costs(posterior, bins.reshape(-1)).reshape(len(every), -1).sum(1)
    log_weight = (of_posterior - code.costs(every, bins.reshape(len(every), -1))).reshape(bins.shape[:2]).T / laws.COST
    return laws.Listed(lambda some: functions.exp()(some - some.max(0)), log_weight)
