"""How frequent classes are, of data of which few have a label: what the balance of classes is held to, and how that is known.

Labels that were drawn with the data have the data's shares. Labels that were picked, as many of each class, say nothing of them; then the
values do: shares π are those of which the labelled values' mixture Σ π_y p(x|y) has the least energy distance to all values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

#: labels of a class that are looked at, and what must be there of each for an error to be had
MOST, LEAST = 50, 3
#: the probability of what is called chance, and the errors beyond which an estimate is none
CHANCE, ERRORS = 1e-3, 5.0


@dataclass(frozen=True)
class Shares:
    """Of each class, its part of all data, and one sentence on how that is known."""

    of_each: tuple[float, ...]
    note: str


def class_shares(x: Float[Tensor, "L *event"], labels: Int64[Tensor, " L"], values: Float[Tensor, "N *event"], classes: int) -> Shares:
    """The shares of all ``classes`` from labelled ``x`` and ``values`` of which nothing is known.

    Those of the labels, one added to the count of each class, where equal shares would give such counts less than once in a thousand
    times (χ² with C − 1 degrees of freedom); else those of the values, where they are off equal shares by five standard errors; else equal.
    """
    counts = labels.bincount(minlength=classes)
    if _chance(counts) < CHANCE:
        found = (counts + 1) / (len(labels) + classes)
        return Shares(tuple(found.tolist()), f"classes are taken to be as frequent as among known labels, {_shown(found)}")
    if int(counts.min()) >= LEAST:
        found, error = energy_shares(x, labels, values, classes)
        if bool(((found - 1 / classes).abs() > ERRORS * error).any()):
            found = found.clamp(min=0.5 / len(labels))
            found = found / found.sum()
            return Shares(tuple(found.tolist()), f"known labels are as many of each class, and the data are not: {_shown(found)} by energy distance")
    return Shares((1 / classes,) * classes, "classes are taken to be as frequent as each other")


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
    x: Float[Tensor, "L *event"], labels: Int64[Tensor, " L"], values: Float[Tensor, "N *event"], classes: int
) -> tuple[Float[Tensor, " classes"], Float[Tensor, " classes"]]:
    """π with Σ π = 1 that minimises 2 bᵀπ − πᵀAπ, and its standard errors by the jackknife over labelled examples, in double precision.

    A_yy' is the mean distance between an example of y and another of y', b_y that between one of y and one of all; of each class some
    tens of labels are looked at, three at least must be there. π may be below 0, as an estimate without bias is.
    Source: Kawakubo et al., "Computationally Efficient Class-Prior Estimation under Class Balance Change Using Energy Distance", 2016,
    https://doi.org/10.1587/transinf.2015EDP7212.
    """
    rows = torch.cat([(labels == y).nonzero()[:MOST, 0] for y in range(classes)])
    x, one_hot = x[rows].double().flatten(1), torch.nn.functional.one_hot(labels[rows], classes).double()
    within = torch.cdist(x, x) @ one_hot  # (L, classes): sums over the labelled of each class
    to_all, n = torch.cdist(x, values.double().flatten(1)).mean(1), one_hot.sum(0)
    sums, all_sums = one_hot.T @ within, to_all @ one_hot
    found = _solved(sums, all_sums, n)
    without = torch.stack([_solved(sums - torch.outer(y, d) - torch.outer(d, y), all_sums - b * y, n - y) for y, d, b in zip(one_hot, within, to_all, strict=True)])
    means = (one_hot.T @ without) / n[:, None]
    spread = one_hot.T @ (without - one_hot @ means).square()
    return found, (((n - 1) / n) @ spread).sqrt()


def _solved(sums: Float[Tensor, "classes classes"], to_all: Float[Tensor, " classes"], n: Float[Tensor, " classes"]) -> Float[Tensor, " classes"]:
    """The stationary π, by a Lagrange multiplier for Σ π = 1."""
    pairs = torch.outer(n, n) - torch.diag(n)
    system = torch.nn.functional.pad(sums / pairs, (0, 1, 0, 1), value=1.0)
    system[-1, -1] = 0.0
    return torch.linalg.lstsq(system, torch.cat([to_all / n, to_all.new_ones(1)])[:, None]).solution[:-1, 0]
