"""A module as a graph of tensors, which runs without its Python: traced by torch.export, and written as ONNX."""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound.errors import RecipeError, UsageError

OPSET = 20  # of ONNX: what onnxruntime-web has known since 1.17, and torch writes as it is asked
NEEDED = ("onnx", "onnxscript")
#: how long an axis that has a name is while a module is traced: one alone would be taken for the length of every such axis
EXAMPLES = 2


@dataclass(frozen=True)
class Input:
    """What a graph is given: its name and its shape, in which an axis of any length has a name, as ``("examples", 28, 28)``."""

    name: str
    shape: tuple[str | int, ...]

    def zeros(self, length: int = EXAMPLES) -> Tensor:
        """Zeros of its shape, each axis with a name of this length."""
        return torch.zeros([length if isinstance(axis, str) else axis for axis in self.shape])

    def axes(self) -> dict[int, Any]:
        """Of each axis with a name what torch knows as one of any length."""
        return {place: torch.export.Dim(axis, min=1) for place, axis in enumerate(self.shape) if isinstance(axis, str)}


class Named(nn.Module):
    """Several tensors, each by its name, of a module that takes inputs by their places."""

    def __init__(self, function: nn.Module):
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        """What the module gives."""
        made: dict[str, Tensor] = self.function(*inputs)
        return made


@torch.no_grad()
def traced(module: nn.Module, inputs: Sequence[Input], what: str) -> torch.export.ExportedProgram:
    """The graph of a module in evaluation; ``what`` it is, is said in errors, as "the encoder".

    Errors: RecipeError for a module that does another thing for other values, or makes a number of the length of an axis.
    """
    try:
        with quiet(), _unchecked():
            found = torch.export.export(
                Named(module),
                tuple(given.zeros() for given in inputs),
                dynamic_shapes=(tuple(given.axes() for given in inputs),),
                strict=False,
            )
    except Exception as error:  # of whatever kind: a module is anyone's code, and there are many ways to fail
        raise RecipeError(f"{what} cannot be written as a graph: {_said(error)}") from error
    for node in found.graph.nodes:
        node.meta.pop("stack_trace", None)  # lines of files that are nobody's business elsewhere
    return found


def _said(error: Exception) -> str:
    """The first lines, with what to do where that is known."""
    said = " ".join(str(error.__cause__ or error).split())
    if "marked" in said and "specialized" in said:
        return f"it was written for batches of {EXAMPLES} alone: it makes a number of the size of a batch, as len(x) does; write x.shape[0]"
    return said[:200]


def onnx_of(
    program: torch.export.ExportedProgram,
    inputs: Sequence[Input],
    what: str,
    opset: int = OPSET,
    functions: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
) -> bytes:
    """The graph as an ONNX model; ``functions`` are of torch's operations that ONNX lacks.

    Errors: RecipeError where torch cannot write it, or writes another version; UsageError where packages are not installed.
    """
    must_have_onnx()
    try:
        with quiet():
            written = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=opset,
                input_names=[given.name for given in inputs],
                output_names=list(outputs_of(program, inputs)),
                custom_translation_table=None if functions is None else dict(functions),
                verbose=False,
            )
    except Exception as error:
        raise RecipeError(f"{what} cannot be written as ONNX: {_said(error)}") from error
    assert written is not None
    model = written.model_proto
    found = {row.domain: row.version for row in model.opset_import}.get("")
    if found != opset:
        raise RecipeError(f"{what} was written in opset {found} of ONNX, and {opset} was asked for")
    _must_be_valid(model, what)
    _name_axes(model, axes_of(program, inputs))
    content: bytes = model.SerializeToString()
    return content


def _must_be_valid(model: Any, what: str) -> None:
    """Errors: RecipeError for operations that the opset has not, which a conversion may leave."""
    from onnx import checker

    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        raise RecipeError(f"{what} has no form in this opset of ONNX, choose another: {_said(error)}") from error


def _name_axes(model: Any, names: Mapping[str, str]) -> None:
    """Put names in the place of torch's own for axes of any length, and leave out what torch notes of nodes, such as paths of files."""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in names:
                axis.dim_param = names[axis.dim_param]
    for part in (
        model.graph,
        *model.graph.node,
        *model.graph.initializer,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
    ):
        del part.metadata_props[:]


def axes_of(program: torch.export.ExportedProgram, inputs: Sequence[Input]) -> dict[str, str]:
    """Torch's own name of each axis of any length → the one that it has here."""
    places = (node for node in program.graph.nodes if node.op == "placeholder" and node.name in program.graph_signature.user_inputs)
    return {
        str(size): axis
        for given, node in zip(inputs, places, strict=True)
        for axis, size in zip(given.shape, node.meta["val"].shape, strict=True)
        if isinstance(axis, str)
    }


def outputs_of(program: torch.export.ExportedProgram, inputs: Sequence[Input]) -> dict[str, tuple[str | int, ...]]:
    """The names of what the graph gives, and the shape of each, axes of any length by their names."""
    axes = axes_of(program, inputs)
    (made,) = next(node for node in program.graph.nodes if node.op == "output").args
    names = program.call_spec.out_spec.context  # of a dictionary its keys
    return {
        name: tuple(size if isinstance(size, int) else axes.get(str(size), str(size)) for size in node.meta["val"].shape)
        for name, node in zip(names, made, strict=True)
    }


def must_have_onnx() -> None:
    """Errors: UsageError where the packages that ONNX is written with are not installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"ONNX needs {' and '.join(missing)}, not installed here: pip install 'lowerbound[onnx]'")


@contextmanager
def _unchecked() -> Iterator[None]:
    """Without a look at the parameters of laws, which are not there."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the libraries say to those who work on them."""
    before = logging.root.manager.disable
    try:
        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
