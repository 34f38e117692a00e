"""The contraction against autograd's Jacobian, exactly or within its standard error, and the objective that charges for it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap
from toys import z_score

import lowerbound as lb
from lowerbound.errors import RecipeError
from lowerbound.nn import jacobian as room
from lowerbound.nn.jacobian import contraction, estimated
from lowerbound.recipes import estimators, objectives
from lowerbound.recipes.build import build
from lowerbound.recipes.grammar import make
from lowerbound.recipes.recipe import Recipe
from lowerbound.vae.loss import loss
from lowerbound.vae.objectives.elbo import Contractive, Reconstruction
from lowerbound.vae.objectives.kl import ClosedKL

PROBES = 20_000
ONE_LAYER = {
    "linear": lambda: nn.Linear(6, 3),
    "sigmoid": lambda: nn.Sequential(nn.Linear(6, 3), nn.Sigmoid()),
    "tanh": lambda: nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(6, 3), nn.Tanh())),
    "softplus": lambda: nn.Sequential(nn.Linear(6, 3), nn.Softplus()),
    "relu": lambda: nn.Sequential(nn.Linear(6, 3), nn.ReLU()),
}
DEEP = {
    "two layers": lambda: nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3)),
    "our mlp": lambda: lb.nn.mlp(6, 9, 3),
    "not elementwise": lambda: nn.Sequential(nn.Linear(6, 3), nn.Softmax(1)),
    "convolution": lambda: nn.Sequential(nn.Unflatten(1, (1, 2, 3)), lb.nn.convolutional_encoder((1, 2, 3), (4,), 3)),
}


def encoder(make) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return make(), torch.randn(5, 6)


def truth(network: nn.Module, x: Tensor) -> Tensor:
    """‖∂h/∂x‖² of each example, by autograd."""
    return vmap(jacrev(lambda one: network(one[None])[0]))(x).square().sum((1, 2))


@pytest.mark.parametrize("name", ONE_LAYER)
def test_one_layer_is_exact(name: str) -> None:
    network, x = encoder(ONE_LAYER[name])
    assert torch.allclose(contraction(network, x), truth(network, x), rtol=1e-5)


@pytest.mark.parametrize("name", ONE_LAYER)
def test_its_gradient_is_exact(name: str) -> None:
    network, x = encoder(ONE_LAYER[name])
    weights = list(network.parameters())
    found = torch.autograd.grad(contraction(network, x).sum(), weights, allow_unused=True, materialize_grads=True)
    wanted = torch.autograd.grad(truth(network, x).sum(), weights, allow_unused=True, materialize_grads=True)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", DEEP)
def test_deeper_ones_are_estimated_without_bias(name: str) -> None:
    network, x = encoder(DEEP[name])
    found = contraction(network, x.repeat(PROBES, 1)).detach().view(PROBES, 5)
    assert found.std(0).min() > 0, "it is an estimate"
    assert z_score(found.double(), truth(network, x).detach().double()) < 4


def test_the_estimate_of_one_layer_is_the_formula_on_average() -> None:
    network, x = encoder(ONE_LAYER["sigmoid"])
    found = estimated(network, x.repeat(PROBES, 1)).detach().view(PROBES, 5)
    assert z_score(found.double(), contraction(network, x).detach().double()) < 4


@pytest.mark.parametrize("name", ["two layers", "our mlp"])
def test_the_gradient_of_the_estimate_has_no_bias(name: str) -> None:
    network, x = encoder(DEEP[name])
    weights = list(network.parameters())
    wanted = torch.autograd.grad(truth(network, x).sum(), weights, allow_unused=True, materialize_grads=True)
    found = []
    for _ in range(200):
        value = contraction(network, x.repeat(100, 1)).sum() / 100
        found.append(torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True))
    for draws, exact in zip(zip(*found, strict=True), wanted, strict=True):
        stacked = torch.stack(draws).flatten(1).double()
        varied = stacked.std(0) > 0
        assert torch.allclose(stacked.mean(0)[~varied], exact.flatten().double()[~varied], atol=1e-5)
        if varied.any():
            assert z_score(stacked[:, varied], exact.flatten().double()[varied]) < 4.5


def test_without_gradients_wanted_none_are_kept() -> None:
    for made in (ONE_LAYER["sigmoid"], DEEP["two layers"]):
        network, x = encoder(made)
        with torch.no_grad():
            assert not contraction(network, x).requires_grad
        assert contraction(network, x).requires_grad


def test_an_encoder_that_ignores_its_input_is_not_charged() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(len(x), 2)

    assert torch.equal(contraction(Constant(), torch.rand(3, 6)), torch.zeros(3))


# --- the objective -----------------------------------------------------------------------------------


def model(make=DEEP["two layers"]) -> lb.VAE:
    torch.manual_seed(0)
    return lb.VAE(lb.priors.StandardNormal(3), lb.likelihoods.Gaussian(nn.Linear(3, 6), 1.0), lb.posteriors.Dirac(make()))


def test_the_value_is_charged_and_the_figures_are_not() -> None:
    vae, x = model(ONE_LAYER["tanh"]), torch.randn(7, 6)
    charged, plain = (loss(vae, x, objective, lb.estimators.Pathwise()) for objective in (Contractive(weight=0.5), Reconstruction()))
    penalty = 0.5 * truth(vae.posterior.network, x)
    assert torch.allclose(charged.value, plain.value + penalty.mean(), rtol=1e-5)
    assert torch.equal(charged.log_likelihood, plain.log_likelihood)
    assert torch.equal(charged.bound, plain.bound)


@pytest.mark.parametrize("estimator", sorted(set(estimators.ESTIMATORS) - {"rejection", *estimators.OF_CLASSES}))
def test_every_estimator_gives_the_gradient_of_the_charge(estimator: str) -> None:
    """The same draws with and without it: what differs is the exact gradient of the charge, whatever the estimator does for the rest."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
    vae = lb.VAE(lb.priors.StandardNormal(3), lb.likelihoods.Gaussian(nn.Linear(3, 6), 1.0), lb.posteriors.DiagonalGaussian(network))
    x, gradients = torch.randn(7, 6), []
    for objective in (Contractive(weight=0.5, samples=2), Reconstruction(samples=2)):
        torch.manual_seed(1)
        vae.zero_grad()
        try:
            loss(vae, x, objective, make("estimator", estimator, estimators.ESTIMATORS)).value.backward()
        except RecipeError:
            assert estimator == "doubly-reparameterized"
            return
        gradients.append(network[0].weight.grad.clone())
    wanted = torch.autograd.grad(0.5 * truth(network, x).mean(), network[0].weight)[0]
    assert torch.allclose(gradients[0] - gradients[1], wanted, rtol=1e-3, atol=1e-6)


