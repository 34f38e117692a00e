"""``lowerbound evaluate``: the evaluation of a run in words."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import asdict

from lowerbound.data import Dataset
from lowerbound.evaluation import evaluate as evaluating
from lowerbound.evaluation import missingness
from lowerbound.evaluation.calibration import Calibration, Classification
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.evaluation import Evaluation, LogP
from lowerbound.evaluation.latent_space import ACTIVE, LEAST_KL, Latents
from lowerbound.evaluation.missingness import Support
from lowerbound.figures import report
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.classify import described
from lowerbound.interfaces.cli.console import Answer, fixed, percent
from lowerbound.interfaces.cli.source import asked_for, some_of
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run, learned_from
from lowerbound.system.files import write_json

DIMENSIONS = 60  # whose KL is written, at most: those that cost most


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
    text, against = _text(found), _against(run, data, args)
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


# --- in words --------------------------------------------------------------------------------------


def _text(found: Evaluation) -> str:
    lines = [f"{found.rows:,} examples"]
    if found.log_p is None:
        lines.append("  this posterior has no density: no log p(x), rate or information")
    else:
        lines += _log_p(found.log_p, found.of, found.scored)
    lines += _latents(found.latents, found.log_p is not None) + ([] if found.classifier is None else _classes(found.classifier))
    units = "mean square per value, in the data's units, of a table as the model has it"
    lines.append(_line("reconstruction error", f"{found.reconstruction_error:.5f}", units))
    lines.append(f"  {found.note}")
    lines += [f"found: {one.name}: {one.evidence}{_cost(one)}; try: {one.advice}" for one in found.findings] or ["no problems found"]
    return "\n".join(lines)


def _cost(one: Finding) -> str:
    """What a finding costs, where that is known."""
    return "" if one.nats is None else f"; it costs {fixed(one.nats, 2)} ± {fixed(one.nats_se, 2)} nats per example"


def _supported(one: str, other: str, found: Support) -> str:
    which = f"{one if found.mean > 0 else other} is supported" if found.is_clear else "neither is clearly supported"
    return f"values and holes: {found.mean:+.3f} ± {found.se:.3f} nats per example more by {one} than by {other}; {which}"


def _line(name: str, value: str, text: str = "") -> str:
    return f"  {name:<29}{value:>12}  {text}".rstrip()


def _log_p(found: LogP, of: str, scored: float) -> list[str]:
    lines = [
        _line(
            of,
            f"{found.mean:.3f}",
            f"± {fixed(found.se_data, 3)} over examples, ± {fixed(found.se_samples, 3)} over draws, "
            f"too low by about {fixed(-found.bias, 3)}, nats",
        ),
        _line("bits/dim", fixed(found.bits_per_dim, 4), f"{scored:,.4g} values per example are scored"),
        _line("effective draws", f"{found.ess:,.0f}", f"of {found.samples:,}, on average; at least {found.ess_least:,.1f}"),
        _line("bound", f"{found.bound:.3f}", f"± {fixed(found.bound_se, 3)} over examples"),
        _line("  rate", f"{found.rate:.3f}", "KL(q(z|x) ‖ p(z))"),
        _line("  distortion", f"{found.distortion:.3f}", "−E[log p(x|z)]"),
    ]
    return lines + [_line(f"by {point.draws:,} of q alone", f"{point.mean:.3f}", f"± {fixed(point.se, 3)}") for point in found.curve]


def _classes(found: Classification) -> list[str]:
    how = described(Calibration(found.temperature, found.calibrated_on))
    return [
        _line("accuracy", f"{found.accuracy:.2%}", f"± {percent(found.accuracy_se, 2)} over examples, of {found.labels:,} known labels"),
        _line(
            "balanced accuracy",
            f"{found.balanced_accuracy:.2%}",
            "the mean over classes",
        ),
        _line("−log q(y|x)", f"{found.negative_log_likelihood:.4f}", f"nats, of the true class; {how}"),
        _line("calibration error", f"{found.calibration_error:.2%}", f"and {found.calibration_error_uncalibrated:.2%} with T = 1"),
    ]


def _latents(found: Latents, has_density: bool) -> list[str]:
    why = (
        f"KL over {LEAST_KL:g} nats"
        if found.levels and found.kl_per_dimension is not None
        else f"variance of the posterior mean over {ACTIVE:g}"
    )
    used = f"of {len(found.variance)}: {why}".replace("0.", ".")
    lines = [_line("active units", f"{int(found.active.sum())}", used)]
    for level, active in zip(found.levels, found.active_of_levels if found.levels else (), strict=True):
        lines.append(_line(f"  {level.name}", f"{level.kl:.2f}", f"nats of KL given those above; {active} of {level.latent} units active"))
    each = found.kl_per_dimension
    if each is not None:
        largest = sorted(each.tolist(), reverse=True)
        rest = " …" if len(largest) > DIMENSIONS else ""
        lines.append(_line("KL per dimension", " ".join(f"{kl:.2f}" for kl in largest[:DIMENSIONS]) + rest))
    elif has_density:
        lines.append("  KL per dimension: this prior or posterior does not come apart into dimensions")
    if found.mutual_information is not None and found.gap is not None:
        of = f"of x and z, over {found.aggregated:,} examples; at most their logarithm, {math.log(found.aggregated):.2f}, can be seen"
        lines.append(_line("mutual information", f"{found.mutual_information:.3f}", of))
        gap = "KL(q(z) ‖ p(z)), with the same examples; too high where the line above is at its most"
        lines.append(_line("aggregate's gap", f"{found.gap:.3f}", gap))
    return lines
