"""Labels for some data only: bounds are tight where all laws are exact, sampling y agrees with listing it, hidden labels stay hidden."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from rows import long_if
from torch import nn
from torch.distributions import MultivariateNormal
from toys import LinearGaussian, z_score

import lowerbound as lb
from lowerbound.data import UNKNOWN, Dataset
from lowerbound.errors import DataError, RecipeError
from lowerbound.nn.conditioned import Joined
from lowerbound.recipes import estimators, objectives, semi_supervised
from lowerbound.recipes.grammar import make
from lowerbound.recipes.semi_supervised import OfLabels
from lowerbound.system.seeding import seeded
from lowerbound.vae.contexts import Label
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.estimators.baselines import LeaveOneOut
from lowerbound.vae.estimators.enumerated import Enumerated
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.estimators.score import GREP, ScoreFunction
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.batchwise import MMD, FreeBits, TotalCorrelation
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.observation import read
from lowerbound.vae.posteriors import Categorical, DiagonalGaussian
from lowerbound.vae.semi_supervised import Head, OnLabels, SemiSupervised, SemiSupervisedLoss, known_rows
from lowerbound.vae.semi_supervised.base import Batch

CLASSES, LATENT, SIZE = 3, 2, 4


class Clusters(LinearGaussian):
    """p(x|z, y) = N(Wz + U_y + b, σ²I): p(x|y) is Gaussian with one covariance, so that p(y|x) is a softmax of linear functions."""

    def __init__(self) -> None:
        super().__init__(LATENT, SIZE, 0.5, seed=1, orthogonal=True)
        self.shift = 1.5 * torch.randn(SIZE, CLASSES, generator=torch.Generator().manual_seed(5))

    def exact(self) -> SemiSupervised:
        """All five laws as they should be."""
        likelihood = lb.likelihoods.Gaussian(Joined(_linear(torch.cat([self.weight, self.shift], 1), self.bias)), self.scale)
        plain = self.exact_encoder()
        moved = torch.cat([plain.weight, -plain.weight @ self.shift], 1)  # x − U_y in place of x
        posterior = DiagonalGaussian(Joined(_linear(moved, plain.bias)))
        precision = torch.linalg.inv(self.evidence.covariance_matrix)
        centres = (self.shift + self.bias[:, None]).T
        slopes = centres @ precision
        classifier = Categorical(_linear(slopes, -0.5 * (slopes * centres).sum(1)))
        return SemiSupervised(lb.priors.StandardNormal(LATENT), likelihood, posterior, Label(CLASSES), classifier)

    def log_joint(self, x: torch.Tensor) -> torch.Tensor:
        """log p(x, y) ``(N, classes)``."""
        laws = MultivariateNormal((self.shift + self.bias[:, None]).T, self.evidence.covariance_matrix)
        return laws.log_prob(x[:, None]) - math.log(CLASSES)

    def data(self, n: int) -> Dataset:
        torch.manual_seed(0)
        labels = torch.arange(n) % CLASSES
        return Dataset(self.evidence.sample((n,)) + self.shift.T[labels], labels, tuple("abc"))


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def wrong(vae: SemiSupervised) -> SemiSupervised:
    """With laws that are no more exact."""
    torch.manual_seed(3)
    for parameter in vae.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return vae


def hidden(data: Dataset, keep: int) -> Dataset:
    labels = data.targets.clone()
    labels[keep:] = UNKNOWN
    return Dataset(data.array, labels, data.classes)


TOGETHER = 300  # draws whose mean one loss gives


def draws(
    vae: SemiSupervised,
    x: torch.Tensor,
    of_labels: OfLabels,
    n: int,
    objective: Objective = ELBO(),  # noqa: B008 it is frozen
    estimator: Estimator | None = None,
) -> torch.Tensor:
    """Bound and gradient of losses without labels, n independent means of ``TOGETHER`` draws: ``(n, 1 + parameters)``."""
    loss, found = SemiSupervisedLoss(1.0, estimator=of_labels.estimator, samples=of_labels.samples), []
    parameters, x, estimator = list(vae.parameters()), x.repeat(TOGETHER, 1), estimator or Pathwise()
    for _ in range(n):
        part = loss.unlabelled(vae, x, objective, estimator)
        gradients = torch.autograd.grad(part.value, parameters)
        found.append(torch.cat([part.bound.mean().detach()[None], *(g.flatten() for g in gradients)]))
    return torch.stack(found)


def test_both_bounds_are_tight_where_every_law_is_exact() -> None:
    toy, loss = Clusters(), SemiSupervisedLoss(0.0)
    data, vae = toy.data(60), toy.exact()
    x, joint = data[:], toy.log_joint(data[:])
    torch.manual_seed(1)
    with torch.no_grad():
        without = loss.unlabelled(vae, x.repeat(1000, 1), ELBO(), Pathwise()).bound.view(1000, -1)
        known = loss.of_known(vae, x.repeat(1000, 1), data.targets.repeat(1000), ELBO(), Pathwise())[0].view(1000, -1)
    assert z_score(without, joint.logsumexp(1)) < 4.5
    assert z_score(known, joint.gather(1, data.targets[:, None])[:, 0]) < 4.5
    assert torch.allclose(vae.classify(x), joint.softmax(1), atol=1e-5)


@pytest.mark.parametrize("word", ["enumerated", "score:1"])
def test_balance_charges_how_far_classes_are_from_as_frequent_as_each_other(word: str) -> None:
    toy = Clusters()
    data = toy.data(60)
    vae, x, y = wrong(toy.exact()), data[:][data.targets == 0], make("label-estimator", word, semi_supervised.LABEL_ESTIMATORS)
    q = vae.classifier(x).logits.exp().mean(0)
    charge = (q * (q.log() + math.log(len(q)))).sum()
    slope, charge = torch.autograd.grad(charge, list(vae.classifier.parameters())), charge.detach()
    losses = [SemiSupervisedLoss(1.0, balance, estimator=y.estimator, samples=y.samples) for balance in (0.0, 7.0)]
    found = []
    for loss in losses:
        with seeded(0):
            part = loss.unlabelled(vae, x, ELBO(), Pathwise())
        found.append((part, torch.autograd.grad(part.value, list(vae.classifier.parameters()))))
    (plain, before), (balanced, after) = found
    assert torch.equal(plain.bound, balanced.bound)
    assert float((balanced.value - plain.value).detach()) == pytest.approx(7 * float(charge), rel=1e-4)
    assert float(charge) > 0.05
    for one, other, expected in zip(before, after, slope, strict=True):
        torch.testing.assert_close(other - one, 7 * expected, rtol=1e-3, atol=1e-5)


def test_balance_is_to_the_shares_that_are_given() -> None:
    toy, shares = Clusters(), (0.7, 0.2, 0.1)
    vae, x = wrong(toy.exact()), toy.data(60)[:]
    q = vae.classifier(x).logits.exp().mean(0).detach()
    values = []
    for loss in (SemiSupervisedLoss(1.0), SemiSupervisedLoss(1.0, 7.0, shares=shares)):
        with seeded(0):
            values.append(float(loss.unlabelled(vae, x, ELBO(), Pathwise()).value.detach()))
    assert values[1] - values[0] == pytest.approx(7 * float((q * (q / torch.tensor(shares)).log()).sum()), rel=1e-3)


def test_a_radius_is_a_number_from_nothing_upwards() -> None:
    with pytest.raises(RecipeError, match="the radius must be 0 or a positive number"):
        SemiSupervisedLoss(1.0, radius=-1.0)


def on_latents() -> SemiSupervised:
    """M2 whose classifier reads the latents of a VAE that sees no label."""
    toy = Clusters()
    vae = wrong(toy.exact())
    below = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(nn.Linear(2, SIZE)), DiagonalGaussian(nn.Linear(SIZE, 4)))
    return SemiSupervised(vae.prior, vae.likelihood, vae.posterior, vae.context, Categorical(nn.Linear(2, CLASSES)), below)


def test_a_classifier_of_latents_leaves_them_as_they_are_without_it() -> None:
    """Its gradient stops at the latents, whatever labels and smoothness weigh; the VAE below has that of its own ELBO."""
    vae, data, rows = on_latents(), Clusters().data(60), torch.arange(60)
    below = vae.below
    assert below is not None
    torch.testing.assert_close(vae.classify(data[:]), vae.classifier.network(below.encode(data[:])).softmax(1))
    values, slopes = [], []
    for loss in (SemiSupervisedLoss(3.0, 2.0, radius=0.2), SemiSupervisedLoss(300.0, 20.0, radius=0.2)):
        with seeded(0):
            values.append(loss(vae, data, rows, ELBO(), Pathwise()).value)
        slopes.append(torch.autograd.grad(values[-1], list(below.parameters())))
    assert float((values[1] - values[0]).detach()) > 1
    assert all(torch.equal(one, other) and bool(one.any()) for one, other in zip(*slopes, strict=True))


def test_for_the_first_passes_nothing_teaches_the_classifier_of_latents() -> None:
    """Two passes of three steps each; then it learns. A model that is not in training counts nothing."""
    vae, data, loss, learned = on_latents(), Clusters().data(60), SemiSupervisedLoss(3.0, 2.0, radius=0.2, alone=2.0), []
    vae.eval()
    loss(vae, data, torch.arange(20), ELBO(), Pathwise())
    vae.train()
    for _ in range(7):
        value = loss(vae, data, torch.arange(20), ELBO(), Pathwise()).value
        slopes = torch.autograd.grad(value, [vae.classifier.network.weight, next(vae.likelihood.parameters())], allow_unused=True)
        assert slopes[1] is not None
        learned.append(slopes[0] is not None)
    assert learned == [False] * 6 + [True]


def test_smoothness_counts_as_often_as_known_labels_do() -> None:
    """Of a classifier that is certain of nothing the roughness is log C, whatever the radius."""
    vae, batch = Clusters().exact(), Batch.of(Clusters().data(60), torch.arange(60), 6, torch.device("cpu"))
    for parameter in vae.classifier.parameters():
        nn.init.zeros_(parameter)
    values = []
    for radius in (0.0, 0.2):
        with seeded(0):
            loss = SemiSupervisedLoss(30.0, radius=radius)
            values.append(float(loss.of_batch(vae, batch, ELBO(), Pathwise()).value.detach()))
    assert values[1] - values[0] == pytest.approx(30 * math.log(CLASSES), rel=1e-4)


def test_log_p_is_over_all_labels() -> None:
    """Of the exact model, and of one whose q are wrong: the mean of p(x|y) over labels, whatever labels the data bring."""
    toy = Clusters()
    data, wrong_q = toy.data(40), wrong(toy.exact())
    wrong_q.likelihood.load_state_dict(toy.exact().likelihood.state_dict())
    for vae in (toy.exact(), wrong_q):
        found = lb.log_likelihood(vae, hidden(data, 10), 2000)
        truth = toy.log_joint(data[:]).logsumexp(1)
        assert ((found.log_p - truth).abs() < 4.5 * found.se + 1e-4).all()
        gap = (truth - found.elbo).mean()  # by 400 draws of q for each label of each of 40 data: ± .015
        assert abs(gap) < 0.06 if vae is not wrong_q else gap > 0.1


def test_a_bound_of_wrong_laws_is_below() -> None:
    toy = Clusters()
    data, vae = toy.data(60), wrong(toy.exact())
    vae.likelihood.load_state_dict(toy.exact().likelihood.state_dict())  # p as it is, q wrong
    with torch.no_grad():
        found = SemiSupervisedLoss(0.0).unlabelled(vae, data[:].repeat(1000, 1), ELBO(), Pathwise()).bound.view(1000, -1)
    error = found.std(0) / len(found) ** 0.5
    assert (found.mean(0) < toy.log_joint(data[:]).logsumexp(1) + 4 * error).all()
    assert float(found.mean()) < float(toy.log_joint(data[:]).logsumexp(1).mean()) - 0.1


@cache
def exactly(objective: Objective, of_labels: str) -> torch.Tensor:
    """Bound and gradient where z has a path, whose noise is small, and y is listed if that is no other bound."""
    torch.manual_seed(2)
    vae = wrong(Clusters().exact())
    return draws(vae, Clusters().data(6)[:], make("label-estimator", of_labels, semi_supervised.LABEL_ESTIMATORS), 40, objective)


#: of z: all that the tables have but what is for a Gamma alone, the score functions with draws to leave out
OF_LATENTS = sorted(set(estimators.ESTIMATORS) - {"rejection", *estimators.OF_CLASSES})
OF_LABELS = sorted(set(semi_supervised.LABEL_ESTIMATORS) - {"relaxed"})  # which is biased
CROSSINGS = [(y, z, "elbo:2") for y in OF_LABELS for z in OF_LATENTS]
CROSSINGS.remove(("enumerated", "pathwise", "elbo:2"))  # what the others are held to
CROSSINGS += [(y, "doubly-reparameterized", "iwae:2") for y in ("enumerated", "score")] + [("score", "score-leave-one-out", "iwae:2")]
CROSSINGS.remove(("enumerated", "score-leave-one-out", "elbo:2"))
CROSSINGS += [(y, "pathwise", "contractive:0.5") for y in ("score:2", "score-leave-one-out")]  # whose charge depends on y


def each_is_met_elsewhere(crossing: tuple[str, str, str]) -> bool:
    """Both estimators are also tried beside a simpler one, and no draws are weighted."""
    of_labels, of_latents, bound = crossing
    return bound == "elbo:2" and of_labels != "enumerated" and of_latents != "pathwise"


@pytest.mark.parametrize("crossing", long_if(each_is_met_elsewhere, CROSSINGS), ids=" ".join)
def test_all_estimators_of_label_and_latent_agree(crossing: tuple[str, str, str]) -> None:
    """Bound and every partial derivative, in expectation; for a label that is listed and one that is drawn, a path and a score."""
    of_labels, of_latents, bound = crossing
    vae, x = wrong(Clusters().exact()), Clusters().data(6)[:]
    objective = make("objective", bound, objectives.OBJECTIVES, kl=objectives.KLS["sampled"].make())
    y = make("label-estimator", of_labels, semi_supervised.LABEL_ESTIMATORS)
    exact = exactly(objective, "enumerated" if objective.mean_over_draws else of_labels)
    torch.manual_seed(3)
    found = draws(vae, x, y, 40, objective, make("estimator", of_latents, estimators.ESTIMATORS))
    error = (exact.var(0) / len(exact) + found.var(0) / len(found)).sqrt()
    z = (exact.mean(0) - found.mean(0)) / error.clamp(min=1e-9)
    assert z.abs().max() < 4.5
    if of_labels != "enumerated" and y.samples == 1 and of_latents == "pathwise":
        assert exact[:, 1:].var(0).sum() < found[:, 1:].var(0).sum(), "listing has the smaller variance"


def test_the_listed_gradient_is_that_of_the_exact_expectation() -> None:
    """With z integrated out by hand the bound of exact q(z|x, y) is log-sum-exp-like in the classifier alone: its gradient is known."""
    toy = Clusters()
    vae, x = toy.exact(), toy.data(6)[:]
    vae.classifier.network.bias.data += torch.tensor([0.5, -0.5, 0.3])
    torch.manual_seed(2)
    found = draws(vae, x, OfLabels(Enumerated(), 1), 40)[:, -CLASSES:]  # the last parameters: the classifier's bias
    logits = vae.classifier.network(x).detach().requires_grad_()
    q = logits.softmax(1)
    exact = (q * (toy.log_joint(x) - logits.log_softmax(1))).sum(1).mean()
    (slope,) = torch.autograd.grad(exact, logits)
    assert z_score(-found, slope.sum(0)) < 4.5


def test_what_does_not_apply_says_so() -> None:
    toy = Clusters()
    vae, x = toy.exact(), toy.data(6)[:]
    with pytest.raises(RecipeError, match="draws must be alike"):
        SemiSupervisedLoss(1.0).unlabelled(vae, x, ELBO(samples=2), ScoreFunction(LeaveOneOut()))
    for estimator, complaint in (
        (Pathwise(), "cannot be reparameterized"),
        (GREP(), "no standardisation"),
        (ScoreFunction(LeaveOneOut()), "2 samples"),
    ):
        with pytest.raises(RecipeError, match=complaint):
            SemiSupervisedLoss(1.0, estimator=estimator).unlabelled(vae, x, ELBO(), Pathwise())
    with pytest.raises(RecipeError, match="cannot be listed"):
        Enumerated().draw(vae.prior(), vae.prior(), 1)
    with pytest.raises(RecipeError, match="first latent alone"):
        Enumerated().draw(vae.classifier(x).expand((2, 6)), vae.labels(), 1)
    with pytest.raises(DataError, match="no example has a label"):
        known_rows(Dataset(x))
    with pytest.raises(DataError, match="no example has a label"):
        known_rows(hidden(toy.data(6), 0))


@pytest.mark.parametrize("objective", [FreeBits(), TotalCorrelation(), MMD()], ids=lambda objective: type(objective).__name__)
def test_what_looks_at_a_batch_as_a_whole_is_reported_and_not_maximised(objective: Objective) -> None:
    """In the mean over all classes of all data, that of q(y|x) would have no part."""
    toy = Clusters()
    data, vae = toy.data(12), wrong(toy.exact())
    with pytest.raises(RecipeError, match="looks at a batch as a whole"):
        SemiSupervisedLoss(1.0).unlabelled(vae, data[:], objective, Pathwise())
    assert lb.mean_bound(vae, data, objective=objective) == lb.mean_bound(vae, data)


def test_what_is_reported_is_the_bound_without_labels() -> None:
    toy = Clusters()
    data, vae = toy.data(12), wrong(toy.exact())
    scored = [lb.mean_bound(vae, data, seed=seed).bound for seed in range(200)]
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = SemiSupervisedLoss(1.0).unlabelled(vae, data[:].repeat(2000, 1), ELBO(), Pathwise()).bound.view(2000, -1).mean(1)
    error = (torch.tensor(scored).var() / 200 + drawn.var() / 2000).sqrt()
    assert abs(torch.tensor(scored).mean() - drawn.mean()) < 4.5 * error


@pytest.mark.parametrize("of_labels", semi_supervised.LABEL_ESTIMATORS)
def test_a_classifier_that_is_not_finite_any_more_makes_a_loss_that_is_not(of_labels: str) -> None:
    toy = Clusters()
    vae, y = toy.exact(), make("label-estimator", of_labels, semi_supervised.LABEL_ESTIMATORS)
    vae.classifier.network.bias.data += math.nan
    loss = SemiSupervisedLoss(1.0, estimator=y.estimator, samples=y.samples)
    assert loss(vae, toy.data(6), torch.arange(6), ELBO(), Pathwise()).bound.isnan().all()
    head = Head(nn.Linear(SIZE, CLASSES))
    head.network.bias.data += math.nan
    assert OnLabels().of_head(head, Batch.of(toy.data(6), torch.arange(6), 6, torch.device("cpu"))).isnan()


@pytest.mark.parametrize("weight", [math.nan, math.inf, -5.0])
def test_a_weight_is_a_number_from_nothing_upwards(weight: float) -> None:
    for kind in (SemiSupervisedLoss, OnLabels):
        assert kind(0.0).weight == 0
        with pytest.raises(RecipeError, match="must be 0 or a positive number"):
            kind(weight)


def test_labels_are_looked_at_where_that_waits_for_nothing() -> None:
    batch = Batch.of(Clusters().data(6), torch.arange(6), 4, torch.device("meta"))
    assert (batch.values.device.type, batch.labelled.device.type, batch.labels.device.type) == ("meta", "meta", "cpu")


def test_data_are_read_as_their_label_or_the_likeliest_class() -> None:
    toy = Clusters()
    data, vae = toy.data(9), toy.exact()
    guessed = vae.classify(data[:]).argmax(1)
    some = hidden(data, 4)
    given = read(vae, some, torch.arange(9)).vae
    assert given.posterior.context.argmax(1).tolist() == [*data.targets[:4].tolist(), *guessed[4:].tolist()]
    bare = read(vae, data[:], torch.arange(9)).vae
    assert torch.equal(bare.posterior.context.argmax(1), guessed)


# --- training ------------------------------------------------------------------------------------------


def clusters(n: int) -> Dataset:
    """Three clusters in the plane, apart by some of their width, and every third example's label known to be that of its cluster."""
    torch.manual_seed(4)
    labels = torch.arange(n) % CLASSES
    angles = 2 * math.pi * labels / CLASSES
    return Dataset(3 * torch.stack([angles.cos(), angles.sin()], 1) + torch.randn(n, 2), labels, tuple("abc"))


