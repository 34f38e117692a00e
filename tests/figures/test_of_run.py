"""Every figure of a run is drawn, where it suits the run."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rows import long_if

import lowerbound as lb
from lowerbound.data.rows import spread
from lowerbound.errors import OutputError, UsageError
from lowerbound.figures import of_run, sheets, table
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import folder as folders
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment


@pytest.fixture(scope="module")
def wide_run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """A latent of five dimensions, trained for an epoch."""
    experiment = Experiment.begin(Recipe(epochs=1, latent=5), tmp_path_factory.mktemp("runs") / "wide", device="cpu")
    list(experiment.train())
    return runs.load(experiment.run.folder)


def context(run: runs.Run) -> of_run.Context:
    return of_run.Context(run, lambda: run.read().test)


KINDS = [(name, kind) for name, row in table.FIGURES.items() for kind in row.kinds]


#: each figure of the first kind of run that has it; others take long
FIRST = {name: (name, kind) for name, kind in reversed(KINDS)}


@pytest.mark.parametrize("row", long_if(lambda row: row != FIRST[row[0]], KINDS), ids=" ".join)
def test_every_figure_is_drawn(run_for: Callable[[str], runs.Run], tmp_path: Path, row: tuple[str, str]) -> None:
    name, kind = row
    run = run_for(name)
    path = table.plot(name, context(run), tmp_path / f"f{kind}")
    with Image.open(path) as image:
        assert image.format == kind[1:].upper()
        assert min(image.size) > 100
        assert np.asarray(image.convert("L")).std() > 5, "there is something in it"
    again = table.plot(name, context(run), tmp_path / f"g{kind}")
    assert path.read_bytes() == again.read_bytes(), "the same seed draws the same figure"


def test_the_traversal_moves(wide_run: runs.Run, tmp_path: Path) -> None:
    with Image.open(table.plot("traversal", context(wide_run), tmp_path / "t.gif")) as image:
        assert image.n_frames > 20
        first = np.asarray(image.convert("L")).astype(int)
        image.seek(image.n_frames // 2)
        assert np.abs(np.asarray(image.convert("L")) - first).max() > 50


def test_a_run_is_cleared_of_the_figures_that_there_are() -> None:
    assert set(folders.DRAWN) == {table.usual_name(name) for name in table.FIGURES}


def test_figures_suit_the_run(digits_run: runs.Run, wide_run: runs.Run) -> None:
    assert "manifold" in table.suitable(digits_run)
    assert "traversal" not in table.suitable(digits_run)
    assert "manifold" not in table.suitable(wide_run)
    assert "traversal" in table.suitable(wide_run)


def test_what_was_not_evaluated_is_told(digits_run: runs.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="first: lowerbound evaluate"):
        table.plot("density", context(digits_run), tmp_path / "d.png")


def test_a_manifold_of_five_dimensions_is_refused(wide_run: runs.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a 2-D latent, and this one has 5"):
        table.plot("manifold", context(wide_run), tmp_path / "m.png")
    with pytest.raises(OutputError, match=r"traversal is written as \.gif or \.png"):
        table.plot("traversal", context(wide_run), tmp_path / "t.jpg")


def test_one_latent_dimension_is_drawn(tmp_path: Path) -> None:
    experiment = Experiment.begin(Recipe(epochs=1, latent=1), tmp_path / "r", device="cpu")
    list(experiment.train())
    assert table.plot("scatter", context(experiment.run), tmp_path / "scatter.png").is_file()


def test_a_sheet_holds_the_pixels_as_they_are() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 14, 14)) / 255
    sheet = np.asarray(Image.open(io.BytesIO(sheets.sheet_png(images, columns=3))))
    factor = sheet.shape[1] // (3 * 14 + 2)
    assert np.array_equal(sheet[::factor, ::factor][:14, :14], (images[0] * 255).round().transpose(1, 2, 0))
    assert np.array_equal(sheet[::factor, ::factor][15:29, 15:29], (images[4] * 255).round().transpose(1, 2, 0))


def test_scores_of_a_model_with_labels_are_its_log_p_of_x(classifier_run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all labels, as an evaluation has it, and not given the class that it predicts."""
    monkeypatch.setattr(of_run, "SCORED", 6)
    data = classifier_run.read().test
    _, _, likely, unlikely = of_run.scores(of_run.Context(classifier_run, lambda: data, 0)).given
    log_p = lb.log_likelihood(classifier_run.vae, data.view(spread(len(data), 6)), of_run.DRAWS).log_p
    assert sorted([*likely, *unlikely]) == pytest.approx(sorted(log_p.tolist()))


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ({"prior": "categorical", "posterior": "categorical", "estimator": "enumerated", "latent": 4}, ["traversal", "bubbles"]),
        ({"prior": "gamma", "posterior": "gamma"}, ["manifold", "traversal"]),
    ],
)
def test_latents_that_cannot_have_any_value_are_not_laid_out(words: dict[str, str | int], refused: list[str], tmp_path: Path) -> None:
    experiment = Experiment.begin(Recipe(epochs=1, network="mlp:8", **words), tmp_path / "run", device="cpu")
    list(experiment.train())
    run = runs.load(experiment.run.folder)
    for name in refused:
        assert name not in table.suitable(run)
        with pytest.raises(UsageError, match=r"plot (samples|scatter)"):
            table.plot(name, context(run), tmp_path / table.usual_name(name))
