"""Whole models in a page beside torch: what they decode and encode, and the bound of fifty examples, by the same noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.data.spec import DataSpec
from lowerbound.distributions.chain import Levels, side_by_side
from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.model import POSTERIORS, model_words, remote_words
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.vae.contexts import LowResolution
from lowerbound.vae.likelihoods import Gaussian
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.kl import ClosedKL, kl_of
from lowerbound.vae.observation import observe
from lowerbound.vae.priors import Chain

EXAMPLES, DRAWS = 50, 4
IMAGE, LABELLED = DataSpec((1, 12, 12)), DataSpec((1, 12, 12), classes=("a", "b", "c"))
#: recipes, for these data
MODELS: dict[str, tuple[dict[str, Any], DataSpec]] = {
    "perceptron": ({"network": "mlp:64-64"}, IMAGE),
    "images": ({"network": "conv:4-8"}, IMAGE),
    "colours, gaussian": ({"network": "conv:4-8", "likelihood": "gaussian", "scale": "learned"}, DataSpec((3, 8, 8))),
    "levels": ({"network": "conv:4", "likelihood": "logistic-mixture:2"}, DataSpec((1, 8, 8))),
    "series": ({"network": "conv:4-8", "likelihood": "gaussian"}, DataSpec((2, 20))),
    "volumes": ({"network": "conv:4-8"}, DataSpec((1, 6, 5, 7))),
    "holes": ({"likelihood": "gaussian"}, DataSpec((1, 8, 8), holes=True)),
    "given a label": ({"given": "label"}, LABELLED),
    "prior of each label": ({"given": "label", "prior": "given-context:8", "latent": 3}, LABELLED),
    "convolutions given a label": ({"given": "label", "network": "conv:4-8"}, LABELLED),
    "given a part": ({"given": "observed", "prior": "given-context:16", "network": "mlp:32"}, IMAGE),
    "convolutions given a part": ({"given": "observed:random:0.6", "network": "conv:4-8"}, IMAGE),
    "series given a part": ({"given": "observed", "network": "conv:4-8", "likelihood": "gaussian"}, DataSpec((2, 20))),
    "holes, given a part": ({"given": "observed", "likelihood": "gaussian"}, DataSpec((1, 8, 8), holes=True)),
    "given an image made small": (
        {"given": "low-resolution:3", "prior": "given-context:16", "likelihood": "gaussian", "scale": "optimal"},
        DataSpec((3, 6, 9)),
    ),
    "convolutions given an image made small": ({"given": "low-resolution:4", "network": "conv:4-8", "prior": "given-context:16"}, IMAGE),
    "levels given an image made small": (
        {"given": "low-resolution:2", "network": "conv:4", "likelihood": "categorical"},
        DataSpec((1, 8, 8)),
    ),
    "labels as latents": ({"semi_supervised": "m2", "labels": 10}, LABELLED),
    "full posterior": ({"posterior": "full-gaussian", "latent": 3}, IMAGE),
    "full posterior with a floor of σ": ({"posterior": "full-gaussian", "latent": 3, "sigma_floor": 0.3}, IMAGE),
    "floors of σ, given a label": ({"sigma_floor": 0.3, "given": "label", "prior": "given-context:8"}, LABELLED),
    "levels with a floor of σ": ({"latent": "3-4", "network": "mlp:32", "sigma_floor": 0.3, "prior": "vamp:3"}, IMAGE),
    "mixture prior": ({"prior": "mixture:3", "latent": 3}, IMAGE),
    "pseudo-inputs": ({"prior": "vamp:5", "latent": 3}, IMAGE),
    "levels of latents": ({"latent": "3-4", "network": "mlp:32"}, IMAGE),
    "three levels, gated, of a mixture": ({"latent": "2-3-4", "network": "gated:32-16", "prior": "mixture:3"}, IMAGE),
    "levels of pseudo-inputs": ({"latent": "3-2", "network": "conv:4-8", "prior": "vamp:5"}, IMAGE),
    "levels given a label": ({"latent": "3-2", "given": "label"}, LABELLED),
    "ladder": ({"latent": "2-3-4", "posterior": "ladder", "network": "mlp:32-16"}, IMAGE),
    "ladder of convolutions": ({"latent": "2-3", "posterior": "ladder", "network": "conv:4-8"}, IMAGE),
    "autoencoder": ({"posterior": "dirac", "objective": "reconstruction"}, IMAGE),
    "denoising": ({"corruption": "masking:0.3"}, IMAGE),
    "continuous Bernoulli": ({"likelihood": "continuous-bernoulli"}, IMAGE),
    "beta": ({"likelihood": "beta"}, IMAGE),
    "counts": ({"likelihood": "poisson"}, DataSpec((9,), 0.0, 6.0, unit=1)),
}
RUN = """
const [words, table, packed, examples, labels, noise, hidden] = given;
const arrays = arraysOf(table, await inflated(packed)), model = modelOf(words, arrays);
return examples.map((values, row) => {
  const x = Float64Array.from(values, (value) => value ?? NaN);
  const label = words.given ? givenOf(words, x, hidden && hidden[row]) : labels === null ? null : labels[row];
  let place = 0;
  const found = boundOf(model, observed(model, x), label, noise[row].length / model.latent, () => noise[row][place++]);
  return [Array.from(found.q.mean), Array.from(model.image(found.q.mean, label)), found.bound ?? found.reconstruction, found.kl];
});
"""


def made(name: str) -> tuple[Model, Tensor, Tensor | None]:
    """The model, weights half as large again as they begin, so that none is near where a law is even; examples and their labels.

    Of levels, whose networks follow one another, as they begin: else bounds are thousands of nats, of which single precision has no digits.
    """
    words, spec = MODELS[name]
    torch.manual_seed(3)
    vae = build(Recipe(**words), spec).vae.eval()
    with torch.no_grad():
        for weight in vae.parameters():
            weight.mul_(1.0 if isinstance(vae.prior, Chain) else 1.5)
    x = torch.rand(EXAMPLES, *spec.event_shape)
    x = (6 * x).round() if spec.unit == 1 else (255 * x).round() / 255
    x[0, ..., 0], x[1, ..., 0] = 0, 1  # ends, where a Beta has no density
    if spec.holes:
        x[torch.rand(x.shape) < 0.3] = torch.nan
    return vae, x, torch.randint(3, (EXAMPLES,)) if spec.classes else None


@torch.no_grad()
def by_torch(vae: Model, x: Tensor, context: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Posterior means, what they decode to, and bounds of each example, by draws of this noise ``(B, K, d)``."""
    vae = vae if context is None else vae.given(context)
    q, prior = vae.posterior(x), vae.prior()
    centre = vae.posterior.centre(q)
    if not q.has_rsample or type(q).__name__ == "Delta":
        return centre, vae.decode(centre), vae.log_likelihood(x, centre[None])[0]
    if isinstance(q, Levels):
        return centre, vae.decode(centre), bound_of_levels(vae, x, q, prior, noise)
    spread = q.scale_tril if hasattr(q, "scale_tril") else torch.diag_embed(q.stddev)
    z = q.mean + (spread @ noise.permute(1, 0, 2)[..., None])[..., 0]
    kl = torch.distributions.kl_divergence(q, prior) if kl_of(q, prior) == ClosedKL() and not hasattr(q, "scale_tril") else None
    kl = (q.log_prob(z) - prior.log_prob(z)).mean(0) if kl is None else kl
    return centre, vae.decode(centre, x=x, observed=vae.there(x)), vae.log_likelihood(x, z).mean(0) - kl


