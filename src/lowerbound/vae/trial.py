"""Prior, posterior and likelihood tried on one example: whether they fit one another and the data, before anything is trained or scored."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound.errors import LowerboundError, RecipeError
from lowerbound.vae.likelihoods import Columns, Likelihood
from lowerbound.vae.misfits import in_words, must_come_free, other_numbers
from lowerbound.vae.posteriors import Posterior


def try_out(prior: nn.Module, likelihood: Likelihood, posterior: Posterior, x: Float[Tensor, "1 *event"]) -> None:
    """Raise an error of one line where the three do not fit one another or the example.

    They are to be in evaluation mode. What fails for another reason than those that are known here is left to the step, which may well
    succeed: a network of your own may want more than one example, say.
    Errors: DataError for data of another width; RecipeError for prior, encoder and decoder of different sizes, on different devices, of
    different types, and for a decoder that ends in a sigmoid where logits are wanted.
    """
    try:
        with torch.no_grad():
            latents = _latents(prior, posterior, x)
        with torch.enable_grad():  # so that it is known what an output was made by
            _decoded(likelihood, latents.requires_grad_(), x.shape[1:])
    except LowerboundError:
        raise
    except Exception:  # of whatever kind: it is no misfit that is known here
        return


def _latents(prior: nn.Module, posterior: Posterior, x: Float[Tensor, "1 *event"]) -> Float[Tensor, "1 latent"]:
    """A latent of zeros. Errors: RecipeError where prior and posterior differ, or the encoder's output is none of a posterior."""
    size = prior().event_shape
    if len(size) != 1:
        raise RecipeError(
            f"the prior is one of the shape {tuple(size)}, and a latent is a vector (d,); torch's Independent(law, 1) makes it one"
        )
    output, wanted, name = posterior.output(x), posterior.features(size[0]), type(posterior).__name__
    gives = f"the encoder gives {in_words(output.shape[1:])} for an example"
    wants = f"make it give {wanted}, as {name} wants for a prior over {size[0]}"
    try:
        law = posterior.law(output, 1)
    except LowerboundError:
        raise
    except Exception as error:
        if output.shape[1:] == (wanted,):
            raise
        raise RecipeError(f"{gives}, of which no {name} can be made; {wants}") from error
    if law.batch_shape != (1,):
        raise RecipeError(f"{gives}, and a posterior is made of a vector; {wants}, with torch.nn.Flatten() at its end")
    if law.event_shape != size:
        raise RecipeError(f"{gives}, which is a posterior over {in_words(law.event_shape)}; {wants}")
    return torch.zeros(1, *size, dtype=x.dtype, device=x.device)


def _decoded(likelihood: Likelihood, z: Float[Tensor, "1 latent"], event: Sequence[int]) -> None:
    """Errors: DataError for an example of another number of values; RecipeError where the decoder's output is no law's parameters."""
    output = likelihood.output(z)
    law = _law(likelihood, output, event)
    if law.event_shape.numel() != math.prod(event):
        raise other_numbers(law.event_shape, event)
    if likelihood.takes:
        must_come_free(output, type(likelihood).__name__, likelihood.takes)


def _law(likelihood: Likelihood, output: Float[Tensor, "1 ..."], event: Sequence[int]) -> Distribution:
    gives, name = f"the decoder gives {in_words(output.shape[1:])} for a latent", type(likelihood).__name__
    each = getattr(likelihood, "outputs", 1)  # numbers for each value, of those laws that are of each value alone
    if each > 1 and (output.dim() < 2 or output.shape[1] != each):
        raise RecipeError(f"{gives}, and {name} takes {each} numbers for each value; make it give {(each, *event)}")
    if isinstance(likelihood, Columns):
        width, _ = likelihood.shape(event, columns=likelihood.columns, heavy=likelihood.heavy)
        if output.shape[1:] != width:
            raise RecipeError(
                f"{gives}, and {name} takes {in_words(width)} for these {len(likelihood.columns)} columns; make it give those"
            )
    return likelihood.law(output, 1)
