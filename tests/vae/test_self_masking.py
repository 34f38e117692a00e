"""Tables whose cells are missing because of what they are: the gradient, what training recovers, what is counted, what is refused."""

from __future__ import annotations

import csv
import math
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from trainings import weights

import lowerbound as lb
from lowerbound.data.column import Column
from lowerbound.data.marginals import Marginal
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.errors import RecipeError, UsageError
from lowerbound.evaluation.missingness import support
from lowerbound.recipes.build import Parts, build
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.setup import set_up
from lowerbound.runs.snapshots import must_be_unchanged
from lowerbound.system.seeding import seeded
from lowerbound.tasks.conditional_rows import sample_where
from lowerbound.tasks.impute import impute
from lowerbound.training.processes import ProcessGroup
from lowerbound.training.state import State
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Plan
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.columns import has_room
from lowerbound.vae.likelihoods.self_masking import SelfMasking
from lowerbound.vae.loss import of_rows
from lowerbound.vae.model import Model

COLUMNS = (
    Column("kind", "category", ("a", "b", "c")),
    Column("x", "number"),
    Column("n", "count", loc=1.0, scale=0.5),
    Column("ok", "boolean", ("no", "yes")),
)
ROWS = torch.tensor([[0, 0.3, 2, 1], [torch.nan, torch.nan, torch.nan, torch.nan], [2, torch.nan, 4, 0], [1, -1.2, torch.nan, torch.nan]])
WORDS = {"likelihood": "columns", "network": "mlp:16", "latent": 2, "precision": "float32"}


def parts_of(missingness: str, columns: tuple[Column, ...] = COLUMNS, **words: object) -> Parts:
    spec = DataSpec((len(columns),), -2.0, 4.0, (), True, Schema(columns))
    return build(Recipe(**{**WORDS, **words, "missingness": missingness}), spec)  # type: ignore[arg-type]


def masking_of(vae: Model) -> SelfMasking:
    assert isinstance(vae.likelihood, Columns)
    assert vae.likelihood.missingness is not None
    return vae.likelihood.missingness


@pytest.mark.parametrize("word", ["self", "probit", "self:high", "probit:low"])
def test_the_gradient_is_that_of_finite_differences(word: str) -> None:
    """Of the bound in every number of the masking and in the decoder's last biases, in double precision.

    Within what integrals by points are off: these move with the step of π, which the gradient leaves out.
    """
    parts = parts_of(word)
    parts.vae.double().eval()
    last = [module for module in parts.vae.likelihood.network.modules() if isinstance(module, nn.Linear)][-1].bias
    some = [*masking_of(parts.vae).parameters(), last]
    torch.manual_seed(0)
    for weight in some:
        nn.init.normal_(weight, 0, 0.3)

    def value() -> Tensor:
        with seeded(0, "noise"):
            return of_rows(parts.vae, lb.data.Dataset(ROWS.double()), torch.arange(4), parts.objective, parts.estimator).value

    gradients = torch.autograd.grad(value(), [weight for weight in some if weight.numel()])
    with torch.no_grad():
        for weight, gradient in zip([weight for weight in some if weight.numel()], gradients, strict=True):
            for place in range(weight.numel()):
                before, flat = float(weight.view(-1)[place]), weight.view(-1)
                flat[place] = before + 1e-5
                above = float(value())
                flat[place] = before - 1e-5
                below = float(value())
                flat[place] = before
                assert float(gradient.view(-1)[place]) == pytest.approx((above - below) / 2e-5, abs=3e-4)


def test_without_a_slope_cells_are_missing_completely_at_random() -> None:
    """log p(x, holes|z) is log p(x|z) and log Bernoulli of the rates, and what is behind a hole is p(x|z)."""
    masked, plain = parts_of("self").vae, parts_of("none").vae
    masked.load_state_dict(plain.state_dict(), strict=False)
    masked.likelihood.meet([ROWS])  # type: ignore[attr-defined]
    rate, hole = (ROWS.isnan().sum(0) + 0.5) / 5, ROWS.isnan().float()
    holes = (hole * rate.log() + (1 - hole) * (1 - rate).log()).sum(1)
    z = torch.randn(3, 4, 2)
    torch.testing.assert_close(masked.log_likelihood(ROWS, z), plain.log_likelihood(ROWS, z) + holes, atol=1e-4, rtol=1e-5)
    found, truth = (impute(vae, ROWS, samples=200) for vae in (masked, plain))
    torch.testing.assert_close(found.mean[:, [0, 3]], truth.mean[:, [0, 3]])
    torch.testing.assert_close(found.mean, truth.mean, atol=1e-2, rtol=1e-2)


def test_none_is_as_it_was_before_there_was_the_word(tmp_path: Path) -> None:
    assert not any("missingness" in name for name in parts_of("none").vae.state_dict())
    now = Recipe(**WORDS).words()  # type: ignore[arg-type]
    assert now["missingness"] == "none"
    then = {word: value for word, value in now.items() if word != "missingness"}
    must_be_unchanged(now, then, tmp_path)


