"""Baselines: what is expected of a signal, whatever the draw."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.errors import RecipeError
from lowerbound.vae.objectives.base import Objective, by_draw
from lowerbound.vae.terms import Terms


class NoBaseline(nn.Module):
    """No baseline: 0 is expected of every signal.

    >>> import torch
    >>> import lowerbound as lb
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [])
    >>> lb.estimators.NoBaseline()(lb.objectives.Reconstruction(samples=2), terms, torch.tensor([[-1.5], [-2.5]])).tolist()
    [[0.0], [0.0]]
    """

    def forward(self, objective: Objective, terms: Terms, signal: Float[Tensor, "K B *d"]) -> Float[Tensor, "K B *d"]:
        """Zeros, of the shape of the signal."""
        return torch.zeros_like(signal)


class MovingAverage(nn.Module):
    """The mean signal of the batches before, forgotten at the rate 1 − ``decay``; 0 for the first batch.

    Source: Mnih and Gregor, "Neural Variational Inference and Learning", 2014, https://arxiv.org/abs/1402.0030.

    >>> import torch
    >>> import lowerbound as lb
    >>> baseline, terms = lb.estimators.MovingAverage(), lb.objectives.Terms(torch.zeros(1, 1), [])
    >>> for signal in (-3.0, -5.0, -4.0):
    ...     print(round(float(baseline(lb.objectives.ELBO(), terms, torch.tensor([[signal]]))), 2) + 0.0)
    0.0
    -3.0
    -4.05
    """

    mean: Tensor
    batches: Tensor

    def __init__(self, decay: float = 0.9):
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, objective: Objective, terms: Terms, signal: Float[Tensor, "K B *d"]) -> Float[Tensor, "K B *d"]:
        """The mean so far, the same for all; in training this batch is then added to it."""
        before = (self.mean / (1 - self.decay**self.batches).clamp(min=1e-12)).expand_as(signal)
        if self.training:
            with torch.no_grad():
                self.mean = self.decay * self.mean + (1 - self.decay) * signal.mean()
                self.batches = self.batches + 1
        return before


class LeaveOneOut(nn.Module):
    """The mean of the other draws of the same example, which costs no bias; for IWAE and Rényi this is VIMCO.

    Source: Mnih and Rezende, "Variational Inference for Monte Carlo Objectives", 2016, https://arxiv.org/abs/1602.06725.

    >>> import torch
    >>> import lowerbound as lb
    >>> objective, terms = lb.objectives.Reconstruction(samples=2), lb.objectives.Terms(torch.tensor([[-3.0], [-5.0]]), [])
    >>> signal = objective.signal(terms)
    >>> signal.tolist(), lb.estimators.LeaveOneOut()(objective, terms, signal).tolist()  # each is what the other was
    ([[-1.5], [-2.5]], [[-2.5], [-1.5]])
    """

    def forward(self, objective: Objective, terms: Terms, signal: Float[Tensor, "K B *d"]) -> Float[Tensor, "K B *d"]:
        """For each draw what the others make expect. Errors: RecipeError for K = 1, or draws that are weighted."""
        if signal.dim() > 2:
            raise RecipeError("leaving one out is not there for each dimension; choose the plain score estimator")
        terms.alike()
        return by_draw(objective).leave_one_out(terms)
