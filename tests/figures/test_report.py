"""The report of a run: one page that asks for nothing, of all that suits the run, at the end of a training or written anew."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import answer, complaint
from conftest import trained
from trainings import begun, train

import lowerbound as lb
from lowerbound.errors import RunError
from lowerbound.figures import table
from lowerbound.figures.report import Report
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.run import Run


def figures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / layout.FIGURES).iterdir()}


@pytest.fixture(scope="module")
def wide_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A latent of five dimensions, trained for an epoch."""
    return trained(tmp_path_factory.mktemp("runs") / "wide", epochs=1, latent=5)


class Page(HTMLParser):
    """Tags that were opened and not closed, and all addresses."""

    EMPTY = frozenset({"meta", "img", "br", "link", "!doctype"})

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("which", ["digits_run", "wide_run", "evaluated_run", "classifier_run"])
def test_the_report_is_one_page_that_asks_for_nothing(which: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    text = (run.folder / layout.REPORT).read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert len(page.addresses) == len(table.suitable(run))
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert re.search(r'<iframe class="explorer"[^>]* sandbox="allow-scripts allow-downloads" srcdoc="', text)
    assert "default-src &#39;none&#39;" in text.replace("&amp;#39;", "&#39;")  # what is in the frame may load nothing
    text = re.sub(r' srcdoc="[^"]*"', "", text)
    assert not re.search(r"https?://|@import|url\(", text)
    assert f"−{-run.result()['test']['bound']:.2f}" in text
    assert "None" not in re.sub(r"base64,[^\"]+", "", text)  # of an image four letters can be anything
    assert set(figures(run.folder)) == {table.usual_name(name) for name in table.suitable(run)}


def test_names_are_escaped_in_the_report(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "<script>alert(1)<")
    run = lb.load(folder)
    text = lb.report(run).read_text(encoding="utf-8")
    assert "<script>" not in text


def test_vectors_have_a_report_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(200, 6)))
    recipe = Recipe(data=str(tmp_path / "a.npy"), likelihood="gaussian", scale=1.0, epochs=1, latent=3, batch=32)
    experiment = train(recipe, tmp_path / "r")
    experiment.finish()
    lb.report(experiment.run)
    assert sorted(figures(tmp_path / "r")) == ["curves.png", "scatter.png"]


def test_an_example_beyond_all_that_a_model_knows_costs_no_result(tmp_path: Path) -> None:
    """Its log p is no number that JSON has."""
    data = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    test = data[:30].copy()
    test[3, 2] = 9.96921e36  # what netCDF fills holes with
    np.savez(tmp_path / "a.npz", x_train=data, x_test=test)
    recipe = Recipe(data=str(tmp_path / "a.npz"), likelihood="gaussian", network="mlp:8", epochs=1, batch=32)
    experiment = train(recipe, tmp_path / "r")
    experiment.trainer.observers = [Report(lambda: experiment.trainer.setup.test, lambda: experiment.trainer.setup.train)]
    experiment.finish()
    assert (tmp_path / "r" / layout.RESULT).is_file()
    assert "<iframe" in (tmp_path / "r" / layout.REPORT).read_text(encoding="utf-8")


def test_weights_that_are_not_finite_leave_the_explorer_out(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    run = lb.load(folder, "cpu")
    with torch.no_grad():
        next(run.vae.likelihood.parameters()).fill_(torch.nan)
    text = lb.report(run).read_text(encoding="utf-8")
    assert "<iframe" not in text
    assert "some of the model&#39;s weights are not finite" in text


def test_an_evaluation_joins_the_report(digits_run: Run, evaluated_run: Run) -> None:
    assert set(table.suitable(evaluated_run)) - set(table.suitable(digits_run)) == {"density", "dimensions"}
    text = (evaluated_run.folder / layout.REPORT).read_text(encoding="utf-8")
    assert f"−{-evaluated_run.evaluation().to_json()['log_likelihood']['mean']:.3f}" in text
    assert "Evaluation" not in (digits_run.folder / layout.REPORT).read_text(encoding="utf-8")


def test_it_is_written_anew_to_the_same_bytes(digits_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    then, drawn = (digits_run.folder / layout.REPORT).read_bytes(), figures(digits_run.folder)
    folder = shutil.copytree(digits_run.folder, tmp_path / digits_run.folder.name)
    (folder / layout.REPORT).unlink()
    shutil.rmtree(folder / layout.FIGURES)
    assert lb.report(lb.load(folder, "cpu")) == folder / layout.REPORT
    assert figures(folder) == drawn
    page = (folder / layout.REPORT).read_bytes()
    assert page.replace(str(folder).encode(), str(digits_run.folder).encode()) == then
    (folder / layout.REPORT).unlink()
    assert answer(capsys, "report", folder, "--device", "cpu") == {"run": str(folder), "output": str(folder / layout.REPORT), "notes": []}
    assert (folder / layout.REPORT).read_bytes() == page


def test_of_other_data_it_says_so(digits_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    answer(capsys, "report", folder, "digits", "--split", "train", "--device", "cpu")
    found, then = figures(folder), figures(digits_run.folder)
    assert found["reconstructions.png"] != then["reconstructions.png"]
    assert found["curves.png"] == then["curves.png"]
    assert "The figures show digits, train" in (folder / layout.REPORT).read_text(encoding="utf-8")
    assert "The figures show" not in (digits_run.folder / layout.REPORT).read_text(encoding="utf-8")


def test_a_run_that_is_not_at_its_end_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(tmp_path / "r").close()
    with pytest.raises(RunError, match="go on with: lowerbound resume"):
        lb.report(lb.load(tmp_path / "r", "cpu"))
    assert "go on with: lowerbound resume" in complaint(capsys, "report", tmp_path / "r")
    assert not (tmp_path / "r" / layout.FIGURES).exists()


def test_without_its_metrics_it_has_the_test_data_alone(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / layout.METRICS).unlink()
    text = lb.report(lb.load(folder, "cpu")).read_text(encoding="utf-8")
    assert "<td>test</td>" in text
    assert "<td>validation</td>" not in text


def test_it_comes_before_the_result(tmp_path: Path) -> None:
    """So that a run which says that it is at its end has its report."""

    class Last(Report):
        def finished(self, run: Run, result: dict[str, Any]) -> None:
            super().finished(run, result)
            assert run.result() is None

    experiment = train(Recipe(epochs=1, network="mlp:16"), tmp_path / "r")
    experiment.trainer.observers = [Last(lambda: experiment.trainer.setup.test, lambda: experiment.trainer.setup.train)]
    result = experiment.finish()
    assert f"−{-result['test']['bound']:.2f}" in (tmp_path / "r" / layout.REPORT).read_text(encoding="utf-8")


@pytest.mark.parametrize("objective", ["elbo", "beta:4", "iwae:5"])
def test_the_bound_is_what_the_page_says(objective: str, tmp_path: Path) -> None:
    """The importance-weighted one is above E[log p(x|z)] − KL, and is not said to be that."""
    run = trained(tmp_path / "r", epochs=1, objective=objective)
    test, page = run.result()["test"], (run.folder / layout.REPORT).read_text(encoding="utf-8")
    elbo = test["log_likelihood_term"] - test["kl"]
    if objective == "iwae:5":
        assert "log 1/K Σ w^(1 − α)], w = p(x, z)/q(z|x), of K = 5 draws of z, α = 0, at most" in page
        assert test["bound"] > elbo + 0.05
    else:
        assert "bound = E[log p(x|z)] − KL, at most" in page
        assert test["bound"] == pytest.approx(elbo, abs=1e-3)
