"""Weights of Keras and Pyro, in files as those write them, by a map: the run computes what they do, and what does not fit is named."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import answer, complaint
from safetensors.torch import save_file

import lowerbound as lb
from interfaces.foreign import DENSE, MODELS, OF_DENSE, Arrays, of_keras

# --- files -----------------------------------------------------------------------------------------------


def as_hdf5(arrays: Arrays, folder: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "model.weights.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return folder / "model.weights.h5"


def as_keras(arrays: Arrays, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "model.keras", "w") as file:
        file.writestr("config.json", "{}")
        file.write(as_hdf5(arrays, folder), "model.weights.h5")
    return folder / "model.keras"


def as_npz(arrays: Arrays, folder: Path) -> Path:
    np.savez(folder / "weights.npz", **arrays)
    return folder / "weights.npz"


def as_safetensors(arrays: Arrays, folder: Path) -> Path:
    save_file({name: torch.from_numpy(array) for name, array in arrays.items()}, folder / "weights.safetensors")
    return folder / "weights.safetensors"


FILES = {"hdf5": as_hdf5, "keras": as_keras, "npz": as_npz, "safetensors": as_safetensors}


def mapped(folder: Path, text: str) -> Path:
    (folder / "map.toml").write_text(text, encoding="utf-8")
    return folder / "map.toml"


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_it_computes_what_the_other_does(name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays, text, event, computed = MODELS[name]
    weights, run = FILES[kind](arrays, tmp_path), tmp_path / "run"
    said = answer(capsys, "import", "state", weights, "--map", mapped(tmp_path, text), "-o", run)
    assert said["run"] == str(run)
    vae = lb.load(run, device="cpu").vae
    random = np.random.default_rng(1)
    x, z = random.random((5, *event), np.float32), random.normal(size=(5, 2)).astype(np.float32)
    q = vae.posterior(torch.from_numpy(x))
    found = [q.mean, q.variance.log(), vae.decode(torch.from_numpy(z))]
    for ours, theirs in zip(found, computed(arrays, x, z), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-5)


def test_verbs_work_with_it_and_with_the_data_that_its_recipe_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = as_npz(MODELS["keras, dense"][0], tmp_path)
    for run, text in (("a", OF_DENSE), ("b", OF_DENSE.replace("[recipe]", "[recipe]\ndata = 'digits'"))):
        answer(capsys, "import", "state", weights, "--map", mapped(tmp_path, text), "-o", tmp_path / run)
    assert Path(answer(capsys, "plot", tmp_path / "a", "samples")["output"]).is_file()
    assert [len(lb.load(tmp_path / run, device="cpu").record.notes) for run in "ab"] == [1, 0]
    answer(capsys, "encode", tmp_path / "b", "-o", tmp_path / "z.npz")
    assert "no data set, file or folder is called 'imported'" in complaint(capsys, "evaluate", tmp_path / "a")


FIRST = '"posterior.network.1.weight" = "encoder/layers/dense/vars/0"'
#: what is changed in the map of the dense model, and what is said of it
WRONG = {
    "unknown here": (FIRST, FIRST.replace("1.weight", "2.weight"), "'posterior.network.2.weight' in the map is no tensor of the model"),
    "unknown there": (FIRST, FIRST.replace("dense/", "dens/"), "'encoder/layers/dens/vars/0' in the map is no tensor of the file"),
    "nothing given": (
        FIRST,
        "",
        "the map gives nothing to posterior.network.1.weight (12, 64); of the file are left encoder/layers/dense/",
    ),
    "not used": ('"optimizer/*", ', "", "the map does not use optimizer/vars/0 (); give it a place, or say ignore = ['optimizer/vars/0']"),
    "not transposed": ('layout = "keras"', "", "'posterior.network.1.weight' is of shape (12, 64), and the map makes (64, 12) of it"),
    "of another width": ("mlp:12", "mlp:13", "is of shape (13, 64), and the map makes (12, 64) of it"),
    "half of it": (', "encoder/layers/dense_2/vars/0"]', "]", "the map does not use encoder/layers/dense_2/vars/0 (12, 2)"),
    "a part twice": (
        '["encoder/layers/dense_1/vars/0",',
        "[" + 2 * '"encoder/layers/dense_1/vars/0",',
        "the map makes (2, 12) and (2, 12) and (2, 12) of it",
    ),
    "no such shape": (
        FIRST,
        '"posterior.network.1.weight" = { of = "encoder/layers/dense/vars/0", shape = [5, 5] }',
        "of shape (64, 12), which the map's shape (5, 5) cannot",
    ),
    "no such axes": (
        FIRST,
        '"posterior.network.1.weight" = { of = "encoder/layers/dense/vars/0", axes = [0, 2] }',
        "which the map's axes (0, 2) cannot",
    ),
    "no axes": (
        FIRST,
        '"posterior.network.1.weight" = { of = "encoder/layers/dense/vars/0", axes = 1 }',
        "must be a list of whole numbers",
    ),
    "no number": (FIRST, '"posterior.network.1.weight" = { of = "encoder/layers/dense/vars/0", times = "2" }', "times of"),
    "no name": (FIRST, '"posterior.network.1.weight" = 3', "'posterior.network.1.weight' must be a name, a table with one"),
    "a key": (FIRST, '"posterior.network.1.weight" = { of = "encoder/layers/dense/vars/0", time = 2 }', "did you mean 'times'"),
    "a table": ("[data]", "[dato]", "unknown word 'dato'; did you mean 'data'"),
    "a recipe's word": ("network =", "netwerk =", "unknown word 'netwerk'; did you mean 'network'"),
    "a layout": ('"keras"', '"ceras"', "unknown word 'ceras'; did you mean 'keras'"),
    "a list for a layout": ('"keras"', '["keras"]', "unknown word ['keras']"),
    "a pattern alone": ('["optimizer/*", "*/seed_generator/*"]', "'*'", "ignore must be a list of names or patterns"),
    "a shape": ("[1, 8, 8]", "8", "shape must be a list of whole numbers"),
    "a range": ("shape = ", "high = 'a'\nshape = ", "low and high, the range of the data, must be numbers"),
    "no data": ("[data]\nshape = [1, 8, 8]", "", "has no [data]"),
    "no TOML": ("[data]", "[data", "is no map of tensors (TOML)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named_in_a_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after, message = WRONG[name]
    assert before in OF_DENSE
    weights, run = as_npz(MODELS["keras, dense"][0], tmp_path), tmp_path / "run"
    path = mapped(tmp_path, OF_DENSE.replace(before, after, 1))
    assert message in complaint(capsys, "import", "state", weights, "--map", path, "-o", run)
    assert not run.exists()


def test_files_that_are_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, run = mapped(tmp_path, OF_DENSE), tmp_path / "run"

    def said(name: str, content: bytes, *words: object) -> str:
        (tmp_path / name).write_bytes(content)
        return complaint(capsys, "import", "state", tmp_path / name, *(words or ("--map", path)), "-o", run)

    assert "is a pickle, which is never read here" in said("model.pt", b"anything")
    assert "is no file of weights that is read" in said("model.txt", b"anything")
    assert "is no .keras file, a zip with model.weights.h5 in it" in said("model.keras", b"anything")
    assert "is not a safetensors file or is damaged" in said("weights.safetensors", b"anything")
    broken = MODELS["keras, dense"][0] | {"encoder/layers/dense/vars/0": np.full((64, 12), np.nan, np.float32)}
    assert "'posterior.network.1.weight' would not be finite" in said("w.npz", as_npz(broken, tmp_path).read_bytes())
    assert "is no map of tensors" in said("w.npz", b"", "--map", tmp_path / "nowhere.toml")
    assert "import state needs --map FILE" in said("w.npz", b"", "--json")
    assert "leave out --map" in complaint(capsys, "import", "pythae", tmp_path, "--map", path, "-o", run)


PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "coming-from.md").read_text(encoding="utf-8")


def test_the_map_and_the_commands_of_the_page_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = re.findall("```toml\n(.*?)```", PAGE, re.DOTALL)
    shapes = {layer: tuple(32 if side == 12 else side for side in shape) for layer, shape in DENSE.items()}
    as_hdf5(of_keras(shapes), tmp_path)
    mapped(tmp_path, text)
    commands = re.findall(r"^\$ lowerbound (.*)", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for words in commands:
        answer(capsys, *words.split())
    assert (tmp_path / "latents.npz").is_file()
    assert (tmp_path / "samples.png").is_file()
