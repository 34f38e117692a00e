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

from lowerbound.tasks.lossless.code import Code
from lowerbound.tasks.lossless.coder import Stack, Words
from lowerbound.tasks.lossless.laws import LATENT_BITS, Whole

PART = 8  # a group is this part of what is done
LARGEST = 64  # examples in a group


def groups(n: int, code: Code) -> Iterator[tuple[int, int]]:
    """Where the groups of n examples begin and end."""
    most = min(LARGEST, code.together)
    ends = [0]
    while ends[-1] < n:
        ends.append(min(n, ends[-1] + min(most, 1 + ends[-1] // PART)))
    return pairwise(ends)


def encode(code: Code, numbers: Whole) -> tuple[Words, int]:
    """The words of examples ``(n, values)``, and how many of the counter's are below them."""
    stack = Stack()
    for first, last in groups(len(numbers), code):
        some = numbers[first:last]
        bins = stack.draw(code.posterior(some), len(some) * code.latent).reshape(len(some), -1)
        code.push(stack, some, bins)
        stack.push_even(LATENT_BITS, bins.reshape(-1))
    return stack.words, stack.initial


def decode(code: Code, words: Words, initial: int, n: int) -> Whole:
    """The n examples of words. Errors: DataError where they are not those that ``encode`` made by this code."""
    stack, parts = Stack(words, initial), []
    for first, last in reversed(list(groups(n, code))):
        bins = stack.pop_even(LATENT_BITS, (last - first) * code.latent).reshape(last - first, -1)
        parts.append(code.pop(stack, bins))
        stack.push(code.posterior(parts[-1]), bins.reshape(-1))
    stack.must_be_as_before()
    return np.concatenate(parts[::-1])
