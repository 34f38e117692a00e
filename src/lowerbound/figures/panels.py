"""What was given of some images and what the model made of it, side by side, a row per example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from lowerbound.figures import pictures
from lowerbound.figures.sheets import Array, tile
from lowerbound.figures.style import show, styled

STRIPE = 4  # width in pixels of the enlarged image
BLUES = (0.55, 0.75, 0.95), (0.8, 0.9, 1.0)  # of missing pixels
PAPER = 0.9  # the grey around an image smaller than its place


@styled
def completions(given: Array, observed: Array, completed: Array, mean: Array, spread: Array, truth: Array | None) -> Figure:
    """A row per example: what was given, its completions, their mean and spread, and the truth if it is known.

    Images are pictures ``(N, C, H, W)`` in [0, 1], completions ``(n, N, C, H, W)``; ``observed``, True where a value was
    observed, and the spread are of the values ``(N, *event)``; the spread is brighter the larger, and white where it is the largest of all.
    """
    most = float(spread.max())
    each = completed.swapaxes(0, 1).reshape(-1, *mean.shape[1:])
    panels = [("given", _striped(given, pictures.observed(observed))), (f"{len(completed)} completions", each), ("mean", mean)]
    panels.append((f"spread (at most\nσ = {most:.2g})", pictures.pictures(spread / max(most, 1e-12))))
    panels += [] if truth is None else [("truth", truth)]
    return _side_by_side(panels, mean)


@styled
def upscaled(low: Array, nearest: Array, bicubic: Array, samples: Array, mean: Array, spread: Array, truth: Array | None) -> Figure:
    """A row per example: the low-resolution image, enlarged by nearest neighbour and bicubic; samples, their mean and spread; the truth.

    Images are pictures ``(N, C, H, W)`` in [0, 1], ``low`` smaller, samples ``(n, N, C, H, W)``; the spread is of the values
    ``(N, *event)``, brighter the larger, and white where it is the largest of all.
    """
    most = float(spread.max())
    each = samples.swapaxes(0, 1).reshape(-1, *mean.shape[1:])
    panels = [("given", _placed(low, mean.shape)), ("nearest", nearest), ("bicubic", bicubic), (f"{len(samples)} samples", each)]
    panels += [("mean", mean), (f"spread (at most\nσ = {most:.2g})", pictures.pictures(spread / max(most, 1e-12)))]
    panels += [] if truth is None else [("truth", truth)]
    return _side_by_side(panels, mean)


def _side_by_side(panels: Sequence[tuple[str, Array]], one: Array) -> Figure:
    """Panels of titles and images: a panel has a column for each ``len(one)`` images, which may be larger by a whole factor."""
    columns = [len(images) // len(one) for _, images in panels]
    inches = 10 / (sum(columns) + 2)
    shape = one.shape[-2] / one.shape[-1]
    figure = Figure(figsize=(10, inches * shape * len(one) + 0.6), layout="constrained")
    for axes, (title, images), width in zip(figure.subplots(1, len(panels), width_ratios=columns), panels, columns, strict=True):
        enlarged = images.shape[-1] // one.shape[-1]
        show(axes, tile(images, width, gap=enlarged * max(1, one.shape[-1] // 14)))
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=9)
    return figure


def _placed(images: Array, shape: Sequence[int]) -> Array:
    """Small images centred on a grey background of this shape."""
    placed = np.full(shape, PAPER, images.dtype)
    top, left = ((large - small) // 2 for large, small in zip(shape[2:], images.shape[2:], strict=True))
    placed[..., top : top + images.shape[2], left : left + images.shape[3]] = images
    return placed


def _striped(images: Array, observed: Array) -> Array:
    """Images in colour, enlarged, in stripes of two blues where nothing was observed: no pixel of any colour looks like that."""
    factor = max(STRIPE, round(64 / images.shape[-1] / STRIPE) * STRIPE)
    n, _, height, width = images.shape
    large = np.broadcast_to(images, (n, 3, height, width)).repeat(factor, 2).repeat(factor, 3)
    holes = ~observed.all(1, keepdims=True).repeat(factor, 2).repeat(factor, 3)
    rows, columns = np.indices(large.shape[2:])
    stripes = np.where((rows + columns) // STRIPE % 2, *(np.reshape(blue, (3, 1, 1)) for blue in BLUES))
    return np.where(holes, stripes, large)
