"""How near an image is to the one that it should be: PSNR and SSIM, of images ``(N, C, H, W)``, one number for each."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

#: the window of SSIM, in pixels, and the standard deviation of its weights
WINDOW, SIGMA = 11, 1.5
#: what keeps SSIM's quotients from 0/0, as shares of the range of values
K1, K2 = 0.01, 0.03


def psnr(images: Float[Tensor, "N C H W"], truth: Float[Tensor, "N C H W"], span: float = 1.0) -> Float[Tensor, " N"]:
    """10 log₁₀ (span² / mean square error), in dB; ``span`` is how far apart black and white are. Infinite for equal images."""
    return 10 * (span**2 / (images - truth).square().flatten(1).mean(1)).log10()


def ssim(images: Float[Tensor, "N C H W"], truth: Float[Tensor, "N C H W"], span: float = 1.0) -> Float[Tensor, " N"]:
    """The structural similarity, 1 for equal images: the mean over windows and channels of

        (2 μ_a μ_b + c₁)(2 σ_ab + c₂) / ((μ_a² + μ_b² + c₁)(σ_a² + σ_b² + c₂)),   c = (K span)²

    with the means and covariances of windows of 11 × 11 pixels, weighted by a normal of 1.5 pixels, that are wholly inside; of images
    with a shorter side the largest odd window that is.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
    https://doi.org/10.1109/TIP.2003.819861.
    """
    a, b = (part.double().flatten(0, 1)[:, None] for part in (images, truth))
    weights = _weights(min(WINDOW, *(side - 1 + side % 2 for side in a.shape[2:])))

    def windows(values: Tensor) -> Tensor:
        return F.conv2d(values, weights)

    mean_a, mean_b = windows(a), windows(b)
    variances = windows(a * a) - mean_a**2 + windows(b * b) - mean_b**2
    covariance = windows(a * b) - mean_a * mean_b
    c1, c2 = (K1 * span) ** 2, (K2 * span) ** 2
    each = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))
    return each.reshape(len(images), -1).mean(1).float()


def _weights(window: int) -> Float[Tensor, "1 1 window window"]:
    """Those of a normal about the middle pixel, which add up to 1."""
    line = (-0.5 * ((torch.arange(window, dtype=torch.double) - window // 2) / SIGMA).square()).exp()
    return (line[:, None] * line / line.sum() ** 2)[None, None]
