"""Small models whose answers are known exactly."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

import lowerbound as lb
from lowerbound.vae.estimators import Pathwise
from lowerbound.vae.loss import loss
from lowerbound.vae.model import Model
from lowerbound.vae.objectives import Objective


class Constant(nn.Module):
    """The same parameters whatever comes in: a posterior that is not amortized."""

    def __init__(self, values: Tensor):
        super().__init__()
        self.values = nn.Parameter(values)

    def forward(self, x: Tensor) -> Tensor:
        return self.values.expand(len(x), -1)


class LinearGaussian:
    """p(z) = N(0, I), p(x|z) = N(Wz + b, σ²I): log p(x) and p(z|x) are Gaussian and known.

    With ``orthogonal`` columns of W the exact posterior is diagonal, and so one that the model can have.
    """

    def __init__(self, latent: int = 2, size: int = 5, scale: float = 0.7, seed: int = 0, orthogonal: bool = False):
        g = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(size, latent, generator=g)
        if orthogonal:
            self.weight = torch.linalg.qr(self.weight).Q * torch.linspace(1.0, 2.0, latent)
        self.bias, self.scale, self.latent = torch.randn(size, generator=g), scale, latent

    def vae(self, posterior: nn.Module) -> lb.VAE:
        decoder = nn.Linear(self.latent, len(self.bias))
        decoder.load_state_dict({"weight": self.weight, "bias": self.bias})
        likelihood = lb.likelihoods.Gaussian(decoder, self.scale)
        return lb.VAE(lb.priors.StandardNormal(self.latent), likelihood, lb.posteriors.DiagonalGaussian(posterior))

    @property
    def evidence(self) -> MultivariateNormal:
        """p(x)."""
        covariance = self.weight @ self.weight.T + self.scale**2 * torch.eye(len(self.bias))
        return MultivariateNormal(self.bias, covariance)

    def exact_encoder(self) -> nn.Module:
        """x → mean and log-variance of p(z|x); exact where W's columns are orthogonal."""
        precision = torch.eye(self.latent) + self.weight.T @ self.weight / self.scale**2
        gain = torch.linalg.inv(precision) @ self.weight.T / self.scale**2
        log_variance = -precision.diagonal().log()
        encoder = nn.Linear(len(self.bias), 2 * self.latent)
        encoder.load_state_dict(
            {
                "weight": torch.cat([gain, torch.zeros_like(gain)]),
                "bias": torch.cat([-gain @ self.bias, log_variance]),
            }
        )
        return encoder


def residual(model: LinearGaussian, of_data: LinearGaussian) -> float:
    """√(E‖x − Wz − b‖²/D) of x of one law and z ~ p(z|x) of another with the same W: tr(A C Aᵀ) + tr(W Σ Wᵀ), A = I − W Σ Wᵀ/σ²."""
    w, size = model.weight, model.weight.shape[0]
    within = w @ torch.linalg.inv(torch.eye(w.shape[1]) + w.T @ w / model.scale**2) @ w.T
    a = torch.eye(size) - within / model.scale**2
    return math.sqrt(float((a @ of_data.evidence.covariance_matrix @ a.T).trace() + within.trace()) / size)


def z_score(draws: Tensor, truth: Tensor | float) -> float:
    """How many standard errors the mean over the first axis is from the truth, at the worst place.

    The worst of m places is further off than any one of them: the figure is that of one place as improbable as the worst of m
    (Bonferroni), so that a limit holds a family of comparisons, however large, on any processor's draws.
    """
    error = draws.std(0) / len(draws) ** 0.5
    away = ((draws.mean(0) - truth).abs() / error).double()
    p = away.numel() * torch.special.ndtr(-away.max())
    return float(away.max() if p < 1e-300 else -torch.special.ndtri(p.clamp(max=0.5)))


def bounds(vae: Model, x: torch.Tensor, objective: Objective, draws: int, together: int = 40) -> torch.Tensor:
    """``draws`` independent bounds of each row of x: a batch of it many times over, since a bound is of each row alone."""
    with torch.no_grad():
        each = [loss(vae, x.repeat(together, 1), objective, Pathwise()).bound.view(together, len(x)) for _ in range(draws // together)]
    return torch.cat(each)
