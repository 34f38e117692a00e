"""Figures of numbers: latents, curves, the figures of an evaluation. Nothing here depends on models or runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lowerbound.figures.sheets import COLORS, Array
from lowerbound.figures.style import styled

UNKNOWN = "unknown"  # the name of examples whose class is not known, and their colour
UNKNOWN_COLOR = "#d0d0d0"
LABELLED = 12  # more classes than this are coloured along a scale instead of being named


def _plain(text: str) -> str:
    """The name, escaped: matplotlib would set text between dollars as a formula, and omit from a legend what begins with _."""
    return ("\u200b" if text.startswith("_") else "") + text.replace("$", r"\$")


def _class_colors(n: int) -> list[str]:
    if n <= len(COLORS):
        return list(COLORS[:n])
    return [to_hex(c) for c in matplotlib.colormaps["viridis"](np.linspace(0, 1, n))]


def _example_colors(labels: Array, classes: Sequence[str]) -> list[str]:
    """The colour of each example's class; grey where it is not known, which is a number below 0."""
    palette = _class_colors(len(classes))
    return [palette[label] if label >= 0 else UNKNOWN_COLOR for label in labels]


@styled
def scatter(points: Array, labels: Array | None, classes: Sequence[str], axis_names: Sequence[str], rings: bool) -> Figure:
    """Latents ``(N, 2)``, coloured by class where there are labels ``(N,)``, grey where a label is not known.

    With ``rings`` circles mark 1, 2 and 3 standard deviations of a standard normal prior.
    """
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.add_subplot()
    if rings:
        _rings(axes)
    size = float(np.clip(3e4 / len(points), 2, 20))
    style: dict[str, Any] = {"s": size, "alpha": 0.6, "linewidths": 0}
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], color=COLORS[0], **style)
    else:
        _scatter_classes(axes, points, labels, classes, style)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title="Posterior means")
    if rings:
        axes.set_aspect("equal")
    return figure


def _rings(axes: Axes, **style: Any) -> None:
    """Circles at 1, 2 and 3 standard deviations of a standard normal."""
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2, 3):
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), **{"color": "#888888", "lw": 0.8, "ls": ":", "zorder": 0, **style})
        axes.annotate(f"{radius}σ", (0, radius), color="#666666", fontsize=7, ha="center", va="bottom")


def _scatter_classes(axes: Axes, points: Array, labels: Array, classes: Sequence[str], style: dict[str, Any]) -> None:
    # in one call and in a random order, so that no class hides another
    order = np.random.default_rng(0).permutation(len(points))
    axes.scatter(points[order, 0], points[order, 1], c=_example_colors(labels[order], classes), **style)
    if len(classes) > LABELLED:
        axes.annotate(f"{len(classes)} classes", (1, 1), xycoords="axes fraction", ha="right", va="top")
        return
    for name, color in zip(map(_plain, classes), _class_colors(len(classes)), strict=True):
        axes.scatter([], [], color=color, s=30, label=name)
    if (labels < 0).any():
        axes.scatter([], [], color=UNKNOWN_COLOR, s=30, label=UNKNOWN)
    _name_classes(axes, points, labels, classes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0.2)


def _name_classes(axes: Axes, points: Array, labels: Array, classes: Sequence[str]) -> None:
    """Write the name of each class where it is densest."""
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    for number, name in enumerate(map(_plain, classes)):
        if (labels == number).any():
            at = _densest(points[labels == number])
            axes.annotate(name, at, ha="center", va="center", fontweight="bold", path_effects=halo, color="#222222")


@styled
def bubbles(
    means: Array,
    covariances: Array,
    labels: Array | None,
    classes: Sequence[str],
    axis_names: Sequence[str],
    rings: bool,
    reach: float,
    named: bool = True,
    title: str = "",
) -> Figure:
    """Means ``(N, 2)`` and covariances ``(N, 2, 2)`` in the plane: each an ellipse of one standard deviation, or if small a dot.

    The axes go from −``reach`` to ``reach``. Labelled examples have the colours of their classes, which are ``named`` where they
    are densest. With ``rings`` circles mark 1, 2 and 3 standard deviations of a standard normal prior.
    """
    shown = (np.abs(means) <= 1.1 * reach).all(1)
    means, covariances, labels = means[shown], covariances[shown], None if labels is None else labels[shown]
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot()
    order = np.random.default_rng(0).permutation(len(means))  # so that no class hides another
    colors = [COLORS[0]] * len(means) if labels is None else _example_colors(labels[order], classes)
    _plot_bubbles(axes, means[order], covariances[order], colors, least=reach / 150)
    if rings:
        _rings(axes, color="#333333", lw=1.0, zorder=3)
    if named and labels is not None and len(classes) <= LABELLED:
        inside = (np.abs(means) <= 0.95 * reach).all(1)
        _name_classes(axes, means[inside], labels[inside], classes)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=axis_names[0], ylabel=axis_names[1], aspect="equal")
    axes.set_title(title, fontsize=10)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], symmetric=True))
    return figure


