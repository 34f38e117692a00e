"""A stack by compiled loops: its words are those of constriction's, to the bit, in a fraction of the time."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lowerbound.system import devices
from lowerbound.tasks.lossless import functions, laws
from lowerbound.tasks.lossless.coder import STATE, ByConstriction, Stack, Words
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Bits, Law, Whole
from lowerbound.tasks.lossless.layers import UNIT

WORD = 32
NOTHING = np.empty(0)
ROOM = 2**12  # words at first


def stack(words: Words | None = None, initial: int = STATE + 1) -> Stack:
    """The fastest there is."""
    loops = devices.exact_loops()
    return ByConstriction(words, initial) if loops is None else Looped(loops[0], words, initial)


@cache
def weights_of_zeros() -> Words:
    """Of 2²⁴, by logit: constriction's, of the probabilities of ``laws.Bernoulli``."""
    logits = np.arange(-functions.FAR * UNIT, functions.FAR * UNIT + 1) / UNIT
    _, asked = laws.answers(laws.Bernoulli(logits), np.zeros(len(logits), np.int64))
    no = (laws.GRID - asked[0] * laws.GRID).astype(np.int64)
    return (4 * no - ((no + (1 << 21) - 1) >> 21) + 1).astype(np.uint32)


class Looped(Stack):
    """By compiled loops: words of which the first ``state[1]`` count, and above them ``state[0]``."""

    def __init__(self, loops: Any, words: Words | None = None, initial: int = STATE + 1):
        self.loops = loops
        super().__init__(words, initial)

    def _begin(self, words: Words) -> None:
        self.state, self.below = np.zeros(2, np.uint64), np.zeros(max(ROOM, 2 * len(words)), np.uint32)
        above = words[-2:].tolist()
        self.state[:] = sum(word << WORD * place for place, word in enumerate(above)), len(words) - len(above)
        self.below[: len(words) - len(above)] = words[: len(words) - len(above)]

    @property
    def words(self) -> Words:
        """All of it; the state's without zeros above."""
        state, length = self.state.tolist()
        above = [word for word in (state % (1 << WORD), state >> WORD) if state]
        return np.concatenate([self.below[:length], np.array(above if state >> WORD else above[:1], np.uint32)])

    @property
    def spare(self) -> int:
        """Those below the state."""
        return int(self.state[1])

    def _for(self, n: int) -> tuple[npt.NDArray[np.uint64], Words]:
        """The state, and the words with room for as many more as n answers may take."""
        wanted = int(self.state[1]) + n
        if wanted > len(self.below):
            self.below = np.concatenate([self.below, np.zeros(wanted, np.uint32)])
        return self.state, self.below

    def push(self, law: Law, numbers: Whole) -> None:
        """By the loop that knows the law."""
        n, numbers = len(numbers), np.ascontiguousarray(numbers)
        if isinstance(law, laws.Bernoulli):
            self.loops.push_bits(0, n, functions.FAR, int(UNIT), _flat(law.logits), weights_of_zeros(), numbers, *self._for(n))
        elif (parameters := _as_given(law)) is not None:
            asked = np.empty(law.bits * n, np.int64)
            self.loops.push_law(0, n, *parameters, asked[:0].view(np.float64), numbers, asked, *self._for(law.bits * n))
        else:
            given, probable = laws.answers(law, numbers)
            self.loops.push_answers(0, given.size, _flat(probable), _flat(given.astype(np.int64)), *self._for(given.size))

    def pop(self, law: Law, n: int) -> Whole:
        """The reverse."""
        numbers = np.empty(n, np.int64)
        if isinstance(law, laws.Bernoulli):
            self.loops.pop_bits(0, n, functions.FAR, int(UNIT), _flat(law.logits), weights_of_zeros(), numbers, *self._for(0))
        elif (parameters := _as_given(law)) is not None:
            self.loops.pop_law(0, n, *parameters, np.empty(2 * n), numbers, numbers, *self._for(0))
        else:
            return laws.found(law, n, self._answer)
        return numbers

    def _answer(self, probability: Array) -> Bits:
        answers = np.empty(len(probability), np.int64)
        self.loops.pop_answers(0, len(probability), probability, answers, *self._for(0))
        return answers.astype(np.int32)

    def push_even(self, bits: int, numbers: Whole) -> None:
        """The last first."""
        self.loops.push_even(0, numbers.size, bits, _flat(numbers), *self._for(numbers.size))

    def pop_even(self, bits: int, n: int) -> Whole:
        """The reverse."""
        numbers = np.empty(n, np.int64)
        self.loops.pop_even(0, n, bits, numbers, *self._for(0))
        return numbers


def _as_given(law: Law) -> tuple[int | Array, ...] | None:
    """What a loop is given of a law, None where there is no loop for it."""
    if isinstance(law, laws.Listed):
        return law.bits, len(law.total) - 2, 0, 0, 0, _flat(law.total), NOTHING, NOTHING, NOTHING, NOTHING
    if not isinstance(law, laws.Smooth) or law.form is None:
        return None
    form, table = law.form, law.form.table
    parameters = map(_flat, (form.weights, form.centres, form.steepness, form.edges))
    return law.bits, law.top, len(form.weights), int(table.low), int(table.last), *parameters, table.entries


def _flat(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(x).reshape(-1)
