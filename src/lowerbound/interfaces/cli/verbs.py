"""One function per verb: arguments → an ``Answer``. The work is done elsewhere; here it is called and put in words."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import arrays, numpy_files, single_cell, writing
from lowerbound.data.units import as_stored
from lowerbound.errors import OutputError, UsageError, nearest
from lowerbound.evaluation.diagnosis import FEW_DRAWS
from lowerbound.figures import images as plots
from lowerbound.figures import of_run, style
from lowerbound.figures import report as reports
from lowerbound.figures import table as figure_table
from lowerbound.interfaces.bulk.encoding import Encode
from lowerbound.interfaces.bulk.encoding import latents as latents_of
from lowerbound.interfaces.bulk.sampling import Given, Sample, samples
from lowerbound.interfaces.cli import bulk, console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.progress import stages
from lowerbound.interfaces.cli.source import asked_for, first
from lowerbound.recipes.zoo import ZOO
from lowerbound.runs import layout
from lowerbound.runs import push as pushing
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.files import make_folder, save_array, save_arrays, written
from lowerbound.system.seeding import seeded
from lowerbound.tasks import classes, conditional_rows, generate, levels
from lowerbound.tasks import encode as encoding
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import Model
from lowerbound.vae.observation import read

CONTEXTS = "contexts"  # the array of a .npz with the context of each example, beside its latents

# --- using a model ---------------------------------------------------------------------------------

RECONSTRUCTED = 20  # examples, unless a number is said


def sample(args: Namespace) -> Answer:
    """Write draws of the prior, decoded."""
    bulk.must_suit(args, "where", "freeze")
    if bulk.is_folder(args.output):
        of_run_given = partial(_given, n=args.n, label=args.label, data_dir=args.data_dir, seed=args.seed)
        return bulk.in_parts(args, Sample(args.run, args.device, args.n, args.draw, args.seed, args.label, of_run_given), "samples")
    write = _image_writer(args.output, lambda images: style.sheet_png(images, columns=_side(len(images))))
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
    label = None if args.label is None else _number_of(run, args.label)
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
        alone = run.vae if label is None else _as_class(run, label)
        return lambda first, end: alone
    test = cache(lambda: run.read(None, data_dir).test)
    return lambda first, end: of_run.given(run.vae, n, test, seed, slice(first, end))


def _as_class(run: Run, label: str) -> Model:
    return classes.as_labels(run.vae, torch.tensor([_number_of(run, label)]))


def _number_of(run: Run, label: str) -> int:
    """The number of a class. Errors: UsageError for a run not given labels, and a class that it does not know."""
    classes.label_of(run.vae)
    return classes.number(label, run.spec.classes)


def reconstruct(args: Namespace) -> Answer:
    """Write examples and their reconstructions."""
    run = runs.load(args.run, args.device)
    data = asked_for(run, args, look=True)
    data = first(data, args.n or min(RECONSTRUCTED, len(data)))
    given = data[:]
    name = "reconstructed" if args.as_label is None else f"as {args.as_label}"
    picture = partial(plots.reconstructions, name=name)
    write = _image_writer(args.output, lambda images: style.encode_png(picture(of_run.images(given, run.spec), images)))
    decoder = None if args.as_label is None else _as_class(run, args.as_label)
    values = encoding.reconstruct(run.vae, data, decoder=decoder, levels=args.levels)
    context = run.vae.context
    known = None if context is None else context.tells(encoding.contexts(run.vae, data))
    square = (values - given).square()
    error = float((square if known is None else square[~known]).nanmean())
    return write(run, values, f"{len(given)} reconstructions, mean squared error {error:.4f} per value", mean_squared_error=error)


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
    write = _image_writer(args.output, lambda images: style.sheet_png(images, columns=_side(len(images))))
    run = runs.load(args.run, args.device)
    path = Path(args.latents)
    latents = _latents(run, path)
    if args.label is not None:
        vae: Model = _as_class(run, args.label)
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


def interpolate(args: Namespace) -> Answer:
    """Write the straight line between the latents of two examples, decoded."""
    shares = np.linspace(0, 1, args.n)
    write = _image_writer(args.output, lambda images: style.encode_png(plots.path(images, shares.tolist())))
    run = runs.load(args.run, args.device)
    data = asked_for(run, args, look=True)
    for row in args.between:
        if not 0 <= row < len(data):
            raise UsageError(f"there is no row {row}: these data have rows 0 to {len(data) - 1}")
    between = data.view(torch.tensor(args.between))
    ends = encoding.encode(run.vae, between).to(run.vae.device)
    vae = read(run.vae, between, torch.tensor([0]), seed=0).vae if args.label is None else _as_class(run, args.label)
    values = generate.interpolate(vae, ends[0], ends[1], args.n).cpu()
    return write(run, values, f"{args.n} steps between rows {args.between[0]} and {args.between[1]}")


# --- looking ---------------------------------------------------------------------------------------


def plot(args: Namespace) -> Answer:
    """Write one figure."""
    name = args.figure
    if name not in figure_table.FIGURES:
        raise UsageError(f"unknown figure '{name}'{nearest(name, figure_table.FIGURES)}")
    run = runs.load(args.run, args.device)
    path = Path(args.output) if args.output else run.folder / layout.FIGURES / figure_table.usual_name(name)
    if not args.output:  # a run that was interrupted, or brought from elsewhere, has none yet
        make_folder(path.parent)
    seed = run.recipe.seed if args.seed is None else args.seed
    figure_table.plot(name, of_run.Context(run, lambda: asked_for(run, args, look=True), seed), path)
    return Answer(f"{name}: {path}", {"run": args.run, "figure": name, "output": str(path)})


def report(args: Namespace) -> Answer:
    """The report of a run, written anew."""
    run = runs.load(args.run, args.device)
    is_own = run.is_own(args.data) and args.split in (None, "test")
    name = None if is_own else Path(args.data or run.recipe.data).name + (f", {args.split}" if args.split else "")
    with stages() as stage:
        path = reports.report(run, asked_for(run, args, look=True), name, stage)
    return Answer(f"report: {path}", {"run": args.run, "output": str(path)})


def show(args: Namespace) -> Answer:
    """The recipe, data, training, scores and size of a run."""
    return console.shown(runs.load(args.run, "cpu"))


def zoo(args: Namespace) -> Answer:
    """The models known by name."""
    return console.named(ZOO)


# --- sharing ---------------------------------------------------------------------------------------


def push(args: Namespace) -> Answer:
    """Put a run where others find it."""
    revision = pushing.push(runs.load(args.run, "cpu"), args.address)
    text = f"{args.run} is at {args.address}, revision {revision}; anyone who may read that sees the recipe, the figures and the pictures"
    return Answer(text, {"run": args.run, "address": args.address, "revision": revision})


# --- writing arrays or pictures --------------------------------------------------------------------

Writer = Callable[..., Answer]


def _image_writer(output: str, png: Callable[[np.ndarray], bytes]) -> Writer:
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
            content = png(of_run.images(values, run.spec))
            with written(path) as file:
                file.write(content)
        return Answer(f"{what}: {path}", {"run": str(run.folder), "output": str(path), "n": len(values), **figures})

    return write


def _side(n: int) -> int:
    return int(np.ceil(np.sqrt(n)))