def _plot_bubbles(axes: Axes, means: Array, covariances: Array, colors: Sequence[str], least: float) -> None:
    """Plot ellipses of one standard deviation; those whose longer radius is below ``least`` as dots of one size."""
    variances, directions = np.linalg.eigh(covariances)
    radii = np.sqrt(variances.clip(0))
    dot = radii[:, 1] < least
    faces = np.array([to_rgba(color) for color in colors]).reshape(-1, 4)
    axes.scatter(means[dot, 0], means[dot, 1], c=faces[dot], s=3, linewidths=0)
    turns = np.degrees(np.arctan2(directions[:, 1, 1], directions[:, 0, 1]))
    around = EllipseCollection(
        2 * radii[~dot, 1], 2 * radii[~dot, 0], turns[~dot], units="xy", offsets=means[~dot], offset_transform=axes.transData
    )
    around.set(facecolor=faces[~dot] * (1, 1, 1, 0.25), edgecolor=faces[~dot] * (1, 1, 1, 0.7), linewidth=0.4)
    axes.add_collection(around)


def _densest(points: Array) -> tuple[float, float]:
    """The point with most others near it, which is inside a cluster even where a class has several."""
    few = points[:: max(1, len(points) // 500)]
    distance = np.linalg.norm(few[:, None] - few[None], axis=-1)
    reach = 0.3 * few.std()
    x, y = few[(distance < reach).sum(1).argmax()].tolist()
    return x, y


@styled
def confusion(counts: Array, classes: Sequence[str]) -> Figure:
    """The confusion matrix ``(classes, classes)``: how many examples of the class of a row were predicted to be of that of a column.

    Errors are coloured by their share of the row; the diagonal is grey, as it would leave no colours for the errors.
    """
    n = len(classes)
    wrong = ~np.eye(n, dtype=bool)
    shares = np.where(wrong, 100 * counts / counts.sum(1, keepdims=True).clip(1), np.nan)
    side = float(np.clip(1.6 + 0.42 * n, 4, 12))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    shade = matplotlib.colormaps["Blues"].with_extremes(bad="#e4e4e4")
    most = max(1.0, float(np.nanmax(shares, initial=0.0)))
    image = axes.imshow(shares, cmap=shade, vmin=0, vmax=most)
    for row, column in zip(*counts.nonzero(), strict=True):
        color = "white" if wrong[row, column] and shares[row, column] > 0.6 * most else "#222222"
        size = float(np.clip(110 / n, 5, 9))
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=color, fontsize=size)
    axes.set_xticks(range(n), [_plain(name) for name in classes], rotation=90 if max(map(len, classes)) > 3 else 0)
    axes.set_yticks(range(n), [_plain(name) for name in classes])
    axes.tick_params(length=0, labelsize=float(np.clip(240 / n, 6, 9)))
    axes.spines[:].set_visible(False)
    correct, total = int(counts.trace()), int(counts.sum())
    axes.set(xlabel="predicted class", ylabel="true class", title=f"Confusion matrix: {correct:,} of {total:,} classified correctly (grey)")
    figure.colorbar(image, shrink=0.7, label="misclassified, % of the true class").outline.set_visible(False)
    return figure


@styled
def reliability(ways: Sequence[tuple[str, Array]]) -> Figure:
    """The reliability diagram: accuracy against confidence, and how many examples have each confidence.

    ``ways`` are one or two calibrations: a name and ``(3, bins)`` counts, confidence, accuracy. Error bars are Wilson's intervals of one
    standard error, which have a length also where all or none of a few were classified correctly.
    """
    figure = Figure(figsize=(5.4, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="#888888", lw=0.8, ls=":", label="perfect calibration")
    styles = (("o", "--", COLORS[1]), ("s", "-", COLORS[0]))
    for (name, (counts, confidence, accuracy)), (marker, line, color) in zip(ways, styles[-len(ways) :], strict=True):
        some = counts > 0
        bars = _wilson(counts[some], accuracy[some])
        above.errorbar(confidence[some], accuracy[some], bars, fmt=marker + line, color=color, ms=4, lw=1.4, elinewidth=0.8, label=name)
        edges = np.linspace(0, 1, len(counts) + 1)
        below.stairs(
            100 * counts / counts.sum(),
            edges,
            color=color,
            ls=line,
            lw=1.4,
            fill=line == "-",
            alpha=0.5 if line == "-" else 1,
            zorder=2 - (line == "-"),
        )
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy", title="Reliability diagram")
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center")
    below.set(xlabel="confidence, the probability of the predicted class", ylabel="% of examples")
    return figure


def _wilson(counts: Array, shares: Array) -> Array:
    """The lengths of the intervals below and above each share ``(2, bins)``."""
    centre, half = (counts * shares + 0.5) / (counts + 1), np.sqrt(counts * shares * (1 - shares) + 0.25) / (counts + 1)
    return np.stack([shares - centre + half, centre + half - shares]).clip(0)


@styled
def curves(history: Sequence[dict[str, Any]]) -> Figure:
    """The bound and its two parts against epochs; ``history`` is the lines of ``metrics.jsonl``."""
    panels = (("bound", "bound"), ("log_likelihood_term", "E[log p(x|z)]"), ("kl", "KL(q(z|x) ‖ p(z))"))
    lines = (("train", "training (mean over the epoch)", "-"), ("validation", "held out", "--"))
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(1, 3), panels, strict=True):
        for color, (part, name, style) in zip(COLORS, lines, strict=False):
            points = [(line["epoch"], line[part][key]) for line in history if line.get(part)]
            if points:
                axes.plot(*zip(*points, strict=True), style, color=color, lw=1.6, label=name, marker="." if len(points) < 3 else "")
        axes.set(title=title, xlabel="epoch", ylabel="nats per example")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color="#dddddd", lw=0.6)
        axes.margins(x=0.02)
    figure.axes[0].legend(loc="lower right")
    return figure


