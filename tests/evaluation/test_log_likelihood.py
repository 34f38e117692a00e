"""log p(x) where it is known: the estimate agrees, its error is what it says, and nothing depends on how the work is cut up."""

from __future__ import annotations

import math
import subprocess
import sys
import threading

import pytest
import torch
from conftest import needs
from torch import nn
from torch.distributions import Binomial
from toys import Constant, LinearGaussian

import lowerbound as lb
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.evaluation import log_likelihood, proposals
from lowerbound.nn.networks import mlp
from lowerbound.nn.pruning import near

SIZES = [(1, 1, 1.0), (2, 5, 0.7), (3, 2, 0.3), (5, 20, 0.5), (10, 30, 0.1), (20, 8, 0.2), (50, 100, 0.5)]
ENCODERS = {
    "exact": lambda toy: toy.exact_encoder(),
    "random": lambda toy: nn.Linear(len(toy.bias), 2 * toy.latent),
    "blind": lambda toy: Constant(torch.zeros(2 * toy.latent)),
}


def data(toy: LinearGaussian, n: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return toy.evidence.sample(torch.Size([n]))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("latent", "size", "scale"), SIZES)
def test_it_agrees_with_the_truth(latent: int, size: int, scale: float, encoder: str) -> None:
    toy = LinearGaussian(latent, size, scale, seed=latent)
    x = data(toy, 30)
    found = lb.log_likelihood(toy.vae(ENCODERS[encoder](toy)), x)
    truth = toy.evidence.log_prob(x)
    assert abs(found.mean - float(truth.mean())) < 3 * found.se_samples
    assert ((found.log_p - truth).abs() < 4.5 * found.se).all(), "each example's, of which there are 630 in all"
    assert (found.ess > 500).all()


@pytest.mark.parametrize("samples", [30, 300])
@pytest.mark.parametrize("encoder", ["exact", "blind"])
def test_its_error_covers_the_truth_as_often_as_it_should(encoder: str, samples: int) -> None:
    toy = LinearGaussian(3, 6, 0.5, seed=1)
    x = data(toy, 1000)
    found = lb.log_likelihood(toy.vae(ENCODERS[encoder](toy)), x, samples)
    z = (found.log_p - toy.evidence.log_prob(x)) / found.se
    for width, share in ((1.0, 0.6827), (1.96, 0.95)):
        inside = int((z.abs() < width).sum())
        error = math.sqrt(len(x) * share * (1 - share))
        # with 30 draws the errors are those of a Student-t, whose intervals hold a little less
        assert abs(inside - len(x) * share) < 3 * error + (0.03 * len(x) if samples == 30 else 0), (inside, width)


@pytest.mark.long
def test_the_error_of_a_mean_covers_it_too() -> None:
    toy = LinearGaussian(2, 4, 0.5, seed=2)
    x, vae = data(toy, 5), toy.vae(toy.exact_encoder())
    truth = float(toy.evidence.log_prob(x).mean())
    found = [lb.log_likelihood(vae, x, 200, seed=seed) for seed in range(200)]
    inside = sum(abs(one.mean - truth) < one.se_samples for one in found)
    assert Binomial(200, torch.tensor(0.6827)).stddev * 3 > abs(inside - 200 * 0.6827)


def test_the_error_over_data_is_that_of_a_mean() -> None:
    toy = LinearGaussian()
    found = lb.log_likelihood(toy.vae(toy.exact_encoder()), data(toy, 50), 100)
    assert found.se_data == pytest.approx(float(found.log_p.std()) / math.sqrt(50))
    assert math.isnan(lb.log_likelihood(toy.vae(toy.exact_encoder()), data(toy, 1), 100).se_data)
    assert torch.allclose(found.elbo, found.log_likelihood_term - found.kl)


def test_an_exact_posterior_needs_one_draw() -> None:
    toy = LinearGaussian(orthogonal=True)
    x = data(toy, 10)
    found = lb.log_likelihood(toy.vae(toy.exact_encoder()), x, 1)
    assert torch.allclose(found.log_p, toy.evidence.log_prob(x).double(), atol=1e-4)
    assert found.se.isnan().all(), "one draw does not tell its error"
    assert torch.allclose(found.ess, torch.ones(10, dtype=torch.double))