def bound_of_levels(vae: Model, x: Tensor, q: Levels, prior: Distribution, noise: Tensor) -> Tensor:
    """With the KL of each level, given the draw's before it, in closed form where there is one."""
    parts, walk, kl, z = noise.permute(1, 0, 2).split(q.sizes, -1), side_by_side(q, prior), 0, []
    of_q, of_p, _ = next(walk)
    for level, part in enumerate(parts):
        z.append(of_q.mean + of_q.stddev * part)
        closed = kl_of(of_q, of_p) == ClosedKL()
        kl = kl + (torch.distributions.kl_divergence(of_q, of_p) if closed else of_q.log_prob(z[-1]) - of_p.log_prob(z[-1]))
        if level + 1 < len(parts):
            of_q, of_p, _ = walk.send(z[-1])
    return (vae.log_likelihood(x, torch.cat(z, -1)) - kl).mean(0)


@pytest.mark.parametrize("exact", [True, pytest.param(False, marks=pytest.mark.long)], ids=["single precision", "16 bits"])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_in_a_page_what_it_is_in_torch(name: str, exact: bool, javascript: Callable[..., Any]) -> None:
    vae, x, labels = made(name)
    with torch.no_grad():
        seen = observe(vae, x, torch.arange(EXAMPLES), 0).x if vae.context is None else vae.likelihood.observe(x)
        context = vae.contexts(seen, labels)
        known = None if context is None else vae.context.tells(context)
    arrays = Arrays(exact)
    words = model_words(vae, arrays)
    noise = torch.randn(EXAMPLES, DRAWS, words["latent"], generator=torch.Generator().manual_seed(1))
    raw = seen if words["likelihood"].get("binarize") else x
    examples = [[None if np.isnan(value) else value for value in one] for one in raw.flatten(1).tolist()]
    found = javascript(
        "inference model given",
        RUN,
        words,
        arrays.table,
        arrays.packed(),
        examples,
        None if labels is None else labels.tolist(),
        noise.flatten(1).tolist(),
        None if known is None else (~known).flatten(1).int().tolist(),
    )
    centre, decoded, bound = by_torch(vae, seen, context, noise)
    close = 1e-5 if exact else 1e-3
    unit = float(decoded.abs().max().clamp(min=1))
    np.testing.assert_allclose([one[0] for one in found], centre.numpy(), atol=close * float(centre.abs().max().clamp(min=1)))
    np.testing.assert_allclose([one[1] for one in found], decoded.flatten(1).numpy(), atol=close * unit)
    np.testing.assert_allclose([one[2] for one in found], bound.numpy(), atol=1e-2, rtol=1e-6 if exact else 3e-5)


