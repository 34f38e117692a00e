"""Runs given a part of the values, as a user meets them: trained, resumed, evaluated, completed; and complete exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import answer, complaint
from conftest import trained
from tasks.test_complete import conditional
from toys import z_score
from vae.test_given_values import TOY, exact

from lowerbound.data import Dataset
from lowerbound.errors import UsageError
from lowerbound.interfaces.cli import main
from lowerbound.recipes import missing as masks
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment
from lowerbound.tasks.complete import complete

WORDS = {"given": "observed", "prior": "given-context", "latent": 4, "network": "mlp:64"}


@pytest.fixture(scope="session")
def part_run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """A run of digits given any part of them."""
    return trained(tmp_path_factory.mktemp("runs") / "part", **WORDS, epochs=10)


# --- completing --------------------------------------------------------------------------------------

OBSERVED = torch.tensor([[1, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]).bool()


def test_completions_are_those_of_the_exact_conditional() -> None:
    torch.manual_seed(3)
    x = TOY.evidence.sample(torch.Size([3]))
    found = complete(exact(), x.where(OBSERVED, torch.nan), OBSERVED, 5000, samples=20_000, draw=True)
    for row, observed in enumerate(OBSERVED):
        law = conditional(TOY.evidence, x[row], observed)
        draws = found.values[:, row, ~observed]
        centred = draws - law.loc
        assert z_score(draws, law.loc) < 3.9
        assert z_score(centred[:, :, None] * centred[:, None], law.covariance_matrix) < 3.9
        assert torch.equal(found.values[0, row, observed], x[row, observed])
        torch.testing.assert_close(found.mean[row, ~observed], law.loc, rtol=0, atol=0.05)
        torch.testing.assert_close(found.spread[row, ~observed], law.variance.sqrt(), rtol=0.03, atol=0)
    assert (found.ess == 20_000).all()
    assert (found.spread[OBSERVED] == 0).all()


def test_greys_are_seen_as_in_training_and_come_back_grey() -> None:
    vae = build(Recipe(**WORDS), (1, 4, 4)).vae
    x = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    observed = masks.observed("left", Dataset(x))
    found = complete(vae, x, observed, 5, samples=100)
    assert torch.equal(found.values[2][observed], x[observed])
    assert torch.equal(complete(vae, x[:1], observed[:1], 5, samples=100).values, found.values[:, :1])


def test_methods_are_of_models_that_need_one() -> None:
    vae, x = build(Recipe(**WORDS), (1, 4, 4)).vae, torch.rand(2, 1, 4, 4)
    half = masks.observed("left", Dataset(x))
    with pytest.raises(UsageError, match="leave out the method"):
        complete(vae, x, half, method="importance")
    small = build(Recipe(given="low-resolution:2"), (1, 4, 4)).vae
    with pytest.raises(UsageError, match="says something of the missing part"):
        complete(small, x, half)


@pytest.mark.long
def test_the_verb_completes_by_the_runs_own_law(part_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["complete", part_run.folder, "digits", "-n", 3, "--rows", 40, "--samples", 60]
    errors = {}
    for missing in ("left", "quadrants:1", "random:0.5"):
        found = answer(capsys, *words, "--missing", missing, "-o", tmp_path / "c.npz")
        assert (found["method"], found["n"], found["rows"], found["ess"]) == ("own", 3, 40, 60)
        errors[missing] = found["mean_squared_error"]
    assert errors["left"] < errors["quadrants:1"] < 0.12, "the more is known the better"
    assert errors["random:0.5"] < 0.1
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["values"][1][arrays["observed"]], arrays["truth"][arrays["observed"]])
    assert main([*map(str, words), "--missing", "left", "-o", str(tmp_path / "c.png")]) == 0
    assert "drawn from the model's own p(x_missing | x_observed)" in capsys.readouterr().out
    message = complaint(capsys, *words, "--missing", "left", "--method", "gibbs", "-o", tmp_path / "d.png")
    assert "leave out the method" in message
    values = part_run.read().test[:5].numpy()
    values[np.random.default_rng(0).random(values.shape) < 0.3] = np.nan
    np.save(tmp_path / "holes.npy", values)
    answer(capsys, "complete", part_run.folder, tmp_path / "holes.npy", "--missing", "nan", "-o", tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["values"][0][arrays["observed"]], values[~np.isnan(values)])
        assert np.isfinite(arrays["values"]).all()


def test_a_part_that_a_run_never_saw_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path / "r", **{**WORDS, "given": "observed:quadrants:1"}, epochs=1)
    capsys.readouterr()
    words = ["complete", str(run.folder), "--rows", "2", "--samples", "20", "-o", str(tmp_path / "c.npz"), "--missing"]
    assert main([*words, "quadrants:1"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*words, "left"]) == 0
    assert "never learned" in capsys.readouterr().err


# --- everything else ---------------------------------------------------------------------------------


def test_a_training_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """Masks are drawn anew at each step, and by each step's own seed."""
    recipe = Recipe(**WORDS, epochs=2)
    whole = Experiment.begin(recipe, tmp_path / "whole", device="cpu")
    list(whole.train())
    part = Experiment.begin(recipe, tmp_path / "part", device="cpu")
    for record in part.train():
        if record.step == 7:
            break
    part.save()
    part.close()
    resumed = Experiment.resume(tmp_path / "part", device="cpu")
    list(resumed.train())
    for experiment in (whole, resumed):
        experiment.finish()
    weights = [(tmp_path / name / layout.WEIGHTS).read_bytes() for name in ("whole", "part")]
    assert weights[0] == weights[1]


