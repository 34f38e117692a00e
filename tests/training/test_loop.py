"""The training loop: its records, and that its result depends on the seed alone."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import torch
from toys import LinearGaussian

import lowerbound as lb
from lowerbound.errors import DataError
from lowerbound.training.adam import Adam
from lowerbound.training.state import State

ROWS, BATCH, EPOCHS = 50, 16, 3
DATA = torch.rand(ROWS, 6, generator=torch.Generator().manual_seed(0))


def model(seed: int = 0) -> lb.VAE:
    with lb.seeding.seeded(seed, "test"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(2),
            likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 8, 6)),
            posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(6, 8, 4)),
        )


def weights(vae: lb.VAE) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in vae.parameters()])


def test_records_count_steps_and_epochs() -> None:
    records = list(lb.fit(model(), DATA, epochs=EPOCHS, batch=BATCH))
    steps = math.ceil(ROWS / BATCH)
    assert [record.step for record in records] == list(range(1, steps * EPOCHS + 1))
    assert [record.epoch for record in records if record.ends_epoch] == [1, 2, 3]
    assert sum(record.rows for record in records) == ROWS * EPOCHS
    for record in records:
        assert record.bound == pytest.approx(record.log_likelihood - record.kl, abs=1e-4)
        assert record.kl > 0


def test_the_same_seed_gives_the_same_bits_whatever_the_global_state() -> None:
    trained = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        vae = model()
        before = torch.get_rng_state()
        list(lb.fit(vae, DATA, epochs=EPOCHS, batch=BATCH, seed=3))
        assert torch.equal(torch.get_rng_state(), before), "the caller's random state was touched"
        trained.append(weights(vae))
    assert torch.equal(*trained)


def test_two_models_trained_in_two_threads_are_what_each_is_alone() -> None:
    def trained(seed: int) -> torch.Tensor:
        vae = models[seed]
        list(lb.fit(vae, DATA, epochs=20, batch=BATCH, seed=seed))
        return weights(vae)

    models = {seed: model(seed) for seed in (1, 2)}
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(trained, models))
    models = {seed: model(seed) for seed in (1, 2)}
    assert all(torch.equal(one, trained(seed)) for one, seed in zip(together, models, strict=True))


def test_another_seed_gives_other_weights() -> None:
    one, other = model(), model()
    list(lb.fit(one, DATA, epochs=1, batch=BATCH, seed=0))
    list(lb.fit(other, DATA, epochs=1, batch=BATCH, seed=1))
    assert not torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("stop", range(1, 12))
def test_interrupted_at_any_step_and_continued_it_ends_with_the_same_bits(stop: int) -> None:
    whole = model()
    list(lb.fit(whole, DATA, epochs=EPOCHS, batch=BATCH, seed=3))
    vae = model()
    state = State(Adam(vae.parameters()), seed=3)
    list(islice(lb.fit(vae, DATA, epochs=EPOCHS, batch=BATCH, state=state), stop))
    assert state.step == stop
    list(lb.fit(vae, DATA, epochs=EPOCHS, batch=BATCH, state=state))
    assert torch.equal(weights(vae), weights(whole))


def test_each_epoch_sees_every_row_once_in_another_order() -> None:
    class Watched:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
            self.seen += torch.as_tensor(rows).tolist()
            return DATA[rows]

    data = Watched()
    records = lb.fit(model(), data, epochs=2, batch=BATCH)
    orders = []
    for _ in range(2):
        data.seen.clear()
        steps = list(islice(records, 4))
        assert steps[-1].ends_epoch
        orders.append(data.seen[-ROWS:])  # before the first epoch all examples are read once, to check them
        assert sorted(orders[-1]) == list(range(ROWS))
    assert orders[0] != orders[1]


def test_data_for_which_the_likelihood_is_not_defined_are_refused() -> None:
    with pytest.raises(DataError, match=r"values in \[0, 1\]"):
        next(iter(lb.fit(model(), DATA * 2, epochs=1)))
    one_bad = DATA.clone()
    one_bad[-1, -1] = float("nan")
    with pytest.raises(DataError, match=r"values in \[0, 1\]"):
        next(iter(lb.fit(model(), one_bad, epochs=1)))
    with pytest.raises(DataError, match="no examples"):
        next(iter(lb.fit(model(), DATA[:0], epochs=1)))


@pytest.mark.long
def test_training_finds_the_evidence_of_a_linear_gaussian() -> None:
    """With the true decoder held fixed, the best bound is log p(x), and Adam reaches it."""
    toy = LinearGaussian(orthogonal=True)
    torch.manual_seed(0)
    x = toy.evidence.sample(torch.Size([2000]))
    vae = toy.vae(torch.nn.Linear(5, 4))
    vae.likelihood.requires_grad_(False)
    state = State(torch.optim.Adam(vae.posterior.parameters(), lr=1e-2))
    list(lb.fit(vae, x, epochs=300, batch=500, state=state))
    assert lb.mean_bound(vae, x).bound == pytest.approx(float(toy.evidence.log_prob(x).mean()), abs=0.06)


def test_binarized_pixels_are_drawn_with_their_grey_value_as_probability() -> None:
    likelihood = lb.likelihoods.Bernoulli(torch.nn.Identity())
    grey = torch.tensor([[0.0, 0.2, 0.5, 1.0]])
    torch.manual_seed(0)
    draws = torch.stack([likelihood.observe(grey) for _ in range(20_000)])
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(draws.mean(0), grey, atol=0.015)
    kept = lb.likelihoods.Bernoulli(torch.nn.Identity(), binarize=False)
    assert torch.equal(kept.observe(grey), grey)
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.5]])
    binarized = likelihood(logits).log_prob(draws[:, 0])
    assert abs(float(binarized.mean() - kept(logits).log_prob(grey))) < 4 * float(binarized.std()) / len(draws) ** 0.5
