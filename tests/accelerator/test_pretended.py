"""The pretended device refuses what CUDA refuses, and allows what it allows; otherwise what passes on it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from accelerator import pretended

pytestmark = pytest.mark.skipif(bool(pretended.missing()), reason=str(pretended.missing()))


@pytest.fixture
def there() -> Iterator[Callable[..., torch.Tensor]]:
    with pretended.present() as device:
        yield lambda *values: torch.tensor(values, device=device)


REFUSED = {
    "a sum": lambda x: x + torch.ones(3),
    "in place": lambda x: torch.ones(3).add_(x),
    "into one number": lambda x: torch.ones(()).add_(x.sum()),
    "a product": lambda x: x[None] @ torch.ones(3, 1),
    "a condition": lambda x: x.where(torch.tensor([True, False, True]), 0.0),
    "joined": lambda x: torch.cat([x, torch.zeros(1)]),
    "gathered": lambda x: x.gather(0, torch.tensor([0])),
    "rows picked": lambda x: x.index_select(0, torch.tensor([0])),
    "indexed on the CPU": lambda x: torch.ones(3)[x.long()],
    "values put": lambda x: x.index_put((torch.tensor([0, 1]),), torch.ones(2)),
    "an inverse distribution": lambda x: torch.searchsorted(x, torch.ones(2)),
    "as an array": lambda x: x.numpy(),
}
ALLOWED = {
    "one number": lambda x: x + torch.ones(()),
    "indexed by rows on the CPU": lambda x: x[torch.tensor([0, 1])],
    "by a mask on the CPU": lambda x: x[torch.tensor([True, True, False])],
    "moved": lambda x: x.cpu() + torch.ones(3),
    "copied": lambda x: torch.empty(3).copy_(x),
    "like it": lambda x: x + torch.randn_like(x),
    "a list": lambda x: x.tolist(),
    "a number": lambda x: x.sum().item(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_refuses(what: str, there: Callable[..., torch.Tensor]) -> None:
    with pytest.raises((RuntimeError, TypeError), match=r"same device|indices should be|not supported for tensor subclasses"):
        REFUSED[what](there(1.0, 2.0, 0.0))


@pytest.mark.parametrize("what", ALLOWED)
def test_it_allows(what: str, there: Callable[..., torch.Tensor]) -> None:
    ALLOWED[what](there(1.0, 2.0, 0.0))


def test_gradients_and_adam_are_there(there: Callable[..., torch.Tensor]) -> None:
    x = there(1.0, 2.0, 3.0)
    layer = torch.nn.Linear(3, 1).to(x.device)
    before = layer.weight.cpu().clone()
    optimizer = torch.optim.Adam(layer.parameters(), fused=True)
    layer(x).square().sum().backward()
    assert layer.weight.grad.device == x.device
    optimizer.step()
    assert optimizer.state[layer.weight]["exp_avg"].device == x.device
    assert not torch.equal(layer.weight.cpu(), before)
