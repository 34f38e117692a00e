"""A run → one self-contained page: what it was trained for, how good it is, and what it learned."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from lowerbound import figures, runs
from lowerbound.data import Dataset
from lowerbound.evaluation import bits_per_dim
from lowerbound.files import make_folder, written
from lowerbound.runs import Run

MEDIA = {".png": "image/png", ".gif": "image/gif"}

#: for each figure of a report its heading, and how it is read
CAPTIONS = {
    "curves": (
        "Training",
        "The bound and its two parts, bound = E[log p(x|z)] − KL. Held-out data are scored at the end of each epoch, "
        "training data while the weights still change. A held-out curve that turns down while the other rises is over-fitting.",
    ),
    "manifold": (
        "The latent plane",
        "Each tile is the mean of p(x|z) at one point of the plane. The points are quantiles of the prior, so that "
        "each tile stands for the same share of what the model would generate.",
    ),
    "scatter": (
        "Latents",
        "The posterior mean of each test datum. The model saw no labels: the colours only show what it found by itself.",
    ),
    "reconstructions": (
        "Reconstructions",
        "Test data above, and below them the mean of p(x|z) at the mean of q(z|x): all that went through the latent.",
    ),
    "samples": (
        "Samples",
        "New data: z drawn from the prior, then the mean of p(x|z). No datum went in.",
    ),
    "traversal": (
        "One dimension at a time",
        "Each picture moves one latent dimension from −3 to 3 with the others at 0. The dimensions whose posterior mean "
        "varies most come first; one that changes nothing is not used by the model.",
    ),
}


@dataclass(frozen=True)
class Panel:
    """A figure as the page has it."""

    name: str
    heading: str
    caption: str
    source: str


def write(run: Run, held_out: Dataset) -> Path:
    """Draw every figure that suits the run into its ``figures/``, and the page around them. Errors: OutputError."""
    folder = run.folder / runs.FIGURES
    make_folder(folder)
    context = figures.Context(run, lambda: held_out, run.recipe.seed)
    panels = [_panel(name, figures.draw(name, context, folder / figures.usual_name(name))) for name in figures.suitable(run)]
    page = run.folder / runs.REPORT
    with written(page) as file:
        file.write(_page(run, panels).encode())
    return page


def _panel(name: str, path: Path) -> Panel:
    encoded = base64.b64encode(path.read_bytes()).decode()
    return Panel(name, *CAPTIONS[name], f"data:{MEDIA[path.suffix]};base64,{encoded}")


def _page(run: Run, panels: list[Panel]) -> str:
    loader = jinja2.PackageLoader("lowerbound", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["fixed"] = lambda value, digits: f"{value:,.{digits}f}".replace("-", "−")
    return environment.get_template("report.html").render(
        run=run,
        result=run.result(),
        rows=_rows(run),
        panels=panels,
        words=run.recipe.words(),
        weights=sum(parameter.numel() for parameter in run.vae.parameters()),
        environment=run.environment(),
    )


def _rows(run: Run) -> list[tuple[str, dict[str, Any]]]:
    """The table of bounds: a name and the score of each part of the data, in nats a datum."""
    last, result = run.history()[-1], run.result()
    train = last["train"] | {"bits_per_dim": bits_per_dim(last["train"]["bound"], run.facts.dimensions), "bound_se": None}
    rows = [("training, last epoch", train), ("validation", last["validation"])]
    if result is not None:
        rows.append(("test", result["test"]))
    return [(name, score) for name, score in rows if score is not None]
