"""What a model is given besides z, in words: nothing, a class, a part of the example, or the example made small.

``page/given.js`` has the other half: it makes contexts of what one chooses or paints there.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.data.rows import rows_at_once
from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.networks import Words
from lowerbound.vae.contexts import Context, Label, LowResolution, Observed
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.model import Model
from lowerbound.vae.observation import Observation, read


def given_words(vae: Model) -> Words:
    """How many classes it is given one of, and what it is given of an example's values. Errors: RecipeError for another context.

    A context of one's own kind may be another function than its parent's, and so is none of these.
    """
    context = vae.context
    kind = type(context)
    if context is None or isinstance(context, Label):
        return {"classes_given": context.classes if isinstance(context, Label) else 0, "given": None}
    if kind not in (Observed, LowResolution):
        raise RecipeError("a page shows models that are given nothing, a label, a part of an example, or its low resolution")
    if isinstance(vae.likelihood, Columns):
        raise RecipeError("a page shows models of tables that are given nothing, or labels")
    return {"classes_given": 0, "given": _of_values(context)}


def _of_values(context: Context) -> Words:
    """``shape`` is that of a context."""
    words = {"shape": list(context.shape)}
    return words | ({"kind": "low-resolution", "factor": context.factor} if isinstance(context, LowResolution) else {"kind": "observed"})


def is_given_values(vae: Model) -> bool:
    """Whether it is given something of the example's values, so that p(z|c) is another one for each example."""
    return vae.context is not None and vae.context.of_values


def masks_of(vae: Model, data: Dataset, rows: Int64[Tensor, " n"], seed: int) -> Bool[Tensor, "n *event"] | None:
    """Which values of some examples a model that is given a part is given, by a seed; None of another model."""
    if not isinstance(vae.context, Observed):
        return None
    return torch.cat([_known(vae.context, read(vae, data, some, seed)) for some in rows.split(rows_at_once(data))])


def _known(context: Observed, seen: Observation) -> Bool[Tensor, "n *event"]:
    contexts = seen.vae.posterior.context
    assert contexts is not None
    return context.tells(contexts).cpu()


def given_part(vae: Model, seen: Observation, known: Bool[Tensor, "n *event"] | None) -> Observation:
    """The same examples, the model given these values of them; None leaves what it is given as it is."""
    if known is None:
        return seen
    assert isinstance(vae.context, Observed)
    return replace(seen, vae=vae.given(vae.context.part(seen.x, known.to(seen.x.device))))
