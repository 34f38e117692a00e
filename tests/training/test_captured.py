"""The captured step gives the results of autograd and of the step by hand, and notices what changes between two steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.data.column import Column
from lowerbound.nn.missing import TableInput
from lowerbound.system import compiled, threads
from lowerbound.system.compiled import capture
from lowerbound.system.machine import Choice
from lowerbound.system.noise import by_row
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.captured import ByCapture
from lowerbound.training.steps.captured_batch import Batch
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Step

from .test_fused import USUAL, built, gradients, name, plan

pytestmark = pytest.mark.skipif(not compiled.products_are_to_be_had(), reason="torch's BLAS has no function that can be called")
SINGLE: list[dict[str, Any]] = [*USUAL, {"network": "linear", "objective": "iwae:3"}, {"network": "mlp:512-40", "objective": "iwae:3"}]


def of(step: Step, data: Any, rows: Tensor, objective: Any) -> tuple[Tensor, Tensor]:
    """Means and gradients of a step, by the random numbers of a block."""
    with by_row(7, rows):
        means = step.gradient(data, rows, objective)
    return means, gradients(step.plan.vae).clone()


def agree(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], error: float = 1e-5) -> None:
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)
    assert float((found[1] - expected[1]).norm() / expected[1].norm()) < error


@pytest.mark.parametrize("sums", [True, False], ids=["sums", "products"])
@pytest.mark.parametrize("words", SINGLE, ids=name)
def test_it_gives_the_gradient_of_autograd_again_and_again(words: dict[str, Any], sums: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of batches of two sizes, in turns, and a β that may change."""
    monkeypatch.setattr(compiled, "share_of_sums", lambda: 1.0 if sums else -1.0)
    parts, data = built(words), lb.data.load("digits").train
    assert ByCapture.takes(plan(parts))
    batches = [torch.arange(0, 1400, 7), torch.arange(3, 40), torch.arange(5, 1400, 7)]
    step, found = ByCapture(plan(parts)), []
    for kind in (step, ByAutograd(plan(parts))):
        found.append([of(kind, data, rows, parts.objective.at(0.3 + turn)) for turn, rows in enumerate(batches)])
    for ours, theirs in zip(*found, strict=True):
        agree(ours, theirs)
    assert len(step.batches.kept) == 2


@pytest.mark.parametrize("threads_of_torch", [1, 2])
def test_it_is_the_step_by_hand_with_any_number_of_threads(threads_of_torch: int) -> None:
    parts, data, rows = built({"network": "mlp:600"}), lb.data.load("digits").train, torch.arange(500)
    before = torch.get_num_threads()
    torch.set_num_threads(threads_of_torch)
    try:
        found = [of(kind(plan(parts)), data, rows, parts.objective.at(1.0)) for kind in (ByCapture, ByHand)]
    finally:
        torch.set_num_threads(before)
    agree(*found, error=1e-6)


def test_data_of_bytes_of_floats_and_views_are_the_same() -> None:
    parts, data = built({}), lb.data.load("digits").train
    step, rows = ByCapture(plan(parts)), torch.arange(30)
    assert isinstance(data.array, Tensor)
    every = data.rows if data.rows is not None else torch.arange(len(data))
    array = torch.randint(0, 256, (len(data.array), 1, 8, 8), dtype=torch.uint8)
    views = [Dataset(array, rows=every), Dataset(array.float() / 255, rows=every), Dataset((array[every]).float() / 255)]
    found = [of(step, view, rows, parts.objective.at(1.0)) for view in views]
    assert all(torch.equal(means, found[0][0]) and torch.equal(each, found[0][1]) for means, each in found)


def test_other_data_are_read_as_they_read_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, taken = built({"pixels": "grey"}), []
    call = Batch.__call__
    monkeypatch.setattr(Batch, "__call__", lambda self, *given: taken.append(1) or call(self, *given))
    step, hand, rows, x = ByCapture(plan(parts)), ByHand(plan(parts)), torch.arange(20), torch.rand(20, 1, 8, 8)
    others = Dataset(x.double()), Dataset(x.transpose(2, 3)), x.double(), x, Dataset(x), Dataset((255 * x).byte())
    for data in others:
        agree(of(step, data, rows, parts.objective.at(1.0)), of(hand, data, rows, parts.objective.at(1.0)))
    assert len(taken) == len(others)


