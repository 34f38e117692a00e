"""``lowerbound evaluate`` and ``lowerbound score``: the evaluation of a run in words, and log p(x) a row in a table."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import Any

from lowerbound.data import Dataset, writing
from lowerbound.evaluation import evaluate as evaluation
from lowerbound.evaluation.calibration import Calibration
from lowerbound.evaluation.marginal import log_likelihood
from lowerbound.evaluation.regret import likelihood_regret
from lowerbound.figures import report
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.classify import described
from lowerbound.interfaces.cli.console import Answer, fixed, percent
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.source import asked_for, first
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.system.files import write_json

LONG = 2_000_000  # draws in all: more take most of a minute


def evaluate(args: Namespace) -> Answer:
    """All that can be said of a run; kept with it where the data are its own test data."""
    run = runs.load(args.run, args.device)
    data = _some(asked_for(run, args, look=True), args)
    found = evaluation.evaluate(
        run.vae,
        data,
        samples=args.samples,
        memory=args.memory,
        seed=args.seed,
        history=run.history(),
        calibration=run.calibration(),
    ).values()
    values = {"run": args.run, "seed": args.seed, **found}
    if run.is_own(args.data) and args.split in (None, "test") and args.rows is None:
        write_json(run.folder / layout.EVALUATION, values)
        result = run.result()
        if result is not None:
            report.write(run, data, result)
            return Answer(f"{_told(values)}\nreport: {run.folder / layout.REPORT}", values)
    return Answer(_told(values), values)


def score(args: Namespace) -> Answer:
    """A row for each datum."""
    path = of_kind(args.output, *writing.WRITERS)
    run = runs.load(args.run, args.device)
    data = _some(asked_for(run, args), args)
    density = log_likelihood(run.vae, data, args.samples, memory=args.memory, seed=args.seed)
    columns: dict[str, Any] = {"row": list(range(len(data)))}
    if data.names is not None:
        columns["label"] = data.names
    columns |= {"log_p": density.log_p, "log_p_se": density.se, "ess": density.ess, "elbo": density.elbo}
    if args.regret:
        columns["regret"] = likelihood_regret(run.vae, data, memory=args.memory, seed=args.seed)
    writing.write(path, {name: column if isinstance(column, list) else column.tolist() for name, column in columns.items()})
    text = f"{len(data):,} data, {run.vae.density} {density.mean:.2f} ± {density.se_data:.2f} nats on average: {path}"
    values = {
        "run": args.run,
        "output": str(path),
        "n": len(data),
        "columns": list(columns),
        "density": run.vae.density,
        "mean": density.mean,
    }
    return Answer(text, values)


def _some(data: Dataset, args: Namespace) -> Dataset:
    """All data or the first few; many draws of many data are announced, for they take minutes."""
    data = data if args.rows is None else first(data, args.rows)
    if len(data) * args.samples > LONG:
        console.notes([f"log p(x) of {len(data):,} data by {args.samples:,} draws each takes a while; --rows N takes the first N"])
    return data


# --- in words --------------------------------------------------------------------------------------


def _told(values: dict[str, Any]) -> str:
    lines = [f"{values['rows']:,} data"]
    if values["log_likelihood"] is None:
        lines.append("  this posterior has no density: no log p(x), rate or information")
    else:
        lines += _density(values)
    lines += _latent(values) + (_classes(values["classifier"]) if "classifier" in values else [])
    units = "mean square a value, in the data's units, of a table as the model has it"
    lines.append(_line("reconstruction error", f"{values['reconstruction_error']:.5f}", units))
    lines.append(f"  {values['note']}")
    lines += [f"found: {one['name']}: {one['evidence']}; try: {one['advice']}" for one in values["findings"]] or ["found: nothing wrong"]
    return "\n".join(lines)


def _line(name: str, value: str, text: str = "") -> str:
    return f"  {name:<29}{value:>12}  {text}".rstrip()


def _density(values: dict[str, Any]) -> list[str]:
    found, draws = values["log_likelihood"], values["samples"]
    lines = [
        _line(
            values["density"],
            f"{found['mean']:.3f}",
            f"± {fixed(found['se_data'], 3)} over data, ± {fixed(found['se_samples'], 3)} over draws, "
            f"too low by about {fixed(-found['bias'], 3)}, nats",
        ),
        _line("bits a dimension", fixed(values["bits_per_dim"], 4), f"{values['scored']:,.4g} values of a datum are scored"),
        _line("effective draws", f"{values['ess']:,.0f}", f"of {draws:,}, on average; at least {values['ess_least']:,.1f}"),
        _line("bound", f"{values['bound']:.3f}", f"± {fixed(values['bound_se'], 3)} over data"),
        _line("  rate", f"{values['rate']:.3f}", "KL(q(z|x) ‖ p(z))"),
        _line("  distortion", f"{values['distortion']:.3f}", "−E[log p(x|z)]"),
    ]
    curve = [_line(f"by {row['draws']:,} of q alone", f"{row['mean']:.3f}", f"± {fixed(row['se'], 3)}") for row in values["curve"]]
    return lines + curve


def _classes(found: dict[str, Any]) -> list[str]:
    told = described(Calibration.read(found))
    return [
        _line(
            "accuracy", f"{found['accuracy']:.2%}", f"± {percent(found['accuracy_se'], 2)} over data, of {found['labels']:,} known labels"
        ),
        _line("−log q(y|x)", f"{found['negative_log_likelihood']:.4f}", f"nats, of the true class; {told}"),
        _line("calibration error", f"{found['calibration_error']:.2%}", f"and {found['calibration_error_uncalibrated']:.2%} with T = 1"),
    ]


def _latent(values: dict[str, Any]) -> list[str]:
    lines = [_line("active units", f"{values['active_units']}", f"of {values['latent']}: variance of the posterior mean over .01")]
    each = values["kl_per_dimension"]
    if each is not None:
        lines.append(_line("KL a dimension", " ".join(f"{kl:.2f}" for kl in sorted(each, reverse=True))))
    elif values["log_likelihood"] is not None:
        lines.append("  KL a dimension: this prior or posterior does not come apart into dimensions")
    if values["mutual_information"] is not None:
        most = math.log(values["aggregated"])
        of = f"of x and z, over {values['aggregated']:,} data; at most their logarithm, {most:.2f}, can be seen"
        lines.append(_line("mutual information", f"{values['mutual_information']:.3f}", of))
        lines.append(
            _line(
                "aggregate's gap",
                f"{values['aggregate_gap']:.3f}",
                "KL(q(z) ‖ p(z)), with the same data; too high where the line above is at its most",
            )
        )
    return lines
