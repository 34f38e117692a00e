"""The step by hand gives the results of autograd for every model that it accepts; and accepts no other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lowerbound as lb
from lowerbound.data.column import Column
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError
from lowerbound.system import compiled
from lowerbound.system.noise import by_row
from lowerbound.system.seeding import seeded
from lowerbound.training.state import State
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Plan
from lowerbound.vae.loss import of_rows
from lowerbound.vae.semi_supervised import SemiSupervisedLoss

USUAL: list[dict[str, Any]] = [
    {"network": "mlp:512"},
    {"network": "mlp:512", "objective": "iwae:5"},
    {"network": "mlp:16-24-16"},
    {"network": "linear"},
    {"network": "orthogonal:16", "latent": 7},
    {"pixels": "grey"},
    {"objective": "elbo:6"},
    {"objective": "beta:4"},
    {"objective": "beta-linear:1:4"},
    {"objective": "iwae:5"},
    {"objective": "iwae:200", "network": "mlp:16-16"},
]
OTHERS: list[dict[str, Any]] = [
    {"network": "conv:4"},
    {"likelihood": "gaussian"},
    {"likelihood": "continuous-bernoulli"},
    {"posterior": "full-gaussian"},
    {"sigma_floor": 0.1},
    {"prior": "mixture:3"},
    {"prior": "vamp:5"},
    {"kl": "sampled"},
    {"objective": "renyi:0.5"},
    {"objective": "free-bits:0.1"},
    {"objective": "total-correlation:6"},
    {"estimator": "score"},
    {"estimator": "doubly-reparameterized", "objective": "iwae:5"},
    {"corruption": "masking:0.3"},
    {"given": "label"},
]


def built(words: dict[str, Any]) -> Any:
    parts = lb.build(lb.Recipe(**{"latent": 3, "network": "mlp:32", **words}), DataSpec((1, 8, 8), classes=tuple("0123456789")))
    parts.vae.train()
    return parts


def gradients(vae: lb.VAE) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in vae.parameters()])


def plan(parts: Any, products: torch.dtype = torch.float32, loss: Any = of_rows) -> Plan:
    """With an optimizer that wants gradients in the type of their weights."""
    state = State(torch.optim.Adam(parts.vae.parameters()))
    return Plan(parts.vae, parts.objective, parts.estimator, loss, state, products)


def both(parts: Any, products: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """Means and gradients, by hand and by autograd."""
    data, rows, found = lb.data.load("digits").train, torch.arange(0, 1400, 7), []
    assert ByHand.takes(plan(parts, products))
    for kind in (ByHand, ByAutograd):
        with by_row(7, rows):
            means = kind(plan(parts, products)).gradient(data, rows, parts.objective.at(0.3))
        found.append((means, gradients(parts.vae)))
    return found


def name(words: dict[str, Any]) -> str:
    return " ".join(map(str, words.values()))


@pytest.mark.parametrize("words", USUAL, ids=name)
def test_the_step_gives_the_gradient_of_autograd(words: dict[str, Any]) -> None:
    (means, ours), (expected, theirs) = both(built(words), torch.float32)
    torch.testing.assert_close(means, expected, rtol=1e-5, atol=1e-5)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


@pytest.mark.parametrize("words", USUAL, ids=name)
def test_with_bfloat16_products_the_step_is_as_accurate_as_autograd(words: dict[str, Any]) -> None:
    """Against autograd without rounding: as near as autograd with it."""
    (means, ours), (_, rounded) = both(built(words), torch.bfloat16)
    expected, theirs = both(built(words), torch.float32)[1]
    torch.testing.assert_close(means, expected, rtol=1e-2, atol=1e-2)
    error = float((rounded - theirs).norm() / theirs.norm())
    assert float((ours - theirs).norm() / theirs.norm()) < max(2 * error, 1e-3)


@pytest.mark.parametrize("products", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("words", [{"network": "mlp:512"}, {"network": "mlp:512-32", "objective": "iwae:5", "pixels": "grey"}], ids=name)
def test_sums_over_what_is_not_zero_are_the_product(words: dict[str, Any], products: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first layer; with rounded products the sums have all their digits, so that the rest is what may differ."""
    taken: list[int] = []
    times = compiled.Sparse.times
    monkeypatch.setattr(compiled.Sparse, "times", lambda self, *given: taken.append(1) or times(self, *given))
    found = []
    for share in (1.0, -1.0):
        monkeypatch.setattr(compiled, "share_of_sums", lambda share=share: share)
        found.append(both(built(words), products)[0])
    assert taken == [1]
    (means, ours), (expected, theirs) = found
    rounded = products == torch.bfloat16
    torch.testing.assert_close(means, expected, rtol=1e-2 if rounded else 1e-5, atol=1e-5)
    assert float((ours - theirs).norm() / theirs.norm()) < (2e-2 if rounded else 1e-5)


KINDS = [
    Column("a", "number"),
    Column("b", "category", ("x", "y", "z")),
    Column("c", "count", loc=1.0, scale=0.7),
    Column("d", "ordinal", ("x", "y", "z"), shares=(0.6, 0.1, 0.3)),
    Column("e", "boolean", ("no", "yes")),
]