def small(seed: int = 0) -> SemiSupervised:
    torch.manual_seed(seed)
    likelihood = lb.likelihoods.Gaussian(Joined(nn.Linear(1 + CLASSES, 2)), lb.scales.Learned())  # linear: clusters are y's to tell
    posterior = DiagonalGaussian(Joined(lb.nn.mlp(2 + CLASSES, 16, 2)))
    return SemiSupervised(lb.priors.StandardNormal(1), likelihood, posterior, Label(CLASSES), Categorical(lb.nn.mlp(2, 16, CLASSES)))


def trained(data: Dataset, epochs: int) -> SemiSupervised:
    vae = small()
    state = lb.State(torch.optim.Adam(vae.parameters(), lr=5e-3))
    for _ in lb.fit(vae, data, epochs=epochs, batch=100, loss=SemiSupervisedLoss(100.0, labelled=6), state=state):
        pass
    return vae


@pytest.mark.long
def test_two_labels_a_class_and_the_others_hidden_are_enough() -> None:
    data, held_out = clusters(900), clusters(1200).view(torch.arange(900, 1200))
    before = lb.mean_bound(small(), held_out).bound
    vae = trained(hidden(data, 6), 20)
    accuracy = float((vae.classify(held_out[:]).argmax(1) == held_out.labels).float().mean())
    assert accuracy > 0.9
    score = lb.mean_bound(vae, held_out)
    assert score.bound > before + 1
    assert score.bound == pytest.approx(score.log_likelihood_term - score.kl, abs=1e-4)


def test_hidden_labels_are_never_seen() -> None:
    data = clusters(300)
    other = Dataset(data.array, torch.cat([data.targets[:6], data.targets[6:].roll(1)]), data.classes)
    one, same = (trained(hidden(each, 6), 2) for each in (data, other))
    known = Dataset(data.array, torch.cat([data.targets[:6].roll(1), data.targets[6:]]), data.classes)
    changed = trained(hidden(known, 6), 2)
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, same.state_dict()[name]), name
    assert any(not torch.equal(weight, changed.state_dict()[name]) for name, weight in one.state_dict().items())
    scored = [lb.mean_bound(one, each) for each in (data, other, hidden(data, 0))]
    assert scored[0] == scored[1] == scored[2], "nor are those of data that are scored"
