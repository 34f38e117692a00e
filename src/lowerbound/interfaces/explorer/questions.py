"""What a page may ask of a model that it does not compute, and the answers: numbers in JSON, NaN and infinity as null."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal, kl_divergence

from lowerbound.distributions import Delta
from lowerbound.distributions.drawing import sample
from lowerbound.figures.explorer.examples import spread_of
from lowerbound.figures.explorer.model import latent_size
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import Model

ROWS = 1024  # latents at once, at most
VALUES = 2**23  # values of examples at once, at most
LARGEST = 1e30  # of a number: what single precision holds, its square aside
SEEDS = 2**31

Answer = dict[str, Any]


class Malformed(Exception):
    """A question that is none; its text says why."""


@dataclass(frozen=True)
class Served:
    """A model that is asked about, and the shape of its examples."""

    vae: Model
    event: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many values an example has."""
        return math.prod(self.event)


# --- reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """The words of a question, each checked as it is read. Errors: Malformed."""

    words: Mapping[str, Any]
    served: Served

    def whole(self, name: str, below: int, usual: int | None = None) -> int:
        """A whole number from 0 on."""
        value = self.words.get(name, usual)
        if type(value) is not int or not 0 <= value < below:
            raise Malformed(f"{name} must be a whole number from 0 to {below - 1}")
        return value

    @property
    def model(self) -> Model:
        """The model in evaluation, given a class number, or the numbers of a context, where it is given such, and null of others."""
        vae = in_evaluation(self.served.vae)
        if isinstance(vae.context, Label):
            label = self.whole("label", vae.context.classes)
            return vae.given(vae.context.numbered(torch.tensor([label])).to(vae.device))
        if self.has("label"):
            raise Malformed("this model is given no label")
        if vae.context is not None:
            shape = vae.context.shape
            return vae.given(self._numbers("context", self.words.get("context"), math.prod(shape)).reshape(1, *shape))
        if self.has("context"):
            raise Malformed("this model is given nothing")
        return vae

    @property
    def x(self) -> Float[Tensor, "1 *event"]:
        """An example, NaN where a value is missing."""
        return self._numbers("x", self.words.get("x"), self.served.size, holes=True).reshape(1, *self.served.event)

    @property
    def z(self) -> Float[Tensor, "K 1 d"]:
        """Some latents."""
        rows, d = self.words.get("z"), latent_size(self.served.vae)
        if type(rows) is not list or not 0 < len(rows) <= ROWS:
            raise Malformed(f"z must be 1 to {ROWS} latents")
        if len(rows) * self.served.size > VALUES:
            raise Malformed(f"so many latents make more than {VALUES:,} values; ask for fewer")
        return torch.stack([self._numbers("each z", row, d) for row in rows])[:, None]

    def has(self, name: str) -> bool:
        """Whether something is said of this."""
        return self.words.get(name) is not None

    def _numbers(self, name: str, values: Any, size: int, holes: bool = False) -> Float[Tensor, " size"]:
        if type(values) is not list or len(values) != size:
            raise Malformed(f"{name} must be {size} numbers")
        good = all((value is None and holes) or (type(value) in (int, float) and -LARGEST <= value <= LARGEST) for value in values)
        if not good:
            raise Malformed(f"{name} must be {size} numbers from {-LARGEST:g} to {LARGEST:g}")
        vae = self.served.vae
        return torch.tensor([math.nan if value is None else float(value) for value in values], dtype=vae.dtype, device=vae.device)


# --- answers -----------------------------------------------------------------------------------------


def posterior(asked: Question) -> Answer:
    """q(z|x): its centre, its standard deviations where it is Gaussian, draws or given latents with log q(z|x) and log p(z), and the KL."""
    vae, x = asked.model, asked.x
    law = vae.posterior(x)
    point = isinstance(law, Delta)
    z = asked.z if asked.has("z") else _drawn(asked, vae, law)
    spread = spread_of(law)
    return {
        "mean": _listed(vae.posterior.centre(law)[0]),
        "sd": None if spread is None else _listed(spread[0]),
        "covariance": _listed(law.covariance_matrix[0]) if isinstance(law, MultivariateNormal) else None,
        "point": point,
        "draws": _listed(z[:, 0]),
        "log_q": [None] * len(z) if point else _listed(law.log_prob(z)[:, 0]),
        "log_p": _listed(_log_prior(vae, z)),
        "kl": None if point else _closed_kl(law, vae.prior()),
    }


