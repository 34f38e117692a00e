"""Exported encoders, decoders and bounds: beside torch, whatever the number of examples and draws, and without this package."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import trained
from jaxtyping import config
from project.test_readme import blocks, commands
from rows import long_if
from toys import LinearGaussian, z_score

import lowerbound as lb
from interfaces.test_importing import written
from lowerbound.data.spec import DataSpec
from lowerbound.errors import OutputError, RecipeError, UsageError
from lowerbound.interfaces.cli import exchange_options, main
from lowerbound.interfaces.export.functions import Bound
from lowerbound.interfaces.export.graphs import DRAWS, EXAMPLES, Graph, graphs_of
from lowerbound.interfaces.export.special import functions
from lowerbound.interfaces.export.writing import FORMATS
from lowerbound.nn.graph import OPSET, Input, onnx_of, traced
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.vae.model import Model

NEEDED = ("onnx", "onnxscript", "onnxruntime")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_runtime = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
CLOSE = 1e-5
#: what no graph has, and why; all others have all
REFUSED = {
    **dict.fromkeys(["ae", "dae", "cae"], "is a point and has no density"),
    **dict.fromkeys(["gamma-vae", "g-rep-vae"], "draws of Gamma are no function of so many normal numbers"),
    "beta-latent-vae": "draws of Beta are no function of so many normal numbers",
    "svae": "draws of VonMisesFisher are no function of so many normal numbers",
}


@pytest.fixture(autouse=True)
def unchecked():
    """Without a look at types while a model is traced: the length of an axis is then no int."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)


@pytest.fixture(scope="module")
def digits() -> tuple[lb.data.Dataset, DataSpec]:
    splits = lb.data.load("digits")
    return splits.test, DataSpec.of(splits.train, splits.test)


def model(name: str, spec: DataSpec) -> Model:
    """As a recipe makes it, its weights a little apart from where they begin, since some of those are 0."""
    vae = build(Recipe(**ZOO[name].words), spec).vae.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in vae.parameters():
            weight += 0.05 * weight.std(correction=0).clamp(min=0.1) * torch.randn_like(weight)
    return vae


def given(graph: Graph, x: torch.Tensor, draws: int) -> dict[str, torch.Tensor]:
    """Inputs of a graph, of as many examples as there are x."""
    lengths = {EXAMPLES: len(x), DRAWS: draws}
    values = {one.name: torch.randn([lengths.get(axis, axis) for axis in one.shape]) for one in graph.inputs}
    return (
        values
        | {name: x for name in values if name == "x"}
        | {name: (value > 0).float() for name, value in values.items() if name == "context"}
    )


