from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal

import lowerbound as lb
from lowerbound.tasks import encode, generate


@pytest.fixture
def vae() -> lb.VAE:
    return lb.build(lb.Recipe(), (1, 8, 8)).vae.eval()


def test_batches_do_not_matter(vae: lb.VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(25, 1, 8, 8)
    whole = encode.encode(vae, x)
    monkeypatch.setattr("lowerbound.data.rows.rows_at_once", lambda _: 7)
    assert torch.allclose(encode.encode(vae, x), whole, atol=1e-6)
    assert torch.allclose(encode.reconstruct(vae, x), vae.reconstruct(x), atol=1e-6)
    assert torch.allclose(encode.decode(vae, whole), vae.decode(whole), atol=1e-6)


def test_an_interpolation_is_a_straight_line_with_both_ends(vae: lb.VAE) -> None:
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 0.0])
    path = generate.interpolate(vae, a, b, 5)
    assert torch.allclose(path[[0, 2, 4]], vae.decode(torch.stack([a, (a + b) / 2, b])), atol=1e-6)


def test_the_manifold_is_laid_out_by_the_priors_quantiles(vae: lb.VAE) -> None:
    tiles = generate.manifold(vae, side=4)
    values = generate.manifold_coordinates(4)
    assert torch.allclose(Normal(0.0, 1.0).cdf(values), torch.tensor([1, 3, 5, 7]) / 8, atol=1e-6)
    top_left, bottom_right = torch.stack([values[0], values[3]]), torch.stack([values[3], values[0]])
    assert torch.allclose(tiles[[0, -1]], vae.decode(torch.stack([top_left, bottom_right])), atol=1e-6)
    assert torch.allclose(tiles[1], vae.decode(torch.stack([values[1], values[3]])[None])[0], atol=1e-6)


def test_a_traversal_moves_one_dimension_alone(vae: lb.VAE) -> None:
    images = generate.traverse(vae, torch.tensor([1, 0]), torch.tensor([-2.0, 0.0, 2.0]))
    assert images.shape == (2, 3, 1, 8, 8)
    assert torch.allclose(images[0, 2], vae.decode(torch.tensor([0.0, 2.0])[None])[0], atol=1e-6)
    assert torch.allclose(images[0, 1], images[1, 1], atol=1e-6)
