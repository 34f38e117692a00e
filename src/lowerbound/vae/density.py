"""log p(x|z) of examples under the laws that a likelihood gives for latents: of all their values, of a part, or of each."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution, Independent

from lowerbound.errors import RecipeError, law_name
from lowerbound.vae.likelihoods.base import at_hand
from lowerbound.vae.misfits import other_numbers

BLANK = 0.5  # stands where there is no value: every law has a finite density here, and a finite gradient of it


def log_density(
    likelihood: Distribution, x: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"] | None = None
) -> Float[Tensor, "K B"]:
    """log p(x|z) under a batch ``(K, B)`` of laws, in nats; of the ``observed`` values alone, where it is said which they are.

    The network may give its law in another layout of the same values (``(784,)`` for images
    ``(1, 28, 28)``). Errors: DataError where the numbers of values differ; RecipeError where a part of the values has no density to be had.
    """
    if observed is not None:
        return log_density_of_each(likelihood, x, observed).flatten(len(likelihood.batch_shape)).sum(-1)
    x = _in_layout(likelihood, x)
    return at_hand(likelihood, x, None).log_prob(x)


def log_density_of_each(
    likelihood: Distribution, x: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"]
) -> Float[Tensor, "K B *values"]:
    """log p(xᵢ|z) of each value, 0 where it is not ``observed``, in the layout of the law. Errors: as for ``log_density``."""
    x = _in_layout(likelihood, x)
    observed = observed.reshape(x.shape)
    likelihood = at_hand(likelihood, x, observed)
    if not isinstance(likelihood, Independent) or likelihood.base_dist.event_shape:
        raise RecipeError(
            f"the values of {law_name(likelihood)} are not independent given z, so that a part of them has no density at hand"
        )
    return likelihood.base_dist.log_prob(x.where(observed, BLANK)).where(observed, 0.0)


def _in_layout(likelihood: Distribution, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *values"]:
    try:
        return x.reshape(x.shape[0], *likelihood.event_shape)
    except RuntimeError as error:
        raise other_numbers(likelihood.event_shape, x.shape[1:]) from error