def test_rows_that_are_not_there_and_examples_of_another_size_are_errors() -> None:
    """Also where a row was there before: addresses are all that loops are given."""
    parts, x = built({"pixels": "grey"}), (torch.rand(20, 1, 8, 8) * 255).byte()
    step, rows, which = ByCapture(plan(parts)), torch.arange(5), torch.arange(20)
    of(step, Dataset(x, rows=which), rows, parts.objective.at(1.0))
    for wrong in (20, -1, 10**6):
        which[2] = wrong
        with pytest.raises(IndexError):
            of(step, Dataset(x, rows=which), rows, parts.objective.at(1.0))
    with pytest.raises(lb.errors.DataError):
        of(step, Dataset(x[..., :4].contiguous()), rows, parts.objective.at(1.0))


def cut(network: Any, to: int) -> None:
    """The hidden layer made smaller, by its weights."""
    first, last = (layer for layer in network if isinstance(layer, nn.Linear))
    first.weight, first.bias = nn.Parameter(first.weight[:to].detach().clone()), nn.Parameter(first.bias[:to].detach().clone())
    last.weight = nn.Parameter(last.weight[:, :to].detach().clone())


def test_sizes_are_those_of_weights_and_not_of_attributes() -> None:
    parts, data, rows = built({"network": "mlp:16"}), lb.data.load("digits").train, torch.arange(50)
    cut(parts.vae.posterior.network, 10)
    cut(parts.vae.likelihood.network, 10)
    assert ByCapture.takes(plan(parts))
    agree(*(of(kind(plan(parts)), data, rows, parts.objective.at(1.0)) for kind in (ByCapture, ByAutograd)))


def test_networks_of_other_sizes_and_encoders_of_tables_are_left_to_others() -> None:
    parts = built({})
    assert ByCapture.takes(plan(parts))
    parts.vae.posterior.network = lb.nn.mlp(50, 16, 6)
    assert not ByCapture.takes(plan(parts))
    parts.vae.posterior.network = TableInput(lb.nn.mlp(64, 32, 6), [Column("a", "boolean", ("no", "yes"))] * 64)
    assert not ByCapture.takes(plan(parts))
    parts = built({})
    parts.vae.likelihood.network[-2] = nn.Linear(32, 40)
    assert not ByCapture.takes(plan(parts))


def test_data_that_draw_from_torch_repeat() -> None:
    """They are the caller's, and torch's generator is seeded around them."""
    x = torch.rand(40, 1, 8, 8)

    class Noisy:
        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, rows: Any) -> Tensor:
            return x[torch.as_tensor(rows)] * (0.5 + 0.5 * torch.rand(()))

    def bounds() -> list[float]:
        return [record.bound for record in lb.fit(built({}).vae, Noisy(), epochs=2, batch=10)]

    torch.manual_seed(1)
    first = bounds()
    torch.manual_seed(2)
    assert bounds() == first


def test_outside_a_block_numbers_are_torchs() -> None:
    parts, data, rows = built({}), lb.data.load("digits").train, torch.arange(20)
    found = []
    for kind in (ByCapture, ByHand):
        torch.manual_seed(3)
        found.append((kind(plan(parts)).gradient(data, rows, parts.objective.at(1.0)), gradients(parts.vae).clone()))
    agree(*found)


def test_weights_and_gradients_that_moved_are_found() -> None:
    """A gradient set to None, weights in other memory, and data changed in their place."""
    parts, rows = built({"pixels": "grey"}), torch.arange(20)
    x = torch.rand(20, 1, 8, 8)
    data, step, autograd = Dataset(x), ByCapture(plan(parts)), ByAutograd(plan(parts))
    of(step, data, rows, parts.objective.at(1.0))
    parts.vae.zero_grad(set_to_none=True)
    with torch.no_grad():
        for weight in parts.vae.parameters():
            weight.data = weight.data + 0.01
        x += 0.1
    agree(of(step, data, rows, parts.objective.at(1.0)), of(autograd, data, rows, parts.objective.at(1.0)))


def test_means_are_not_those_of_the_next_step() -> None:
    parts, data = built({}), lb.data.load("digits").train
    step = ByCapture(plan(parts))
    first, _ = of(step, data, torch.arange(20), parts.objective.at(1.0))
    before = first.clone()
    of(step, data, torch.arange(20, 40), parts.objective.at(1.0))
    assert torch.equal(first, before)