def _drawn(asked: Question, vae: Model, law: Distribution) -> Float[Tensor, "K 1 d"]:
    n = asked.whole("n", ROWS + 1)
    with seeded(asked.whole("seed", SEEDS, 0), "explorer", device=vae.device):
        z: Tensor = sample(law, [n])
    return z if law.batch_shape else z[:, None]


def _closed_kl(law: Distribution, prior: Distribution) -> float | None:
    """In closed form, or None, where the page estimates it."""
    try:
        found = float(kl_divergence(law, prior).reshape(-1)[0])
    except NotImplementedError:
        return None
    return found if math.isfinite(found) else None


def _log_prior(vae: Model, z: Float[Tensor, "K 1 d"]) -> Float[Tensor, " K"]:
    """−∞ where z is none that the prior has, beside a sphere, say: a law may refuse those."""
    law, found = vae.prior(), z.new_full((len(z),), -math.inf)
    try:
        inside = law.support.check(z).reshape(len(z), -1).all(1)
    except NotImplementedError:  # a flow does not say
        inside = torch.ones_like(found, dtype=torch.bool)
    if bool(inside.any()):
        found[inside] = law.log_prob(z[inside]).reshape(-1)
    return found


def decode(asked: Question) -> Answer:
    """Means of p(x|z), or with ``draw``, a seed, draws of it; log p(z), and with ``x`` log p(x|z)."""
    vae, z = asked.model, asked.z
    seed = asked.whole("draw", SEEDS) if asked.has("draw") else None
    x = asked.x if asked.has("x") else None
    with seeded(seed or 0, "explorer", device=vae.device):
        means = vae.decode(z, draw=seed is not None)
    found = {"means": _listed(means.reshape(len(z), -1)), "log_p": _listed(_log_prior(vae, z))}
    return found if x is None else found | {"log_likelihood": _log_likelihood(vae, x, z)}


def likelihood(asked: Question) -> Answer:
    """log p(x|z) of an example for each of some latents, of the values that are there, and log p(z)."""
    vae, x, z = asked.model, asked.x, asked.z
    return {"log_likelihood": _log_likelihood(vae, x, z), "log_p": _listed(_log_prior(vae, z))}


def _log_likelihood(vae: Model, x: Float[Tensor, "1 *event"], z: Float[Tensor, "K 1 d"]) -> list[Any]:
    there = ~x.isnan()
    return _listed(vae.log_likelihood(x, z, None if bool(there.all()) else there)[:, 0])


def prior(asked: Question) -> Answer:
    """``n`` draws of p(z), or given latents, with log p(z); its mean and standard deviations where it is Gaussian."""
    vae = asked.model
    law = vae.prior()
    z = asked.z if asked.has("z") else _drawn(asked, vae, law)
    spread = spread_of(law)
    found = {"draws": _listed(z[:, 0]), "log_p": _listed(_log_prior(vae, z))}
    return found if spread is None else found | {"mean": _listed(law.mean.flatten()), "sd": _listed(spread.flatten())}


def _listed(values: Tensor) -> list[Any]:
    """Numbers as lists; None where one is not finite."""
    rows = values.detach().cpu()
    found: list[Any] = rows.tolist()
    return found if bool(rows.isfinite().all()) else _nulled(found)


def _nulled(value: Any) -> Any:
    return [_nulled(one) for one in value] if isinstance(value, list) else value if math.isfinite(value) else None


QUESTIONS: dict[str, Callable[[Question], Answer]] = {"posterior": posterior, "decode": decode, "likelihood": likelihood, "prior": prior}


@torch.no_grad()
def answer(question: str, words: Any, models: Mapping[int, Served]) -> Answer:
    """What a model says to a question. Errors: Malformed."""
    run = words.get("run") if type(words) is dict else None
    if type(run) is not int or run not in models:
        raise Malformed(f"run must be one of {', '.join(map(str, models))}")
    return QUESTIONS[question](Question(words, models[run]))
