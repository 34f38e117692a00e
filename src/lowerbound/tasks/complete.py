"""Data with holes: draws from p(x_missing | x_observed), by three methods that differ in how they come to p(z | x_observed).

Given z the missing values are as independent of the observed ones as of one another, so that all there is to find are latents that
stand for p(z | x_observed) ∝ p(x_observed|z) p(z). The encoder has never seen a hole: what it says of an example that was filled in is a
proposal, and only pseudo-Gibbs takes it for the truth. A model that is given what was observed has learned p(z | x_observed), and needs
no method. One example at a time, its noise that of (seed, its row).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, labels_of
from lowerbound.errors import DataError, UsageError, nearest
from lowerbound.evaluation import log_likelihood as density
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import key, seeded
from lowerbound.tasks.latent_inference import SAMPLES, Latents, few_of, from_prior, importance, moments, must_suffice, of_prior, room
from lowerbound.vae.contexts import Observed
from lowerbound.vae.likelihoods.base import at_hand
from lowerbound.vae.model import Model
from lowerbound.vae.observation import observe

COMPLETIONS = 8
#: steps of pseudo-Gibbs that lead to each guess at the whole example, before importance sampling begins
LOOKS = 10
#: the part of a chain's steps that are pseudo-Gibbs's before Metropolis has its say, and the part that count at its end
WARM_UP, COUNTED = 0.2, 0.5


@dataclass(frozen=True)
class Completions:
    """n completions of N data, on the CPU, and what they are on average; observed values are as they were.

    The shapes are ``(n, N, *event)``, ``(N, *event)`` and ``(N,)``; of one example that came without a batch axis they have no N.
    ``values`` are means of p(x|z), or draws from it, at n draws of z. ``mean`` and ``spread`` are what the mean and the standard deviation
    of ever more of them would be, by all draws of z: E[x|x_observed], and √Var(E[x|z]), or of draws √(E[Var(x|z)] + Var(E[x|z])); the
    spread of an observed value is 0.
    ``ess`` is how many independent draws of z the weighted ones are worth, ``acceptance`` the share of proposals that Metropolis accepted
    (1 for pseudo-Gibbs, which asks nobody); NaN where a method has no such figure.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (6,)).vae
    >>> observed = torch.tensor([[True, True, True, False, False, False]])
    >>> found = lb.tasks.complete.complete(vae, torch.ones(1, 6), observed, n=4, samples=100)
    >>> found.values.shape, found.mean.shape, found.spread[0, :3].tolist(), found.ess.shape  # no spread where a value is known
    (torch.Size([4, 1, 6]), torch.Size([1, 6]), [0.0, 0.0, 0.0], torch.Size([1]))
    """

    values: Float[Tensor, "n *N_event"]
    mean: Float[Tensor, "*N_event"]
    spread: Float[Tensor, "*N_event"]
    ess: Float[Tensor, "*N"]
    acceptance: Float[Tensor, "*N"]


@torch.no_grad()
def complete(
    vae: Model,
    data: Source,
    observed: Bool[Tensor, "*N_event"],
    n: int = COMPLETIONS,
    *,
    method: str | None = None,
    samples: int = SAMPLES,
    draw: bool = False,
    memory: int = density.MEMORY,
    seed: int = 0,
) -> Completions:
    """n completions of each example, whose values are looked at only where ``observed`` and not NaN; of none, it is a sample of p(x).

    ``method`` is a row of ``METHODS``, the first one by default. A model given what was observed has none: z is drawn from its p(z|c), x
    from its p(x|z, c), which is exact under the model. ``samples`` draws of z are made for each example: importance sampling weighs all of
    them, the n chains of the others share them. ``draw`` draws x from p(x|z) instead of taking its mean. Grey values that the likelihood
    binarizes are binarized once, and come back grey. ``memory`` is in bytes, besides the data and what is returned.

    Errors: DataError where nothing is missing, or the likelihood cannot be a law of these data; UsageError for an unknown method, for
    fewer samples than completions or too little memory; RecipeError where q has no density, and where given z values are not independent.

    >>> import torch
    >>> import lowerbound as lb
    >>> decoder, encoder = torch.nn.Linear(1, 2, bias=False), lb.nn.mlp(2, 2)
    >>> _ = torch.nn.init.ones_(decoder.weight)  # x₁ and x₂ are z + ε, σ of ε being 1
    >>> likelihood, posterior = lb.likelihoods.Gaussian(decoder, scale=1.0), lb.posteriors.DiagonalGaussian(encoder)
    >>> vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, posterior)
    >>> x, observed = torch.tensor([[1.0, 0.0]]), torch.tensor([[True, False]])
    >>> found = lb.tasks.complete.complete(vae, x, observed, samples=20_000)
    >>> found.mean.round(decimals=1).tolist()  # E[x₂|x₁] = x₁/2
    [[1.0, 0.5]]
    """
    way, examples = _way(vae, method), vae.examples(data)
    data, observed = examples.rows, observed[None] if examples.alone else observed
    must_suffice(samples, n, "completions")
    observed = observed & ~data[torch.arange(len(data))].isnan()
    if bool(observed.all()):
        raise DataError("nothing is missing in these data; say which part is")
    holed = _Holed(data, observed, torch.nan if vae.likelihood.holes else 0.0)
    vae = in_evaluation(vae)
    found = [_completed(_Example.read(vae, holed, row, memory, seed), way, n, samples, draw) for row in range(len(data))]
    axes = {field.name: int(field.name == "values") for field in fields(Completions)}
    whole = Completions(**{name: torch.cat([getattr(one, name) for one in found], axis) for name, axis in axes.items()})
    return Completions(**{name: getattr(whole, name).select(axis, 0) for name, axis in axes.items()}) if examples.alone else whole


def _way(vae: Model, method: str | None) -> Method:
    if isinstance(vae.context, Observed):
        if method is not None:
            raise UsageError("a model given what was observed draws what is missing from its own law of that; leave out the method")
        return _given
    if vae.context is not None and vae.context.of_values:
        raise UsageError("what this model is given says something of the missing part; take one given observed, or nothing")
    method = next(iter(METHODS)) if method is None else method
    if method not in METHODS:
        raise UsageError(f"unknown method '{method}'{nearest(method, METHODS)}")
    return METHODS[method]


@dataclass(frozen=True)
class _Holed:
    """Data without what is missing in them: NaN for a model of holes, else a 0, which every likelihood can see, and none scores."""

    data: Rows
    observed: Tensor
    blank: float

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self.data[rows].where(self.observed[rows], self.blank)

    @property
    def labels(self) -> Int64[Tensor, " N"] | None:
        """Those of the data."""
        return labels_of(self.data, torch.arange(len(self.data)))


@dataclass(frozen=True)
class _Example:
    """One example: its values, and x, these as the likelihood sees them; the model given its context; what fits into memory."""

    vae: Model
    values: Float[Tensor, "1 *event"]
    x: Float[Tensor, "1 *event"]
    observed: Bool[Tensor, "1 *event"]
    decoded: int  # draws of z
    chains: int
    seed: int  # of its noise

    @classmethod
    def read(cls, vae: Model, data: _Holed, row: int, memory: int, seed: int) -> _Example:
        """One row of the data."""
        rows = torch.tensor([row])
        vae.likelihood.admit(data[rows])
        seen = observe(vae, data, rows, seed)
        given, x = seen.vae, seen.x
        observed = data.observed[rows].to(x.device)
        given = given.given(vae.context.part(x, observed)) if isinstance(vae.context, Observed) else given
        return cls(given, data[rows], x, observed, *room(given, x, memory), key(seed, row))

    def noise(self) -> AbstractContextManager[None]:
        """Within the block random numbers are this example's, whichever others are completed with it."""
        return seeded(self.seed, "complete", device=self.x.device)

    def log_likelihood(self, z: Float[Tensor, "K C d"]) -> Float[Tensor, "K C"]:
        """log p(x_observed|z), nats."""
        x, observed = (part.expand(z.shape[1], *part.shape[1:]) for part in (self.x, self.observed))
        return self.vae.log_likelihood(x, z, observed)

    def law(self, z: Float[Tensor, "C d"]) -> Distribution:
        """p(x|z), by what is observed where it takes something of that."""
        return at_hand(self.vae.likelihood(z), self.x, self.observed)

    def filled(self, z: Float[Tensor, "C d"]) -> Float[Tensor, "C *event"]:
        """The example, what is missing drawn from p(x_missing|z)."""
        drawn = self.law(z).sample()
        return self.x.where(self.observed, drawn.reshape(len(z), *self.x.shape[1:]))

    def guesses(self, n: int) -> Float[Tensor, "n *event"]:
        """The example filled in, n times, by pseudo-Gibbs."""
        for state in _chain(self, n, LOOKS, LOOKS):
            x = state.x
        return x

    def moments(self, z: Float[Tensor, "k d"]) -> tuple[Float[Tensor, "k *event"], Float[Tensor, "k *event"]]:
        """Mean and variance of p(x|z)."""
        law = self.law(z)
        return law.mean, law.variance


