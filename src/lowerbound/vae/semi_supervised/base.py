"""What all models of partly labelled data are: they classify; and what all their losses take: a batch, and some data with labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.data.rows import Rows, labels_of
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.system import noise
from lowerbound.system.arguments import is_number, shown
from lowerbound.vae.model import Model


@runtime_checkable
class Classifier(Protocol):
    """A model that tells classes: the contract of ``log_classify``, which ``Classified`` and ``SemiSupervised`` have.

    >>> import torch
    >>> import lowerbound as lb
    >>> recipe = lb.Recipe(semi_supervised="m1", labels=100, network="mlp:16", latent=2)
    >>> vae = lb.build(recipe, lb.data.DataSpec((6,), classes=("cat", "dog"))).vae
    >>> vae.log_classify(torch.rand(5, 6)).shape
    torch.Size([5, 2])
    """

    def log_classify(self, x: Float[Tensor, "B *event"]) -> Float[Tensor, "B classes"]:
        """log q(y|x) of each class, in nats: of classes held for impossible or certain a logarithm still tells how much so."""


def classifier_of(vae: Model) -> Classifier:
    """The model as one that tells classes, a ``Classifier``.

    Errors: UsageError for a model that does not.

    >>> import lowerbound as lb
    >>> lb.semi.classifier_of(lb.build(lb.Recipe(network="mlp:8"), (6,)).vae)
    Traceback (most recent call last):
        ...
    lowerbound.errors.UsageError: this model tells no classes; train one that does with --semi-supervised m2 --labels N
    """
    if not isinstance(vae, Classifier):
        raise UsageError("this model tells no classes; train one that does with --semi-supervised m2 --labels N")
    return vae


@dataclass(frozen=True)
class Batch:
    """Some values whose labels nobody looks at, and some with their labels; of all data the share ``known`` has one.

    Labels stay on the CPU, where a look at them waits for nothing.
    """

    values: Float[Tensor, "B *event"]
    labelled: Float[Tensor, "L *event"]
    labels: Int64[Tensor, " L"]
    known: float

    @classmethod
    def of(cls, data: Rows, rows: Int64[Tensor, " B"], labelled: int, device: torch.device) -> Batch:
        """Those rows, and as many as ``labelled`` of those that have a label, drawn anew. Errors: DataError where none has."""
        known = known_rows(data)
        some = known[noise.uniform((len(known),), None).argsort()[:labelled]]
        labels = labels_of(data, some)
        assert labels is not None
        return cls(data[rows].to(device), data[some].to(device), labels, len(known) / len(data))


def known_rows(data: Rows) -> Int64[Tensor, " L"]:
    """The rows ``(L,)`` that have a label.

    Errors: DataError where none has.

    >>> import torch
    >>> import lowerbound as lb
    >>> data = lb.data.Dataset(torch.rand(4, 6), targets=torch.tensor([0, -1, 1, -1]), classes=("cat", "dog"))
    >>> lb.semi.known_rows(data).tolist()
    [0, 2]
    """
    known = data.known if isinstance(data, Dataset) else torch.empty(0, dtype=torch.long)
    if not len(known):
        raise DataError("no example has a label, and some must have one; bring labels")
    return known


def check_weight(weight: float, name: str = "the weight of known labels") -> None:
    """Errors: RecipeError for what can be no weight of log q(y|x), or of another term, or no radius."""
    if not (is_number(weight) and 0 <= weight < math.inf):
        raise RecipeError(f"{name} must be 0 or a positive number, not {shown(weight)}")
