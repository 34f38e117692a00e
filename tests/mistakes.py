"""Mistakes that a person makes in Python, and what is said of each; as a program it makes them all and prints what was said.

That is a process of its own since in this one the types of arguments are checked by others, for the tests' sake.
"""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lowerbound as lb
from lowerbound.errors import LowerboundError
from lowerbound.training.processes import ProcessGroup

D = 6
X = torch.rand(20, D, generator=torch.Generator().manual_seed(0))


def model(encoder: nn.Module | None = None) -> lb.VAE:
    with lb.seeding.seeded(0, "mistakes"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(2),
            likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 8, D)),
            posterior=lb.posteriors.DiagonalGaussian(encoder or lb.nn.mlp(D, 8, 4)),
        )


def fit(vae: Any, data: Any = X, **given: Any) -> list[Any]:
    return list(lb.fit(vae, data, **{"epochs": 1, **given}))


class Own(nn.Module):
    """An encoder of one's own that gives whatever."""

    def __init__(self, last: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(D, 4), last

    def forward(self, x: Tensor) -> Any:
        return self.last(self.layer(x))


def with_norm() -> lb.VAE:
    with lb.seeding.seeded(1, "mistakes"):
        return model(nn.Sequential(nn.Linear(D, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)))


def of_a_copy() -> None:
    vae = model()
    state = lb.State.new(vae, 0)
    fit(copy.deepcopy(vae), state=state)


def doubled_since() -> None:
    vae = model()
    state = lb.State.new(vae, 0)
    fit(vae, state=state)
    fit(vae.double(), state=state, epochs=2)


def compiled_as_a_whole() -> None:
    fit(torch.compile(model(), backend="eager"))


def within_inference_mode() -> None:
    with torch.inference_mode():
        fit(model())


def rate(value: Any) -> None:
    lb.Adam(model().parameters(), value)


NETWORK = lb.nn.mlp(D, 8, 4)
OF_FIT: dict[str, tuple[dict[str, Any], str]] = {
    **{
        f"batch {value!r}": ({"batch": value}, f"batch must be a whole number of 1 or more, not {value!r}")
        for value in (0, -1, 1.5, "16", True)
    },
    "no batch": ({"batch": None}, "batch must be a whole number of 1 or more, not None"),
    "half an epoch": ({"epochs": 1.5}, "epochs must be a whole number of 0 or more, not 1.5"),
    "epochs before the start": ({"epochs": -1}, "epochs must be a whole number of 0 or more, not -1"),
    "epochs that are none": ({"epochs": math.nan}, "epochs must be a whole number of 0 or more, not nan"),
    "epochs in letters": ({"epochs": "2"}, "epochs must be a whole number of 0 or more, not '2'"),
    "a seed of a float": ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
    "no seed": ({"seed": None}, "seed must be a whole number, not None"),
    "clipped to nothing": ({"clip": 0}, "clip must be a number above 0, not 0"),
    "clipped to NaN": ({"clip": math.nan}, "clip must be a number above 0, not nan"),
    "all steps skipped": ({"skip": 0}, "skip must be a number above 0, not 0"),
    "a number for a schedule": ({"rate": 0.1}, "rate must be one like lb.schedules.Cosine(…), a factor at each epoch, not 0.1"),
    "the name of an objective": ({"objective": "elbo"}, "objective must be one like lb.objectives.ELBO(), not 'elbo'"),
    "the class of an objective": ({"objective": lb.objectives.ELBO}, "not the class ELBO itself; make one, ELBO(…)"),
    "the name of an estimator": ({"estimator": "pathwise"}, "estimator must be one like lb.estimators.Pathwise(), not 'pathwise'"),
    "the class of an estimator": ({"estimator": lb.estimators.Pathwise}, "not the class Pathwise itself; make one, Pathwise(…)"),
    "a number for a state": ({"state": 3}, "state must be one like lb.State.new(vae, seed), not 3"),
    "the name of a type": ({"products": "bfloat16"}, "products must be one like torch.float32, not 'bfloat16'"),
    "a number of processes": ({"group": 2}, "group must be one like that of training.processes.joined, not 2"),
}
MADE: dict[str, tuple[Callable[[], object], str]] = {
    "all frozen": (lambda: fit(model().requires_grad_(False)), "no weight of the model is to be trained: all are frozen"),
    "a state of a copy": (of_a_copy, "the optimizer of this state has no weight of this model, as after a copy of it"),
    "doubled since": (doubled_since, "the optimizer remembers torch.float32 of weights that are torch.float64 now"),
    "doubles and floats": (
        lambda: fit(model().double(), lb.data.dataset_of(X)),
        "the encoder has weights of torch.float64 and is given torch.float32",
    ),
    "called": (lambda: model()(X), "a model is not called: vae.encode(x) gives latents"),
    "in parallel": (lambda: fit(nn.DataParallel(model())), "give the model itself, .module"),
    "in parallel, called": (lambda: nn.DataParallel(model())(X), "a model is not called"),
    "compiled as a whole": (compiled_as_a_whole, "torch.compile takes networks, not the model"),
    "inference mode": (within_inference_mode, "within torch.inference_mode() cannot be trained"),
    "a network": (lambda: fit(NETWORK), "the model must be one like lb.VAE(prior, likelihood, posterior), not a Sequential"),
    "a network scored": (lambda: lb.mean_bound(NETWORK, X), "not a Sequential"),
    "log p(x) of a network": (lambda: lb.log_likelihood(NETWORK, X, samples=2), "not a Sequential"),
    "evaluated": (lambda: lb.evaluate(NETWORK, X), "not a Sequential"),
    "regretted": (lambda: lb.likelihood_regret(NETWORK, X), "not a Sequential"),
    "encoded": (lambda: lb.encode(NETWORK, X), "not a Sequential"),
    "decoded": (lambda: lb.decode(NETWORK, X), "not a Sequential"),
    "a network for a posterior": (
        lambda: lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli(lb.nn.mlp(2, D)), NETWORK),
        "the posterior must be one like lb.posteriors.DiagonalGaussian(network), not a Sequential alone; put one around it",
    ),
    "in another order": (
        lambda: lb.VAE(lb.priors.StandardNormal(2), lb.posteriors.DiagonalGaussian(NETWORK), lb.likelihoods.Bernoulli(lb.nn.mlp(2, D))),
        "not a DiagonalGaussian; the order is prior, likelihood, posterior",
    ),
    "a distribution for a prior": (
        lambda: lb.VAE(
            torch.distributions.Normal(0, 1), lb.likelihoods.Bernoulli(lb.nn.mlp(2, D)), lb.posteriors.DiagonalGaussian(NETWORK)
        ),
        "not the distribution Normal itself; a module whose forward() returns it will do",
    ),
    "a class for a likelihood": (
        lambda: lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli, lb.posteriors.DiagonalGaussian(NETWORK)),
        "not the class Bernoulli itself; make one, Bernoulli(…)",
    ),
    "no network": (lambda: lb.likelihoods.Bernoulli(None), "the decoder must be a torch.nn.Module"),
    "a pair": (
        lambda: fit(model(Own(lambda y: y.chunk(2, 1)))),
        "the encoder gives a tuple, and what is wanted is one tensor",
    ),
    "nothing": (lambda: fit(model(Own(lambda y: None))), "the encoder gives a NoneType, and what is wanted is one tensor"),
    "no draws": (lambda: lb.objectives.ELBO(samples=0), "samples of an objective must be a whole number of 1 or more, not 0"),
    "half a draw": (lambda: lb.objectives.IWAE(1.5), "not 1.5"),
    "a number for a schedule of β": (lambda: lb.objectives.ELBO(beta=4.0), "for one number give lb.schedules.Constant(4)"),
    "draws in letters": (
        lambda: lb.log_likelihood(model(), X, samples="3"),
        "the number of samples must be a whole number, not '3'",
    ),
    "scored by none at once": (lambda: lb.mean_bound(model(), X, batch=0), "batch must be a whole number of 1 or more, not 0"),
    "samples before the first": (lambda: model().sample(-1), "n must be a whole number of 0 or more, not -1"),
    "no latent": (lambda: lb.priors.StandardNormal(0), "the size of a prior must be a whole number of 1 or more, not 0"),
    "half a latent": (lambda: lb.priors.StandardNormal(2.5), "not 2.5"),
    "a latent in letters": (lambda: lb.priors.GaussianMixture("2"), "not '2'"),
    "a Gamma's rate": (lambda: lb.priors.Gamma(2, 1.0, -1.0), "b must be a number above 0, not -1"),
    "no width": (lambda: lb.nn.mlp(0, 8, 4), "a width must be a whole number of 1 or more, not 0"),
    "one width": (lambda: lb.nn.mlp(4), "mlp takes the width of its input"),
    "σ in letters": (lambda: lb.likelihoods.Gaussian(NETWORK, scale=".1"), "σ must be a positive number, not '.1'"),
    "α in letters": (lambda: lb.objectives.Renyi("a"), "α must be at least 0 and below 1, not 'a'"),
    "a temperature in letters": (lambda: lb.estimators.Relaxed("1"), "the temperature must be a positive number, not '1'"),
    "latents in letters": (lambda: model().decode("a"), "latents must be numbers (…, d), not 'a'"),
    "a rate of NaN": (lambda: rate(math.nan), "the learning rate must be a number of 0 or more, not nan"),
    "a rate below 0": (lambda: rate(-1), "not -1"),
    "a rate in letters": (lambda: rate("1e-3"), "not '1e-3'"),
    "nothing to train": (lambda: lb.Adam([]), "there are no weights to train"),
    "a shape of a number": (lambda: lb.build(lb.Recipe(), 6), "the shape of an example must be one like (1, 28, 28), not 6"),
    "a word that is None": (lambda: lb.Recipe(likelihood=None), "likelihood must be str, not None"),
    "the name of a run": (lambda: lb.report("runs/d"), "run must be one like lb.load('runs/mine'), not 'runs/d'"),
    "no folder": (lambda: lb.load(None), "folder must be one like 'runs/mine', not None"),
    "words for a recipe": (
        lambda: lb.Experiment.begin({}, "runs/d"),
        "recipe must be one like lb.Recipe(data='digits'), not {}",
    ),
    "one with batch norm": (lambda: fit(with_norm(), batch=1), "is given one example alone, of which there is no variance"),
    "batch norm in two processes": (lambda: fit(with_norm(), group=ProcessGroup(0, 2)), "batch norm looks at a batch as a whole"),
    "a generator": (lambda: fit(model(), (x for x in X)), "give examples in turn alone; write them once"),
}

