"""That classes are parted where there are few data: virtual adversarial training with entropy minimisation of q(y|x).

    KL(q(y|x) ‖ q(y|x + r)) + H[q(y|x)],   r = radius · s · g/|g|,   g the gradient of KL(q(y|x) ‖ q(y|x + d)) at a small random d

The first says that q(y|x) changes little where x does, the second that it is sure: its changes are then where no data are, and a few labels
name the parts between them, whichever labels they are. s is the root mean square distance of a batch's x to their mean, so that one radius
does for data of any size and scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import kl_divergence

from lowerbound.distributions import OneHotCategorical
from lowerbound.nn.mode import in_evaluation
from lowerbound.system import noise

#: the length of the random d, as a share of that of r
SMALL = 0.1


def roughness(classifier: nn.Module, x: Float[Tensor, "B *event"], radius: float) -> Float[Tensor, ""]:
    """The mean over a batch of KL(q(y|x) ‖ q(y|x + r)) + H[q(y|x)], in nats; in the first, q(y|x) and r are taken as given.

    ``classifier`` makes a distribution over y of x. What is changed is what its first layer with weights sees: of a table standardized
    numbers and zeros and ones, of data of which some are missing 0 in each hole. Nothing is dropped or damaged meanwhile.
    Source: Miyato et al., "Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning", 2018,
    https://arxiv.org/abs/1704.03976; entropy: Grandvalet and Bengio, "Semi-supervised Learning by Entropy Minimization", 2004,
    https://papers.nips.cc/paper/2740.
    """
    still, seen = in_evaluation(classifier), []

    def moved(by: Tensor) -> OneHotCategorical:
        return _law(still, x, lambda inputs: inputs + by)

    law = _law(still, x, lambda inputs: seen.append(inputs.detach()) or inputs)
    given = OneHotCategorical(law.logits.detach())
    length = radius * (seen[0] - seen[0].mean(0)).square().flatten(1).sum(1).mean().sqrt()
    small = (SMALL * length * _unit(noise.normal(seen[0].shape, 0, device=x.device))).requires_grad_()
    (slope,) = torch.autograd.grad(kl_divergence(given, moved(small)).sum(), small)
    return (kl_divergence(given, moved(length * _unit(slope))) + law.entropy()).mean()


def _law(classifier: nn.Module, x: Tensor, change: Callable[[Tensor], Tensor]) -> OneHotCategorical:
    """q(y|x) where what the first layer with weights sees is changed."""
    first = next(part for part in classifier.modules() if any(True for _ in part.parameters(recurse=False)))
    handle = first.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]), *inputs[1:]))
    try:
        return cast(OneHotCategorical, classifier(x))
    finally:
        handle.remove()


def _unit(directions: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
    """Each of length one; what is zero stays so."""
    lengths = directions.flatten(1).norm(dim=1).clamp(min=torch.finfo(directions.dtype).tiny)
    return directions / lengths.view(-1, *[1] * (directions.dim() - 1))
