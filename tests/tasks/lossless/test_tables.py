"""Tables come back to the byte, whatever is written in them, and are about as long as the model says."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rows import long_if
from scipy import stats

import lowerbound as lb
from lowerbound.data.column import Column
from lowerbound.data.maps import MAPS, Ends
from lowerbound.data.marginals import Marginal
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, LowerboundError, RecipeError, RunError
from lowerbound.nn.missing import TableInput
from lowerbound.recipes.build import build
from lowerbound.tasks import lossless
from lowerbound.tasks.lossless import laws, maps
from lowerbound.tasks.lossless.cells import Writing, coded
from lowerbound.tasks.lossless.column_laws import ColumnLaws, shown, spike_number
from lowerbound.tasks.lossless.columns import TableCode, TableModel
from lowerbound.vae.likelihoods import Columns
from tasks.lossless.models import model

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")


def people(n: int = 120, seed: int = 0) -> list[dict[str, str]]:
    """Rows with a column of every kind."""
    random = np.random.default_rng(seed)
    rows = []
    for row in range(n):
        z = random.normal()
        income = round(math.exp(10 + 0.5 * z), 2) if random.random() > 0.2 else 0
        rows.append(
            {
                "name": f"p{row * 7919 % 1009}",
                "age": str(int(40 + 10 * z)),
                "income": f"{income:.2f}",
                "city": ["Oslo", "Rome, upper", "Lima"][min(2, int(abs(z)))],
                "smoker": ["no", "yes"][z > random.normal()],
                "kids": str(random.poisson(math.exp(z / 2))),
                "calls": str(random.poisson(9) if random.random() > 0.5 else 0),
                "day": f"2021-{1 + row % 12:02}-{1 + row % 28:02}",
                "weight": repr(round(70 + 8 * z, 1)),
                "source": "web",
            }
        )
    return rows


def written(path: Path, rows: list[dict[str, str]], delimiter: str = ",", end: str = "\n") -> Path:
    """A file of them, cells in quotes where they must be."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in line] for line in lines]
    path.write_bytes("".join(delimiter.join(line) + end for line in quoted).encode())
    return path


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> lb.VAE:
    """A model of such tables, not trained."""
    return model_of(written(tmp_path_factory.mktemp("table") / "people.csv", people()))


def model_of(path: Path, **words: str | int) -> lb.VAE:
    splits = lb.data.load(path)
    spec = DataSpec.of(splits.train, splits.test, splits.schema)
    recipe = lb.Recipe(**{"likelihood": "columns", "latent": 3, "network": "mlp:16", **words})
    return build(recipe, spec).vae.eval()


def turned(text: str) -> str:
    return "".join(",".join(line.split(",")[::-1]) + "\n" for line in text.splitlines())


#: how a file's text may be changed
CHANGES: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "no last line ending": lambda text: text.rstrip("\n"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "blank lines": lambda text: text.replace("\n", "\n\n", 3) + "\n\n",
    "a byte order mark": lambda text: "\ufeff" + text,
    "missing cells": lambda text: text.replace(",web\n", ",\n", 20).replace(",Oslo,", ",?,", 10).replace(",no,", ",,", 5),
    "blanks": lambda text: text.replace('"Rome, upper"', "Rome").replace(",", ", "),
    "other categories": lambda text: text.replace("Oslo", "Oslö"),
    "other decimals": lambda text: text.replace(".00,", ",").replace("0,", "0.0,", 7),
    "far away": lambda text: text.replace("2021-01", "1821-01").replace("\np0,", "\np0 ,").replace("0.00,", "98765432109.87,", 3),
    "zeros before": lambda text: text.replace(",7", ",07"),
    "one row": lambda text: "".join(text.splitlines(True)[:2]),
    "all missing": lambda text: text.splitlines(True)[0] + ",,,,,,,,,\n" * 5,
    "quotes": lambda text: text.replace("Lima", '"Lima"').replace("yes", '"yes"', 4),
    "columns in another order": lambda text: turned(text.replace("Rome, upper", "Oslo")),
    "more columns": lambda text: text.replace("source", "source,more").replace(",web", ",web,x"),
}


QUICK = {"as it is", "missing cells"}


