"""Runs of several levels, as a user has them: each verb takes each kind of hierarchy, or says in one line why not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import answer, complaint
from rows import long_if
from trainings import whole

from lowerbound.interfaces.cli import main
from lowerbound.recipes.zoo import ZOO

#: the recipe by name, made small
MODELS: dict[str, dict[str, Any]] = {
    "hvae-vampprior": {"latent": "4-6", "network": "gated:16", "prior": "vamp:5"},
    "ladder-vae": {"latent": "2-3-4", "network": "mlp:16-12-8"},
    "vdvae": {"latent": 1, "levels": "1-1", "network": "conv:2-2"},
}
LEVELS = {"hvae-vampprior": 2, "ladder-vae": 3, "vdvae": 2}
#: a verb and its words, after the run
VERBS = {
    "sample": ["sample", "--freeze", "1", "-n", "8", "-o", "s.png"],
    "draw": ["sample", "--draw", "-n", "4", "-o", "s.npy"],
    "reconstruct": ["reconstruct", "--levels", "1", "-o", "t.png"],
    "interpolate": ["interpolate", "-o", "i.png"],
    "complete": ["complete", "--missing", "left", "--samples", "10", "-o", "c.png"],
    "score": ["score", "--samples", "10", "--rows", "20", "-o", "scores.csv"],
    "compress": ["compress", "--rows", "6", "-o", "d.lbz"],
    "explore": ["explore", "-o", "page.html"],
    "export": ["export", "--to", "onnx", "-o", "graphs"],
}
NEEDED = {"compress": ("constriction",), "export": ("onnx", "onnxscript", "onnxruntime")}
REFUSED = {("vdvae", "explore"): "a page that is served can show it", ("vdvae", "classify"): "this model tells no classes"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, words = tmp_path_factory.mktemp("runs"), {"epochs": 1, "average": None, "objective": "elbo"}
    for name, own in MODELS.items():
        whole(folder / name, **{**ZOO[name].words, **words, **own})
    return {name: folder / name for name in MODELS}


TRIED = [(name, verb) for name in MODELS for verb in VERBS if (name, verb) not in REFUSED]


@pytest.mark.parametrize("row", long_if(lambda row: row[1] == "export" or row[0] != "ladder-vae", TRIED), ids=" ".join)
def test_every_verb_takes_a_run_of_levels(row: tuple[str, str], runs: dict[str, Path], tmp_path: Path) -> None:
    name, verb = row
    if lacking := [package for package in NEEDED.get(verb, ()) if importlib.util.find_spec(package) is None]:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    command, *words, output = VERBS[verb]
    assert main([command, str(runs[name]), *words, str(tmp_path / output)]) == 0
    assert (tmp_path / output).exists()


@pytest.mark.parametrize(("name", "verb"), REFUSED, ids=" ".join)
def test_what_cannot_be_says_so(name: str, verb: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = VERBS.get(verb, [verb, "-o", "classes.csv"])
    capsys.readouterr()
    assert main([words[0], str(runs[name]), *words[1:-1], str(tmp_path / words[-1])]) == 2
    assert REFUSED[name, verb] in capsys.readouterr().err


@pytest.mark.parametrize("name", long_if(lambda name: name != "ladder-vae", MODELS))
def test_an_evaluation_is_of_each_level(name: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "evaluate", runs[name], "--samples", "5")
    levels = found["levels"]
    assert len(levels) == LEVELS[name]
    assert sum(level["latent"] for level in levels) == found["latent"]
    assert sum(level["active_units"] for level in levels) == found["active_units"]
    assert sum(level["kl"] for level in levels) == pytest.approx(found["rate"], abs=0.2)


@pytest.mark.skipif(importlib.util.find_spec("constriction") is None, reason="pip install 'lowerbound[compression]'")
@pytest.mark.parametrize("name", ["hvae-vampprior", "vdvae"])
def test_what_a_hierarchy_compressed_comes_back(
    name: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "compress", runs[name], "--rows", "300", "-o", tmp_path / "d.lbz")
    assert found["n"] == 300
    sizes = found["bits_per_dim"]
    assert 0.95 < sizes["lowerbound"] / sizes["bound"] < 1.15  # with a block's first bits
    answer(capsys, "decompress", tmp_path / "d.lbz", "-o", tmp_path / "back.npy")
    assert np.load(tmp_path / "back.npy").shape == (300, 1, 8, 8)


def test_of_labels_a_hierarchy_of_images_has_a_classifier_of_its_latents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = {"data": "digits", "epochs": 1, "labels": "100", **MODELS["vdvae"]}
    whole(tmp_path / "m1", **few, semi_supervised="m1")
    found = answer(capsys, "classify", tmp_path / "m1", "-o", tmp_path / "classes.csv")
    assert found["n"] == 1797
    words = [text for name, value in few.items() if name != "data" for text in (f"--{name}", str(value))]
    line = complaint(capsys, "train", "digits", *words, "--semi-supervised", "m2", "--out", tmp_path / "m2")
    assert "choose --semi-supervised m1 or m1m2" in line


@pytest.mark.parametrize("posterior", ["gaussian", "ladder"])
def test_m2_has_its_z_in_levels(posterior: str, tmp_path: Path) -> None:
    whole(tmp_path / "m2", latent="2-3", posterior=posterior, semi_supervised="m2", labels="100", epochs=1)
    assert main(["sample", str(tmp_path / "m2"), "--freeze", "1", "-n", "8", "-o", str(tmp_path / "s.png")]) == 0
