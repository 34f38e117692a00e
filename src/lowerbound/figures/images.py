"""Images → figures, and how all of ours look. Nothing here knows of models or runs, and no global state of matplotlib is touched.

Colours are the ten of Petroff, "Accessible Color Sequences for Data Visualization", 2021,
https://arxiv.org/abs/2107.02270, told apart under the common colour-vision deficiencies; what they
say is always also said by a label or a line style.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

Array = npt.NDArray[Any]
P = ParamSpec("P")
R = TypeVar("R")

COLORS = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")
STYLE: Any = {  # matplotlib types its keys one by one
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": False,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
}
FILLS = 16  # pixels: narrower images are drawn apart from their neighbours
ACROSS = 20  # images in a row


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A drawing function whose figure looks as all of ours do."""

    @wraps(draw)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return within


def encode_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    with matplotlib.rc_context(STYLE), io.BytesIO() as buffer, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a class may be called anything; a box stands for it then
        figure.savefig(buffer, format="png")
        return buffer.getvalue()


def small_png(content: bytes) -> bytes:
    """The same picture in at most 256 colours, for pages that hold many; a grey one loses nothing."""
    with Image.open(io.BytesIO(content)) as image, io.BytesIO() as buffer:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def tile(images: Array, columns: int, gap: int = 1) -> Array:
    """Images ``(N, C, H, W)`` in [0, 1] side by side on white, ``columns`` a row: ``(H', W', 3)`` uint8."""
    n, _, height, width = images.shape
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        # grey is broadcast to the three colours; a decoder that is sure of nothing is drawn white
        pixels = np.nan_to_num(image.transpose(1, 2, 0), nan=1.0).clip(0, 1)
        sheet[top : top + height, left : left + width] = (pixels * 255).round()
    return sheet