@pytest.mark.parametrize("change", long_if(lambda change: change not in QUICK, CHANGES))
def test_the_same_bytes_come_back(vae: lb.VAE, change: str, tmp_path: Path) -> None:
    path = written(tmp_path / "people.csv", people(9, seed=1))
    path.write_bytes(CHANGES[change](path.read_text(encoding="utf-8")).encode())
    content = lossless.compress(vae, path, block=6)
    assert lossless.decompress(vae, content) == path.read_bytes()


@pytest.mark.long
def test_the_same_bytes_come_back_by_levels_of_latents(tmp_path: Path) -> None:
    path = written(tmp_path / "people.csv", people(30))
    for words in ({}, {"posterior": "ladder"}, {"prior": "mixture:3"}):
        deep = model_of(path, latent="2-3", **words)
        assert lossless.decompress(deep, lossless.compress(deep, path, block=20)) == path.read_bytes()


def test_pseudo_inputs_are_shown_to_the_encoder_as_rows_are(tmp_path: Path) -> None:
    """Of numbers and holes: their bins have the odds of torch's prior."""
    path = tmp_path / "numbers.csv"
    numbers = np.random.default_rng(0).normal(size=(30, 3)).round(2)
    path.write_text("a,b,c\n" + "".join(",".join(map(str, row)) + "\n" for row in numbers), encoding="utf-8")
    vae = model_of(path, prior="vamp:4")
    components, law = TableModel.of(vae).latents.components, vae.prior().component_distribution
    assert components is not None
    np.testing.assert_allclose(components.means, law.mean.detach(), atol=1e-3)
    np.testing.assert_allclose(np.exp(components.log_variances / 2), law.stddev.detach(), rtol=1e-3)
    assert lossless.decompress(vae, lossless.compress(vae, path)) == path.read_bytes()


@pytest.mark.long
def test_other_files_come_back_too(vae: lb.VAE, tmp_path: Path) -> None:
    rows = people(20, seed=2)
    tabs = written(tmp_path / "people.tsv", rows, delimiter="\t")
    assert lossless.decompress(vae, lossless.compress(vae, tabs, particles=2)) == tabs.read_bytes()
    zipped = tmp_path / "people.csv.gz"
    zipped.write_bytes(gzip.compress(tabs.read_bytes().replace(b"\t", b";")))
    assert lossless.decompress(vae, lossless.compress(vae, zipped)) == gzip.decompress(zipped.read_bytes())


def test_some_rows_come_back_alone(vae: lb.VAE, tmp_path: Path) -> None:
    path = written(tmp_path / "people.csv", people(10, seed=3))
    lines = path.read_bytes().splitlines(True)
    assert lossless.decompress(vae, lossless.compress(vae, path, block=4), range(3, 8)) == b"".join([lines[0], *lines[4:9]])


def test_damage_is_refused(vae: lb.VAE, tmp_path: Path) -> None:
    content = lossless.compress(vae, written(tmp_path / "people.csv", people(6)), block=4)
    with pytest.raises(RunError, match="these weights are others"):
        lossless.decompress(model("bernoulli"), content)
    random = np.random.default_rng(0)
    for place in random.integers(0, 8 * len(content), 40):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(LowerboundError) as raised:
            lossless.decompress(vae, bytes(damaged))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("likelihood", long_if(lambda name: name == "columns-gaussian", ["columns", "columns-gaussian"]))
def test_a_file_is_as_long_as_the_model_says(likelihood: str, tmp_path: Path) -> None:
    random, n = np.random.default_rng(0), 1000
    z = random.normal(size=n)
    rows = [
        {
            "a": f"{z[row] + random.normal():.3f}",
            "b": "xyz"[random.integers(3)],
            "c": str(random.poisson(2)),
            "d": ["no", "yes"][int(z[row] > 0)],
        }
        for row in range(n)
    ]
    path = written(tmp_path / "table.csv", rows)
    vae = model_of(path, likelihood=likelihood)
    assert isinstance(vae.likelihood, Columns)
    number = vae.likelihood.columns[0]
    bound = lb.mean_bound(vae, lb.data.load(path).whole or torch.zeros(0)).bound
    bits = n * (-bound - math.log(0.001 / number.scale)) / math.log(2)
    content = lossless.compress(vae, path)
    header = lossless.Header.read(io.BytesIO(content))
    assert 8 * (len(content) - len(header.to_bytes()) - (header.table or 0)) == pytest.approx(bits, rel=0.02)


