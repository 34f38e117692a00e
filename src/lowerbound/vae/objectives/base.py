"""What is maximised: a bound on log p(x), made of the three log densities of K draws.

An objective maps ``Terms`` to ``(B,)``, in nats. A new one is one class here and one row in the table
of ``recipes``. ``bound`` is what is reported and always a bound on log p(x); ``value`` is what is
maximised, and where the two differ (β ≠ 1, free bits, …) the bound is the ELBO.

How its gradient may be estimated an objective says by what it has besides: ``ByDraw`` for estimators with a score
term, ``ByWeight`` for doubly reparameterised ones. Others refuse what they lack, with the reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from lowerbound.errors import RecipeError
from lowerbound.system.arguments import shown, whole
from lowerbound.vae.objectives.kl import KL
from lowerbound.vae.schedules import Schedule
from lowerbound.vae.terms import Terms

#: means over a share of a batch → means over the batch, with the gradient of the share's own
Average = Callable[[Float[Tensor, " d"]], Float[Tensor, " d"]]


def alone(means: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """The means as they are: those of a share that is the whole batch."""
    return means


class Objective(ABC):
    """The contract of what is maximised: ``samples``, ``kl`` and ``value``; one that follows a schedule has a field ``epoch`` too.

    ``value`` is what is maximised, ``bound`` what is reported, always a lower bound on log p(x): both ``(B,)``, in nats. ``samples`` is K,
    the number of draws of z for each example.
    Errors: UsageError for a number of samples that is none.

    >>> import lowerbound as lb
    >>> lb.objectives.ELBO().formula
    'E[log p(x|z)] − KL'
    >>> lb.objectives.IWAE(5).formula
    'E[1/(1 − α) log 1/K Σ w^(1 − α)], w = p(x, z)/q(z|x), of K = 5 draws of z, α = 0'
    >>> lb.objectives.ELBO(beta=lb.schedules.Linear(epochs=10.0)).at(epoch=5.0).weight_of_kl
    0.5
    """

    #: whether the value is a mean over draws, so that one draw's part does not depend on the others
    mean_over_draws: ClassVar[bool] = True
    #: whether an example's value depends on the others of its batch, so that examples cannot be weighted each by itself
    over_batch: ClassVar[bool] = False
    #: whether the value is a bound on log p(x), which is then what is reported; else the ELBO is
    value_is_bound: ClassVar[bool] = False
    #: the bound that is reported; ``{0.samples}`` and the like are the objective's fields
    bound_formula: ClassVar[str] = "E[log p(x|z)] − KL"
    #: K, how many draws of z each example gets
    samples: int
    #: how the KL is computed where the value has one, and for the report
    kl: KL

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", whole("samples of an objective", self.samples, 1))

    @property
    def formula(self) -> str:
        """What the bound that is reported is, an expectation over draws of z, with the objective's own numbers."""
        return self.bound_formula.format(self)

    @property
    def can_be_shared(self) -> bool:
        """Whether the values of a batch are to be had by several processes, each with a share of its examples."""
        return not self.over_batch or hasattr(self, "average")

    @abstractmethod
    def value(self, terms: Terms) -> Float[Tensor, " B"]:
        """What is maximised, one number for each example ``(B,)``, in nats."""

    def bound(self, terms: Terms) -> Float[Tensor, " B"]:
        """What is reported: a lower bound on log p(x), one for each example, in nats; the ELBO, unless the value is one."""
        return self.value(terms) if self.value_is_bound else terms.mean(terms.log_likelihood) - self.kl(terms)

    def at(self, epoch: float) -> Objective:
        """The objective as it is after ``epoch`` passes over the data: with that ``epoch``, where it has one."""
        return cast(Objective, replace(cast(Any, self), epoch=epoch)) if hasattr(self, "epoch") else self

    def of_share(self, average: Average) -> Objective:
        """The objective for a share of a batch: with that ``average``, where it has one."""
        return cast(Objective, replace(cast(Any, self), average=average)) if hasattr(self, "average") else self


class Scheduled(Objective):
    """An objective whose KL is times β, which may follow a schedule: one has the fields ``beta`` and ``epoch``, where it is by now.

    Errors: RecipeError for a β that is no function of epochs.
    """

    beta: Schedule
    epoch: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.beta):
            raise RecipeError(f"beta is a schedule of epochs; for one number give lb.schedules.Constant({shown(self.beta)})")

    @property
    def weight_of_kl(self) -> float:
        """The β of now, at ``epoch``."""
        return self.beta(self.epoch)


@runtime_checkable
class ByDraw(Protocol):
    """An objective that comes apart into a part for each draw, which estimators with a score term need: the contract of its two methods.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> q = Independent(Normal(torch.zeros(1, 2), 1.0), 1)  # q = p, and so KL = 0
    >>> node = lb.estimators.Node(torch.zeros(2, 1, 2), prior=q, posterior=q)
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [node])
    >>> elbo = lb.objectives.ELBO(samples=2)
    >>> elbo.signal(terms).tolist(), elbo.value(terms).tolist()
    ([[-1.5], [-2.5]], [-4.0])
    """

    def signal(self, terms: Terms) -> Float[Tensor, "K B"]:
        """What draw k adds to the value: the weight of its score ∇ log q(z_k)."""

    def leave_one_out(self, terms: Terms) -> Float[Tensor, "K B"]:
        """What is expected of draw k's signal, from the other draws alone."""


@runtime_checkable
class ByWeight(Protocol):
    """An objective that is a function of the importance weights w = p(x, z)/q(z|x), which doubly reparameterised estimators need.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> q = Independent(Normal(torch.zeros(1, 2), 1.0), 1)  # q = p, and so w = p(x|z)
    >>> node = lb.estimators.Node(torch.zeros(2, 1, 2), prior=q, posterior=q)
    >>> terms = lb.objectives.Terms(torch.tensor([[0.75], [0.25]]).log(), [node])
    >>> lb.objectives.IWAE(2).path_weight(terms).round(decimals=3).tolist()  # w̃ₖ = wₖ/Σ w
    [[0.75], [0.25]]
    """

    def path_weight(self, terms: Terms) -> Float[Tensor, "K B"]:
        """1 − (∂v_k/∂log w_k)/v_k with v_k = ∂value/∂log w_k: what is left of draw k's path once log q's own score is dropped.

        Source: Tucker et al., "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives",
        2018, https://arxiv.org/abs/1810.04152.
        """


def by_draw(objective: Objective) -> ByDraw:
    """The objective as one that comes apart. Errors: RecipeError for one that does not."""
    if not isinstance(objective, ByDraw):
        raise RecipeError(f"{type(objective).__name__} does not come apart into a part for each draw; choose a pathwise estimator")
    return objective


def by_weight(objective: Objective) -> ByWeight:
    """The objective as one of the importance weights. Errors: RecipeError for one that is not."""
    if not isinstance(objective, ByWeight):
        raise RecipeError(f"{type(objective).__name__} is no function of the importance weights; choose the pathwise estimator")
    return objective


def mean_of_others(values: Float[Tensor, "K B"]) -> Float[Tensor, "K B"]:
    """For each draw the mean over the others. Errors: RecipeError for a single draw."""
    others = len(values) - 1
    if not others:
        raise RecipeError("leaving one out needs another draw; give the objective 2 samples or more")
    return (values.sum(0) - values) / others
