"""Every public name is where the table of the package says, those of version 0.1.0 among them, and type checkers see the same."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lowerbound as lb
from lowerbound.recipes import estimators, likelihoods, objectives

OF_0_1_0 = [
    "Adam",
    "Density",
    "Experiment",
    "Recipe",
    "Run",
    "State",
    "VAE",
    "build",
    "calibration",
    "checkpoint",
    "contexts",
    "corruptions",
    "coupled",
    "data",
    "errors",
    "estimators",
    "evaluate",
    "fit",
    "laws",
    "likelihood_regret",
    "likelihoods",
    "load",
    "log_likelihood",
    "nn",
    "objectives",
    "plots",
    "posteriors",
    "priors",
    "recipes",
    "scales",
    "schedules",
    "score",
    "seeding",
    "semi",
    "tasks",
]
#: what a module of that version had and users of it are likely to have written
INSIDE = {
    "coupled": ["MMD", "FreeBits", "TotalCorrelation"],
    "data": ["Dataset", "Splits", "Schema", "load"],
    "estimators": [
        "DoublyReparameterized",
        "Enumerated",
        "GREP",
        "LeaveOneOut",
        "MovingAverage",
        "Pathwise",
        "RaoBlackwell",
        "ScoreFunction",
    ],
    "laws": ["Beta", "Delta", "Gamma", "OneHotCategorical", "UniformSphere", "VonMisesFisher"],
    "nn": ["mlp", "convolutional_encoder", "convolutional_decoder", "orthogonal", "with_dropout", "Joined", "Planes", "Guided"],
    "objectives": ["ELBO", "IWAE", "Renyi", "Reconstruction", "Contractive", "ClosedKL", "SampledKL", "Objective", "Terms"],
    "plots": ["samples", "reconstructions", "manifold", "traversal", "animation"],
    "recipes": ["Recipe", "read", "merge", "to_toml"],
    "semi": ["Classified", "ClassifiedLoss", "SemiSupervised", "SemiSupervisedLoss", "OnLabels"],
}


@pytest.mark.parametrize("name", [*OF_0_1_0, "LowerboundError", "distributions"])
def test_it_is_there(name: str) -> None:
    assert getattr(lb, name) is not None
    assert name in dir(lb)


@pytest.mark.parametrize("name", INSIDE)
def test_what_was_in_it_is(name: str) -> None:
    for inside in INSIDE[name]:
        assert hasattr(getattr(lb, name), inside), f"lb.{name}.{inside}"


@pytest.mark.parametrize("name", lb.PUBLIC)
def test_it_is_what_the_table_says(name: str) -> None:
    module, _, attribute = lb.PUBLIC[name].partition(":")
    found = importlib.import_module(module)
    assert getattr(lb, name) is (getattr(found, attribute) if attribute else found)


def test_type_checkers_see_the_same() -> None:
    tree = ast.parse(Path(lb.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            seen[alias.asname or alias.name] = f"{node.module}.{alias.name}", f"{node.module}:{alias.name}"
    assert seen.keys() == lb.PUBLIC.keys()
    for name, ways in seen.items():
        assert lb.PUBLIC[name] in ways, name


FOLDERS = ["vae.likelihoods", "vae.objectives", "vae.estimators"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_has_a_word_is_had_from_its_folder(folder: str) -> None:
    """So that who writes Python need not know the file."""
    tables = (likelihoods.LIKELIHOODS, objectives.OBJECTIVES, estimators.ESTIMATORS)
    classes = {row.find().__name__ for table in tables for row in table.values() if row.at.startswith(folder)}
    missing = classes - set(importlib.import_module(f"lowerbound.{folder}").__all__)
    assert not missing, f"{', '.join(sorted(missing))} must be in the __init__.py of {folder} too, imported and in __all__"


def test_an_unknown_name_is_no_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'vae_'"):
        _ = lb.vae_


def test_nothing_heavy_is_imported_with_the_package() -> None:
    code = "import sys, lowerbound; print(*(name for name in ('torch', 'numba', 'numpy', 'matplotlib', 'pyarrow') if name in sys.modules))"
    assert not subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


TRAINING = """
import sys, lowerbound as lb
experiment = lb.Experiment.begin(lb.Recipe(data="digits", network="mlp:8", epochs=1), sys.argv[1])
for _ in experiment.train():
    pass
experiment.save()
print(*(name for name in ("torch._dynamo", "sklearn", "matplotlib", "pyarrow") if name in sys.modules))
"""


def test_a_training_imports_nothing_heavy_that_it_does_not_use(tmp_path: Path) -> None:
    """torch's compiler, which its optimizers import when one is made, takes as long as torch itself."""
    done = subprocess.run([sys.executable, "-c", TRAINING, str(tmp_path / "run")], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
