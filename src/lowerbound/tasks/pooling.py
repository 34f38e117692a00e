"""Rubin's rules: the analyses of several imputations as one, with the error that the missing values add."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lowerbound.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """An estimate of M imputations, each field of the shape of one estimate.

    ``estimate`` is their mean Q̄; ``se`` is √T with T = Ū + (1 + 1/M) B, of the mean squared error Ū ``within`` an imputation and the
    variance B ``between`` them; ``df`` are the degrees of freedom of (Q − Q̄)/√T, a Student-t; ``missing_information`` is the share of
    the information about Q that is lost with the missing values.

    >>> import lowerbound as lb
    >>> found = lb.tasks.impute.pool([1.0, 2.0, 3.0], [0.5, 0.5, 0.5])
    >>> [round(float(end), 2) for end in found.interval(0.95)]
    [-1.85, 5.85]
    """

    estimate: Floats
    se: Floats
    df: Floats
    within: Floats
    between: Floats
    missing_information: Floats

    def interval(self, share: int | float = 0.95) -> tuple[Floats, Floats]:
        """The ends of the central interval that holds this share. Errors: UsageError for a share that is none."""
        if not 0 < share < 1:
            raise UsageError(f"an interval holds a share above 0 and below 1, not {share:g}")
        from scipy.stats import t

        reach = t.ppf((1 + share) / 2, self.df) * self.se
        return np.asarray(self.estimate - reach), np.asarray(self.estimate + reach)


def pool(estimates: npt.ArrayLike, variances: npt.ArrayLike, *, df: int | float | Sequence[int | float] | Floats | None = None) -> Pooled:
    """One estimate of those of M imputations ``(M, *q)``, and its error, from the squared standard error of each ``(M, *q)``.

    Q̄ = 1/M Σ Qₘ, T = Ū + (1 + 1/M) B with Ū = 1/M Σ Uₘ and B = 1/(M − 1) Σ (Qₘ − Q̄)². The degrees of freedom are
    (M − 1)/λ² with λ = (1 + 1/M) B/T; with ``df``, those of the analysis of whole data, a number or one
    for each of q, corrected for few rows.
    Sources: Rubin, "Multiple Imputation for Nonresponse in Surveys", 1987, https://doi.org/10.1002/9780470316696 (chapter 3); Barnard and
    Rubin, "Small-sample degrees of freedom with multiple imputation", 1999, https://doi.org/10.1093/biomet/86.4.948.
    Errors: UsageError for fewer than two imputations, shapes that differ, values that are not finite and variances below 0.

    >>> import lowerbound as lb
    >>> found = lb.tasks.impute.pool([1.0, 2.0, 3.0], [0.5, 0.5, 0.5])
    >>> float(found.estimate), round(float(found.se) ** 2, 4), round(float(found.df), 2)
    (2.0, 1.8333, 3.78)
    """
    each, squares = _of_imputations("estimates", estimates), _of_imputations("variances", variances)
    if each.shape != squares.shape:
        raise UsageError(f"each estimate needs its squared standard error: there are {each.shape} estimates and {squares.shape} variances")
    if (squares < 0).any():
        raise UsageError("variances are squared standard errors, and some of these are below 0")
    whole = np.asarray(math.inf if df is None else df, dtype=np.float64)
    if whole.shape not in ((), each.shape[1:]) or not (whole > 0).all():
        raise UsageError(f"the degrees of freedom of the analysis must be above 0, one number or one for each estimate, not {df!r}")
    m = len(each)
    within, between = squares.mean(0), each.var(0, ddof=1)
    added = (1 + 1 / m) * between
    total = within + added
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, added / total, 0.0)
        freedom = (m - 1) / share**2
        observed = np.where(whole < math.inf, (whole + 1) / (whole + 3) * whole * (1 - share), math.inf)
        freedom = 1 / (1 / freedom + 1 / observed)
        ratio = added / within
        missing = np.where(within > 0, (ratio + 2 / (freedom + 3)) / (ratio + 1), share)
    return Pooled(*map(np.asarray, (each.mean(0), np.sqrt(total), freedom, within, between, missing)))


def _of_imputations(name: str, values: npt.ArrayLike) -> Floats:
    try:
        found: Any = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be numbers (M, …), of each imputation as many: {error}") from error
    if found.ndim < 1 or len(found) < 2:
        raise UsageError(f"{name} must be those of two imputations or more, as (M, …)")
    if not np.isfinite(found).all():
        raise UsageError(f"some {name} are not finite; leave out the imputations in which the analysis failed")
    kept: Floats = found
    return kept
