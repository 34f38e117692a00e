"""The words of posteriors, q(z|x): each stands for its class, which says how many numbers its network has to give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lowerbound.recipes.grammar import Word, make, read

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.vae.posteriors import Posterior

POSTERIORS = {
    "gaussian": Word("vae.posteriors:DiagonalGaussian", "Gaussian, dimensions independent given x"),
    "full-gaussian": Word("vae.posteriors:FullGaussian", "Gaussian with all covariances"),
    "flow": Word("vae.posteriors:Flow", "masked autoregressive flow of which the encoder gives the context"),
    "gamma": Word("vae.posteriors:Gamma", "Gamma of each dimension, z > 0"),
    "beta": Word("vae.posteriors:Beta", "Beta of each dimension, z in (0, 1)"),
    "von-mises-fisher": Word("vae.posteriors:VonMisesFisher", "von Mises–Fisher, z on the unit sphere"),
    "categorical": Word("vae.posteriors:Categorical", "one of --latent classes; with --estimator enumerated, relaxed or a score"),
    "dirac": Word("vae.posteriors:Dirac", "a point: the autoencoder without a KL"),
}

#: of several levels alone
OF_LEVELS = {"ladder": Word("vae.posteriors:Ladder", "of a hierarchy: each level the prior's, times a Gaussian of features of its own")}

#: whose latents are normal, with a σ that may have a floor
OF_NORMALS = ("gaussian", "full-gaussian", *OF_LEVELS)


def posterior(word: str) -> type[Posterior]:
    """The class of that word. Errors: RecipeError."""
    row, _ = read("posterior", word, POSTERIORS)
    found: type[Posterior] = row.find()
    return found


def made(word: str, latent: int, encoder: Callable[[int], nn.Module], floor: float = 0.0) -> Posterior:
    """The posterior of that word, around an ``encoder`` of as many numbers as it wants; no σ is below ``floor``. Errors: RecipeError."""
    network = encoder(posterior(word).features(latent))
    found: Posterior = make("posterior", word, POSTERIORS, network=network, latent=latent, floor=floor)
    return found
