"""The verbs that draw, encode and decode: arguments → an ``Answer``. The work is done elsewhere; here it is called and put in words."""

from __future__ import annotations

from argparse import Namespace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import arrays, numpy_files, single_cell
from lowerbound.errors import OutputError, UsageError
from lowerbound.evaluation.diagnosis import FEW_DRAWS
from lowerbound.figures.sheets import sheet_png
from lowerbound.interfaces.bulk.encoding import Encode
from lowerbound.interfaces.bulk.encoding import latents as latents_of
from lowerbound.interfaces.bulk.sampling import Given, Sample, samples
from lowerbound.interfaces.cli import bulk, console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import as_class, image_writer, number_of, of_kind
from lowerbound.interfaces.cli.source import asked_for
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.files import save_array, save_arrays, written
from lowerbound.system.seeding import seeded
from lowerbound.tasks import classes, conditional_rows, generate, levels
from lowerbound.tasks import encode as encoding
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import Model

CONTEXTS = "contexts"  # the array of a .npz with the context of each example, beside its latents


def sample(args: Namespace) -> Answer:
    """Write draws of the prior, decoded."""
    bulk.must_suit(args, "where", "freeze")
    if bulk.is_folder(args.output):
        of_run_given = partial(_given, n=args.n, label=args.label, data_dir=args.data_dir, seed=args.seed)
        return bulk.in_parts(args, Sample(args.run, args.device, args.n, args.draw, args.seed, args.label, of_run_given), "samples")
    write = image_writer(args.output, lambda images: sheet_png(images, columns=_side(len(images))))
    run = runs.load(args.run, args.device)
    if args.where is not None:
        return write(run, _where(run, args), "1 row" if args.n == 1 else f"{args.n:,} rows")
    given = _given(run, args.n, args.label, args.data_dir, args.seed)
    draw = args.draw or run.spec.schema is not None  # means of columns are not a row of a table
    if args.freeze is None:
        values = samples(given, 0, args.n, draw, args.seed)
    else:
        with seeded(args.seed, "sample", device=run.vae.device):
            values = levels.sample_frozen(given(0, args.n), args.n, args.freeze, _side(args.n), draw).cpu()
    return write(run, values, "1 sample" if args.n == 1 else f"{args.n:,} samples")


def _where(run: Run, args: Namespace) -> Tensor:
    """Rows of a table in which some cells are given."""
    schema = run.spec.schema
    if schema is None:
        raise UsageError("--where gives cells of a table, and this run's data are none; of images use: lowerbound complete")
    given = conditional_rows.conditions(args.where, schema)
    label = None if args.label is None else number_of(run, args.label)
    values, ess = conditional_rows.sample_where(run.vae, schema, given, args.n, label=label, seed=args.seed)
    if ess < FEW_DRAWS:
        what = f"fewer than {FEW_DRAWS} effective draws of z have these cells, and the rows are too alike"
        console.notes(args, [f"{what}; give fewer cells, or values that are seen together"])
    return values


def _given(run: Run, n: int, label: str | None, data_dir: str | None, seed: int) -> Given:
    """The run's model for some of n data, given the class that was asked for, or else what it has by default: for one given a part of an
    example, or its low resolution, those of the test data. Errors: UsageError for a run not given labels.
    """
    if label is not None or run.vae.context is None:
        alone = run.vae if label is None else as_class(run, label)
        return lambda first, end: alone
    test = cache(lambda: run.read(None, data_dir).test)
    return lambda first, end: generate.given(run.vae, n, test, seed, slice(first, end))


def encode(args: Namespace) -> Answer:
    """Write examples as latents, with their labels."""
    bulk.must_suit(args)
    if bulk.is_folder(args.output):
        return bulk.in_parts(args, Encode(bulk.asked(args), args.draw, args.seed), "examples")
    path = of_kind(args.output, ".npz", ".npy", single_cell.SUFFIX)
    run = runs.load(args.run, args.device)
    source = Path(args.data or run.recipe.data)
    if path.suffix == single_cell.SUFFIX and not single_cell.takes(source):
        raise OutputError(f"{single_cell.SUFFIX} holds cells, and {source} does not; name the output FILE.npz")
    data = asked_for(run, args)
    latents = latents_of(run.vae, data, args.draw, args.seed).numpy()
    if path.suffix == ".npy":
        save_array(path, latents)
    elif path.suffix == single_cell.SUFFIX:
        content = single_cell.with_latents(source, latents)
        with written(path) as file:
            file.write(content)
    else:
        beside = {} if data.labels is None else {"labels": data.labels.numpy(), "classes": np.array(data.classes)}
        if run.vae.context is not None and run.vae.context.of_values:
            beside[CONTEXTS] = encoding.contexts(run.vae, data, args.seed).numpy()
        save_arrays(path, {"latents": latents, **beside})
    ratio = run.spec.dimensions / latents.shape[1]
    text = f"{len(latents):,} examples of {run.spec.dimensions} values as latents of {latents.shape[1]} ({ratio:.3g} to 1): {path}"
    return Answer(text, {"run": args.run, "output": str(path), "n": len(latents), "latent": latents.shape[1]})


def decode(args: Namespace) -> Answer:
    """Write the decoded latents."""
    write = image_writer(args.output, lambda images: sheet_png(images, columns=_side(len(images))))
    run = runs.load(args.run, args.device)
    path = Path(args.latents)
    latents = _latents(run, path)
    if args.label is not None:
        vae: Model = as_class(run, args.label)
    else:
        vae = run.vae if run.vae.context is None else _given_beside(run, path, len(latents))
    values = encoding.decode(vae, latents)
    return write(run, values, f"{len(values):,} examples decoded")


def _latents(run: Run, path: Path) -> Tensor:
    latents = arrays.load_values(path).float()
    if latents.dim() != 2:
        raise UsageError(f"{path} has the shape {tuple(latents.shape)}; this run decodes latents (N, {run.vae.latent})")
    return latents


def _given_beside(run: Run, path: Path, n: int) -> Model:
    """The model given the contexts that the file has beside n latents. Errors: UsageError if it has none."""
    context = run.vae.context
    assert context is not None
    if isinstance(context, Label):
        return classes.as_labels(run.vae, _labels_beside(run, path))
    found = numpy_files.read(path).get(CONTEXTS)
    if found is None or found.shape != (n, *context.shape) or found.dtype.kind != "f":
        lacking = f"this run's model is given {run.recipe.given}; decode the .npz that encode made of the data"
        raise UsageError(f"{path} has no {CONTEXTS} {(n, *context.shape)} beside its latents, and {lacking}")
    return run.vae.given(torch.from_numpy(found).float().to(run.vae.device))


def _labels_beside(run: Run, path: Path) -> Tensor:
    found = arrays.load_classes(path)
    if found is None or None in found:
        lacking = "no labels" if found is None else "labels that are not known"
        raise UsageError(f"{path} has {lacking}, and this run's model is given them; say which with --label")
    return torch.tensor([classes.number(str(name), run.spec.classes) for name in found])


def _side(n: int) -> int:
    return int(np.ceil(np.sqrt(n)))
