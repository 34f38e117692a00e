"""Images of any number of channels, series and volumes: trained, drawn, scored, completed, written and read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rows import long_if

import lowerbound as lb
from lowerbound.interfaces.cli import main
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import Run

ROWS = 40
#: shape of an example → sides in the file, what is said of it, and whether there is a top, and a lower resolution
CASES = {
    (2, 16, 16): ((2, 16, 16), None, True, True),
    (5, 16, 16): ((16, 16, 5), None, True, True),
    (1, 32): ((32,), "1x32", False, False),
    (4, 20): ((20, 4), "4x20", False, False),
    (1, 8, 8, 8): ((1, 8, 8, 8), None, True, False),
}
QUICK = {(5, 16, 16), (1, 32)}


@pytest.mark.parametrize("event", CASES, ids=str)
def test_an_epoch_is_learned_from_and_scored(event: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).random((32, *event)) > 0.9  # mostly black, which is soon learned
    data = torch.from_numpy(x).float()
    parts = lb.build(lb.Recipe(network="conv:4-6", latent=2, pixels="grey"), event)
    before = lb.mean_bound(parts.vae, data).bound
    list(lb.fit(parts.vae, data, epochs=1, batch=1))
    after = lb.mean_bound(parts.vae, data).bound
    assert after > before + 1
    assert parts.vae.sample(3).shape == (3, *event)
    found = lb.log_likelihood(parts.vae, data[:4], samples=50).log_p
    assert found.shape == (4,)
    assert found.mean() > lb.mean_bound(parts.vae, data[:4]).bound - 1


@dataclass(frozen=True)
class Trained:
    """The file of a case, and the run of it."""

    event: tuple[int, ...]
    file: Path
    run: Run


def learned(file: Path, folder: Path, shape: str | None, network: str) -> Run:
    """A run of one epoch."""
    recipe = lb.Recipe(data=str(file), shape=shape, network=network, epochs=1, latent=3, batch=4, learning_rate=0.01)
    experiment = Experiment.begin(recipe, folder, device="cpu")
    for _ in experiment.train():
        pass
    experiment.finish()
    return runs.load(folder, device="cpu")


@pytest.fixture(scope="module", params=long_if(lambda event: event not in QUICK, CASES), ids=str)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    sides, said, _, _ = CASES[request.param]
    folder = tmp_path_factory.mktemp("shapes")
    np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 256, (ROWS, *sides)).astype(np.uint8))
    return Trained(request.param, folder / "x.npy", learned(folder / "x.npy", folder / "r", said, "conv:4-6"))


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_a_run_knows_the_shape_and_reads_its_data_by_it(trained: Trained) -> None:
    assert trained.run.spec.event_shape == trained.event
    whole = trained.run.read().whole
    assert whole is not None
    stored = np.load(trained.file)
    moved = stored if stored.shape[1:] in (trained.event, trained.event[1:]) else np.moveaxis(stored, -1, 1)
    assert np.array_equal(whole.array.numpy(), moved.reshape(ROWS, *trained.event))
    assert trained.run.read().notes == (), "what was a guess is known now"


def test_weights_were_moved(trained: Trained) -> None:
    begun = lb.build(trained.run.recipe, trained.run.spec).vae.state_dict()
    for name, weight in trained.run.vae.state_dict().items():
        assert weight.isfinite().all(), name
        assert not torch.equal(weight, begun[name]), name


def test_samples_are_written_and_read_back(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "sample", trained.run.folder, "-n", 3, "-o", tmp_path / "s.npy")["n"] == 3
    drawn = np.load(tmp_path / "s.npy")
    assert (drawn.shape, drawn.dtype) == ((3, *trained.event), np.uint8)
    assert drawn.max() > 100
    assert np.array_equal(trained.run.read(tmp_path / "s.npy").usual[:].numpy(), drawn / np.float32(255))


def test_figures_open(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained.run.folder
    made = [
        ("sample", run, "-n", 5),
        ("reconstruct", run, "-n", 3),
        ("plot", run, "samples"),
        ("plot", run, "traversal"),
        ("complete", run, "--missing", "random:0.5", "-n", 2, "--samples", 20, "--rows", 2),
        ("data", trained.file),
    ]
    for number, words in enumerate(made):
        if words[0] == "data" and CASES[trained.event][1] == "1x32":
            continue  # without its shape these are vectors
        answer(capsys, *words, "-o", tmp_path / f"{number}.png")
        with Image.open(tmp_path / f"{number}.png") as picture:
            assert min(picture.size) > 20
            assert np.asarray(picture).std() > 0


@pytest.mark.long
def test_a_report_has_them(trained: Trained) -> None:
    page = lb.report(trained.run).read_text(encoding="utf-8")
    assert all(heading in page for heading in ("Samples", "Reconstructions", "Latent traversal"))


@pytest.mark.long
def test_a_shape_is_an_option_of_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 12, 30)))
    words = ("--network", "conv:4", "--epochs", "1", "--batch", "8", "--out", tmp_path / "r")
    answer(capsys, "train", tmp_path / "x.npy", "--shape", "12x30", *words)
    assert runs.load(tmp_path / "r", device="cpu").spec.event_shape == (12, 30)
    assert "'12 by 30'" in refusal(capsys, "train", tmp_path / "x.npy", "--shape", "12 by 30", *words, "--overwrite")


@pytest.mark.long
def test_scores_are_of_every_value(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "evaluate", trained.run.folder, "--samples", 10)
    values = trained.run.spec.dimensions
    assert found["bits_per_dim"] == pytest.approx(-found["log_likelihood"]["mean"] / values / np.log(2), rel=1e-6)


def test_parts_that_there_are_can_be_missing(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("complete", trained.run.folder, "-n", 2, "--samples", 20, "--rows", 2, "-o", tmp_path / "c.npz", "--missing")
    _, _, has_top, _ = CASES[trained.event]
    assert answer(capsys, *words, "right")["missing"] == pytest.approx(0.5)
    with np.load(tmp_path / "c.npz") as held:
        assert held["values"].shape == (2, 2, *trained.event)
        assert held["observed"][..., : trained.event[-1] // 2].all()
        assert not held["observed"][..., trained.event[-1] // 2 :].any()
    if has_top:
        assert answer(capsys, *words, "top")["missing"] == pytest.approx(0.5)
    else:
        assert "have no top or bottom; write left, right or random:0.5" in refusal(capsys, *words, "top")
    np.save(tmp_path / "m.npy", np.arange(np.prod(trained.event[1:])).reshape(trained.event[1:]) % 2)
    assert answer(capsys, *words, tmp_path / "m.npy")["missing"] == pytest.approx(0.5)


def test_only_images_have_a_lower_resolution(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("upscale", trained.run.folder, "--factor", 2, "-n", 2, "--samples", 20, "--rows", 2, "-o", tmp_path / "u.png")
    if CASES[trained.event][3]:
        assert answer(capsys, *words)["n"] == 2
    else:
        assert "are no images, and have no lower resolution" in refusal(capsys, *words)


def test_other_shapes_are_refused_in_a_line(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "other.npy", np.zeros((4, 3, 5, 5), np.float32))
    line = refusal(capsys, "reconstruct", trained.run.folder, tmp_path / "other.npy", "-o", tmp_path / "r.png")
    assert "(3, 5, 5)" in line or "(4, 3, 5, 5)" in line


def test_small_images_are_enlarged_where_a_shape_was_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat, small = (np.random.default_rng(0).random((20, *sides)).astype(np.float32) for sides in ((64,), (4, 4)))
    np.save(tmp_path / "x.npy", flat)
    np.save(tmp_path / "small.npy", small)
    learned(tmp_path / "x.npy", tmp_path / "r", "8x8", "mlp:8")
    found = answer(
        capsys,
        "upscale",
        tmp_path / "r",
        tmp_path / "small.npy",
        "--factor",
        2,
        "-n",
        1,
        "--rows",
        1,
        "--samples",
        20,
        "-o",
        tmp_path / "u.npz",
    )
    assert found["rows"] == 1
    with np.load(tmp_path / "u.npz") as held:
        assert np.array_equal(held["given"], small[:1, None])
        assert held["values"].shape == (1, 1, 1, 8, 8)
