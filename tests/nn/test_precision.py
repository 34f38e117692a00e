"""Products in bfloat16: rounded in training alone, and only where three digits are enough; the gradient stays what it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from rounding import error_of_one_layer
from torch import Tensor, nn
from torch.distributions import Bernoulli as BernoulliLaw
from torch.distributions import Independent
from torch.nn.utils import parametrize

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.bernoulli import Bits
from lowerbound.nn.mode import in_evaluation
from lowerbound.nn.precision import multiplying
from lowerbound.recipes import networks
from lowerbound.recipes.build import Parts
from lowerbound.recipes.networks import PRECISIONS
from lowerbound.system.devices import fastest
from lowerbound.system.seeding import seeded
from lowerbound.vae.loss import of_rows

WORDS = [
    {"network": "mlp:512"},
    {"network": "conv:8-16"},
    {"likelihood": "gaussian", "network": "mlp:512"},
    {"likelihood": "gaussian", "network": "conv:8-16", "scale": "learned"},
    {"given": "label", "network": "mlp:512"},
    {"given": "observed", "network": "conv:8-16"},
    {"objective": "iwae:5", "network": "mlp:512"},
    {"objective": "contractive:1", "posterior": "dirac", "network": "mlp:512"},
    {"corruption": "masking:0.3", "network": "mlp:512"},
]


def rounded(values: Tensor) -> bool:
    """Whether all values have no more digits than bfloat16 has."""
    return bool((values == values.bfloat16().to(values.dtype)).all())


def model(**typed: object) -> Parts:
    return lb.build(lb.Recipe(data="digits", latent=3, **typed), DataSpec((1, 8, 8), classes=tuple("0123456789")))  # type: ignore[arg-type]


def gradient(products: torch.dtype, **typed: object) -> Tensor:
    """Of the mean loss of the digits, all weights in one vector."""
    parts, data = model(**typed), lb.data.load("digits").train
    parts.vae.train()
    with seeded(0, "noise"), multiplying(products):
        part = of_rows(parts.vae, data, torch.arange(500), parts.objective, parts.estimator)
    part.value.backward()
    return torch.cat([p.grad.flatten() for p in parts.vae.parameters() if p.grad is not None])


@pytest.mark.parametrize("typed", WORDS, ids=lambda typed: " ".join(typed.values()))
def test_gradients_are_the_same_to_what_one_layer_is(typed: dict[str, str]) -> None:
    torch.manual_seed(0)
    one = {"mlp:512": (nn.Linear(64, 512), torch.rand(500, 64)), "conv:8-16": (nn.Conv2d(8, 16, 3, padding=1), torch.rand(500, 8, 4, 4))}
    whole, rough = (gradient(products, **typed) for products in (torch.float32, torch.bfloat16))
    assert not torch.equal(whole, rough)
    assert float((whole - rough).norm() / whole.norm()) < 4 * error_of_one_layer(*one[typed["network"]])


@pytest.mark.parametrize(("likelihood", "rough"), [("bernoulli", True), ("gaussian", False), ("categorical:16", False)])
def test_parameters_of_laws_are_rounded_where_they_may_be(likelihood: str, rough: bool) -> None:
    vae, z = model(likelihood=likelihood).vae, torch.randn(1, 50, 3)
    x = lb.data.load("digits").test[:50]
    vae.train()
    with multiplying(torch.bfloat16):
        assert rounded(vae.likelihood.output(z)) is rough
        assert not rounded(vae.posterior.output(x))
        assert vae.likelihood.output(z).dtype == vae.posterior.output(x).dtype == torch.float32
        assert not rounded(in_evaluation(vae).likelihood.output(z))
    assert not rounded(vae.likelihood.output(z))


def test_small_networks_do_not_round() -> None:
    """They gain nothing by it."""
    assert torch.equal(*(gradient(products, network="mlp:64") for products in (torch.float32, torch.bfloat16)))
    assert torch.equal(*(gradient(products, network="mlp:64", likelihood="gaussian") for products in (torch.float32, torch.bfloat16)))


def test_a_network_of_ones_own_is_left_alone() -> None:
    network = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 64))
    likelihood = lb.likelihoods.Bernoulli(network).train()
    z = torch.randn(1, 5, 3)
    with multiplying(torch.bfloat16):
        assert torch.equal(likelihood.output(z), network(z[0])[None])


def test_nothing_stays_switched() -> None:
    """A network that a Bernoulli has rounded whole keeps its last digits in another law, in evaluation and in the next step."""
    likelihood = model(network="mlp:512").vae.likelihood.train()
    other, z = lb.likelihoods.Gaussian(likelihood.network, scale=1.0).train(), torch.randn(1, 50, 3)
    before = [dict(vars(module)) for module in likelihood.modules()]
    with multiplying(torch.bfloat16):
        assert rounded(likelihood.output(z))
        assert not rounded(other.output(z))
        with multiplying(torch.float32):
            assert not rounded(likelihood.output(z))
        assert rounded(likelihood.output(z))
    assert [dict(vars(module)) for module in likelihood.modules()] == before
    assert not rounded(likelihood.output(z))


def test_another_thread_multiplies_as_it_likes() -> None:
    likelihood, z = model(network="mlp:512").vae.likelihood.train(), torch.randn(1, 50, 3)
    with multiplying(torch.bfloat16), ThreadPoolExecutor(1) as pool:
        assert not rounded(pool.submit(likelihood.output, z).result())
        assert rounded(likelihood.output(z))


def test_a_parametrized_layer_is_made_once_a_pass() -> None:
    """The power iteration of a spectral norm takes a step each time that a weight is asked for."""
    asked = []

    class Counted(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            asked.append(weight)
            return weight

    likelihood = model(network="mlp:512").vae.likelihood.train()
    for layer in likelihood.network.modules():
        if isinstance(layer, nn.Linear):
            parametrize.register_parametrization(layer, "weight", Counted())
    asked.clear()
    with multiplying(torch.bfloat16):
        likelihood.output(torch.randn(1, 50, 3))
    assert len(asked) == 2


def test_fit_takes_what_it_is_told() -> None:
    data = lb.data.load("digits").train

    def after(products: torch.dtype | None) -> Tensor:
        vae = model().vae
        for _ in lb.fit(vae, data, epochs=1, products=products):
            pass
        return torch.cat([parameter.detach().flatten() for parameter in vae.parameters()])

    assert torch.equal(after(None), after(fastest(torch.device("cpu"))))
    assert not torch.equal(after(torch.float32), after(torch.bfloat16))


def test_a_run_learns_as_much() -> None:
    """Of the same noise; trajectories part in the end, so that it is the bound that is compared."""
    data = lb.data.load("digits")

    def bound(precision: str) -> float:
        vae = model(network="mlp:512").vae
        for _ in lb.fit(vae, data.train, epochs=10, products=networks.products(precision, vae.device)):
            pass
        return lb.mean_bound(vae, data.test).bound

    assert bound("bfloat16") == pytest.approx(bound("float32"), rel=0.01)
    assert set(PRECISIONS) == {"auto", "float32", "bfloat16"}


# --- Bernoullis in one pass ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(64,), (1, 28, 28), (7, 11)])
def test_bits_are_bernoullis(shape: tuple[int, ...]) -> None:
    """Their log probability, its gradient and that gradient's."""
    torch.manual_seed(0)
    logits = (3 * torch.randn(4, 5, *shape, dtype=torch.double)).requires_grad_()
    x = torch.bernoulli(torch.rand(5, *shape, dtype=torch.double))
    plain = Independent(BernoulliLaw(logits=logits, validate_args=False), len(shape), validate_args=False)
    found = []
    for law in (Bits(logits, len(shape)), plain):
        log_prob = law.log_prob(x)
        (slope,) = torch.autograd.grad(log_prob.square().sum(), logits, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.square().sum(), logits)
        found.append((log_prob, slope, curvature))
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs)


def test_bits_have_a_gradient_in_values_too() -> None:
    logits, x = torch.randn(3, 8), torch.rand(3, 8).requires_grad_()
    (slope,) = torch.autograd.grad(Bits(logits, 1).log_prob(x).sum(), x)
    torch.testing.assert_close(slope, logits)


def test_what_is_not_there_stays_so_when_it_is_binarized() -> None:
    x = torch.tensor([[0.0, 1.0, torch.nan, 0.5]])
    seen = lb.likelihoods.Bernoulli(nn.Identity()).observe(x)
    assert seen.isnan().tolist() == [[False, False, True, False]]
    assert seen[0, :2].tolist() == [0.0, 1.0]
