"""What holds for all distributions that are ours: parameters can be held, and batches expanded."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Distribution, Independent, Normal

from distributions.tables import pole
from lowerbound import distributions as laws
from lowerbound.distributions import flows, operations


def everyone() -> dict[str, Distribution]:
    a, b = torch.tensor([1.5, 2.0], requires_grad=True), torch.tensor([1.0, 3.0], requires_grad=True)
    loc = pole(3, torch.float32).expand(2, 3).clone().requires_grad_()
    return {
        "Gamma": laws.Gamma(a, b),
        "Beta": laws.Beta(a, b),
        "VonMisesFisher": laws.VonMisesFisher(loc, a),
        "Delta": laws.Delta(loc),
        "Independent Gamma": Independent(laws.Gamma(a, b), 1),
    }


@pytest.mark.parametrize("name", everyone())
def test_held_laws_are_the_same_and_held(name: str) -> None:
    law = everyone()[name]
    held, z = operations.detach(law), law.sample()
    assert type(getattr(held, "base_dist", held)) is type(getattr(law, "base_dist", law))
    assert torch.equal(held.log_prob(z), law.log_prob(z))
    assert (held.batch_shape, held.event_shape) == (law.batch_shape, law.event_shape)
    assert not held.log_prob(z).requires_grad
    assert not held.rsample().requires_grad
    assert law.rsample().requires_grad


@pytest.mark.parametrize("name", [*everyone(), "UniformSphere"])
def test_expand_keeps_the_law(name: str) -> None:
    law = {**everyone(), "UniformSphere": laws.UniformSphere(3).expand([2])}[name]
    wide = law.expand(torch.Size([3, *law.batch_shape]))
    assert type(wide) is type(law)
    z = wide.rsample(torch.Size([5]))
    assert z.shape == (5, 3, *law.batch_shape, *law.event_shape)
    assert wide.log_prob(z).shape == (5, 3, *law.batch_shape)
    assert torch.equal(wide.log_prob(z), law.log_prob(z))
    assert torch.equal(wide.mean, law.mean.expand_as(wide.mean))


def test_torch_s_laws_keep_their_rows() -> None:
    law = operations.detach(torch.distributions.Gamma(torch.ones(2), torch.ones(2)))
    assert type(law) is torch.distributions.Gamma
    assert type(operations.detach(Normal(torch.zeros(2), torch.ones(2)))) is Normal


def test_the_centre_is_the_mean_where_that_is_a_value() -> None:
    found = {name: operations.centre(law) for name, law in everyone().items()}
    assert torch.equal(found["Gamma"], everyone()["Gamma"].mean)
    assert torch.equal(found["Delta"], everyone()["Delta"].value)
    assert torch.equal(found["VonMisesFisher"], everyone()["VonMisesFisher"].loc), "its mean is inside the sphere"


def test_the_centre_of_a_flow_is_where_it_takes_the_middle_of_its_base() -> None:
    law = flows.affine(3, 2)(torch.randn(4, 2))
    assert torch.allclose(law.transform(operations.centre(law)), torch.zeros(4, 3), atol=1e-5)
