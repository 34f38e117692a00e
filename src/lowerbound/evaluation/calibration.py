"""How good a classifier is, and how far its probabilities can be believed; the temperature that makes them believable.

A classifier is calibrated where of all predictions with confidence p the share p is correct. Everything works on log q(y|x)
``(N, classes)``, so that classes held for impossible or certain cost no infinity; data of an ``UNKNOWN`` label are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.data import UNKNOWN
from lowerbound.data.python import Source
from lowerbound.data.rows import in_turn, labels_of
from lowerbound.errors import DataError
from lowerbound.vae.model import Model
from lowerbound.vae.semi_supervised import classifier_of

BINS = 15  # of confidence, as in the literature
LEAST = 20  # labels from which a temperature is learned
INVERSE = (0.01, 100.0)  # between which 1/T is sought
HALVINGS = 60  # of that range: to the last digit of a double


@dataclass(frozen=True)
class Calibration:
    """The temperature T of a classifier's probabilities, q_T(y|x) ∝ q(y|x)^(1/T), and how many labels it was learned from.

    ``calibrated_on`` is 0 where it was not learned, and T is then 1. Above 1 it makes predictions less sure.

    >>> import lowerbound as lb
    >>> lb.calibration.Calibration()
    Calibration(temperature=1.0, calibrated_on=0)
    """

    temperature: float = 1.0
    calibrated_on: int = 0

    @classmethod
    def read(cls, words: dict[str, Any]) -> Calibration:
        """From what a file holds. Errors: TypeError, KeyError, ValueError for what it cannot be."""
        found = cls(float(words["temperature"]), int(words["calibrated_on"]))
        if not 0 < found.temperature < math.inf:
            raise ValueError(f"temperature {found.temperature}")
        return found


UNCALIBRATED = Calibration()


def calibrate(vae: Model, data: Source) -> Calibration:
    """The temperature of these data, which training has not learned from; it changes probabilities, and not which class is predicted.

    Not learned where fewer than ``LEAST`` labels are known, nor where all of them are predicted correctly: the smaller T, the likelier.
    Errors: UsageError for a model that tells no classes; DataError for labels that are none of its classes.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> recipe = lb.Recipe(semi_supervised="m2", labels=100, network="mlp:16", latent=2)
    >>> vae = lb.build(recipe, lb.data.DataSpec.of(digits.train, digits.test)).vae
    >>> found = lb.calibration.calibrate(vae, digits.test)
    >>> found.calibrated_on, found.temperature > 0
    (179, True)
    """
    data = vae.examples(data).rows
    labels = labels_of(data, torch.arange(len(data)))
    if labels is None or int((labels != UNKNOWN).sum()) < LEAST:
        return UNCALIBRATED
    log_q, labels = _known(log_probabilities(vae, data), labels)
    if bool((log_q.argmax(1) == labels).all()):
        return UNCALIBRATED
    return Calibration(temperature(log_q, labels), len(labels))


def log_probabilities(vae: Model, data: Source) -> Float[Tensor, "N classes"]:
    """log q(y|x) ``(N, classes)`` in nats, as doubles on the CPU.

    Errors: UsageError for a model that tells no classes.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> recipe = lb.Recipe(semi_supervised="m2", labels=100, network="mlp:16", latent=2)
    >>> vae = lb.build(recipe, lb.data.DataSpec.of(digits.train, digits.test)).vae
    >>> log_q = lb.calibration.log_probabilities(vae, digits.test)
    >>> log_q.shape, round(float(log_q.exp().sum()), 3)  # those of each of 179 examples sum to one
    (torch.Size([179, 10]), 179.0)
    """
    model, data = classifier_of(vae), vae.examples(data).rows
    parts = [model.log_classify(data[rows].to(vae.device)) for rows in in_turn(data)]
    return torch.cat([part.cpu().double() for part in parts])  # in this order: not every accelerator has doubles


def temperature(log_q: Float[Tensor, "N classes"], labels: Int64[Tensor, " N"]) -> float:
    """The T for which −mean log q_T(y|x), q_T ∝ q^(1/T), is the least, 1/T within ``INVERSE``: it is convex in 1/T, its slope grows.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, https://arxiv.org/abs/1706.04599.
    Errors: DataError where no label is known.

    >>> import torch
    >>> import lowerbound as lb
    >>> log_q = torch.tensor([[0.9, 0.1]] * 4).log()  # sure by .9, and right three times of four
    >>> round(lb.calibration.temperature(log_q, torch.tensor([0, 0, 0, 1])), 3)
    2.0
    """
    log_q, labels = _known(log_q, labels)
    if not len(labels):
        raise DataError("a temperature is learned from known labels, and there are none; bring labels")
    of_labels = float(_of(log_q, labels).mean())
    low, high = INVERSE
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        expected = float((scaled(log_q, 1 / middle).exp() * log_q).sum(1).mean())
        low, high = (low, middle) if expected > of_labels else (middle, high)
    return 1 / math.sqrt(low * high)


def scaled(log_q: Float[Tensor, "N classes"], temperature: float) -> Float[Tensor, "N classes"]:
    """log q_T(y|x) ``(N, classes)`` of log q(y|x) ``(N, classes)``, in nats: q_T ∝ q^(1/T), T being the ``temperature``.

    >>> import torch
    >>> import lowerbound as lb
    >>> log_q = torch.tensor([[0.9, 0.1]], dtype=torch.double).log()
    >>> [round(p, 3) for p in lb.calibration.scaled(log_q, 2.0).exp()[0].tolist()]  # √.9 and √.1 are as 3 and 1
    [0.75, 0.25]
    """
    return (log_q / temperature).log_softmax(1)


# --- what is said of a classifier ---------------------------------------------------------------------


@dataclass(frozen=True)
class Reliability:
    """Examples by the confidence of their prediction, in ``BINS`` equal parts of the confidence from 0 to 1, the greatest of q(y|x).

    ``counts`` ``(BINS,)`` says how many, ``confidence`` how sure on average, ``accuracy`` which share was correct; both NaN where there are
    none.

    >>> import torch
    >>> import lowerbound as lb
    >>> log_q = torch.tensor([[0.9, 0.1]] * 4, dtype=torch.double).log()
    >>> found = lb.calibration.reliability(log_q, torch.tensor([0, 0, 0, 1]))
    >>> round(found.error, 3)  # all in one bin: |.75 − .9|
    0.15
    """

    counts: Float[Tensor, " bins"]
    confidence: Float[Tensor, " bins"]
    accuracy: Float[Tensor, " bins"]

    @property
    def error(self) -> float:
        """The expected calibration error Σ n_b/N · |accuracy_b − confidence_b|."""
        return float((self.counts / self.counts.sum() * (self.accuracy - self.confidence).abs()).nansum())


def reliability(log_q: Float[Tensor, "N classes"], labels: Int64[Tensor, " N"]) -> Reliability:
    """The data whose labels are known by confidence: bin b has those from b/``BINS``, not included, to (b + 1)/``BINS``.

    ``log_q`` ``(N, classes)`` is in nats, ``labels`` ``(N,)`` are class numbers, −1 where not known.
    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, https://arxiv.org/abs/1706.04599 (section 2).
    Errors: DataError for labels that are none of the classes.

    >>> import torch
    >>> import lowerbound as lb
    >>> log_q = torch.tensor([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4]], dtype=torch.double).log()
    >>> found = lb.calibration.reliability(log_q, torch.tensor([0, 1, 0]))
    >>> found.counts.nonzero()[:, 0].tolist(), found.accuracy[[8, 14]].tolist()  # one in bin 8, two in bin 14, of which one is right
    ([8, 14], [1.0, 0.5])
    """
    log_q, labels = _known(log_q, labels)
    best, predicted = log_q.max(1)
    confidence = best.exp()
    bins = ((confidence * BINS).ceil().long() - 1).clamp(0, BINS - 1)
    each = (torch.ones_like(confidence), confidence, (predicted == labels).double())
    counts, sure, right = (bins.bincount(weights, BINS) for weights in each)
    return Reliability(counts, sure / counts, right / counts)


@dataclass(frozen=True)
class Classification:
    """What a classifier makes of data of which ``labels`` labels are known.

    ``accuracy`` is the share of correct ones, ``accuracy_se`` its standard error √(a(1 − a)/n), NaN where all or none are, of which it says
    nothing; ``negative_log_likelihood`` is the mean of −log q_T(y|x) in nats; calibration errors are ``Reliability.error``; ``confusion``
    counts examples of the class of its row predicted to be of that of its column.

    >>> import torch
    >>> import lowerbound as lb
    >>> log_q = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.2, 0.8]], dtype=torch.double).log()
    >>> found = lb.calibration.classification(log_q, torch.tensor([0, 0, 1, 1]))
    >>> found.accuracy, found.confusion, round(found.negative_log_likelihood, 3)  # −(3 log .8 + log .2)/4
    (0.75, [[2, 0], [1, 1]], 0.57)
    """

    accuracy: float
    accuracy_se: float
    negative_log_likelihood: float
    calibration_error: float
    calibration_error_uncalibrated: float
    temperature: float
    calibrated_on: int
    confusion: list[list[int]]
    labels: int

    @property
    def balanced_accuracy(self) -> float:
        """The mean over classes of the share of their examples that are predicted right, classes without examples aside.

        Always saying the largest of C classes has 1/C, whatever share it is.
        """
        there = [(row[number], sum(row)) for number, row in enumerate(self.confusion) if sum(row)]
        return sum(right / n for right, n in there) / len(there)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Classification:
        """What a file holds of it. Errors: TypeError, KeyError, ValueError for what it cannot be."""
        numbers: dict[str, Any] = {name: math.nan if found[name] is None else float(found[name]) for name in RATES}
        confusion = [[int(count) for count in row] for row in found["confusion"]]
        calibration = Calibration.read(dict(found))
        return cls(**numbers, **vars(calibration), confusion=confusion, labels=int(found["labels"]))


RATES = ("accuracy", "accuracy_se", "negative_log_likelihood", "calibration_error", "calibration_error_uncalibrated")


def classification(
    log_q: Float[Tensor, "N classes"], labels: Int64[Tensor, " N"] | None, calibration: Calibration = UNCALIBRATED
) -> Classification | None:
    """What a classifier makes of examples of these labels; None where none is known.

    ``log_q`` ``(N, classes)`` is log q(y|x) in nats, ``labels`` ``(N,)`` are class numbers, −1 where not known, ``calibration`` has T.
    Errors: DataError for labels that are none of its classes.

    >>> import torch
    >>> import lowerbound as lb
    >>> log_q = torch.tensor([[0.8, 0.2], [0.8, 0.2]], dtype=torch.double).log()
    >>> lb.calibration.classification(log_q, torch.tensor([0, -1])).labels, lb.calibration.classification(log_q, torch.tensor([-1, -1]))
    (1, None)
    """
    if labels is None or not bool((labels != UNKNOWN).any()):
        return None
    log_q, labels = _known(log_q, labels)
    calibrated, n = scaled(log_q, calibration.temperature), len(labels)
    accuracy = float((log_q.argmax(1) == labels).double().mean())
    return Classification(
        accuracy,
        math.sqrt(accuracy * (1 - accuracy) / n) or math.nan,
        -float(_of(calibrated, labels).mean()),
        reliability(calibrated, labels).error,
        reliability(log_q, labels).error,
        calibration.temperature,
        calibration.calibrated_on,
        confusion(log_q, labels).tolist(),
        n,
    )


def confusion(log_q: Float[Tensor, "N classes"], labels: Int64[Tensor, " N"]) -> Int64[Tensor, "classes classes"]:
    """The confusion matrix ``(classes, classes)``: how many examples of each class, a row, are predicted to be of each, a column.

    ``log_q`` ``(N, classes)`` is log q(y|x), of which the greatest is predicted; ``labels`` ``(N,)`` are class numbers, −1 where not known.
    Errors: DataError for labels that are none of the classes.

    >>> import torch
    >>> import lowerbound as lb
    >>> log_q = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.2, 0.8]]).log()
    >>> lb.calibration.confusion(log_q, torch.tensor([0, 1, 1])).tolist()
    [[1, 0], [1, 1]]
    """
    log_q, labels = _known(log_q, labels)
    classes = log_q.shape[1]
    return (labels * classes + log_q.argmax(1)).bincount(minlength=classes**2).view(classes, classes)


def _known(log_q: Tensor, labels: Tensor) -> tuple[Float[Tensor, "n classes"], Int64[Tensor, " n"]]:
    """Those whose labels are known. Errors: DataError for a label that is none of the classes."""
    known = labels != UNKNOWN
    log_q, labels = log_q[known], labels[known]
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < log_q.shape[1]):
        raise DataError(f"the model tells classes 0 to {log_q.shape[1] - 1}, and these data have others; bring data of its classes")
    return log_q, labels


def _of(log_q: Tensor, labels: Tensor) -> Float[Tensor, " N"]:
    return log_q.gather(1, labels[:, None])[:, 0]
