"""What verbs write: the names of files, and values as an array, a table or a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import writing
from lowerbound.data.units import as_stored
from lowerbound.errors import OutputError
from lowerbound.figures.pictures import images
from lowerbound.interfaces.cli.console import Answer
from lowerbound.runs.run import Run
from lowerbound.system.files import must_have_folder, save_array, written
from lowerbound.tasks import classes
from lowerbound.vae.model import Model


def of_kind(output: str, *kinds: str) -> Path:
    """The path, of one of these file types and in a folder that exists: checked before long work. Errors: OutputError."""
    path = Path(output)
    if path.suffix not in kinds:
        raise OutputError(f"cannot write '{path.suffix or path.name}' here; name the output {' or '.join('FILE' + kind for kind in kinds)}")
    must_have_folder(path)
    return path


def as_class(run: Run, label: str) -> Model:
    """The run's model given the class of this name. Errors: UsageError for a run not given labels, and a class that it does not know."""
    return classes.as_labels(run.vae, torch.tensor([number_of(run, label)]))


def number_of(run: Run, label: str) -> int:
    """The number of a class. Errors: UsageError for a run not given labels, and a class that it does not know."""
    classes.label_of(run.vae)
    return classes.number(label, run.spec.classes)


Writer = Callable[..., Answer]


def image_writer(output: str, png: Callable[[np.ndarray], bytes]) -> Writer:
    """A function that writes values as an array, as rows of a table, or by ``png`` as a picture; a bad name is refused before any work."""
    path = of_kind(output, ".png", ".npy", *writing.WRITERS)

    def write(run: Run, values: Tensor, what: str, **figures: Any) -> Answer:
        """Write the values; the answer says what they are. Errors: OutputError for a table file of data that are not a table."""
        if path.suffix == ".npy":
            save_array(path, as_stored(values, run.spec, run.recipe.invert))
        elif path.suffix in writing.WRITERS:
            if run.spec.schema is None:
                raise OutputError(f"cannot write '{path.suffix}' here; this run's data are not a table: name the output FILE.npy")
            texts = run.spec.schema.texts(values.numpy())
            writing.write(path, run.spec.schema.typed(texts) if path.suffix == ".parquet" else texts)
        else:
            content = png(images(values, run.spec))
            with written(path) as file:
                file.write(content)
        return Answer(f"{what}: {path}", {"run": str(run.folder), "output": str(path), "n": len(values), **figures})

    return write
