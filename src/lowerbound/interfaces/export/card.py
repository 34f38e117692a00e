"""The card beside exported files: what the model is, of which data, and what each graph is given and gives."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lowerbound.interfaces.export.graphs import Graph
from lowerbound.nn.graph import outputs_of
from lowerbound.runs.run import Run
from lowerbound.system.files import to_json
from lowerbound.vae.likelihoods import Bernoulli, Likelihood
from lowerbound.vae.likelihoods.base import PIXEL_STEPS

NUMBERS = "model.json has weights and words: `numbers` is base64 of deflated bytes (no header), `arrays` says where each array begins."
#: what each name of an input or output stands for
MEANINGS = {
    "x": "examples, as `data` says",
    "z": "latents",
    "context": "what the model is given besides",
    "noise": "standard normal numbers, K draws for each example",
    "centre": "the point that stands for q(z|x), as `lowerbound encode` gives it",
    "expected": "the mean of p(x|z), as `lowerbound decode` gives it",
    "output": "the decoder's numbers, before a law is made of them",
    "elbo": "the mean of log p(x|z) + log p(z) − log q(z|x) over the draws, a lower bound of log p(x) on average",
    "distortion": "−log p(x|z), the mean over the draws",
    "rate": "log q(z|x) − log p(z), the mean over the draws",
    "log_p": "log p(x) by importance sampling: log (1/K) Σ w",
    "outlier_score": "−log p(x): high for examples that are not like those of the training",
    "log_weight": "log w of each draw",
    "log_probabilities": "log q(y|x) of each class",
}


def words(run: Run, to: str, about: dict[str, Any], refused: dict[str, str]) -> dict[str, Any]:
    """All that the card says; ``about`` are the files."""
    schema = run.spec.schema
    return {
        "format": to,
        "lowerbound": version("lowerbound"),
        "units": "nats",
        "density": run.vae.density,
        "note": run.vae.likelihood.note,
        "seen": _seen(run.vae.likelihood),
        "recipe": run.recipe.words() | {"data": Path(run.recipe.data).name},
        "data": run.record.words() | ({} if schema is None else schema.words()),
        **about,
        "refused": refused,
    }


def _seen(likelihood: Likelihood) -> str:
    """How values are to come to encoder and bound."""
    holes = " A value that is missing is NaN." if likelihood.holes else ""
    if isinstance(likelihood, Bernoulli) and likelihood.binarize:
        return "Zeros and ones: draw them of grey values, each the probability of a one. Greys as they are give a cross-entropy." + holes
    if likelihood.steps == PIXEL_STEPS:
        return "Pixels from 0 to 1, in steps of 1/255." + holes
    return "Values as the data have them." + holes


def graph_words(file: str, program: torch.export.ExportedProgram, graph: Graph) -> dict[str, Any]:
    """What a graph is given and gives: names and shapes, all in single precision."""
    inputs = {given.name: list(given.shape) for given in graph.inputs}
    return {"file": file, "inputs": inputs, "outputs": {name: list(shape) for name, shape in outputs_of(program, graph.inputs).items()}}


def files(said: dict[str, Any]) -> dict[str, bytes]:
    """The card for programs, and for people."""
    return {"card.json": (to_json(said, indent=2) + "\n").encode(), "README.md": _page(said).encode()}


def _page(said: dict[str, Any]) -> str:
    recipe, shape = said["recipe"], " × ".join(map(str, said["data"]["event_shape"]))
    lines = [
        f"# A variational autoencoder of {recipe['data']}, as {said['format']}",
        "",
        f"Written by lowerbound {said['lowerbound']}. An example has {shape} values. {said['seen']}",
        f"{said['density']} and all else that is an amount of information is in {said['units']}. {said['note']}",
        "",
        *_tables(said.get("graphs", {})),
        *([NUMBERS] if "file" in said else []),
        *(f"No {name}: {reason}." for name, reason in said["refused"].items()),
        "",
        "Recipe: " + ", ".join(f"{name} {value}" for name, value in recipe.items()) + ".",
        "`card.json` has the same for programs, and what the model knows of its data.",
    ]
    return "\n".join(lines) + "\n"


def _tables(graphs: dict[str, Any]) -> list[str]:
    """A table for each graph."""
    lines = []
    for name, graph in graphs.items():
        lines += [f"## {name}: `{graph['file']}`", "", "| | name | shape | |", "|---|---|---|---|"]
        for side in ("inputs", "outputs"):
            for each, shape in graph[side].items():
                meaning = MEANINGS.get(each, "a parameter of its law").replace("|", "\\|")
                lines.append(f"| {side[:-1]} | `{each}` | {' × '.join(map(str, shape))} | {meaning} |")
        lines.append("")
    return lines
