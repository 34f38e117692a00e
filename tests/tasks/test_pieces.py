"""A piece of data knows the numbers of its rows: what is said of them is, to the bit, what is said of them in the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.data.dataset import Dataset
from lowerbound.evaluation.cells import log_p_of_values
from lowerbound.evaluation.regret import likelihood_regret
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.tasks.encode import contexts
from lowerbound.tasks.impute import impute
from lowerbound.tasks.rank import rank
from tasks.test_impute import TOY, toy

ROWS = 140
#: how many rows each takes at once, and what it says of them
SAID: dict[str, tuple[int, Callable[[lb.VAE, Dataset], Tensor]]] = {
    "log p": (64, lambda vae, data: torch.stack([(found := lb.log_likelihood(vae, data, 25)).log_p, found.se, found.elbo], 1)),
    "log p of each value": (64, lambda vae, data: log_p_of_values(vae, data, 20)),
    "rank": (64, lambda vae, data: rank(vae, data, reference(), samples=5, most=20)),
    "filled in": (64, lambda vae, data: torch.cat([(found := impute(vae, data, 2, samples=20)).mean, found.error, *found.draws], 1)),
    "regret": (100, lambda vae, data: likelihood_regret(vae, data, steps=2)),
}


def reference() -> Dataset:
    with lb.seeding.seeded(1):
        return Dataset(TOY.evidence.sample(torch.Size([20])))


@pytest.mark.parametrize("name", SAID)
def test_of_a_piece_is_said_what_is_said_of_the_whole(name: str) -> None:
    vae, _, _ = toy()
    with lb.seeding.seeded(0):
        values = TOY.evidence.sample(torch.Size([ROWS]))
        whole = Dataset(values.masked_fill(torch.rand(values.shape) < 0.1, torch.nan))
    first, said = SAID[name]
    wanted = said(vae, whole)[first:]
    assert torch.equal(said(vae, whole.piece(first, ROWS)).nan_to_num(9.0), wanted.nan_to_num(9.0))
    others = said(vae, whole.view(torch.arange(first, ROWS)))
    assert not torch.equal(others.nan_to_num(9.0), wanted.nan_to_num(9.0)), "nothing is drawn for a row"


def test_a_context_that_is_drawn_is_that_of_the_row_in_the_whole() -> None:
    vae, whole = build(Recipe(given="observed"), (4,)).vae, Dataset(torch.rand(3000, 4))
    wanted = contexts(vae, whole)[1000:]
    assert torch.equal(contexts(vae, whole.piece(1000, 3000)), wanted)
    assert not torch.equal(contexts(vae, whole.view(torch.arange(1000, 3000))), wanted)
