"""What can be asked of a VAE."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lowerbound as lb
from lowerbound.errors import DataError, RecipeError


def image_model() -> lb.VAE:
    """Any module will do: here a convolution of one's own."""
    encoder = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Flatten(), nn.Linear(3 * 16, 4))
    return lb.VAE(
        prior=lb.priors.StandardNormal(2),
        likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 8, 16)),
        posterior=lb.posteriors.DiagonalGaussian(encoder),
    )


def test_encoding_gives_the_same_each_time_and_draws_on_request() -> None:
    vae, x = image_model(), torch.rand(5, 1, 4, 4)
    assert torch.equal(vae.encode(x), vae.encode(x))
    assert not torch.equal(vae.encode(x, draw=True), vae.encode(x, draw=True))
    assert vae.encode(x).shape == (5, 2)


def test_dropout_does_not_reach_what_is_asked_of_a_model() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Dropout(0.5))
    vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli(lb.nn.mlp(2, 8, 16)), lb.posteriors.DiagonalGaussian(encoder))
    x = torch.rand(5, 1, 4, 4)
    list(lb.fit(vae, x, epochs=1))
    assert vae.training
    assert torch.equal(vae.encode(x), vae.encode(x))
    assert vae.decode(torch.zeros(2)).shape == (16,)


def test_a_decoder_may_give_the_values_in_another_layout() -> None:
    vae, x = image_model(), torch.rand(5, 1, 4, 4)
    assert next(record.bound for record in lb.fit(vae, x, epochs=1)) < 0
    assert vae.reconstruct(x).shape == x.shape
    assert vae.sample(3).shape == (3, 16)


def test_samples_are_means_or_draws() -> None:
    vae = image_model()
    mean, draw = vae.sample(50), vae.sample(50, draw=True)
    assert ((mean > 0) & (mean < 1)).all()
    assert set(draw.unique().tolist()) == {0.0, 1.0}


def test_a_decoder_of_another_size_is_told() -> None:
    vae = image_model()
    with pytest.raises(DataError, match=r"the decoder gives \(16,\), the data are \(1, 5, 5\)"):
        vae.log_likelihood(torch.rand(2, 1, 5, 5), torch.zeros(1, 2, 2))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    with pytest.raises(RecipeError, match="σ must be a positive number"):
        lb.likelihoods.Gaussian(nn.Identity(), scale)


@pytest.mark.parametrize("image", [(1, 28, 28), (3, 33, 17), (1, 1, 5)])
def test_convolutional_networks_fit_any_image(image: tuple[int, int, int]) -> None:
    encoder, decoder = lb.nn.convolutional_encoder(image, (4, 8), 6), lb.nn.convolutional_decoder(3, (4, 8), image)
    assert encoder(torch.rand(2, *image)).shape == (2, 6)
    assert decoder(torch.rand(2, 3)).shape == (2, *image)
