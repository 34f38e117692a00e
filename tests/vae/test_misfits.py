"""Parts that do not fit one another or the data are refused before the first step, in one line that names the part and what is wanted."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.distributions import Distribution, Normal

import lowerbound as lb
from lowerbound.errors import DataError, LowerboundError, RecipeError

D, LATENT = 6, 2
X = torch.randint(0, 2, (10, D), generator=torch.Generator().manual_seed(0)).float()
IMAGES = X.view(-1, 1, 2, 3)


def model(
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    latent: int = LATENT,
    likelihood: Callable[[nn.Module], lb.likelihoods.Likelihood] = lb.likelihoods.Bernoulli,
    posterior: Callable[[nn.Module], lb.posteriors.Posterior] = lb.posteriors.DiagonalGaussian,
) -> lb.VAE:
    with lb.seeding.seeded(0, "misfits"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(latent),
            likelihood=likelihood(decoder or lb.nn.mlp(LATENT, 8, D)),
            posterior=posterior(encoder or lb.nn.mlp(D, 8, 2 * LATENT)),
        )


class Own(nn.Module):
    """A network of one's own, which does to its output what it likes."""

    def __init__(self, network: nn.Module, last: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.network, self.last = network, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.network(x))


def decoder() -> nn.Module:
    return lb.nn.mlp(LATENT, 8, D)


def ending(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(LATENT, D), *layers)


def flat_prior() -> lb.VAE:
    class Flat(nn.Module):
        def forward(self) -> Distribution:
            return Normal(torch.zeros(LATENT), torch.ones(LATENT))

    vae = model()
    vae.prior = Flat()
    return vae


MISFITS: dict[str, tuple[Callable[[], lb.VAE], torch.Tensor, type[LowerboundError], str]] = {
    "data of another width": (
        model,
        torch.rand(10, 7),
        DataError,
        "the encoder takes 6 numbers, and an example of these data has 7 numbers; change those or its first layer, Linear(in_features=6, ",
    ),
    "images for a linear layer": (
        lambda: model(nn.Linear(6, 4)),
        IMAGES,
        RecipeError,
        "of the encoder takes 6 numbers in a row, and is given the shape (1, 2, 3); put torch",
    ),
    "channels": (
        lambda: model(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(24, 4))),
        IMAGES,
        DataError,
        "the encoder takes 3 channels of 2 axes, and an example of these data has the shape (1, 2, 3)",
    ),
    "layers of an encoder": (
        lambda: model(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(9, 4))),
        X,
        RecipeError,
        "inside the encoder takes 9 numbers, and is given 8 numbers; make it fit the layers before",
    ),
    "an encoder of one's own": (
        lambda: model(Own(nn.Linear(7, 4), torch.clone)),
        X,
        DataError,
        "the encoder takes 7 numbers, and an example of these data has 6 numbers",
    ),
    "too many features": (
        lambda: model(lb.nn.mlp(6, 8, 6)),
        X,
        RecipeError,
        "the encoder gives 6 numbers for an example, which is a posterior over 3 numbers; make it give 4, as DiagonalGaussian",
    ),
    "an odd number of features": (
        lambda: model(lb.nn.mlp(6, 8, 5)),
        X,
        RecipeError,
        "the encoder gives 5 numbers for an example, of which no DiagonalGaussian can be made; make it give 4, as Diag",
    ),
    "features of a full Gaussian": (
        lambda: model(posterior=lb.posteriors.FullGaussian),
        X,
        RecipeError,
        "make it give 5, as FullGaussian wants for a prior over 2",
    ),
    "features in planes": (
        lambda: model(nn.Conv2d(1, 4, 1)),
        IMAGES,
        RecipeError,
        "the encoder gives the shape (4, 2, 3) for an example, and a posterior is made of a vector; make it give 4",
    ),
    "a prior of another size": (
        lambda: model(latent=3),
        X,
        RecipeError,
        "which is a posterior over 2 numbers; make it give 6, as DiagonalGaussian wants for a prior over 3",
    ),
    "a prior of numbers": (
        flat_prior,
        X,
        RecipeError,
        "the prior is one of the shape (), and a latent is a vector (d,); torch's Independent(law, 1) makes it one",
    ),
    "a decoder of other latents": (
        lambda: model(decoder=lb.nn.mlp(3, 8, 6)),
        X,
        RecipeError,
        "the decoder takes 3 numbers, and a latent has 2 numbers; make its first layer, Linear(in_features=3, ",
    ),
    "a decoder of other data": (
        lambda: model(decoder=lb.nn.mlp(2, 8, 7)),
        X,
        DataError,
        "the decoder gives (7,), the data are (6,): the numbers of values differ",
    ),
    "too few parameters": (
        lambda: model(likelihood=lb.likelihoods.Beta),
        X,
        RecipeError,
        "the decoder gives 6 numbers for a latent, and Beta takes 2 numbers for each value; make it give (2, 6)",
    ),
    "parameters of columns": (
        lambda: model(likelihood=lambda network: lb.likelihoods.Columns(network, D)),
        X,
        RecipeError,
        "the decoder gives 6 numbers for a latent, and Columns takes 18 numbers for these 6 columns; make it give those",
    ),
    "a function for an end": (
        lambda: model(decoder=Own(decoder(), torch.sigmoid)),
        X,
        RecipeError,
        "the decoder ends in sigmoid, and Bernoulli takes logits: leave the sigmoid out",
    ),
    "a function before a shape": (
        lambda: model(decoder=Own(decoder(), lambda y: torch.tanh(y).view(-1, 2, 3).transpose(1, 2))),
        X,
        RecipeError,
        "the decoder ends in tanh, and Bernoulli takes logits: leave the tanh out",
    ),
    "an encoder of another type": (
        lambda: model(decoder=decoder().double()),
        X,
        RecipeError,
        "the decoder has weights of torch.float64 and is given torch.float32; bring all to one type, as by vae.float()",
    ),
    "an encoder elsewhere": (
        lambda: model(lb.nn.mlp(6, 8, 4).to("meta")),
        X,
        RecipeError,
        "the encoder is on meta and is given what is on cpu; move the whole model, vae.to(…)",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_it_is_refused_before_the_first_step(name: str) -> None:
    make, data, kind, message = MISFITS[name]
    vae = make()
    for ask in (lambda: next(iter(lb.fit(vae, data, epochs=1))), lambda: lb.mean_bound(vae, data), lambda: lb.log_likelihood(vae, data, 2)):
        with pytest.raises(kind) as caught:
            ask()
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [torch.rand(10, 7), torch.rand(7)])
def test_a_width_is_refused_where_data_are_encoded(data: torch.Tensor) -> None:
    for encode in (model().encode, model().reconstruct, lambda x: lb.encode(model(), x)):
        with pytest.raises(DataError, match="the encoder takes 6 numbers, and an example of these data has 7 numbers"):
            encode(data)
    with pytest.raises(RecipeError, match="the decoder takes 2 numbers, and a latent has 7 numbers"):
        model().decode(data)


