"""Shards hold what they were made of, whatever that was; damaged ones are refused; a training on them goes on to the same bits."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from readable import GREYS, LABELS, READABLE
from torch.utils.data import IterableDataset

import lowerbound as lb
from data.streams.networks import vae
from lowerbound import data
from lowerbound.data import Dataset, Splits, dataset, rows
from lowerbound.data.streams import pieces, shards, sources, writing
from lowerbound.errors import DataError, OutputError
from lowerbound.interfaces.cli import main

MANIFEST = shards.MANIFEST


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pieces, shards and blocks of a few rows."""
    of_look = {"LOOK": 8, "FEWEST": 1, "BLOCKS": 4, "STRETCHES": 3}
    for where, names in ((pieces, {"ROWS": 5, "DECODED": 5}), (sources, of_look), (writing, {"SHARD": 100, "PIECE": 60})):
        for name, value in names.items():
            monkeypatch.setattr(where, name, value)


def parts(splits: Splits) -> list[Dataset]:
    return [splits.train, splits.test] if splits.whole is None else [splits.whole]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", READABLE)
def test_what_is_in_shards_is_what_they_were_made_of(name: str, tmp_path: Path) -> None:
    row = READABLE[name]
    (tmp_path / "d").mkdir()
    source, counts = str(row.write(tmp_path / "d")), "binomial" in row.likelihood
    wanted = data.load(source, counts=counts, **row.options)
    made = data.shard(source, tmp_path / "shards", counts=counts, **row.options)
    found = data.load(tmp_path / "shards", counts=counts)
    assert torch.equal(torch.cat([part[:] for part in parts(found)]), torch.cat([part[:] for part in parts(wanted)]))
    assert [part.names for part in parts(found)] == [part.names for part in parts(wanted)]
    for field in ("event_shape", "unit", "white", "black", "stored", "variables"):
        assert getattr(found.train, field) == getattr(wanted.train, field)
    assert found.train.array.dtype == wanted.train.array.dtype
    assert torch.equal(found.train.extremes, wanted.train.extremes)
    assert sum(made.rows.values()) == len(row.values)
    assert made.bytes == sum(part.array.numel() * part.array.dtype.itemsize for part in parts(found))


@pytest.mark.usefixtures("small")
def test_a_table_keeps_its_columns_and_holes(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    numbers = np.random.default_rng(0).normal(size=40)
    table = {"a": [None if row % 7 == 0 else float(value) for row, value in enumerate(numbers)], "b": ["x", "y", "y", "z"] * 10}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "t.parquet", row_group_size=6)
    data.shard(tmp_path / "t.parquet", tmp_path / "shards")
    found = data.load(tmp_path / "shards")
    assert found.schema is not None
    assert [column.kind for column in found.schema.columns] == ["number", "category"]
    wanted = data.load(tmp_path / "t.parquet", schema=found.schema)
    assert torch.equal(found.whole[:].nan_to_num(9.0), wanted.whole[:].nan_to_num(9.0))
    assert found.train.holes == 6
    assert main(["train", str(tmp_path / "shards"), "--recipe", "miwae", "--epochs", "1", "-o", str(tmp_path / "run")]) == 0


def tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("label", ["cls", "json", None])
@pytest.mark.parametrize(("ending", "write"), [("png", png), ("npy", npy)])
def test_tars_of_examples(ending: str, write: Any, label: str | None, tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for row, pixels in enumerate(GREYS):
        members[f"part/{row:04}.{ending}"] = write(pixels)
        said = str(LABELS[row]) if label == "cls" else json.dumps({"label": int(LABELS[row])})
        members |= {} if label is None else {f"part/{row:04}.{label}": said.encode()}
    (tmp_path / "tars").mkdir()
    some = list(members.items())
    half = len(some) // 2
    tar(tmp_path / "tars" / "a-0.tar", dict(some[:half]))
    tar(tmp_path / "tars" / "a-1.tar", dict(some[half:]))
    data.shard(tmp_path / "tars", tmp_path / "shards")
    whole = data.load(tmp_path / "shards").whole
    assert torch.equal(whole.array.index_select(0, torch.arange(len(whole)))[:, 0], torch.from_numpy(GREYS))
    assert whole.names == (None if label is None else [str(one) for one in LABELS])


@pytest.mark.usefixtures("small")
def test_a_damaged_tar_and_one_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no tar" * 200)
    tar(tmp_path / "b.tar", {"1.txt": b"x"})
    for name, why in (("a", "is not a tar or is damaged"), ("b", "each example has an image or an array")):
        with pytest.raises(DataError, match=why):
            data.shard(tmp_path / f"{name}.tar", tmp_path / f"of-{name}")
        assert not (tmp_path / f"of-{name}" / MANIFEST).exists()


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        yield from zip(GREYS, LABELS.tolist(), strict=True)


@pytest.mark.usefixtures("small")
def test_what_python_iterates_over(tmp_path: Path) -> None:
    data.shard(Endless(), tmp_path / "shards")
    whole = data.load(tmp_path / "shards").whole
    assert torch.equal(whole[:], torch.from_numpy(GREYS).float() / 255)
    assert whole.names == [str(label) for label in LABELS]


@pytest.mark.usefixtures("small")
def test_pieces_of_several_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 5 and those after have the event_shape \(4,\), the first \(3,\)"):
        data.shard((np.zeros(3 if row < 5 else 4) for row in range(9)), tmp_path / "shards")


def test_a_folder_that_is_not_new_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match="is not empty; give a new folder"):
        data.shard(Endless(), tmp_path)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(writing, "SHARD", 50_000)
    monkeypatch.setattr(writing, "PIECE", 5_000)
    data.shard("digits", tmp_path / "shards")
    return tmp_path / "shards"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


