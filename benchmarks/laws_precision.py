"""Every law of the project in single precision beside sixty digits: the largest error of its log p, and of the gradient.

    python benchmarks/laws_precision.py           # minutes: all points; benchmarks/results/laws_precision.json and docs/precision.md
    python benchmarks/laws_precision.py --page    # the page alone, of the results that there are

At each point the numbers that the law gets are those of single precision, exactly; ``laws_exact`` has what comes of them with 60 digits,
and its gradient by central differences of 10⁻²⁰ of them. An error is ``counted`` in nats, but where log p is beyond ``PLAIN`` it is
``PLAIN`` times its share of log p: single precision has 24 binary digits, and 10⁻⁶ of a number are eight units of its last. The gradient is
that by the number that the network gives, where a softplus or an exponential makes the parameter of it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from laws_table import LAWS, Law, Point
from mpmath import mp

RESULT = Path(__file__).parent / "results" / "laws_precision.json"
PAGE = Path(__file__).parents[1] / "docs" / "precision.md"
LIMIT = 1e-3
PLAIN = 1e3
DIGITS = 60
Found = dict[str, Any]


def counted(error: float, truth: float) -> float:
    """An error in nats, or where the truth is beyond ``PLAIN`` in thousandths of it; infinite where there is no number."""
    return error / max(1.0, abs(truth) / PLAIN) if math.isfinite(error) else math.inf


def in_single(law: Callable[..., torch.Tensor], points: Sequence[Point], by: Sequence[bool]) -> tuple[list[float], list[list[float]]]:
    """What it gives at all points, and its gradient ``by`` some of their numbers, 0 by others."""
    columns = [torch.tensor(column, requires_grad=wanted) for wanted, column in zip(by, zip(*points, strict=True), strict=True)]
    value = law(*columns)
    wanted = [column for column in columns if column.requires_grad]
    slopes = torch.autograd.grad(value.sum(), wanted, allow_unused=True)
    parts = [torch.zeros_like(column) if part is None else part for part, column in zip(slopes, wanted, strict=True)]
    return value.tolist(), [[0.0] * (len(columns) - len(parts)) + list(row) for row in zip(*(part.tolist() for part in parts), strict=True)]


def exactly(law: Law, point: Point) -> tuple[float, list[float]]:
    """The same with ``DIGITS`` digits."""
    with mp.workdps(DIGITS):
        numbers = [mp.mpf(each) for each in point]
        value, slopes = law.exact(*numbers), []
        for place, number in enumerate(numbers):
            if not law.by[place]:
                slopes.append(0.0)
                continue
            step = mp.mpf(10) ** -20 * (abs(number) or 1)
            below, above = (law.exact(*numbers[:place], number + side * step, *numbers[place + 1 :]) for side in (-1, 1))
            slopes.append(float((above - below) / (2 * step)))
        return float(value), slopes


def errors(
    law: Law, found: tuple[list[float], list[list[float]]], points: Sequence[Point], truths: Sequence[tuple[float, list[float]]]
) -> Found:
    """The largest counted error of log p and of its gradient, and where they are."""
    value: list[tuple[float, float, float, Point]] = []
    slope: list[tuple[float, float, float, Point]] = []
    for point, one, many, (truth, exact) in zip(points, *found, truths, strict=True):
        error = abs(one - truth)
        value.append((counted(error, truth), error, truth, point))
        for by, there, moves in zip(many, exact, law.slopes(point), strict=True):
            if moves:
                error = abs(by - there) * moves
                slope.append((counted(error, there * moves), error, there * moves, point))
    return {"value": _largest(law, value), "gradient": _largest(law, slope)}


def _largest(law: Law, all_of_them: Sequence[tuple[float, float, float, Point]]) -> Found:
    count, error, truth, point = max(all_of_them, key=lambda each: each[0])
    return {"counted": count, "error": error, "of": truth, "at": dict(zip(law.names, point, strict=True))}


def measure(law: Law, points: Sequence[Point]) -> Found:
    """Errors at the points of this project's law, and of torch's where that is another."""
    truths = [exactly(law, point) for point in points]
    measured = errors(law, in_single(law.found, points, law.by), points, truths)
    theirs = None if law.torchs is None else errors(law, in_single(law.torchs, points, law.by), points, truths)
    ranges = {each.name: [min(each.values), max(each.values)] for each in law.parameters}
    return {"law": law.name, "points": len(points), "ranges": ranges, **measured, "torch": theirs}


def some(law: Law, number: int, seed: int) -> list[Point]:
    """Points of the grid, drawn by the seed and the law's name; all of a smaller one."""
    points = list(law.points())
    return points if len(points) <= number else random.Random(f"{law.name} {seed}").sample(points, number)  # noqa: S311 - no secret


