"""Data with holes: draws from p(x_missing | x_observed), by three methods that differ in how they come to p(z | x_observed).

Given z the missing values are as independent of the observed ones as of one another, so that all there is to find are latents that
stand for p(z | x_observed) ∝ p(x_observed|z) p(z). The encoder has never seen a hole: what it says of a datum that was filled in is a
proposal, and only pseudo-Gibbs takes it for the truth. One datum at a time, its noise that of (seed, its row).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int64
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound import density, proposals
from lowerbound.errors import DataError, UsageError, nearest
from lowerbound.footprint import bytes_each, how_many
from lowerbound.model import VAE, Rows, labels_of
from lowerbound.seeding import key, seeded

COMPLETIONS = 8
#: draws of z for each datum
SAMPLES = 2_000
#: ways in which the holes are filled for the encoder, and for each a mode sought, before importance sampling begins
GUESSES = 10
#: steps of pseudo-Gibbs that lead to each
LOOKS = 10
#: the part of a chain's steps that are pseudo-Gibbs's before Metropolis has its say, and the part that count at its end
WARM_UP, COUNTED = 0.2, 0.5
#: values of x whose mean and variance are found at once: those of a mixture of levels take a thousand numbers each
VALUES = 2**15


@dataclass(frozen=True)
class Completions:
    """n completions of N data, on the CPU, and what they are on average; observed values are as they were.

    ``values`` are means of p(x|z), or draws from it, at n draws of z. ``mean`` and ``spread`` are what the mean and the standard deviation
    of ever more of them would be, by all draws of z: E[x|x_observed], and √Var(E[x|z]), or of draws √(E[Var(x|z)] + Var(E[x|z])); the
    spread of an observed value is 0.
    ``ess`` is how many independent draws of z the weighted ones are worth, ``acceptance`` the share of proposals that Metropolis accepted
    (1 for pseudo-Gibbs, which asks nobody); NaN where a method has no such figure.
    """

    values: Float[Tensor, "n N *event"]
    mean: Float[Tensor, "N *event"]
    spread: Float[Tensor, "N *event"]
    ess: Float[Tensor, " N"]
    acceptance: Float[Tensor, " N"]


@torch.no_grad()
def complete(
    vae: VAE,
    data: Rows,
    observed: Bool[Tensor, "N *event"],
    n: int = COMPLETIONS,
    *,
    method: str = "importance",
    samples: int = SAMPLES,
    draw: bool = False,
    memory: int = density.MEMORY,
    seed: int = 0,
) -> Completions:
    """n completions of each datum, whose values are looked at only where they are ``observed``; of none, it is a sample of p(x).

    ``method`` is a row of ``METHODS``. ``samples`` draws of z are made for each datum: importance sampling weighs all of them, the n
    chains of the others share them. ``draw`` draws x from p(x|z) instead of taking its mean. Grey values that the likelihood binarizes
    are binarized once, and come back grey. ``memory`` is in bytes, besides the data and what is returned.

    Errors: DataError where nothing is missing, or the likelihood cannot be a law of these data; UsageError for an unknown method, for
    fewer samples than completions or too little memory; RecipeError where q has no density, and where given z values are not independent.
    """
    if method not in METHODS:
        raise UsageError(f"unknown method '{method}'{nearest(method, METHODS)}")
    if not 1 <= n <= samples:
        raise UsageError(f"{n:,} completions need as many samples or more, and at least one of each; there are {samples:,} samples")
    if bool(observed.all()):
        raise DataError("nothing is missing in these data; say which part is")
    holed = _Holed(data, observed, torch.nan if vae.likelihood.holes else 0.0)
    with vae.evaluating():
        found = [_completed(_Datum.read(vae, holed, row, memory, seed), METHODS[method], n, samples, draw) for row in range(len(data))]
    axes = {field.name: int(field.name == "values") for field in fields(Completions)}
    return Completions(**{name: torch.cat([getattr(one, name) for one in found], axis) for name, axis in axes.items()})


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
class _Datum:
    """One datum: its values, and x, these as the likelihood sees them; the model given its context; what fits into memory."""

    vae: VAE
    values: Float[Tensor, "1 *event"]
    x: Float[Tensor, "1 *event"]
    observed: Bool[Tensor, "1 *event"]
    decoded: int  # draws of z
    chains: int
    seed: int  # of its noise

    @classmethod
    def read(cls, vae: VAE, data: _Holed, row: int, memory: int, seed: int) -> _Datum:
        """One row of the data."""
        given, x = density.observed(vae, data, [row], seed)
        z = torch.zeros(1, *given.prior().event_shape, device=x.device)
        decoding = bytes_each(given.likelihood.network, *given.likelihood.inputs(z))
        encoding = bytes_each(given.posterior.network, *given.posterior.inputs(x))
        decoded = how_many(memory // 2, decoding, "decoding a draw", most=max(1, density.VALUES // x.numel()))
        # the search for modes keeps every layer's output for its gradients and theirs, and tries several lengths of a step at once
        chains = how_many(memory // 4, encoding + 8 * decoding, "a chain")
        rows = torch.tensor([row])
        return cls(given, data[rows], x, data.observed[rows].to(x.device), decoded, chains, key(seed, row))

    def noise(self) -> AbstractContextManager[None]:
        """Within the block random numbers are this datum's, whichever others are completed with it."""
        return seeded(self.seed, "complete", device=self.x.device)

    def log_likelihood(self, z: Float[Tensor, "K C d"]) -> Float[Tensor, "K C"]:
        """log p(x_observed|z), nats."""
        x, observed = (part.expand(z.shape[1], *part.shape[1:]) for part in (self.x, self.observed))
        return self.vae.log_likelihood(x, z, observed)

    def filled(self, z: Float[Tensor, "C d"]) -> Float[Tensor, "C *event"]:
        """The datum, what is missing drawn from p(x_missing|z)."""
        drawn = self.vae.likelihood(z).sample()
        return self.x.where(self.observed, drawn.reshape(len(z), *self.x.shape[1:]))

    def from_prior(self, n: int) -> Float[Tensor, "n d"]:
        """Draws of p(z)."""
        return self.vae.prior().sample(Size([n])).reshape(n, -1)