def test_what_is_not_asked_for_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr("lowerbound.vae.model.contraction", never)
    assert loss(model(), torch.randn(7, 6), Reconstruction(), lb.estimators.Pathwise()).value.isfinite()
    with pytest.raises(AssertionError, match="computed"):
        loss(model(), torch.randn(7, 6), Contractive(), lb.estimators.Pathwise())


def test_training_contracts() -> None:
    data = lb.data.load("digits")
    found = []
    for objective in ("reconstruction", "contractive:10"):
        parts = build(Recipe(posterior="dirac", objective=objective, network="mlp:32"), (1, 8, 8))
        list(lb.fit(parts.vae, data.train, epochs=3, objective=parts.objective))
        found.append(float(truth(parts.vae.posterior.network, data.test[:50]).detach().mean()))
    assert found[1] < 0.5 * found[0]


def test_a_linear_network_is_one_layer_and_its_charge_exact() -> None:
    vae = build(Recipe(posterior="dirac", objective="contractive", network="linear", latent=3), (1, 4, 4)).vae
    x = torch.rand(5, 1, 4, 4)
    (linear,) = (layer for layer in vae.posterior.network if isinstance(layer, nn.Linear))
    assert torch.allclose(room.contraction(vae.posterior.network, x), linear.weight.square().sum().expand(5))


@pytest.mark.parametrize("weight", ["0", "-1", "inf", "nan"])
def test_a_weight_that_is_none_is_refused(weight: str) -> None:
    with pytest.raises(RecipeError, match="weight of the contraction must be a positive number"):
        make("objective", f"contractive:{weight}", objectives.OBJECTIVES, kl=ClosedKL())


def test_terms_without_their_encoder_say_so() -> None:
    vae, x = model(), torch.randn(2, 6)
    posterior = vae.posterior(x)
    node = lb.estimators.ScoreFunction().draw(posterior, vae.prior(), 1)
    terms = lb.objectives.Terms(torch.zeros(1, 2), (node,))
    with pytest.raises(RecipeError, match="no encoder here"):
        Contractive().value(terms)
