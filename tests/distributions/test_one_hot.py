"""The distribution of a label."""

from __future__ import annotations

import torch

from lowerbound import distributions as laws


def test_draws_of_a_label_are_as_frequent_as_they_are_likely() -> None:
    n, logits = 100_000, torch.tensor([[1.0, -2.0, 0.5, -30.0], [0.0, 0.0, 3.0, -torch.inf]])
    torch.manual_seed(0)
    law = laws.OneHotCategorical(logits)
    drawn = law.sample(torch.Size([n]))
    assert drawn.shape == (n, 2, 4)
    assert (drawn.sum(-1) == 1).all()
    error = (law.probs * (1 - law.probs) / n).sqrt()
    assert ((drawn.mean(0) - law.probs).abs() <= 4.5 * error).all()
    assert torch.allclose(law.log_prob(torch.eye(4)[:, None])[:3, 0], logits[0].log_softmax(0)[:3])
    wider = law.expand(torch.Size([3, 2]))
    assert (type(wider), wider.batch_shape, wider.sample().shape) == (laws.OneHotCategorical, (3, 2), (3, 2, 4))


def test_a_label_of_no_finite_logits_has_no_finite_density_and_is_drawn_all_the_same() -> None:
    law = laws.OneHotCategorical(torch.full((5, 3), torch.nan))
    assert law.log_prob(law.sample()).isnan().all()
