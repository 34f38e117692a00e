"""Imputing in loops finds what the laws themselves say: of all kinds of columns, under every map."""

from __future__ import annotations

import every_column
import pytest
import torch

from lowerbound.tasks import impute
from lowerbound.tasks.filling import Filling


def test_log_likelihoods_are_those_of_the_laws() -> None:
    vae, x = every_column.parts().vae.eval(), every_column.table()
    filling, z = Filling.of(vae, x), torch.randn(201, len(x), 3)
    assert filling is not None
    with torch.no_grad():
        torch.testing.assert_close(filling.log_likelihood(z), vae.log_likelihood(x, z), rtol=1e-4, atol=1e-3)


def test_what_is_filled_in_is_what_the_laws_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means, errors, draws and effective draws, against torch's lines for the same noise."""
    vae, x = every_column.parts(network="mlp:128-128").vae.eval(), every_column.table(200, 0.5)
    x[0, every_column.COLUMNS.index(every_column.OTHERS[1])] = torch.nan
    ours = impute.impute(vae, x, 5, samples=300)
    monkeypatch.setattr(Filling, "of", lambda *_: None)
    theirs = impute.impute(vae, x, 5, samples=300)
    for name in ("mean", "error", "ess"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=2e-3, atol=2e-3, equal_nan=True)
    assert float((ours.draws - theirs.draws).abs().le(1e-3).float().mean()) > 0.999


def test_other_decoders_are_left_to_their_laws() -> None:
    x = every_column.table()
    assert Filling.of(every_column.parts(likelihood="columns-gaussian").vae, x) is None
    vae = every_column.parts().vae
    vae.likelihood.network[0].register_forward_hook(lambda *_: None)
    assert Filling.of(vae, x) is None
