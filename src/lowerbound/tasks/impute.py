"""Data of which some values are missing, by a model that was trained on such: what they are on average, how sure that is, and draws.

The encoder sees the holes, so that q(z|x_observed) needs no guess at the rest, and all rows are done in batches. ``complete`` is for any
model, one example at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Independent

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, in_turn, numbers_of
from lowerbound.distributions.mixed import Mixed
from lowerbound.distributions.self_masked import SelfMasked
from lowerbound.errors import DataError, UsageError
from lowerbound.evaluation.importance import effective, normalized, resampled
from lowerbound.evaluation.log_likelihood import MEMORY
from lowerbound.evaluation.weighted_draws import WeightedDraws, weighted_draws
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import whole as whole_number
from lowerbound.system.seeding import seeded
from lowerbound.tasks.filling import Filling
from lowerbound.tasks.pooling import Pooled as Pooled
from lowerbound.tasks.pooling import pool as pool
from lowerbound.vae.contexts import Observed
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.base import at_hand
from lowerbound.vae.model import Model
from lowerbound.vae.observation import observe

SAMPLES = 1_000
#: rows whose noise is drawn together; part of what a seed means
ROWS = 64
#: the weight of the draws that are left out where means are found
LEFT = 1e-4
#: what values are on average, by name, and the shares of classes, by place
Expected = dict[str | int, Tensor]


@dataclass(frozen=True)
class Imputations:
    """N examples filled in, on the CPU; what was observed is as it was.

    Of a table values are the model's, and ``schema.texts`` makes cells of them.
    The shapes are ``(N, *event)``, ``(M, N, *event)`` and ``(N,)``; of one example that came without a batch axis they have no N.
    ``mean`` is E[x|x_observed], of a class the most likely one; ``error`` the standard deviation of p(x|x_observed), of a class, or a
    boolean of a table, the probability that it is not the most likely one; 0 where a value was observed. ``draws`` are M draws of
    p(x_missing|x_observed), M multiple imputations. ``ess`` is how many independent draws of z the weighted ones are worth, NaN for an
    example without holes.

    >>> import torch
    >>> import lowerbound as lb
    >>> spec = lb.data.DataSpec((3,), low=-4.0, high=4.0, holes=True)
    >>> vae = lb.build(lb.Recipe(likelihood="gaussian", scale="learned", network="mlp:8"), spec).vae
    >>> x = torch.tensor([[1.0, torch.nan, 2.0]])
    >>> found = lb.tasks.impute.impute(vae, x, draws=5, samples=100)
    >>> found.mean[0, [0, 2]].tolist(), found.draws.shape, bool(found.error[0, 1] > 0)
    ([1.0, 2.0], torch.Size([5, 1, 3]), True)
    """

    mean: Float[Tensor, "*N_event"]
    error: Float[Tensor, "*N_event"]
    draws: Float[Tensor, "M *N_event"]
    ess: Float[Tensor, "*N"]

    def of_one(self) -> Imputations:
        """The imputations of the first example alone, without the axis of examples."""
        return Imputations(self.mean[0], self.error[0], self.draws[:, 0], self.ess[0])


@torch.no_grad()
def impute(
    vae: Model | Sequence[Model], data: Source, draws: int = 0, *, samples: int = SAMPLES, memory: int = MEMORY, seed: int = 0
) -> Imputations:
    """What is missing (NaN) in ``data``, by ``samples`` latents an example, weighted by w = p(x_observed|z) p(z)/r(z).

    E[x_missing|x_observed] ≈ Σ w E[x_missing|z] / Σ w, the latents those of a mixture r of q(z|x_observed) and, one in ten, the prior;
    draws are of p(x_missing|z) at latents drawn anew by their weights. Exact as ``samples`` grows. ``memory`` is in bytes.

    Of several models of the same data it is their mixture in equal shares: errors have what the models differ by, and draws are shared
    among them. Models that are each trained on rows drawn with replacement (a recipe's ``bootstrap``) stand for what one does not know of
    its own weights; it costs as many trainings, and as many times the time here.

    Sources: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633; Rubin, "Using the SIR algorithm to simulate posterior distributions", 1988; Little and Rubin,
    "Statistical Analysis with Missing Data", 2019, https://doi.org/10.1002/9781119482260 (section 10.2: bootstrap and proper imputations).
    Errors: DataError for a model of whole data, and values that no latent explains; UsageError for fewer samples than draws, and models of
    other columns; RecipeError where q has no density.

    >>> import torch
    >>> import lowerbound as lb
    >>> decoder = torch.nn.Linear(1, 2, bias=False)
    >>> _ = torch.nn.init.ones_(decoder.weight)  # x₁ and x₂ are z + ε, σ of ε being 1
    >>> likelihood = lb.likelihoods.Gaussian(decoder, scale=1.0, holes=True)
    >>> class Encoder(torch.nn.Module):
    ...     def forward(self, x):
    ...         return torch.zeros(len(x), 2)  # q(z|x) = N(0, 1): it has only to know holes
    >>> vae = lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(Encoder()))
    >>> lb.tasks.impute.impute(vae, torch.tensor([[1.0, torch.nan]]), samples=20_000).mean.round(decimals=1).tolist()  # x₁/2
    [[1.0, 0.5]]
    """
    models = _alike([vae] if isinstance(vae, Model) else vae)
    draws, samples = whole_number("draws", draws, 0), whole_number("samples", samples, 1)
    if draws > samples:
        raise UsageError(f"{draws:,} draws need as many samples or more; there are {samples:,} samples")
    examples = models[0].examples(data)
    data = examples.rows
    whole = data[torch.arange(len(data))]
    found = Imputations(
        whole.clone(), torch.zeros_like(whole), whole.expand(draws, *whole.shape).clone(), torch.full((len(whole),), torch.nan)
    )
    for tile in in_turn(data, ROWS):
        first = numbers_of(data, tile)[:1].tolist()
        rows = tile[whole[tile].isnan().flatten(1).any(1)]
        if len(rows):
            parts = []
            for number, model in enumerate(models):
                with seeded(seed, "impute", *first, *([number] if number else []), device=model.device):
                    parts.append(_Part.of(model, data, rows, len(range(number, draws, len(models))), samples, memory))
            _put(found, rows, parts)
    return found.of_one() if examples.alone else found


def _alike(models: Sequence[Model]) -> list[Model]:
    """The models in evaluation mode, if they are of the same values and know holes."""
    if not models:
        raise UsageError("there is no model to impute by; give one or more")
    if not all(model.likelihood.holes for model in models):
        raise DataError("this model was trained on whole data, and its encoder knows no holes; complete them one by one (complete)")
    laws = [model.likelihood for model in models]
    if len({law.columns if isinstance(law, Columns) else type(law) for law in laws}) > 1:
        raise UsageError("these models are of other columns than one another; give models of one table")
    return [in_evaluation(model) for model in models]


@dataclass(frozen=True)
class _Part:
    """What one model says of some rows: expectations by name, draws ``(m, B, *event)``, and the effective number of draws of z.

    ``truths`` are the places of booleans.
    """

    expected: Expected
    truths: Sequence[int]
    draws: Float[Tensor, "m B *event"]
    ess: Float[Tensor, " B"]

    @classmethod
    def of(cls, vae: Model, data: Rows, rows: Int64[Tensor, " B"], draws: int, samples: int, memory: int) -> _Part:
        """By ``samples`` latents for each row."""
        vae.likelihood.admit(data[rows])
        seen = observe(vae, data, rows)
        given, x = seen.vae, seen.x
        if isinstance(vae.context, Observed):  # of what is there, not of a part of it
            given = given.given(vae.context.part(x, ~x.isnan()))
        drawn = weighted_draws(given, x, samples, memory)
        filling = Filling.of(given, x)
        weight = normalized(drawn.log_weight(given, x) if filling is None else filling.log_likelihood(drawn.z) + drawn.log_ratio)
        expected, truths = _expected(given, x, drawn, weight, filling)
        values = x.new_empty(0, *x.shape).cpu()
        if draws:
            chosen = torch.stack([drawn.z[resampled(weight[:, row], draws), row] for row in range(len(rows))], 1)
            values = at_hand(given.likelihood(chosen), x, given.counted(x)).sample().reshape(-1, *x.shape).cpu()
        return cls(expected, truths, values, effective(weight).float())


def _put(found: Imputations, rows: Int64[Tensor, " B"], parts: Sequence[_Part]) -> None:
    """Write what the parts say together to the places of what is missing."""
    shape = found.mean[rows].shape
    missing = found.mean[rows].isnan()
    expected = {name: torch.stack([part.expected[name] for part in parts]).mean(0) for name in parts[0].expected}
    mean = expected.pop("first")
    error = (expected.pop("second") - mean.square()).clamp(min=0).sqrt()
    truths = list(parts[0].truths)
    error[:, truths] = torch.minimum(mean, 1 - mean)[:, truths].clamp(min=0)
    for place in (name for name in expected if isinstance(name, int)):
        most = expected[place].max(-1)
        mean[:, place], error[:, place] = most.indices.to(mean.dtype), 1 - most.values
    found.mean[rows] = found.mean[rows].where(~missing, mean.reshape(shape).cpu())
    found.error[rows] = error.reshape(shape).cpu().where(missing, 0.0)
    found.ess[rows] = torch.stack([part.ess for part in parts]).amin(0)
    for number, part in enumerate(parts):
        some = slice(number, None, len(parts))
        if len(part.draws):
            found.draws[some, rows] = found.draws[some, rows].where(~missing, part.draws)


def _expected(
    vae: Model, x: Float[Tensor, "B *event"], drawn: WeightedDraws, weight: Float[Tensor, "K B"], filling: Filling | None
) -> tuple[Expected, list[int]]:
    """E[x], E[x²] and the shares of classes ``(B, …)`` by weighted draws, and the places of booleans.

    A mean of what has a map is a quadrature: it is done for the draws that carry all of the weight but ``LEFT``, often a third of them.
    """
    heaviest, order = (each.T for each in weight.T.contiguous().sort(1, descending=True))  # a row's weights side by side: thrice as fast
    carries = heaviest.cumsum(0) - heaviest < 1 - LEFT
    shares = heaviest / (heaviest * carries).sum(0)
    if filling is not None:
        return filling.expected(drawn.z, order, shares.float(), carries.sum(0)), filling.truths
    rank, row = carries.nonzero(as_tuple=True)
    draw, counted, found, truths = order[rank, row], vae.counted(x), Expected(), list[int]()
    share = shares[rank, row].to(x.dtype)
    for k, b, w in zip(*(each.to(x.device).split(drawn.few * len(x)) for each in (draw, row, share)), strict=True):
        law = vae.some(b).likelihood(drawn.z[k, b][None])
        law = at_hand(law, x[b], None if counted is None else counted[b])
        assert isinstance(law, Independent)  # or the weights had been refused
        each = law.base_dist.values if isinstance(law.base_dist, SelfMasked) else law.base_dist
        mean, variance = each.mean.flatten(2), each.variance.flatten(2)
        values: Expected = {"first": mean, "second": mean.square() + variance}
        if isinstance(each, Mixed):
            values.update(each.classes.items())
            truths = each.truths
        for name, value in values.items():
            weighted = w.view(-1, *[1] * (value.dim() - 2)) * value[0]
            found[name] = found.get(name, weighted.new_zeros(len(x), *weighted.shape[1:])).index_add(0, b, weighted)
    return found, truths
