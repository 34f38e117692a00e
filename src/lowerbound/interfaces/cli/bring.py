"""``lowerbound import``: a model of another library as a run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass

from lowerbound.errors import UsageError
from lowerbound.interfaces import importing
from lowerbound.interfaces.cli.console import Answer
from lowerbound.runs.run import Run


@dataclass(frozen=True)
class Kind:
    """What makes a run of a path and an output, and whether it takes a map besides."""

    bring: Callable[..., Run]
    mapped: bool = False


KINDS = {"pythae": Kind(importing.pythae), "state": Kind(importing.state, mapped=True)}


def bring(args: Namespace) -> Answer:
    """Write the run, and say what it is. Errors: UsageError for a map that is missing, or is not wanted."""
    kind = KINDS[args.kind]
    if kind.mapped != (args.map is not None):
        said = "needs --map FILE" if kind.mapped else "knows its tensors: leave out --map"
        raise UsageError(f"import {args.kind} {said}")
    run = kind.bring(args.path, args.output, *([args.map] if kind.mapped else []))
    recipe = run.recipe
    text = (
        f"{recipe.posterior} posterior, {recipe.likelihood} likelihood, {recipe.objective}, z of {run.vae.latent} dimensions: {run.folder}"
    )
    return Answer(text, {"run": str(run.folder), "recipe": recipe.words()})