def _completed(example: _Example, method: Method, n: int, samples: int, draw: bool) -> Completions:
    few = few_of(example.decoded, example.x.numel())
    with example.noise():
        found = method(example, n, samples)
        chosen = torch.cat([example.vae.decode(z, draw, x=example.x, observed=example.observed) for z in found.chosen.split(few)])
        mean, spread = moments(found, example.moments, few, draw)
    given, seen = example.values, example.observed.cpu()
    values = given.where(seen, chosen.cpu().reshape(n, *given.shape[1:]))[:, None]
    mean, spread = given.where(seen, mean.reshape(given.shape)), spread.reshape(given.shape).where(~seen, 0.0)
    return Completions(values, mean, spread, torch.tensor([found.ess]), torch.tensor([found.acceptance]))


# --- latents that stand for p(z | x_observed) --------------------------------------------------------


def _given(example: _Example, n: int, samples: int) -> Latents:
    """Draws of p(z | x_observed), which the model has learned."""
    return of_prior(example.vae, n, samples)


def _gibbs(example: _Example, n: int, samples: int) -> Latents:
    """Pseudo-Gibbs: z ~ q(z|x), x_missing ~ p(x_missing|z), and again. As wrong as q is.

    Source: Rezende, Mohamed and Wierstra, "Stochastic Backpropagation and Approximate Inference in Deep Generative Models", 2014,
    https://arxiv.org/abs/1401.4082 (appendix F).
    """
    return _by_chains(example, n, samples // n, warm_up=1.0)


def _metropolis(example: _Example, n: int, samples: int) -> Latents:
    """Metropolis within Gibbs: z' ~ q(z|x) is a proposal, taken with the probability that makes p(z, x_missing | x_observed) stay.

    It is min(1, p(x|z') p(z') q(z|x) / (p(x|z) p(z) q(z'|x))). Exact as chains grow, whatever the encoder; a first part is pseudo-Gibbs.
    Source: Mattei and Frellsen, "Leveraging the Exact Likelihood of Deep Latent Variable Models", 2018, https://arxiv.org/abs/1802.04826.
    """
    return _by_chains(example, n, samples // n, warm_up=WARM_UP)


Method = Callable[[_Example, int, int], Latents]
METHODS: dict[str, Method] = {"importance": importance, "gibbs": _gibbs, "metropolis": _metropolis}


def _by_chains(example: _Example, n: int, steps: int, warm_up: float) -> Latents:
    """n chains of so many steps, the later of which count; the last of each is a draw."""
    counted, chosen, accepted = [], [], []
    for chains in torch.arange(n).split(example.chains):
        for step, state in enumerate(_chain(example, len(chains), steps, round(warm_up * steps))):
            if step >= steps - max(1, round(COUNTED * steps)):
                counted.append(state.z)
                accepted.append(state.accepted)
        chosen.append(state.z)
    z = torch.cat(counted)
    weight = torch.full((len(z),), 1 / len(z), dtype=torch.double)
    return Latents(z, weight, torch.cat(chosen), acceptance=float(torch.cat(accepted).float().mean()))


@dataclass(frozen=True)
class _State:
    """Where C chains are: latents, and the example filled in by them; and whether they took what was last proposed."""

    z: Float[Tensor, "C d"]
    x: Float[Tensor, "C *event"]
    accepted: Bool[Tensor, " C"]


def _chain(example: _Example, n: int, steps: int, warm_up: int) -> Iterator[_State]:
    """n chains from draws of p(z), pseudo-Gibbs at first and then Metropolis within Gibbs."""
    z = from_prior(example.vae, n)
    state = _State(z, example.filled(z), torch.ones(n, dtype=torch.bool, device=z.device))
    for step in range(steps):
        posterior = example.vae.posterior(state.x)
        proposed = posterior.sample()
        accepted = state.accepted.new_ones(n) if step < warm_up else _accepted(example.vae, state, posterior, proposed)
        z = proposed.where(accepted[:, None], state.z)
        state = _State(z, example.filled(z), accepted)
        yield state


def _accepted(vae: Model, state: _State, posterior: Distribution, proposed: Float[Tensor, "C d"]) -> Bool[Tensor, " C"]:
    density.must_have_density(posterior)
    both = torch.stack([proposed, state.z])
    to, fro = vae.log_likelihood(state.x, both) + vae.prior().log_prob(both) - posterior.log_prob(both)
    return torch.rand_like(to).log() < to - fro
