"""What an evaluation says of a model: as values, in words, and as the JSON of ``evaluation.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from lowerbound.evaluation.calibration import Classification
from lowerbound.evaluation.density import Density
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.latent_space import Latents, Level
from lowerbound.evaluation.mean_bound import bits_per_dim
from lowerbound.evaluation.words import line, of_classes, of_finding, of_latents
from lowerbound.system.numbers import fixed

UNITS_OF_ERROR = "mean square per value, in the data's units, of a table as the model has it"
BINS = 50  # of the histogram, at most; one for each five examples


@dataclass(frozen=True)
class CurvePoint:
    """The mean estimate of log p(x) by so many draws of q(z|x) alone, and its standard error over examples, nats."""

    draws: int
    mean: float
    se: float


@dataclass(frozen=True)
class LogP:
    """log p(x) over examples, in nats: ``Density`` in numbers that do not grow with the data. The bound is −(rate + distortion).

    ``ess`` is the mean effective sample size and ``ess_least`` the least; the histogram is of log p(x), ``edges`` one more than ``counts``.
    """

    samples: int
    mean: float
    se_data: float
    se_samples: float
    bias: float
    ess: float
    ess_least: float
    bits_per_dim: float
    bound: float
    bound_se: float
    rate: float
    distortion: float
    curve: tuple[CurvePoint, ...]
    counts: tuple[float, ...]
    edges: tuple[float, ...]

    @classmethod
    def of(cls, density: Density, dimensions: float) -> LogP:
        """That of examples of whose values so many count, on average."""
        finite = density.log_p[density.log_p.isfinite()]  # examples far from all that a model knows can be out of the numbers' range
        counts, edges = torch.histogram(finite, bins=min(BINS, max(1, len(finite) // 5)))
        return cls(
            samples=density.samples,
            mean=density.mean,
            se_data=density.se_data,
            se_samples=density.se_samples,
            bias=density.bias,
            ess=float(density.ess.mean()),
            ess_least=float(density.ess.min()),
            bits_per_dim=bits_per_dim(density.mean, dimensions),
            bound=float(density.elbo.mean()),
            bound_se=_error(density.elbo),
            rate=float(density.kl.mean()),
            distortion=-float(density.log_likelihood_term.mean()),
            curve=tuple(CurvePoint(k, float(row.mean()), _error(row)) for k, row in zip(density.draws, density.curve, strict=True)),
            counts=tuple(counts.tolist()),
            edges=tuple(edges.tolist()),
        )

    def lines(self, of: str, scored: float) -> list[str]:
        """In words: what it is a density ``of``, and of how many values per example."""
        errors = f"± {fixed(self.se_data, 3)} over examples, ± {fixed(self.se_samples, 3)} over draws, "
        return [
            line(of, f"{self.mean:.3f}", f"{errors}too low by about {fixed(-self.bias, 3)}, nats"),
            line("bits/dim", fixed(self.bits_per_dim, 4), f"{scored:,.4g} values per example are scored"),
            line("effective draws", f"{self.ess:,.0f}", f"of {self.samples:,}, on average; at least {self.ess_least:,.1f}"),
            line("bound", f"{self.bound:.3f}", f"± {fixed(self.bound_se, 3)} over examples"),
            line("  rate", f"{self.rate:.3f}", "KL(q(z|x) ‖ p(z))"),
            line("  distortion", f"{self.distortion:.3f}", "−E[log p(x|z)]"),
            *(line(f"by {point.draws:,} of q alone", f"{point.mean:.3f}", f"± {fixed(point.se, 3)}") for point in self.curve),
        ]

    def to_json(self) -> dict[str, Any]:
        """As ``evaluation.json`` has it."""
        return {
            "samples": self.samples,
            "log_likelihood": {name: getattr(self, name) for name in ERRORS},
            **{name: getattr(self, name) for name in NUMBERS},
            "curve": [asdict(point) for point in self.curve],
            "histogram": {"counts": list(self.counts), "edges": list(self.edges)},
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> LogP:
        """What ``to_json`` made. Errors: TypeError, KeyError, ValueError for what it cannot be."""
        numbers = {name: _number(found[name]) for name in NUMBERS} | {name: _number(found["log_likelihood"].get(name)) for name in ERRORS}
        curve = tuple(CurvePoint(int(row["draws"]), _number(row["mean"]), _number(row["se"])) for row in found["curve"])
        counts, edges = (tuple(map(_number, found["histogram"][name])) for name in ("counts", "edges"))
        return cls(samples=int(found["samples"]), **numbers, curve=curve, counts=counts, edges=edges)


ERRORS = ("mean", "se_data", "se_samples", "bias")
NUMBERS = ("ess", "ess_least", "bits_per_dim", "bound", "bound_se", "rate", "distortion")


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What is known of a model on ``rows`` examples; ``log_p`` is None where q has no density, ``classifier`` where no class is predicted.

    Printed it is in words, as ``lowerbound evaluate`` has it.

    ``reconstruction_error`` is the mean squared error per value of what comes back through the latent, in the data's units;
    ``note`` says what the nats are nats of. ``scored`` is how many values per example they are of, on average; ``of`` what there is a
    density of, log p(x) or that of a part of x. ``density`` has log p(x) of each example, which no file keeps.
    """

    log_p: LogP | None
    latents: Latents
    reconstruction_error: float
    findings: tuple[Finding, ...]
    scored: float
    rows: int
    note: str
    classifier: Classification | None = None
    of: str = "log p(x)"
    density: Density | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        density = ["  this posterior has no density: no log p(x), rate or information"]
        return "\n".join(
            [
                f"{self.rows:,} examples",
                *(density if self.log_p is None else self.log_p.lines(self.of, self.scored)),
                *of_latents(self.latents, self.log_p is not None),
                *([] if self.classifier is None else of_classes(self.classifier)),
                line("reconstruction error", f"{self.reconstruction_error:.5f}", UNITS_OF_ERROR),
                f"  {self.note}",
                *(map(of_finding, self.findings) if self.findings else ["no problems found"]),
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """As ``evaluation.json`` has it: words and numbers."""
        return {
            "rows": self.rows,
            **({"log_likelihood": None} if self.log_p is None else self.log_p.to_json()),
            **_latents_to_json(self.latents),
            "reconstruction_error": self.reconstruction_error,
            **({} if self.classifier is None else {"classifier": asdict(self.classifier)}),
            "density": self.of,
            "scored": self.scored,
            "findings": [asdict(finding) for finding in self.findings],
            "note": self.note,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Evaluation:
        """What ``to_json`` made, by this version or one before. Errors: TypeError, KeyError, ValueError for what it cannot be."""
        return cls(
            log_p=None if found["log_likelihood"] is None else LogP.from_json(found),
            latents=_latents_from_json(found),
            reconstruction_error=_number(found["reconstruction_error"]),
            findings=tuple(Finding(**one) for one in found["findings"]),
            scored=_number(found.get("scored")),
            rows=int(found["rows"]),
            note=str(found["note"]),
            classifier=None if found.get("classifier") is None else Classification.from_json(found["classifier"]),
            of=str(found.get("density", cls.of)),  # of a time when there was no other
        )


def _latents_to_json(used: Latents) -> dict[str, Any]:
    return {
        "active_units": int(used.active.sum()),
        "latent": len(used.variance),
        "posterior_mean_variance": used.variance.tolist(),
        "kl_per_dimension": None if used.kl_per_dimension is None else used.kl_per_dimension.tolist(),
        "mutual_information": used.mutual_information,
        "aggregate_gap": used.gap,
        "aggregated": used.aggregated,
        **({"levels": _levels_to_json(used)} if used.levels else {}),
    }


def _levels_to_json(used: Latents) -> list[dict[str, Any]]:
    return [asdict(level) | {"active_units": active} for level, active in zip(used.levels, used.active_of_levels, strict=True)]


def _latents_from_json(found: Mapping[str, Any]) -> Latents:
    def numbers(values: Any) -> Tensor:
        return torch.tensor([_number(value) for value in values], dtype=torch.double)

    each, information, gap = found["kl_per_dimension"], found["mutual_information"], found["aggregate_gap"]
    return Latents(
        numbers(found["posterior_mean_variance"]),
        None if each is None else numbers(each),
        None if information is None else _number(information),
        None if gap is None else _number(gap),
        int(found["aggregated"]),
        tuple(Level(str(level["name"]), int(level["latent"]), _number(level["kl"])) for level in found.get("levels", ())),
    )


def _number(value: Any) -> float:
    """A number of a file, where one that is not finite is null. Errors: TypeError, ValueError."""
    return math.nan if value is None else float(value)


def _error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
