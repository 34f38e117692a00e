"""A stack of bits: numbers are pushed on it by the law that they follow, and popped from it by any law as draws of that.

The entropy coder is constriction's, of asymmetric numeral systems (Duda, 2013, https://arxiv.org/abs/1311.2540), or compiled loops that do
the same to the bit (``loops.py``). What is popped first are words of a counter, which lie below all that is pushed: bits back needs
something to draw from, and gives it back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType

import numpy as np
import numpy.typing as npt

from lowerbound.errors import DataError, UsageError
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Bits, Law, Whole, answers, found

Words = npt.NDArray[np.uint32]

STATE = 2  # words of the coder that are not on the stack yet: while there are more it has not run dry
MORE = 2  # words of the counter at a time
GOLDEN, FIRST, SECOND = (np.uint64(factor) for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def constriction() -> ModuleType:
    """The entropy coder. Errors: UsageError where it is not installed."""
    try:
        import constriction as found
    except ImportError as error:
        raise UsageError("compression needs constriction, which is not installed: pip install 'lowerbound[compression]'") from error
    return found


def counted(first: int, last: int) -> Words:
    """The words of a counter from ``first`` on to before ``last``: SplitMix64's, their upper halves, never 0.

    Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014, https://doi.org/10.1145/2660193.2660195.
    """
    with np.errstate(over="ignore"):
        z = np.arange(first + 1, last + 1, dtype=np.uint64) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * FIRST
        z = (z ^ (z >> np.uint64(27))) * SECOND
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


class Stack(ABC):
    """The bits of a block; ``initial`` words of the counter are below them, the last of it the lowest."""

    def __init__(self, words: Words | None = None, initial: int = STATE + 1):
        self.initial = initial
        self._begin(counted(0, initial)[::-1] if words is None else words)

    @abstractmethod
    def _begin(self, words: Words) -> None:
        """Be these words, and nothing else."""

    @property
    @abstractmethod
    def words(self) -> Words:
        """All of it."""

    @abstractmethod
    def push(self, law: Law, numbers: Whole) -> None:
        """Numbers ``(n,)``, each by its law: −log₂ p bits."""

    @abstractmethod
    def pop(self, law: Law, n: int) -> Whole:
        """The n numbers that were pushed last by these laws, or draws of them."""

    @abstractmethod
    def push_even(self, bits: int, numbers: Whole) -> None:
        """Numbers of so many bits, all as likely as each other."""

    @abstractmethod
    def pop_even(self, bits: int, n: int) -> Whole:
        """The reverse."""

    @property
    @abstractmethod
    def spare(self) -> int:
        """How many words there are besides the state's."""

    def draw(self, law: Law, n: int) -> Whole:
        """``pop``, with further words of the counter below where the stack would run dry: an answer takes a word at most."""
        if self.spare > law.bits * n:
            return self.pop(law, n)
        before = self.words
        while True:
            drawn = self.pop(law, n)
            if len(self.words) > STATE:
                return drawn
            before = np.concatenate([counted(self.initial, self.initial + MORE)[::-1], before])
            self.initial += MORE
            self._begin(before)

    def must_be_as_before(self) -> None:
        """Raise DataError unless the counter's words are left, and nothing else: then all that was popped is what was pushed."""
        if not np.array_equal(self.words, counted(0, self.initial)[::-1]):
            raise DataError("a block does not come out even: it was not written by this run, or not by this version")


class ByConstriction(Stack):
    """By the library."""

    def __init__(self, words: Words | None = None, initial: int = STATE + 1):
        self.library = constriction().stream
        self.bernoulli = self.library.model.Bernoulli(perfect=False)
        super().__init__(words, initial)

    def _begin(self, words: Words) -> None:
        self.coder = self.library.stack.AnsCoder(np.ascontiguousarray(words))

    @property
    def words(self) -> Words:
        """All of it."""
        return np.asarray(self.coder.get_compressed(), np.uint32)

    @property
    def spare(self) -> int:
        """All but two."""
        return int(self.coder.num_words()) - STATE

    def push(self, law: Law, numbers: Whole) -> None:
        """All answers of a bit after those of the bits below it."""
        given, asked = answers(law, numbers)
        self.coder.encode_reverse(given.reshape(-1), self.bernoulli, asked.reshape(-1))

    def pop(self, law: Law, n: int) -> Whole:
        """Bit by bit, the highest first."""
        return found(law, n, self._answer)

    def _answer(self, probability: Array) -> Bits:
        answer: Bits = self.coder.decode(self.bernoulli, probability)
        return answer

    def push_even(self, bits: int, numbers: Whole) -> None:
        """By a uniform law."""
        self.coder.encode_reverse(numbers.reshape(-1).astype(np.int32), self.library.model.Uniform(1 << bits))

    def pop_even(self, bits: int, n: int) -> Whole:
        """The reverse."""
        drawn: Bits = self.coder.decode(self.library.model.Uniform(1 << bits), n)
        return drawn.astype(np.int64)
