"""Examples of any shape as pictures ``(N, 1 or 3, H, W)``, of which all figures are made. This is how they look:

- Images of one channel are grey and those of three are coloured. Of others the channels are side by side in grey, the first ``CHANNELS`` of
  them, with a white line between.
- Of volumes the slice in the middle is shown, as an image.
- Series are curves from left to right, a colour for each channel, the first ``len(COLORS)`` of them; 0 is at the bottom, 1 on top.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL.ImageColor import getrgb

from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError
from lowerbound.figures.sheets import COLORS, Array

#: channels side by side, at most
CHANNELS = 4
#: pixels of curves: their height, and the limits of their width, which is else one for each step
HEIGHT, NARROWEST, WIDEST = 48, 64, 256
PAPER = 0.95  # behind curves: not white, as what is between pictures is


def can_be_shown(event: Sequence[int]) -> bool:
    """Whether there are pictures of data of this shape: of vectors there are none."""
    return 2 <= len(event) <= 4


def images(values: torch.Tensor, spec: DataSpec) -> Array:
    """Values ``(N, C, *space)`` as pictures to plot, black for the least and white for the greatest value of the data.

    Errors: DataError for vectors.
    """
    if not spec.unit_interval:
        values = (values - spec.low) / max(spec.high - spec.low, 1e-12)
    return pictures(values.cpu().numpy())


def pictures(values: Array) -> Array:
    """Values ``(N, C, *space)``, black 0 and white 1, as pictures ``(N, 1 or 3, H, W)``. Errors: DataError for vectors."""
    shape = values.shape[1:]
    if not can_be_shown(shape):
        raise DataError(f"these data are vectors of shape {shape}, not images; write them to .npy, those of a table to .csv")
    return _curves(values) if len(shape) == 2 else _side_by_side(_slice(values))


def observed(there: Array) -> Array:
    """Which values of ``(N, C, *space)`` are there, as ``(N, 1, H, W)`` of their pictures.

    A pixel of an image is there if all of its channels are, a column of curves if any value in it is.
    """
    if there.ndim > 3:
        shown = _slice(there)
        whole: Array = _side_by_side(np.broadcast_to(shown.all(1, keepdims=True), shown.shape))
        return whole[:, :1]
    columns = np.logical_or.reduceat(there.any(1), _starts(there.shape[-1]), -1)
    return np.broadcast_to(columns[:, None, None], (len(there), 1, HEIGHT, columns.shape[-1]))


def _slice(values: Array) -> Array:
    """The middle slice ``(N, C, H, W)`` of volumes ``(N, C, D, H, W)``; images as they are."""
    return values[:, :, values.shape[2] // 2] if values.ndim == 5 else values


def _side_by_side(images: Array) -> Array:
    """Images ``(N, C, H, W)`` of one or three channels as they are, of others as grey ones, with a line of ones between the channels."""
    n, channels, height, _ = images.shape
    if channels in (1, 3):
        return images
    line = np.ones((n, 1, height, 1), images.dtype)
    each = [part for channel in range(min(channels, CHANNELS)) for part in (line, images[:, channel : channel + 1])]
    return np.concatenate(each[1:], 3)


def _starts(steps: int) -> Array:
    """The first step of each column: a short series has several columns for each step, a long one several steps in each column."""
    width = min(steps * max(1, -(-NARROWEST // steps)), WIDEST)
    return np.arange(width) * steps // width


def _curves(series: Array) -> Array:
    """Series ``(N, C, L)`` as curves ``(N, 3, HEIGHT, W)``, with gaps where a value is NaN.

    A column is filled from the least to the greatest value in it, no peak being lost, and to where the one before it ends.
    """
    rows = ((1 - series[:, : len(COLORS)].clip(0, 1)) * (HEIGHT - 1)).round()
    starts = _starts(rows.shape[-1])
    before = rows[..., np.maximum(starts - 1, [0, *starts[:-1]])]
    top, bottom = (np.where(np.isnan(own := of.reduceat(rows, starts, -1)), np.nan, of(own, before)) for of in (np.fmin, np.fmax))
    height = np.arange(HEIGHT)[:, None]
    drawn = np.full((len(rows), 3, HEIGHT, len(starts)), PAPER, np.float32)
    for channel in reversed(range(rows.shape[1])):  # the first above the others
        on = (height >= top[:, channel, None]) & (height <= bottom[:, channel, None])
        drawn = np.where(on[:, None], np.reshape(getrgb(COLORS[channel]), (3, 1, 1)) / 255, drawn)
    return drawn