@pytest.mark.parametrize("objective", ["elbo", "iwae:5", "beta:3"])
@pytest.mark.parametrize("likelihood", ["columns", "columns-gaussian"])
@pytest.mark.parametrize("columns", [None, tuple(KINDS)], ids=["numbers", "mixed"])
def test_of_tables_with_holes_too(columns: tuple[Column, ...] | None, likelihood: str, objective: str) -> None:
    """Beside autograd, of all kinds of columns."""
    torch.manual_seed(0)
    x = torch.randn(90, 5)
    if columns is not None:
        x[:, 1], x[:, 2], x[:, 4] = torch.randint(3, (90,)), torch.poisson(torch.full((90,), 4.0)), torch.randint(2, (90,))
        x[:, 3] = torch.randint(3, (90,))
    x[torch.rand(90, 5) < 0.3] = torch.nan
    spec = DataSpec((5,), holes=True, schema=None if columns is None else Schema(columns))
    parts = lb.build(lb.Recipe(likelihood=likelihood, objective=objective, latent=3, network="mlp:32-16"), spec)
    parts.vae.train()
    assert ByHand.takes(plan(parts))
    found, rows = [], torch.arange(10, 80)
    for kind in (ByHand, ByAutograd):
        with by_row(7, rows):
            means = kind(plan(parts)).gradient(x, rows, parts.objective.at(1.0))
        found.append((means, gradients(parts.vae)))
    (means, ours), (expected, theirs) = found
    torch.testing.assert_close(means, expected, rtol=1e-5, atol=1e-5)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5
    with pytest.raises(DataError, match="4"):
        ByHand(plan(parts)).gradient(x[:, :4], rows, parts.objective.at(1.0))


def test_extreme_variances_have_no_gradient() -> None:
    parts = built({})
    last = parts.vae.posterior.network[-1]
    with torch.no_grad():
        last.bias[3] = -50.0  # of a log σ², below its bound
    (_, ours), (_, theirs) = both(parts, torch.float32)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5
    assert float(last.weight.grad[3].abs().max()) == 0.0


def test_data_of_any_type_and_layout_give_the_same_step() -> None:
    parts, data, rows = built({"pixels": "grey"}), lb.data.load("digits").train[:100], torch.arange(100)
    fast, found = ByHand(plan(parts)), []
    for given in (data, data.double(), data.flatten(1).t().contiguous().t()):
        with seeded(0, "noise"):
            found.append(fast.gradient(given, rows, parts.objective.at(0.0)))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_other_product_types_and_tied_weights_are_left_to_autograd() -> None:
    parts = built({"network": "mlp:16-16-16"})
    assert not ByHand.takes(plan(parts, torch.float16))
    layers = [layer for layer in parts.vae.likelihood.network if isinstance(layer, nn.Linear)]
    layers[2].weight = layers[1].weight
    assert not ByHand.takes(plan(parts))


def test_fit_leaves_gradients_in_the_type_of_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowerbound.training.steps.choose.KINDS", (ByHand,))
    vae = built({"network": "mlp:512"}).vae
    running = lb.fit(vae, lb.data.load("digits").train, epochs=1, products=torch.bfloat16)
    next(running)
    next(running)
    assert torch.bfloat16 in {weight.grad.dtype for weight in vae.parameters()}
    list(running)
    assert {weight.grad.dtype for weight in vae.parameters()} == {torch.float32}


def test_a_decoder_of_another_size_is_refused() -> None:
    vae = built({}).vae
    vae.likelihood.network[-1] = torch.nn.Unflatten(1, (4, 16))
    for _ in lb.fit(vae, torch.rand(20, 1, 8, 8), epochs=1):  # the same number of values
        pass
    vae.likelihood.network = lb.nn.mlp(3, 32, (7, 9))
    with pytest.raises(lb.errors.DataError, match=r"the decoder gives \(7, 9\), the data are \(1, 8, 8\): the numbers of values differ"):
        next(lb.fit(vae, torch.rand(20, 1, 8, 8), epochs=1))


def test_gradients_are_those_of_one_step() -> None:
    """Not added to earlier gradients."""
    parts = built({})
    first = both(parts, torch.float32)[0][1].clone()
    assert torch.allclose(both(parts, torch.float32)[0][1], first, rtol=1e-6)


@pytest.mark.parametrize("words", OTHERS, ids=name)
def test_other_models_are_left_to_autograd(words: dict[str, Any]) -> None:
    parts = built(words)
    assert not ByHand.takes(plan(parts))


def test_networks_with_hooks_frozen_weights_or_other_layers_are_left_to_autograd() -> None:
    def taken(change: Any, loss: Any = of_rows) -> bool:
        parts = built({})
        change(parts.vae)
        return ByHand.takes(plan(parts, loss=loss))

    def hooked(vae: lb.VAE) -> None:
        vae.posterior.network[1].register_forward_hook(lambda *_: None)

    def frozen(vae: lb.VAE) -> None:
        vae.likelihood.network[1].weight.requires_grad_(False)

    def dropped(vae: lb.VAE) -> None:
        lb.nn.with_dropout(vae.posterior.network, 0.5)

    def bent(vae: lb.VAE) -> None:
        vae.likelihood.network[2] = nn.Tanh()

    assert taken(lambda vae: None)
    assert not any(map(taken, (hooked, frozen, dropped, bent, lambda vae: vae.double())))
    assert not taken(lambda vae: None, SemiSupervisedLoss(1.0))


@pytest.mark.parametrize("words", [{}, {"objective": "iwae:5"}], ids=name)
def test_training_with_either_step_gives_the_same_weights(words: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def weights() -> Tensor:
        parts = built(words)
        for _ in lb.fit(parts.vae, lb.data.load("digits").train, epochs=1, objective=parts.objective, products=torch.float32):
            pass
        return torch.cat([parameter.detach().flatten() for parameter in parts.vae.parameters()])

    by_hand = weights()
    monkeypatch.setattr("lowerbound.training.steps.choose.KINDS", (ByAutograd,))
    torch.testing.assert_close(by_hand, weights(), rtol=1e-3, atol=1e-4)
