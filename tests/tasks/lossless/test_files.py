"""What comes back is what went in, at the length of the bound; a file that is not what it was is refused in one line."""

from __future__ import annotations

import hashlib
import io
import math

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rows import long_if

import lowerbound as lb
from lowerbound.errors import DataError, LowerboundError, RecipeError, RunError, UsageError
from lowerbound.tasks import lossless
from tasks.lossless.models import EVENT, LATENT, LIKELIHOODS, examples, model

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")

#: data by name, of a likelihood's name
DATA = {
    "random": lambda name: examples(name, 30),
    "one": lambda name: examples(name, 1),
    "all 0": lambda name: torch.zeros(12, *EVENT),
    "all at the top": lambda name: torch.full((12, *EVENT), LIKELIHOODS[name][1] / LIKELIHOODS[name][2]),
}


CASES = [(name, data, particles) for name in LIKELIHOODS for data, particles in [*((data, 1) for data in DATA), ("random", 3)]]


@pytest.mark.parametrize(
    ("name", "data", "particles"),
    [
        pytest.param(*case, marks=pytest.mark.long) if case[0] not in ("bernoulli", "logistic") and case[1:] != ("random", 1) else case
        for case in CASES
    ],
)
def test_all_comes_back(name: str, data: str, particles: int) -> None:
    x = DATA[data](name)
    content = lossless.compress(model(name), x, block=20, particles=particles)
    assert torch.equal(lossless.decompress(model(name), content), x)


@hypothesis.settings(max_examples=8, deadline=None)
@hypothesis.given(st.sampled_from(sorted(LIKELIHOODS)), st.integers(1, 5), st.data())
def test_whatever_it_is_comes_back(name: str, n: int, data: st.DataObject) -> None:
    _, top, steps = LIKELIHOODS[name]
    numbers = data.draw(arrays.arrays(np.int64, (n, *EVENT), elements=st.integers(0, top)))
    x = torch.from_numpy(numbers).float() / steps
    assert torch.equal(lossless.decompress(model(name), lossless.compress(model(name), x)), x)


@pytest.mark.parametrize("name", long_if(lambda name: name in ("categorical", "logistic", "poisson"), LIKELIHOODS))
def test_a_file_is_as_long_as_the_bound_says(name: str) -> None:
    vae = model(name)
    torch.manual_seed(1)
    x = vae.sample(1000, draw=True)
    bits = np.mean([-lb.mean_bound(vae, x, seed=seed).bound for seed in range(5)]) * len(x) / math.log(2)
    assert 8 * len(lossless.compress(vae, x)) == pytest.approx(bits, rel=0.02)


@pytest.mark.parametrize("name", long_if(lambda name: name != "bernoulli", ["bernoulli", "logistic"]))
def test_with_particles_it_is_as_long_as_the_importance_weighted_bound_says(name: str) -> None:
    vae, particles = model(name), 4
    with torch.no_grad():
        vae.posterior.network[-1].bias.add_(0.7)  # a posterior that is wrong, so that particles have something to mend
    torch.manual_seed(1)
    x = vae.sample(1000, draw=True)
    one, several = (
        -lb.mean_bound(vae, x, objective=objective).bound * len(x) / math.log(2)
        for objective in (lb.objectives.ELBO(), lb.objectives.IWAE(particles))
    )
    assert several < 0.98 * one
    assert 8 * len(lossless.compress(vae, x, particles=particles)) == pytest.approx(several, rel=0.02)


def test_examples_that_cost_next_to_nothing_take_no_bits_for_their_latents() -> None:
    vae = model("bernoulli")
    with torch.no_grad():
        vae.likelihood.network[-2].bias.sub_(12)
        vae.posterior.network[-1].weight.zero_()
        vae.posterior.network[-1].bias.zero_()  # q = p: no KL
    x = torch.zeros(1000, *EVENT)
    content = lossless.compress(vae, x)
    assert torch.equal(lossless.decompress(vae, content), x)
    assert -lb.mean_bound(vae, x).bound * 1000 / math.log(2) < 8 * 100
    assert len(content) < 250