def test_the_curve_climbs_by_q_alone() -> None:
    toy = LinearGaussian(3, 6, 0.5, seed=1)
    x = data(toy, 400)
    found = lb.log_likelihood(toy.vae(Constant(torch.tensor([0.0, 0.0, 0.0, -0.5, -0.5, -0.5]))), x, 2000)
    assert found.draws == (1, 10, 100, 400)
    means = found.curve.mean(1)
    assert (means.diff() > 0).all()
    assert means[-1] < found.mean
    assert abs(float(means[0] - found.elbo.mean())) < 4 * float((found.curve[0] - found.elbo).std()) / 400**0.5


# --- how the work is cut up ---------------------------------------------------------------------------


def image_model(latent: int = 2) -> lb.VAE:
    with lb.seeding.seeded("image model"):
        likelihood = lb.likelihoods.Bernoulli(mlp(latent, 64, (1, 7, 7)))
        posterior = lb.posteriors.DiagonalGaussian(mlp((1, 7, 7), 32, 2 * latent))
        return lb.VAE(lb.priors.StandardNormal(latent), likelihood, posterior)


@pytest.mark.parametrize("latent", [2, 5])
def test_neither_memory_nor_company_changes_a_figure(latent: int) -> None:
    """Beyond rounding: other sizes of matrix products add in another order, and the mode is then found a little beside where it was.

    The draws move with it, all of them by as little, so that an estimate changes by far less than its error.
    """
    vae, x = image_model(latent), torch.rand(30, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    one = lb.log_likelihood(vae, x, 1000)
    tight = lb.log_likelihood(vae, x, 1000, memory=1_000_000)
    first = lb.log_likelihood(vae, x[:7], 1000)
    for other in (tight, first):
        n = len(other.log_p)
        for name in ("log_likelihood_term", "kl"):
            torch.testing.assert_close(getattr(other, name), getattr(one, name)[:n], rtol=1e-4, atol=1e-4)
        for name in ("se", "ess"):
            torch.testing.assert_close(getattr(other, name), getattr(one, name)[:n], rtol=1e-2, atol=1e-4)
        assert ((other.log_p - one.log_p[:n]).abs() < 0.02 * one.se[:n] + 1e-4).all()
    again = lb.log_likelihood(vae, x, 1000)
    assert torch.equal(again.log_p, one.log_p)
    assert not torch.allclose(lb.log_likelihood(vae, x, 1000, seed=1).log_p, one.log_p, atol=1e-4)


@pytest.mark.parametrize("prior", ["normal", "vamp:5"])
def test_nor_do_threads(prior: str) -> None:
    vae = lb.build(lb.Recipe(latent=2, network="mlp:20", prior=prior), (1, 7, 7)).vae
    x, found = torch.rand(100, 1, 7, 7, generator=torch.Generator().manual_seed(0)), []
    before = torch.get_num_threads()
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        found.append(lb.log_likelihood(vae, x, 1000))
    torch.set_num_threads(before)
    alone, side_by_side, again = found
    assert torch.equal(side_by_side.log_p, again.log_p)
    assert ((side_by_side.log_p - alone.log_p).abs() < 0.02 * alone.se + 1e-4).all()


class Keeping(nn.Module):
    """A decoder that finds in itself what its call left there."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.kept, self.threads = nn.Linear(2, 49), torch.empty(0), set[str]()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        self.threads.add(threading.current_thread().name)
        self.kept = self.layer(z)
        return self.kept.view(-1, 1, 7, 7)


@pytest.mark.parametrize("why", ["a module of one's own", "a hook", "autocast", "none"])
def test_code_of_others_is_called_by_one_thread(why: str) -> None:
    own, linear = Keeping(), nn.Sequential(nn.Linear(2, 49), nn.Unflatten(1, (1, 7, 7)))
    likelihood = lb.likelihoods.Bernoulli(own if why == "a module of one's own" else linear)
    vae = lb.VAE(lb.priors.StandardNormal(2), likelihood, lb.posteriors.DiagonalGaussian(mlp((1, 7, 7), 8, 4)))
    if why == "a hook":
        linear[0].register_forward_hook(lambda *_: own.threads.add(threading.current_thread().name))
    names = own.threads
    if why in ("autocast", "none"):
        law = likelihood.law
        likelihood.law = lambda *given: names.add(threading.current_thread().name) or law(*given)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with torch.autocast("cpu", torch.bfloat16, enabled=why == "autocast"):
        lb.log_likelihood(vae, torch.rand(100, 1, 7, 7), 1000)
    torch.set_num_threads(before)
    alone = names == {threading.current_thread().name}
    assert names
    assert alone == (why != "none")


def test_the_callers_random_state_and_mode_stay() -> None:
    vae = image_model().train()
    before = torch.get_rng_state()
    lb.log_likelihood(vae, torch.rand(3, 1, 7, 7, generator=torch.Generator().manual_seed(0)), 10)
    assert torch.equal(torch.get_rng_state(), before)
    assert vae.training
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_memory_does_not_grow_with_the_draws() -> None:
    program = """
import resource, torch, lowerbound as lb
vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli(lb.nn.mlp(2, 64, 5000)),
             lb.posteriors.DiagonalGaussian(lb.nn.mlp(5000, 16, 4)))