# --- the page ------------------------------------------------------------------------------------------

INTRODUCTION = f"""# Laws in single precision

Made by `make precision`: every law, and every KL in closed form, that a recipe can have, in single precision, beside the closed form of
the same numbers with {DIGITS} digits (mpmath), over the range of the parameters that networks give and the data that each admits. The
largest error of log p (of a KL, an entropy), in nats, and of its gradient by the number that the network gives, before a softplus or an
exponential, and by a latent. In brackets is what torch's own formula in single precision has at the same points, where it is not
this project's.

Where log p is beyond ±{PLAIN:,.0f} nats an error is counted as {PLAIN:,.0f} times its share of log p, and so are gradients.
{LIMIT:g} is then 10⁻⁶ of log p, or eight units in the last of the 24 binary digits that single precision has: no formula can be much
better, for the result itself is rounded to half of one, which at 10⁵ nats is .004. Nothing in the table may be above {LIMIT:g}.

| law | parameters | points | log p | gradient | the largest error of log p is at | log p there |
|---|---|---|---|---|---|---|
"""

NOTES = """
What a label is, and each category of a table, is the categorical law; levels of a hierarchy and learned p(z|c) are Gaussians, as is
what has the optimal σ. Laws of several values are sums of these over values, and their errors add up at most.

Where the range is bounded, and what is not in the table:

- A softplus has no upper bound. ν, r, and the concentrations of a beta-binomial are held up to 10¹⁰, where log Γ in double precision is
  rounded to 10⁻⁵; λ up to 10⁷; concentrations of Gammas and Betas from .01, as a likelihood from .001, to 10⁵; κ to 10⁵.
- Means of a single cell's counts are held up to e^8.5 ≈ 4,900. Of larger ones log p is as right as here, and the slope in log θ of a count
  up to 16 is off by some 10⁻⁷ of the mean: most counts are small, and have single precision for speed.
- Counts are held up to 2²⁴, the last of the whole numbers that single precision has one by one.
- A σ that is given is not held below .001: of less than 10⁻¹⁹ the square is 0 in single precision.
- Apple's devices (`mps`) have no double precision. There Gammas, Betas, Student-t's and counts have the errors in brackets, and a mixture
  of Gaussians whose components are narrow is off by what it was before, which had no bound.
- A VampPrior of posteriors that are not diagonal Gaussians adds up components in single precision.
- Flows are compositions of networks, without a closed form to be held to. A uniform sphere's log p is one constant.
- Compiled loops stand for the Bernoulli and the Gaussian alone: `tests/system/test_compiled.py` holds them to torch's lines.
"""


def page(found: Sequence[Found]) -> str:
    """docs/precision.md."""
    return INTRODUCTION + "".join(_row(each) for each in found) + NOTES


def _row(found: Found) -> str:
    ranges = ", ".join(
        f"{name} {_short(low)}" + ("" if low == high else f" … {_short(high)}") for name, (low, high) in found["ranges"].items()
    )
    value, slope = (_short(found[part]["counted"]) + _torchs(found, part) for part in ("value", "gradient"))
    where = ", ".join(f"{name} {_short(number)}" for name, number in found["value"]["at"].items())
    return f"| {found['law']} | {ranges} | {found['points']:,} | {value} | {slope} | {where} | {_short(found['value']['of'])} |\n"


def _torchs(found: Found, part: str) -> str:
    return "" if found["torch"] is None else f" ({_short(found['torch'][part]['counted'])})"


def _short(number: float) -> str:
    return "no number" if math.isinf(number) else f"{number:.3g}".replace("-", "−")


def main() -> None:
    """Measure all laws, write the results and the page, and say which are beyond the limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--law", help="measure those alone whose names have this, and write nothing")
    parser.add_argument("--points", type=int, default=sys.maxsize, help="of each law no more than so many")
    words = parser.parse_args()
    if words.page:
        PAGE.write_text(page(json.loads(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    results = []
    for law in LAWS:
        if words.law is None or words.law in law.name:
            results.append(measure(law, some(law, words.points, 0)))
            sys.stdout.write(_row(results[-1]))
            sys.stdout.flush()
    if words.law is None and words.points == sys.maxsize:
        RESULT.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        PAGE.write_text(page(results), encoding="utf-8")
    beyond = [each["law"] for each in results if max(each[part]["counted"] for part in ("value", "gradient")) > LIMIT]
    sys.exit(f"beyond {LIMIT:g}: {', '.join(beyond)}" if beyond else None)


if __name__ == "__main__":
    main()
