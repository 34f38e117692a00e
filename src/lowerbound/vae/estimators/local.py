"""A score for each latent that meets its own signal: what is left once the terms that do not depend on that latent are dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.vae.terms import Node


class LocalSignals(nn.Module):
    """Σ over latents of stop(signal − b) · score, each latent with a signal of its own and b its running mean.

    For a model of several latents that knows which terms of its value each of them enters: the others are independent of it given
    these and would only add variance. The running means are by name, one for each entry of a signal, forgotten at the rate 1 − ``decay``.
    The first estimate has its own signal as its baseline and is therefore biased: nothing better is known yet.
    Source: Ranganath et al., "Black Box Variational Inference", 2014, https://arxiv.org/abs/1401.0118 (section 3.1); Mnih and Gregor,
    "Neural Variational Inference and Learning", 2014, https://arxiv.org/abs/1402.0030 (local learning signals).

    >>> import torch
    >>> from torch.distributions import Normal
    >>> import lowerbound as lb
    >>> _ = torch.manual_seed(0)
    >>> mean = torch.zeros(3, requires_grad=True)
    >>> q = Normal(mean, 1.0)
    >>> z = q.sample((1_000_000,))
    >>> signals = {"z": -((z - 1) ** 2)}  # one for each entry: each entry enters its own term alone
    >>> node = lb.estimators.Node(z, Normal(0.0, 1.0), q, q.log_prob(z))
    >>> surrogate = lb.estimators.LocalSignals()(signals["z"].mean(0).sum(), [node], signals)
    >>> torch.autograd.grad(surrogate, mean)[0].round(decimals=1).tolist()  # the gradient of E[−(z − 1)²] is 2 (1 − μ)
    [2.0, 2.0, 2.0]
    """

    def __init__(self, decay: float = 0.9):
        super().__init__()
        self.decay = decay
        self.means: dict[str, Tensor] = {}

    def forward(self, value: Tensor, nodes: Sequence[Node], signals: Mapping[str, Float[Tensor, "K ..."]]) -> Tensor:
        """What to differentiate: the ``value`` and each latent's weighted score, where it has one, summed over entries, a mean over draws.

        ``signals`` are by the latents' names and broadcast to their scores; in training their means are kept.
        """
        for node in nodes:
            if node.score is not None:
                signal = signals[node.name].detach()
                before = self.means.get(node.name, signal.mean(0))
                value = value + ((signal - before) * node.score).mean(0).sum()
                if self.training:
                    self.means[node.name] = self.decay * before + (1 - self.decay) * signal.mean(0)
        return value
