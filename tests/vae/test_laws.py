"""Every member of the families of laws: it integrates to one, its draws agree with its log_prob, its shapes are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical
from toys import z_score

from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError
from lowerbound.recipes import likelihoods, posteriors, priors
from lowerbound.vae.conditional import LOG_VARIANCE, WithContext
from lowerbound.vae.likelihoods import Likelihood

SPEC = DataSpec((2,))
GIVEN = {"given-context": (3,)}  # the shape of what the one prior is given that is given something
OWN = {"pixels": "binarized", "scale": "0.3"}


def likelihood(word: str, own: dict[str, str] = OWN) -> nn.Module:
    plan = likelihoods.likelihood(word, SPEC, own)
    (values,), parameters = plan.shape((2,))
    shape = (parameters, values) if parameters > 1 else (values,)
    return plan.around(nn.Sequential(nn.Linear(3, math.prod(shape)), nn.Unflatten(1, shape))).eval()


def posterior(word: str) -> nn.Module:
    kind = posteriors.posterior(word)
    return kind(nn.Linear(4, kind.features(2)), 2)


def prior(word: str) -> nn.Module:
    made = priors.prior(word, 2, posterior_of_images(), SPEC, GIVEN.get(word, ()))
    return made.given(torch.linspace(-1, 1, 3)[None]) if isinstance(made, WithContext) else made


def posterior_of_images() -> nn.Module:
    kind = posteriors.posterior("gaussian")
    return kind(nn.Linear(2, kind.features(2)), 2)


LAWS: dict[str, Callable[[], Distribution]] = {
    **{f"prior {word}": lambda word=word: prior(word)() for word in priors.PRIORS},
    **{f"likelihood {word}": lambda word=word: likelihood(word)(torch.linspace(-1, 1, 3)[None]) for word in likelihoods.LIKELIHOODS},
    **{
        f"likelihood gaussian, σ {scale}": lambda scale=scale: likelihood("gaussian", {"scale": scale})(torch.linspace(-1, 1, 3)[None])
        for scale in likelihoods.SCALES
    },
    **{f"posterior {word}": lambda word=word: posterior(word)(torch.linspace(-1, 1, 4)[None]) for word in posteriors.POSTERIORS},
}
#: on the sphere, or at a point: not over a plane, and tested in tests/distributions
ELSEWHERE = {"prior sphere", "posterior von-mises-fisher", "posterior dirac"}


@pytest.fixture(params=[name for name in LAWS if name not in ELSEWHERE])
def law(request: pytest.FixtureRequest) -> Distribution:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        return LAWS[request.param]()


def test_no_law_is_left_out() -> None:
    assert LAWS.keys() >= ELSEWHERE


def line(values: Tensor) -> tuple[Tensor, Tensor]:
    """Points on the axis that the values, draws of a law, lie on, and the length that each stands for.

    Levels and counts are taken one by one; intervals by a substitution that makes the ends of the support far away.
    """
    steps = values * 255
    if bool(((steps - steps.round()).abs() < 1e-3).all()):
        top = 1 if bool((values <= 1).all() and len(values.unique()) == 2) else 255
        scale = 1 if top == 1 else 255
        points = torch.arange(0, max(top, int(steps.max() * 4)) + 1 if scale == 255 else 2) / scale
        points = points[points <= 1] if bool((values <= 1).all()) and scale == 255 and bool((values == 1).any()) else points
        return points, torch.ones_like(points)
    u = torch.linspace(-9, 9, 301, dtype=torch.float64)  # 4e-5 from one at most, as with 701
    middle, spread = values.median().double(), values.double().std().clamp(max=10)
    if bool((values >= 0).all() and (values <= 1).all()):
        x, slope = torch.sigmoid(1.5 * u), 1.5 * torch.sigmoid(1.5 * u) * torch.sigmoid(-1.5 * u)
    elif bool((values >= 0).all()):
        x, slope = torch.exp(1.2 * u), 1.2 * torch.exp(1.2 * u)
    else:
        x, slope = middle + spread * torch.sinh(u) / 4, spread * torch.cosh(u) / 4
    return x.float(), (slope * (u[1] - u[0])).float()


def plane(law: Distribution) -> tuple[Tensor, Tensor]:
    """Points ``(N, 2)`` that cover the support of the law, and the area that each stands for."""
    if isinstance(law, OneHotCategorical):
        return torch.eye(2), torch.ones(2)
    torch.manual_seed(7)
    x, length = line(law.sample(torch.Size([4000])).flatten())
    return torch.cartesian_prod(x, x), torch.cartesian_prod(length, length).prod(-1)


def density(law: Distribution, points: Tensor) -> Tensor:
    with torch.no_grad():
        parts = [law.log_prob(part.reshape(-1, *law.batch_shape, 2)).reshape(-1) for part in points.split(50_000)]
    return torch.cat(parts).double().exp()


def test_it_integrates_to_one(law: Distribution) -> None:
    points, area = plane(law)
    assert float((density(law, points) * area).sum()) == pytest.approx(1, abs=5e-4)


def test_its_draws_agree_with_its_density(law: Distribution) -> None:
    """Means of bounded functions and of log p(x) over draws equal those under the density, summed over the plane."""
    points, area = plane(law)
    weight = density(law, points) * area
    torch.manual_seed(0)
    with torch.no_grad():
        draws = law.sample(torch.Size([60_000]))
        for f in (lambda x: torch.sin(3 * x), lambda x: torch.cos(2 * x)):
            truth = (f(points) * weight[:, None]).sum(0) / weight.sum()
            assert z_score(f(draws).reshape(-1, 2).double(), truth) < 4.5
        scores = law.log_prob(draws).reshape(-1, 1).double()
        finite = weight > 0
        entropy = (weight[finite].log() - area[finite].log()) * weight[finite]
        if float(scores.std()) > 1e-6:  # else it is uniform, and there is nothing to compare
            assert z_score(scores, entropy.sum() / weight.sum()) < 5


def test_shapes_survive_batching_and_expand(law: Distribution) -> None:
    assert law.event_shape == (2,)
    wide = law.expand(torch.Size([3, *law.batch_shape]))
    with torch.no_grad():
        x = wide.sample(torch.Size([5]))
        assert x.shape == (5, 3, *law.batch_shape, 2)
        assert torch.allclose(wide.log_prob(x), law.log_prob(x), atol=1e-5)


#: made of modules and parents, in a type and on a device
MODULES: dict[str, Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]] = {
    **{f"prior {word}": lambda word=word: (prior(word), ()) for word in priors.PRIORS},
    **{f"likelihood {word}": lambda word=word: (likelihood(word), (torch.linspace(-1, 1, 3)[None],)) for word in likelihoods.LIKELIHOODS},
    **{f"posterior {word}": lambda word=word: (posterior(word), (torch.linspace(-1, 1, 4)[None],)) for word in posteriors.POSTERIORS},
}
OF_ZUKO = {"prior flow", "posterior flow"}


def made_of(law: Distribution) -> dict[str, Tensor]:
    """What can be had of a distribution."""
    x = law.sample(torch.Size([2]))
    found = {"draws": x, "log p": law.log_prob(x)}
    for name in ("mean", "variance"):
        with suppress(NotImplementedError):
            found[name] = getattr(law, name)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_what_it_gives_is_of_the_type_of_its_module(name: str) -> None:
    module, parents = MODULES[name]()
    if name == "prior vamp":
        module._posterior[0].double()
    law = module.double()(*(parent.double() for parent in parents))
    assert {what for what, value in made_of(law).items() if value.dtype != torch.float64} == set()


@pytest.mark.parametrize("name", sorted(MODULES.keys() - OF_ZUKO))
def test_what_it_gives_is_where_its_module_is(name: str) -> None:
    """Whatever is made without a word where goes to the default device, which here is another than the module's."""
    module, parents = MODULES[name]()
    x = torch.full((1, 2), 0.5)
    with torch.device("meta"):
        found = made_of(module(*parents))
        if isinstance(module, Likelihood):
            found["observed"] = module.observe(x)
    assert {what for what, value in found.items() if value.device.type != "cpu"} == set()


