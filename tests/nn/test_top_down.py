"""The networks of levels that are images: what is done first or rounded is the same."""

from __future__ import annotations

import pytest
import torch

import lowerbound as lb
from lowerbound.nn.precision import multiplying
from lowerbound.nn.top_down import Place, Up
from lowerbound.vae.estimators import Pathwise
from lowerbound.vae.loss import of_observed
from lowerbound.vae.objectives import ELBO, ClosedKL


@pytest.mark.parametrize(("before", "after"), [((4, 4), (7, 7)), ((7, 7), (14, 14)), ((5,), (10,)), ((2, 2, 2), (4, 4, 4))])
def test_a_convolution_before_upsampling_is_one_after_it(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """Of nearest neighbours and 1 × 1, for all sides; and so are gradients."""
    torch.manual_seed(0)
    up = Up((1, *after), Place(2, 1, 6, before), Place(2, 0, 3, after))
    h = torch.randn(4, 6, *before, requires_grad=True)
    found, known = up(h), torch.nn.Sequential(*up)(h)
    assert found.shape == (4, 3, *after)
    torch.testing.assert_close(found, known, rtol=1e-5, atol=1e-5)
    probe = torch.randn_like(known)
    both = [torch.autograd.grad(out, (h, *up.parameters()), probe) for out in (found, known)]
    torch.testing.assert_close(both[0], both[1], rtol=1e-4, atol=1e-4)


def test_rounded_features_leave_the_bound_as_it_is() -> None:
    """On the way down what goes on to products is rounded, what parameters are made by is not: the loss differs by rounding alone."""
    vae = lb.build(lb.Recipe(data="mnist", latent=4, levels="2-2", network="conv:16-16", pixels="binarized", seed=0), (1, 12, 12)).vae
    with torch.no_grad():
        for weight in vae.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) / weight[0].numel() ** 0.5)
    x = (torch.rand(64, 1, 12, 12, generator=torch.Generator().manual_seed(2)) < 0.3).float()
    losses = []
    for kind in (torch.float32, torch.bfloat16):
        torch.manual_seed(3)
        with multiplying(kind):
            losses.append(of_observed(vae.train(), x, ELBO(ClosedKL()), Pathwise()).bound.mean())
    assert losses[0] != losses[1]
    torch.testing.assert_close(losses[1], losses[0], rtol=5e-3, atol=0)
    parts = [torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(vae.parameters()))]) for loss in losses]
    assert float(torch.nn.functional.cosine_similarity(parts[0], parts[1], dim=0)) > 0.99
