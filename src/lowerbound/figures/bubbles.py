"""Posteriors plotted as bubbles: the limits of their axes, and the figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lowerbound.evaluation.bubbles import Bubbles
from lowerbound.figures.drawing import Drawing, Drawings
from lowerbound.figures.sheets import subscript
from lowerbound.vae.model import Model
from lowerbound.vae.priors import StandardNormal

RINGS = 3.4  # limit of the axes where the prior is a standard normal: its rings at 1, 2, 3 standard deviations and a little more
LEFT_OUT = 0.002  # share of the means that may be outside even of axes which show all


def has_rings(vae: Model) -> bool:
    """Whether the prior is a standard normal of two dimensions or more, so that circles mark its standard deviations."""
    return isinstance(vae.prior, StandardNormal) and vae.prior().event_shape[0] > 1


def reach(found: Sequence[Bubbles], rings: bool, whole: bool = False) -> float:
    """The limit of axes that show the rings of the prior; without ``rings``, or with ``whole``, of axes that show the means of all."""
    far = max(float(one.mean.abs().amax(1).quantile(1 - LEFT_OUT)) for one in found) * 1.05
    if not rings:
        return far or 1.0
    return max(far, RINGS) if whole else RINGS


def plot(
    found: Bubbles,
    labels: npt.NDArray[Any] | None,
    classes: Sequence[str],
    rings: bool,
    reach: float,
    points: bool = False,
    title: str = "",
) -> Drawing:
    """The bubbles on axes from −``reach`` to ``reach``, or their means as ``points``; of a 1-D latent each example is at its own height."""
    mean, covariance = found.mean.numpy().copy(), found.covariance.numpy() * (not points)
    names = [f"z{subscript(dim + 1)}" for dim in found.dims]
    if found.latent > 2:
        names = [f"{name} (of {found.latent}, among the two that vary most)" for name in names]
    if found.latent == 1:
        names.append("examples, one above another")
        mean[:, 1] = np.linspace(-0.95, 0.95, len(mean)) * reach
    named = not points and found.latent > 1
    return Drawings("charts").bubbles(mean, covariance, labels, classes, names, rings, reach, named=named, title=title)
