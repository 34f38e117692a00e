"""What tests share. Shapes in the package's signatures are checked while tests run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

SHARED = Path(__file__).parents[2] / "shared" / "data"
if "LOWERBOUND_DATA" not in os.environ and SHARED.is_dir():
    os.environ["LOWERBOUND_DATA"] = str(SHARED)

pytest_plugins = ["pages"]
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)

install_import_hook("lowerbound", "beartype.beartype")


def needs(name: str) -> pytest.MarkDecorator:
    """Skip, saying so, where the files of a named data set are not on this machine."""
    from lowerbound.data import NAMED

    missing = NAMED[name].missing(name, None)
    return pytest.mark.skipif(bool(missing), reason=f"LOWERBOUND_DATA has no {name}: {', '.join(missing)}")


@pytest.fixture
def validation():
    """Torch's validation of distributions as it was: ``torch.compile`` switches it off for the process, once it compiles something."""
    from torch.distributions import Distribution

    before = Distribution._validate_args
    yield
    Distribution.set_default_validate_args(before)


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory):
    """A finished run on digits, trained as ``lowerbound train`` does. Tests read it and leave it as it is."""
    return trained(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="session")
def by_class_run(tmp_path_factory: pytest.TempPathFactory):
    """The same, given labels."""
    return trained(tmp_path_factory.mktemp("runs") / "by-class", given="label")


def trained(folder: Path, **words: str | int):
    """A finished run of three epochs on digits."""
    from lowerbound.figures.report import Report
    from lowerbound.recipes.recipe import Recipe
    from lowerbound.runs.experiment import Experiment
    from lowerbound.runs.run import load

    report = Report(lambda: experiment.trainer.setup.test, lambda: experiment.trainer.setup.train)
    experiment = Experiment.begin(Recipe(**{"epochs": 3, **words}), folder, device="cpu", observers=[report])
    for _ in experiment.train():
        pass
    experiment.finish()
    return load(experiment.run.folder, device="cpu")


@pytest.fixture(scope="session")
def evaluated_run(digits_run, tmp_path_factory: pytest.TempPathFactory):
    """A copy of the run of digits, evaluated."""
    return evaluated(shutil.copytree(digits_run.folder, tmp_path_factory.mktemp("runs") / "evaluated"))


@pytest.fixture(scope="session")
def classifier_run(tmp_path_factory: pytest.TempPathFactory):
    """M2 of digits with 100 labels, evaluated."""
    run = trained(tmp_path_factory.mktemp("runs") / "classifier", semi_supervised="m2", labels="100", latent=4, network="mlp:64")
    return evaluated(run.folder)


def evaluated(folder: Path):
    """The run of a folder after ``lowerbound evaluate``."""
    from lowerbound.interfaces.cli import main
    from lowerbound.runs.run import load

    assert main(["evaluate", str(folder), "--samples", "20"]) == 0
    return load(folder, device="cpu")


@pytest.fixture(scope="session")
def run_for(evaluated_run, by_class_run, classifier_run):
    """Figure → a run that it is drawn of."""
    others = {"styles": by_class_run, "confusion": classifier_run, "calibration": classifier_run}
    return lambda figure: others.get(figure, evaluated_run)


@pytest.fixture(scope="session")
def chromium():
    """A real browser, Debian's Chromium, one for all tests of a process."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed; on Debian: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: "test_mnist" not in item.nodeid)
