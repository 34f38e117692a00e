"""A run and its data → its figures: the table behind ``lowerbound plot`` and the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lowerbound import plots
from lowerbound.data import Dataset
from lowerbound.errors import DataError, OutputError
from lowerbound.files import written
from lowerbound.runs import Run
from lowerbound.seeding import seeded
from lowerbound.tasks import compress, generate

Array = npt.NDArray[Any]

SHOWN = 64  # prior samples
PAIRS = 16  # reconstructions
POINTS = 10_000  # at most, in the scatter
DIMENSIONS = 15  # at most, in a traversal: those that vary most
SIDE = 20  # of the manifold


@dataclass
class Context:
    """A run, the data it is shown on (read only if a figure needs them), and a seed for what is drawn."""

    run: Run
    load: Callable[[], Dataset]
    seed: int = 0

    @cached_property
    def data(self) -> Dataset:
        """The data."""
        return self.load()


def images(values: torch.Tensor) -> Array:
    """Values ``(N, C, H, W)`` as an array to draw. Errors: DataError for data that are no images."""
    if values.dim() != 4:
        raise DataError(f"these data are vectors of shape {tuple(values.shape[1:])}, not images; write them to .npy")
    return values.cpu().numpy()


def samples(context: Context) -> bytes:
    """Means of p(x|z) for draws of the prior."""
    with seeded(context.seed, "samples", device=context.run.vae.device):
        return plots.encode_png(plots.samples(images(context.run.vae.sample(SHOWN))))


def reconstructions(context: Context) -> bytes:
    """Data and what comes back of them through the latent."""
    given = context.data[:PAIRS]
    back = compress.reconstruct(context.run.vae, given)
    return plots.encode_png(plots.reconstructions(images(given), images(back)))


def manifold(context: Context) -> bytes:
    """The plane of a 2-D latent."""
    coordinates = generate.manifold_coordinates(SIDE).numpy()
    return plots.encode_png(plots.manifold(images(generate.manifold(context.run.vae, SIDE)), coordinates))


def scatter(context: Context) -> bytes:
    """Posterior means, coloured by class; of more than two dimensions their two principal components."""
    data = context.data
    rows = torch.arange(min(len(data), POINTS))
    latents = compress.encode(context.run.vae, data[rows]).numpy()
    labels = None if data.labels is None else data.labels[rows].numpy()
    points, names = _plane(latents)
    figure = plots.scatter(points, labels, data.classes, names, rings=latents.shape[1] == 2)
    return plots.encode_png(figure)


def _plane(latents: Array) -> tuple[Array, tuple[str, str]]:
    if latents.shape[1] == 1:
        return np.column_stack([latents[:, 0], np.zeros(len(latents))]), ("z₁", "")
    if latents.shape[1] == 2:
        return latents, ("z₁", "z₂")
    centred = latents - latents.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    share = s**2 / (s**2).sum()
    names = tuple(f"principal component {i + 1} of z ({share[i]:.0%} of its variance)" for i in range(2))
    return u[:, :2] * s[:2], (names[0], names[1])


def _traversal(context: Context, steps: int) -> tuple[Array, Array, list[str]]:
    """Images, values and names of the dimensions whose posterior mean varies most, those first."""
    variance = compress.encode(context.run.vae, context.data[:POINTS]).var(0)
    dims = variance.argsort(descending=True)[:DIMENSIONS]
    values = torch.linspace(-3, 3, steps)
    decoded = generate.traverse(context.run.vae, dims, values)
    names = [f"z{_subscript(int(dim) + 1)}" for dim in dims]
    return images(decoded.flatten(0, 1)).reshape(decoded.shape), values.numpy(), names


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def traversal(context: Context) -> bytes:
    """Each dimension moved alone, as an animation."""
    return plots.animation(*_traversal(context, steps=25))


def traversal_sheet(context: Context) -> bytes:
    """Each dimension moved alone, a row for each."""
    return plots.encode_png(plots.traversal(*_traversal(context, steps=11)))


def curves(context: Context) -> bytes:
    """The bound and its parts against epochs."""
    return plots.encode_png(plots.curves(context.run.history()))


#: by name: each kind of file it can be, the usual one first
FIGURES: dict[str, dict[str, Callable[[Context], bytes]]] = {
    "curves": {".png": curves},
    "manifold": {".png": manifold},
    "scatter": {".png": scatter},
    "reconstructions": {".png": reconstructions},
    "samples": {".png": samples},
    "traversal": {".gif": traversal, ".png": traversal_sheet},
}


def usual_name(name: str) -> str:
    """The file name of a figure, e.g. ``traversal.gif``."""
    return name + next(iter(FIGURES[name]))


def draw(name: str, context: Context, path: Path) -> Path:
    """Write the figure ``name`` to ``path``. Errors: OutputError for a kind of file that it cannot be."""
    kinds = FIGURES[name]
    if path.suffix not in kinds:
        raise OutputError(f"{name} is written as {' or '.join(kinds)}, not '{path.suffix}'; name the file so")
    content = kinds[path.suffix](context)
    with written(path) as file:
        file.write(content)
    return path


def suitable(run: Run) -> list[str]:
    """The figures that a run's report has: the manifold for 2-D latents, the traversal for larger ones."""
    latent, is_image = run.recipe.latent, len(run.facts.event_shape) == 3
    wanted = {
        "curves": bool(run.history()),
        "manifold": is_image and latent == 2,
        "scatter": True,
        "reconstructions": is_image,
        "samples": is_image,
        "traversal": is_image and latent > 2,
    }
    return [name for name in FIGURES if wanted[name]]
