"""Models of several levels of latents: what the page says of each level, beside torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import trained
from pages import drag

import lowerbound as lb
from lowerbound.data.rows import spread
from lowerbound.evaluation.latent_space import latents
from lowerbound.figures.explorer.examples import MEASURED, TESTED
from lowerbound.figures.explorer.page import made
from lowerbound.figures.explorer.shown import of_run
from lowerbound.system.seeding import permutation

pytestmark = pytest.mark.long  # a page of its own in a browser; test_page.py and test_by_keys.py open one each time
RUNS: dict[str, dict[str, Any]] = {
    "chain": {"latent": "2-3", "network": "gated:64"},
    "ladder": {"latent": "2-3", "posterior": "ladder", "network": "mlp:64-32"},
}
NAMES = ["z1·1", "z1·2", "z2·1", "z2·2", "z2·3"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, lb.Run]:
    return {name: trained(tmp_path_factory.mktemp("runs") / name, **words) for name, words in RUNS.items()}


@pytest.mark.parametrize("name", RUNS)
@torch.no_grad()
def test_levels_are_named_and_their_costs_written(name: str, runs: dict[str, lb.Run], opened: Callable[..., Any]) -> None:
    run = runs[name]
    assert made([of_run(run)], remote="secret").asks == ()  # a server has nothing to compute
    found = opened(run)
    assert sorted(found.page.locator(".sliders .labelled > span:first-child").all_text_contents()) == NAMES
    for axis in range(2):
        assert found.page.locator(".plane select").nth(axis).locator("option").all_inner_texts() == NAMES
    train = of_run(run).train
    rows = permutation(len(train), "explorer")[:MEASURED]
    each = latents(run.vae, train.view(rows), run.recipe.seed)
    written = re.search(r"z1 (\S+), z2 (\S+) nats", found.page.locator(".sliders .about").inner_text())
    np.testing.assert_allclose([float(kl) for kl in written.groups()], [level.kl for level in each.levels], atol=0.006)
    order = [int(one) for one in found.page.locator(".sliders input").evaluate_all("(all) => all.map((one) => one.dataset.dimension)")]
    assert order == each.kl_per_dimension.argsort(descending=True).tolist()


@pytest.mark.parametrize("name", RUNS)
@torch.no_grad()
def test_the_ellipse_is_of_each_level_given_those_above_at_their_means(
    name: str, runs: dict[str, lb.Run], opened: Callable[..., Any]
) -> None:
    run = runs[name]
    found = opened(run)
    data = run.read().test
    data = data.view(spread(len(data), TESTED))
    for row, to in ((1, (0.3, 0.4)), (6, (0.7, 0.6))):
        found.choose(row)
        q, p = run.vae.posterior(data[[row]]), run.vae.prior()
        np.testing.assert_allclose(found.of("Array.from(state.z)"), q.mean[0], atol=1e-3)
        sd = torch.cat([law.stddev[0] for law, _ in q.levels(q.mean)])
        planes = [[sd[i] ** 2, 0, sd[4] ** 2] for i in (0, 3)]
        np.testing.assert_allclose(found.of("[0, 3].map((i) => state.found.q.plane(i, 4))"), planes, rtol=5e-3)
        drag(found, to)
        z = torch.tensor(found.of("Array.from(state.z)"), dtype=torch.float32)
        np.testing.assert_allclose(found.of("Array.from(view.now.values)"), run.vae.decode(z[None]).flatten(), atol=1e-3)
        assert found.shown("place", "prior") == pytest.approx(float(p.log_prob(z[None])[0]), abs=0.02)


@pytest.mark.parametrize("name", RUNS)
@torch.no_grad()
def test_log_p_is_that_of_torch_by_the_same_noise(name: str, runs: dict[str, lb.Run], opened: Callable[..., Any]) -> None:
    run = runs[name]
    found = opened(run)
    noise = torch.randn(30, 16, 5, generator=torch.Generator().manual_seed(1))
    written = found.of(
        "given[0].map((noise, row) => { let i = 0; view.choose(view.test.values[row], 'one', row);"
        " const { bits } = view.state.values.example, found = explorer.boundOf(view.model, bits, null, 16, () => noise[i++]);"
        " return [Array.from(bits), found.logP, found.bound]; })",
        noise.flatten(1).tolist(),
    )
    assert len(written) == 30
    for (bits, *numbers), e in zip(written, noise, strict=True):
        x = torch.tensor(bits, dtype=torch.float32).reshape(1, 1, 8, 8)
        q, p = run.vae.posterior(x), run.vae.prior()
        places = iter(e[:, None].split(q.sizes, -1))
        z = q.along(lambda law, _: law.mean + law.stddev * next(places))  # noqa: B023  # at once
        terms = run.vae.log_likelihood(x, z)[:, 0]
        kl = sum(torch.distributions.kl_divergence(a, b) for (a, _), (b, _) in zip(q.levels(z), p.levels(z), strict=True)).mean()
        log_p = (terms + p.log_prob(z)[:, 0] - q.log_prob(z)[:, 0]).logsumexp(0) - np.log(16)
        np.testing.assert_allclose(numbers, [log_p, terms.mean() - kl], atol=1e-2)
