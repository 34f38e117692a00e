"""What a model that is given labels can be asked: data of a class, an example as another class, one style in all classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.errors import UsageError, nearest
from lowerbound.nn.mode import in_evaluation
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import Model


def label_of(vae: Model) -> Label:
    """How the model is given labels, its ``contexts.Label``.

    Errors: UsageError for a model that is not given labels.

    >>> import lowerbound as lb
    >>> spec = lb.data.DataSpec((6,), classes=("cat", "dog"))
    >>> lb.tasks.classes.label_of(lb.build(lb.Recipe(network="mlp:8", given="label"), spec).vae)
    Label(classes=2)
    """
    if not isinstance(vae.context, Label):
        raise UsageError("this model is not given labels, and cannot be asked for one; train with --given label, or --semi-supervised m2")
    return vae.context


def as_labels(vae: Model, labels: Int64[Tensor, " B"]) -> Model:
    """The model of data of these classes, ``labels`` ``(B,)`` being one for each example, or one for all.

    Errors: UsageError, DataError for what it does not know.

    >>> import torch
    >>> import lowerbound as lb
    >>> spec = lb.data.DataSpec((6,), classes=("cat", "dog"))
    >>> vae = lb.build(lb.Recipe(network="mlp:8", given="label"), spec).vae
    >>> lb.tasks.classes.as_labels(vae, torch.tensor([1])).sample(16).shape  # sixteen dogs
    torch.Size([16, 6])
    """
    return vae.given(label_of(vae).numbered(labels).to(vae.device))


def evenly(vae: Model, n: int) -> Int64[Tensor, " n"]:
    """n labels ``(n,)`` in turn, all classes alike: 0, 1, 2, …, 0, 1, …

    >>> import lowerbound as lb
    >>> spec = lb.data.DataSpec((6,), classes=("cat", "dog", "bird"))
    >>> vae = lb.build(lb.Recipe(network="mlp:8", given="label"), spec).vae
    >>> lb.tasks.classes.evenly(vae, 5).tolist()
    [0, 1, 2, 0, 1]
    """
    return torch.arange(n) % label_of(vae).classes


def number(name: str, classes: Sequence[str]) -> int:
    """The number of the class of that name among ``classes``.

    Errors: UsageError, with the nearest name, where there is none.

    >>> import lowerbound as lb
    >>> lb.tasks.classes.number("dog", ("cat", "dog", "bird"))
    1
    """
    if name not in classes:
        raise UsageError(f"there is no class '{name}'{nearest(name, classes) or '; there are ' + ', '.join(classes)}")
    return list(classes).index(name)


@torch.no_grad()
def styles(vae: Model, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n classes *event"]:
    """Means of p(x|z, y) ``(n, classes, *event)`` for each z ``(n, latent)`` and each class y: one z is one style, whatever the class.

    Errors: UsageError for a model that is not given labels.

    >>> import torch
    >>> import lowerbound as lb
    >>> spec = lb.data.DataSpec((1, 8, 8), classes=("cat", "dog", "bird"))
    >>> vae = lb.build(lb.Recipe(network="mlp:8", given="label", latent=2), spec).vae
    >>> lb.tasks.classes.styles(vae, torch.zeros(5, 2)).shape  # five styles in three classes
    torch.Size([5, 3, 1, 8, 8])
    """
    classes = label_of(vae).classes
    vae = in_evaluation(vae)
    every = as_labels(vae, torch.arange(classes))
    return every.decode(latents.to(vae.device)[:, None].expand(-1, classes, -1))


def drawn_styles(vae: Model, n: int) -> Float[Tensor, "n latent"]:
    """n draws ``(n, latent)`` of z from p(z), each a style that ``styles`` shows in all classes; of a p(z|y) those of the first class.

    Errors: UsageError for a model that is not given labels.

    >>> import lowerbound as lb
    >>> spec = lb.data.DataSpec((6,), classes=("cat", "dog"))
    >>> vae = lb.build(lb.Recipe(network="mlp:8", given="label", latent=2), spec).vae
    >>> lb.tasks.classes.drawn_styles(vae, 5).shape
    torch.Size([5, 2])
    """
    prior = as_labels(vae, torch.zeros(1, dtype=torch.long)).prior()
    return prior.sample(torch.Size([n])).reshape(n, -1)
