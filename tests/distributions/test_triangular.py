"""A normal with a triangle is torch's own, made without its constructor."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from lowerbound.distributions.triangular import multivariate_normal


@pytest.mark.parametrize(("loc", "root"), [((3,), (3, 3)), ((4, 3), (3, 3)), ((3,), (5, 4, 3, 3)), ((5, 1, 1), (4, 1, 1))])
def test_it_is_the_one_of_torchs_constructor(loc: tuple[int, ...], root: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    mean, triangle = torch.randn(loc), torch.randn(root).tril(-1) + torch.eye(root[-1])
    ours, theirs = multivariate_normal(mean, triangle), MultivariateNormal(mean, scale_tril=triangle)
    assert type(ours) is MultivariateNormal
    assert vars(ours).keys() - {"_validate_args"} == vars(theirs).keys() - {"_validate_args"}
    assert (ours.batch_shape, ours.event_shape) == (theirs.batch_shape, theirs.event_shape)
    for name in ("loc", "scale_tril", "covariance_matrix", "precision_matrix", "variance"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    x = torch.randn(2, *theirs.batch_shape, *theirs.event_shape)
    assert torch.equal(ours.log_prob(x), theirs.log_prob(x))
    assert torch.equal(ours.entropy(), theirs.entropy())
    assert torch.equal(kl_divergence(ours, theirs), kl_divergence(theirs, theirs))
    torch.manual_seed(1)
    drawn = ours.rsample(torch.Size([2]))
    torch.manual_seed(1)
    assert torch.equal(drawn, theirs.rsample(torch.Size([2])))


def test_no_sympy_is_imported() -> None:
    code = "import sys, torch; from lowerbound.distributions.triangular import multivariate_normal as n; "
    code += "n(torch.zeros(2), torch.eye(2)).sample(); print('sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
