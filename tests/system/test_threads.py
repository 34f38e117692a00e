"""Items side by side, a thread each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest
import torch

from lowerbound.system.threads import map_in_threads

VALUE: ContextVar[int] = ContextVar("a value of the caller's", default=0)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def seen(item: int) -> tuple[int, int, bool, int, str]:
    weight = torch.ones(1, requires_grad=True)
    return item, VALUE.get(), (item * weight).requires_grad, torch.get_num_threads(), threading.current_thread().name


@pytest.mark.usefixtures("two_threads")
def test_items_come_in_order_as_the_caller_would_have_them() -> None:
    VALUE.set(7)
    items, values, gradients, threads, names = zip(*map_in_threads(seen, range(40)), strict=True)
    assert items == tuple(range(40))
    assert set(values) == {7}
    assert not any(gradients)
    assert set(threads) == {1}
    assert threading.current_thread().name not in names
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_few_items_have_all_threads_each() -> None:
    found = list(map_in_threads(seen, range(3)))
    assert [(threads, name) for *_, threads, name in found] == [(2, threading.current_thread().name)] * 3
    assert not any(gradients for _, _, gradients, *_ in found)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("ends", ["the function", "the caller"])
def test_what_ends_early_leaves_no_thread_behind(ends: str) -> None:
    def function(item: int) -> int:
        if ends == "the function" and item == 5:
            raise ValueError("the fifth")
        return item

    def consume() -> None:
        for item in map_in_threads(function, range(40)):
            if ends == "the caller" and item == 5:
                raise ValueError("the fifth")

    before = threading.active_count()
    with pytest.raises(ValueError, match="the fifth"):
        consume()
    assert threading.active_count() == before
    inside: list[int] = []
    later = threading.Thread(target=lambda: inside.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert inside == [2]
