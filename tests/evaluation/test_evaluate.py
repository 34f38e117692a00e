from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import LinearGaussian

import lowerbound as lb
from lowerbound.interfaces.cli import main
from lowerbound.vae.likelihoods import Gaussian
from lowerbound.vae.likelihoods.scales import Fixed, Learned, Optimal, Scale


def test_a_score_is_the_same_at_each_call_and_leaves_the_model_as_it_was() -> None:
    toy = LinearGaussian()
    vae, x = toy.vae(toy.exact_encoder()).train(), torch.randn(30, 5)
    first = lb.mean_bound(vae, x, batch=7)
    torch.manual_seed(5)
    assert lb.mean_bound(vae, x, batch=7) == first
    assert lb.mean_bound(vae, x, batch=7, seed=1) != first
    assert vae.training


def test_its_name_of_before_warns_and_gives_the_same() -> None:
    toy = LinearGaussian()
    vae, x = toy.vae(toy.exact_encoder()), torch.randn(30, 5)
    with pytest.warns(DeprecationWarning, match="mean_bound"):
        assert lb.score(vae, x) == lb.mean_bound(vae, x)


def test_a_score_is_the_exact_bound_within_its_error() -> None:
    toy = LinearGaussian(orthogonal=True)
    torch.manual_seed(0)
    x = toy.evidence.sample(torch.Size([20_000]))
    found = lb.mean_bound(toy.vae(toy.exact_encoder()), x)
    truth = toy.evidence.log_prob(x)
    # q is exact, so that each example's estimate is off by the noise of its one draw alone, whose variance is d/2 = 1
    assert abs(found.bound - float(truth.mean())) < 4 / len(x) ** 0.5
    assert found.bound_se == pytest.approx(float((truth.var() + 1).sqrt()) / len(x) ** 0.5, rel=0.05)
    assert found.bound == pytest.approx(found.log_likelihood_term - found.kl, abs=1e-6)
    assert found.bits_per_dim == pytest.approx(-found.bound / (5 * math.log(2)))
    assert found.rows == 20_000


def test_the_error_of_one_example_is_unknown() -> None:
    toy = LinearGaussian()
    assert math.isnan(lb.mean_bound(toy.vae(toy.exact_encoder()), torch.zeros(1, 5)).bound_se)


# --- a σ at its bound ----------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [3, pytest.param(0, marks=pytest.mark.long)])
def test_a_scale_that_sticks_at_its_bound_is_told(constant: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Black pixels are predicted exactly; noise is not."""
    values = np.random.default_rng(0).uniform(size=(400, 6)).astype(np.float32)
    values[:, :constant] = 0
    np.save(tmp_path / "values.npy", values)
    words = ["train", str(tmp_path / "values.npy"), "--likelihood", "gaussian", "--scale", "decoder", "--network", "mlp:32"]
    words += ["--epochs", "80", "--learning-rate", "0.02", "--out", str(tmp_path / "r"), "--json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    result = json.loads((tmp_path / "r" / "result.json").read_text())
    assert json.loads(printed.out)["notes"] == result["notes"]
    found = [note for note in result["notes"] if "σ is at its floor of 0.001 for 50% of the values" in note]
    assert len(found) == len(result["notes"]) == (constant > 0)
    for text in (printed.err, (tmp_path / "r" / "report.html").read_text()):
        assert ("σ is at its floor" in text) == (constant > 0)


@pytest.mark.parametrize(("scale", "share"), [(Fixed(5e-4), 0.0), (Learned(), 0.0), (Learned((4,)), 0.25), (Optimal(), 1.0)])
def test_the_share_at_the_bound_is_counted(scale: Scale, share: float) -> None:
    if isinstance(scale, Learned) and scale.raw.dim():
        scale.raw.data[0] = -30.0
    if isinstance(scale, Optimal):
        scale.square.fill_(1e-9)
    likelihood = Gaussian(torch.nn.Linear(2, 4), scale)
    for z in (torch.randn(5, 2), torch.randn(3, 5, 2)):
        assert likelihood.share_at_floor(likelihood(z)).tolist() == torch.full(z.shape[:-1], share).tolist()


@pytest.mark.parametrize("prior", ["mixture:3", "vamp:4"])
def test_the_mean_bound_of_a_prior_without_a_closed_kl_is_by_draws(prior: str) -> None:
    """As recipes have it; an objective that is asked for is not changed."""
    parts, data = lb.build(lb.Recipe(prior=prior, network="mlp:8", latent=2), (1, 8, 8)), lb.data.load("digits").test
    assert lb.mean_bound(parts.vae, data) == lb.mean_bound(parts.vae, data, objective=parts.objective)
    with pytest.raises(lb.errors.NoClosedForm):
        lb.mean_bound(parts.vae, data, objective=lb.objectives.ELBO())