def test_a_model_of_holes_codes_by_its_laws_of_what_is_there(tmp_path: Path) -> None:
    """Its laws begin beyond what is there, where values were cut off; a file by them is as long as they say."""
    numbers = np.random.default_rng(0).normal(size=500)
    path = written(tmp_path / "t.csv", [{"a": f"{number:.2f}" if number < 0.5 else "", "b": "xy"[int(number > 0)]} for number in numbers])
    vae = model_of(path, missingness="self:high")
    splits = lb.data.load(path)
    assert splits.whole is not None
    vae.likelihood.meet([splits.whole[:]])
    assert float(vae.likelihood.start.abs().max()) > 0.5  # type: ignore[operator,union-attr]
    content = lossless.compress(vae, path)
    assert lossless.decompress(vae, content) == path.read_bytes()
    moved = TableModel.of(vae)
    with torch.no_grad():
        output = vae.likelihood.output(torch.zeros(1, 3)) + vae.likelihood.start  # type: ignore[operator]
    np.testing.assert_allclose(TableCode(moved, [None, None])._output(np.zeros((1, 3))), output.double().numpy(), atol=2e-3)
    vae.likelihood.start.zero_()  # type: ignore[operator,union-attr]
    with pytest.raises(RunError):
        lossless.decompress(vae, content)


def test_what_is_no_table_of_the_model_is_refused(vae: lb.VAE, tmp_path: Path) -> None:
    rows = [{"age": "3", "x": "2"}, {"age": "4", "x": "5"}]
    with pytest.raises(DataError, match="has no column"):
        lossless.compress(vae, written(tmp_path / "other.csv", rows))
    with pytest.raises(DataError, match=r"no .csv or .tsv file"):
        lossless.compress(vae, tmp_path / "none.parquet")
    array = lb.VAE(lb.priors.StandardNormal(2), Columns(lb.nn.mlp(2, 6), 2), lb.posteriors.DiagonalGaussian(lb.nn.mlp(2, 4)))
    with pytest.raises(RecipeError, match="no table's"):
        lossless.compress(array, tmp_path / "other.csv")


# --- the laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", MAPS)
def test_a_map_is_that_of_the_model(law: str) -> None:
    low, high = {"log": (-1.0, None), "log-below": (None, 3.0), "logit": (-1.0, 3.0), "soft": (-1.0, None)}.get(law, (None, None))
    column = Column("x", "number", marginal=Marginal(law, low=low, high=high, width=0.1, loc=0.3, scale=0.7))
    v = np.linspace(-0.99, 2.99, 999)
    ends = [math.inf * sign if end is None else end for end, sign in ((low, -1), (high, 1))]
    w, _ = MAPS[law].bend(torch.from_numpy(v), Ends(*torch.tensor([*ends, 0.1], dtype=torch.double)))
    np.testing.assert_allclose(maps.bent(v, column), (w.numpy() - 0.3) / 0.7, atol=1e-3)


def test_an_encoder_sees_what_it_saw(vae: lb.VAE, tmp_path: Path) -> None:
    data = lb.data.load(written(tmp_path / "people.csv", people(30, seed=5))).whole
    assert data is not None
    x = vae.examples(data).rows[torch.arange(30)]
    x[::4, ::2] = torch.nan
    network = vae.posterior.network
    np.testing.assert_allclose(shown(x.double().numpy(), vae.likelihood.columns), network.shown(x).numpy(), atol=2e-3)


