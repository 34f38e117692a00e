"""Classes among other kinds of values: one that was never seen is as likely as the least likely."""

from __future__ import annotations

import torch

from lowerbound.distributions.mixed import Nominal


def test_a_class_that_is_none_has_the_probability_of_the_least_likely() -> None:
    law = Nominal(torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]))
    log_p = torch.stack([law.log_prob(torch.full((2,), float(number))) for number in range(3)])
    torch.testing.assert_close(law.log_prob(torch.tensor([-1.0, -1.0])), log_p.amin(0))
    torch.testing.assert_close(law.log_prob(torch.tensor([-1.0, 1.0])), torch.stack([log_p[1, 0], log_p[1, 1]]))
    torch.testing.assert_close(log_p.exp().sum(0), torch.ones(2))
