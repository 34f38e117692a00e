"""Figures of the results of the experiments. Nothing here computes, or depends on a model."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter
from PIL import Image

from lowerbound.figures.sheets import COLORS
from lowerbound.figures.style import styled
from lowerbound.lab.elbo import Climb
from lowerbound.lab.evidence import Evidence
from lowerbound.lab.faces import PUBLISHED, Step
from lowerbound.lab.gradients import Costs, Row
from lowerbound.lab.kl import Landscape

LEVELS = (0.05, 0.2, 0.5, 1, 2, 3, 4, 6, 8)
FRAMES = 60
MARKERS = "osD^vPX"
HALO = [withStroke(linewidth=2.5, foreground="white")]


@styled
def kl(found: Landscape) -> Figure:
    """Contours over (μ, v), and the curve of v alone, the minimum marked in both."""
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    means, variances = found.means.numpy(), found.variances.numpy()
    filled = left.contourf(means, variances, found.divergence.numpy(), levels=(0, *LEVELS), cmap="viridis_r", extend="max")
    lines = left.contour(means, variances, found.divergence.numpy(), levels=LEVELS, colors="#333333", linewidths=0.5)
    left.clabel(lines, levels=LEVELS[:4], fontsize=7, fmt="%g")
    figure.colorbar(filled, ax=left, label="KL, nats", ticks=(0, *LEVELS), format="%g")
    _least(left, found.least[0], found.least[1], "least: μ = 0, v = 1, KL = 0")
    left.set(xlabel="mean μ", ylabel="variance v", yscale="log", title="KL(N(μ, v) ‖ N(0, 1)) = ½(μ² + v − log v − 1)")
    right.plot(variances, found.curve.numpy(), color=COLORS[0], lw=1.8)
    _least(right, 1.0, 0.0, "least: v = 1")
    right.set(
        xlabel="variance v", ylabel="v − log v − 1, nats", xscale="log", ylim=(-0.6, 13), title="Twice the part that depends on v alone"
    )
    for axes, set_ticks in ((left, left.set_yticks), (right, right.set_xticks)):
        set_ticks([1 / 16, 1 / 4, 1, 4, 16], ["1/16", "1/4", "1", "4", "16"])
        set_ticks([], minor=True)
        axes.set_axisbelow(True)
    return figure


def _least(axes: Axes, x: float, y: float, text: str) -> None:
    axes.plot([x], [y], "*", color=COLORS[6], markeredgecolor="white", markersize=13, zorder=5, clip_on=False)
    axes.annotate(
        text,
        (x, y),
        (0, 12),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        path_effects=HALO,
    )


@styled
def evidence(found: Evidence) -> Figure:
    """The error and the mean of both estimates against the number of draws."""
    figure = Figure(figsize=(9.5, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines = (("z from the prior p(z)", found.prior, "o-", COLORS[6]), ("z from the posterior q(z|x)", found.posterior, "s--", COLORS[0]))
    for name, curve, style, color in lines:
        left.plot(found.draws, curve.error, style, color=color, label=name, lw=1.8, markersize=5)
        right.plot(found.draws, curve.mean, style, color=color, label=name, lw=1.8, markersize=5)
    best = float(found.best.mean())
    right.axhline(best, color="#555555", lw=1, ls=":", label=f"best estimate, {found.best_draws:,} draws")
    left.set(xscale="log", yscale="log", xlabel="draws K", ylabel="root-mean-square error, nats", title="Error against the best estimate")
    right.set(
        xscale="log", xlabel="draws K", ylabel="mean of log p(x), nats per example", title=f"Mean estimate over {len(found.best)} examples"
    )
    for axes in (left, right):
        axes.grid(color="#dddddd", lw=0.6)
    right.legend(loc="lower right")
    return figure


@styled
def gradients(found: Costs) -> Figure:
    """Bars of variance, seconds and their product: a row of panels for each K, a bar for each number of dimensions.

    Below them, if it was measured, the variance along training.
    """
    draws = sorted({row.draws for row in found.rows})
    names = list(dict.fromkeys(row.estimator for row in found.rows))
    panels = (("variance", "total variance (nats²)"), ("seconds", "seconds per gradient"), ("cost", "variance × seconds"))
    height = 0.6 + 0.42 * len(names) * len(draws) + 0.7 * len(draws)
    whole = Figure(figsize=(11, height + (4 if found.training else 0)), layout="constrained")
    figure, *below = whole.subfigures(2, 1, squeeze=False, height_ratios=(height, 4))[:, 0] if found.training else [whole]
    grid = figure.subplots(len(draws), 3, squeeze=False, sharex="col", sharey="row")
    for k, line in zip(draws, grid, strict=True):
        rows = [row for row in found.rows if row.draws == k]
        for (key, title), axes in zip(panels, line, strict=True):
            _bars(axes, rows, names, key)
            values = [getattr(row, key) for row in found.rows]
            axes.set(title=f"{title}, K = {k}", xscale="log")
            least = 10 ** np.floor(np.log10(min(values) / 1.1))  # a power of ten, so that the axis has at least two tick labels
            axes.set_xlim(least, max(10 * least, 1.3 * max(values)))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(axis="x", color="#dddddd", lw=0.6)
            axes.set_axisbelow(True)
    if len({row.dimensions for row in found.rows}) > 1:
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), title="latent dimensions")
    for part in below:
        _along_training(part.subplots(), found.training)
    return whole


def _along_training(axes: Axes, rows: Sequence[Row]) -> None:
    """Total variance against steps, a line per estimator; with an exact posterior, sticking the landing has only rounding error left."""
    names = list(dict.fromkeys(row.estimator for row in rows))
    for i, (name, color) in enumerate(zip(names, COLORS, strict=False)):  # some lines coincide: later ones are thinner
        mine = [row for row in rows if row.estimator == name]
        points, size = [row.steps for row in mine], 1 - i / len(names)
        style: dict[str, Any] = {"lw": 1 + 4 * size, "marker": MARKERS[i % len(MARKERS)], "markersize": 5 + 5 * size, "label": name}
        axes.plot(points, [row.variance for row in mine], color=color, markeredgecolor="white", markeredgewidth=0.6, **style)
    axes.set(xlabel="training steps", ylabel="total variance (nats²)", yscale="log")
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(-1, 1.1 * max(row.steps for row in rows))
    axes.set_xticks(sorted({row.steps for row in rows}), [f"{step:,}" for step in sorted({row.steps for row in rows})])
    axes.set_xticks([], minor=True)
    axes.set_title(f"Along training, one dimension, K = {rows[0].draws}: q becomes the exact posterior")
    axes.grid(color="#dddddd", lw=0.6)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _bars(axes: Axes, rows: list[Row], names: list[str], key: str) -> None:
    """A group of bars for each estimator; one that does not work for this K has an empty place with a note."""
    dimensions = sorted({row.dimensions for row in rows})
    width = 0.8 / len(dimensions)
    for i, (d, color) in enumerate(zip(dimensions, COLORS, strict=False)):
        mine = {row.estimator: getattr(row, key) for row in rows if row.dimensions == d}
        at = [names.index(name) + (i - (len(dimensions) - 1) / 2) * width for name in mine]
        axes.barh(at, list(mine.values()), width, color=color, label=str(d))
    there = {row.estimator for row in rows}
    axes.set_yticks(range(len(names)), [name if name in there else f"{name}\n(not for this K)" for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)


@styled
def faces(found: Mapping[str, Sequence[Step]]) -> Figure:
    """The bound against steps, with the published curves, and against seconds."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    colors = dict(zip((*found, *(name for name in PUBLISHED if name not in found)), COLORS, strict=False))
    for name, steps in found.items():
        bounds = [step.bound for step in steps]
        left.plot([step.iteration for step in steps], bounds, color=colors[name], lw=1.8, label=name)
        right.plot([step.seconds for step in steps], bounds, color=colors[name], lw=1.8, label=name)
    for name, published in PUBLISHED.items():
        left.plot(list(published), list(published.values()), "o--", color=colors[name], lw=1, markersize=4, label=f"{name}, published")
    left.set(xscale="log", xlabel="step", ylabel="bound, nats for all examples", title="Against steps")
    right.set(xscale="log", xlabel="seconds", title="Against time, this machine")
    left.set_yscale("function", functions=(lambda y: -np.log10(np.maximum(-y, 1.0)), lambda y: -(10**-y)))
    left.set_yticks([-(10.0**k) for k in (9, 8, 7)], ["−10⁹", "−10⁸", "−10⁷"])
    left.set_yticks([-m * 10.0**k for k in (6, 7, 8, 9) for m in range(2, 10)], minor=True)
    lowest = min(*(step.bound for steps in found.values() for step in steps), *(min(bounds.values()) for bounds in PUBLISHED.values()))
    left.set_ylim(1.3 * lowest, -5.5e6)
    for axes in (left, right):
        axes.grid(color="#dddddd", lw=0.6)
    left.legend(loc="lower right")
    return figure