@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
def test_a_batch_of_latents_is_decoded_as_each_alone(word: str) -> None:
    made = likelihood(word)
    z = torch.randn(4, 5, 3)
    together = made(z)
    assert together.batch_shape == (4, 5)
    assert together.mean.shape == (4, 5, 2)
    assert torch.allclose(together.mean[2, 3], made(z[2, 3][None]).mean[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
def test_the_mean_is_that_of_the_draws(word: str) -> None:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(2)
        law = likelihood(word)(torch.linspace(-1, 1, 3)[None])
        assert z_score(law.sample(torch.Size([50_000])).double(), law.mean.double()) < 4.5


@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
def test_values_that_are_admitted_have_a_finite_density(word: str) -> None:
    """Those at the ends of its support too: ``low`` and ``high`` are included."""
    made = likelihood(word)
    law = made(torch.linspace(-1, 1, 3)[None])
    for value in {0.0, 0.2, 1.0, made.low, made.high} - {-math.inf, math.inf}:
        x = torch.full((1, 2), value)
        with suppress(DataError):
            made.admit(x)
            scores = law.log_prob(made.observe(x))
            assert scores.isfinite().all(), f"{value:g} is let in and has no density: set low and high, or let observe move it inside"


@pytest.mark.parametrize("word", likelihoods.LIKELIHOODS)
def test_a_wild_decoder_still_gives_finite_draws(word: str) -> None:
    plan = likelihoods.likelihood(word, SPEC, OWN)
    values, parameters = plan.shape((2,))
    shape = (50, parameters, *values) if parameters > 1 else (50, *values)
    for wild in (1e4, -1e4):
        draws = plan.around(nn.Identity()).law(torch.full(shape, wild), 1).sample()
        assert draws.isfinite().all(), f"from a network that gives {wild:g} draws are infinite: clamp what it gives, in each or law"


@pytest.mark.parametrize("word", posteriors.POSTERIORS)
def test_a_wild_network_still_gives_a_law_of_finite_density_and_gradient(word: str) -> None:
    kind = posteriors.posterior(word)
    for sign in (1, -1):
        parameters = torch.full((1, kind.features(2)), sign * 1e4, requires_grad=True)
        q = kind(nn.Identity(), 2)(parameters)
        z = q.rsample() if q.has_rsample else q.sample()
        (q.log_prob(z).sum() + z.sum()).backward()
        assert torch.isfinite(z).all()
        assert parameters.grad is None or torch.isfinite(parameters.grad).all()


def test_the_bound_on_scales_is_the_documented_one() -> None:
    q = posteriors.POSTERIORS["gaussian"].find()(nn.Identity(), 1)(torch.tensor([[0.0, -99.0], [0.0, 99.0]]))
    assert torch.allclose(q.stddev.log() * 2, torch.tensor([[LOG_VARIANCE[0]], [LOG_VARIANCE[1]]]))


def test_a_flow_leaves_torchs_validation_as_it_was() -> None:
    posterior("flow")
    with pytest.raises(ValueError, match="parameter scale"):
        torch.distributions.Normal(0.0, -1.0)


@pytest.mark.parametrize("word", ["gaussian", "full-gaussian", "flow"])
def test_a_vamp_prior_is_the_mean_of_posteriors_of_any_kind(word: str) -> None:
    kind = posteriors.posterior(word)
    encoder = kind(nn.Linear(2, kind.features(2)), 2)
    made, z = priors.prior("vamp:3", 2, encoder, SPEC), torch.randn(5, 4, 2)
    each = torch.stack([encoder(made.inputs[k : k + 1].sigmoid()).log_prob(z) for k in range(3)])
    assert torch.allclose(made().log_prob(z), each.logsumexp(0) - math.log(3), atol=1e-5)


def test_a_vamp_prior_shares_the_encoder_and_saves_it_once() -> None:
    encoder = posterior_of_images()
    made = priors.prior("vamp:3", 2, encoder, SPEC)
    assert list(made.state_dict()) == ["inputs"]
    before = made().log_prob(torch.zeros(2))
    with torch.no_grad():
        encoder.network.bias += 1
    assert not torch.equal(made().log_prob(torch.zeros(2)), before)
