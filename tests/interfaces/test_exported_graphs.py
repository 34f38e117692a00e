"""Encoders, decoders and bounds as graphs: beside torch, whatever the number of examples and draws, and beside the model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rows import long_if
from toys import LinearGaussian, z_score

import lowerbound as lb
from interfaces.exported import given, model, needs_runtime, unchecked  # noqa: F401
from lowerbound.data.spec import DataSpec
from lowerbound.errors import RecipeError
from lowerbound.interfaces.export.functions import Bound
from lowerbound.interfaces.export.graphs import Graph, graphs_of
from lowerbound.interfaces.export.noise import sampler_of
from lowerbound.interfaces.export.special import functions
from lowerbound.nn.graph import OPSET, Input, onnx_of, traced
from lowerbound.recipes.zoo import ZOO

CLOSE = 1e-5
#: what no graph has, and why; all others have all
REFUSED = {
    **dict.fromkeys(["ae", "dae", "cae"], "is a point and has no density"),
    **dict.fromkeys(["gamma-vae", "g-rep-vae"], "draws of Gamma are no function of so many normal numbers"),
    "beta-latent-vae": "draws of Beta are no function of so many normal numbers",
    "svae": "draws of VonMisesFisher are no function of so many normal numbers",
}


@pytest.fixture(scope="module")
def digits() -> tuple[lb.data.Dataset, DataSpec]:
    splits = lb.data.load("digits")
    return splits.test, DataSpec.of(splits.train, splits.test)


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
            size = float(max(each.abs().max() for each in (wanted[name], *parts(graph, inputs, name))))
            np.testing.assert_allclose(one, wanted[name], rtol=0, atol=CLOSE * size, err_msg=f"{name} of {n}")


def parts(graph: Graph, inputs: dict[str, torch.Tensor], name: str) -> list[torch.Tensor]:
    """What an output is the difference of: a rate of ten nats may be that of two sums of thousands, each with seven digits."""
    if name != "rate" or not isinstance(graph.function, Bound) or "context" in inputs:
        return []
    return [graph.function.vae.terms(inputs["x"], sampler_of(inputs["noise"])).log_posterior]


@needs_runtime
@pytest.mark.parametrize("name", long_if(lambda name: name != "vae", ZOO))
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


def test_the_guide_says_what_is_refused() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guide" / "exporting.md").read_text(encoding="utf-8")
    section = page.partition("## What is refused")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z0-9-]+)`", section)) & set(ZOO) == set(REFUSED)


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
