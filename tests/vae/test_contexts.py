"""Conditional models: exact where the answer is known, one mechanism for all three laws, and never fewer contexts than data."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal
from toys import Constant, LinearGaussian, z_score

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.nn.conditioned import Joined
from lowerbound.nn.networks import mlp
from lowerbound.recipes import networks
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.tasks import classes as labels
from lowerbound.tasks import encode
from lowerbound.vae.contexts import Label
from lowerbound.vae.observation import observe
from lowerbound.vae.priors import GivenContext

CLASSES = 3
FOUR = DataSpec((1, 8, 8), classes=tuple("0123"))


class ByClass(LinearGaussian):
    """p(z|y) = N(m_y, I), p(x|z, y) = N(Wz + U_y + b, σ²I): p(x|y) = N(W m_y + U_y + b, WWᵀ + σ²I)."""

    def __init__(self, learned_prior: bool):
        super().__init__(2, 4, 0.5, seed=1)
        g = torch.Generator().manual_seed(5)
        self.shift = 2 * torch.randn(len(self.bias), CLASSES, generator=g)
        self.centre = torch.randn(2, CLASSES, generator=g) if learned_prior else torch.zeros(2, CLASSES)
        self.learned_prior = learned_prior

    def vae(self, posterior: nn.Module) -> lb.VAE:
        decoder = nn.Linear(2 + CLASSES, len(self.bias))
        decoder.load_state_dict({"weight": torch.cat([self.weight, self.shift], 1), "bias": self.bias})
        prior: nn.Module = lb.priors.StandardNormal(2)
        if self.learned_prior:
            network = nn.Linear(CLASSES, 4)
            network.load_state_dict({"weight": torch.cat([self.centre, torch.zeros(2, CLASSES)]), "bias": torch.zeros(4)})
            prior = GivenContext(network)
        likelihood = lb.likelihoods.Gaussian(Joined(decoder), self.scale)
        return lb.VAE(prior, likelihood, lb.posteriors.DiagonalGaussian(Joined(posterior)), Label(CLASSES))

    def data(self, n: int) -> Dataset:
        torch.manual_seed(0)
        classes = torch.arange(n) % CLASSES
        return Dataset(self.law(classes).sample(), classes, tuple("abc"))

    def law(self, classes: torch.Tensor) -> MultivariateNormal:
        """p(x|y)."""
        loc = (self.weight @ self.centre + self.shift + self.bias[:, None]).T[classes]
        return MultivariateNormal(loc, self.evidence.covariance_matrix)


@pytest.mark.parametrize("learned_prior", [False, True])
def test_log_p_given_the_class_is_exact(learned_prior: bool) -> None:
    toy = ByClass(learned_prior)
    data = toy.data(90)
    found = lb.log_likelihood(toy.vae(Constant(torch.zeros(4))), data, 2000)
    truth = toy.law(data.targets).log_prob(data[:])
    assert abs(found.mean - float(truth.mean())) < 3 * found.se_samples
    assert ((found.log_p - truth).abs() < 4.5 * found.se).all()
    other = Dataset(data.array, (data.targets + 1) % CLASSES, data.classes)
    assert lb.log_likelihood(toy.vae(Constant(torch.zeros(4))), other, 2000).mean < found.mean - 1


@pytest.mark.parametrize("learned_prior", [False, True])
def test_draws_of_a_class_follow_its_law(learned_prior: bool) -> None:
    toy = ByClass(learned_prior)
    vae = toy.vae(Constant(torch.zeros(4)))
    torch.manual_seed(0)
    for y in range(CLASSES):
        drawn = labels.as_labels(vae, torch.full((20_000,), y)).sample(20_000, draw=True)
        law = toy.law(torch.tensor([y]))
        error = law.variance[0].sqrt() / len(drawn) ** 0.5
        assert ((drawn.mean(0) - law.loc[0]).abs() < 4 * error).all()
        assert torch.allclose(drawn.T.cov(), law.covariance_matrix[0], rtol=0.1, atol=0.1)


@pytest.mark.long
def test_training_learns_what_the_class_does() -> None:
    """A decoder that starts without the shifts finds them, and the bound comes up to log p(x|y)."""
    toy = ByClass(learned_prior=False)
    data = toy.data(3000)
    torch.manual_seed(0)
    decoder, encoder = nn.Linear(2 + CLASSES, 4), nn.Linear(4 + CLASSES, 5)
    posterior = lb.posteriors.FullGaussian(Joined(encoder))
    likelihood = lb.likelihoods.Gaussian(Joined(decoder), toy.scale)
    vae = lb.VAE(lb.priors.StandardNormal(2), likelihood, posterior, Label(CLASSES))
    state = lb.State(torch.optim.Adam(vae.parameters(), lr=0.02))
    for _ in lb.fit(vae, data, epochs=50, batch=100, state=state):
        pass
    truth = float(toy.law(data.targets).log_prob(data[:]).mean())
    assert lb.mean_bound(vae, data).bound == pytest.approx(truth, abs=0.1)
    shift = decoder.weight[:, 2:].detach()
    difference = (shift - shift[:, :1]) - (toy.shift - toy.shift[:, :1])
    error = (2 * toy.evidence.variance / 1000).sqrt()
    assert (difference.abs() < 4 * error[:, None]).all()


def test_neither_batch_nor_memory_changes_a_figure() -> None:
    toy = ByClass(learned_prior=True)
    data, vae = toy.data(30), toy.vae(Constant(torch.zeros(4)))
    one, tight = (lb.log_likelihood(vae, data, 500, memory=memory) for memory in (2**30, 400_000))
    assert torch.allclose(one.log_p, tight.log_p, atol=1e-3)
    assert torch.allclose(one.kl, tight.kl, atol=1e-4)
    few = lb.log_likelihood(vae, data.view(torch.arange(4)), 500)
    assert torch.allclose(one.log_p[:4], few.log_p, atol=1e-3)


def test_an_evaluation_of_a_conditional_model_has_all_its_parts() -> None:
    toy = ByClass(learned_prior=True)
    values = lb.evaluate(toy.vae(Constant(torch.zeros(4))), toy.data(60), samples=200).to_json()
    assert values["bound"] == pytest.approx(-(values["rate"] + values["distortion"]))
    assert len(values["kl_per_dimension"]) == 2
    assert values["mutual_information"] is None, "there is no one prior for the aggregate to be held against"
    assert lb.likelihood_regret(toy.vae(Constant(torch.zeros(4))), toy.data(6), steps=5).isfinite().all()


@pytest.mark.parametrize("network", ["mlp:8", "conv:4-8"])
@pytest.mark.parametrize("prior", ["normal", "given-context"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "beta"])
def test_every_network_takes_a_context(network: str, prior: str, likelihood: str) -> None:
    vae = build(Recipe(given="label", network=network, prior=prior, likelihood=likelihood, latent=3), FOUR).vae.eval()
    torch.manual_seed(0)
    x, z = torch.rand(2, 1, 8, 8), torch.randn(5, 2, 3)
    by_class = [labels.as_labels(vae, torch.tensor([a, b])) for a, b in ((0, 1), (0, 2))]
    first, second = (given.likelihood(z).mean for given in by_class)
    assert first.shape == (5, 2, 1, 8, 8)
    assert torch.allclose(first[:, 0], second[:, 0], atol=1e-6), "the first example's class is the same"
    assert not torch.allclose(first[:, 1], second[:, 1], atol=1e-3), "the second's is not"
    means = [given.posterior(x).mean for given in by_class]
    assert torch.allclose(means[0][0], means[1][0], atol=1e-6)
    assert not torch.allclose(means[0][1], means[1][1], atol=1e-4)
    assert labels.styles(vae, z[:, 0]).shape == (5, 4, 1, 8, 8)


def test_a_corruption_damages_the_data_and_not_the_label() -> None:
    vae = build(Recipe(given="label", corruption="masking:0.5"), FOUR).vae.train()
    torch.manual_seed(0)
    x = torch.rand(3, 1, 8, 8)
    given = labels.as_labels(vae, torch.tensor([0, 1, 2]))
    assert not torch.equal(given.posterior(x).mean, given.posterior(x).mean), "it is damaged afresh each time"
    blank = torch.zeros(3, 1, 8, 8)
    assert torch.equal(given.posterior(blank).mean, given.posterior(blank).mean), "nothing but zeros to mask, and the label stays"


def test_a_context_shares_the_weights_and_leaves_the_model_alone() -> None:
    vae = build(Recipe(given="label"), FOUR).vae
    given = vae.given(torch.eye(4))
    assert all(a is b for a, b in zip(vae.parameters(), given.parameters(), strict=True))
    assert vae.posterior.context is None
    assert vae.state_dict().keys() == given.state_dict().keys()
    assert vae.eval().given(torch.eye(4)).training is False
    assert torch.equal(given.some(slice(1, 3)).posterior.context, torch.eye(4)[1:3])


def test_one_style_is_the_same_in_all_classes_of_a_model_that_does_not_look_at_them() -> None:
    vae = build(Recipe(given="label", latent=2), FOUR).vae
    with torch.no_grad():
        vae.likelihood.network.network[1].weight[:, 2:] = 0
    decoded = labels.styles(vae, torch.randn(3, 2))
    assert torch.allclose(decoded, decoded[:, :1].expand_as(decoded))
    assert not torch.allclose(decoded[0], decoded[1])


def test_what_cannot_be_given_is_refused() -> None:
    vae = build(Recipe(given="label"), FOUR).vae
    plain = build(Recipe(), (1, 8, 8)).vae
    x = torch.rand(5, 1, 8, 8)
    with pytest.raises(DataError, match="no labels"):
        next(lb.fit(vae, x, epochs=1))
    with pytest.raises(DataError, match="no labels"):
        encode.encode(vae, Dataset(x))
    with pytest.raises(DataError, match="label 4 is none of this model's classes, 0 to 3"):
        lb.mean_bound(vae, Dataset(x, torch.tensor([0, 1, 2, 3, 4])))
    with pytest.raises(RecipeError, match="conditional"):
        vae.encode(x)
    with pytest.raises(UsageError, match="not given labels"):
        labels.as_labels(plain, torch.tensor([0]))
    with pytest.raises(UsageError, match="no class 'bagg'; did you mean 'bag'"):
        labels.number("bagg", ("bag", "coat"))
    for classes, complaint in ((0, "no labels"), (1, "all labels of these data are the same")):
        with pytest.raises(RecipeError, match=complaint):
            build(Recipe(given="label"), DataSpec((1, 8, 8), classes=tuple(map(str, range(classes)))))
    with pytest.raises(RecipeError, match="add --given label"):
        build(Recipe(prior="given-context"), (1, 8, 8))
    for words in ({"given": "label"}, {"semi_supervised": "m2", "labels": 8}):
        with pytest.raises(RecipeError, match="it wants a context besides; choose another --prior"):
            build(Recipe(**words, prior="vamp:5"), FOUR)
    with pytest.raises(RecipeError, match="prior is that of a context"):
        GivenContext(mlp(4, 8, 4))()


def test_classes_of_another_source_are_known_by_name() -> None:
    data = Dataset(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]), ("b", "a"))
    assert data.relabelled(("a", "b", "c")).labels.tolist() == [1, 0, 0, 1]
    with pytest.raises(DataError, match="class 'b' of these data is not one of the model's: a, c"):
        data.relabelled(("a", "c"))


BOTH = 5 + CLASSES
NETWORKS = {
    "layers": mlp(BOTH, 8, 4),
    "any module": nn.Linear(BOTH, 4),
    "one layer": nn.Sequential(nn.Linear(BOTH, 4)),
    "linear first": nn.Sequential(nn.Linear(BOTH, 4), nn.Linear(4, 4)),
    "batch norm first": nn.Sequential(nn.BatchNorm1d(BOTH), nn.Linear(BOTH, 4)),
    "layer norm first": nn.Sequential(nn.LayerNorm(BOTH), nn.Linear(BOTH, 4)),
    "layer norm after": nn.Sequential(nn.Flatten(), nn.Linear(BOTH, 4), nn.LayerNorm(4)),
    "nothing more": nn.Sequential(nn.Flatten(), nn.Linear(BOTH, 4)),
}
NETWORKS["batch norm first"][0].running_mean += torch.linspace(-1, 1, BOTH)  # so that it does something


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_several_contexts_for_each_example_are_as_many_laws(network: nn.Module) -> None:
    posterior, x, y = lb.posteriors.DiagonalGaussian(Joined(network)).eval(), torch.randn(6, 5), torch.eye(CLASSES)
    together = posterior.given(y.repeat_interleave(6, 0))(x)
    one_by_one = [posterior.given(one)(x).mean for one in y.split(1)]
    assert torch.allclose(together.mean, torch.cat(one_by_one), atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_several_draws_for_each_context(network: nn.Module) -> None:
    z, y = torch.randn(3, 6, 5), torch.eye(CLASSES)[torch.randint(CLASSES, (6,))]
    likelihood = lb.likelihoods.Gaussian(Joined(network)).eval()
    one_by_one = [likelihood.given(y)(each[None]).mean for each in z]
    assert torch.allclose(likelihood.given(y)(z).mean, torch.cat(one_by_one), atol=1e-6)
    assert torch.allclose(likelihood.given(y[:1])(z).mean, likelihood.given(y[:1].expand(6, -1))(z).mean, atol=1e-6)


@pytest.mark.parametrize("given", ["label", "observed", "low-resolution:2"])
def test_several_draws_of_an_image_for_each_context(given: str) -> None:
    data = lb.data.load("digits").test
    vae = lb.build(lb.Recipe(given=given, network="conv:4-8"), DataSpec((1, 8, 8), classes=tuple("0123456789"))).vae.eval()
    bound = observe(vae, data, torch.arange(5)).vae
    z = torch.randn(3, 5, 2)
    one_by_one = [bound.likelihood(each[None]).mean for each in z]
    assert torch.allclose(bound.likelihood(z).mean, torch.cat(one_by_one), atol=1e-6)


def test_several_contexts_for_each_image() -> None:
    kind = networks.network("conv:4")[0]
    encoder = kind.encoder((1, 8, 8), (4,), 6, (CLASSES,))
    x, y = torch.rand(2, 1, 8, 8), torch.eye(CLASSES)
    assert torch.allclose(encoder(x, y.repeat_interleave(2, 0)), torch.cat([encoder(x, one.repeat(2, 1)) for one in y.split(1)]), atol=1e-6)


def test_an_encoder_that_is_given_a_context_is_contracted_in_its_data_alone() -> None:
    """‖∂h/∂x‖² of h = W (x, y) + b is that of the part of W that x meets, in the mean of estimates without bias."""
    linear, x = nn.Linear(5 + CLASSES, 4), torch.randn(30, 5)
    decoder = Joined(nn.Linear(2 + CLASSES, 5))
    vae = lb.VAE(
        lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(decoder), lb.posteriors.DiagonalGaussian(Joined(linear)), Label(CLASSES)
    )
    torch.manual_seed(0)
    for context in (torch.eye(CLASSES).repeat(10, 1), torch.eye(CLASSES)[:1]):
        given = vae.given(context)
        sampler = lb.estimators.Pathwise().sampler(1)
        found = torch.stack([given.terms(x, sampler).contraction.detach() for _ in range(200)]).flatten()
        assert z_score(found, linear.weight[:, :5].square().sum().detach()) < 4.5


CONDITIONAL = {
    "cae": {"given": "label", "posterior": "dirac", "objective": "contractive"},
    "m2": {"semi_supervised": "m2", "labels": 8, "objective": "contractive"},
}


@pytest.mark.parametrize("words", CONDITIONAL.values(), ids=CONDITIONAL)
def test_contractive_models_may_be_given_a_context(words: dict[str, str]) -> None:
    parts = build(Recipe(**words), FOUR)
    data = Dataset(torch.rand(4, 1, 8, 8), torch.arange(4), tuple("abcd"))
    found = parts.loss(parts.vae, data, torch.arange(4), parts.objective, parts.estimator).value
    found.backward()
    assert found.isfinite()


PRECISE = {
    "given a label": {"given": "label"},
    "prior and all": {"given": "label", "prior": "given-context"},
    "convolutions": {"given": "label", "network": "conv:4"},
    "m2": {"semi_supervised": "m2", "labels": 8},
    "m2, drawn": {"semi_supervised": "m2", "labels": 8, "label_estimator": "score"},
    "m1m2": {"semi_supervised": "m1m2", "labels": 8},
}


@pytest.mark.parametrize("words", PRECISE.values(), ids=PRECISE)
def test_a_context_has_the_precision_of_the_model(words: dict[str, str]) -> None:
    parts = build(Recipe(**{"network": "mlp:8", **words}), FOUR)
    vae = parts.vae.bfloat16()
    data = Dataset(torch.rand(4, 1, 8, 8).bfloat16(), torch.arange(4), tuple("abcd"))
    found = parts.loss(vae, data, torch.arange(4), parts.objective, parts.estimator).value
    found.backward()
    assert found.isfinite()
    assert lb.mean_bound(vae, data).rows == 4


def test_the_discrepancy_of_a_batch_takes_a_prior_of_its_contexts() -> None:
    """As many draws of p(z|c) for each context as there are of q(z|x, c)."""
    recipe = Recipe(given="label", prior="given-context:8", objective="mmd", network="mlp:8")
    parts = build(recipe, DataSpec((5,), classes=tuple("abc")))
    given = parts.vae.given(torch.eye(3)[[0, 1, 2, 0]])
    assert parts.objective.value(given.terms(torch.rand(4, 5), lb.estimators.Pathwise().sampler(3))).isfinite().all()
