"""The captured step of hierarchies gives the results of autograd, and leaves what it does not know to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.evaluation.levels import divergence
from lowerbound.evaluation.mean_bound import scored_terms
from lowerbound.nn.stages import Stages
from lowerbound.system import compiled
from lowerbound.system.noise import by_row
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.captured_levels import LevelsByCapture
from lowerbound.training.steps.changes import Changes
from lowerbound.training.steps.dense import networks_of
from lowerbound.vae.conditional import Level
from lowerbound.vae.objectives import FreeBits

from .test_captured import agree, of
from .test_fused import built, gradients, name, plan

pytestmark = pytest.mark.skipif(not compiled.products_are_to_be_had(), reason="torch's BLAS has no function that can be called")
WORDS: list[dict[str, Any]] = [
    {"latent": "3-4", "network": "gated:20-24"},
    {"latent": "3-4-2", "network": "gated:17"},
    {"latent": "3-4-2", "network": "mlp:20-24"},
    {"latent": "6-5-4-3-2", "network": "mlp:18"},
    {"latent": "40-40", "network": "gated:300-300"},
    {"latent": "2-3", "network": "mlp:512"},
    {"latent": "3-4", "network": "gated:20", "pixels": "grey"},
    {"latent": "3-4", "network": "mlp:24", "posterior": "ladder"},
    {"latent": "2-3-4-5", "network": "gated:24-16", "posterior": "ladder"},
    {"latent": "3-4", "network": "gated:20", "prior": "vamp:7"},
    {"latent": "3-2-4", "network": "mlp:24", "prior": "vamp:30"},
    {"latent": "3-4-2", "network": "gated:20", "objective": "free-bits-of-levels:1"},
    {"latent": "3-4", "network": "mlp:24", "posterior": "ladder", "objective": "free-bits-of-levels:100"},
    {"latent": "5", "network": "mlp:20-16", "objective": "free-bits-of-levels:0.1:3"},
    {"latent": "5", "network": "gated:20-16"},
    {"latent": "5", "network": "mlp:20-16", "prior": "vamp:6"},
    {"latent": "5", "network": "gated:20", "prior": "vamp:6"},
]


def of_levels(**words: Any) -> Any:
    """A hierarchy whose levels all say something, and whose p is not N(0, I)."""
    parts = built({"latent": "3-4", "network": "gated:20", **words})
    with torch.no_grad():
        for number, weight in enumerate(parts.vae.parameters()):
            weight.add_(0.5 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) / weight.shape[-1] ** 0.5)
    return parts


@pytest.mark.parametrize("sums", [True, False], ids=["sums", "products"])
@pytest.mark.parametrize("words", WORDS, ids=name)
def test_it_gives_the_gradient_of_autograd_again_and_again(words: dict[str, Any], sums: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of batches of two sizes, in turns, and a β that may change."""
    monkeypatch.setattr(compiled, "share_of_sums", lambda: 1.0 if sums else -1.0)
    parts, data, found = of_levels(**words), lb.data.load("digits").train, []
    batches = [torch.arange(0, 1400, 7), torch.arange(3, 40), torch.arange(5, 1400, 7)]
    assert LevelsByCapture.takes(plan(parts))
    for kind in (LevelsByCapture(plan(parts)), ByAutograd(plan(parts))):
        found.append([of(kind, data, rows, parts.objective.at(0.3 + turn)) for turn, rows in enumerate(batches)])
    for ours, theirs in zip(*found, strict=True):
        agree(ours, theirs)
        assert abs(float(ours[0][2])) > 1e-3


@pytest.mark.parametrize("posterior", ["gaussian", "ladder"])
def test_of_levels_within_the_free_nats_the_kl_has_no_gradient(posterior: str) -> None:
    """Of none, of one, of both."""
    parts, data, rows, found = of_levels(posterior=posterior), lb.data.load("digits").train, torch.arange(60), []
    with torch.no_grad(), by_row(7, rows):
        terms = scored_terms(parts.vae, data, rows)
        few, many = sorted(float(divergence(node, terms).mean()) for node in terms.nodes)
    assert many > 1.05 * few > 0.1
    step, autograd = LevelsByCapture(plan(parts)), ByAutograd(plan(parts))
    for nats in (few / 2, (few + many) / 2, 2 * many):
        objective = FreeBits(nats, of_levels=True)
        found.append(of(step, data, rows, objective))
        agree(found[-1], of(autograd, data, rows, objective))
    assert len({tuple(gradient.tolist()) for _, gradient in found}) == 3


