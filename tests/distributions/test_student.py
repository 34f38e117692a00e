"""Student-t's of a network's output: the law of torch with the same parameters, its gradients, its second ones."""

from __future__ import annotations

import torch
from torch.distributions import StudentT

from lowerbound.distributions.student import RawStudentT


def both(dtype: torch.dtype = torch.float64) -> tuple[RawStudentT, StudentT, torch.Tensor]:
    torch.manual_seed(0)
    output = (2 * torch.randn(5, 4, 9)).to(dtype).requires_grad_()
    law = RawStudentT(output, 1e-3)
    return law, StudentT(law.df, law.loc, law.scale, validate_args=False), output


def test_it_is_the_law_of_torch() -> None:
    law, right, _ = both()
    x = torch.randn(4, 3).double()
    assert law.batch_shape == right.batch_shape == (5, 4, 3)
    torch.testing.assert_close(law.log_prob(x), right.log_prob(x))
    torch.testing.assert_close(law.mean, right.mean)
    torch.testing.assert_close(law.variance, right.variance)
    torch.testing.assert_close(law.expand(torch.Size([2, 5, 4, 3])).log_prob(x), right.log_prob(x).expand(2, 5, 4, 3))
    draws = law.sample(torch.Size([4000]))
    assert draws.shape == (4000, 5, 4, 3)
    near_median = (draws < right.loc).double().mean(0)
    assert ((near_median - 0.5).abs() < 5 * 0.5 / 4000**0.5).all()


def test_gradients_and_their_gradients() -> None:
    law, right, output = both()
    x = torch.randn(4, 3).double().requires_grad_()
    found, wanted = (torch.autograd.grad(one.log_prob(x).sin().sum(), (output, x), create_graph=True) for one in (law, right))
    torch.testing.assert_close(found, wanted)
    assert torch.autograd.gradcheck(lambda x, output: RawStudentT(output, 1e-3).log_prob(x), (x, output))


def test_in_single_precision() -> None:
    law, right, _ = both(torch.float32)
    x = torch.randn(4, 3)
    exact = StudentT(right.df.double(), right.loc.double(), right.scale.double()).log_prob(x.double())
    torch.testing.assert_close(law.log_prob(x).double(), exact, rtol=0, atol=1e-5)
