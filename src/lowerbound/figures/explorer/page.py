"""Runs as one page: everything in one file, which loads nothing, so that it opens from a disk, a mail or a report."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lowerbound.errors import RecipeError, RunError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.bundle import bundled, read
from lowerbound.figures.explorer.examples import examples_words
from lowerbound.figures.explorer.model import model_words, remote_words
from lowerbound.figures.explorer.networks import NotComputed
from lowerbound.figures.explorer.onnx import has_graph
from lowerbound.figures.explorer.onnxruntime import Runtime, runtime
from lowerbound.figures.explorer.shown import Progress, Shown, nobody, of_run
from lowerbound.figures.explorer.varied import varied
from lowerbound.figures.sheets import COLORS
from lowerbound.runs.run import Run

#: what to do about a model that no page computes
SERVED = "a page that is served can show it: lowerbound explore RUN, without -o, or in Python lb.explore(…).serve()"
BY_ONNX = "; or a file that has onnxruntime-web in it: --onnx, in Python write(path, onnx=…)"
LARGEST = 200 * 2**20  # bytes of numbers in a page: what a browser still opens


@dataclass(frozen=True)
class Made:
    """A page, and the numbers of those of its models that it ``asks`` a server about."""

    html: str
    asks: tuple[int, ...]


def page(runs: Sequence[Run | Shown], exact: bool = False, data_dir: str | Path | None = None) -> str:
    """The page of some runs, as HTML. With ``exact`` weights are in single precision, else in 16 bits.

    Errors: RecipeError for models that no page computes, RunError for one that is too large; DataError where its data are gone.
    """
    return made([run if isinstance(run, Shown) else of_run(run, data_dir) for run in runs], exact).html


def made(
    shown: Sequence[Shown], exact: bool = False, remote: str = "", onnx: str | Path | None = None, progress: Progress = nobody
) -> Made:
    """The page of some models; ``progress`` is called with what is being done.

    ``onnx`` is where onnxruntime-web's npm package is; with it the page computes networks of one's own, if there are some, and is 5 MB
    longer. ``remote`` is the word with which it asks the server that serves it for models that no page computes; without it there can
    be none.
    Errors: RecipeError for those, RunError for a model that is too large; UsageError where ``onnx`` is no such package.
    """
    ready = None if onnx is None else runtime(onnx)
    server = [{"token": remote, "run": number} if remote else None for number in range(len(shown))]
    each = [_words(one, exact, asked, onnx is not None, progress) for one, asked in zip(shown, server, strict=True)]
    ready = ready if any(has_graph(words["model"]) for words, _ in each) else None
    asks = tuple(number for number, (words, _) in enumerate(each) if "remote" in words["model"])
    progress("writing the page")
    names = [one.name for one in shown]
    texts = json.loads(read("texts.json"))
    found = varied([one.recipe for one in shown])
    number = None if found is None else {"name": found[0], "values": found[1]}
    shared = {"texts": texts, "colors": COLORS, "runs": names, "varied": number}
    environment = Environment(loader=PackageLoader("lowerbound.figures.explorer", "page"), autoescape=True, undefined=StrictUndefined)
    html = environment.get_template("page.html").render(
        title=f"{texts['page.title']}: {', '.join(names)}",
        loading=texts["page.loading"],
        policy=policy(bool(asks), ready),
        style=Markup(read("page.css")),  # noqa: S704  # a file of this package
        script=Markup(bundled("main")),  # noqa: S704
        page=_data(shared),
        runtime=None if ready is None else {"script": Markup(ready.script), "wasm": Markup(ready.wasm)},  # noqa: S704  # as it was published
        runs=[{"words": _data(words), "numbers": Markup(arrays.packed())} for words, arrays in each],  # noqa: S704  # base64
    )
    return Made(html, asks)


def policy(asks: bool, runtime: Runtime | None = None) -> str:
    """What a page may load and run: what is in it, WebAssembly where it has a ``runtime``, and where it ``asks`` its server, that."""
    more = "" if runtime is None else f" '{_hash(runtime.script)}' 'wasm-unsafe-eval'"
    own = f"default-src 'none'; script-src '{_hash(bundled('main'))}'{more}; style-src '{_hash(read('page.css'))}'"
    return f"{own}; img-src data: blob:; base-uri 'none'; form-action 'none'" + ("; connect-src 'self'" if asks else "")


def _words(one: Shown, exact: bool, server: dict[str, Any] | None, onnx: bool, progress: Progress) -> tuple[dict[str, Any], Arrays]:
    model, arrays = _model(one, exact, server, onnx)
    words = {
        "run": {"name": one.name, "about": one.about, "changed": one.changed},
        "model": model,
        "examples": examples_words(one.vae, one.train, one.test, one.spec, arrays, one.seed, lambda what: progress(f"{one.name}: {what}")),
    }
    if arrays.size > LARGEST:
        raise RunError(f"the numbers of {one.name} take {arrays.size / 2**20:,.0f} MiB, and a page holds {LARGEST / 2**20:.0f}")
    return words | {"arrays": arrays.table}, arrays


def _model(one: Shown, exact: bool, server: dict[str, Any] | None, onnx: bool) -> tuple[dict[str, Any], Arrays]:
    """The model's words; where there is a ``server`` to compute it and the page cannot, those by which it asks. Errors: RecipeError."""
    arrays, rows = Arrays(exact), None if one.spec.schema is None else one.train[:].numpy()
    try:
        words = model_words(one.vae, arrays, rows, one.spec.event_shape if onnx else None)
    except RecipeError as error:
        if server is None:
            by_onnx = BY_ONNX if isinstance(error, NotComputed) else ""
            raise RecipeError(f"{error}; {SERVED}{by_onnx}") from error
        words, arrays = remote_words(one.vae) | server, Arrays(exact)
    # data may be laid out otherwise than the decoder has them: an encoder takes those of the data
    return words | ({"event": list(one.spec.event_shape)} if math.prod(words["event"]) == one.spec.dimensions else {}), arrays


def _data(words: Any) -> Markup:
    """JSON that ends no element: what could be markup is written as JSON writes any character."""
    text = json.dumps(_finite(words), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _finite(words: Any) -> Any:
    """The same with null for numbers that are not finite, which JSON has none of: log p of an example beyond all that a model knows."""
    match words:
        case dict():
            return {key: _finite(value) for key, value in words.items()}
        case list() | tuple():
            return [_finite(value) for value in words]
        case float() if not math.isfinite(words):
            return None
        case _:
            return words


def _hash(content: str) -> str:
    """How a policy names a script or style that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
