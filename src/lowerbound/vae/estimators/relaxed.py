"""A path through a categorical draw, which has none: Gumbel-softmax, straight through."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Size
from torch.distributions import Distribution, OneHotCategorical

from lowerbound.errors import RecipeError, law_name
from lowerbound.system import noise
from lowerbound.system.arguments import is_number, shown
from lowerbound.vae.estimators.base import NodeEstimator
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.terms import Node, Terms


class Relaxed(NodeEstimator):
    """z = one-hot(argmax(l + g)), g Gumbel noise, with the gradient of softmax((l + g)/τ): a draw of q(z|x), and a path that it has not.

    Values and bounds are those of z itself. The gradient is biased, the less the lower the ``temperature`` τ, and the lower that is the
    more variance it has.
    Source: Jang et al., "Categorical Reparameterization with Gumbel-Softmax", 2017, https://arxiv.org/abs/1611.01144; Maddison et al.,
    "The Concrete Distribution", 2017, https://arxiv.org/abs/1611.00712.
    Errors: RecipeError for a posterior that is no one-hot categorical, and a temperature that is no positive number.

    >>> import torch
    >>> import lowerbound as lb
    >>> logits = torch.zeros(1, 3, requires_grad=True)
    >>> q = lb.posteriors.Categorical(torch.nn.Identity())(logits)
    >>> z = lb.estimators.Relaxed(0.5).draw(q, lb.priors.Categorical(3)(), 1).z
    >>> sorted(z.detach().round(decimals=3).abs().flatten().tolist()), z.requires_grad
    ([0.0, 0.0, 1.0], True)
    """

    def __init__(self, temperature: float = 0.5):
        super().__init__()
        if not (is_number(temperature) and 0 < temperature < math.inf):
            raise RecipeError(f"the temperature must be a positive number, not {shown(temperature)}")
        self.temperature = temperature

    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """K draws of z for each example, zeros and a one, differentiable in the logits as if they were soft."""
        if not isinstance(posterior, OneHotCategorical):
            raise RecipeError(f"{law_name(posterior)} is no one-hot categorical, which alone is relaxed; choose another estimator")
        logits = posterior.logits.expand(*Size([samples]), *posterior.logits.shape)
        gumbel = -noise.exponential(logits.shape, logits.dim() - 2, logits.dtype, logits.device).log()
        soft = ((logits + gumbel) / self.temperature).softmax(-1)
        hard = torch.nn.functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
        return Node(hard + (soft - soft.detach()), prior, posterior)

    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> None:
        """None: what there is of the gradient is in the value."""
