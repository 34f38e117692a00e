"""Columns of classes in an order: their law, how they are read, written and filled in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import answer
from torch.distributions import Normal

import lowerbound as lb
from lowerbound import data
from lowerbound.data.column import Column
from lowerbound.distributions.ordinal import of_pieces
from lowerbound.errors import DataError
from lowerbound.runs import run as runs
from lowerbound.vae.likelihoods.ordinal import Ordinal

SHARES = (0.2, 0.5, 0.25, 0.05)
COLUMN = Column("size", "ordinal", ("S", "M", "L", "XL"), shares=SHARES)


def test_it_is_the_difference_of_a_distribution_function() -> None:
    loc, scale, cuts = torch.randn(50).double() * 3, torch.randn(50).double().exp(), torch.tensor([-1.0, 0.5, 0.7, 4.0]).double()
    below = torch.sigmoid((cuts - loc[:, None]) / scale[:, None])
    ends = torch.cat([torch.zeros(50, 1), below, torch.ones(50, 1)], 1)
    torch.testing.assert_close(of_pieces(loc, scale, cuts).exp(), ends.diff(), atol=1e-12, rtol=1e-9)


def test_an_untrained_decoder_has_the_shares_of_the_data() -> None:
    law = Ordinal(COLUMN)
    torch.testing.assert_close(law(torch.zeros(1, 2)).probs[0, 0], torch.tensor(SHARES))
    extreme = law(torch.tensor([[1e4, -50.0], [-1e4, 50.0], [3.0, -50.0]])).log_prob(torch.tensor([[0.0], [3.0], [1.0]]))
    assert extreme.isfinite().all(), "no parameter makes a class impossible"


def test_a_higher_location_never_makes_a_lower_class_more_likely() -> None:
    """P(class > c) grows with the location for each c, which a categorical law does not have."""
    above = Ordinal(COLUMN)(torch.stack([torch.linspace(-5, 5, 101), torch.full((101,), 0.3)], 1)).probs[:, 0].flip(1).cumsum(1)
    assert (above[1:, :-1] > above[:-1, :-1]).all()


# --- tables ------------------------------------------------------------------------------------------

TYPES = 'size = {ordinal = ["S", "M", "L", "XL"]}\n'


def written(folder: Path, sizes: list[str], types: str = TYPES) -> Path:
    rows = [f"{number % 7}.5,{size}" for number, size in enumerate(sizes)]
    (folder / "t.csv").write_text("\n".join(["x,size", *rows]) + "\n", encoding="utf-8")
    (folder / "t.toml").write_text(types, encoding="utf-8")
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("types", "sizes", "levels"),
    [
        (TYPES, ["M", "S", "", "M"] * 10, ("S", "M", "L", "XL")),
        ('size = "ordinal"', ["10", "9", "", "2"] * 10, ("2", "9", "10")),
        ("size = {ordinal = [3, 2, 1]}", ["3.0", "1.0", "2.0", "2.0"] * 10, ("3.0", "2.0", "1.0")),
        ('size = {ordinal = ["none", "some"], keep = ["none"]}', ["none", "some"] * 20, ("none", "some")),
    ],
)
def test_levels_are_in_the_order_that_is_specified(types: str, sizes: list[str], levels: tuple[str, ...], tmp_path: Path) -> None:
    splits = data.load(written(tmp_path, sizes, types), types=tmp_path / "t.toml")
    assert splits.schema is not None
    column = splits.schema.columns[1]
    assert (column.kind, column.classes) == ("ordinal", len(levels))
    there = np.array([levels.index(size) if size else np.nan for size in sizes])
    np.testing.assert_array_equal(np.concatenate([splits.whole[:][:, 1]]), there.astype(np.float32))
    train = splits.train[:][:, 1]
    counts = torch.tensor([float((train == number).sum()) + 0.5 for number in range(len(levels))])
    assert column.shares == pytest.approx((counts / counts.sum()).tolist())
    assert Column.read({**vars(column), "levels": list(column.levels)}) == column, "as a run keeps it"


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ('size = "ordinal"', "its texts are no numbers; write ordinal = "),
        ('size = {ordinal = ["S", "M"]}', "'L' is none of its levels; add it to ordinal, or to missing"),
        ('size = {ordinal = ["S", "S"]}', "each once and the least first"),
        ('size = {ordinal = "S"}', "needs a list of texts"),
        ('size = {ordinal = ["S", "M", "L"], kind = "category"}', "specified as other than ordinal"),
        ('size = {ordinal = ["S", "M", "L"], min = 3}', "specified as other than ordinal"),
    ],
)
def test_what_is_no_order_is_refused(types: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, ["S", "M", "L", "M"] * 10, types)
    with pytest.raises(DataError, match=message):
        data.load(path, types=tmp_path / "t.toml")


def test_a_run_fills_in_draws_and_scores_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a table whose levels follow from x the levels that are missing are those."""
    path = written(tmp_path, [("S", "M", "M", "L", "L", "XL", "XL")[number % 7] if number % 5 else "" for number in range(280)])
    words = ("--types", tmp_path / "t.toml", "--recipe", "miwae", "--network", "orthogonal:32", "--epochs", 60, "--learning-rate", 1e-2)
    answer(capsys, "train", path, *words, "--out", tmp_path / "r")
    answer(capsys, "impute", tmp_path / "r", path, "-o", tmp_path / "f.csv")
    filled = [line.split(",") for line in (tmp_path / "f.csv").read_text().splitlines()[1:]]
    right = [size == ("S", "M", "M", "L", "L", "XL", "XL")[int(float(x))] for x, size in filled]
    assert sum(right) / len(right) > 0.97
    answer(capsys, "sample", tmp_path / "r", "--where", "size=XL", "--n", 50, "-o", tmp_path / "s.csv")
    rows = [line.split(",") for line in (tmp_path / "s.csv").read_text().splitlines()[1:]]
    assert {size for _, size in rows} == {"XL"}
    assert np.mean([float(x) for x, _ in rows]) == pytest.approx(6, abs=0.5)
    vae = runs.load(tmp_path / "r").vae
    known, unseen = lb.log_likelihood(vae, torch.tensor([[0.0, 1.0], [0.0, -1.0]]), 200).log_p
    assert unseen < known, "a level that was never seen raises no score"


def test_near_classes_are_more_likely_than_far_ones() -> None:
    """An ordinal law of data that a normal is rounded to: found by gradient, its shares are the normal's to .01."""
    torch.manual_seed(0)
    u = Normal(0.7, 0.4).sample(torch.Size([4000]))
    value = torch.bucketize(u, torch.tensor([-1.0, 0.2, 1.6])).float()[:, None]
    law, output = Ordinal(COLUMN), torch.zeros(2, requires_grad=True)
    adam = torch.optim.Adam([output], 0.05)
    for _ in range(300):
        adam.zero_grad()
        (-law(output.expand(4000, 2)).log_prob(value).mean()).backward()
        adam.step()
    shares = torch.bincount(value.long().flatten(), minlength=4) / 4000
    assert float((law(output[None]).probs[0, 0] - shares).detach().abs().max()) < 0.06