DAMAGES = {
    "a shard that is shorter": lambda folder: cut(folder / "train-00001.npy"),
    "a shard that is gone": lambda folder: (folder / "train-00001.npy").unlink(),
    "labels that are gone": lambda folder: (folder / "train-00001.labels.npy").unlink(),
    "no JSON": lambda folder: cut(folder / MANIFEST),
    "no object": lambda folder: (folder / MANIFEST).write_text("[]"),
    "a shard elsewhere": lambda folder: (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace("train-00001", "../x")),
    "no part to train on": lambda folder: (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace('"train"', '"test"')),
    "a newer one": lambda folder: (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace('"format": 1', '"format": 2')),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_shards_are_refused_in_one_line(damage: str, made: Path) -> None:
    DAMAGES[damage](made)
    with pytest.raises(DataError) as error:
        data.load(made)
    assert "\n" not in str(error.value)


def test_a_shard_that_shrinks_while_it_is_read(made: Path) -> None:
    train = data.load(made).train
    cut(made / "train-00000.npy")
    for path in made.glob("train-*[0-9].npy"):
        path.write_bytes(path.read_bytes()[: shards.HEADER])
    with pytest.raises(DataError, match="is shorter than it was"):
        train[:]


def test_held_out_examples_are_whole_blocks_with_their_labels(made: Path) -> None:
    found = data.load(made)
    digits = data.load("digits").whole
    train, validation = found.validation(50)
    assert 50 <= len(validation) < 100
    assert len(train) + len(validation) + len(found.test) == len(digits)
    known = {row.numpy().tobytes(): label for row, label in zip(digits[:], digits.labels.tolist(), strict=True)}
    seen = [
        (row.numpy().tobytes(), label) for part in (train, validation, found.test) for row, label in zip(part[:], part.labels, strict=True)
    ]
    assert all(known[row] == int(label) for row, label in seen)
    assert len({row for row, _ in seen}) == len(known)


# --- training --------------------------------------------------------------------------------------


def flat(made: Path) -> Dataset:
    np.save(made.parent / "flat.npy", data.load("digits").whole[:].flatten(1).numpy())
    data.shard(made.parent / "flat.npy", made.parent / "flat")
    return data.load(made.parent / "flat").train


@pytest.mark.parametrize("stop", [1, 7, 30])
def test_left_at_any_step_it_goes_on_to_the_same_bits(stop: int, made: Path) -> None:
    source, whole, left = flat(made), vae(), vae()
    means = [record.bound for record in lb.fit(whole, source, epochs=2, batch=100)]
    state = lb.State.new(left, 0)
    before = [record.bound for record in islice(lb.fit(left, source, epochs=2, batch=100, state=state), stop)]
    again = data.load(made.parent / "flat").train  # another process would begin with nothing in memory
    after = [record.bound for record in lb.fit(left, again, epochs=2, batch=100, state=state)]
    assert before + after == means
    assert all(torch.equal(one, other) for one, other in zip(whole.state_dict().values(), left.state_dict().values(), strict=True))


@pytest.mark.long
def test_it_learns_what_is_learned_from_memory(made: Path) -> None:
    """The order of examples differs, and nothing else: the bounds agree within what another seed changes."""
    source = flat(made)
    values = source[:]
    bounds = []
    for seed, given in ((0, source), (0, values), (1, values)):
        model = vae()
        list(lb.fit(model, given, epochs=8, batch=64, seed=seed))
        bounds.append(lb.mean_bound(model, values).bound)
    assert abs(bounds[0] - bounds[1]) < 0.5 + abs(bounds[1] - bounds[2])


def test_the_command_line(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", str(made), "--epochs", "1", "-o", str(run), "--json"]) == 0
    assert main(["score", str(run), "-o", str(tmp_path / "s.csv"), "--samples", "10"]) == 0
    capsys.readouterr()
    assert main(["shard", "digits", "-o", str(tmp_path / "more"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["examples"] == {"train": 1797}
    assert said["bytes"] == 1797 * 64
    assert main(["shard", "digits", "-o", str(tmp_path / "more")]) == 2
    assert main(["train", str(made), "--likelihood", "poisson", "-o", str(tmp_path / "r2")]) == 2
    assert "make the shards with --counts" in capsys.readouterr().err


def test_figures_show_some_of_data_in_files(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a few blocks: what is drawn of 25 million examples is read in a moment, and is from all over them."""
    train = data.load(made).train
    assert torch.equal(train.pictured[:][:50], train[rows.some_of(train, dataset.PICTURED)][:50])
    monkeypatch.setattr(dataset, "PICTURED", 60)
    monkeypatch.setattr(rows, "BLOCKS", 20)
    shown = train.pictured
    blocks = torch.searchsorted(train.array.ends, shown.rows, right=True)
    assert len(shown) == 60
    assert len(blocks.unique()) == 20
    assert int(shown.rows.max() - shown.rows.min()) > 0.9 * len(train)
    whole = data.load("digits").train
    assert whole.pictured is whole
