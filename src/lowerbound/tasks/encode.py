"""Data → latents → data, in batches: the encoder as a compressor and the decoder as its inverse."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.array_likes import Array
from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, in_turn
from lowerbound.errors import UsageError
from lowerbound.tasks import levels as of_levels
from lowerbound.vae.model import Model
from lowerbound.vae.observation import read
from lowerbound.vae.parts import latents_of, must_be_model


def encode(vae: Model, data: Source, draw: bool = False, seed: int = 0, grad: bool = False) -> Float[Tensor, "*N latent"]:
    """The mean of q(z|x) for each example ``(N, latent)``, or with ``draw`` a draw, on the CPU; of one without a batch axis ``(latent,)``.

    Grey values are given to the encoder as they are, not binarized, so that the same image gives the
    same latent whatever stands around it; a context that is drawn follows from ``seed`` and the row. ``data`` are what ``fit`` takes.
    A gradient is there where the data ask for one or ``grad`` does, as in ``vae.encode``; all batches are then kept in memory.
    Errors: DataError for data that the encoder cannot take; UsageError for what is no model.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:16", latent=2), (1, 8, 8)).vae
    >>> z = lb.encode(vae, digits.test)
    >>> z.shape, lb.encode(vae, digits.test[0]).shape  # all examples, and one
    (torch.Size([179, 2]), torch.Size([2]))
    """

    def encoded(data: Rows, rows: Tensor) -> Tensor:
        seen = read(vae, data, rows, seed)
        return seen.vae.encoded(seen.x, draw, grad)

    return _of_examples(encoded, vae, data)


def decode(vae: Model, latents: Array, draw: bool = False, grad: bool = False) -> Float[Tensor, "*N_event"]:
    """The mean of p(x|z) for each latent ``(N, latent)``, or with ``draw`` a draw, on the CPU; of one ``(latent,)`` one example.

    Of a hierarchy the first levels will do, ``(N, d₁)`` or ``(N, d₁ + d₂)`` …: the others are what p expects given these. Gradients: as for
    ``encode``.
    Errors: UsageError for latents of another number of dimensions.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:16", latent=2), (1, 8, 8)).vae
    >>> lb.decode(vae, torch.zeros(5, 2)).shape, lb.decode(vae, torch.zeros(2)).shape
    (torch.Size([5, 1, 8, 8]), torch.Size([1, 8, 8]))
    """
    must_be_model(vae, Model)
    z = latents_of(latents)
    every = z[None] if z.dim() == 1 else z

    def decoded(rows: Tensor) -> Tensor:
        some = vae.some(rows)
        return some.decode(of_levels.completed(some, every[rows], grad), draw, grad)

    found = _in_batches(decoded, every)
    return found[0] if z.dim() == 1 else found


def contexts(vae: Model, data: Source, seed: int = 0) -> Float[Tensor, "*N_context"]:
    """What ``encode`` gives a conditional model besides each example ``(N, *context)``, on the CPU: zeros and a one of its class, say.

    Contexts that are drawn follow from ``seed`` and the row.
    Errors: UsageError for a model that is given nothing.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> spec = lb.data.DataSpec.of(digits.train, digits.test)
    >>> vae = lb.build(lb.Recipe(network="mlp:16", given="label"), spec).vae
    >>> given = lb.tasks.encode.contexts(vae, digits.test)
    >>> given.shape, bool((given.argmax(1) == digits.test.labels).all())
    (torch.Size([179, 10]), True)
    """

    def given(data: Rows, rows: Tensor) -> Tensor:
        context = read(vae, data, rows, seed).vae.posterior.context
        if context is None:
            raise UsageError("this model is given nothing besides the data")
        return context

    return _of_examples(given, vae, data)


def reconstruct(
    vae: Model, data: Source, seed: int = 0, grad: bool = False, decoder: Model | None = None, levels: int | None = None
) -> Float[Tensor, "*N_event"]:
    """The mean of p(x|z) at the mean of q(z|x) for each example ``(N, *event)``, on the CPU; values that a context tells are as they were.

    With another ``decoder``, the model given another class, say, it is that model's p(x|z). Of a hierarchy only the first ``levels`` are
    those of q, the others what p expects given these.

    One example, and gradients: as for ``encode``.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:16", latent=2), (1, 8, 8)).vae
    >>> back = lb.reconstruct(vae, digits.test)
    >>> back.shape, back.allclose(vae.decode(vae.encode(digits.test)))
    (torch.Size([179, 1, 8, 8]), True)
    """

    def back(data: Rows, rows: Tensor) -> Tensor:
        seen = read(vae, data, rows, seed)
        z = seen.vae.encoded(seen.x, grad=grad) if levels is None else of_levels.encoded(seen.vae, seen.x, levels, grad)
        given = seen.vae if decoder is None else decoder
        return given.decode(z, grad=grad, x=seen.x, observed=vae.there(seen.x)).reshape(seen.x.shape)

    return _of_examples(back, vae, data)


def _of_examples(apply: Callable[[Rows, Tensor], Tensor], vae: Model, source: Source) -> Tensor:
    must_be_model(vae, Model)
    examples = vae.examples(source)
    found = _in_batches(lambda rows: apply(examples.rows, rows), examples.rows)
    return found[0] if examples.alone else found


def _in_batches(apply: Callable[[Tensor], Tensor], data: Rows) -> Tensor:
    return torch.cat([apply(rows).cpu() for rows in in_turn(data)])
