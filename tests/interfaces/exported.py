"""What tests of exported models share."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from jaxtyping import config

from lowerbound.data.spec import DataSpec
from lowerbound.interfaces.export.graphs import DRAWS, EXAMPLES, Graph
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.vae.model import Model

NEEDED = ("onnx", "onnxscript", "onnxruntime")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_runtime = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture(autouse=True)
def unchecked():
    """Without a look at types while a model is traced: the length of an axis is then no int."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)


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
