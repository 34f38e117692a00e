"""Every format is read right, by one law over a table of small true files, and what comes of it is in the files' own units."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from readable import READABLE, Readable
from rows import long_if

from lowerbound import data
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.formats import FORMATS, format_of
from lowerbound.data.units import as_stored
from lowerbound.errors import DataError
from lowerbound.recipes.format_page import page
from lowerbound.recipes.recipe import READING, Recipe
from lowerbound.runs.experiment import Experiment

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
TABLE = "a table"  # whose laws are in test_tables.py


def written(row: Readable, folder: Path) -> str:
    folder.mkdir()
    return str(row.write(folder))


def loaded(row: Readable, source: str) -> Splits:
    return data.load(source, counts="binomial" in row.likelihood, **row.options)


def parts(splits: Splits) -> list[Dataset]:
    return [splits.train, splits.test] if splits.whole is None else [splits.whole]


def test_the_page_is_made_of_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/formats.md is old; `make words` writes it anew"


def test_every_format_has_a_file_here() -> None:
    assert {row.format for row in READABLE.values()} == FORMATS.keys() - {TABLE}


@pytest.mark.parametrize("name", READABLE)
def test_values_labels_and_parts_are_right(name: str, tmp_path: Path) -> None:
    row = READABLE[name]
    source = written(row, tmp_path / "d")
    found = format_of(Path(source), data.reading_of(**row.options))
    assert found is FORMATS[row.format]
    splits = loaded(row, source)
    values = torch.cat([part[:] for part in parts(splits)]).flatten(1)
    wanted = torch.from_numpy(row.values.reshape(len(row.values), -1).astype(np.float64) / row.white).float()
    assert torch.allclose(values, 1 - wanted if row.options.get("invert") else wanted, rtol=0, atol=1e-7)
    if row.values.ndim > 2:
        assert splits.train.event_shape == (row.values.shape[1:] if row.values.ndim == 4 else (1, *row.values.shape[1:]))
    assert list(row.names or []) == [name for part in parts(splits) for name in part.names or []]
    assert (splits.train.labels is None) == (row.names is None)
    assert (len(splits.train), len(splits.test)) == (row.parts or (11, 1))


@pytest.mark.parametrize("name", long_if(lambda name: name not in [*READABLE][::2], READABLE))
def test_what_a_model_draws_is_in_the_units_of_the_file(name: str, tmp_path: Path) -> None:
    row = READABLE[name]
    source = written(row, tmp_path / "d")
    words = {word: row.options[keyword] for word, keyword in READING.items() if keyword in row.options}
    recipe = Recipe(data=source, network="mlp:4", epochs=1, batch=4, likelihood=row.likelihood, **words)
    experiment = Experiment.begin(recipe, tmp_path / "run")
    for _ in experiment.train():
        pass
    experiment.finish()
    run = experiment.run
    torch.manual_seed(0)
    drawn = as_stored(run.vae.sample(50, draw=True), run.spec, recipe.invert)
    assert drawn.shape == (50, *run.spec.event_shape)
    if row.dtype.startswith("float"):
        assert drawn.dtype == np.float32
        whole = np.array_equal(drawn, np.rint(drawn))
        assert whole == ("binomial" in row.likelihood)
        return
    assert drawn.dtype == row.dtype
    assert drawn.min() >= 0
    assert drawn.max() == (row.white if row.white != 255 or row.likelihood == "bernoulli" else 255)
    back = tmp_path / "back.npy"
    np.save(back, drawn)
    again = run.read(back)  # and the run reads its own samples as it read its data
    values = torch.from_numpy(drawn.astype(np.float64) / row.white).float()
    assert torch.allclose(again.usual[:], 1 - values if recipe.invert else values, atol=1e-6)


@pytest.mark.parametrize("suffix", ["pkl", "pt", "pkl.gz", "joblib", "PTH"])
def test_pickles_are_refused_with_advice(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(b"\x80\x04N.")
    with pytest.raises(DataError, match=r"is a pickle, which may run any code; .* numpy\.savez"):
        data.load(tmp_path / f"a.{suffix}")


def test_cifar_as_pickles_is_refused(tmp_path: Path) -> None:
    for name in ("data_batch_1", "batches.meta"):
        (tmp_path / name).write_bytes(b"\x80\x04N.")
    with pytest.raises(DataError, match="take the binary version"):
        data.load(tmp_path)


def test_options_that_a_format_has_not_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 3), np.uint8))
    said = {"size": 8, "types": "x.toml", "header": False}
    for option, value in said.items():
        with pytest.raises(DataError, match="leave that out"):
            data.load(tmp_path / "a.npy", **{option: value})


def test_a_reading_has_what_load_takes() -> None:
    named = {field.name for field in dataclasses.fields(data.reading_of())}
    assert set(READING.values()) <= named
