"""Models of tables and of arrays with holes: each column has its law, the encoder sees the holes, the bound counts what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import z_score

import lowerbound as lb
from lowerbound.data.column import UNSEEN, Column
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.mixed import Mixed
from lowerbound.errors import RecipeError
from lowerbound.nn.missing import MaskedInput, TableInput
from lowerbound.recipes.build import Parts, build
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.vae.likelihoods import Columns

COLUMNS = (
    Column("kind", "category", ("a", "b", "c")),
    Column("x", "number"),
    Column("n", "count", loc=1.0, scale=0.5),
    Column("day", "date", format="%Y-%m-%d"),
    Column("ok", "boolean", ("no", "yes")),
    Column("other", "category", ("u", "v")),
    Column("size", "ordinal", ("S", "M", "L"), shares=(0.2, 0.5, 0.3)),
    Column("calls", "count", loc=1.0, scale=0.5, law="zero-inflated"),
    Column("visits", "count", loc=1.0, scale=0.5, law="poisson"),
)
SCHEMA = Schema(COLUMNS)


def law(heavy: bool = True, batch: tuple[int, ...] = (4,)) -> torch.distributions.Independent:
    likelihood = Columns(nn.Identity(), COLUMNS, heavy)
    (width,), _ = Columns.shape((len(COLUMNS),), columns=COLUMNS, heavy=heavy)
    torch.manual_seed(0)
    found = likelihood(torch.randn(*batch, width))
    assert isinstance(found, torch.distributions.Independent)
    return found


def points(column: Column) -> tuple[torch.Tensor, float]:
    """All values that a column can have, and what each stands for."""
    if column.kind in ("category", "ordinal", "boolean"):
        return torch.arange(max(2, len(column.levels))).float(), 1.0
    if column.kind == "count":
        return torch.arange(3000).float(), 1.0
    return torch.linspace(-400, 400, 80_001), 0.01


@pytest.mark.parametrize("heavy", [True, False])
def test_each_column_is_a_law(heavy: bool) -> None:
    """It sums or integrates to one, and its draws have its mean, its variance, and of classes their probabilities."""
    with torch.no_grad():
        found = law(heavy)
        each = found.base_dist
        assert isinstance(each, Mixed)
        draws = found.sample(torch.Size([40_000]))
        for place, column in enumerate(COLUMNS):
            values, step = points(column)
            filling = torch.zeros(len(values), 1, len(COLUMNS))
            filling[:, 0, place] = values
            p = each.log_prob(filling.expand(-1, 4, -1))[..., place].double().exp()
            torch.testing.assert_close((p * step).sum(0), torch.ones(4, dtype=torch.double), atol=2e-3, rtol=0)
            some = draws[..., place].double()
            if column.classes:
                chances = each.classes[place].double()
                for number in range(len(column.levels)):
                    error = (chances[:, number] * (1 - chances[:, number]) / len(some)).sqrt()
                    off = (some == number).double().mean(0) - chances[:, number]
                    assert bool((off.abs() < 4 * error + 1 / len(some)).all())
                assert torch.equal(each.mean[:, place], chances.argmax(-1).float())
                torch.testing.assert_close(each.variance[:, place].double(), 1 - chances.amax(-1))
            else:
                for f in (torch.sin, lambda x: (x / 3).cos()):
                    truth = (f(values.double())[:, None] * p).sum(0) / p.sum(0)
                    assert z_score(f(some), truth) < 4
                assert z_score(some, each.mean[:, place].double()) < 4
                if column.kind != "number" or not heavy:
                    spread = (some - each.mean[:, place]).square()
                    assert z_score(spread, each.variance[:, place].double()) < (4 if column.kind != "date" else 6)


def test_shapes_and_places() -> None:
    wide = law(batch=(3, 2))
    assert wide.batch_shape == (3, 2)
    assert wide.event_shape == (len(COLUMNS),)
    x = wide.sample(torch.Size([5]))
    assert x.shape == (5, 3, 2, len(COLUMNS))
    assert bool(((x[..., 0] >= 0) & (x[..., 0] <= 2) & (x[..., 5] <= 1)).all())
    assert wide.log_prob(x).shape == (5, 3, 2)
    more = wide.expand(torch.Size([7, 3, 2]))
    torch.testing.assert_close(more.log_prob(x[0].expand(7, -1, -1, -1)), wide.log_prob(x[0]).expand(7, -1, -1))


def test_an_encoder_is_shown_numbers_classes_and_holes() -> None:
    """Of an ordinal of shares .2, .5, .3 the middle of the greatest class is at .85, log odds 1.735 of σ 1.814."""
    x = torch.tensor([[2.0, -0.5, 7.0, 1.5, 1.0, 0.0, 2.0, 7.0, 0.0], [torch.nan] * 9, [*[torch.nan] * 6, UNSEEN, torch.nan, torch.nan]])
    seen = TableInput(nn.Identity(), COLUMNS)(x)
    assert seen.shape == (3, *TableInput.shape(COLUMNS))
    count = (torch.tensor(8.0).log() - 1.0) / 0.5
    torch.testing.assert_close(seen[0], torch.tensor([-0.5, count, 1.5, 1.0, 1.734601 / 1.813799, count, -2, 0, 0, 1, 1, 0]))
    assert not seen[1:].any()
    image = torch.tensor([[[[0.5, torch.nan]]]])
    assert MaskedInput(nn.Identity())(image).tolist() == [[[[0.5, 0.0]], [[1.0, 0.0]]]]


def parts(**words: str | int) -> Parts:
    return build(Recipe(**{**ZOO["miwae"].words, "network": "mlp:8", **words}), DataSpec((len(COLUMNS),), -1.0, holes=True, schema=SCHEMA))


def some(rows: int = 40) -> torch.Tensor:
    torch.manual_seed(1)
    x = law(batch=(rows,)).sample()
    return x.where(torch.rand_like(x) < 0.7, torch.nan)


@pytest.mark.parametrize("words", [{}, {"likelihood": "columns-gaussian"}, {"objective": "elbo"}, {"estimator": "doubly-reparameterized"}])
def test_it_trains_and_its_bound_is_below_the_evidence(words: dict[str, str]) -> None:
    made, x = parts(latent=2, **words), some()
    means = [record.means for record in lb.fit(made.vae, x, epochs=15, batch=20, objective=made.objective, estimator=made.estimator)]
    assert torch.stack(means).isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in made.vae.parameters())
    density = lb.log_likelihood(made.vae, x, 300)
    assert density.log_p.isfinite().all()
    assert float(density.elbo.mean()) < density.mean + 4 * density.se_samples


def test_what_is_missing_does_not_count() -> None:
    """log p(x_observed|z) is that of the columns that are there, and of none 0."""
    vae, x, z = parts().vae.eval(), some(6), torch.randn(3, 6, 10)
    with torch.no_grad():
        each = vae.likelihood(z).base_dist.log_prob(x.nan_to_num(0.0).expand(3, -1, -1))
        torch.testing.assert_close(vae.log_likelihood(x, z), (each * ~x.isnan()).sum(-1))
        assert not vae.log_likelihood(torch.full_like(x, torch.nan), z).any()


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "student-t", "beta", "logistic", "columns"])
def test_arrays_with_holes_train(likelihood: str) -> None:
    torch.manual_seed(0)
    whole = torch.randint(0, 256, (30, 6)) / 255
    x = whole.where(torch.rand_like(whole) < 0.7, torch.nan)
    made = build(Recipe(likelihood=likelihood, network="mlp:8"), DataSpec((6,), holes=True))
    for record in lb.fit(made.vae, x, epochs=5, batch=10):
        assert record.means.isfinite().all()
    assert lb.log_likelihood(made.vae, x, 60).log_p.isfinite().all()
    assert lb.evaluate(made.vae, x, samples=60).reconstruction_error < 1
    assert lb.mean_bound(made.vae, x).bound < 1e3


SENSELESS = [
    ({"likelihood": "bernoulli"}, "choose --likelihood columns"),
    ({"likelihood": "gaussian"}, "boolean, category, count, date, number"),
    ({"corruption": "masking:0.3"}, "leave out --corruption"),
    ({"prior": "vamp:5"}, "choose another prior"),
    ({"network": "conv:8"}, "choose mlp"),
]


@pytest.mark.parametrize(("words", "message"), SENSELESS, ids=str)
def test_what_makes_no_sense_is_refused(words: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parts(**words)


def test_the_optimal_scale_is_of_whole_data() -> None:
    with pytest.raises(RecipeError, match="some values of these are missing"):
        build(Recipe(likelihood="gaussian", scale="optimal"), DataSpec((4,), holes=True))


def test_images_may_have_holes() -> None:
    made = build(Recipe(likelihood="columns", network="conv:4", latent=2), (1, 8, 8))
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for record in lb.fit(made.vae, x.where(x < 0.7, torch.nan), epochs=2, batch=3):
        assert record.means.isfinite().all()


def test_a_table_of_numbers_may_have_another_likelihood() -> None:
    schema = Schema((COLUMNS[1], replace(COLUMNS[1], name="y")))
    made = build(Recipe(likelihood="gaussian", scale="learned", network="mlp:8"), DataSpec((2,), -1.0, holes=True, schema=schema))
    assert made.vae.posterior(torch.tensor([[0.5, torch.nan]])).mean.isfinite().all()


def test_an_encoder_of_holes_has_no_contraction() -> None:
    for likelihood in ("gaussian", "columns"):
        with pytest.raises(RecipeError, match="not defined; choose another objective"):
            lb.build(lb.Recipe(likelihood=likelihood, objective="contractive:0.1", network="mlp:8"), DataSpec((5,), holes=True))
