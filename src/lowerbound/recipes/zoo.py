"""Recipes by the names under which models are known: each is a choice of words, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Named:
    """Where a model comes from, or what it is, and its words."""

    source: str
    words: dict[str, Any]


ZOO = {
    "vae": Named("Kingma and Welling, 2013", {}),
    "ae": Named("a plain autoencoder, without a KL", {"posterior": "dirac", "objective": "reconstruction"}),
    "dae": Named("Vincent et al., 2008: denoising", {"posterior": "dirac", "objective": "reconstruction", "corruption": "masking:0.3"}),
    "cae": Named("Rifai et al., 2011: contractive", {"posterior": "dirac", "objective": "contractive:1"}),
    "beta-vae": Named("Higgins et al., 2017", {"objective": "beta:4", "latent": 10}),
    "beta-tcvae": Named("Chen et al., 2018", {"objective": "total-correlation:6", "latent": 10}),
    "free-bits-vae": Named("Kingma et al., 2016", {"objective": "free-bits:0.1", "latent": 10}),
    "warm-up-vae": Named("Bowman et al., 2016", {"objective": "beta-linear:1:10", "latent": 10}),
    "cyclical-vae": Named("Fu et al., 2019", {"objective": "beta-cyclical:1:5", "latent": 10}),
    "iwae": Named("Burda et al., 2015", {"objective": "iwae:5", "latent": 10}),
    "dreg-iwae": Named("Tucker et al., 2018", {"objective": "iwae:5", "estimator": "doubly-reparameterized", "latent": 10}),
    "renyi-vae": Named("Li and Turner, 2016", {"objective": "renyi:0.5:5", "latent": 10}),
    "sticking-the-landing": Named("Roeder et al., 2017", {"estimator": "doubly-reparameterized", "latent": 10}),
    "sigma-vae": Named("Rybkin et al., 2021", {"likelihood": "gaussian", "scale": "optimal", "latent": 10}),
    "vampprior-vae": Named("Tomczak and Welling, 2018", {"prior": "vamp:100", "latent": 10}),
    "hvae": Named(
        "Tomczak and Welling, 2018: two levels of latents",
        {
            "latent": "40-40",
            "network": "gated:300-300",
            "objective": "beta-linear:1:40",
            "average": 0.9995,
            "schedule": "cosine",
            "epochs": 400,
        },
    ),
    "hvae-vampprior": Named(
        "Tomczak and Welling, 2018: the same, a VampPrior at the top",
        {
            "latent": "40-40",
            "prior": "vamp:500",
            "network": "gated:300-300",
            "objective": "beta-linear:1:40",
            "average": 0.9995,
            "schedule": "cosine",
            "epochs": 400,
        },
    ),
    "ladder-vae": Named(
        "Sønderby et al., 2016: five levels, each the prior's times what the example says",
        {
            "latent": "4-8-16-32-64",
            "posterior": "ladder",
            "network": "gated:512-256-128-64-64",
            "objective": "free-bits-of-levels:0.5:20",
            "average": 0.9995,
            "schedule": "cosine",
            "epochs": 120,
        },
    ),
    "vdvae": Named(
        "Child, 2021: levels of images, from the top down",
        {
            "latent": 16,
            "levels": "4-4",
            "network": "conv:32-64",
            "objective": "beta-linear:1:10",
            "average": 0.9995,
            "schedule": "cosine",
            "epochs": 100,
        },
    ),
    "mixture-vae": Named("a mixture of Gaussians as prior", {"prior": "mixture:10", "latent": 10}),
    "info-vae": Named("Zhao et al., 2019", {"objective": "mmd:500", "latent": 10}),
    "conditional-vae": Named("Sohn et al., 2015: given the label", {"given": "label", "latent": 10}),
    "vaeac": Named("Ivanov et al., 2018: given any part", {"given": "observed", "prior": "given-context:256", "latent": 16}),
    "super-resolution-vae": Named(
        "Sohn et al., 2015: given the image made small",
        {"given": "low-resolution:4", "prior": "given-context:256", "likelihood": "gaussian", "scale": "optimal", "latent": 16},
    ),
    "m1": Named("Kingma et al., 2014: a classifier of latents", {"semi_supervised": "m1", "labels": "100", "latent": 50}),
    "m2": Named(
        "Kingma et al., 2014: the label as a latent",
        {"semi_supervised": "m2", "labels": "100", "latent": 5, "corruption": "masking:0.3", "batch": 50, "learning_rate": 2e-3},
    ),
    "m2-latents": Named(
        "m2 with a classifier of the latents of m1, smooth where data are: few labels, whichever they are",
        {
            "semi_supervised": "m2-latents",
            "labels": "100",
            "latent": 5,
            "label_estimator": "relaxed",
            "batch": 100,
            "learning_rate": 2e-3,
            "epochs": 12,
            "schedule": "steps:5:0.3",
        },
    ),
    "m1m2": Named("Kingma et al., 2014: m2 of the latents of m1", {"semi_supervised": "m1m2", "labels": "100", "latent": 20, "batch": 50}),
    "svae": Named("Davidson et al., 2018: on the sphere", {"prior": "sphere", "posterior": "von-mises-fisher", "latent": 3}),
    "flow-vae": Named("Kingma et al., 2016: a flow as posterior", {"posterior": "flow", "latent": 10}),
    "flow-prior-vae": Named("a spline flow as prior", {"prior": "flow", "latent": 10}),
    "full-gaussian-vae": Named("Kingma and Welling, 2019", {"posterior": "full-gaussian", "latent": 10}),
    "gamma-vae": Named("implicit gradients: Figurnov et al., 2018", {"prior": "gamma:0.3:0.3", "posterior": "gamma", "latent": 10}),
    "g-rep-vae": Named("Ruiz et al., 2016", {"prior": "gamma:1:1", "posterior": "gamma", "estimator": "g-rep", "latent": 10}),
    "beta-latent-vae": Named("latents between 0 and 1", {"prior": "beta:1:1", "posterior": "beta", "latent": 10}),
    "bbvi-vae": Named("Ranganath et al., 2014", {"objective": "elbo:10", "estimator": "score-leave-one-out"}),
    "vimco": Named("Mnih and Rezende, 2016", {"objective": "iwae:10", "estimator": "score-leave-one-out"}),
    "miwae": Named(
        "Mattei and Frellsen, 2019: tables with holes",
        {"likelihood": "columns", "objective": "iwae:20", "latent": 10, "network": "orthogonal:128-128", "batch": 64, "epochs": 300},
    ),
    "scvi": Named("Lopez et al., 2018: single-cell counts", {"likelihood": "nb", "latent": 10, "network": "mlp:128"}),
    "logistic-vae": Named("Salimans et al., 2017: honest bits/dim", {"likelihood": "logistic-mixture:5", "latent": 10}),
}
