"""Figures of images. Nothing here depends on models or runs, and no global state of matplotlib is changed.

Colours are the ten of Petroff, "Accessible Color Sequences for Data Visualization", 2021,
https://arxiv.org/abs/2107.02270, distinct under the common colour-vision deficiencies; what they
show is always also shown by a label or a line style.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from lowerbound.figures.sheets import Array, tile
from lowerbound.figures.style import show, styled

FILLS = 16  # pixels: narrower images are plotted with a gap between them
ACROSS = 20  # images per row


@styled
def samples(images: Array) -> Figure:
    """Samples of a model ``(N, C, H, W)``, in a square, as a figure of matplotlib's.

    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> figure = lb.plots.samples(vae.sample(16).numpy())
    >>> figure.axes[0].get_title()
    'Decoded from draws of the prior'
    """
    side = math.ceil(math.sqrt(len(images)))
    figure = Figure(figsize=(5, 5.3), layout="constrained")
    axes = figure.add_subplot()
    show(axes, tile(images, side))
    axes.set(xticks=[], yticks=[], title="Decoded from draws of the prior")
    return figure


@styled
def reconstructions(given: Array, reconstructed: Array, name: str = "reconstructed") -> Figure:
    """Two rows of images: those given ``(N, C, H, W)`` and their reconstructions of the same shape, labelled ``name``.

    Of many images there are two rows for each ``ACROSS``, 20.

    >>> import lowerbound as lb
    >>> images = lb.data.load("digits").test[:8]
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> figure = lb.plots.reconstructions(images.numpy(), vae.reconstruct(images).numpy())
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['given', 'reconstructed']
    """
    rows: list[Array] = []
    for start in range(0, len(given), ACROSS):
        for images in (given, reconstructed):
            part = images[start : start + ACROSS]
            missing = min(ACROSS, len(given)) - len(part)
            rows.append(np.concatenate([part, np.ones((missing, *part.shape[1:]), part.dtype)]))
    return _rows(rows, ["given", name] * (len(rows) // 2))


@styled
def path(images: Array, shares: Sequence[float]) -> Figure:
    """Images ``(N, C, H, W)`` decoded along a line between two latents, each with its share of the way ``(N,)``.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> images = lb.tasks.generate.interpolate(vae, torch.zeros(2), torch.ones(2), 5)
    >>> figure = lb.plots.path(images.numpy(), [0.0, 0.25, 0.5, 0.75, 1.0])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['0', '0.25', '0.5', '0.75', '1']
    """
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

    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> images, values = lb.tasks.generate.manifold(vae, side=5), lb.tasks.generate.manifold_coordinates(5)
    >>> figure = lb.plots.manifold(images.numpy(), values.numpy())
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['−1.28', '−0.52', '0.00', '0.52', '1.28']
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
    axes.set(xlabel="z₁", ylabel="z₂", title="Means of p(x|z) at quantiles of the prior")
    return figure


def _fixed(value: float, digits: int = 2) -> str:
    """The value with so many decimals, with the minus sign of matplotlib's ticks, and never −0."""
    return f"{value:z.{digits}f}".replace("-", "−")


@styled
def styles(images: Array, classes: Sequence[str]) -> Figure:
    """Images ``(n · classes, C, H, W)``: a row per latent, a column per class, whose names are ``classes``.

    >>> import torch
    >>> import lowerbound as lb
    >>> spec = lb.data.DataSpec((1, 8, 8), classes=("cat", "dog", "bird"))
    >>> vae = lb.build(lb.Recipe(network="mlp:8", given="label", latent=2), spec).vae
    >>> images = lb.tasks.classes.styles(vae, torch.zeros(5, 2)).flatten(0, 1)
    >>> figure = lb.plots.styles(images.numpy(), spec.classes)
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['cat', 'dog', 'bird']
    """
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
    axes.set(yticks=[], ylabel="one z per row")
    axes.set_title("one class per column", fontsize=9)
    return figure


@styled
def extremes(most: Array, least: Array, most_likely: Sequence[float], least_likely: Sequence[float]) -> Figure:
    """The most and the least likely images ``(n, C, H, W)``, a row each, with their log p(x) in nats below them, ``(n,)``.

    >>> import lowerbound as lb
    >>> images = lb.data.load("digits").test[:6].numpy()
    >>> figure = lb.plots.extremes(images[:3], images[3:], [-15.2, -15.9, -16.4], [-51.0, -48.3, -47.1])
    >>> [axes.get_title() for axes in figure.axes]
    ['most likely, log p(x) in nats', 'least likely, log p(x) in nats']
    """
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
    """A row per latent dimension, which alone takes ``values`` ``(V,)``: images ``(dims, V, C, H, W)``; ``names`` are those of the rows.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=3), (1, 8, 8)).vae
    >>> values = torch.linspace(-2, 2, 5)
    >>> images = lb.tasks.generate.traverse(vae, torch.arange(3), values)
    >>> figure = lb.plots.traversal(images.numpy(), values.numpy(), ["z₁", "z₂", "z₃"])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['z₁', 'z₂', 'z₃']
    """
    dims, steps, _, height, width = images.shape
    sheet = tile(images.reshape(-1, *images.shape[2:]), steps)
    figure = Figure(figsize=(8, 8 * sheet.shape[0] / sheet.shape[1] + 0.7), layout="constrained")
    axes = figure.add_subplot()
    show(axes, sheet)
    axes.set_yticks([i * (height + 1) + height / 2 for i in range(dims)], names)
    axes.set_xticks([i * (width + 1) + width / 2 for i in range(steps)], [_fixed(float(v), 1) for v in values])
    axes.tick_params(length=0)
    axes.set_xlabel("value of the dimension, the others at 0")
    return figure


@styled
def _canvas(images: Array, names: Sequence[str]) -> tuple[Any, list[AxesImage]]:
    """A picture for each of ``images`` ``(dims, C, H, W)``, laid out once, so that only pixels change from frame to frame."""
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
    """The bytes of a GIF that shows a traversal there and back: one picture per latent dimension, all moving at once.

    ``images`` are ``(dims, V, C, H, W)``, ``values`` ``(V,)`` what the dimension takes, ``names`` those of the dimensions.

    >>> import torch
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> values = torch.linspace(-2, 2, 3)
    >>> images = lb.tasks.generate.traverse(vae, torch.arange(2), values)
    >>> lb.plots.animation(images.numpy(), values.numpy(), ["z₁", "z₂"])[:6]
    b'GIF89a'
    """
    canvas, shown = _canvas(images[:, 0], names)
    there = []
    for step, value in enumerate(values.tolist()):
        for picture, image in zip(shown, images[:, step], strict=True):
            picture.set_data(tile(image[None], 1))
        canvas.figure.suptitle(f"one dimension at {_fixed(value):>5}, the others at 0", fontsize=9, family="monospace")
        canvas.draw()
        frame = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        there.append(frame.convert("P", palette=Image.Palette.ADAPTIVE))
    frames = there + there[-2:0:-1]
    with io.BytesIO() as buffer:
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
        return buffer.getvalue()