def test_greys_are_binarized_and_the_header_says_so() -> None:
    vae, greys = model("bernoulli"), torch.rand(20, *EVENT)
    content = lossless.compress(vae, greys, seed=3)
    back = lossless.decompress(vae, content)
    assert set(back.unique().tolist()) == {0.0, 1.0}
    assert lossless.Header.read(io.BytesIO(content)).seed == 3
    assert lossless.Header.read(io.BytesIO(lossless.compress(vae, back))).seed is None
    assert torch.equal(lossless.decompress(vae, lossless.compress(vae, back, seed=8)), back)


def test_any_rows_can_be_read_alone() -> None:
    x = examples("beta-binomial", 20)
    content = lossless.compress(model("beta-binomial"), x, block=6)
    for rows in (range(20), range(3), range(5, 13), range(18, 20), range(12, 18)):
        assert torch.equal(lossless.decompress(model("beta-binomial"), content, rows), x[rows.start : rows.stop])
    for none in (range(0), range(7, 7), range(20, 30)):
        with pytest.raises(UsageError, match="has 20 examples, and none of these rows; ask for some from 0 to 19"):
            lossless.decompress(model("beta-binomial"), content, none)


# --- files that are not what they were ---------------------------------------------------------------


def refused(vae: lb.VAE, content: bytes) -> str:
    """What is said of them, on one line."""
    with pytest.raises(LowerboundError) as raised:
        lossless.decompress(vae, content)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_in_which_a_bit_changed_is_refused() -> None:
    vae, x = model("logistic"), examples("logistic", 10)
    content, random = lossless.compress(vae, x, block=5), np.random.default_rng(0)
    for place in random.integers(0, 8 * len(content), 60):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        refused(vae, bytes(damaged))


def test_a_file_that_was_cut_or_goes_on_is_refused() -> None:
    vae = model("bernoulli")
    content = lossless.compress(vae, examples("bernoulli", 10), block=5)
    for length in range(0, len(content), 7):
        refused(vae, content[:length])
    assert "goes on after its last block" in refused(vae, content + b"\0")


def test_a_size_that_is_damaged_takes_no_memory() -> None:
    class Watched(io.BytesIO):
        """A file that notes how much is asked of it."""

        most = 0

        def read(self, size: int | None = -1, /) -> bytes:
            """The bytes."""
            self.most = max(self.most, size or 0)
            return super().read(size)

    vae = model("bernoulli")
    header, block = (part.content for part in lossless.compressed(vae, examples("bernoulli", 3)))
    file = Watched(header + block[:3] + b"\xff" + block[4:])
    with pytest.raises(DataError, match="cut short in block 0"):
        list(lossless.decompressed(vae, file))
    assert file.most < 2**25


def test_a_damaged_block_costs_only_itself() -> None:
    vae, x = model("bernoulli"), examples("bernoulli", 15)
    damaged = bytearray(lossless.compress(vae, x, block=5))
    damaged[-1] ^= 1
    assert "damaged in block 2: examples 10 to 14 are lost" in refused(vae, bytes(damaged))
    assert torch.equal(lossless.decompress(vae, bytes(damaged), range(10)), x[:10])


def test_blocks_that_changed_places_are_refused() -> None:
    vae = model("bernoulli")
    x = examples("bernoulli", 10)
    header, first, second = (part.content for part in lossless.compressed(vae, x, block=5))
    _, other = (part.content for part in lossless.compressed(vae, x[:5], block=5))
    assert "damaged in block 0" in refused(vae, header + second + first)
    assert "damaged in block 0" in refused(vae, header + other + second)


def test_a_file_of_another_run_version_or_program_is_refused() -> None:
    content = lossless.compress(model("bernoulli"), examples("bernoulli", 3))
    grey, network = lb.likelihoods.ContinuousBernoulli(lb.nn.mlp(LATENT, 4, EVENT)), lb.nn.mlp(EVENT, 4, 2 * LATENT)
    uncoded = lb.VAE(lb.priors.StandardNormal(LATENT), grey, lb.posteriors.DiagonalGaussian(network))
    for vae in (model("bernoulli", seed=1), model("poisson"), uncoded):
        with pytest.raises(RunError, match="these weights are others"):
            lossless.decompress(vae, content)
    assert "by a later lowerbound (format 9" in refused(model("bernoulli"), content[:3] + b"\x09" + content[4:])
    assert "no file of lowerbound compress" in refused(model("bernoulli"), b"PK" + content)
    assert "no file of lowerbound compress" in refused(model("bernoulli"), b"")