@styled
def density(
    draws: Array, means: Array, errors: Array, mean: float, bound: float, samples: int, counts: Array, edges: Array, of: str
) -> Figure:
    """log p(x) against the number of draws of q alone, with the estimate by all draws; and its histogram over examples.

    ``means`` by so many ``draws`` have standard ``errors``; ``mean`` is by all ``samples``, and ``of`` what there is a density of.
    """
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    curve, spread = figure.subplots(1, 2)
    curve.plot(draws, means, "o-", color=COLORS[0], lw=1.6, ms=4, label="by draws of q(z|x) alone")
    curve.fill_between(draws, means - errors, means + errors, color=COLORS[0], alpha=0.15, lw=0)
    curve.axhline(mean, color=COLORS[2], ls="--", lw=1.2, label=f"by all {samples:,} draws")
    curve.axhline(bound, color=COLORS[3], ls=":", lw=1.2, label="bound")
    curve.set(xscale="log", xlabel="draws per example", ylabel="nats per example", title=f"{of}, mean ± standard error over examples")
    figure.legend(*curve.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    spread.stairs(counts, edges, fill=True, color=COLORS[0], alpha=0.6)
    spread.axvline(mean, color=COLORS[2], ls="--", lw=1.2)
    spread.set(xlabel=f"{of}, nats", ylabel="examples", title=f"{of} per example; dashed: the mean")
    return figure


@styled
def dimensions(kl: Sequence[float], active: Sequence[bool]) -> Figure:
    """KL per latent dimension, the largest first, inactive ones hatched."""
    order = np.argsort(kl)[::-1]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for state, color, hatch in ((True, COLORS[0], ""), (False, COLORS[3], "///")):
        at = [place for place, dimension in enumerate(order) if active[dimension] is state]
        name = f"{len(at)} {'active' if state else 'inactive'}" if at else None
        axes.bar(at, [kl[order[place]] for place in at], color=color, hatch=hatch, edgecolor="white", label=name)
    if len(order) <= 40:
        axes.set_xticks(range(len(order)), [str(dimension + 1) for dimension in order])
    axes.set(
        xlabel="latent dimension" if len(order) <= 40 else "rank of the latent dimension",
        ylabel="nats",
        title="KL(q(zᵢ|x) ‖ p(zᵢ)) per dimension, mean over examples",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