x = torch.rand(3, 5000)
lb.log_likelihood(vae, x, 100)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
lb.log_likelihood(vae, x, 20_000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(process.stdout) < 64 * 2**20, "20,000 draws of 5,000 values are 400 MB"


def test_what_cannot_be_is_refused() -> None:
    vae, x = image_model(), torch.rand(3, 1, 7, 7)
    with pytest.raises(UsageError, match="needs 1 sample or more, not 0"):
        lb.log_likelihood(vae, x, 0)
    with pytest.raises(UsageError, match=r"allow .* MiB of memory or more"):
        lb.log_likelihood(vae, x, 10, memory=1000)
    with pytest.raises(DataError, match="no examples"):
        lb.log_likelihood(vae, x[:0])
    with pytest.raises(DataError, match="needs values in"):
        lb.log_likelihood(vae, x + 1)
    point = lb.VAE(vae.prior, vae.likelihood, lb.posteriors.Dirac(mlp((1, 7, 7), 32, 2)))
    with pytest.raises(RecipeError, match="no density"):
        lb.log_likelihood(point, x)


def test_a_decoder_may_have_layers_that_give_tuples() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTM(2, 5)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.cell(z[None])[0][0]

    posterior = lb.posteriors.DiagonalGaussian(nn.Linear(5, 4))
    vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(Recurrent(), 0.5), posterior)
    assert lb.log_likelihood(vae, torch.randn(3, 5), 100).log_p.isfinite().all()


# --- its parts -----------------------------------------------------------------------------------------


def test_a_decoder_near_a_point_is_the_decoder() -> None:
    network = mlp(3, 200, 50, (1, 5, 5))
    z = torch.randn(3) + 0.05 * torch.randn(100, 3)
    restricted = near(network, z, 7)
    assert restricted is not network
    torch.testing.assert_close(restricted(z), network(z), rtol=1e-4, atol=1e-4)
    assert near(network, 10 * torch.randn(100, 3), 1000) is network, "too many units switch"
    folded = nn.Sequential(*mlp(3, 200, (2, 5, 5)), nn.Flatten(), nn.Linear(50, 4))
    torch.testing.assert_close(near(folded, z, 1000)(z), folded(z), rtol=1e-4, atol=1e-4)
    other = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    assert near(other, z, 1000) is other


@pytest.mark.parametrize("size", [1, 7, 64, 101, 784])
def test_bits_are_bernoullis(size: int) -> None:
    logits = 20 * torch.randn(4, 3, size)
    law = lb.likelihoods.Bernoulli(nn.Identity()).law(logits, 2)
    for x in (torch.rand(3, size), torch.rand(3, size).round()):
        exact = -nn.functional.binary_cross_entropy_with_logits(logits.double(), x.double().expand(4, 3, size), reduction="none").sum(-1)
        with torch.no_grad():
            torch.testing.assert_close(law.log_prob(x).double(), exact, rtol=1e-5, atol=1e-3)
        torch.testing.assert_close(law.log_prob(x).double(), exact, rtol=1e-5, atol=1e-3)


