"""The report of a run, one self-contained page: its recipe, its scores and its figures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowerbound.data import Dataset
from lowerbound.errors import RecipeError, RunError
from lowerbound.evaluation.mean_bound import bits_per_dim
from lowerbound.figures import of_run, pages, table
from lowerbound.figures.drawing import Draw, at_once
from lowerbound.figures.explorer.page import made
from lowerbound.figures.explorer.shown import Progress, nobody, of_data
from lowerbound.runs import layout
from lowerbound.runs.run import Run, learned_from
from lowerbound.system import markup
from lowerbound.system.arguments import one_of
from lowerbound.system.files import make_folder, to_json, written
from lowerbound.vae.contexts import Observed

HEIGHT = 900  # pixels of a frame in a notebook
LARGEST_EXPLORER = 8 * 2**20  # characters of it, so that a report opens at once
MEDIA = {".png": "image/png", ".gif": "image/gif"}


class Page(type(Path())):  # type: ignore[misc]  # before Python 3.12 a Path itself has no subclasses
    """The path of a report, which a notebook shows as the page that is there."""

    def _repr_html_(self) -> str:
        return markup.framed("Report", self.read_text(encoding="utf-8"), HEIGHT, "allow-scripts allow-downloads")


@dataclass(frozen=True)
class Panel:
    """A figure of the page: its row of the table, and its picture as a data URI."""

    row: table.Row
    source: str


@dataclass(frozen=True)
class Report:
    """Writes the report of a training at its end; ``data`` gives what the figures show, ``train`` what was learned from, once wanted.

    ``progress`` is called with what is being done, and ``draw`` with what is to be drawn.
    """

    data: Callable[[], Dataset]
    train: Callable[[], Dataset]
    progress: Progress = nobody
    draw: Draw = at_once

    def epoch(self, record: dict[str, Any]) -> None:
        """Does nothing: a report is of the end."""

    def finished(self, run: Run, result: dict[str, Any]) -> None:
        """Plot and write. Errors: OutputError."""
        write(run, self.data(), self.train(), result, progress=self.progress, draw=self.draw)


def report(run: Run, data: Dataset | None = None, name: str | None = None, progress: Progress = nobody, draw: Draw = at_once) -> Page:
    """Plot every figure that suits the run into its ``figures/``, write ``report.html`` around them, and return the page's path.

    The figures show ``data``, by default the run's own test data; where they are others, ``name`` is what the page says of them.
    ``progress`` is called with what is being done, and ``draw`` with what is to be drawn.
    Errors: RunError where the run has not come to its end; DataError where its data are gone; OutputError; UsageError for what is no run.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     experiment = lb.Experiment.begin(lb.Recipe(data="digits", network="mlp:16", epochs=1), f"{folder}/run")
    ...     _ = list(experiment.train()), experiment.finish()
    ...     page = lb.report(lb.load(f"{folder}/run"))
    ...     page.name, "manifold.png" in [path.name for path in (page.parent / "figures").iterdir()]
    ('report.html', True)
    """
    one_of("run", run, Run, "lb.load('runs/mine')")
    result = run.result()
    if result is None:
        raise RunError(f"{run.folder} has not come to its end; go on with: lowerbound resume {shlex.quote(str(run.folder))}")
    splits = run.read()
    return write(run, splits.test if data is None else data, learned_from(run.recipe, splits)[0], result, name, progress, draw)


def write(
    run: Run,
    data: Dataset,
    train: Dataset,
    result: dict[str, Any],
    name: str | None = None,
    progress: Progress = nobody,
    draw: Draw = at_once,
) -> Page:
    """The report, with the scores that ``result.json`` will have. Errors: OutputError."""
    folder = run.folder / layout.FIGURES
    make_folder(folder)
    context = of_run.Context(run, lambda: data, run.recipe.seed)
    progress("drawing the figures")
    paths = {figure: folder / table.usual_name(figure) for figure in table.suitable(run)}
    contents = {figure: draw(table.drawing(figure, context, path)) for figure, path in paths.items()}
    explorer = _explorer(run, data, train, progress)
    panels = [_panel(figure, path, contents[figure].result()) for figure, path in paths.items()]
    path = Page(run.folder / layout.REPORT)
    with written(path) as file:
        file.write(_page(run, panels, explorer, result, name))
    return path


def _panel(name: str, path: Path, content: bytes) -> Panel:
    """The figure, which is written to a file of its own as well."""
    with written(path) as file:
        file.write(content)
    return Panel(table.FIGURES[name], pages.embedded(content, MEDIA[path.suffix]))


def _explorer(run: Run, data: Dataset, train: Dataset, progress: Progress) -> tuple[str, str]:
    """The explorer of the run, and where there can be none in a page, why."""
    try:
        content = made([of_data(run, train, data)], progress=progress).html
    except (RecipeError, RunError) as error:
        return "", str(error)
    return ("", f"it would take {len(content) / 2**20:.0f} MiB") if len(content) > LARGEST_EXPLORER else (content, "")


def _page(run: Run, panels: list[Panel], explorer: tuple[str, str], result: dict[str, Any], shown: str | None) -> bytes:
    return pages.rendered(
        "report.html",
        run=run,
        name=Path(run.recipe.data).name,
        folder=shlex.quote(str(run.folder)),
        result=result,
        rows=_rows(run, result),
        density=run.vae.density,
        panels=panels,
        explorer=explorer[0],
        no_explorer=explorer[1],
        shown=shown,
        evaluation=_evaluation(run),
        words=run.recipe.words(),
        weights=sum(parameter.numel() for parameter in run.vae.parameters()),
        environment=run.environment(),
    )


def _evaluation(run: Run) -> dict[str, Any] | None:
    """What was evaluated, or None; of runs that predict no classes without a classifier."""
    found = run.evaluation()
    if found is None:
        return None
    balanced = None if found.classifier is None else found.classifier.balanced_accuracy
    said = json.loads(to_json(found.to_json()))  # no number that is not finite
    return {layout.CLASSIFIER: None, "balanced_accuracy": balanced, **said}


def _rows(run: Run, result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The table of bounds: a name and the score of each part of the data, in nats per example."""
    test, history = [("test", result["test"])], run.history()
    if not history:  # they were lost
        return test
    last = history[-1]
    bound = last["train"]["bound"]  # None, as JSON has it, where q has no density and the bound is −∞
    # where only a part of the values is scored, their number is not known
    bits = None if bound is None or isinstance(run.vae.context, Observed) else bits_per_dim(bound, float(run.spec.dimensions))
    train = last["train"] | {"bits_per_dim": bits, "bound_se": None}
    rows = [("training, last epoch", train), ("validation", last["validation"]), *test]
    return [(name, score) for name, score in rows if score is not None]