@pytest.mark.parametrize("bias", [-25.0, -20.0, 20.0, 25.0])
@pytest.mark.parametrize("words", [{}, {"posterior": "ladder"}, {"prior": "vamp:4"}], ids=name)
@pytest.mark.parametrize(("law", "level"), [("posterior", 0), ("posterior", 1), ("prior", 0)])
def test_outside_its_bounds_a_logarithm_has_no_gradient(law: str, level: int, words: dict[str, Any], bias: float) -> None:
    """Of both levels of q, and of that of p that is learned; at its bounds it has one."""
    parts, data, rows = of_levels(**words), lb.data.load("digits").train, torch.arange(30)
    last = getattr(parts.vae, law).levels[level].network[-1]
    with torch.no_grad():
        last.weight[-1], last.bias[-1] = 0, bias
        for of_z in (*parts.vae.prior.levels, parts.vae.likelihood):  # z may be in the ten thousands
            of_z.network[1].weight.mul_(1e-4)
        parts.vae.posterior.levels[1].network[1].weight[:, -3:] *= 1e-4
    found = []
    for kind in (LevelsByCapture, ByAutograd):
        found.append(of(kind(plan(parts)), data, rows, parts.objective.at(1.0)))
        assert (float(last.bias.grad[-1]) == 0) == (abs(bias) > 20)
    agree(*found, error=1e-4)


@pytest.mark.parametrize("network", ["gated:300-300", "mlp:512-512"])
def test_rounded_products_change_a_gradient_no_more_than_autograd_does(network: str) -> None:
    if not compiled.products_are_to_be_had(torch.bfloat16):
        pytest.skip("products in bfloat16 do not pay here")
    parts, data, rows, found = of_levels(latent="20-20", network=network), lb.data.load("digits").train, torch.arange(0, 1400, 3), []
    for kind, products in ((ByAutograd, torch.float32), (ByAutograd, torch.bfloat16), (LevelsByCapture, torch.bfloat16)):
        found.append(of(kind(plan(parts, products)), data, rows, parts.objective.at(0.5)))
    (_, exact), (_, autograd), (_, captured) = found
    assert 0 < float((captured - exact).norm()) < 1.2 * float((autograd - exact).norm())


def test_data_of_all_kinds_and_noise_of_no_rows() -> None:
    parts, rows, x, found = of_levels(pixels="grey"), torch.arange(40), torch.rand(40, 1, 8, 8), []
    step, autograd, objective = LevelsByCapture(plan(parts)), ByAutograd(plan(parts)), parts.objective.at(1.0)
    expected = of(autograd, x, rows, objective)
    for data in (x, Dataset(x), x.double(), Dataset(x.double()), x.transpose(2, 3).contiguous().transpose(2, 3)):
        agree(of(step, data, rows, objective), expected)
    for kind in (step, autograd):
        torch.manual_seed(3)
        found.append((kind.gradient(x, rows, objective), gradients(parts.vae).clone()))
    agree(*found)


def frozen(vae: Any) -> None:
    next(vae.posterior.parameters()).requires_grad_(False)


def hooked(vae: Any) -> None:
    vae.prior.levels[0].register_forward_hook(lambda *_: None)


def shared(vae: Any) -> None:
    vae.posterior.levels[0].network[-1].bias = vae.prior.levels[0].network[-1].bias


def without_bias(vae: Any) -> None:
    vae.prior.levels[0].network[1].bias = None


def of_tanh(vae: Any) -> None:
    vae.likelihood.network[2] = nn.Sequential(nn.Tanh(), nn.GLU(1))


def narrower(vae: Any) -> None:
    vae.prior.levels[0].network[1] = nn.Linear(2, 40)


def odd(vae: Any) -> None:
    vae.posterior.network[1] = nn.Linear(64, 41)


def not_flat(vae: Any) -> None:
    vae.posterior.network = vae.posterior.network[1:]


def of_another_shape(vae: Any) -> None:
    vae.likelihood.network[-1] = nn.Unflatten(1, (4, 4))


def of_a_level_with_a_shape(vae: Any) -> None:
    vae.posterior.levels[1].network.append(nn.Unflatten(1, (8, 1)))


class Other(Level):
    def law(self, output: Tensor, axes: int) -> Any:
        return super().law(3 * output, axes)


def of_another_law(vae: Any) -> None:
    vae.posterior.levels[0] = Other(vae.posterior.levels[0].network)