def test_the_mode_of_a_gaussian_is_found_in_a_step() -> None:
    toy = LinearGaussian(4, 6, 0.3, seed=3)
    x, vae = data(toy, 5), toy.vae(toy.exact_encoder())
    with torch.no_grad():
        mode = proposals.find_mode(lambda z, rows: vae.log_likelihood(x[rows], z) + vae.prior().log_prob(z), 10 * torch.randn(5, 4))
    precision = torch.eye(4) + toy.weight.T @ toy.weight / toy.scale**2
    torch.testing.assert_close(mode.root @ mode.root.mT, torch.linalg.inv(precision).expand(5, 4, 4), rtol=1e-3, atol=1e-4)
    mean = (x - toy.bias) @ toy.weight / toy.scale**2 @ torch.linalg.inv(precision)
    torch.testing.assert_close(mode.loc, mean, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("samples", [1, 19, 20, 21, 999, 5000])
def test_all_draws_come_from_somewhere(samples: int) -> None:
    for prior in (lb.priors.StandardNormal(2), lb.priors.Gamma(2), lb.priors.UniformSphere(3)):
        counts = proposals.shares(prior(), samples)
        assert sum(counts.values()) == samples
        assert all(count > 1 for count in counts.values()) or samples == 1
        assert ("mode" in counts) == (samples >= 20 and isinstance(prior, lb.priors.StandardNormal))


@needs("mnist")
@pytest.mark.long
def test_no_figure_is_below_the_floor_that_binarization_sets() -> None:
    """The entropy of zeros and ones drawn from the greys: nobody can give the drawn ones a higher mean log p(x)."""
    splits = lb.data.load("mnist")
    g = splits.test[:].double()
    entropy = float(-(torch.xlogy(g, g) + torch.xlogy(1 - g, 1 - g)).flatten(1).sum(1).mean())
    assert entropy == pytest.approx(45.53, abs=0.01)
    vae = lb.VAE(
        lb.priors.StandardNormal(20),
        lb.likelihoods.Bernoulli(mlp(20, 256, 784)),
        lb.posteriors.DiagonalGaussian(mlp((1, 28, 28), 256, 40)),
    )
    for _ in lb.fit(vae, splits.train.view(torch.arange(20_000)), epochs=2):
        pass
    found = lb.log_likelihood(vae, splits.test.view(torch.arange(100)), 500)
    few = splits.test[:100].double()
    floor = -(torch.xlogy(few, few) + torch.xlogy(1 - few, 1 - few)).flatten(1).sum(1)
    assert -found.mean > float(floor.mean())
    assert -found.mean < 250
    assert log_likelihood.SAMPLES == 5000


class Masked(nn.Linear):
    """A layer that is one by name, and gives something else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight * (torch.arange(self.weight.numel()).view_as(self.weight) % 2), self.bias)


def test_layers_that_are_linear_by_name_alone_are_left_as_they_are() -> None:
    torch.manual_seed(0)
    z = torch.randn(50, 2) / 100
    for network in (nn.Sequential(Masked(2, 30), nn.ReLU(), nn.Linear(30, 4)), nn.Sequential(nn.Linear(2, 30), nn.ReLU(), Masked(30, 4))):
        assert torch.allclose(near(network, z, 7)(z), network(z), atol=1e-6)
    hooked = nn.Sequential(nn.Linear(2, 30), nn.ReLU(), nn.Linear(30, 4))
    hooked[0].register_forward_hook(lambda layer, inputs, output: 2 * output)
    assert torch.allclose(near(hooked, z, 1000)(z), hooked(z), atol=1e-6)


def test_a_proposal_of_any_curvature_is_a_distribution() -> None:
    """Of 120 latents whose posterior is a hundred million times as sharp in some directions as in others, in single precision."""
    turned = torch.linalg.qr(torch.randn(120, 120, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    precision = (turned * torch.logspace(-2, 9, 120, dtype=torch.float64)) @ turned.T

    def log_joint(z: Tensor, rows: Tensor) -> Tensor:
        return -0.5 * ((z @ precision.float()) * z).sum(-1)

    mode = proposals.find_mode(log_joint, torch.full((2, 120), 1e-3))
    assert mode.root.isfinite().all()
    assert (mode.root.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert mode.root.triu(1).eq(0).all()
    sharp = turned[:, -20:]  # what single precision knows of it
    found = sharp.T @ torch.linalg.inv(mode.root[0].double() @ mode.root[0].double().T) @ sharp
    expected = torch.logspace(-2, 9, 120, dtype=torch.float64)[-20:].clamp(max=proposals.CURVATURE[1])
    torch.testing.assert_close(found.diagonal(), expected, rtol=0.05, atol=0)