def _completed(datum: _Datum, method: Method, n: int, samples: int, draw: bool) -> Completions:
    with datum.noise():
        found = method(datum, n, samples)
        chosen = torch.cat([datum.vae.decode(z, draw) for z in found.chosen.split(_few(datum))])
        mean, spread = _moments(datum, found, draw)
    given, seen = datum.values, datum.observed.cpu()
    values = given.where(seen, chosen.cpu().reshape(n, *given.shape[1:]))[:, None]
    mean, spread = given.where(seen, mean.reshape(given.shape)), spread.reshape(given.shape).where(~seen, 0.0)
    return Completions(values, mean, spread, torch.tensor([found.ess]), torch.tensor([found.acceptance]))


def _few(datum: _Datum) -> int:
    return min(datum.decoded, max(1, VALUES // datum.x.numel()))


def _moments(datum: _Datum, found: _Latents, draw: bool) -> tuple[Float[Tensor, " *event"], Float[Tensor, " *event"]]:
    """Mean and standard deviation of E[x|z], or of a ``draw`` of x, over the weighted latents."""
    few = _few(datum)
    mean = square = torch.zeros((), dtype=torch.double)
    for z, weight in zip(found.z.split(few), found.weight.split(few), strict=True):
        law = datum.vae.likelihood(z)
        each = law.mean.cpu().double()
        mean = mean + torch.tensordot(weight, each, 1)
        square = square + torch.tensordot(weight, each.square() + (law.variance.cpu().double() if draw else 0.0), 1)
    return mean.float(), (square - mean.square()).clamp(min=0).sqrt().float()


# --- latents that stand for p(z | x_observed) --------------------------------------------------------


@dataclass(frozen=True)
class _Latents:
    """M weighted latents whose weights, on the CPU, add up to 1, and n draws."""

    z: Float[Tensor, "M d"]
    weight: Float[Tensor, " M"]
    chosen: Float[Tensor, "n d"]
    ess: float = torch.nan
    acceptance: float = torch.nan


def _importance(datum: _Datum, n: int, samples: int) -> _Latents:
    """Draws of a mixture r weighted by p(x_observed|z) p(z)/r(z), and n of them drawn anew by their weights.

    r is that of ``proposals`` around each of several guesses at the whole datum, where p(z | x_observed) may have a part of its own: q
    of the datum so filled in, two normals at the mode that is uphill from there, and the prior. Exact as ``samples`` grows, whatever
    the encoder.

    Source: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633 (q alone as proposal); Rubin, "Using the SIR algorithm to simulate posterior distributions", 1988.
    """
    prior = datum.vae.prior()
    around = _around(datum, prior, samples)
    z = torch.cat([law.sample(Size([each])).reshape(each * laws, -1) for law, laws, each in around])
    parts = [law.log_prob(z[:, None].expand(-1, laws, -1)) + math.log(each / len(z)) for law, laws, each in around]
    log_likelihood = torch.cat([datum.log_likelihood(few[:, None])[:, 0] for few in z.split(datum.decoded)])
    log_w = log_likelihood + prior.log_prob(z) - torch.cat(parts, 1).logsumexp(1)
    weight = log_w.cpu().double().nan_to_num(nan=-torch.inf).softmax(0)
    return _Latents(z, weight, z[proposals.resampled(weight, n).to(z.device)], ess=1 / float(weight.square().sum()))


def _around(datum: _Datum, prior: Distribution, samples: int) -> list[tuple[Distribution, int, int]]:
    """Laws of z in batches, how many are in each batch, and how many draws each law of it gives."""
    guesses = min(GUESSES, datum.chains)
    for state in _chain(datum, guesses, LOOKS, LOOKS):
        x = state.x
    posterior = datum.vae.posterior(x)
    density.must_have_density(posterior)
    counts = proposals.shares(prior, samples)
    laws = {"posterior": (posterior, guesses), "prior": (prior, 1)}
    if "mode" in counts:
        mode = proposals.find_mode(lambda z: datum.log_likelihood(z) + prior.log_prob(z), datum.vae.posterior.centre(posterior))
        laws |= {"mode": (mode.law(slice(None)), guesses), "wide": (mode.law(slice(None), widening=2.0), guesses)}
    return [(law, size, max(1, counts[name] // size)) for name, (law, size) in laws.items() if name in counts]


def _gibbs(datum: _Datum, n: int, samples: int) -> _Latents:
    """Pseudo-Gibbs: z ~ q(z|x), x_missing ~ p(x_missing|z), and again. As wrong as q is.

    Source: Rezende, Mohamed and Wierstra, "Stochastic Backpropagation and Approximate Inference in Deep Generative Models", 2014,
    https://arxiv.org/abs/1401.4082 (appendix F).
    """
    return _by_chains(datum, n, samples // n, warm_up=1.0)


def _metropolis(datum: _Datum, n: int, samples: int) -> _Latents:
    """Metropolis within Gibbs: z' ~ q(z|x) is a proposal, taken with the probability that makes p(z, x_missing | x_observed) stay.

    It is min(1, p(x|z') p(z') q(z|x) / (p(x|z) p(z) q(z'|x))). Exact as chains grow, whatever the encoder; a first part is pseudo-Gibbs.
    Source: Mattei and Frellsen, "Leveraging the Exact Likelihood of Deep Latent Variable Models", 2018, https://arxiv.org/abs/1802.04826.
    """
    return _by_chains(datum, n, samples // n, warm_up=WARM_UP)


Method = Callable[[_Datum, int, int], _Latents]
METHODS: dict[str, Method] = {"importance": _importance, "gibbs": _gibbs, "metropolis": _metropolis}


def _by_chains(datum: _Datum, n: int, steps: int, warm_up: float) -> _Latents:
    """n chains of so many steps, the later of which count; the last of each is a draw."""
    counted, chosen, accepted = [], [], []
    for chains in torch.arange(n).split(datum.chains):
        for step, state in enumerate(_chain(datum, len(chains), steps, round(warm_up * steps))):
            if step >= steps - max(1, round(COUNTED * steps)):
                counted.append(state.z)
                accepted.append(state.accepted)
        chosen.append(state.z)
    z = torch.cat(counted)
    weight = torch.full((len(z),), 1 / len(z), dtype=torch.double)
    return _Latents(z, weight, torch.cat(chosen), acceptance=float(torch.cat(accepted).float().mean()))


@dataclass(frozen=True)
class _State:
    """Where C chains are: latents, and the datum filled in by them; and whether they took what was last proposed."""

    z: Float[Tensor, "C d"]
    x: Float[Tensor, "C *event"]
    accepted: Bool[Tensor, " C"]


def _chain(datum: _Datum, n: int, steps: int, warm_up: int) -> Iterator[_State]:
    """n chains from draws of p(z), pseudo-Gibbs at first and then Metropolis within Gibbs."""
    z = datum.from_prior(n)
    state = _State(z, datum.filled(z), torch.ones(n, dtype=torch.bool, device=z.device))
    for step in range(steps):
        posterior = datum.vae.posterior(state.x)
        proposed = posterior.sample()
        accepted = state.accepted.new_ones(n) if step < warm_up else _accepted(datum.vae, state, posterior, proposed)
        z = proposed.where(accepted[:, None], state.z)
        state = _State(z, datum.filled(z), accepted)
        yield state


def _accepted(vae: VAE, state: _State, posterior: Distribution, proposed: Float[Tensor, "C d"]) -> Bool[Tensor, " C"]:
    density.must_have_density(posterior)
    both = torch.stack([proposed, state.z])
    to, fro = vae.log_likelihood(state.x, both) + vae.prior().log_prob(both) - posterior.log_prob(both)
    return torch.rand_like(to).log() < to - fro
