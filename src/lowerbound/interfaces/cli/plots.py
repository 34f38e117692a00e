"""The verbs that plot a run or its examples: arguments → an ``Answer``. The work is done elsewhere; here it is called and put in words."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lowerbound.errors import UsageError, nearest
from lowerbound.figures import images as plots
from lowerbound.figures import of_run, style
from lowerbound.figures import report as reports
from lowerbound.figures import table as figure_table
from lowerbound.figures.pictures import images
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import as_class, image_writer
from lowerbound.interfaces.cli.progress import stages
from lowerbound.interfaces.cli.source import asked_for, first
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.system.files import make_folder
from lowerbound.tasks import encode as encoding
from lowerbound.tasks import generate
from lowerbound.vae.observation import read

RECONSTRUCTED = 20  # examples, unless a number is said


def reconstruct(args: Namespace) -> Answer:
    """Write examples and their reconstructions."""
    run = runs.load(args.run, args.device)
    data = asked_for(run, args, look=True)
    data = first(data, args.n or min(RECONSTRUCTED, len(data)))
    given = data[:]
    name = "reconstructed" if args.as_label is None else f"as {args.as_label}"
    picture = partial(plots.reconstructions, name=name)
    write = image_writer(args.output, lambda back: style.encode_png(picture(images(given, run.spec), back)))
    decoder = None if args.as_label is None else as_class(run, args.as_label)
    values = encoding.reconstruct(run.vae, data, decoder=decoder, levels=args.levels)
    context = run.vae.context
    known = None if context is None else context.tells(encoding.contexts(run.vae, data))
    square = (values - given).square()
    error = float((square if known is None else square[~known]).nanmean())
    return write(run, values, f"{len(given)} reconstructions, mean squared error {error:.4f} per value", mean_squared_error=error)


def interpolate(args: Namespace) -> Answer:
    """Write the straight line between the latents of two examples, decoded."""
    shares = np.linspace(0, 1, args.n)
    write = image_writer(args.output, lambda steps: style.encode_png(plots.path(steps, shares.tolist())))
    run = runs.load(args.run, args.device)
    data = asked_for(run, args, look=True)
    for row in args.between:
        if not 0 <= row < len(data):
            raise UsageError(f"there is no row {row}: these data have rows 0 to {len(data) - 1}")
    between = data.view(torch.tensor(args.between))
    ends = encoding.encode(run.vae, between).to(run.vae.device)
    vae = read(run.vae, between, torch.tensor([0]), seed=0).vae if args.label is None else as_class(run, args.label)
    values = generate.interpolate(vae, ends[0], ends[1], args.n).cpu()
    return write(run, values, f"{args.n} steps between rows {args.between[0]} and {args.between[1]}")


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
        path = reports.report(run, asked_for(run, args, look=True), name, stage, args.draw_by)
    return Answer(f"report: {path}", {"run": args.run, "output": str(path)})
