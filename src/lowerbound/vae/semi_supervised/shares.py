"""How frequent classes are, of data of which few have a label: what the balance of classes is held to, and how that is known.

Labels that were drawn with the data have the data's shares. Labels that were picked, as many of each class, say nothing of them; then the
values do: shares π are those of which the labelled values' mixture Σ π_y p(x|y) has the least energy distance to all values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.data.rows import rows_at_once, some_of
from lowerbound.nn.first_layer import watched
from lowerbound.nn.mode import in_evaluation
from lowerbound.vae.posteriors import Posterior

#: labelled examples of a class that are looked at, and how many there must be of each for an error to be had
MOST, LEAST = 50, 3
#: the probability of what is called chance, and the errors beyond which an estimate is none
CHANCE, ERRORS = 1e-3, 5.0
SMALL = 0.01  # a difference of shares that is none, however sure it is


@dataclass(frozen=True)
class Shares:
    """Of each class its part of all data, ``of_each`` ``(classes,)``, None where they are equal, and a ``note`` on how that is known.

    >>> import lowerbound as lb
    >>> shares = lb.semi.Shares((0.9, 0.1), "as the labels are")
    >>> lb.semi.SemiSupervisedLoss(weight=1.0, balance=10.0, shares=shares.of_each).shares
    (0.9, 0.1)
    """

    of_each: tuple[float, ...] | None
    note: str


@torch.no_grad()
def shares_of(reader: Posterior, data: Dataset) -> Shares:
    """The shares of the classes of ``data`` of which some have a label, which M2's classifier is held to.

    Labels that are too unequal to be as many by chance have the data's shares; else the values of the data decide, as the first layer of
    ``reader``, the classifier or encoder, sees them; else shares are equal.
    Source: Kawakubo et al., "Computationally Efficient Class-Prior Estimation under Class Balance Change Using Energy Distance", 2016,
    https://doi.org/10.1587/transinf.2015EDP7212.

    >>> import torch
    >>> import lowerbound as lb
    >>> targets = torch.tensor([0] * 90 + [1] * 10 + [-1] * 100)  # labels of nine cats for each dog
    >>> data = lb.data.Dataset(torch.rand(200, 6), targets=targets, classes=("cat", "dog"))
    >>> found = lb.semi.shares_of(lb.posteriors.Categorical(lb.nn.mlp(6, 16, 2)), data)
    >>> [round(share, 2) for share in found.of_each]
    [0.89, 0.11]
    """
    reader = in_evaluation(reader)
    known, labels, classes, at_once = data.known, data.labels, len(data.classes), rows_at_once(data)
    assert labels is not None
    each = [known[labels[known] == y] for y in range(classes)]
    some = torch.cat([rows[some_of(rows, min(MOST, at_once // (2 * classes)))] for rows in each])
    device = next(reader.parameters()).device
    x, values = (watched(reader, data[rows].to(device))[1].cpu() for rows in (some, some_of(data, at_once)))
    return class_shares(torch.tensor([len(rows) for rows in each]), x, labels[some], values)


def class_shares(
    counts: Int64[Tensor, " classes"], x: Float[Tensor, "L *event"], labels: Int64[Tensor, " L"], values: Float[Tensor, "N *event"]
) -> Shares:
    """The shares of classes from how many labels there are of each, from ``x`` of some of them, and from ``values`` of unknown class.

    Those of the labels, one added to the count of each class, where equal shares would give such counts less than once in a thousand
    times (χ² with C − 1 degrees of freedom); else those of the values, where they are off equal shares by five standard errors and by a
    hundredth; else equal.
    """
    if _chance(counts) < CHANCE:
        found = (counts + 1) / (counts + 1).sum()
        return Shares(tuple(found.tolist()), f"classes are balanced to their shares of the known labels, {_shown(found)}")
    if int(labels.bincount(minlength=len(counts)).min()) >= LEAST:
        found, error = energy_shares(x, labels, values)
        if bool(((found - 1 / len(counts)).abs() > (ERRORS * error).clamp(min=SMALL)).any()):
            found = found.clamp(min=0.5 / len(labels))
            found = found / found.sum()
            return Shares(
                tuple(found.tolist()),
                f"known labels are as many of each class, but by their values data are not: classes are balanced to {_shown(found)}",
            )
    return Shares(None, "classes are balanced to equal shares, as nothing says otherwise; where theirs are not, balance them with weight 0")


def _chance(counts: Int64[Tensor, " classes"]) -> float:
    """The probability of counts at least as unequal where classes are as frequent as each other, by χ²."""
    expected = counts.double().mean()
    statistic = ((counts - expected).square() / expected).sum()
    return float(torch.special.gammaincc(torch.tensor((len(counts) - 1) / 2, dtype=torch.double), statistic / 2))


def _shown(shares: Tensor) -> str:
    """As percentages, those of many classes the smallest and the largest."""
    if len(shares) > 5:
        return f"{float(shares.min()):.1%} to {float(shares.max()):.1%}"
    return ", ".join(f"{share:.1%}" for share in shares.tolist())


def energy_shares(
    x: Float[Tensor, "L *event"], labels: Int64[Tensor, " L"], values: Float[Tensor, "N *event"]
) -> tuple[Float[Tensor, " classes"], Float[Tensor, " classes"]]:
    """π with Σ π = 1 where 2 bᵀπ − πᵀAπ is stationary, and its standard errors by the jackknife over labelled examples, as doubles.

    A_yy' is the mean distance between an example of y and another of y', b_y that between one of y and one of all. Of each class there
    are to be three labels at least. π may be below 0, as an estimate without bias is.
    Source: Kawakubo et al., "Computationally Efficient Class-Prior Estimation under Class Balance Change Using Energy Distance", 2016,
    https://doi.org/10.1587/transinf.2015EDP7212.
    """
    x, one_hot = x.double().flatten(1), torch.nn.functional.one_hot(labels).double()
    within, to_all = torch.cdist(x, x) @ one_hot, torch.cdist(x, values.double().flatten(1)).mean(1)
    sums, all_sums, n = one_hot.T @ within, to_all @ one_hot, one_hot.sum(0)
    without = torch.stack(
        [
            _stationary(sums - torch.outer(y, d) - torch.outer(d, y), all_sums - b * y, n - y)
            for y, d, b in zip(one_hot, within, to_all, strict=True)
        ]
    )
    of_class = one_hot @ ((one_hot.T @ without) / n[:, None])
    variance = ((one_hot @ ((n - 1) / n))[:, None] * (without - of_class).square()).sum(0)
    return _stationary(sums, all_sums, n), variance.sqrt()


def _stationary(
    sums: Float[Tensor, "classes classes"], to_all: Float[Tensor, " classes"], n: Float[Tensor, " classes"]
) -> Float[Tensor, " classes"]:
    """π by a Lagrange multiplier for Σ π = 1, from sums of distances over n examples of each class, none of them to itself."""
    system = torch.ones(len(n) + 1, len(n) + 1, dtype=n.dtype)
    system[:-1, :-1] = sums / (torch.outer(n, n) - torch.diag(n))
    system[-1, -1] = 0.0
    return torch.linalg.lstsq(system, torch.cat([to_all / n, n.new_ones(1)])[:, None]).solution[:-1, 0]
