"""What a column of whole numbers may be, of which nobody says it: counts, a number with a value that stands alone, codes or a scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lowerbound.data import count_choice
from lowerbound.data.missing_marks import toml_key

#: largest whole number that is inferred as a count: for larger ones log p has too few digits in single precision
LARGEST = 10_000
#: counts have a variance of at least this share of their mean and a least value of at most this; years, ages and sizes are numbers
DISPERSED, BEGINS = 0.5, 1
#: up to so many different numbers may be codes or a scale, if there are so many cells for each
FEW, EACH = 7, 3
#: with fewer values nothing is said of those between which there are none
LEAST = 30
#: the most frequent value stands alone with this share of the cells, and so many times those of each number beside it
SHARE, ABOVE = 0.05, 100.0
#: the share of the others that are beside it; of few numbers so many of those up to there have to occur
NEAREST, OCCUR = 0.25, 1 / 3

Numbers = npt.NDArray[np.float64]


def are_counts(values: Numbers) -> bool:
    """Whether whole numbers ``(N,)`` are taken for counts: from 0 or 1 on, dispersed as these, and not as money is."""
    begins = 0 <= values.min() <= BEGINS and values.max() <= LARGEST
    counted = bool(begins and values.var() >= DISPERSED * values.mean())
    return counted and not _stands_alone(values) and not count_choice.are_money(values)


def _stands_alone(values: Numbers) -> bool:
    """Whether the most frequent value is far from the others, as no money spent is from money.

    The law of a count k has about as much on each number beside a value as on that. Beside it are the nearest quarter of the others, up to
    a distance d: nᵥ cells against n/d for each number. Of few numbers it is enough that most up to d are not there.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(values) < LEAST or counts.max() < SHARE * len(values) or len(distinct) < 2:
        return False
    away = np.abs(values - distinct[counts.argmax()])
    reach = float(np.quantile(away[away > 0], NEAREST))
    near = away[(away > 0) & (away <= reach)]
    sparse = len(distinct) <= FEW and len(np.unique(near)) < OCCUR * reach
    return bool(sparse or counts.max() * reach >= ABOVE * len(near))


def codes(name: str, values: Numbers) -> tuple[str, ...]:
    """A note on whole numbers ``(N,)`` so few of which differ that they may be codes or a scale."""
    number, key = len(np.unique(values)), toml_key(name)
    if not 1 < number <= FEW or len(values) < EACH * number:
        return ()
    how = f'if they are codes or a scale: {key} = "category", or {key} = "ordinal", in a file for --types'
    return (f"column '{name}' has {number} different whole numbers; {how}",)
