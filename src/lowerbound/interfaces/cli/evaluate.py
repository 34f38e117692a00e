"""``lowerbound evaluate``: the evaluation of a run in words."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from lowerbound.data import Dataset
from lowerbound.evaluation import evaluate as evaluating
from lowerbound.evaluation import missingness
from lowerbound.evaluation.missingness import Support
from lowerbound.figures import report
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.source import asked_for, some_of
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run, learned_from
from lowerbound.system.files import write_json


def evaluate(args: Namespace) -> Answer:
    """All that can be said of a run; kept with it where the data are its own test data."""
    run = runs.load(args.run, args.device)
    data = some_of(asked_for(run, args, look=True), args)
    if run.is_own(args.data):
        console.notes(args, [note for note in run.record.notes if note not in args.notes])
    found = evaluating.evaluate(
        run.vae,
        data,
        samples=args.samples,
        memory=args.memory,
        seed=args.seed,
        history=run.history(),
        calibration=run.calibration(),
    )
    values = {"run": args.run, "seed": args.seed, **found.to_json(), "notes": args.notes}
    values |= {} if found.classifier is None else {"balanced_accuracy": found.classifier.balanced_accuracy}
    text, against = str(found), _against(run, data, args)
    if against is not None:
        values |= {"against": {"run": args.against, **asdict(against)}}
        text = f"{text}\n{_supported(args.run, args.against, against)}"
    if run.is_own(args.data) and args.split in (None, "test") and args.rows is None:
        write_json(run.folder / layout.EVALUATION, values)
        result = run.result()
        if result is not None:
            train = learned_from(run.recipe, run.read(args.data, args.data_dir))[0]
            report.write(run, data, train, result, draw=args.draw_by)
            return Answer(f"{text}\nreport: {run.folder / layout.REPORT}", values)
    return Answer(text, values)


def _against(run: Run, data: Dataset, args: Namespace) -> Support | None:
    """How much better than another run it says what cells are and which are missing."""
    if args.against is None:
        return None
    other = runs.load(args.against, args.device)
    return missingness.support(run.vae, other.vae, data, args.samples, memory=args.memory, seed=args.seed)


def _supported(one: str, other: str, found: Support) -> str:
    which = f"{one if found.mean > 0 else other} is supported" if found.is_clear else "neither is clearly supported"
    return f"values and holes: {found.mean:+.3f} ± {found.se:.3f} nats per example more by {one} than by {other}; {which}"