def test_models_that_no_page_computes_are_named() -> None:
    for words, said in (
        ({"posterior": "flow"}, "posteriors that are gaussian, full gaussian, dirac, chain, ladder, and this one is Flow"),
        ({"prior": "flow"}, "this one is Flow"),
    ):
        with pytest.raises(RecipeError, match=said):
            model_words(build(Recipe(**words), IMAGE).vae, Arrays())


def test_a_context_of_ones_own_is_not_taken_for_its_parent() -> None:
    class Blurred(LowResolution):
        """Another function of the image."""

    vae = build(Recipe(given="low-resolution:2"), IMAGE).vae
    vae.context = Blurred(2, IMAGE.event_shape)
    for words in (remote_words, lambda vae: model_words(vae, Arrays())):
        with pytest.raises(RecipeError, match="given nothing, a label, a part of an example, or its low resolution"):
            words(vae)


def test_a_likelihood_of_ones_own_is_not_taken_for_its_parent() -> None:
    class Sharper(Gaussian):
        """Another law."""

    vae = build(Recipe(likelihood="gaussian"), IMAGE).vae
    own = VAE(vae.prior, Sharper(vae.likelihood.network), vae.posterior)
    with pytest.raises(RecipeError, match="a Sharper likelihood cannot be computed in a page"):
        model_words(own, Arrays())


def test_every_posterior_of_the_table_is_tried() -> None:
    tried = {type(build(Recipe(**words), spec).vae.posterior) for words, spec in MODELS.values()}
    assert set(POSTERIORS) <= tried
