"""Numbers pushed on a stack of bits by their laws, and popped from it: the loops, whose bits are those of constriction's ``AnsCoder``.

A stack is its ``words`` of 32 bits and two numbers of 64: the state, which lies above them, and how many words there are. Asymmetric
numeral systems (Duda, 2013, https://arxiv.org/abs/1311.2540) with 24 bits of a probability, as constriction 0.5 has them, also where a
stack runs dry. Numbers are asked for by halving, as in tasks/lossless/laws.py, which are the lines to read for the ideas; all that decides
a bit is an operation of doubles rounded as IEEE 754 says, or of whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import EXACT, bare, large
from lowerbound.system.compiled.kernels.fixed import WHOLE, read_table
from lowerbound.system.compiled.kernels.loop import Doubles, States, Symbols, Words, loop

double, long, word = np.float64, np.int64, np.uint32
#: bits of a probability, of a word, and of both: a state that is as large gives a word away before it is pushed on
PRECISION, WORD, ALL, ABOVE = large(24), large(32), large(1 << 24), large(40)
FULL = large(1 << 32)  # a state below it takes a word
GRID = 2.0**22  # of probabilities of a yes
MASS = 2.0**40  # the weight of all that is possible


# --- of one answer -----------------------------------------------------------------------------------


@bare(njit(inline="always", **EXACT))
def _push(state, length, words, first, weight):
    """The state and the number of words with something on them that has ``weight`` of 2²⁴, from ``first`` on."""
    if state >> ABOVE >= weight:
        words[long(length)] = word(state)
        length, state = length + large(1), state >> WORD
    whole = state // weight
    return (whole << PRECISION) | (first + (state - whole * weight)), length


@bare(njit(inline="always", **EXACT))
def _pop(state, length, words, first, weight):
    """The reverse, of what the state says."""
    state = (state >> PRECISION) * weight + ((state & (ALL - large(1))) - first)
    if state < FULL and length > large(0):
        length -= large(1)
        state = (state << WORD) | large(words[long(length)])
    return state, length


@bare(njit(inline="always", **EXACT))
def _part(no, yes):
    """Where the part of a yes (1) or a no (0) begins, and its weight: by arithmetic, since a processor cannot guess which it is."""
    every = large(0) - yes  # all bits, or none
    return no & every, no + (every & (ALL - no - no))


@bare(njit(inline="always", **EXACT))
def _of_no(yes):
    """The weight of a no where a yes has ``yes`` of 2²²: what is left when both have 1 of 2²⁴, rounded down, and that."""
    no = long(GRID) - yes
    return large(4 * no - ((no + long((1 << 21) - 1)) >> long(21)) + long(1))


@bare(njit(inline="always", **EXACT))
def _ratio(low, middle, high):
    """How probable an upper half is, of 2²²."""
    yes = ((high - middle) / (high - low) * GRID + WHOLE) - WHOLE
    return long(1.0 if yes < 1.0 else (GRID - 1.0 if yes > GRID - 1.0 else yes))


@loop(EXACT, n=int, asked=Doubles, answers=Symbols, stack=States, words=Words)
def push_answers(begin, end, n, asked, answers, stack, words):
    """Answers, the last first, each by the probability of a yes."""
    state, length = stack[0], stack[1]
    for i in range(n - 1, -1, -1):
        no = _of_no(long(asked[i] * GRID))
        first, weight = _part(no, large(answers[i]))
        state, length = _push(state, length, words, first, weight)
    stack[0], stack[1] = state, length


@loop(EXACT, n=int, asked=Doubles, answers=Symbols, stack=States, words=Words)
def pop_answers(begin, end, n, asked, answers, stack, words):
    """The reverse."""
    state, length = stack[0], stack[1]
    for i in range(n):
        no = _of_no(long(asked[i] * GRID))
        yes = large((state & (ALL - large(1))) >= no)
        answers[i] = long(yes)
        first, weight = _part(no, yes)
        state, length = _pop(state, length, words, first, weight)
    stack[0], stack[1] = state, length


@loop(EXACT, n=int, bits=int, numbers=Symbols, stack=States, words=Words)
def push_even(begin, end, n, bits, numbers, stack, words):
    """Numbers of so many bits, all as likely as each other."""
    state, length = stack[0], stack[1]
    rest = PRECISION - large(bits)
    for i in range(n - 1, -1, -1):
        state, length = _push(state, length, words, large(numbers[i]) << rest, large(1) << rest)
    stack[0], stack[1] = state, length


@loop(EXACT, n=int, bits=int, numbers=Symbols, stack=States, words=Words)
def pop_even(begin, end, n, bits, numbers, stack, words):
    """The reverse."""
    state, length = stack[0], stack[1]
    rest = PRECISION - large(bits)
    for i in range(n):
        found = (state & (ALL - large(1))) >> rest
        numbers[i] = long(found)
        state, length = _pop(state, length, words, found << rest, large(1) << rest)
    stack[0], stack[1] = state, length


# --- of zeros and ones -------------------------------------------------------------------------------


@bare(njit(inline="always", **EXACT))
def _weight(logit, table, far, unit):
    """The weight of a zero in ``table``, of a logit rounded to a whole number over ``unit``, from −far to far."""
    near = (-far if logit < -far else (far if logit > far else logit)) * unit
    return large(table[long((near + WHOLE) - WHOLE + far * unit)])


@loop(EXACT, n=int, far=int, unit=int, logits=Doubles, table=Words, numbers=Symbols, stack=States, words=Words)
def push_bits(begin, end, n, far, unit, logits, table, numbers, stack, words):
    """Zeros and ones, the last first."""
    state, length = stack[0], stack[1]
    most, units = double(far), double(unit)
    for i in range(n - 1, -1, -1):
        no = _weight(logits[i], table, most, units)
        first, weight = _part(no, large(numbers[i]))
        state, length = _push(state, length, words, first, weight)
    stack[0], stack[1] = state, length


@loop(EXACT, n=int, far=int, unit=int, logits=Doubles, table=Words, numbers=Symbols, stack=States, words=Words)
def pop_bits(begin, end, n, far, unit, logits, table, numbers, stack, words):
    """The reverse."""
    state, length = stack[0], stack[1]
    most, units = double(far), double(unit)
    for i in range(n):
        no = _weight(logits[i], table, most, units)
        yes = large((state & (ALL - large(1))) >= no)
        numbers[i] = long(yes)
        first, weight = _part(no, yes)
        state, length = _pop(state, length, words, first, weight)
    stack[0], stack[1] = state, length


# --- of other laws -----------------------------------------------------------------------------------


@bare(njit(inline="always", **EXACT))
def _below(k, i, n, top, parts, weights, centres, steepness, edges, low, last, entries):
    """The weight of the numbers below k of law i: from a list, which has no parts, or of a share that mixes so many functions."""
    if parts == 0:
        return weights[(top + 1 if k > top + 1 else k) * n + i]
    if k <= 0:
        share = 0.0
    elif k > top:
        share = 1.0
    else:
        share = 0.0
        for place in range(i, parts * n, n):
            share += weights[place] * read_table((edges[k] - centres[place]) * steepness[place], low, last, entries)
    return double(long(share * MASS) + k + k)


@bare(njit(inline="always", **EXACT))
def _nearer(below, middle, above, yes):
    """The weights below and above the upper half where ``yes`` is 1, of the lower where it is 0; they are whole, so this is exact."""
    return below + (middle - below) * yes, middle + (above - middle) * yes


#: what a loop is given of a law, of numbers and of the stack
LAW: dict[str, Any] = {
    "n": int,
    "bits": int,
    "top": int,
    "parts": int,
    "low": int,
    "last": int,
    "weights": Doubles,
    "centres": Doubles,
    "steepness": Doubles,
    "edges": Doubles,
    "entries": Doubles,
    "room": Doubles,
    "numbers": Symbols,
    "asked": Symbols,
    "stack": States,
    "words": Words,
}


@loop(EXACT, **LAW)
def push_law(begin, end, n, bits, top, parts, low, last, weights, centres, steepness, edges, entries, room, numbers, asked, stack, words):
    """Numbers, the last answer first."""
    left, right = double(low), double(last)
    for i in range(n):
        at, below = long(0), _below(long(0), i, n, top, parts, weights, centres, steepness, edges, left, right, entries)
        above = _below(long(1) << long(bits), i, n, top, parts, weights, centres, steepness, edges, left, right, entries)
        for bit in range(bits - 1, -1, -1):
            half = long(1) << long(bit)
            middle = _below(at + half, i, n, top, parts, weights, centres, steepness, edges, left, right, entries)
            asked[bit * n + i] = _ratio(below, middle, above)
            yes = (numbers[i] >> long(bit)) & long(1)
            at += half * yes
            below, above = _nearer(below, middle, above, double(yes))
    state, length = stack[0], stack[1]
    for bit in range(bits):
        for i in range(n - 1, -1, -1):
            no = _of_no(asked[bit * n + i])
            first, weight = _part(no, large((numbers[i] >> long(bit)) & long(1)))
            state, length = _push(state, length, words, first, weight)
    stack[0], stack[1] = state, length


@loop(EXACT, **LAW)
def pop_law(begin, end, n, bits, top, parts, low, last, weights, centres, steepness, edges, entries, room, numbers, asked, stack, words):
    """The reverse; ``room`` has 2 n numbers, the weights below and above what is known of each."""
    left, right = double(low), double(last)
    for i in range(n):
        numbers[i] = 0
        room[i] = _below(long(0), i, n, top, parts, weights, centres, steepness, edges, left, right, entries)
        room[n + i] = _below(long(1) << long(bits), i, n, top, parts, weights, centres, steepness, edges, left, right, entries)
    state, length = stack[0], stack[1]
    for bit in range(bits - 1, -1, -1):
        half = long(1) << long(bit)
        for i in range(n):
            middle = _below(numbers[i] + half, i, n, top, parts, weights, centres, steepness, edges, left, right, entries)
            no = _of_no(_ratio(room[i], middle, room[n + i]))
            yes = large((state & (ALL - large(1))) >= no)
            numbers[i] += half * long(yes)
            room[i], room[n + i] = _nearer(room[i], middle, room[n + i], double(long(yes)))
            first, weight = _part(no, yes)
            state, length = _pop(state, length, words, first, weight)
    stack[0], stack[1] = state, length
