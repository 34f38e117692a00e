"""All at one point."""

from __future__ import annotations

import math

import torch

from distributions.tables import gradients
from lowerbound import distributions as laws


def test_delta() -> None:
    value = torch.randn(4, 3, requires_grad=True)
    law = laws.Delta(value)
    assert (law.batch_shape, law.event_shape) == ((4,), (3,))
    x = law.rsample(torch.Size([2]))
    assert torch.equal(x, value.expand(2, 4, 3))
    assert torch.equal(law.log_prob(x), torch.zeros(2, 4))
    x = x + torch.eye(3)[0] * torch.tensor([0.0, 1.0])[:, None, None]
    assert torch.equal(law.log_prob(x), torch.tensor([0.0, -math.inf])[:, None].expand(2, 4))
    assert torch.equal(gradients(law.rsample(torch.Size([2])), value)[0], torch.full((4, 3), 2.0))
    assert laws.Delta(value, event_dim=0).batch_shape == (4, 3)
