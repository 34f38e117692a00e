"""Sums over what is not zero are the products, for any sizes and threads; whether they are taken is measured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lowerbound.system.compiled.sparse import EIGHTH, PRODUCT, QUARTER, SUMS, Sparse


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def examples(rows: int, size: int, share: float) -> Tensor:
    """Of both signs, the share of them not zero."""
    random = torch.Generator().manual_seed(rows + size)
    x = torch.randn(rows, size, generator=random)
    return x * (torch.rand(rows, size, generator=random) < share)


@pytest.mark.parametrize("share", [0.0, 0.13, 0.6, 1.0])
@pytest.mark.parametrize(
    ("rows", "size", "width"), [(128, 784, 512), (1, 1, 16), (3, 7, 17), (5, 8, 31), (2, 9, 33), (64, 64, 100), (7, 40, 16)]
)
def test_they_are_the_products(threads: int, rows: int, size: int, width: int, share: float) -> None:
    x, weight, gradient = examples(rows, size, share), torch.randn(width, size), torch.randn(rows, width)
    sparse, found, of_weight = Sparse(rows, size), torch.full((rows, width), torch.nan), torch.full((width, size), torch.nan)
    assert sparse.read(x) == pytest.approx(float((x != 0).float().mean()))
    exact = x.double() @ weight.double().t(), gradient.double().t() @ x.double()
    sparse.of_weight(gradient, of_weight)
    for some, precise in zip((sparse.times(weight, found), of_weight), exact, strict=True):
        torch.testing.assert_close(some.double(), precise, rtol=1e-5, atol=1e-5 * max(1.0, float(precise.abs().max())))


def test_bits_are_the_same_by_any_threads_and_memory() -> None:
    x, weight, gradient = examples(128, 784, 0.13), torch.randn(512, 784), torch.randn(128, 512)
    seen, reused = [], Sparse(128, 784)
    for count in (1, 2, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        for sparse in (Sparse(128, 784), reused):
            reused.read(examples(128, 784, 0.9))
            sparse.read(x)
            found, of_weight = torch.empty(128, 512), torch.empty(512, 784)
            sparse.times(weight, found)
            sparse.of_weight(gradient, of_weight)
            seen.append((found, of_weight))
        torch.set_num_threads(before)
    for found, of_weight in seen[1:]:
        assert torch.equal(found, seen[0][0])
        assert torch.equal(of_weight, seen[0][1])


def test_what_is_no_number_stays() -> None:
    x, sparse = torch.zeros(2, 32), Sparse(2, 32)
    x[0, 3], x[1, 5] = torch.nan, torch.inf
    sparse.read(x)
    found = sparse.times(torch.ones(16, 32), torch.empty(2, 16))
    assert found[0].isnan().all()
    assert found[1].isinf().all()


def test_few_outputs_are_left_to_torch() -> None:
    assert not Sparse.suits(torch.empty(15, 784))
    assert Sparse.suits(torch.empty(16, 784))


@pytest.mark.parametrize(
    ("product", "eighth", "quarter", "share"),
    [(3.0, 1.0, 2.0, 0.375), (3.0, 2.5, 3.5, 0.188), (1.0, 2.0, 3.0, 0.0), (9.0, 1.0, 2.0, 0.5), (2.0, 1.0, 1.0, 0.5)],
)
def test_the_greatest_share_is_where_the_lines_meet(product: float, eighth: float, quarter: float, share: float) -> None:
    assert SUMS.answer({PRODUCT: product, EIGHTH: eighth, QUARTER: quarter}) == pytest.approx(share, abs=1e-3)
