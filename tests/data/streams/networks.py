"""The small model that is trained on data in files."""

from __future__ import annotations

import lowerbound as lb


def vae() -> lb.VAE:
    """Of 64 bits, with the same first weights each time."""
    with lb.seeding.seeded(0, "weights"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(2),
            likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 16, 64)),
            posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 16, 4)),
        )