def test_laws_of_columns_are_those_of_the_model(vae: lb.VAE, tmp_path: Path) -> None:
    """Of each column the probability of its numbers, against log p of their values times the width of what is written so."""
    rows = 40
    table = lb.data.csv_files.read(written(tmp_path / "people.csv", people(rows, seed=6)))
    own, z = ColumnLaws.of(vae.likelihood), torch.randn(rows, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output, law = vae.likelihood.output(z).double().numpy(), vae.likelihood(z).base_dist
    for place, column in enumerate(vae.likelihood.columns):
        raws = table.columns[table.names.index(column.name)]
        found = coded(raws, [raw.strip('"') for raw in raws], column)
        assert found is not None
        cells, kinds, numbers = found
        assert not kinds.any()
        given, asked = laws.answers(own._law(place, cells.writing, output), numbers)
        length = -np.log(np.where(given == 1, asked, 1 - asked)).sum(0)
        top = len(column.levels) - 1 if column.levels else cells.writing.top
        every = np.arange(top + 1) if top < 1000 else numbers
        log_p = log_of_each(law, place, column, cells.writing, every)
        inside = torch.from_numpy(log_p).logsumexp(0).numpy()  # of what can be in the file
        log_p = (log_p - inside)[numbers, np.arange(rows)] if top < 1000 else log_p.diagonal()
        off = np.abs(length + log_p)[(log_p > -10) & ((inside > -3) | (top >= 1000))]
        assert off.mean() < 0.03, column.name
        assert off.max() < 0.5, column.name  # a Student-t's tails are not quite those of its code


def log_of_each(law: torch.distributions.Distribution, place: int, column: Column, writing: Writing, numbers: np.ndarray) -> np.ndarray:
    """log p of numbers ``(k,)`` under each of n laws, ``(k, n)``."""
    values = writing.values(numbers.astype(float), column)
    x = torch.full((len(numbers), 1, law.batch_shape[-1]), torch.nan)
    x[:, 0, place] = torch.from_numpy(values).float()
    with torch.no_grad():
        log_p = law.log_prob(x)[..., place].double().numpy()
    if column.kind not in ("number", "date"):
        return log_p
    at_spike = np.isin(values.astype(np.float32), np.float32(spikes(column)))
    step = 86_400 if column.kind == "date" else 10.0**-writing.decimals
    return log_p + np.where(at_spike, 0, math.log(step / column.scale))[:, None]


def spikes(column: Column) -> list[float]:
    return [column.in_unit(spike) for spike in maps.spikes_of(column)]


def test_a_student_t_is_met_by_a_normal() -> None:
    from lowerbound.tasks.lossless.column_laws import _cdf

    t = np.linspace(-40, 40, 801)
    zero, one = np.zeros_like(t), np.ones_like(t)
    for freedom in (2.0, 3.0, 10.0, 60.0):
        exact = stats.t.cdf(t, freedom)
        found = _cdf(t, zero, one, freedom * one)
        assert np.abs(found - exact).max() < 2e-3
        likely = exact[:400] > 1e-5
        assert np.abs(np.log(found[:400] / exact[:400])[likely]).max() < 0.25


def test_an_ordinal_is_coded_by_its_law() -> None:
    columns = (Column("size", "ordinal", ("S", "M", "L"), shares=(0.2, 0.5, 0.3)), Column("x", "boolean", ("no", "yes")))
    torch.manual_seed(0)
    likelihood = Columns(lb.nn.mlp(2, 8, 3), columns)
    z, raws = torch.randn(30, 2), ["S", "M", "L"] * 10
    found = coded(raws, raws, columns[0])
    assert found is not None
    with torch.no_grad():
        output, law = likelihood.output(z).double().numpy(), likelihood(z).base_dist
    given, asked = laws.answers(ColumnLaws.of(likelihood)._law(0, found[0].writing, output), found[2])
    length = -np.log(np.where(given == 1, asked, 1 - asked)).sum(0)
    x = torch.stack([torch.from_numpy(found[2]).float(), torch.zeros(30)], 1)
    np.testing.assert_allclose(length, -law.log_prob(x)[:, 0].numpy(), atol=1e-3)
    x[::5] = torch.nan
    network = TableInput(lb.nn.mlp(2, 2), columns)
    np.testing.assert_allclose(shown(x.double().numpy(), columns), network.shown(x).numpy(), atol=1e-3)


def test_a_date_that_many_share_is_a_number_with_a_probability_of_its_own() -> None:
    """In days from the first that is written; one that is not written, or between two days, has none."""
    writing = Writing(least=-10, top=400, form="%Y-%m-%d")
    assert [spike_number(86_400.0 * days, writing) for days in (0, 5, 390, 391, 2.5)] == [10, 15, 400, None, None]
