"""What is given as a model, or as one of its three parts: what is none is refused in one line that says what to give."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.system.arguments import shown
from lowerbound.vae.conditional import ConditionalLaw

#: an example of each part
WRAPPED = {
    "likelihood": "lb.likelihoods.Bernoulli(network)",
    "posterior": "lb.posteriors.DiagonalGaussian(network)",
    "prior": "lb.priors.StandardNormal(2)",
}


def must_be_part(name: str, part: Any, kind: type) -> None:
    """Raise RecipeError for what is no likelihood, posterior or prior, by the kind of those."""
    if isinstance(part, kind):
        return
    if isinstance(part, Distribution):
        what = f"the distribution {type(part).__name__} itself; a module whose forward() returns it will do"
    elif isinstance(part, ConditionalLaw):
        what = f"a {type(part).__name__}; the order is prior, likelihood, posterior"
    elif isinstance(part, nn.Module):
        what = f"a {type(part).__name__} alone; put one around it"
    else:
        what = shown(part)
    raise RecipeError(f"the {name} must be one like {WRAPPED[name]}, not {what}")


def must_be_model(vae: Any, kind: type) -> None:
    """Raise UsageError for what is no model, with the way to it where the model is inside."""
    if isinstance(vae, kind):
        return
    if isinstance(vae, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise UsageError(
            f"a {type(vae).__name__} shares calls of a module, and a model is not called; give the model itself, .module, "
            "and start several processes with torchrun"
        )
    if hasattr(vae, "_orig_mod"):
        raise UsageError("torch.compile takes networks, not the model: vae.likelihood.network = torch.compile(vae.likelihood.network)")
    raise UsageError(f"the model must be one like lb.VAE(prior, likelihood, posterior), not {_said(vae)}")


def _said(vae: Any) -> str:
    return f"a {type(vae).__name__}" if isinstance(vae, nn.Module) else shown(vae)


def not_called() -> UsageError:
    """What is said where a model is called as a network is."""
    return UsageError(
        "a model is not called: vae.encode(x) gives latents, vae.reconstruct(x) the data back, lb.mean_bound(vae, x) its bound, "
        "and lb.fit(vae, x, epochs=…) trains it"
    )


def latents_of(z: Any) -> Tensor:
    """Latents as a tensor. Errors: DataError for what has no numbers."""
    try:
        return torch.as_tensor(z)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"latents must be numbers (…, d), not {shown(z)}") from error
