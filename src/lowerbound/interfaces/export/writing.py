"""``lb.export``: a run as files that others run: ONNX, torch.export's, or weights and words as JSON."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lowerbound.errors import OutputError, RecipeError, UsageError, nearest
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.model import model_words
from lowerbound.interfaces.export import card
from lowerbound.interfaces.export.graphs import Graph, graphs_of
from lowerbound.interfaces.export.special import functions
from lowerbound.nn.graph import OPSET, must_have_onnx, onnx_of, traced
from lowerbound.nn.mode import in_evaluation
from lowerbound.runs.run import Run
from lowerbound.system.files import make_folder, to_json, written
from lowerbound.vae.model import Model

WEIGHTS = "model.json"


@dataclass(frozen=True)
class Made:
    """Files by their names, what the card says of them, and of what was not made the reason."""

    files: dict[str, bytes]
    about: dict[str, Any]
    refused: dict[str, str]


@dataclass(frozen=True)
class Exported:
    """What was written: the ``folder``, its card, and of each graph that could not be written the reason."""

    folder: Path
    card: dict[str, Any]
    refused: dict[str, str]


def export(run: Run, folder: str | Path, to: str = "onnx", opset: int = OPSET) -> Exported:
    """Write a run into a new folder: ``to`` is "onnx" or "torch", a file for each graph, or "json", weights and words in one; and a card.

    Encoder and decoder are written or it is an error; a bound that no graph has, such as that of a posterior without a density, is left
    out, and why is in ``refused``. ``opset`` is that of ONNX. Nothing of the run is changed.
    Errors: OutputError for a folder that has something in it; RecipeError for a model that cannot be written; UsageError for another
    format, and where the packages that ONNX needs are not installed.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     experiment = lb.Experiment.begin(lb.Recipe(data="digits", network="mlp:16", epochs=1), f"{folder}/run")
    ...     _ = list(experiment.train()), experiment.finish()
    ...     written = lb.export(lb.load(f"{folder}/run"), f"{folder}/exported", to="json")
    ...     sorted(path.name for path in written.folder.iterdir())
    ['README.md', 'card.json', 'model.json']
    """
    if to not in FORMATS:
        raise UsageError(f"unknown format '{to}'{nearest(to, FORMATS)}")
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder} is there already; name a new folder")
    vae = in_evaluation(copy.deepcopy(run.vae).cpu())
    made = FORMATS[to](vae, run, opset)
    said = card.words(run, to, made.about, made.refused)
    make_folder(folder)
    for name, content in {**made.files, **card.files(said)}.items():
        with written(folder / name) as file:
            file.write(content)
    return Exported(folder, said, made.refused)


# --- graphs ------------------------------------------------------------------------------------------

#: a graph that was traced, what it is made of and is called, and the opset → a file's content
Writing = Callable[["torch.export.ExportedProgram", Graph, str, int], bytes]


def _onnx(program: torch.export.ExportedProgram, graph: Graph, what: str, opset: int) -> bytes:
    return onnx_of(program, graph.inputs, what, opset, functions())


def _pt2(program: torch.export.ExportedProgram, graph: Graph, what: str, opset: int) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def _in_graphs(vae: Model, run: Run, opset: int, suffix: str, write: Writing) -> Made:
    """Every graph in a file of its own."""
    made = Made({}, {"graphs": {}}, {})
    for name, graph in graphs_of(vae, run.spec.event_shape).items():
        try:
            program = traced(graph.function, graph.inputs, f"the {name}")
            made.files[name + suffix] = write(program, graph, f"the {name}", opset)
            made.about["graphs"][name] = card.graph_words(name + suffix, program, graph)
        except RecipeError as error:
            if graph.needed:
                raise
            made.refused[name] = str(error)
    return made


def _as_onnx(vae: Model, run: Run, opset: int) -> Made:
    must_have_onnx()
    made = _in_graphs(vae, run, opset, ".onnx", _onnx)
    made.about["opset"] = opset
    return made


def _as_torch(vae: Model, run: Run, opset: int) -> Made:
    made = _in_graphs(vae, run, opset, ".pt2", _pt2)
    made.about["torch"] = torch.__version__
    return made


# --- weights and words -------------------------------------------------------------------------------


def _as_json(vae: Model, run: Run, opset: int) -> Made:
    """The model as the explorer's page has it, in single precision."""
    arrays = Arrays(exact=True)
    try:
        model = model_words(vae, arrays)
    except RecipeError as error:
        raise RecipeError(f"{error}; choose --to onnx") from error
    content = {"model": model, "arrays": arrays.table, "numbers": arrays.packed()}
    return Made({WEIGHTS: to_json(content).encode()}, {"file": WEIGHTS}, {})


#: what a run can be written as
FORMATS: dict[str, Callable[[Model, Run, int], Made]] = {"onnx": _as_onnx, "torch": _as_torch, "json": _as_json}
