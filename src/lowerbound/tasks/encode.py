"""Data → latents → data, in batches: the encoder as a compressor and the decoder as its inverse."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows, rows_at_once
from lowerbound.errors import UsageError
from lowerbound.vae.model import Model
from lowerbound.vae.observation import read


def encode(vae: Model, data: Rows, draw: bool = False, seed: int = 0) -> Float[Tensor, "N latent"]:
    """The mean of q(z|x) for each example, or with ``draw`` a draw, on the CPU.

    Grey values are given to the encoder as they are, not binarized, so that the same image gives the
    same latent whatever stands around it; a context that is drawn follows from ``seed`` and the row.
    """

    def encoded(rows: Tensor) -> Tensor:
        seen = read(vae, data, rows, seed)
        return seen.vae.encode(seen.x, draw)

    return _in_batches(encoded, data)


def decode(vae: Model, latents: Float[Tensor, "N latent"], draw: bool = False) -> Float[Tensor, "N *event"]:
    """The mean of p(x|z) for each latent, or with ``draw`` a draw, on the CPU."""
    return _in_batches(lambda rows: vae.some(rows).decode(latents[rows].to(vae.device), draw), latents)


def contexts(vae: Model, data: Rows, seed: int = 0) -> Float[Tensor, "N *context"]:
    """What ``encode`` gives the model besides each example, on the CPU. Errors: UsageError for a model that is given nothing."""

    def given(rows: Tensor) -> Tensor:
        context = read(vae, data, rows, seed).vae.posterior.context
        if context is None:
            raise UsageError("this model is given nothing besides the data")
        return context

    return _in_batches(given, data)


def reconstruct(vae: Model, data: Rows, seed: int = 0, decoder: Model | None = None) -> Float[Tensor, "N *event"]:
    """The mean of p(x|z) at the mean of q(z|x) for each example, on the CPU; values that a context tells are as they were.

    With another ``decoder``, the model given another class, say, it is that model's p(x|z).
    """

    def back(rows: Tensor) -> Tensor:
        seen = read(vae, data, rows, seed)
        if decoder is None:
            return seen.vae.reconstruct(seen.x)
        return decoder.decode(seen.vae.encode(seen.x), x=seen.x, observed=vae.there(seen.x)).reshape(seen.x.shape)

    return _in_batches(back, data)


def _in_batches(apply: Callable[[Tensor], Tensor], data: Rows) -> Tensor:
    return torch.cat([apply(rows).cpu() for rows in torch.arange(len(data)).split(rows_at_once(data))])
