"""``lowerbound complete``: draws of the missing part of examples, as a figure or as arrays."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.figures import panels, style
from lowerbound.figures.pictures import images
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.source import asked_for, looked_at, must_not_read_classes
from lowerbound.interfaces.cli.using_options import METHODS
from lowerbound.recipes import missing as masks
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.files import save_arrays, written
from lowerbound.system.numbers import fixed
from lowerbound.tasks.complete import Completions
from lowerbound.tasks.complete import complete as completed
from lowerbound.vae.contexts import Observed

OWN = "own"  # in place of a method, of a run whose model is p(x_missing | x_observed)


def complete(args: Namespace) -> Answer:
    """Completions of the first examples."""
    path = of_kind(args.output, ".png", ".npz")
    run = runs.load(args.run, args.device)
    must_not_read_classes(run)
    holes = masks.lets_holes_in(args.missing)
    data = asked_for(run, args, look=not masks.is_of_data(args.missing), holes=holes)
    console.notes(args, _other_part(run, args.missing))
    shown = looked_at(data, args.rows, path)
    known = ~shown[:].isnan()
    observed = masks.observed(args.missing, data, args.seed)[: len(shown)] & known
    found = completed(
        run.vae,
        shown,
        observed,
        args.n,
        method=args.method,
        samples=args.samples,
        draw=args.draw,
        memory=args.memory,
        seed=args.seed,
    )
    truth = None if bool(observed.equal(known)) else shown[:]
    _write(path, run, shown, observed, found, truth)
    return _answer(args, run, path, observed, found, truth)


def _other_part(run: Run, missing: str) -> list[str]:
    """A note where the run was trained with another part missing."""
    name, _, part = (run.recipe.given or "").partition(":")
    if not isinstance(run.vae.context, Observed) or not part or part == missing:
        return []
    return [f"this run was trained with {part} missing, not {missing}, which it never learned to complete (--given {name} learns any)"]


def _write(path: Path, run: Run, data: Dataset, observed: Tensor, found: Completions, truth: Tensor | None) -> None:
    if path.suffix == ".npz":
        arrays = {"values": found.values, "mean": found.mean, "spread": found.spread, "observed": observed}
        arrays |= {} if truth is None else {"truth": truth}
        save_arrays(path, {name: array.numpy() for name, array in arrays.items()})
        return
    mean, each = (images(values, run.spec) for values in (found.mean, found.values.flatten(0, 1)))
    content = style.encode_png(
        panels.completions(
            images(data[:].where(observed, torch.nan), run.spec),
            observed.numpy(),
            each.reshape(*found.values.shape[:2], *mean.shape[1:]),
            mean,
            found.spread.numpy(),
            None if truth is None else images(truth, run.spec),
        )
    )
    with written(path) as file:
        file.write(content)


def _answer(args: Namespace, run: Run, path: Path, observed: Tensor, found: Completions, truth: Tensor | None) -> Answer:
    n, rows = found.values.shape[:2]
    method = OWN if isinstance(run.vae.context, Observed) else args.method or METHODS[0]
    share = 1 - float(observed.float().mean())
    error = None if truth is None else float((found.mean - truth)[~observed].square().nanmean())
    values = {
        "run": args.run,
        "output": str(path),
        "method": method,
        "n": n,
        "rows": rows,
        "missing": share,
        "mean_squared_error": error,
        "ess": float(found.ess.mean()),
        "ess_least": float(found.ess.min()),
        "acceptance": float(found.acceptance.mean()),
    }
    console.few_draws(args, found.ess, "examples, whose completions are then too alike")
    lines = [f"{n} completions of {rows:,} examples with {share:.0%} of their values missing"]
    if error is not None:
        lines.append(f"mean squared error of their mean {fixed(error, 4)} per missing value")
    if method == OWN:
        lines.append("drawn from the model's own p(x_missing | x_observed)")
    elif torch.isfinite(found.ess).all():
        lines.append(f"{values['ess']:,.0f} effective draws of {args.samples:,}, at least {values['ess_least']:,.1f}")
    else:
        lines.append(f"{values['acceptance']:.0%} of the encoder's proposals were accepted")
    return Answer(f"{', '.join(lines)}: {path}", values)
