"""That classes are parted where there are few data: virtual adversarial training with entropy minimisation of q(y|x).

    KL(q(y|x) ‖ q(y|x + r)) + H[q(y|x)],   r = radius · s · g/|g|,   g the gradient of KL(q(y|x) ‖ q(y|x + d)) at a small random d

The first says that q(y|x) changes little where x does, the second that it is sure: its changes are then where no data are, and a few labels
name the parts between them, whichever labels they are. s is the root mean square distance of a batch's x to their mean, so that one radius
does for data of any size and scale.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import kl_divergence

from lowerbound.distributions import OneHotCategorical
from lowerbound.nn.first_layer import changed, watched
from lowerbound.nn.mode import in_evaluation
from lowerbound.system import noise
from lowerbound.vae.posteriors import Categorical

#: the length of the random d, as a share of that of r
SMALL = 0.1


def roughness(classifier: Categorical, x: Float[Tensor, "B *event"], radius: float) -> Float[Tensor, ""]:
    """The mean over a batch of KL(q(y|x) ‖ q(y|x + r)) + H[q(y|x)], in nats; in the first, q(y|x) and r are taken as given.

    What is changed is what the classifier's first layer with weights sees: of a table standardized numbers and zeros and ones, of data of
    which some are missing 0 in each hole. Nothing is dropped or damaged meanwhile.
    Source: Miyato et al., "Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning", 2018,
    https://arxiv.org/abs/1704.03976; entropy: Grandvalet and Bengio, "Semi-supervised Learning by Entropy Minimization", 2004,
    https://papers.nips.cc/paper/2740.

    >>> import torch
    >>> import lowerbound as lb
    >>> unsure = lb.posteriors.Categorical(torch.nn.Linear(6, 2))
    >>> _ = torch.nn.init.zeros_(unsure.network.weight), torch.nn.init.zeros_(unsure.network.bias)
    >>> round(lb.semi.roughness(unsure, torch.rand(5, 6), radius=0.1).item(), 3)  # q(y|x) = ½ for all x: its entropy, log 2
    0.693
    """
    classifier = in_evaluation(classifier)
    found, inputs = watched(classifier, x)
    law = cast(OneHotCategorical, found)
    given, entropy = OneHotCategorical(law.logits.detach()), -(law.logits.exp() * law.logits).sum(1)

    def divergence(change: Tensor) -> Tensor:
        return kl_divergence(given, changed(classifier, x, lambda inputs: inputs + change))

    length = radius * (inputs - inputs.mean(0)).square().flatten(1).sum(1).mean().sqrt()
    small = (SMALL * length * _unit(noise.normal(inputs.shape, 0, device=x.device))).requires_grad_()
    (slope,) = torch.autograd.grad(divergence(small).sum(), small)
    return (divergence(length * _unit(slope)) + entropy).mean()


def _unit(directions: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
    """Each of length one; what is zero stays so."""
    lengths = directions.flatten(1).norm(dim=1).clamp(min=torch.finfo(directions.dtype).tiny)
    return directions / lengths.view(-1, *[1] * (directions.dim() - 1))
