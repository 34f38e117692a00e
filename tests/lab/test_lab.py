"""The experiments show what the lessons say, and could fail to."""

from __future__ import annotations

import io
import itertools
import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import needs
from PIL import Image
from scipy.optimize import minimize
from torch.distributions import Gamma, Normal, Poisson, kl_divergence
from toys import Constant, LinearGaussian, z_score

from lowerbound import data
from lowerbound.errors import RecipeError
from lowerbound.figures.style import encode_png
from lowerbound.interfaces.cli import main
from lowerbound.lab import elbo, evidence, faces, figures, gradients, kl
from lowerbound.lab.names import EXPERIMENTS
from lowerbound.recipes import estimators
from lowerbound.system.seeding import seeded
from lowerbound.vae.estimators import LocalSignals, ScoreFunction


def test_the_kl_is_least_at_the_prior_and_is_the_divergence() -> None:
    found = kl.landscape()
    assert found.least == pytest.approx((0.0, 1.0, 0.0), abs=1e-12)
    assert (found.divergence >= 0).all()
    truth = kl_divergence(Normal(found.means, found.variances[:, None].sqrt()), Normal(0.0, 1.0))
    assert torch.allclose(found.divergence, truth)
    assert torch.allclose(found.divergence[:, len(found.means) // 2], found.curve / 2)


# --- evidence --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy_evidence() -> tuple[evidence.Evidence, torch.Tensor]:
    toy = LinearGaussian()
    torch.manual_seed(0)
    x = toy.evidence.sample((20,))
    encoder = toy.exact_encoder()  # the right mean, but no correlations
    return evidence.evidence(toy.vae(encoder), x, draws=(1, 10, 100, 1000)), toy.evidence.log_prob(x)


def test_draws_of_q_find_log_p(toy_evidence: tuple[evidence.Evidence, torch.Tensor]) -> None:
    found, truth = toy_evidence
    assert (found.best - truth).abs().max() < 0.15
    assert float(found.best.mean()) == pytest.approx(float(truth.mean()), abs=0.03)
    assert found.posterior.mean[-1] == pytest.approx(float(truth.mean()), abs=0.03)


def test_draws_of_the_prior_are_worse_at_equal_k(toy_evidence: tuple[evidence.Evidence, torch.Tensor]) -> None:
    found, _ = toy_evidence
    for prior, posterior in zip(found.prior.error, found.posterior.error, strict=True):
        assert prior > 3 * posterior
    for curve in (found.prior, found.posterior):
        assert all(many < few for few, many in itertools.pairwise(curve.error))
    assert found.prior.mean[0] < found.posterior.mean[0] < float(found.best.mean())


def test_with_the_exact_posterior_one_draw_is_enough() -> None:
    toy = LinearGaussian(orthogonal=True)
    torch.manual_seed(0)
    x = toy.evidence.sample((5,))
    found = evidence.evidence(toy.vae(toy.exact_encoder()), x, draws=(1, 10))
    truth = float(toy.evidence.log_prob(x).mean())
    assert found.posterior.mean == pytest.approx((truth, truth), abs=1e-4)
    assert abs(found.prior.mean[0] - truth) > 1


# --- gradients -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy_costs() -> gradients.Costs:
    return gradients.of_toy(dimensions=(1, 5), draws=(1, 4))


def test_every_estimator_is_unbiased_on_the_toy(toy_costs: gradients.Costs) -> None:
    for row in toy_costs.rows:
        assert row.bias_in_errors < 4.5, row
    assert {row.estimator for row in toy_costs.rows} == set(estimators.ESTIMATORS) - {"rejection", *estimators.OF_CLASSES}


def test_a_bias_is_detected() -> None:
    toy = gradients.Toy(1)
    truth = gradients.Moments(1.1 * toy.exact(), 0.0, 1)
    rows = gradients._compare(lambda e, k: toy.measure(e, k, 5_000), truth, 1, (4,)).rows
    assert next(row for row in rows if row.estimator == "pathwise").bias_in_errors > 4.5


def test_the_toy_s_formula_is_the_gradient_of_an_integral() -> None:
    toy = gradients.Toy(1)
    parameters = toy.parameters.double().requires_grad_()
    z = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    mean, log_variance = parameters
    log_q = Normal(mean, (log_variance / 2).exp()).log_prob(z)
    error = (toy.x.double() - z[:, None] * toy.weight[:, 0].double()).square().sum(-1) / (2 * toy.scale**2)
    value = (log_q.exp() * (Normal(0.0, 1.0).log_prob(z) - error - log_q)).sum() * (z[1] - z[0])
    assert torch.allclose(torch.autograd.grad(value, parameters)[0].float(), toy.exact(), rtol=1e-5)


def test_variances_are_in_the_order_of_the_lesson(toy_costs: gradients.Costs) -> None:
    for d, k in itertools.product((1, 5), (1, 4)):
        of = {row.estimator: row.variance for row in toy_costs.rows if (row.dimensions, row.draws) == (d, k)}
        assert of["pathwise"] < 0.2 * of["score"]
        assert of["score-moving-average"] < 0.5 * of["score"]
        assert of["g-rep"] == pytest.approx(of["pathwise"], rel=0.2)


def test_near_the_exact_posterior_only_sticking_the_landing_has_no_variance(toy_costs: gradients.Costs) -> None:
    of = {(row.estimator, row.steps): row for row in toy_costs.training}
    first, *_, last = gradients.STEPS
    assert of["doubly-reparameterized", last].variance < 1e-9 < of["doubly-reparameterized", first].variance
    for name in ("pathwise", "score", "score-leave-one-out", "g-rep"):
        assert of[name, last].variance > 0.1 * of[name, first].variance / gradients.DRAWS[-1], name
        assert of[name, last].bias_in_errors < 4.5, name


def test_skipped_estimators_have_a_reason(toy_costs: gradients.Costs) -> None:
    left = {(row.estimator, row.draws): row.reason for row in toy_costs.skipped}
    assert left.keys() == {("rejection", 1), ("rejection", 4), ("score-leave-one-out", 1)}
    assert "another draw" in left["score-leave-one-out", 1]


def test_a_model_s_encoder_is_measured_without_bias() -> None:
    vae = LinearGaussian().vae(Constant(torch.tensor([0.4, -0.8, -0.5, 0.3])))
    found = gradients.of_model(vae, torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), 2, draws=(2,), repeats=100)
    for row in found.rows:
        assert row.bias_in_errors < 4.5, row
        assert row.cost == pytest.approx(row.variance * row.seconds)
    of = {row.estimator: row.variance for row in found.rows}
    assert of["pathwise"] < 0.2 * of["score"]


# --- elbo ------------------------------------------------------------------------------------------

PAIRS = [(p, q) for p, q in itertools.product(elbo.TARGETS, elbo.FAMILIES) if elbo.TARGETS[p]().axis is elbo.FAMILIES[q][2]]


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_the_bound_climbs_to_log_p_and_never_above(p: str, q: str) -> None:
    found, target = elbo.climb(p, q), elbo.TARGETS[p]()

    def gap(parameters: np.ndarray) -> float:
        return found.log_normaliser - float(elbo.bound(elbo.FAMILIES[q][0](*torch.from_numpy(parameters)), target))

    best = minimize(gap, np.array(found.parameters), method="Nelder-Mead").fun  # the best that q can reach, by quadrature alone
    assert float(found.bounds.max()) <= found.log_normaliser + 1e-6
    assert float(found.bounds[-1]) > found.log_normaliser - best - 0.02
    assert float(found.bounds[0]) < float(found.bounds[-1]) - 0.1
    assert (best < 1e-6) == (p == q)


@pytest.mark.parametrize("p", elbo.TARGETS)
def test_the_normaliser_is_the_integral(p: str) -> None:
    target = elbo.TARGETS[p]()
    z = torch.linspace({elbo.POSITIVES: 1e-6, elbo.UNIT: 1e-6, elbo.REALS: -40}[target.axis], 40, 400_001, dtype=torch.float64)
    z = z[z < 1] if target.axis is elbo.UNIT else z
    assert math.log(float(torch.trapezoid(target.log_density(z).exp(), z))) == pytest.approx(target.log_normaliser, abs=1e-4)


def test_the_bound_with_q_equal_to_the_target_is_log_p() -> None:
    gamma, log_normal = elbo.FAMILIES["gamma"][0], elbo.FAMILIES["log-normal"][0]
    three, two = torch.tensor([3.0, 2.0], dtype=torch.float64).log()
    target = elbo.TARGETS["gamma"]()
    assert float(elbo.bound(gamma(three, two), target)) == pytest.approx(target.log_normaliser, abs=1e-9)
    target = elbo.TARGETS["log-normal"]()
    exact = log_normal(*torch.tensor([0.4, math.log(0.5)], dtype=torch.float64))
    assert float(elbo.bound(exact, target)) == pytest.approx(target.log_normaliser, abs=1e-9)


def test_distributions_of_other_support_are_refused() -> None:
    with pytest.raises(RecipeError, match="choose q among gamma, log-normal"):
        elbo.climb("gamma", "normal")
    with pytest.raises(RecipeError, match="did you mean 'gamma'"):
        elbo.climb("gama")


# --- figures and the command --------------------------------------------------------------------------


def test_every_experiment_has_its_figure(toy_evidence, toy_costs, monkeypatch: pytest.MonkeyPatch) -> None:
    for figure in (figures.kl(kl.landscape(points=21)), figures.evidence(toy_evidence[0]), figures.gradients(toy_costs)):
        assert Image.open(io.BytesIO(encode_png(figure))).width > 900
    monkeypatch.setattr(figures, "FRAMES", 4)
    assert Image.open(io.BytesIO(figures.elbo(elbo.climb(steps=10)))).n_frames == 4


def test_the_command(capsys: pytest.CaptureFixture[str], digits_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = str(digits_run.folder)
    monkeypatch.setattr(figures, "FRAMES", 2)
    monkeypatch.setattr(elbo, "climb", partial(elbo.climb, steps=20))
    monkeypatch.setattr(evidence, "evidence", partial(evidence.evidence, draws=(1, 10)))
    monkeypatch.setattr(gradients, "of_model", partial(gradients.of_model, draws=(1, 2), repeats=3))
    monkeypatch.setattr(gradients, "SHARPER", 2)
    for name, (kind, needs_run) in EXPERIMENTS.items():
        if name == "def":  # uses other data, and has its own test
            continue
        given = [run] if needs_run is not False else []
        output = tmp_path / f"{name}{kind}"
        assert main(["lab", name, *given, "-o", str(output), "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed.pop("output") == str(output)
        with Image.open(output) as image:
            image.load()
        if needs_run is False:
            assert main(["lab", name, "--json"]) == 0
            assert json.loads(capsys.readouterr().out) == printed


def test_without_an_output_the_table_is_printed_and_no_file_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(elbo, "climb", partial(elbo.climb, steps=20))
    assert main(["lab", "kl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line.split() for line in lines if line.split()[0] == "1")
    assert [float(cell) for cell in row[1:]] == pytest.approx([4.5, 1.125, 0, 1.125, 4.5])  # ½ μ² at v = 1
    assert main(["lab", "elbo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["step", "0", "1", "3", "10", "bound"]
    assert not list(tmp_path.iterdir())


def test_the_command_for_faces(
    capsys: pytest.CaptureFixture[str], few_faces: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", lambda *_, **__: SimpleNamespace(whole=few_faces.repeat(20, 1)))
    output = tmp_path / "def.png"
    assert main(["lab", "def", "--steps", "3", "-o", str(output), "--json"]) == 0
    printed = capsys.readouterr()
    assert {row["iteration"] for row in json.loads(printed.out)["rows"]} == {1, 2, 3}
    assert "g-rep: step 3" in printed.err
    with Image.open(output) as image:
        image.load()
    assert main(["lab", "def", "--steps", "1", "-o", str(output)]) == 0
    assert "rejection sampling, published" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["klm", "-o", "a.png"], "unknown experiment 'klm'; did you mean 'kl'?"),
        (["evidence", "-o", "a.png"], "evidence needs a run"),
        (["kl", "runs/m", "-o", "a.png"], "kl takes no run"),
        (["kl", "--p", "gamma", "-o", "a.png"], "--p is an option of elbo alone"),
        (["elbo", "-o", "a.png"], "FILE.gif"),
        (["kl", "--steps", "5", "-o", "a.png"], "--steps is an option of def alone"),
        (["def", "--steps", "0", "-o", "a.png"], "at least 1"),
    ],
)
def test_a_senseless_command_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], words: list[str], complaint: str) -> None:
    assert main(["lab", *words]) == 2
    assert complaint in capsys.readouterr().err


# --- faces -----------------------------------------------------------------------------------------

SMALL = (4, 3, 2)


@pytest.fixture(scope="module")
def few_faces() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.poisson(30 * torch.rand(20, 3, dtype=torch.float64) @ torch.rand(3, 12, dtype=torch.float64))


def test_eight_of_ten_faces_are_trained_on_as_grey_levels() -> None:
    images = (torch.arange(400) % 256)[:, None, None].expand(400, 2, 3) / 255
    x = faces.training(images)
    assert x.shape == (320, 6)
    assert x[:, 0].tolist() == [n % 256 for n in range(400) if n % 10 < 8]


def test_the_bound_is_that_of_the_joint_density(few_faces: torch.Tensor) -> None:
    """E_q[log p(x, z, w) − log q(z, w)], with every density evaluated, by many draws."""
    with seeded(0, "faces"):
        model = faces.DeepGamma(few_faces, SMALL)
        model.raw = {name: (raw + 1.5).detach() for name, raw in model.raw.items()}
        posterior = model.posterior()
        nodes = model.draw(ScoreFunction(), 4_000)
    drawn = {name: node.z for name, node in nodes.items()}
    log_likelihood, kl = model.terms(nodes)
    bounds = log_likelihood.sum((1, 2)) - sum(each.sum((-2, -1)) for each in kl.values())
    joint = Poisson(drawn["z1"] @ drawn["w0"]).log_prob(few_faces).sum((1, 2))
    for name, value in drawn.items():
        rate = {"w": 0.3, "z": 0.1}[name[0]]
        if name in ("z1", "z2"):
            above = int(name[1])
            rate = 0.1 / (drawn[f"z{above + 1}"] @ drawn[f"w{above}"])
        rate = torch.as_tensor(rate, dtype=torch.float64)
        joint = joint + (Gamma(torch.full_like(rate, 0.1), rate).log_prob(value) - posterior[name].log_prob(value)).sum((1, 2))
    assert z_score(bounds - joint, 0.0) < 4


@pytest.mark.long  # as tests/vae/test_estimators.py says of each crossing
def test_all_estimators_have_the_same_expected_gradient(few_faces: torch.Tensor) -> None:
    found = {}
    for name, setting in faces.SETTINGS.items():
        with seeded(0, "faces"):
            model = faces.DeepGamma(few_faces, SMALL)
        estimator, local = estimators.ESTIMATORS[setting.estimator].make(), LocalSignals()
        with seeded(1, name):
            draws = []
            for _ in range(100):
                _, surrogate = model.estimate(estimator, 20, local)
                draws.append(torch.cat([g.flatten() for g in torch.autograd.grad(surrogate, list(model.raw.values()))]))
        found[name] = torch.stack(draws)
    truth = found["implicit"]
    for name in ("g-rep", "score function"):
        error = ((found[name].var(0) + truth.var(0)) / 100).sqrt()
        off = (found[name].mean(0) - truth.mean(0)) / error
        assert off.abs().max() < 5, name
        assert off.square().mean().sqrt() == pytest.approx(1, abs=0.15), name
        assert found[name].var(0).sum() > truth.var(0).sum(), name


@pytest.mark.long  # a training each
def test_each_estimator_climbs(few_faces: torch.Tensor) -> None:
    for setting in faces.SETTINGS.values():
        setting = replace(setting, rate=0.2)  # with the published one the first steps go far astray on so few examples
        steps = list(itertools.islice(faces.climb(few_faces, setting, layers=SMALL), 60))
        assert [step.iteration for step in steps[:3]] == [1, 2, 3]
        assert steps[-1].bound > steps[0].bound
    again = list(itertools.islice(faces.climb(few_faces, setting, layers=SMALL), 60))
    assert [step.bound for step in again] == [step.bound for step in steps]


@needs("olivetti")
def test_the_first_bound_is_near_the_published_one() -> None:
    whole = data.load("olivetti").whole
    assert whole is not None
    first = next(faces.climb(faces.training(whole[:]), faces.SETTINGS["implicit"]))
    assert first.bound == pytest.approx(faces.PUBLISHED["rejection sampling"][1], rel=0.02)
