"""How frequent classes are, from few labels: exact where it is known, near it where it is estimated, equal where nothing says otherwise."""

from __future__ import annotations

import math

import pytest
import torch

from lowerbound.vae.semi_supervised.shares import class_shares, energy_shares


def clusters(*counts: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """So many examples of each of three clusters in the plane, 5.2 apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.full((n,), y) for y, n in enumerate(counts)])
    angles = 2 * math.pi * labels / 3
    return 3 * torch.stack([angles.cos(), angles.sin()], 1) + torch.randn(len(labels), 2, generator=generator), labels


def picked(labels: torch.Tensor, each: int) -> torch.Tensor:
    """The first rows of each class."""
    return torch.cat([(labels == y).nonzero()[:each, 0] for y in range(3)])


@pytest.mark.parametrize("shares", [[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
def test_of_classes_that_are_points_shares_are_exact(shares: list[float]) -> None:
    points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    labels = torch.arange(3).repeat(3)
    values = points.repeat_interleave(torch.tensor([round(10 * share) for share in shares]), 0)
    found, error = energy_shares(points[labels], labels, values)
    assert found.tolist() == pytest.approx(shares, abs=1e-9)
    assert error.tolist() == pytest.approx([0, 0, 0], abs=1e-6)


def test_errors_are_those_of_other_labels() -> None:
    """The jackknife's, beside the spread over twenty sets of labels."""
    values, _ = clusters(170, 18, 12)
    found = [energy_shares(*clusters(10, 10, 10, seed=seed), values) for seed in range(1, 21)]
    shares, errors = (torch.stack(each) for each in zip(*found, strict=True))
    assert shares.sum(1).tolist() == pytest.approx([1.0] * 20)
    ratio = errors.square().mean(0).sqrt() / shares.std(0)
    assert ((ratio > 0.6) & (ratio < 1.7)).all()
    assert (shares.mean(0) - torch.tensor([0.85, 0.09, 0.06])).abs().max() < 0.05


def test_labels_that_were_picked_are_not_asked() -> None:
    values, labels = clusters(850, 90, 60)
    rows = picked(labels, 50)
    shares = class_shares(torch.tensor([50, 50, 50]), values[rows], labels[rows], values)
    assert shares.of_each == pytest.approx((0.85, 0.09, 0.06), abs=0.03)
    assert sum(shares.of_each or ()) == pytest.approx(1)
    assert "85" in shares.note


def test_labels_that_were_drawn_say_how_frequent_classes_are() -> None:
    values, labels = clusters(850, 90, 60)
    rows = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:60]
    counts = labels[rows].bincount(minlength=3)
    shares = class_shares(counts, values[rows], labels[rows], values)
    assert shares.of_each == pytest.approx([(int(n) + 1) / 63 for n in counts])
    assert "known labels" in shares.note


@pytest.mark.parametrize(
    ("counts", "equal"), [((20, 40), True), ((20, 50), False), ((6, 6, 6), True), ((0, 3, 3), True), ((0, 30, 30), False)]
)
def test_equal_until_labels_say_otherwise(counts: tuple[int, ...], equal: bool) -> None:
    """χ² of 20 and 40 is 6.7, of 20 and 50 is 12.9; with one degree of freedom 10.8 is passed once in a thousand times."""
    labels, every = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), torch.arange(len(counts)).repeat(10)
    shares = class_shares(torch.tensor(counts), labels[:, None].float(), labels, every[:, None].float())
    smoothed = [(count + 1) / (sum(counts) + len(counts)) for count in counts]
    assert shares.of_each == (None if equal else pytest.approx(smoothed))


def test_equal_classes_stay_equal() -> None:
    for seed in range(20):
        values, labels = clusters(100, 100, 100, seed=seed)
        rows = picked(labels, 5)
        assert class_shares(torch.tensor([5, 5, 5]), values[rows], labels[rows], values).of_each is None