@torch.no_grad()
def must_agree(graph: Graph, content: bytes, x: torch.Tensor) -> None:
    """Each output of onnxruntime beside torch's, relative to the largest number of it; of other numbers than it was traced with."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options)
    for n, draws in ((3, 5), (1, 1)):
        inputs = given(graph, x[:n], draws)
        wanted = graph.function(*inputs.values())
        found = session.run(list(wanted), {name: value.numpy() for name, value in inputs.items()})
        for name, one in zip(wanted, found, strict=True):
            size = float(wanted[name].abs().max())
            np.testing.assert_allclose(one, wanted[name], rtol=0, atol=CLOSE * size, err_msg=f"{name} of {n}")


@needs_runtime
@pytest.mark.parametrize("name", long_if(lambda name: name not in ("vae", "scvi"), ZOO))
def test_graphs_of_every_model_agree_with_torch(name: str, digits: tuple[lb.data.Dataset, DataSpec]) -> None:
    data, spec = digits
    vae = model(name, spec)
    x = vae.likelihood.observe(data[:3])
    for what, graph in graphs_of(vae, spec.event_shape).items():
        if what == "bound" and name in REFUSED:
            with pytest.raises(RecipeError, match=REFUSED[name]) as caught:
                traced(graph.function, graph.inputs, what)
            assert "\n" not in str(caught.value)
            continue
        program = traced(graph.function, graph.inputs, what)
        must_agree(graph, onnx_of(program, graph.inputs, what, functions=functions()), x)


# --- what the functions compute ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ZOO)
@torch.no_grad()
def test_encoder_and_decoder_are_those_of_the_model(name: str, digits: tuple[lb.data.Dataset, DataSpec]) -> None:
    data, spec = digits
    vae = model(name, spec)
    graphs, x, z = graphs_of(vae, spec.event_shape), data[:3], vae.encode(data[:3]) if vae.context is None else torch.randn(3, vae.latent)
    encoder, decoder = (given(graphs[what], x, 1) | {"z": z} for what in ("encoder", "decoder"))
    bound = vae if vae.context is None else vae.given(encoder["context"])
    inputs = [encoder[one.name] for one in graphs["encoder"].inputs]
    torch.testing.assert_close(graphs["encoder"].function(*inputs)["centre"], bound.encode(x))
    bound = vae if vae.context is None else vae.given(decoder["context"])
    made = graphs["decoder"].function(*(decoder[one.name] for one in graphs["decoder"].inputs))["expected"]
    torch.testing.assert_close(made, bound.decode(z))


@torch.no_grad()
def test_the_bound_is_one_of_a_known_evidence() -> None:
    """By many draws log p(x) of the exact posterior is the evidence, whatever the draws; of another the mean weight is."""
    exact = LinearGaussian(orthogonal=True)
    x, noise = exact.evidence.sample((7,)), torch.randn(2000, 7, exact.latent)
    found = Bound(exact.vae(exact.exact_encoder()).eval())(x, noise)
    torch.testing.assert_close(found["log_weight"], exact.evidence.log_prob(x).expand(2000, 7), atol=1e-3, rtol=0)
    torch.testing.assert_close(found["outlier_score"], -exact.evidence.log_prob(x), atol=1e-3, rtol=0)
    rough = torch.nn.Linear(5, 4)
    found = Bound(exact.vae(rough).eval())(x, noise)
    ratio = (found["log_weight"] - exact.evidence.log_prob(x)).exp()
    assert z_score(ratio.clamp(max=1e6), 1.0) < 5
    torch.testing.assert_close(found["log_p"], found["log_weight"].logsumexp(0) - np.log(2000).item())
    torch.testing.assert_close(found["elbo"], found["log_weight"].mean(0), atol=1e-3, rtol=1e-5)
    assert (found["elbo"] < found["log_p"]).all()


@torch.no_grad()
def test_a_label_is_summed_over(digits: tuple[lb.data.Dataset, DataSpec]) -> None:
    data, spec = digits
    vae = model("m2", spec)
    assert isinstance(vae, lb.semi.SemiSupervised)
    x, noise = vae.likelihood.observe(data[:4]), torch.randn(6, 4, vae.latent)
    found = graphs_of(vae, spec.event_shape)["bound"].function(x, noise)
    each = torch.stack([Bound(one)(x, noise)["log_weight"] for one in vae.of_each_class()])
    torch.testing.assert_close(found["log_weight"], each.logsumexp(0) - np.log(len(each)).item())
    log_q = vae.log_classify(x)
    elbo = (log_q.exp() * (each.mean(1).T - log_q - np.log(len(each)).item())).sum(1)
    torch.testing.assert_close(found["elbo"], elbo, atol=1e-3, rtol=1e-5)


class Gammas(torch.nn.Module):
    """log Γ, in both precisions."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"single": torch.lgamma(x), "double": torch.lgamma(x.double())}


@needs_runtime
def test_log_gamma_has_all_its_digits() -> None:
    import onnxruntime

    graph = [Input("x", ("n",))]
    x = torch.cat([torch.logspace(-4, 8, 200), torch.linspace(0.5, 3, 50)])
    session = onnxruntime.InferenceSession(onnx_of(traced(Gammas(), graph, "it"), graph, "it", functions=functions()))
    single, double = session.run(None, {"x": x.numpy()})
    wanted = torch.lgamma(x.double())
    np.testing.assert_allclose(double, wanted, rtol=1e-14, atol=2e-12)
    np.testing.assert_allclose(single, wanted, rtol=2e-7, atol=1e-7)


# --- files -------------------------------------------------------------------------------------------


class Normed(torch.nn.Module):
    """A layer that has one operation from opset 17 on, and before it none that torch writes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"y": self.norm(x)}


@needs_runtime
def test_the_opset_is_the_one_that_is_asked_for() -> None:
    import onnx

    graph = [Input("x", ("n",))]
    program = traced(Gammas(), graph, "it")
    for opset in (18, OPSET):
        written = onnx.load_from_string(onnx_of(program, graph, "it", opset, functions()))
        assert {row.domain: row.version for row in written.opset_import}[""] == opset
        onnx.checker.check_model(written)
    graph = [Input("x", ("n", 3))]
    with pytest.raises(RecipeError, match=r"it was written in opset \d+ of ONNX, and 15 was asked for"):
        onnx_of(traced(Normed().eval(), graph, "it"), graph, "it", 15)


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
