"""log p(x) of each example by importance sampling, with its error.

An example is encoded once; draws are decoded a few at a time and leave nothing behind but running sums, so
that memory does not grow with their number. The noise of an example follows from (seed, its row, the tile of draws), tiles
being of one size: neither the batch nor the memory changes a figure, beyond rounding, which the search for modes can
carry to about a hundredth of the standard error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows
from lowerbound.distributions import Delta
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.evaluation import proposals
from lowerbound.evaluation.curvature import by_jacobian
from lowerbound.evaluation.density import Density
from lowerbound.evaluation.draws_by_source import SEVERAL, Few, log_likelihood_of
from lowerbound.evaluation.encoded import Encoded, run_pass
from lowerbound.evaluation.importance import SourceSums, estimate
from lowerbound.evaluation.proposals import MODE, POSTERIOR, PRIOR, Mode
from lowerbound.nn.memory import COPIES, bytes_each, how_many, in_batches
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import whole
from lowerbound.system.seeding import seeded
from lowerbound.system.threads import map_in_threads
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.kl import ClosedKL, kl_of
from lowerbound.vae.observation import Observation, admit_rows, must_fit, observe
from lowerbound.vae.parts import must_be_model
from lowerbound.vae.semi_supervised import SemiSupervised

SAMPLES = 5_000
MEMORY = 2**30
#: draws whose noise is made in one go; part of what a seed means
TILE = 2_500
#: values of x decoded at once: so many that what each call costs by itself is little
VALUES = 2**22
#: examples sampled at once, of more than SEVERAL draws each; of fewer draws, all that are encoded at once
SCORED = 16
#: examples encoded, and their modes sought, in one go, where memory allows it
ROWS = 64
#: of small examples, for each call has its price, as many as have so many values, but no more than these
ENCODED, MOST = 2**15, 1024
#: numbers of draws at which the curve is kept, besides all
CURVE = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


@torch.no_grad()
def log_likelihood(vae: Model, data: Source, samples: int = SAMPLES, *, memory: int = MEMORY, seed: int = 0) -> Density:
    """log p(x) ≈ log 1/K Σ_k w_k with w = p(x, z)/r(z), for each example, K = ``samples``; log p(x|c) of a conditional model.

    r is the mixture of ``proposals``: q(z|x), two normals at the mode of p(z|x), and the prior, with fixed numbers of draws
    of each. The mean of w is unbiased for p(x); its logarithm is therefore too low, on average, by about
    ½ se². The error is by the delta method, sd(w)/(√K mean(w)), and can be trusted where ``ess`` is not just a few.
    ``data`` are what ``fit`` takes, or one example, of which the answer's arrays have no axis N.
    ``memory`` is in bytes, besides the data and the model. Values are observed (binarized) once per example.
    Of M2, whose label is a latent, it is log 1/C Σ_y p(x|y) by as many draws for each of the C labels (``over_labels``); labels of the
    data are not looked at.

    Sources: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519; Owen and Zhou, "Safe and
    Effective Importance Sampling", 2000, https://doi.org/10.1080/01621459.2000.10473909 (the mixture).
    Errors: UsageError for no samples or too little memory; RecipeError where q has no density; DataError where the likelihood
    cannot be one of these data.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> decoder, encoder = torch.nn.Identity(), lb.nn.mlp(1, 2)
    >>> likelihood, posterior = lb.likelihoods.Gaussian(decoder, scale=1.0), lb.posteriors.DiagonalGaussian(encoder)
    >>> vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, posterior)  # x = z + ε, and so p(x) = N(0, 2)
    >>> round(lb.log_likelihood(vae, torch.zeros(1, 1)).mean, 1), round(-math.log(4 * math.pi) / 2, 1)
    (-1.3, -1.3)
    """
    must_be_model(vae, Model)
    examples = vae.examples(data)
    must_fit(vae, examples.rows)
    asked = asked_for(vae, examples.rows, samples, memory, seed)
    run_pass(vae, examples.rows, [asked], seed, asked.at_once)
    return asked.found().of_one() if examples.alone else asked.found()


@torch.no_grad()
def asked_for(vae: Model, data: Rows, samples: int, memory: int, seed: int) -> OfModel | OverLabels:
    """What a pass over ``data`` is asked for their log p(x). Errors: as for ``log_likelihood``."""
    samples = whole("the number of samples", samples)
    if samples < 1:
        raise UsageError(f"log p(x) needs 1 sample or more, not {samples}")
    if not len(data):
        raise DataError("there are no examples to score")
    vae = in_evaluation(vae)
    with seeded(seed, "density", device=vae.device):
        admit_rows(vae, data, torch.tensor([0]))
        first = observe(vae, data, torch.tensor([0]), seed)
        if not isinstance(vae, SemiSupervised):
            return OfModel(first, samples, memory, seed, len(data))
        models = [one.eval() for one in vae.of_each_class()]
        each = [OfModel(Observation(one, first.x), samples, memory, seed, len(data)) for one in models]
        return OverLabels(vae, each, models)


def must_have_density(posterior: Distribution) -> None:
    """Raise RecipeError for a point, whose draws cannot be weighted and whose bound is −∞."""
    if isinstance(posterior, Delta):
        raise RecipeError("this posterior has no density, so that its draws cannot be weighted; take a run with another one")


# --- a few examples at a time ------------------------------------------------------------------------


class OfModel:
    """log p(x) of N examples, by ``samples`` draws for each; ``first`` is one of them, by which the work is cut to the memory."""

    def __init__(self, first: Observation, samples: int, memory: int, seed: int, size: int):
        self.counts = proposals.shares(first.vae.prior(), samples)  # how many draws come from where
        self.samples, self.seed = samples, seed
        most = self.counts[POSTERIOR]
        self.draws = (*(k for k in CURVE if k < most), most)
        self.sizes, self.memory = _sizes(first, self.counts, memory), memory
        self.at_once = self.sizes.at_once
        self._values: list[Tensor] = []
        self._size, self._done = size, 0

    def add(self, some: Encoded) -> None:
        """Take in some examples. Errors: RecipeError where q has no density."""
        self.add_observed(some.seen, some.numbers, some.output)

    def add_observed(self, seen: Observation, rows: list[int], output: Float[Tensor, "B features"]) -> None:
        """The same of a model that was not asked to encode them."""
        posterior = seen.vae.posterior.law(output, 1)
        must_have_density(posterior)
        mode = self._modes(seen, posterior) if MODE in self.counts else None
        parts = [slice(start, start + self.sizes.together) for start in range(0, len(rows), self.sizes.together)]
        several = [Few(rows[part], seen.vae.some(part), seen.x[part], output[part], mode and mode.some(part)) for part in parts]
        there_is_room = self.sizes.bytes_together * torch.get_num_threads() <= self.memory
        for found in map_in_threads(self._of, several) if there_is_room and several[0].may_be_beside_others() else map(self._of, several):
            self._keep(found)

    def found(self) -> Density:
        """The figures of all."""
        names = [field.name for field in fields(Density)][: len(self._values)]
        return Density(**dict(zip(names, self._values, strict=True)), draws=self.draws, samples=self.samples)

    def _modes(self, seen: Observation, posterior: Distribution) -> Mode:
        vae, prior = seen.vae, seen.vae.prior()

        def log_prior(z: Tensor, rows: Tensor) -> Tensor:
            return (vae.some(rows).prior() if prior.batch_shape else prior).log_prob(z)

        def log_joint(z: Tensor, rows: Tensor) -> Tensor:
            return vae.some(rows).log_likelihood(seen.x[rows], z) + log_prior(z, rows)

        return proposals.find_mode(log_joint, vae.posterior.centre(posterior), by_jacobian(vae, seen.x, log_prior))

    def _of(self, few: Few) -> list[Tensor]:
        sums = {name: SourceSums(len(few.rows), self.counts, self.draws) for name in self.counts}
        sources = few.sources()
        for tile, start in enumerate(range(0, max(self.counts.values()), self.sizes.tile)):
            left = {name: min(self.sizes.tile, count - start) for name, count in self.counts.items() if start < count}
            drawn = {name: few.draw(name, n, self.seed, tile, self.sizes.decoded) for name, n in left.items()}
            latents = {name: draws.z for name, draws in drawn.items()}
            for name, log_likelihood in log_likelihood_of(few, latents, self.sizes.decoded).items():
                sums[name].add(log_likelihood, drawn[name].log_laws)
        of_q = sums[POSTERIOR]
        kl = _kl(sources[POSTERIOR], sources[PRIOR], of_q)
        return [*estimate(list(sums.values())), of_q.log_likelihood / of_q.n, kl, torch.stack(of_q.curve)]

    def _keep(self, part: list[Tensor]) -> None:
        """Put into arrays made beforehand: a small one kept for each example would come to lie amid the large ones that come and go,
        which then find no place any more, and the memory would grow with the data.
        """
        self._values = self._values or [column.new_empty(*column.shape[:-1], self._size) for column in part]
        here = slice(self._done, self._done + part[0].shape[-1])
        for value, column in zip(self._values, part, strict=True):
            value[..., here] = column
        self._done = here.stop


class Sizes(NamedTuple):
    """How many examples are encoded at once, and sampled together; draws of a source that are drawn at once, and of all that are decoded
    at once; bytes that sampling takes.
    """

    at_once: int
    together: int
    tile: int
    decoded: int
    bytes_together: int


def _sizes(first: Observation, counts: Mapping[str, int], memory: int) -> Sizes:
    """Those for so much memory; of rare sizes less."""
    vae, x = first.vae, first.x
    z = vae.posterior.centre(vae.posterior(x))
    decoding = bytes_each(vae.likelihood.network, *vae.likelihood.inputs(z))
    encoding = bytes_each(vae.posterior.network, *vae.posterior.inputs(x))
    # the search for modes keeps every layer's output for its gradients and theirs, or those of a Jacobian's columns, and tries several
    # lengths of a step at once
    searching = (8 + z.numel()) * decoding if MODE in counts else 0
    at_once = in_batches(memory // 4, max(encoding, searching), "encoding an example", most=_rows(x.numel()))
    decoded = how_many(memory // 2, decoding, "decoding a draw", most=max(1, VALUES // x.numel()))
    of_a_draw = z.element_size() * COPIES * (z.numel() + len(counts))
    tile = TILE
    while tile > 1 and _drawn(counts, tile) * of_a_draw > memory // 4:
        tile //= 2
    many = _drawn(counts, tile)
    drawn = how_many(memory // 4, many * of_a_draw, f"{many:,} draws of z")
    # of few draws many examples, for each call has its price
    together = min(drawn, SCORED if many > SEVERAL else at_once)
    return Sizes(at_once, together, tile, decoded, decoded * decoding + together * many * of_a_draw)


def _drawn(counts: Mapping[str, int], tile: int) -> int:
    """How many draws of an example there are at once."""
    return sum(min(tile, count) for count in counts.values())


def _rows(values: int) -> int:
    """How many examples of so many values go together, a power of two."""
    return max(ROWS, min(MOST, 2 ** (ENCODED // values).bit_length() // 2))


def _kl(posterior: Distribution, prior: Distribution, of_q: SourceSums) -> Float[Tensor, " B"]:
    if kl_of(posterior, prior) == ClosedKL():
        return kl_divergence(posterior, prior).cpu().double()
    return of_q.log_ratio / of_q.n


# --- M2 ----------------------------------------------------------------------------------------------


class OverLabels:
    """log p(x) of M2: log 1/C Σ_y p(x|y), one ``OfModel`` for each label.

    The draws for all labels have the same noise, so that their errors may add up: the standard error is then at most what is said.
    """

    def __init__(self, vae: SemiSupervised, each: Sequence[OfModel], models: Sequence[Model]):
        self.vae, self.each, self.models = vae, each, models
        self.at_once = each[0].at_once
        self._log_q: list[Tensor] = []

    def add(self, some: Encoded) -> None:
        """Take in some examples, as those of each class."""
        self._log_q.append(self.vae.log_classify(some.x).cpu().double())
        for one, model in zip(self.each, self.models, strict=True):
            one.add_observed(Observation(model, some.x), some.numbers, model.posterior.output(some.x))

    def found(self) -> Density:
        """Sums over labels; rate and bound are with q(y|x), KL(q(y|x) ‖ p(y)) a part of the rate."""
        return over_labels([one.found() for one in self.each], torch.cat(self._log_q).T)


def over_labels(each: list[Density], log_q: Float[Tensor, "classes N"]) -> Density:
    """The density of x from those of x|y, y uniform."""
    uniform = -math.log(len(each))
    log_p = torch.stack([one.log_p for one in each])
    total = log_p.logsumexp(0)
    share, q = (log_p - total).exp(), log_q.exp()
    return Density(
        log_p=total + uniform,
        se=(share * torch.stack([one.se for one in each])).sum(0),
        ess=1 / (share**2 / torch.stack([one.ess for one in each])).sum(0),
        log_likelihood_term=(q * torch.stack([one.log_likelihood_term for one in each])).sum(0),
        kl=(q * (torch.stack([one.kl for one in each]) + log_q - uniform)).sum(0),
        curve=torch.stack([one.curve for one in each]).logsumexp(0) + uniform,
        draws=each[0].draws,
        samples=len(each) * each[0].samples,
    )