def test_the_step_by_hand_leaves_it_to_autograd() -> None:
    for word, taken in (("none", True), ("self", False)):
        parts = parts_of(word)
        state = State(torch.optim.Adam(parts.vae.parameters()), 0)
        plan = Plan(parts.vae, parts.objective, parts.estimator, parts.loss, state, torch.float32)
        assert ByHand.takes(plan) is taken


def linear(n: int = 400) -> tuple[Tensor, Tensor]:
    """Four columns that share a factor, standardized by what is there, and the same without the cells of two that are above their mean."""
    torch.manual_seed(0)
    whole = torch.randn(n, 1) @ torch.tensor([[1.0, 1.0, -1.0, 1.0]]) + 0.5 * torch.randn(n, 4)
    holed = whole.clone()
    holed[:, :2] = whole[:, :2].masked_fill(whole[:, :2] > whole[:, :2].mean(0), torch.nan)
    mean = holed.nanmean(0)
    scale = (holed - mean).square().nanmean(0).sqrt()
    return (whole - mean) / scale, (holed - mean) / scale


BOUNDED = Column("x", "number", loc=1.0, scale=2.0, marginal=Marginal(least=1.0, greatest=19.0))  # from 0 to 9 of the model's units


@pytest.mark.parametrize(
    ("column", "least", "greatest", "above", "below"),
    [
        (Column("x", "number"), 0.0, 9.0, True, True),
        (BOUNDED, 0.0, 8.9, True, False),
        (BOUNDED, 0.1, 9.0, False, True),
        (Column("n", "count", loc=1.0, scale=0.5), 0.0, 9.0, True, False),
        (Column("n", "count", loc=1.0, scale=0.5), 1.0, 9.0, True, True),
    ],
)
def test_a_curve_begins_as_a_cut_where_there_is_room_beyond(
    column: Column, least: float, greatest: float, above: bool, below: bool
) -> None:
    values = torch.linspace(least, greatest, 200)
    values[1:-1:3] = torch.nan
    assert (has_room(column, values, 1), has_room(column, values, -1)) == (above, below)
    vae = parts_of("self:high", (column,)).vae
    vae.likelihood.meet([values[:, None]])  # type: ignore[attr-defined]
    seen = column.kind == "number"  # of counts on a logarithmic scale, where they crowd
    assert bool(masking_of(vae).start[1] >= 10 - 1e-5) is above or not seen


def trained(word: str, data: Tensor, epochs: int = 50) -> lb.VAE:
    columns = tuple(Column(str(place), "number") for place in range(4))
    parts = parts_of(word, columns, likelihood="columns-gaussian", objective="iwae:3", network="mlp:32")
    state = State(torch.optim.Adam(parts.vae.parameters(), 6e-3))
    for _ in lb.fit(parts.vae, data, epochs=epochs, batch=64, objective=parts.objective, estimator=parts.estimator, state=state):
        pass
    assert isinstance(parts.vae, lb.VAE)
    return parts.vae


@pytest.mark.long  # half a minute of training; the laws above are quick
def test_it_finds_what_is_missing_above_the_mean() -> None:
    """Most of the error of a model that takes the cells for missing at random goes, and 95% intervals hold most of the cells."""
    whole, holed = linear()
    hole, rmse, covered, models = holed.isnan(), {}, {}, {}
    for word in ("none", "self", "self:high"):
        models[word] = trained(word, holed[:300])
        found = impute(models[word], holed, 100, samples=200)
        low, high = found.draws.quantile(0.025, 0), found.draws.quantile(0.975, 0)
        rmse[word] = float((found.mean - whole)[hole].square().mean().sqrt())
        covered[word] = float(((whole >= low) & (whole <= high))[hole].float().mean())
    assert max(rmse["self"], rmse["self:high"]) < 0.7 * rmse["none"]
    assert covered["none"] < 0.5
    assert min(covered["self"], covered["self:high"]) > 0.75
    found = support(models["self"], models["none"], holed[300:], 200)
    assert found.is_clear
    assert found.mean > 0


def two_kinds(n: int = 300) -> Tensor:
    """Two kinds of rows, of which the larger one has no value in the first column: what is there is normal, and shows no edge."""
    torch.manual_seed(1)
    large = torch.arange(n) % 2
    whole = torch.stack([4.0 * large + 0.5 * torch.randn(n), 2.0 * large - 1 + 0.3 * torch.randn(n), torch.randn(n), torch.randn(n)], 1)
    return whole.masked_fill((whole > 2) & (torch.arange(4) == 0), torch.nan)


