"""What an evaluation found, in words: a line for each figure, with its unit and what it is."""

from __future__ import annotations

import math

from lowerbound.evaluation.calibration import LEAST, Calibration, Classification
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.latent_space import ACTIVE, LEAST_KL, Latents
from lowerbound.system.numbers import fixed, percent

DIMENSIONS = 60  # whose KL is written, at most: those that cost most


def line(name: str, value: str, text: str = "") -> str:
    """A figure, and what it is."""
    return f"  {name:<29}{value:>12}  {text}".rstrip()


def of_latents(found: Latents, has_density: bool) -> list[str]:
    """Active units, the KL of levels and dimensions, what x and z have in common."""
    why = (
        f"KL over {LEAST_KL:g} nats"
        if found.levels and found.kl_per_dimension is not None
        else f"variance of the posterior mean over {ACTIVE:g}"
    )
    used = f"of {len(found.variance)}: {why}".replace("0.", ".")
    lines = [line("active units", f"{int(found.active.sum())}", used)]
    for level, active in zip(found.levels, found.active_of_levels if found.levels else (), strict=True):
        lines.append(line(f"  {level.name}", f"{level.kl:.2f}", f"nats of KL given those above; {active} of {level.latent} units active"))
    each = found.kl_per_dimension
    if each is not None:
        largest = sorted(each.tolist(), reverse=True)
        rest = " …" if len(largest) > DIMENSIONS else ""
        lines.append(line("KL per dimension", " ".join(f"{kl:.2f}" for kl in largest[:DIMENSIONS]) + rest))
    elif has_density:
        lines.append("  KL per dimension: this prior or posterior does not come apart into dimensions")
    if found.mutual_information is not None and found.gap is not None:
        of = f"of x and z, over {found.aggregated:,} examples; at most their logarithm, {math.log(found.aggregated):.2f}, can be seen"
        lines.append(line("mutual information", f"{found.mutual_information:.3f}", of))
        gap = "KL(q(z) ‖ p(z)), with the same examples; too high where the line above is at its most"
        lines.append(line("aggregate's gap", f"{found.gap:.3f}", gap))
    return lines


def of_classes(found: Classification) -> list[str]:
    """How well classes are predicted, and how far the probabilities can be believed."""
    how = of_calibration(Calibration(found.temperature, found.calibrated_on))
    accuracy = f"± {percent(found.accuracy_se, 2)} over examples, of {found.labels:,} known labels"
    return [
        line("accuracy", f"{found.accuracy:.2%}", accuracy),
        line("balanced accuracy", f"{found.balanced_accuracy:.2%}", "the mean over classes"),
        line("−log q(y|x)", f"{found.negative_log_likelihood:.4f}", f"nats, of the true class; {how}"),
        line("calibration error", f"{found.calibration_error:.2%}", f"and {found.calibration_error_uncalibrated:.2%} with T = 1"),
    ]


def of_calibration(found: Calibration) -> str:
    """How the probabilities were calibrated."""
    if found.calibrated_on:
        return f"probabilities calibrated, T = {found.temperature:.3g} from {found.calibrated_on:,} validation labels"
    return (
        "probabilities not calibrated, T = 1: T is learned at the end of training, "
        f"from {LEAST} validation labels or more, some of them misclassified"
    )


def of_finding(found: Finding) -> str:
    """What is wrong, what it costs where that is known, and what to try."""
    cost = "" if found.nats is None else f"; it costs {fixed(found.nats, 2)} ± {fixed(found.nats_se, 2)} nats per example"
    return f"found: {found.name}: {found.evidence}{cost}; try: {found.advice}"