BOUNDED = {
    "Bernoulli": (lb.likelihoods.Bernoulli, "logits"),
    "ContinuousBernoulli": (lb.likelihoods.ContinuousBernoulli, "logits"),
    "Beta": (lb.likelihoods.Beta, "concentrations before a softplus"),
    "Poisson": (lb.likelihoods.Poisson, "λ before a softplus"),
    "NegativeBinomial": (lb.likelihoods.NegativeBinomial, "r before a softplus, and logits"),
    "BetaBinomial": (lb.likelihoods.BetaBinomial, "concentrations before a softplus"),
    "LevelCategorical": (lb.likelihoods.LevelCategorical, "logits"),
    "LogisticMixture": (lb.likelihoods.LogisticMixture, "logits, locations and scales before they are bounded"),
    "Columns": (lambda network: lb.likelihoods.Columns(network, D), "parameters of its columns before they are bounded"),
    "Gaussian": (lambda network: lb.likelihoods.Gaussian(network, squash=True), "locations before its own sigmoid"),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_a_decoder_that_bounds_what_may_be_any_number_is_refused_as_it_is_made(name: str) -> None:
    make, takes = BOUNDED[name]
    for last in (nn.Sigmoid, nn.Softmax, nn.Tanh, nn.Softplus, nn.ReLU):
        end = last(1) if last is nn.Softmax else last()
        with pytest.raises(RecipeError) as caught:
            make(ending(end))
        assert str(caught.value) == f"the decoder ends in {last.__name__}, and {name} takes {takes}: leave the {last.__name__} out"
        with pytest.raises(RecipeError):
            make(nn.Sequential(ending(), nn.Sequential(end, nn.Unflatten(1, (2, 3)))))
    make(ending(nn.LeakyReLU()))


# --- what is unusual, and right ------------------------------------------------------------------------


class FewAtOnce(nn.Module):
    """An encoder that wants several examples."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(D, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) < 2:
            raise ValueError("several, please")
        return self.network(x - x.mean(0))


def lazy() -> lb.VAE:
    return model(nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(4)), nn.Sequential(nn.LazyLinear(6)))


def batch_norm() -> lb.VAE:
    return model(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)))


RIGHT: dict[str, tuple[Callable[[], lb.VAE], torch.Tensor]] = {
    "lazy layers": (lazy, X),
    "batch norm": (batch_norm, X),
    "an encoder of several": (lambda: model(FewAtOnce()), X),
    "the same values in another layout": (model, IMAGES),
    "images from a flat decoder": (lambda: model(nn.Sequential(nn.Conv2d(1, 3, 1), nn.Flatten(), nn.Linear(18, 4))), IMAGES),
    "an encoder of one's own": (lambda: model(Own(lb.nn.mlp(6, 8, 4), lambda y: y * 2)), X),
    "bounds of one's own": (lambda: model(decoder=ending(nn.Hardtanh(-9, 9))), X),
    "a clamp for an end": (lambda: model(decoder=Own(decoder(), lambda y: y.clamp(-9, 9))), X),
    "a Gaussian's mean of a sigmoid": (lambda: model(decoder=ending(nn.Sigmoid()), likelihood=lb.likelihoods.Gaussian), X),
    "a decoder that is frozen": (lambda: frozen(model()), X),
    "a point": (lambda: model(lb.nn.mlp(6, 8, 2), posterior=lb.posteriors.Dirac), X),
}


def frozen(vae: lb.VAE) -> lb.VAE:
    vae.likelihood.requires_grad_(False)
    return vae


@pytest.mark.parametrize("name", RIGHT)
def test_it_is_trained(name: str) -> None:
    make, data = RIGHT[name]
    objective = lb.objectives.Reconstruction() if name == "a point" else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lazy modules")
        vae = make()
    (record,) = lb.fit(vae, data, epochs=1, objective=objective)
    assert record.bound < 0 or record.log_likelihood > -1e9
    assert all(bool(weight.isfinite().all()) for weight in vae.parameters())


def test_the_trial_leaves_no_trace() -> None:
    vae, calls = batch_norm(), []
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    state = torch.get_rng_state()
    vae.posterior.register_forward_hook(lambda *_: calls.append(1))
    records = lb.fit(vae, X, epochs=5, batch=10)
    for part in vae.modules():
        part.train()
    from lowerbound.vae.observation import must_fit

    must_fit(vae, X)
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(part.training for part in vae.modules())
    next(records)
    once = len(calls)
    list(records)
    assert len(calls) == once + 4, "a step calls the encoder once, and nothing else does"


# --- gradients ------------------------------------------------------------------------------------------


def direct(vae: lb.VAE, x: torch.Tensor) -> torch.Tensor:
    return vae.posterior.network(x).chunk(2, 1)[0]


def test_a_latent_has_the_gradient_of_the_network_where_the_data_ask_for_one() -> None:
    vae = model()
    x, same = X.clone().requires_grad_(), X.clone().requires_grad_()
    for encode in (vae.encode, lambda data: lb.encode(vae, data)):
        (found,) = torch.autograd.grad(encode(x).square().sum(), x)
        (wanted,) = torch.autograd.grad(direct(vae, same).square().sum(), same)
        assert torch.equal(found, wanted)
    one = X[0].clone().requires_grad_()
    assert torch.allclose(torch.autograd.grad(vae.encode(one).square().sum(), one)[0], wanted[0])


def test_weights_have_theirs_where_the_caller_asks() -> None:
    vae = model()
    weights = list(vae.posterior.parameters())
    wanted = torch.autograd.grad(direct(vae, X).square().sum(), weights)
    for encode in (vae.encode, lambda data, grad: lb.encode(vae, data, grad=grad)):
        found = torch.autograd.grad(encode(X, grad=True).square().sum(), weights)
        assert all(map(torch.equal, found, wanted))
    back = vae.reconstruct(X, grad=True)
    assert torch.equal(back, torch.sigmoid(vae.likelihood.network(direct(vae, X))))
    assert all(bool(gradient.any()) for gradient in torch.autograd.grad(back.sum(), list(vae.parameters())))


def test_a_decoded_latent_has_its_gradient() -> None:
    vae = model()
    z, same = (torch.tensor([[0.3, -0.4], [1.0, 2.0]], requires_grad=True) for _ in range(2))
    for decode in (vae.decode, lambda latents: lb.decode(vae, latents)):
        (found,) = torch.autograd.grad(decode(z)[:, 0].sum(), z)
        (wanted,) = torch.autograd.grad(torch.sigmoid(vae.likelihood.network(same))[:, 0].sum(), same)
        assert torch.equal(found, wanted)
    (of_one,) = torch.autograd.grad(vae.decode(z[0])[0], z)
    assert torch.allclose(of_one[0], wanted[0])


def test_nobody_who_did_not_ask_pays_for_one() -> None:
    vae = model()
    assert not vae.encode(X).requires_grad
    assert not vae.decode(torch.zeros(3, LATENT)).requires_grad
    assert not vae.reconstruct(X).requires_grad
    with torch.no_grad():
        assert not vae.encode(X.clone().requires_grad_(), grad=True).requires_grad
    assert torch.equal(vae.encode(X), vae.encode(X, grad=True))


def test_a_draw_has_the_gradient_of_its_path() -> None:
    vae = model()
    with lb.seeding.seeded(1, "draw"):
        z = vae.encode(X, draw=True, grad=True)
    with lb.seeding.seeded(1, "draw"):
        wanted = vae.posterior(X).rsample()
    assert torch.equal(z, wanted)
    weights = list(vae.posterior.parameters())
    assert all(map(torch.equal, torch.autograd.grad(z.sum(), weights), torch.autograd.grad(wanted.sum(), weights)))
    with pytest.raises(lb.errors.UsageError, match="has no gradient in its parameters; ask for the mean"):
        vae.decode(torch.zeros(1, LATENT), draw=True, grad=True)