def test_what_was_decoded_by_other_arithmetic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = model("bernoulli")
    content = lossless.compress(vae, examples("bernoulli", 3))
    exact = lossless.model.laws.centres
    monkeypatch.setattr(lossless.model.laws, "centres", lambda bits: exact(bits) + 2**-10)
    assert "does not come out even" in refused(vae, content)


# --- what no code is made of -------------------------------------------------------------------------


def test_likelihoods_without_probabilities_name_those_that_have_some() -> None:
    network = lb.nn.mlp(LATENT, 4, EVENT)
    posterior = lb.posteriors.DiagonalGaussian(lb.nn.mlp(EVENT, 4, 2 * LATENT))
    for likelihood in (lb.likelihoods.Gaussian(network), lb.likelihoods.ContinuousBernoulli(network)):
        vae = lb.VAE(lb.priors.StandardNormal(LATENT), likelihood, posterior)
        with pytest.raises(RecipeError, match=r"no probability to exact values.*beta-binomial"):
            lossless.compress(vae, examples("bernoulli", 2))
    grey = lb.VAE(lb.priors.StandardNormal(LATENT), lb.likelihoods.Bernoulli(network, binarize=False), posterior)
    with pytest.raises(RecipeError, match="binarized"):
        lossless.compress(grey, examples("bernoulli", 2))


def test_models_of_other_parts_are_refused() -> None:
    network, encoder = lb.nn.mlp(LATENT, 4, EVENT), lb.nn.mlp(EVENT, 4, 2 * LATENT)
    flow = lb.VAE(lb.priors.Flow(LATENT), lb.likelihoods.Bernoulli(network), lb.posteriors.DiagonalGaussian(encoder))
    with pytest.raises(RecipeError, match="a prior that is normal, mixture or vamp"):
        lossless.compress(flow, examples("bernoulli", 2))


def test_values_without_a_probability_are_refused() -> None:
    x = examples("beta-binomial", 5)
    x[3, 0, 0, 0] = 0.5 / 15 + 0.03 / 15
    with pytest.raises(DataError, match="row 3"):
        lossless.compress(model("beta-binomial"), x)
    x[3, 0, 0, 0] = 2 / 15 + 1e-5
    with pytest.raises(DataError, match="row 3: some values are not whole numbers over 15"):
        lossless.compress(model("beta-binomial"), x)
    counts = examples("poisson", 3)
    counts[0, 0, 0, 0] = 5000
    with pytest.raises(DataError, match="counts up to 4,095"):
        lossless.compress(model("poisson"), counts)
    with pytest.raises(DataError, match="no examples"):
        lossless.compress(model("poisson"), counts[:0])


# --- the format --------------------------------------------------------------------------------------

#: of files of version 1, whatever machine, library or batch wrote them
WRITTEN = {
    "bernoulli": "df62c212c1689125",
    "beta-binomial": "1149acca87039537",
    "logistic-mixture": "3d24650803f57320",
    "categorical": "2b7231feb811baaf",
    "negative-binomial": "18daff265c460b91",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_is_these_bytes_everywhere(name: str) -> None:
    """Weights and values are made without random numbers or functions, so that this stands or falls with the code alone."""
    vae, (_, top, steps) = model(name), LIKELIHOODS[name]
    with torch.no_grad():
        for index, weight in enumerate(vae.parameters()):
            numbers = torch.arange(weight.numel()) * (37 + index) % 101 - 50
            weight.copy_((numbers / 256).reshape(weight.shape))
    x = (torch.arange(6 * math.prod(EVENT)) * 71 % 113 % (top + 1)).reshape(6, *EVENT).float() / steps
    content = lossless.compress(vae, x, block=4)
    assert hashlib.sha256(content).hexdigest()[:16] == WRITTEN[name]
