"""Data → latents → data, in batches: the encoder as a compressor and the decoder as its inverse."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.model import VAE, Rows, rows_at_once


def encode(vae: VAE, data: Rows, draw: bool = False) -> Float[Tensor, "N latent"]:
    """The mean of q(z|x) for each datum, or with ``draw`` a draw, on the CPU.

    Grey values are given to the encoder as they are, not binarized, so that the same image gives the
    same latent whatever stands around it.
    """

    def encoded(rows: Tensor) -> Tensor:
        given, values = vae.read(data, rows)
        return given.encode(values, draw)

    return _in_batches(encoded, data)


def decode(vae: VAE, latents: Float[Tensor, "N latent"], draw: bool = False) -> Float[Tensor, "N *event"]:
    """The mean of p(x|z) for each latent, or with ``draw`` a draw, on the CPU."""
    return _in_batches(lambda rows: vae.some(rows).decode(latents[rows].to(vae.device), draw), latents)


def reconstruct(vae: VAE, data: Rows) -> Float[Tensor, "N *event"]:
    """The mean of p(x|z) at the mean of q(z|x) for each datum, on the CPU."""

    def back(rows: Tensor) -> Tensor:
        given, values = vae.read(data, rows)
        return given.reconstruct(values)

    return _in_batches(back, data)


def _in_batches(apply: Callable[[Tensor], Tensor], data: Rows) -> Tensor:
    return torch.cat([apply(rows).cpu() for rows in torch.arange(len(data)).split(rows_at_once(data))])
