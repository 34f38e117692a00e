"""Runs as one page: everything in one file, which loads nothing, so that it opens from a disk, a mail or a report."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lowerbound.errors import RunError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.bundle import bundled, read
from lowerbound.figures.explorer.examples import examples_words
from lowerbound.figures.explorer.model import model_words
from lowerbound.figures.style import COLORS
from lowerbound.runs.run import Run

LARGEST = 200 * 2**20  # bytes of numbers in a page: what a browser still opens


def page(runs: Sequence[Run], exact: bool = False, data_dir: str | Path | None = None) -> str:
    """The page of some runs, as HTML. With ``exact`` weights are in single precision, else in 16 bits.

    Errors: RecipeError for a model that no page computes, RunError for one that is too large; DataError where its data are gone.
    """
    made = [_words(run, exact, data_dir) for run in runs]
    names = [words["run"]["name"] for words, _ in made]
    texts = json.loads(read("texts.json"))
    shared = {"texts": texts, "colors": COLORS, "runs": names}
    script, style = bundled("main"), read("page.css")
    environment = Environment(loader=PackageLoader("lowerbound.figures.explorer", "page"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html").render(
        title=f"{texts['page.title']}: {', '.join(names)}",
        loading=texts["page.loading"],
        policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data: blob:; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704  # a file of this package
        script=Markup(script),  # noqa: S704
        page=_data(shared),
        runs=[{"words": _data(words), "numbers": Markup(arrays.packed())} for words, arrays in made],  # noqa: S704  # base64
    )


def _words(run: Run, exact: bool, data_dir: str | Path | None) -> tuple[dict[str, Any], Arrays]:
    arrays, splits = Arrays(exact), run.read(None, data_dir)
    words = {
        "run": {"name": run.folder.resolve().name, "about": _about(run)},
        "model": model_words(run.vae, arrays, None if run.spec.schema is None else splits.train[:].numpy()),
        "examples": examples_words(run.vae, splits.train, splits.test, run.spec, arrays, run.recipe.seed),
    }
    if arrays.size > LARGEST:
        raise RunError(f"the numbers of {run.folder} take {arrays.size / 2**20:,.0f} MiB, and a page holds {LARGEST / 2**20:.0f}")
    return words | {"arrays": arrays.table}, arrays


def _about(run: Run) -> str:
    recipe = run.recipe
    return f"{Path(recipe.data).name}, {recipe.network}, {recipe.likelihood}, {recipe.objective}, z of {recipe.latent} dimensions"


def _data(words: Any) -> Markup:
    """JSON that ends no element: what could be markup is written as JSON writes any character."""
    text = json.dumps(words, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _hash(content: str) -> str:
    """How a policy names a script or style that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
