"""Networks of one's own as ONNX, which a page computes by onnxruntime-web. The other half of ``page/onnx.js``."""

from __future__ import annotations

import copy
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lowerbound.errors import RecipeError, UsageError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.networks import NotComputed, Words, words_of

OPSET = 20  # of ONNX: what onnxruntime-web has known since 1.17, and torch writes as it is asked
NEEDED = ("onnx", "onnxscript")
EXAMPLES = 2  # in a batch that is traced: one alone would be taken for the size of every batch


def network_words(module: nn.Module, arrays: Arrays, inputs: Sequence[Sequence[int]] | None = None) -> Words:
    """A network as ``words_of`` has it, or if a page does not know one of its layers, all of it as ONNX.

    ``inputs`` are the shapes of one example of what it is given, the context last; None where ONNX is not wanted.
    Errors: RecipeError for a network that cannot be written; UsageError where the packages that ONNX needs are not installed.
    """
    if inputs is None:
        return words_of(module, arrays)
    try:
        words_of(module, Arrays())
    except NotComputed:
        graph = np.frombuffer(exported(module, inputs), np.uint8)
        return {"kind": "onnx", "graph": arrays.numbers(graph, np.uint8)}
    return words_of(module, arrays)


def has_graph(words: Any) -> bool:
    """Whether some of these words are of a network as ONNX."""
    if isinstance(words, dict):
        return words.get("kind") == "onnx" or any(map(has_graph, words.values()))
    return isinstance(words, list) and any(map(has_graph, words))


class _Called(nn.Module):
    """A network by a signature that is known: ``x``, and where it is given one a ``context``."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, *context: Tensor) -> Tensor:
        """What the network gives."""
        made: Tensor = self.network(x, *context)
        return made


def exported(module: nn.Module, inputs: Sequence[Sequence[int]]) -> bytes:
    """A module in evaluation, as an ONNX model in single precision: ``x`` and ``context`` ``(N, …)`` → ``y`` ``(N, …)``, whatever N.

    Errors: RecipeError where torch cannot write it, or writes another version; UsageError where packages are not installed.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"ONNX needs {' and '.join(missing)}, not installed here: pip install 'lowerbound[onnx]'")
    network = _Called(copy.deepcopy(module)).cpu().float().eval()
    given = tuple(torch.zeros(EXAMPLES, *shape) for shape in inputs)
    _must_be_of_examples(network, inputs)
    try:
        with _quiet():
            written = _written(network, given).model_proto
    except Exception as error:  # of whatever kind: a module is anyone's code, and there are many ways to fail
        said = " ".join(str(error.__cause__ or error).split())[:200]
        raise RecipeError(f"the {type(module).__name__} network cannot be written as ONNX: {said}") from error
    found = {row.domain: row.version for row in written.opset_import}.get("")
    if found != OPSET:
        raise RecipeError(f"the {type(module).__name__} network was written in opset {found} of ONNX, and {OPSET} was asked for")
    if not all(given.type.tensor_type.shape.dim[0].dim_param for given in written.graph.input):
        raise RecipeError(
            f"the {type(module).__name__} network was written for batches of {EXAMPLES} alone: it makes a number of the size of a batch, "
            "as len(x) does; write x.shape[0]"
        )
    content: bytes = written.SerializeToString()
    return content


@torch.no_grad()
def _must_be_of_examples(network: nn.Module, inputs: Sequence[Sequence[int]]) -> None:
    """Errors: RecipeError for a network that gives no row for each example, since it was made for batches of one size."""
    for n in (EXAMPLES + 1, 1):
        made = network(*(torch.zeros(n, *shape) for shape in inputs))
        if len(made) != n:
            raise RecipeError(f"a network gives {len(made)} rows for {n} examples, and a page asks for one for each")


@torch.no_grad()
def _written(network: nn.Module, given: tuple[Tensor, ...]) -> Any:
    batch = {0: torch.export.Dim("batch", min=1)}
    return torch.onnx.export(
        network,
        given,
        dynamo=True,
        dynamic_shapes=(batch, *([tuple(batch for _ in given[1:])] if len(given) > 1 else [])),
        opset_version=OPSET,
        input_names=["x", "context"][: len(given)],
        output_names=["y"],
        verbose=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries say to those who work on them."""
    before = logging.root.manager.disable
    try:
        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