@pytest.mark.long
def test_it_is_evaluated_for_what_is_missing(part_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(part_run.folder, tmp_path / "r")
    found = answer(capsys, "evaluate", folder, "--samples", 50)
    assert found["density"] == "log p(x_missing | x_observed)"
    assert 20 < found["scored"] < 44, "half of 64, about"
    assert found["bits_per_dim"] == pytest.approx(-found["log_likelihood"]["mean"] / found["scored"] / np.log(2))
    assert "log p(x_missing | x_observed) by 50 draws" in (folder / layout.REPORT).read_text(encoding="utf-8")
    assert main(["evaluate", str(folder), "--samples", "20"]) == 0
    assert "log p(x_missing | x_observed)" in capsys.readouterr().out
    found = answer(capsys, "score", folder, "--samples", 20, "-o", tmp_path / "s.csv")
    assert found["density"] == "log p(x_missing | x_observed)"
    result = json.loads((folder / layout.RESULT).read_text())["test"]
    assert result["bits_per_dim"] > 0.3, "a value that is scored, of 64 that there are"


def test_what_a_run_makes_has_what_it_was_given(part_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, test = part_run.folder, part_run.read().test[:].mul(255).byte()
    answer(capsys, "sample", folder, "--n", 9, "-o", tmp_path / "s.npy")
    answer(capsys, "sample", folder, "--n", 9, "--seed", 1, "-o", tmp_path / "t.npy")
    samples, others = np.load(tmp_path / "s.npy"), np.load(tmp_path / "t.npy")
    assert samples.shape == (9, 1, 8, 8)
    assert not np.array_equal(samples, others)
    rows = np.arange(9) * len(test) // 9
    assert 0.1 < (samples == test[rows].numpy()).mean() < 0.9, "the observed part of held-out data, and no more"
    answer(capsys, "encode", folder, "--split", "test", "-o", tmp_path / "z.npz")
    answer(capsys, "decode", folder, tmp_path / "z.npz", "-o", tmp_path / "x.npy")
    answer(capsys, "reconstruct", folder, "--n", len(test), "-o", tmp_path / "r.npy")
    back = np.load(tmp_path / "x.npy")
    assert np.allclose(back, np.load(tmp_path / "r.npy"), atol=1e-6)
    with np.load(tmp_path / "z.npz", allow_pickle=False) as arrays:
        observed = arrays["contexts"][:, 1:] > 0
        np.save(tmp_path / "bare.npy", arrays["latents"])
    assert np.array_equal(back[observed], test.numpy()[observed])
    assert "decode the .npz that encode made" in complaint(capsys, "decode", folder, tmp_path / "bare.npy", "-o", tmp_path / "y.npy")
    answer(capsys, "interpolate", folder, "-o", tmp_path / "i.png")


def test_figures_that_do_not_suit_are_refused(part_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = {path.stem for path in (part_run.folder / layout.FIGURES).iterdir()}
    assert drawn == {"curves", "scatter", "reconstructions", "samples"}
    output = ["-o", tmp_path / "f.png"]
    for figure in ("manifold", "traversal"):
        assert "given observed decodes each z in another way" in complaint(capsys, "plot", part_run.folder, figure, *output)
    assert "not given labels" in complaint(capsys, "plot", part_run.folder, "styles", *output)
    assert "not given labels" in complaint(capsys, "sample", part_run.folder, "--label", 7, *output)
    copy = shutil.copytree(part_run.folder, tmp_path / "copy")
    assert "is given observed" in complaint(capsys, "compare", part_run.folder, copy, "-o", tmp_path / "c.html")
    assert "without a context" in complaint(capsys, "lab", "evidence", part_run.folder, *output)
    answer(capsys, "plot", part_run.folder, "bubbles", *output)
    answer(capsys, "plot", part_run.folder, "scores", *output)


def test_labels_are_no_part_of_what_it_learns_from(part_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not part_run.recipe.takes_labels
    assert Recipe(given="label").takes_labels
    x = np.random.default_rng(0).random((30, 8, 8))
    np.savez(tmp_path / "strange.npz", x=x, labels=np.arange(30))
    answer(capsys, "encode", part_run.folder, tmp_path / "strange.npz", "-o", tmp_path / "z.npz")
    np.save(tmp_path / "odd.npy", np.zeros((40, 7, 7), np.uint8))
    words = ["train", tmp_path / "odd.npy", "--batch", 8, "--out", tmp_path / "r", "--given"]
    assert "cannot be made 4 times smaller" in complaint(capsys, *words, "low-resolution:4")
    assert "did you mean 'left'" in complaint(capsys, *words, "observed:lft")
    assert not (tmp_path / "r").exists()
