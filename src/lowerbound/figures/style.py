"""The style of all figures, and a figure as a file."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import BboxBase
from PIL import Image

from lowerbound.figures.sheets import Array

P = ParamSpec("P")
R = TypeVar("R")
DPI, MARGIN = 200, 0.1  # of a file: pixels per inch, and white around what is on it, inches
STYLE: Any = {  # matplotlib types its keys one by one
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": False,
    "legend.frameon": False,
}


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """A plotting function that runs in the style of all figures."""

    @wraps(plot)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return plot(*args, **kwargs)

    return within


def encode_png(figure: Figure) -> bytes:
    """The figure as a PNG file, as large as what is on it and ``MARGIN``; drawn once, where ``savefig`` draws it twice for that."""
    before = figure.get_dpi()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a class name may have letters that the font lacks: they become boxes
        figure.set_dpi(DPI)
        try:
            return _drawn(figure)
        finally:
            figure.set_dpi(before)


def _drawn(figure: Figure) -> bytes:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    wide, high = figure.get_size_inches()
    if box.x0 < 0 or box.y0 < 0 or box.x1 > wide or box.y1 > high:  # something would be cut off
        return _saved(figure)
    return _png(_cropped(pixels, box.padded(MARGIN)))


def _saved(figure: Figure) -> bytes:
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=MARGIN)
        return buffer.getvalue()


def _cropped(pixels: Array, box: BboxBase) -> Array:
    """The part of the sheet within the box, which is in inches from its lower left corner, and white where it is beyond the sheet."""
    height, width = pixels.shape[:2]
    left, right = math.floor(box.x0 * DPI), math.ceil(box.x1 * DPI)
    top, bottom = height - math.ceil(box.y1 * DPI), height - math.floor(box.y0 * DPI)
    found = np.full((bottom - top, right - left, 3), 255, np.uint8)
    rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    found[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = pixels[rows, columns]
    return found


def _png(pixels: Array) -> bytes:
    with io.BytesIO() as buffer:
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()


def show(axes: Axes, sheet: Array, **kwargs: Any) -> None:
    """Show a sheet of images on the axes, its pixels not interpolated, without a frame."""
    axes.imshow(sheet, interpolation="nearest", **kwargs)
    axes.spines[:].set_visible(False)