def elbo(found: Climb) -> bytes:
    """A GIF: q moving onto p, and the bound climbing to log Z. Early steps, which change most, get more frames."""
    last = len(found.bounds) - 1
    steps = np.unique((last * np.linspace(0, 1, FRAMES) ** 2).round().astype(int))
    frames = [_frame(found, int(step)) for step in steps]
    with io.BytesIO() as buffer:
        rest: dict[str, Any] = {"duration": [80] * (len(frames) - 1) + [2000], "loop": 0}
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], **rest)
        return buffer.getvalue()


def _frame(found: Climb, step: int) -> Image.Image:
    with io.BytesIO() as buffer:
        climbing(found, step).savefig(buffer, format="png", dpi=100)
        return Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE)


@styled
def climbing(found: Climb, step: int) -> Figure:
    """One frame; from one to the next only the curves move."""
    figure = Figure(figsize=(9, 3.8))
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.14, top=0.9, wspace=0.22)
    points = found.points.numpy()
    left.fill_between(points, found.target.numpy(), color=COLORS[3], alpha=0.4, label="p", lw=0)
    left.plot(points, found.densities[step].numpy(), color=COLORS[0], lw=2, label="q")
    left.set(xlabel="z", ylabel="density", xlim=(points[0], points[-1]), title=f"q after step {step:>3}")
    left.set_ylim(0, 1.35 * float(torch.stack([found.target.max(), found.densities[-1].max()]).max()))
    left.legend(loc="upper right")
    bounds = found.bounds.numpy()
    right.axhline(found.log_normaliser, color=COLORS[6], ls="--", lw=1.4, label=f"log p = {found.log_normaliser:.3f}".replace("-", "−"))
    right.plot(bounds[: step + 1], color=COLORS[0], lw=1.8, label="bound")
    right.plot([step], bounds[step : step + 1], "o", color=COLORS[0])
    span = found.log_normaliser - float(bounds.min())
    right.set(xlabel="step", ylabel="nats", xlim=(-4, len(bounds) + 3), title=f"bound {bounds[step]:.3f} nats".replace("-", "−"))
    right.set_ylim(found.log_normaliser - 1.05 * span, found.log_normaliser + 0.12 * span)
    right.legend(loc="lower right")
    return figure