def of_another_module(vae: Any) -> None:
    vae.posterior.levels[0] = nn.Sequential(vae.posterior.levels[0])


def moved(vae: Any) -> None:
    vae.prior.first.zero.fill_(2.0)


def moved_elsewhere(vae: Any) -> None:
    vae.prior.first.zero.data = torch.full((3,), 2.0)


CHANGES = [frozen, hooked, shared, without_bias, of_tanh, narrower, odd, not_flat, of_another_shape, of_a_level_with_a_shape]


@pytest.mark.parametrize("change", [*CHANGES, of_another_law, of_another_module, moved, moved_elsewhere])
def test_models_that_were_changed_are_left_to_others(change: Callable[[Any], None]) -> None:
    """And the change is noticed between two steps."""
    parts = of_levels()
    made = plan(parts)
    assert LevelsByCapture.takes(made)
    changes = Changes(made)
    assert changes.any()
    assert not changes.any()
    change(parts.vae)
    assert changes.any()
    assert not LevelsByCapture.takes(plan(parts))


class Twice(Stages):
    def forward(self, *given: Tensor) -> Tensor:
        return 2 * super().forward(*given)


def test_a_ladder_of_other_stages_is_left_to_others() -> None:
    parts = of_levels(posterior="ladder")
    assert LevelsByCapture.takes(plan(parts))
    parts.vae.posterior.network = Twice(list(parts.vae.posterior.network.stages))
    assert not LevelsByCapture.takes(plan(parts))


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (5, 1, 8, 9)])
def test_pseudo_inputs_of_another_size_or_none_are_left_to_others(shape: tuple[int, ...]) -> None:
    parts = of_levels(prior="vamp:5")
    parts.vae.prior.first.inputs = nn.Parameter(torch.zeros(shape))
    assert not LevelsByCapture.takes(plan(parts))


def test_networks_that_autograd_does_not_round_are_not_rounded() -> None:
    """Those whose last layer is torch's."""
    parts = of_levels(latent="20-20", network="mlp:600")
    for law in (parts.vae.posterior, *parts.vae.posterior.levels, *parts.vae.prior.levels, parts.vae.likelihood):
        for place, layer in enumerate(law.network):
            if type(layer) is lb.nn.Linear:
                law.network[place] = nn.Linear(layer.in_features, layer.out_features)
    data, rows = lb.data.load("digits").train, torch.arange(100)
    agree(*(of(kind(plan(parts, torch.bfloat16)), data, rows, parts.objective.at(1.0)) for kind in (LevelsByCapture, ByAutograd)))


OTHERS: list[dict[str, Any]] = [
    {"latent": "4", "network": "linear"},
    {"latent": "4", "sigma_floor": 0.01},
    {"latent": "4", "network": "tanh:20"},
    {"prior": "vamp:5", "objective": "elbo:2"},
    {"prior": "vamp:5", "objective": "free-bits-of-levels:1"},
    {"objective": "free-bits:0.1"},
    {"prior": "mixture:5"},
    {"network": "tanh:20"},
    {"network": "linear"},
    {"network": "conv:8"},
    {"likelihood": "categorical"},
    {"objective": "elbo:2"},
    {"objective": "iwae:2"},
    {"kl": "sampled"},
    {"estimator": "doubly-reparameterized"},
    {"sigma_floor": 0.01},
    {"given": "label"},
]


@pytest.mark.parametrize("words", OTHERS, ids=name)
def test_other_hierarchies_are_left_to_others(words: dict[str, Any]) -> None:
    assert not LevelsByCapture.takes(plan(built({"latent": "3-4", "network": "gated:20", **words})))


def test_a_training_goes_where_autograds_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, the last batch being smaller; and its bounds rise."""
    from lowerbound.training.steps import choose

    data, ends = Dataset(torch.as_tensor(lb.data.load("digits").train[torch.arange(230)])), []
    for kinds in (choose.KINDS, (ByAutograd,)):
        monkeypatch.setattr(choose, "KINDS", kinds)
        vae = built({"latent": "3-4", "network": "gated:40", "pixels": "grey"}).vae
        assert networks_of(vae, torch.float32) is not None
        ends.append([record.bound for record in lb.fit(vae, data, epochs=4, batch=50, products=torch.float32)])
    torch.testing.assert_close(torch.tensor(ends[0]), torch.tensor(ends[1]), rtol=1e-3, atol=1e-3)
    assert ends[0][-1] > ends[0][0] + 1
