"""Of a table's model that is given labels these are coded with the rows: all bytes come back, at the length of the bound given them."""

from __future__ import annotations

import io
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rows import long_if

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, LowerboundError, RunError, UsageError
from lowerbound.recipes.build import build
from lowerbound.tasks import lossless
from lowerbound.tasks.lossless.columns import TableCode, TableModel
from lowerbound.tasks.lossless.tables import LabelColumn
from lowerbound.vae.likelihoods import Columns

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")

CLASSES, LABEL = ("no", "so", "yes"), "answer"


def table(path: Path, n: int, seed: int = 0) -> Path:
    """Rows whose columns hang on the label, which is neither the first nor the last of them."""
    random = np.random.default_rng(seed)
    of = random.choice(3, n, p=[0.7, 0.2, 0.1])
    lines = [
        f"{random.normal() + 3 * c:.3f},{CLASSES[c]},{'xyz'[(c + (random.random() < 0.2)) % 3]},{random.poisson(1 + 4 * c)}" for c in of
    ]
    path.write_text("a,answer,b,c\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def run_of(path: Path, labels: str = LABEL) -> SimpleNamespace:
    """A run as far as compression looks at one: its model, a little trained, its folder, recipe and spec."""
    splits = lb.data.load(path, label_column=labels)
    recipe = lb.Recipe(likelihood="columns", latent=2, network="mlp:16", given="label", label_column=labels)
    spec = DataSpec.of(splits.train, splits.test, splits.schema)
    torch.manual_seed(0)
    vae = build(recipe, spec).vae
    list(lb.fit(vae, splits.train, epochs=20, batch=90))
    return SimpleNamespace(vae=vae.eval(), folder=Path("run"), recipe=recipe, spec=spec)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    return run_of(table(tmp_path_factory.mktemp("table") / "t.csv", 400))


#: how a file's text may be changed
CHANGES = {
    "as it is": lambda text: text,
    "labels in quotes": lambda text: text.replace(",no,", ',"no",', 9),
    "blanks": lambda text: text.replace(",", ", "),
    "one class": lambda text: text.replace(",so,", ",yes,").replace(",no,", ",yes,"),
    "one row": lambda text: "".join(text.splitlines(True)[:2]),
    "missing cells": lambda text: text.replace("x", "", 9),
}


CASES = [("as it is", 3), *((change, 1) for change in CHANGES)]


@pytest.mark.parametrize("case", long_if(lambda case: case[0] != "labels in quotes", CASES))
def test_the_same_bytes_come_back(run: SimpleNamespace, case: tuple[str, int], tmp_path: Path) -> None:
    change, particles = case
    path = table(tmp_path / "t.csv", 30, seed=1)
    path.write_text(CHANGES[change](path.read_text(encoding="utf-8")), encoding="utf-8")
    content, lines = lossless.compress(run, path, block=20, particles=particles), path.read_bytes().splitlines(True)
    assert lossless.decompress(run.vae, content) == path.read_bytes()
    if len(lines) > 28:
        assert lossless.decompress(run.vae, content, range(18, 25)) == b"".join([lines[0], *lines[19:26]])


@pytest.mark.long
def test_it_is_as_long_as_the_bound_given_labels_and_their_entropy(run: SimpleNamespace, tmp_path: Path) -> None:
    path, n = table(tmp_path / "t.csv", 700, seed=2), 700
    rows = lb.data.load(path, schema=run.spec.schema, label_column=LABEL).whole
    assert rows is not None
    bound = float(np.mean([lb.mean_bound(run.vae, rows, seed=seed).bound for seed in range(3)]))
    shares = np.bincount(rows.labels.numpy()) / n
    assert isinstance(run.vae.likelihood, Columns)
    number = run.vae.likelihood.columns[0]
    bits = n * (-bound - math.log(0.001 / number.scale)) / math.log(2) - n * (shares * np.log2(shares)).sum()
    assert coded(run, path) == pytest.approx(bits, rel=0.02)
    swapped = tmp_path / "s.csv"
    swapped.write_text(path.read_text(encoding="utf-8").replace("no", "?").replace("yes", "no").replace("?", "yes"), encoding="utf-8")
    assert coded(run, swapped) > 1.05 * bits


def coded(run: SimpleNamespace, path: Path) -> int:
    """Bits of a file's blocks."""
    content = lossless.compress(run, path)
    assert lossless.decompress(run.vae, content) == path.read_bytes()
    header = lossless.Header.read(io.BytesIO(content))
    return 8 * (len(content) - len(header.to_bytes()) - (header.table or 0))


def test_networks_are_those_of_torch(run: SimpleNamespace) -> None:
    model, labels = TableModel.of(run.vae), torch.arange(30) % 3
    context = torch.nn.functional.one_hot(labels, 3).float()
    z = np.random.default_rng(0).normal(size=(30, 2))
    with torch.no_grad():
        expected = run.vae.given(context).likelihood.output(torch.from_numpy(z).float())
    np.testing.assert_allclose(TableCode(model, [None] * 3)._output(z, context.double().numpy()), expected.numpy(), atol=2e-3)


def test_numbers_are_labels_too(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", 60)
    numbered = path.read_text(encoding="utf-8").replace(",no,", ",3,").replace(",so,", ",03,").replace(",yes,", ",7,")
    path.write_text(numbered, encoding="utf-8")
    run = run_of(path)
    assert run.spec.classes == ("3", "7")
    assert lossless.decompress(run.vae, lossless.compress(run, path)) == path.read_bytes()


def test_labels_that_are_not_there_are_refused(run: SimpleNamespace, tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", 9)
    text = path.read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="known to its run alone; give the run"):
        lossless.compress(run.vae, path)
    for strange in ("perhaps", "NA", ""):
        path.write_text(text.replace(",no,", f",{strange},", 1), encoding="utf-8")
        with pytest.raises(DataError, match=f"line [0-9]+: '{strange}' in column 'answer' is none of this model's classes"):
            lossless.compress(run, path)
    path.write_text(text.replace("answer", "reply"), encoding="utf-8")
    with pytest.raises(DataError, match="no column 'answer'"):
        lossless.compress(run, path)


def test_damage_and_other_models_are_refused(run: SimpleNamespace, tmp_path: Path) -> None:
    content = lossless.compress(run, table(tmp_path / "t.csv", 9), block=5)
    for place in np.random.default_rng(0).integers(0, 8 * len(content), 60):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(LowerboundError) as raised:
            lossless.decompress(run.vae, bytes(changed))
        assert "\n" not in str(raised.value)
    with pytest.raises(RunError, match="these weights are others"):
        lossless.decompress(run_of(table(tmp_path / "o.csv", 60, seed=5)).vae, content)


def test_a_column_of_labels_knows_its_classes(tmp_path: Path) -> None:
    found = LabelColumn(LABEL, CLASSES).classes_of(lb.data.csv_files.read(table(tmp_path / "t.csv", 60)))
    assert found == {"no": 0, "so": 1, "yes": 2}