def test_what_only_the_user_knows_is_the_direction() -> None:
    """Values are above or below all that are there, as is specified; nothing in the data says which."""
    holed = two_kinds()
    hole, mean, scale = holed[:, 0].isnan(), holed[~holed[:, 0].isnan(), 0].mean(), holed[~holed[:, 0].isnan(), 0].std()
    data = torch.cat([(holed[:, :1] - mean) / scale, holed[:, 1:]], 1)
    for word, sign in (("self:high", 1), ("self:low", -1)):
        vae = trained(word, data, 20)
        found = impute(vae, data, samples=100).mean[hole, 0]
        assert float((sign * found).mean()) > 1.2
        assert bool((sign * masking_of(vae).curves()[1] > 0).all())


def test_where_it_begins_is_kept_with_the_weights() -> None:
    _, holed = linear()
    one, other = (parts_of("self:high", tuple(Column(str(place), "number") for place in range(4))).vae for _ in range(2))
    one.likelihood.meet([holed])
    other.load_state_dict(one.state_dict())
    z = torch.randn(2, 5, 2)
    torch.testing.assert_close(other.log_likelihood(holed[:5], z), one.log_likelihood(holed[:5], z))
    assert float(one.likelihood.of_rows().start.abs().max()) > 1  # type: ignore[operator,union-attr]
    begun = {name: value.clone() for name, value in one.state_dict().items()}
    one.likelihood.meet([2 * holed])  # a further training begins where the first one left it
    assert all(torch.equal(value, one.state_dict()[name]) for name, value in begun.items())


def test_a_direction_that_is_none_is_refused() -> None:
    with pytest.raises(RecipeError, match="unknown direction 'hihg'"):
        parts_of("self:hihg")


def write(path: Path, n: int = 80) -> Path:
    _, holed = linear(n)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow("abcd")
        writer.writerows([["" if math.isnan(value) else f"{value:.3f}" for value in row] for row in holed.tolist()])
    return path


def begun(data: Path, folder: Path, **words: object) -> Experiment:
    recipe = Recipe(**{**WORDS, "missingness": "self", "epochs": 3, "data": str(data), "batch": 32, **words})  # type: ignore[arg-type]
    return Experiment.begin(recipe, folder, device="cpu")


def test_left_anywhere_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    data = write(tmp_path / "t.csv")
    whole = begun(data, tmp_path / "whole")
    list(whole.train())
    whole.finish()
    left = begun(data, tmp_path / "left")
    for steps in (1, 2):
        list(islice(left.train(), steps))
        left.save()
        left.close()
        left = Experiment.resume(tmp_path / "left", device="cpu")
    list(left.train())
    left.finish()
    assert weights(tmp_path / "left") == weights(tmp_path / "whole")
    assert any("by its own value" in note for note in whole.run.record.notes)
    found = lb.evaluate(whole.run.vae, lb.data.load(data).train, samples=50)
    assert math.isfinite(found.reconstruction_error)
    assert found.scored == 4


def test_shares_of_several_processes_add_up(tmp_path: Path) -> None:
    run = set_up(begun(write(tmp_path / "t.csv"), tmp_path / "one").run.recipe, tmp_path / "run", None, "cpu", ProcessGroup(0, 2)).run
    data, rows, sums = lb.data.load(tmp_path / "t.csv").train, torch.arange(7), []
    for size in (1, 2):
        run.vae.zero_grad()
        for rank in range(size):
            group = ProcessGroup(rank, size)
            (mine,) = group.shares(rows)
            with group.noise(mine, 1, device=run.vae.device):
                loss = run.parts.loss(run.vae, data, mine.rows, run.parts.objective, run.parts.estimator)
            (loss.value * mine.weight / len(rows)).backward()
        sums.append(torch.cat([one.grad.flatten() for one in run.vae.parameters() if one.grad is not None]))
    torch.testing.assert_close(sums[1], sums[0], atol=1e-5, rtol=1e-4)


def test_cells_that_are_not_given_are_not_missing() -> None:
    """Of rows in which a cell is given the others are those of whole rows, whatever the masking."""
    parts, plain = parts_of("self"), parts_of("none")
    plain.vae.load_state_dict(parts.vae.state_dict(), strict=False)
    nn.init.constant_(masking_of(parts.vae).slope, 2.0)  # type: ignore[arg-type]
    found, truth = (sample_where(each.vae, Schema(COLUMNS), {"ok": "yes"}, 20)[0] for each in (parts, plain))
    assert torch.equal(found, truth)


def test_what_it_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="missingness is a word of columns, columns-gaussian"):
        Recipe(likelihood="gaussian", missingness="self")
    with pytest.raises(RecipeError, match="of the columns of a table"):
        build(Recipe(likelihood="columns", missingness="self", network="conv:4"), (1, 8, 8))
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{row / 7:.2f},{row % 5 + 0.5}\n" for row in range(60)))
    with pytest.raises(RecipeError, match="no cell to learn from is missing"):
        begun(tmp_path / "t.csv", tmp_path / "run")
    with pytest.raises(UsageError, match="train one of them with --missingness self"):
        support(parts_of("none").vae, parts_of("none").vae, ROWS)
