"""A run pushed to where others find it: its files as they are, their checksums, and a card that says what it is."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any

from lowerbound.errors import RunError
from lowerbound.evaluation.evaluation import Evaluation
from lowerbound.runs import layout
from lowerbound.runs.places import MANIFEST, place_of
from lowerbound.runs.pulled import belongs, sha256_of
from lowerbound.runs.run import Run
from lowerbound.system.files import write_json, written

CARD = "README.md"


def push(run: Run, address: str) -> str:
    """Put a run where ``lb.load(address)`` finds it, as ``hf:owner/name`` or ``file:/shared/name``; returns the revision that it is there.

    Weights, recipe, what is known of the data, metrics, scores and pictures go there, and a card, ``README.md``; examples do not.
    Errors: RunError for a run that has not come to its end, or with a link in it; UsageError; OutputError.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     experiment = lb.Experiment.begin(lb.Recipe(data="digits", network="mlp:16", epochs=1), f"{folder}/run")
    ...     _ = list(experiment.train()), experiment.finish()
    ...     revision = lb.push(lb.load(f"{folder}/run"), f"file:{folder}/shared")
    ...     len(revision), {"README.md", "weights.safetensors", "manifest.json"} <= {path.name for path in Path(folder, "shared").iterdir()}
    (64, True)
    """
    place = place_of(address)
    result = run.result()
    if result is None:
        raise RunError(f"{run.folder} has not come to its end; go on with: lowerbound resume {shlex.quote(str(run.folder))}")
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch)
        (staged / layout.FIGURES).mkdir()
        paths = [path for path in run.folder.rglob("*") if belongs(path.relative_to(run.folder).as_posix())]
        hashes = {}
        for path in sorted(paths):
            if path.is_symlink():
                raise RunError(f"{path} is a link; nothing was pushed: put the file itself there")
            name = path.relative_to(run.folder).as_posix()
            shutil.copyfile(path, staged / name)
            hashes[name] = sha256_of(staged / name)
        with written(staged / CARD) as file:
            file.write(card(run, result, address).encode())
        write_json(staged / MANIFEST, {"sha256": hashes})
        return place.put(staged)


def card(run: Run, result: dict[str, Any], address: str) -> str:
    """The card of a run as Markdown: what it learned from, its words, its figures with their errors, its pictures, how to use it."""
    record, spec, test = run.record, run.spec, result["test"]
    parts = f"{record.train:,} training, {record.validation:,} validation and {record.test:,} test examples"
    pictures = sorted(path.name for path in (run.folder / layout.FIGURES).glob("*.png") if belongs(f"{layout.FIGURES}/{path.name}"))
    sections = [
        "---\nlibrary_name: lowerbound\ntags:\n- variational-autoencoder\n- lowerbound\n---\n",
        f"# A variational autoencoder of {Path(run.recipe.data).name}\n",
        f"Trained by lowerbound for {result['epochs']:,} epochs on {' × '.join(map(str, spec.event_shape))} values per example; {parts}.\n",
        "## Figures\n",
        _table(("test data", "nats per example", "standard error"), _scores(test, run.evaluation())),
        f"{test['rows']:,} test examples; the bound is below log p(x), both are in nats with all constants kept.\n",
        "## Recipe\n",
        _table(("word", "value"), run.recipe.words().items()),
        "## Use\n",
        f'```python\nimport lowerbound as lb\n\nrun = lb.load("{address}")\nsamples = run.vae.sample(64)\n```\n',
        f"```console\n$ lowerbound sample {address} --n 64 -o samples.png\n```\n",
        *(["## Pictures\n"] if pictures else []),
        *(f"![{name.removesuffix('.png')}]({layout.FIGURES}/{name})\n" for name in pictures),
    ]
    return "\n".join(sections)


def _scores(test: dict[str, Any], evaluation: Evaluation | None) -> list[tuple[str, str, str]]:
    rows = [("bound", _number(test["bound"]), _number(test["bound_se"]))]
    rows += [("E[log p(x given z)]", _number(test["log_likelihood_term"]), "–"), ("KL", _number(test["kl"]), "–")]
    if evaluation is not None and evaluation.log_p is not None:
        rows.insert(0, ("log p(x)", _number(evaluation.log_p.mean), _number(evaluation.log_p.se_data)))
    return rows


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines, ""])
