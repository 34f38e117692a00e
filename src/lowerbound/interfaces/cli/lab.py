"""``lowerbound lab``: the table of an experiment of the lessons, and with ``-o`` its figure."""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from lowerbound import data
from lowerbound.errors import UsageError, nearest
from lowerbound.figures.style import encode_png
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.lab import elbo, evidence, faces, figures, gradients, kl
from lowerbound.lab.names import EXPERIMENTS, STEPS
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.system.files import written

Found = tuple[Callable[[], bytes], str, dict[str, Any]]  # what plots the figure, the table, its values
EVIDENCE_DATA = 50
GRADIENT_DATA = 100
MARKS = (0, 1, 3, 10, 30, 100, 300)  # steps of elbo whose bound is in the table
OWNERS = {"p": "elbo", "q": "elbo", "steps": "def"}  # options of one experiment only


def lab(args: Namespace) -> Answer:
    """Run one experiment."""
    name = args.experiment
    if name not in EXPERIMENTS:
        raise UsageError(f"unknown experiment '{name}'{nearest(name, EXPERIMENTS)}")
    kind, needs_run = EXPERIMENTS[name]
    if needs_run and args.run is None:
        raise UsageError(f"{name} needs a run: lowerbound lab {name} RUN")
    if needs_run is False and args.run is not None:
        raise UsageError(f"{name} takes no run; leave '{args.run}' out")
    for option, owner in OWNERS.items():
        if name != owner and getattr(args, option) is not None:
            raise UsageError(f"--{option} is an option of {owner} alone; leave it out")
    path = None if args.output is None else of_kind(args.output, kind)
    plot, text, values = DONE[name](args)
    if path is None:
        return Answer(text, {"experiment": name, **values})
    with written(path) as file:
        file.write(plot())
    return Answer(f"{text}\n{name}: {path}", {"experiment": name, "output": str(path), **values})


def _kl(args: Namespace) -> Found:
    found = kl.landscape()
    mean, variance, least = found.least
    text = f"KL(N(μ, v) ‖ N(0, 1)) in nats\n{console.table(found.rows())}\nleast at μ = {mean:g}, v = {variance:g}, where it is {least:g}"
    return lambda: encode_png(figures.kl(found)), text, {"least": {"mean": mean, "variance": variance, "kl": least}}


def _held_out(args: Namespace, n: int) -> tuple[Run, Tensor]:
    run = runs.load(args.run, args.device)
    if run.vae.context is not None:
        raise UsageError(f"the lab takes models without a context, and {args.run} is given one; take another run")
    data = run.read(None, args.data_dir).test
    return run, data[: min(n, len(data))]


def _evidence(args: Namespace) -> Found:
    run, x = _held_out(args, EVIDENCE_DATA)
    found = evidence.evidence(run.vae, x, seed=args.seed)
    rows = [
        {"draws": k, **{f"{name}_{what}": getattr(curve, what)[i] for name, curve in _curves(found) for what in ("mean", "error")}}
        for i, k in enumerate(found.draws)
    ]
    best = float(found.best.mean())
    text = f"{console.table(rows)}\nbest: {best:.3f} nats per example, by {found.best_draws:,} draws for each of {len(found.best)} examples"
    return (
        lambda: encode_png(figures.evidence(found)),
        text,
        {"rows": rows, "best": best, "best_draws": found.best_draws, "n": len(found.best)},
    )


def _curves(found: evidence.Evidence) -> Sequence[tuple[str, evidence.Curve]]:
    return ("prior", found.prior), ("q", found.posterior)


def _gradients(args: Namespace) -> Found:
    if args.run is None:
        found = gradients.of_toy(seed=args.seed)
    else:
        run, values = _held_out(args, GRADIENT_DATA)
        steps = run.history()[-1]["step"] if run.history() else 0
        found = gradients.of_model(run.vae, values, run.vae.latent, seed=args.seed, steps=steps)
    rows, skipped = [asdict(row) for row in (*found.rows, *found.training)], [asdict(row) for row in found.skipped]
    why = {f"{row['estimator']}, K = {row['draws']}: {row['reason']}" for row in skipped}
    text = "\n".join([console.table(rows), *(f"left out: {line}" for line in sorted(why))])
    return lambda: encode_png(figures.gradients(found)), text, {"rows": rows, "skipped": skipped}


def _elbo(args: Namespace) -> Found:
    p, q = args.p or "truncated-normal", args.q or "gamma"
    found = elbo.climb(p, q, seed=args.seed)
    bound = float(found.bounds[-1])
    values = {"p": p, "q": q, "bound": bound, "log_p": found.log_normaliser, "kl": found.log_normaliser - bound}
    rows = [{"step": step, "bound": float(found.bounds[step])} for step in MARKS if step < len(found.bounds)]
    last = f"bound {bound:.4f}, log p {found.log_normaliser:.4f}; their difference is KL(q ‖ p) = {values['kl']:.4f} nats"
    text = f"{console.table(rows)}\n{last}"
    return lambda: figures.elbo(found), text, {**values, "steps": len(found.bounds) - 1, "bounds": found.bounds.tolist()}


def _def(args: Namespace) -> Found:
    whole = data.load("olivetti", data_dir=args.data_dir).whole
    assert whole is not None  # it has no test part
    x = faces.training(whole[:])
    steps = STEPS if args.steps is None else args.steps
    found = {name: _noted(name, itertools.islice(faces.climb(x, setting, args.seed), steps)) for name, setting in faces.SETTINGS.items()}
    rows = [{"estimator": name, **asdict(step)} for name, noted in found.items() for step in noted]
    return lambda: encode_png(figures.faces(found)), console.table(faces.side_by_side(found)), {"rows": rows}


def _noted(name: str, steps: Iterable[faces.Step]) -> list[faces.Step]:
    """The steps to note, each printed on stderr as it comes: this takes minutes."""
    kept = []
    for step in steps:
        if faces.is_mark(step.iteration):
            kept.append(step)
            console.status(f"{name}: step {step.iteration:,}, bound {step.bound:.4g} nats, {step.seconds:.0f} s")
    return kept


DONE: dict[str, Callable[[Namespace], Found]] = {"kl": _kl, "evidence": _evidence, "gradients": _gradients, "elbo": _elbo, "def": _def}
