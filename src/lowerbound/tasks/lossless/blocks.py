"""Bits back: examples of a block → words, and the reverse.

An example costs −log p(x|z) − log p(z) bits for a z that is drawn from q(z|x) by bits of the stack, which comes back −log q(z|x) bits
shorter: on average −E_q[log p(x|z) p(z)/q(z|x)], the negative bound (Townsend, Bird and Barber, 2019, https://arxiv.org/abs/1901.04866).
Examples are taken in groups, whose latents are all drawn before their values are pushed, so that networks see many at once. A group is a
part of what is on the stack, which has bits enough for it: only the first example draws from the counter's words.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from lowerbound.tasks.lossless.coder import Stack, Words
from lowerbound.tasks.lossless.laws import LATENT_BITS, Whole
from lowerbound.tasks.lossless.model import ExactModel

PART = 8  # a group is this part of what is done
LARGEST, LISTED = 64, 2**22  # examples in a group, and numbers that its laws hold


def groups(n: int, model: ExactModel) -> Iterator[tuple[int, int]]:
    """Where the groups of n examples begin and end."""
    most = max(1, min(LARGEST, LISTED // (model.values * model.symbols.listed)))
    ends = [0]
    while ends[-1] < n:
        ends.append(min(n, ends[-1] + min(most, 1 + ends[-1] // PART)))
    return pairwise(ends)


def encode(model: ExactModel, numbers: Whole, top: int) -> tuple[Words, int]:
    """The words of examples ``(n, values)``, and how many of the counter's are below them."""
    stack = Stack()
    for first, last in groups(len(numbers), model):
        some = numbers[first:last]
        bins = stack.draw(model.posterior(some), len(some) * model.latent).reshape(len(some), -1)
        stack.push(model.likelihood(bins, top), some.reshape(-1))
        stack.push_even(LATENT_BITS, bins.reshape(-1))
    return stack.words, stack.initial


def decode(model: ExactModel, words: Words, initial: int, n: int, top: int) -> Whole:
    """The n examples of words. Errors: DataError where they are not those that ``encode`` made by this model."""
    stack, numbers = Stack(words, initial), np.empty((n, model.values), np.int64)
    for first, last in reversed(list(groups(n, model))):
        size = last - first
        bins = stack.pop_even(LATENT_BITS, size * model.latent).reshape(size, -1)
        numbers[first:last] = stack.pop(model.likelihood(bins, top), size * model.values).reshape(size, -1)
        stack.push(model.posterior(numbers[first:last]), bins.reshape(-1))
    stack.must_be_as_before()
    return numbers
