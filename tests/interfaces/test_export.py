"""Runs as files: what their card says, what they compute, without this package, and what is refused."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import trained
from project.test_readme import blocks, commands

import lowerbound as lb
from interfaces.exported import given, needs_runtime, unchecked  # noqa: F401
from interfaces.test_importing import written
from lowerbound.errors import OutputError, UsageError
from lowerbound.interfaces.cli import exchange_options, main
from lowerbound.interfaces.export.graphs import graphs_of
from lowerbound.interfaces.export.writing import FORMATS
from lowerbound.nn.graph import OPSET


@needs_runtime
def test_a_run_as_onnx(digits_run: lb.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The card says what the files are, and they do what the run does."""
    import onnxruntime

    folder = tmp_path / "model"
    assert main(["export", str(digits_run.folder), "--to", "onnx", "-o", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert said["graphs"] == card["graphs"]
    assert (card["units"], card["recipe"]["likelihood"], card["opset"]) == ("nats", "bernoulli", OPSET)
    page = (folder / "README.md").read_text(encoding="utf-8")
    sessions = {name: onnxruntime.InferenceSession(folder / graph["file"]) for name, graph in card["graphs"].items()}
    for name, session in sessions.items():
        for side, values in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            assert {value.name: value.shape for value in values} == card["graphs"][name][side]
            assert all(f"`{value.name}`" in page for value in values)
        content = (folder / card["graphs"][name]["file"]).read_bytes()
        assert b"site-packages" not in content
        assert str(Path(lb.__file__).parent).encode() not in content
    x = lb.data.load("digits").test[:5]
    (z,) = sessions["encoder"].run(["centre"], {"x": x.numpy()})
    np.testing.assert_allclose(z, digits_run.vae.encode(x), rtol=1e-4, atol=1e-5)
    (made,) = sessions["decoder"].run(["expected"], {"z": z})
    np.testing.assert_allclose(made, digits_run.vae.decode(z), rtol=1e-4, atol=1e-5)


#: a process that has no lowerbound
ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "lowerbound":
            raise ImportError("blocked")

sys.meta_path.insert(0, Blocked())
import torch
folder = sys.argv[1]
given = torch.load(folder + "/given.pt", weights_only=True)
found = {name: torch.export.load(f"{folder}/{name}.pt2").module()(*inputs) for name, inputs in given.items()}
torch.save(found, folder + "/found.pt")
assert not [name for name in sys.modules if name.startswith("lowerbound")]
"""


@pytest.mark.long
def test_a_run_as_torch_runs_without_this_package(digits_run: lb.Run, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    lb.export(digits_run, folder, to="torch")
    graphs = graphs_of(digits_run.vae, digits_run.spec.event_shape)
    x = digits_run.vae.likelihood.observe(lb.data.load("digits").test[:3])
    inputs = {name: tuple(given(graph, x, 4).values()) for name, graph in graphs.items()}
    torch.save(inputs, folder / "given.pt")
    subprocess.run([sys.executable, "-c", ALONE, str(folder)], check=True, cwd=tmp_path, env={"PATH": "", "OMP_NUM_THREADS": "1"})
    found = torch.load(folder / "found.pt", weights_only=True)
    with torch.no_grad():
        for name, graph in graphs.items():
            torch.testing.assert_close(found[name], graph.function(*inputs[name]), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_run_as_words_and_weights(digits_run: lb.Run, tmp_path: Path) -> None:
    """Read by nothing but Python and NumPy: the encoder's layers, one after the other."""
    lb.export(digits_run, tmp_path / "model", to="json")
    content = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))
    packed = zlib.decompress(base64.b64decode(content["numbers"]), wbits=-15)

    def array(number: int) -> np.ndarray:
        row = content["arrays"][number]
        return np.frombuffer(packed, row["type"], int(np.prod(row["shape"])), row["offset"]).reshape(row["shape"])

    x = lb.data.load("digits").test[:5]
    h = x.flatten(1).numpy()
    for layer in content["model"]["encoder"]["parts"]:
        if layer["kind"] == "linear":
            h = h @ array(layer["weight"]).T + array(layer["bias"])
        elif layer["kind"] == "each":
            assert layer["function"] == "ReLU"
            h = np.maximum(h, 0)
    mean, log_variance = np.split(h, 2, 1)
    law = digits_run.vae.posterior(x)
    np.testing.assert_allclose(mean, law.mean, atol=1e-5)
    np.testing.assert_allclose(np.exp(log_variance), law.variance, rtol=1e-4)


@needs_runtime
@pytest.mark.long
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "final_model", "vae")
    page = (Path(__file__).parents[2] / "docs" / "guide" / "exporting.md").read_text(encoding="utf-8")
    for words in commands(page):
        assert main(words) == 0, words
    (block,) = blocks("py", page)
    exec(compile(block, "exporting.md", "exec"), {})


def test_what_cannot_be_exported_is_said_in_a_line(
    digits_run: lb.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OutputError, match="is there already; name a new folder"):
        lb.export(digits_run, tmp_path / "full")
    with pytest.raises(UsageError, match="unknown format 'onx'; did you mean 'onnx'"):
        lb.export(digits_run, tmp_path / "new", to="onx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["export", str(digits_run.folder), "--to", "onnx", "-o", str(tmp_path / "new")]) == 2
    printed = capsys.readouterr().err
    assert "ONNX needs onnx and onnxscript, not installed here: pip install 'lowerbound[onnx]'" in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_bound_that_no_graph_has_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path / "run", posterior="dirac", objective="reconstruction", epochs=1)
    assert main(["export", str(run.folder), "--to", "torch", "-o", str(tmp_path / "model")]) == 0
    printed = capsys.readouterr()
    assert "note: no bound: the bound cannot be written as a graph: q(z|x) is a point" in printed.err
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["README.md", "card.json", "decoder.pt2", "encoder.pt2"]
    assert "q(z|x) is a point" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_the_command_line_knows_the_formats() -> None:
    assert tuple(FORMATS) == exchange_options.FORMATS
    assert exchange_options.OPSET == OPSET
