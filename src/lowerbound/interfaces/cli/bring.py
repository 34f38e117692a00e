"""``lowerbound import``: a model of another library as a run."""

from __future__ import annotations

from argparse import Namespace

from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.importing import pythae

LIBRARIES = {"pythae": pythae}


def bring(args: Namespace) -> Answer:
    """Write the run, and say what it is."""
    run = LIBRARIES[args.library](args.folder, args.output)
    recipe = run.recipe
    text = (
        f"{recipe.posterior} posterior, {recipe.likelihood} likelihood, {recipe.objective}, z of {run.vae.latent} dimensions: {run.folder}"
    )
    return Answer(text, {"run": str(run.folder), "recipe": recipe.words()})
