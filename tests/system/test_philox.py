"""Philox's published vectors; the same bits from torch and from the compiled loops; and their statistics."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from lowerbound.system import devices, operations, philox
from lowerbound.system.noise import Call

#: of the authors' Random123, kat_vectors: the counter's and the key's words, and what comes of them
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
Numbers = Callable[[int, Tensor, int, int], Tensor]
KINDS: list[Numbers] = [philox.words, philox.keys, philox.uniforms, philox.normals]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_its_words_are_the_published_ones(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    place, row, call, lane = counter
    found = philox.blocks(key[0] | key[1] << 32, torch.tensor([row]), torch.tensor([place]), call, lane)
    assert tuple(int(word) for word in found) == expected


@pytest.mark.skipif(devices.loops() is None, reason="nothing is compiled here")
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 1001])
def test_torch_and_the_loops_give_the_same_bits(size: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, key, before = torch.tensor([0, 5, 2**31 + 7, 2**32 - 1, *range(100, 140)]), 2**63 + 12345678901, torch.get_num_threads()
    draw = Call(key, 3, rows, 1, size, (len(rows), size))
    torch.set_num_threads(threads)
    try:
        by_loops = [draw.words(size), draw.keys(), draw.uniforms(), draw.normals()]
    finally:
        torch.set_num_threads(before)
    monkeypatch.setattr(operations, "loops", lambda: None)
    for numbers, found in zip(KINDS, by_loops, strict=True):
        assert torch.equal(numbers(key, rows, size, 3), found)


@pytest.mark.skipif(devices.loops() is None, reason="nothing is compiled here")
def test_torch_and_the_loops_give_the_same_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.tensor([0, 5, 2**31 + 7, 2**32 - 1])
    draw, at = Call(2**63 + 12345678901, 3, rows, 5, 7, (5, 4, 7)), torch.arange(140)[::3]
    by_loops = draw.blocks(at, 2)
    monkeypatch.setattr(operations, "loops", lambda: None)
    assert all(torch.equal(one, other) for one, other in zip(by_loops, draw.blocks(at, 2), strict=True))


@pytest.mark.parametrize("numbers", KINDS)
def test_a_number_is_one_of_its_key_row_place_and_call(numbers: Numbers) -> None:
    whole = numbers(1, torch.arange(20), 40, 0)
    assert torch.equal(numbers(1, torch.tensor([7, 3]), 30, 0), whole[[7, 3], :30])
    for other in (numbers(2, torch.arange(20), 40, 0), numbers(1 + 2**40, torch.arange(20), 40, 0), numbers(1, torch.arange(20), 40, 1)):
        assert float((other == whole).float().mean()) < 0.01
    assert len(whole.unique()) > 0.99 * whole.numel()


def test_uniform_numbers_are_uniform_and_never_at_an_end() -> None:
    u = philox.uniforms(3, torch.arange(2000), 2000, 0)
    assert 0 < float(u.min()) < 1e-5
    assert 1 - 1e-5 < float(u.max()) < 1
    assert stats.kstest(u.flatten()[:200_000].double().numpy(), "uniform").pvalue > 1e-3
    assert abs(float(u.double().mean()) - 0.5) < 4 * math.sqrt(1 / 12 / u.numel())


def test_normal_numbers_have_the_moments_and_tails_of_a_normal() -> None:
    z = philox.normals(4, torch.arange(4000), 2000, 0).double()
    n = z.numel()
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (5, 0), (6, 15)):
        variance = (math.prod(range(2 * power - 1, 0, -2)) - moment**2) / n
        assert abs(float((z**power).mean()) - moment) < 4 * math.sqrt(variance)
    for edge in (3.0, 4.0, 5.0):
        expected = n * math.erfc(edge / math.sqrt(2))
        assert abs(int((z.abs() > edge).sum()) - expected) < 4 * math.sqrt(expected)
    assert stats.kstest(z.flatten()[:200_000].numpy(), "norm").pvalue > 1e-3
    assert 5 < float(z.abs().max()) < 6.8


@pytest.mark.parametrize("numbers", [philox.uniforms, philox.normals])
def test_rows_places_calls_and_keys_are_uncorrelated(numbers: Numbers) -> None:
    """Also in their squares: the two normals of one pair have the same radius, and no more than that in common."""
    rows, size = torch.arange(1000), 1000
    one, *others = (numbers(*given) for given in ((5, rows, size, 0), (5, rows, size, 1), (6, rows, size, 0), (5 + 2**32, rows, size, 0)))
    pairs = [(one, other) for other in others]
    pairs += [(one[:, lag:], one[:, :-lag]) for lag in (1, 2, 3, 4, 5, 8)] + [(one[lag:], one[:-lag]) for lag in (1, 2, 4, 32)]
    for a, b in pairs:
        for x, y in ((a, b), (a.square(), b.square())):
            assert abs(float(torch.corrcoef(torch.stack([x.flatten(), y.flatten()]).double())[0, 1])) < 4 / math.sqrt(x.numel())


def test_each_bit_of_a_word_is_fair_and_alone() -> None:
    words = philox.words(7, torch.arange(500), 400, 2).flatten()
    bits = (words[:, None] >> torch.arange(32) & 1).double() * 2 - 1
    correlation = bits.T @ bits / len(bits)
    assert float((correlation - torch.eye(32)).abs().max()) < 5 / math.sqrt(len(bits))
    assert float(bits.mean(0).abs().max()) < 4 / math.sqrt(len(bits))
