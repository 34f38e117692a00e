"""``lb.explore``: a run, or a model of one's own and its data, as a page to look at, write or serve."""

from __future__ import annotations

import html
import webbrowser
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from lowerbound.data.python import Source
from lowerbound.errors import RecipeError, UsageError
from lowerbound.figures.explorer.page import made
from lowerbound.figures.explorer.shown import Progress, Shown, nobody, of_model, of_run
from lowerbound.interfaces.explorer.questions import Served
from lowerbound.interfaces.explorer.server import Server, new_token
from lowerbound.runs.run import Run
from lowerbound.system import markup
from lowerbound.system.arguments import one_of
from lowerbound.system.files import written
from lowerbound.vae.model import Model

HEIGHT = 900  # pixels of a frame in a notebook


class Explorer:
    """Some models as one page, which is made when it is first asked for; ``progress`` is called with what is being done."""

    def __init__(self, shown: Sequence[Shown], exact: bool = False, progress: Progress = nobody):
        self.shown, self.exact, self.progress = tuple(shown), exact, progress

    @cached_property
    def html(self) -> str:
        """The page, which needs nothing else. Errors: RecipeError for a model that no page computes: ``serve`` shows it."""
        return made(self.shown, self.exact, progress=self.progress).html

    def write(self, path: str | Path, onnx: str | Path | None = None) -> Path:
        """Write the page; with ``onnx``, where the npm package onnxruntime-web is, it computes networks of your own too.

        Errors: OutputError, as for ``html``, and UsageError where that is no such package.
        """
        content = (self.html if onnx is None else made(self.shown, self.exact, onnx=onnx, progress=self.progress).html).encode()
        with written(path) as file:
            file.write(content)
        return Path(path)

    def serve(self, port: int = 0, browser: bool = True) -> Server:
        """Serve the page on this machine until ``close()``, and open it in the ``browser``.

        Models that no page computes are computed here.
        Errors: OutputError for a port that is taken.
        """
        token = new_token()
        html, asks = self._made_for(token)
        models = {number: Served(self.shown[number].vae, self.shown[number].spec.event_shape) for number in asks}
        server = Server(html, models, token, port)
        if browser:
            webbrowser.open(server.address)
        return server

    def _made_for(self, token: str) -> tuple[str, tuple[int, ...]]:
        """The page, and the models that it asks a server about with its token; where it asks about none it is that of ``html``."""
        if "html" in self.__dict__:
            return self.html, ()
        found = made(self.shown, self.exact, token, progress=self.progress)
        if not found.asks:
            self.html = found.html
        return found.html, found.asks

    def _repr_html_(self) -> str:
        """The page in a frame of its own, from which it can do nothing but run and save."""
        try:
            return markup.framed("Explorer", self.html, HEIGHT, "allow-scripts allow-downloads")
        except RecipeError as error:
            return f"<p>{html.escape(str(error))}</p>"


def explore(run: Run | Model, *more: Run | Model, exact: bool = False, train: Source | None = None, test: Source | None = None) -> Explorer:
    """An interactive page of a run, or of several side by side: its latent plane, examples, completions and paths.

    Instead of runs it takes models with the data ``train``, and ``test`` where there are others for it (``lb.data.dataset_of``). With
    ``exact`` the page has weights in single precision, twice as long, else in 16 bits. In a notebook the page is shown; ``write(path)``
    makes it a file, and ``serve()`` is for models whose layers or laws no page computes.

    Errors: UsageError for what is neither, or a model without data; DataError where data are gone, or do not fit.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> vae = lb.build(lb.Recipe(network="mlp:16", latent=2), (1, 8, 8)).vae
    >>> explorer = lb.explore(vae, train=lb.data.load("digits").test)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     explorer.write(f"{folder}/explorer.html").read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    return Explorer([_shown(one, train, test, number if more else None) for number, one in enumerate((run, *more), start=1)], exact)


def _shown(one: Run | Model, train: Source | None, test: Source | None, number: int | None) -> Shown:
    if isinstance(one, Model):
        if train is None:
            raise UsageError("a model alone has no data to show; give them: lb.explore(vae, train=…)")
        return of_model(one, train, test, "model" if number is None else f"model {number}")
    if train is not None or test is not None:
        raise UsageError("a run has its own data; leave out train and test, or give its model, run.vae")
    return of_run(one_of("run", one, Run, "lb.load('runs/mine')"))
