"""Ctrl-C within a block that is done as a whole."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lowerbound.system.interrupts import uninterrupted


def once(done: list[int]) -> None:
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append(1)


def twice(done: list[int]) -> None:
    with uninterrupted():
        once(done)
        signal.raise_signal(signal.SIGINT)
        done.append(2)


def failing(done: list[int]) -> None:
    with uninterrupted():
        once(done)
        raise ValueError


def nested(done: list[int]) -> None:
    with uninterrupted():
        once(done)
        done.append(2)


@pytest.mark.parametrize(("act", "wanted"), [(once, [1]), (nested, [1, 2]), (failing, [1]), (twice, [1])])
def test_it_comes_at_the_end_of_the_outermost_block_and_a_second_one_at_once(act: Callable[[list[int]], None], wanted: list[int]) -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        act(done)
    assert done == wanted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_handles_it_otherwise_goes_on_to() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            assert came == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_are_left_alone() -> None:
    def block() -> bool:
        with uninterrupted():
            return signal.getsignal(signal.SIGINT) is signal.default_int_handler

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(block).result()