def sheet_png(images: Array, columns: int) -> bytes:
    """Images ``(N, C, H, W)`` in [0, 1] as a PNG of nothing but them, each pixel enlarged by a whole number."""
    sheet = Image.fromarray(tile(images, columns, gap=max(1, images.shape[-1] // 14)))
    factor = max(1, round(900 / max(sheet.size)))
    with io.BytesIO() as buffer:
        sheet.resize((sheet.width * factor, sheet.height * factor), Image.Resampling.NEAREST).save(buffer, "PNG")
        return buffer.getvalue()


def show(axes: Axes, sheet: Array, **kwargs: Any) -> None:
    """A sheet of images, its pixels as they are, without a frame."""
    axes.imshow(sheet, interpolation="nearest", **kwargs)
    axes.spines[:].set_visible(False)


@styled
def samples(images: Array) -> Figure:
    """Images ``(N, C, H, W)`` drawn from the model, in a square."""
    side = math.ceil(math.sqrt(len(images)))
    figure = Figure(figsize=(5, 5.3), layout="constrained")
    axes = figure.add_subplot()
    show(axes, tile(images, side))
    axes.set(xticks=[], yticks=[], title="Decoded from draws of the prior")
    return figure


@styled
def reconstructions(given: Array, reconstructed: Array, name: str = "reconstructed") -> Figure:
    """Two rows: what was given ``(N, C, H, W)``, and what came back, called ``name``; of many images two rows for each ``ACROSS``."""
    rows: list[Array] = []
    for start in range(0, len(given), ACROSS):
        for images in (given, reconstructed):
            part = images[start : start + ACROSS]
            missing = min(ACROSS, len(given)) - len(part)
            rows.append(np.concatenate([part, np.ones((missing, *part.shape[1:]), part.dtype)]))
    return _rows(rows, ["given", name] * (len(rows) // 2))


@styled
def path(images: Array, shares: Sequence[float]) -> Figure:
    """Images ``(N, C, H, W)`` decoded along a line, and the share of the way at each."""
    figure = _rows([images], ["decoded"])
    width = images.shape[-1] + 1
    axes = figure.axes[0]
    axes.set_xticks([i * width + width / 2 - 1 for i in range(len(images))], [f"{share:.2g}" for share in shares])
    axes.set_xlabel("share of the way from the first to the second")
    return figure


def _rows(rows: Sequence[Array], names: Sequence[str]) -> Figure:
    n, _, height, _ = rows[0].shape
    sheet = tile(np.concatenate(rows), n)
    inches = 10
    figure = Figure(figsize=(inches, inches * sheet.shape[0] / sheet.shape[1] + 0.6), layout="constrained")
    axes = figure.add_subplot()
    show(axes, sheet)
    axes.set_yticks([i * (height + 1) + height / 2 for i in range(len(rows))], names)
    axes.tick_params(length=0)
    axes.set_xticks([])
    return figure


@styled
def manifold(images: Array, coordinates: Array) -> Figure:
    """A square of decoded images ``(n², C, H, W)``, first row on top, over a 2-D latent.

    ``coordinates`` ``(n,)`` are the values of z₁ from left to right and of z₂ from bottom to top.
    """
    n = len(coordinates)
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    # small images fill their tiles, and would run into one another without a gap
    show(axes, tile(images, n, gap=0 if images.shape[-1] >= FILLS else 1), extent=(0, n, 0, n))
    ticks = np.linspace(0, n - 1, min(n, 7)).round().astype(int)
    names = [_fixed(float(coordinates[i])) for i in ticks]
    axes.set_xticks(ticks + 0.5, names)
    axes.set_yticks(ticks + 0.5, names)
    axes.set(xlabel="z₁", ylabel="z₂", title="Means of p(x|z) at equal steps of the prior's probability")
    return figure


def _fixed(value: float, digits: int = 2) -> str:
    """So many decimals, with a minus sign as matplotlib's own ticks have it, and no −0."""
    return f"{value:z.{digits}f}".replace("-", "−")


@styled
def styles(images: Array, classes: Sequence[str]) -> Figure:
    """Images ``(n · classes, C, H, W)``: a row for each latent, a column for each class."""
    sheet = tile(images, len(classes))
    inches = min(10.0, 1.0 + 0.7 * len(classes))
    figure = Figure(figsize=(inches, inches * sheet.shape[0] / sheet.shape[1] + 0.6), layout="constrained")
    axes = figure.add_subplot()
    show(axes, sheet)
    width = images.shape[-1] + 1
    steep = max(map(len, classes)) > 4
    axes.set_xticks([i * width + width / 2 - 1 for i in range(len(classes))], classes, rotation=45 if steep else 0)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set(yticks=[], ylabel="one z a row")
    axes.set_title("one class a column", fontsize=9)
    return figure


@styled
def extremes(most: Array, least: Array, most_likely: Sequence[float], least_likely: Sequence[float]) -> Figure:
    """The most and the least likely images ``(n, C, H, W)``, and their log p(x) in nats."""
    figure = Figure(figsize=(10, 2.6), layout="constrained")
    for axes, images, values, name in zip(
        figure.subplots(2, 1), (most, least), (most_likely, least_likely), ("most likely", "least likely"), strict=True
    ):
        width = images.shape[-1] + 1
        show(axes, tile(images, len(images)))
        axes.set_xticks([i * width + width / 2 - 1 for i in range(len(images))], [_fixed(value, 0) for value in values])
        axes.tick_params(length=0)
        axes.set_yticks([])
        axes.set_title(f"{name}, log p(x) in nats", fontsize=9)
    return figure


@styled
def traversal(images: Array, values: Array, names: Sequence[str]) -> Figure:
    """A row for each latent dimension, moved along ``values`` (V,) alone: images ``(dims, V, C, H, W)``."""
    dims, steps, _, height, width = images.shape
    sheet = tile(images.reshape(-1, *images.shape[2:]), steps)
    figure = Figure(figsize=(8, 8 * sheet.shape[0] / sheet.shape[1] + 0.7), layout="constrained")
    axes = figure.add_subplot()
    show(axes, sheet)
    axes.set_yticks([i * (height + 1) + height / 2 for i in range(dims)], names)
    axes.set_xticks([i * (width + 1) + width / 2 for i in range(steps)], [_fixed(float(v), 1) for v in values])
    axes.tick_params(length=0)
    axes.set_xlabel("value of that dimension, the others at 0")
    return figure


@styled
def _canvas(images: Array, names: Sequence[str]) -> tuple[Any, list[AxesImage]]:
    """A picture for each of ``images`` ``(dims, C, H, W)``, laid out once, so that only the pictures change from frame to frame."""
    columns = min(5, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(1.25 * columns + 0.2, 1.45 * rows + 0.4), layout="constrained", dpi=100)
    shown = []
    for axes, image, name in zip(figure.subplots(rows, columns, squeeze=False).flat, images, names, strict=False):
        shown.append(axes.imshow(tile(image[None], 1), interpolation="nearest"))
        axes.set_title(name, fontsize=9)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.suptitle(" ", fontsize=9, family="monospace")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")
    return canvas, shown


def animation(images: Array, values: Array, names: Sequence[str]) -> bytes:
    """The same as a GIF that goes there and back: one picture for each dimension, all moving at once."""
    canvas, shown = _canvas(images[:, 0], names)
    there = []
    for step, value in enumerate(values.tolist()):
        for picture, image in zip(shown, images[:, step], strict=True):
            picture.set_data(tile(image[None], 1))
        canvas.figure.suptitle(f"each alone at {_fixed(value):>5}, the others at 0", fontsize=9, family="monospace")
        canvas.draw()
        frame = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        there.append(frame.convert("P", palette=Image.Palette.ADAPTIVE))
    frames = there + there[-2:0:-1]
    with io.BytesIO() as buffer:
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
        return buffer.getvalue()
