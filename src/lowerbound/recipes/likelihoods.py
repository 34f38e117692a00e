"""The words of likelihoods, p(x|z), of where their σ comes from, of how a Bernoulli sees pixels, and of what a missing cell depends on.

A likelihood is offered ``squash``, whether means are kept in [0, 1], ``steps``, what value 1 stands for where values are whole numbers,
``holes``, the ``spec`` of the data and their ``event_shape``, and what its own words make: its ``scale``, or whether to ``binarize``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import Word, make, read

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.data.spec import DataSpec
    from lowerbound.vae.likelihoods import Likelihood
    from lowerbound.vae.likelihoods.scales import Scale

TABLE = {"missingness": "none"}
SCALED = {"scale": "0.1"}
LIKELIHOODS = {
    "bernoulli": Word("vae.likelihoods:Bernoulli", "pixels of zeros and ones, or greys by cross-entropy", own={"pixels": "binarized"}),
    "continuous-bernoulli": Word("vae.likelihoods:ContinuousBernoulli", "greys, cross-entropy made a density on [0, 1]"),
    "gaussian": Word("vae.likelihoods:Gaussian", "real values, squared error", own=SCALED),
    "laplace": Word("vae.likelihoods:Laplace", "real values, absolute error", own=SCALED),
    "student-t": Word("vae.likelihoods:StudentT", "real values, heavy tails", own=SCALED),
    "beta": Word("vae.likelihoods:Beta", "values in (0, 1)"),
    "categorical": Word("recipes.likelihoods:categorical", "levels of a pixel, each with a probability of its own", {"levels": 256}),
    "logistic": Word("vae.likelihoods:LogisticMixture", "levels of a pixel, one discretised logistic", fixed={"components": 1}),
    "logistic-mixture": Word("vae.likelihoods:LogisticMixture", "levels of a pixel, a mixture of discretised logistics", {"components": 5}),
    "ordered-logistic": Word(
        "vae.likelihoods:OrderedLogistic",
        "levels of a pixel, a mixture of logistics over levels that are as far apart as they are frequent",
        {"components": 3},
    ),
    "beta-binomial": Word("vae.likelihoods:BetaBinomial", "levels of a pixel, a bump, a U or a slope"),
    "poisson": Word("vae.likelihoods:Poisson", "counts"),
    "negative-binomial": Word("vae.likelihoods:NegativeBinomial", "counts that vary more than a Poisson's"),
    "nb": Word("vae.likelihoods:NB", "counts that share their sum, as a cell's: its sum × softmax, a dispersion of each value"),
    "zinb": Word("vae.likelihoods:ZINB", "the same with more zeros"),
    "columns": Word("recipes.likelihoods:columns", "a table, each column by its kind, numbers Student-t", fixed={"heavy": True}, own=TABLE),
    "columns-gaussian": Word("recipes.likelihoods:columns", "the same, numbers Gaussian", fixed={"heavy": False}, own=TABLE),
}
SCALES = {
    "learned": Word("vae.likelihoods.scales:Learned", "one σ, learned", fixed={"event": ()}),
    "dimension": Word("vae.likelihoods.scales:Learned", "a σ for each dimension, learned"),
    "decoder": Word("vae.likelihoods.scales:Decoded", "a σ for each value, from the decoder"),
    "optimal": Word("vae.likelihoods.scales:Optimal", "the σ that makes a batch most likely; of a gaussian"),
}
MISSINGNESS = {
    "none": Word("vae.likelihoods.self_masking:ignored", "what is there, not its own value: missing at random"),
    "self": Word(
        "vae.likelihoods.self_masking:logistic",
        "its own value, by a logistic curve of each column, learned; self:high or self:low where it is known which are missing",
        text="direction",
    ),
    "probit": Word("vae.likelihoods.self_masking:probit", "the same, by a probit curve", text="direction"),
}
#: of the columns of a table
OF_TABLES = ("columns", "columns-gaussian")
#: of whole numbers that are no greys
OF_COUNTS = ("poisson", "negative-binomial", "nb", "zinb")
PIXELS = {"binarized": "zeros and ones, drawn afresh each time with the grey value as probability", "grey": "grey values, as they are"}


@dataclass(frozen=True)
class Plan:
    """A likelihood but for its network: its class, and what else it is made with."""

    kind: type[Likelihood]
    arguments: Mapping[str, Any]

    def shape(self, event: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """What its network has to give for data of shape ``event``, and how many numbers for each value of that."""
        return self.kind.shape(event, **self.arguments)

    def around(self, network: nn.Module) -> Likelihood:
        """The likelihood itself."""
        return self.kind(network, **self.arguments)


def likelihood(word: str, spec: DataSpec, own: Mapping[str, Any]) -> Plan:
    """The likelihood of that word for these data; ``own`` are those of the recipe's words that it alone has. Errors: RecipeError."""
    offered: dict[str, Any] = {"spec": spec, "event_shape": spec.event_shape}
    offered |= {"squash": spec.unit_interval, "steps": spec.steps, "holes": spec.holes}
    if "scale" in own:
        offered["scale"] = scale(own["scale"], spec)
    if "missingness" in own:
        offered["missingness"] = own["missingness"]
    if "pixels" in own:
        offered["binarize"] = own["pixels"] == "binarized"
    row, written = read("likelihood", word, LIKELIHOODS)
    found, arguments = row.find(), row.arguments(written, offered)
    made: Plan = Plan(found, arguments) if isinstance(found, type) else found(**arguments)
    return made


def scale(word: str, spec: DataSpec) -> Scale:
    """A number, or a word that says where σ comes from. Errors: RecipeError."""
    from lowerbound.vae.likelihoods.scales import Fixed

    try:
        return Fixed(float(word))
    except ValueError:
        made: Scale = make("scale", word, SCALES, event=spec.event_shape)
        return made


def categorical(levels: int, holes: bool) -> Plan:
    """A probability for each of so many levels."""
    from lowerbound.vae.likelihoods import LevelCategorical

    return Plan(LevelCategorical, {"steps": levels - 1, "holes": holes})


def columns(spec: DataSpec, heavy: bool, missingness: str = TABLE["missingness"]) -> Plan:
    """A distribution for each column, or of images, whose networks keep their shape, for each value. Errors: RecipeError."""
    from lowerbound.data.column import Column
    from lowerbound.vae.likelihoods import Columns, Gaussian, StudentT
    from lowerbound.vae.likelihoods.scales import Decoded

    numbers = tuple(Column(str(place), "number") for place in range(spec.event_shape[0]))
    masking = make("missingness", missingness, MISSINGNESS, columns=spec.columns or numbers)
    if len(spec.event_shape) == 1:
        return Plan(Columns, {"columns": spec.columns or numbers, "heavy": heavy, "missingness": masking})
    if masking is not None:
        raise RecipeError(f"--missingness {missingness} is of the columns of a table, and these examples have more axes; leave it out")
    return Plan(StudentT if heavy else Gaussian, {"scale": Decoded(), "squash": spec.unit_interval, "holes": True})