#: whole numbers, of any type that has them
ALIKE: list[dict[str, Any]] = [
    {"batch": np.int64(8)},
    {"batch": 8.0},
    {"epochs": np.int32(1)},
    {"epochs": 1.0},
    {"seed": np.int64(3)},
    {"seed": torch.tensor(3)},
]


def weights(vae: lb.VAE) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in vae.parameters()])


def said(act: Callable[[], object]) -> str | None:
    """The words of an error of ours; what is another's is one that is named."""
    try:
        act()
    except LowerboundError as error:
        return str(error)
    except Exception as error:
        return f"a traceback: {type(error).__name__}: {error}"
    return None


def said_of_fit(given: dict[str, Any]) -> str | None:
    vae = model()
    before = weights(vae).clone()
    words = said(lambda: fit(vae, **given))
    return words if torch.equal(weights(vae), before) else f"the weights were changed, and {words}"


def trained(given: dict[str, Any]) -> Tensor:
    vae = model()
    fit(vae, **{"batch": 8, "seed": 3, **given})
    return weights(vae)


if __name__ == "__main__":
    found = {name: said_of_fit(given) for name, (given, _) in OF_FIT.items()} | {name: said(act) for name, (act, _) in MADE.items()}
    wanted = trained({})
    sys.stdout.write(json.dumps({"said": found, "alike": [torch.equal(trained(given), wanted) for given in ALIKE]}))
