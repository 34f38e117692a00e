"""How smooth a classifier is: of a linear one of two classes the adversarial direction is known, and so value and gradient are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lowerbound.data.column import Column
from lowerbound.nn.first_layer import changed, watched
from lowerbound.nn.missing import MaskedInput, TableInput
from lowerbound.nn.networks import with_dropout
from lowerbound.system.seeding import seeded
from lowerbound.vae.posteriors import Categorical
from lowerbound.vae.semi_supervised.smoothness import roughness

RADIUS = 0.3


def linear(scale: float = 1.0) -> tuple[Categorical, Tensor]:
    """A linear classifier of two classes, and some data of that scale."""
    torch.manual_seed(0)
    network = nn.Linear(5, 2)
    network.weight.data /= scale
    return Categorical(network), scale * (torch.randn(40, 5) + 2)


def by_hand(classifier: Categorical, x: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
    """KL(q(y|x) ‖ q(y|x + r)), r along the difference of the classes' weights with these signs, and H[q(y|x)]; for each example."""
    w = classifier.network.weight
    direction = (w[0] - w[1]).detach() / (w[0] - w[1]).detach().norm()
    length = RADIUS * float((x - x.mean(0)).square().sum(1).mean().sqrt())
    log_q = classifier.network(x).log_softmax(1)
    moved = classifier.network(x + length * signs[:, None] * direction).log_softmax(1)
    given = log_q.detach()
    return (given.exp() * (given - moved)).sum(1), -(log_q.exp() * log_q).sum(1)


def signs_of(classifier: Categorical, x: Tensor, seed: int) -> Tensor:
    """The side to which the random start of each example points."""
    w = classifier.network.weight.detach()
    with seeded(seed, "start"):
        return (torch.randn(x.shape) @ (w[0] - w[1])).sign()


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_value_and_gradient_are_those_of_the_known_direction(scale: float) -> None:
    classifier, x = linear(scale)
    with seeded(1, "start"):
        found = roughness(classifier, x, RADIUS)
    divergence, entropy = by_hand(classifier, x, signs_of(classifier, x, 1))
    assert float(divergence.detach().mean()) > 0.01
    torch.testing.assert_close(found, (divergence + entropy).mean())
    weights = list(classifier.parameters())
    for one, other in zip(torch.autograd.grad(found, weights), torch.autograd.grad((divergence + entropy).mean(), weights), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 / scale)


def test_no_random_change_of_that_length_moves_it_further() -> None:
    torch.manual_seed(2)
    classifier, x = Categorical(nn.Linear(6, 4)), torch.randn(30, 6)
    length = 0.01 * (x - x.mean(0)).square().sum(1).mean().sqrt()  # so small that the divergence is a quadratic form
    log_q = classifier.network(x).log_softmax(1).detach()
    largest = torch.zeros(30)
    for _ in range(200):
        d = torch.randn_like(x)
        moved = classifier.network(x + length * d / d.norm(dim=1, keepdim=True)).log_softmax(1).detach()
        largest = torch.maximum(largest, (log_q.exp() * (log_q - moved)).sum(1))
    entropy = -(log_q.exp() * log_q).sum(1).mean()
    assert float(roughness(classifier, x, 0.01).detach() - entropy) > 0.6 * float(largest.mean())


def test_of_a_classifier_that_knows_nothing_it_is_the_entropy() -> None:
    network = nn.Linear(3, 4)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    assert float(roughness(Categorical(network), torch.randn(8, 3), 1.0).detach()) == pytest.approx(math.log(4))


def test_nothing_is_dropped_meanwhile_and_training_goes_on() -> None:
    torch.manual_seed(0)
    classifier, x = Categorical(with_dropout(nn.Sequential(nn.Linear(5, 50), nn.ReLU(), nn.Linear(50, 3)), 0.5)), torch.randn(9, 5)
    found = []
    for mode in (True, False):
        classifier.train(mode)
        with seeded(0, "start"):
            found.append(roughness(classifier, x, RADIUS))
        assert classifier.training is mode
        assert not any(part._forward_pre_hooks for part in classifier.modules())
    assert torch.equal(found[0], found[1])


COLUMNS = [Column("size", "number"), Column("kind", "category", levels=("a", "b", "c")), Column("count", "count", loc=0.5, scale=2.0)]


def test_a_table_is_changed_where_it_is_numbers() -> None:
    """A change of the category's own number would turn it into none, and one of a count might have no logarithm."""
    torch.manual_seed(0)
    classifier = Categorical(TableInput(nn.Linear(5, 2), COLUMNS))
    x = torch.tensor([[0.3, 1.0, 0.0], [math.nan, 2.0, 4.0], [-1.0, math.nan, 0.0]])
    assert watched(classifier, x)[1].tolist()[1][2:] == [0.0, 0.0, 1.0]
    value = roughness(classifier, x, RADIUS)
    value.backward()
    assert math.isfinite(value.detach())
    assert all(bool(weight.grad.isfinite().all()) and bool(weight.grad.any()) for weight in classifier.parameters())


def test_holes_are_zeros_beside_a_mask() -> None:
    network = MaskedInput(nn.Linear(4, 2))
    x = torch.tensor([[1.0, math.nan]])
    assert watched(network, x)[1].tolist() == [[1.0, 0.0, 1.0, 0.0]]
    assert torch.equal(changed(network, x, lambda inputs: inputs + 1), network.network(torch.tensor([[2.0, 1.0, 2.0, 1.0]])))
    assert math.isfinite(roughness(Categorical(network), torch.tensor([[1.0, math.nan], [0.0, 2.0]]), RADIUS).detach())
