"""Noise by row: shares of a batch get their part of its numbers, outside a block torch's are untouched, and threads do not meet."""

from __future__ import annotations

import math
import threading

import pytest
import torch
from scipy import stats
from torch import Tensor

from lowerbound.system import noise
from lowerbound.system.noise import by_row, of_no_row, one_call

ROWS = torch.tensor([3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46])


def drawn(n: int) -> list[tuple[Tensor, int | None]]:
    """Draws of each kind for n rows, and which of their axes counts these."""
    f64 = torch.float64
    found: list[tuple[Tensor, int | None]] = [
        (noise.normal((3, n, 2), 1), 1),
        (noise.uniform((n, 5), 0), 0),
        (noise.normal((n, 1, 3, 3), 0, f64), 0),
        (noise.uniform((2, n), 1, f64), 1),
        (noise.exponential((n,), 0), 0),
        (noise.keys(n), 0),
        (noise.normal((4, 2), None), None),
    ]
    with of_no_row():
        found.append((noise.uniform((n, 2), 0)[:3], None))
    with one_call():
        found += [(noise.normal((2, n), 1), 1) for _ in range(3)]
    return [*found, (noise.normal((n, 3), 0, torch.bfloat16), 0)]


@pytest.mark.parametrize("size", [2, 3])
def test_a_share_of_a_batch_gets_its_part_of_the_numbers_of_the_batch(size: int) -> None:
    with by_row(5, ROWS):
        whole = drawn(len(ROWS))
    parts = []
    for share in ROWS.tensor_split(size):
        with by_row(5, share, alone=False):
            parts.append(drawn(len(share)))
    for number, (expected, axis) in enumerate(whole):
        if axis is None:
            assert all(torch.equal(part[number][0], expected) for part in parts)
        else:
            assert torch.equal(torch.cat([part[number][0] for part in parts], axis), expected)


def test_rows_that_come_several_times_over_get_numbers_for_each_time() -> None:
    with by_row(5, ROWS):
        twice = noise.normal((2 * len(ROWS), 3), 0).unflatten(0, (2, len(ROWS)))
    with by_row(5, ROWS[4:6]):
        some = noise.normal((4, 3), 0).unflatten(0, (2, 2))
    assert torch.equal(some, twice[:, 4:6])
    assert not torch.equal(twice[0], twice[1])


def test_one_call_is_one_however_many_draws_are_in_it() -> None:
    after = []
    for times in (0, 1, 7):
        with by_row(5, ROWS):
            with one_call():
                inside = [noise.normal((11,), 0) for _ in range(times)]
            after.append(noise.normal((11,), 0))
        assert not any(torch.equal(one, after[-1]) for one in inside)
    assert torch.equal(after[0], after[1])
    assert torch.equal(after[0], after[2])


def test_outside_a_block_numbers_are_torchs() -> None:
    torch.manual_seed(2)
    found = noise.normal((3, 2), 0), noise.uniform((4,), 0), noise.exponential((4,), 0)
    torch.manual_seed(2)
    expected = torch.randn(3, 2), torch.rand(4), torch.empty(4).exponential_()
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_within_a_block_torchs_numbers_stay_where_they_were() -> None:
    before = torch.get_rng_state()
    with by_row(5, ROWS):
        drawn(len(ROWS))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_block_in_a_block_and_an_error_leave_the_outer_one() -> None:
    with by_row(5, ROWS):
        first, second = noise.normal((11,), 0), noise.normal((11,), 0)
    with by_row(5, ROWS):
        assert torch.equal(noise.normal((11,), 0), first)
        with pytest.raises(IndexError), by_row(6, ROWS), of_no_row():
            noise.normal((11,), 3)[12]
        assert torch.equal(noise.normal((11,), 0), second)
    assert not noise.is_on()


def test_threads_get_what_each_gets_alone() -> None:
    """Forty of them, who take turns in the middle of their blocks."""
    found: dict[int, list[Tensor]] = {}
    turn = threading.Barrier(40)

    def draw(key: int) -> list[Tensor]:
        with by_row(key, ROWS):
            first = noise.normal((11, 4), 0)
            if threading.current_thread() is not threading.main_thread():
                turn.wait(timeout=30)
            return [first, noise.uniform((11, 4), 0)]

    threads = [threading.Thread(target=lambda key=key: found.update({key: draw(key)})) for key in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in range(40):
        assert all(torch.equal(one, other) for one, other in zip(found[key], draw(key), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_and_exponential_numbers_have_their_moments(dtype: torch.dtype) -> None:
    with by_row(1, torch.arange(1000)):
        z, e = (draw((1000, 500), 0, dtype).double() for draw in (noise.normal, noise.exponential))
    n = z.numel()
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert abs(float((z**power).mean()) - moment) < 4 * math.sqrt((math.prod(range(2 * power - 1, 0, -2)) - moment**2) / n)
    for power in (1, 2, 3):
        moment = math.factorial(power)
        assert abs(float((e**power).mean()) - moment) < 4 * math.sqrt((math.factorial(2 * power) - moment**2) / n)
    assert float(e.min()) > 0
    assert stats.kstest(z.flatten()[:100_000].numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(e.flatten()[:100_000].numpy(), "expon").pvalue > 1e-3
