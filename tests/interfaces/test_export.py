"""Exported encoders, decoders and bounds: beside torch, whatever the number of examples and draws, and without this package."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import config
from rows import long_if
from toys import LinearGaussian, z_score

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import OutputError, RecipeError, UsageError
from lowerbound.interfaces.cli import exchange_options, main
from lowerbound.interfaces.export import export as exporting
from lowerbound.interfaces.export.functions import Bound
from lowerbound.interfaces.export.graphs import DRAWS, EXAMPLES, Graph, graphs_of
from lowerbound.interfaces.export.special import functions
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
    return values | {name: x for name in values if name == "x"} | {name: (value > 0).float() for name, value in values.items() if name == "context"}


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
@pytest.mark.parametrize("name", long_if(lambda name: name not in ("vae", "conditional-vae", "scvi"), ZOO))
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
