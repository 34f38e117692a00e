"""What is maximised: a bound on log p(x), made of the three log densities of K draws.

An objective maps ``Terms`` to ``(B,)``, in nats. A new one is one class here and one row in the table
of ``recipes``. ``bound`` is what is reported and always a bound on log p(x); ``value`` is what is
maximised, and where the two differ (β ≠ 1, free bits, …) the bound is the ELBO.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from lowerbound.errors import RecipeError
from lowerbound.vae.objectives.kl import KL
from lowerbound.vae.terms import Terms

# --- the KL ----------------------------------------------------------------------------------------


# --- objectives ------------------------------------------------------------------------------------


class Objective(ABC):
    """The contract of this room.

    Besides its value an objective says how its gradient may be estimated: ``signal`` and
    ``leave_one_out`` for estimators with a score term, ``path_weight`` for doubly reparameterised ones.
    """

    #: whether the value is a mean over draws, so that one draw's part does not depend on the others
    mean_over_draws: ClassVar[bool] = True
    #: whether a datum's value depends on the others of its batch, so that data cannot be weighted each by itself
    over_batch: ClassVar[bool] = False
    #: K, how many draws of z each datum gets
    samples: int
    #: how the KL is computed where the value has one, and for the report
    kl: KL

    @property
    def weight_of_kl(self) -> float:
        """What the value multiplies the KL with, where it is a weighted ELBO."""
        return 1.0

    def at(self, epoch: float) -> Objective:
        """The objective as it is after ``epoch`` passes over the data; the same by default."""
        return self

    def bound(self, terms: Terms) -> Float[Tensor, " B"]:
        """What is reported: a lower bound on log p(x), one for each datum; by default the ELBO."""
        return terms.mean(terms.log_likelihood) - self.kl(terms)

    @abstractmethod
    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """What is maximised, one for each datum."""

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """What draw k adds to the value: the weight of its score ∇ log q(z_k). Errors: RecipeError where it has none."""
        raise RecipeError(f"{type(self).__name__} does not come apart into a part for each draw; choose a pathwise estimator")

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """What is expected of draw k's signal, from the other draws alone."""
        return self.signal(terms)  # raises where there is none

    def path_weight(self, terms: Terms) -> Float[Tensor, "K B"]:
        """1 − (∂v_k/∂log w_k)/v_k with v_k = ∂value/∂log w_k: what is left of draw k's path once log q's own score is dropped.

        Source: Tucker et al., "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives",
        2018, https://arxiv.org/abs/1810.04152. Errors: RecipeError where the value is no function of the weights.
        """
        raise RecipeError(f"{type(self).__name__} is no function of the importance weights; choose the pathwise estimator")


def mean_of_others(values: Float[Tensor, "K B"]) -> Float[Tensor, "K B"]:
    """For each draw the mean over the others. Errors: RecipeError for a single draw."""
    others = len(values) - 1
    if not others:
        raise RecipeError("leaving one out needs another draw; give the objective 2 samples or more")
    return (values.sum(0) - values) / others