@pytest.mark.parametrize("library", [capture.TORCH, capture.MKL])
def test_products_in_bfloat16_are_taken_where_they_pay(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "choice", lambda _: Choice(library))
    assert ByCapture.takes(plan(built({"network": "mlp:512"}), torch.bfloat16)) == (library == capture.MKL)
    assert ByCapture.takes(plan(built({"network": "mlp:32"}), torch.bfloat16))  # no layer is large


@pytest.mark.parametrize("sums", [True, False], ids=["sums", "products"])
@pytest.mark.parametrize("objective", ["elbo", "iwae:3"])
@pytest.mark.parametrize("network", ["mlp:512", "mlp:600-512", "mlp:16-600"])
def test_rounded_products_change_a_gradient_no_more_than_the_step_by_hand_does(
    network: str, objective: str, sums: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "share_of_sums", lambda: 1.0 if sums else -1.0)
    parts, data = built({"network": network, "objective": objective}), lb.data.load("digits").train
    at, found = parts.objective.at(0.5), []
    kinds = [(ByAutograd, torch.float32), (ByHand, torch.bfloat16), (ByCapture, torch.bfloat16)]
    for rows in (torch.arange(0, 1400, 7), torch.arange(3, 40)):
        (whole, exact), by_hand, captured = (of(kind(plan(parts, products)), data, rows, at) for kind, products in kinds)
        found += [[float((each - exact).norm() / exact.norm()) for _, each in (by_hand, captured)]]
        torch.testing.assert_close(captured[0], whole, rtol=1e-3, atol=1e-2)
    assert 0 < sum(captured for _, captured in found) < 1.2 * sum(by_hand for by_hand, _ in found)


def test_what_is_shared_and_other_laws_are_left_to_others() -> None:
    for words in ({"likelihood": "gaussian"}, {"network": "conv:4"}, {"prior": "mixture:3"}):
        assert not ByCapture.takes(plan(built(words)))


def test_fit_takes_it_and_gives_the_weights_of_the_step_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def weights() -> Tensor:
        parts = built({"network": "mlp:512"})
        for _ in lb.fit(parts.vae, lb.data.load("digits").train, epochs=2, objective=parts.objective, products=torch.float32):
            pass
        return torch.cat([parameter.detach().flatten() for parameter in parts.vae.parameters()])

    taken: list[int] = []
    gradient = ByCapture.gradient
    monkeypatch.setattr(ByCapture, "gradient", lambda self, *given: taken.append(1) or gradient(self, *given))
    captured = weights()
    assert len(taken) == 26
    monkeypatch.setattr("lowerbound.training.steps.choose.KINDS", (ByHand,))
    torch.testing.assert_close(captured, weights(), rtol=1e-3, atol=1e-4)


# --- the calls themselves ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("turned", [(a, b) for a in (False, True) for b in (False, True)], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 3), (1, 7, 4), (40, 30, 50)], ids=str)
def test_products_are_those_of_torch(shape: tuple[int, int, int], turned: tuple[bool, bool], kind: torch.dtype) -> None:
    m, k, n = shape
    a = torch.randn(k, m).to(kind).t() if turned[0] else torch.randn(m, k).to(kind)
    b = torch.randn(n, k).to(kind).t() if turned[1] else torch.randn(k, n).to(kind)
    found, calls = torch.full((m, n), torch.nan), compiled.CapturedCalls()
    calls.product(a, b, found)
    for _ in range(2):
        calls.replay()
        torch.testing.assert_close(found, a.float() @ b.float())
        a *= 2


def test_loops_are_called_in_order_by_one_thread_and_by_several() -> None:
    """A layer's output less its bias, of so many numbers that threads share them."""
    x, bias = torch.randn(300, 200), torch.randn(200)
    once, twice, sums, calls = torch.empty(300, 200), torch.empty(300, 200), torch.empty(200), compiled.CapturedCalls()
    calls.loop(compiled.layers.rectified, x.numel(), 300, 200, x, bias, once)
    calls.loop(compiled.layers.rectified, 1, 300, 200, once, bias, twice)
    calls.loop(compiled.layers.sums, x.numel(), 200, 300, twice, sums, torch.ones(1), 0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert threads.shared(x.numel())[0] == 2 or threads.starts() == 0
        calls.replay()
    finally:
        torch.set_num_threads(before)
    expected = ((x + bias).relu() + bias).relu()
    torch.testing.assert_close(twice, expected)
    torch.testing.assert_close(sums, expected.sum(0), rtol=1e-4, atol=1e-3)
