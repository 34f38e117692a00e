"""Sources that stay on disk as they are have the values, labels and meaning of the same sources read whole."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from readable import COUNTS, GREYS, LABELS, READABLE

import lowerbound as lb
from data.streams.networks import vae
from lowerbound import data
from lowerbound.data import Dataset, DataSpec, Splits, fingerprint_of
from lowerbound.data.formats import FORMATS
from lowerbound.data.streams import memory, of_tables, on_disk, sources
from lowerbound.errors import DataError
from lowerbound.interfaces.cli import main

RANDOM = np.random.default_rng(0)


def by_columns(folder: Path) -> Path:
    np.save(folder / "a.npy", np.asfortranarray(GREYS.reshape(len(GREYS), -1).astype(np.float64)))
    return folder / "a.npy"


def swapped(folder: Path) -> Path:
    np.save(folder / "a.npy", COUNTS.astype(">f4"))
    return folder / "a.npy"


def table(ending: str) -> Callable[[Path], Path]:
    """Columns of each kind, empty cells and texts that mean one, in groups of seven rows."""

    def write(folder: Path) -> Path:
        import pyarrow
        import pyarrow.feather
        import pyarrow.parquet

        kinds = ["x", "y", "y", None, "n/a", "z"] * 10
        columns = {
            "number": [None if row % 7 == 0 else float(value) for row, value in enumerate(RANDOM.normal(size=60))],
            "count": RANDOM.poisson(3.0, 60),
            "kind": pyarrow.array(kinds).dictionary_encode(),
            "day": pyarrow.array(range(60), pyarrow.date32()),
            "of": ["abc"[row % 3] for row in range(60)],
        }
        if ending == ".parquet":
            pyarrow.parquet.write_table(pyarrow.table(columns), folder / "t.parquet", row_group_size=7)
        else:
            pyarrow.feather.write_feather(pyarrow.table(columns), str(folder / f"t{ending}"), chunksize=7)
        return folder / f"t{ending}"

    return write


#: how to write sources, with the options to read them by
WRITTEN: dict[str, tuple[Callable[[Path], Path | str], dict[str, Any]]] = {
    name: (row.write, row.options | {"counts": "binomial" in row.likelihood}) for name, row in READABLE.items()
} | {
    "by columns": (by_columns, {}),
    "the other order of bytes": (swapped, {}),
    "a table": (table(".parquet"), {}),
    "a table with labels": (table(".parquet"), {"label_column": "of"}),
    "a table, packed": (table(".feather"), {"label_column": "kind"}),
}
#: those whose format has it and that are read whole all the same
WHOLE = {"one IDX file", "KMNIST", "an array each", "h5ad, csc", "npz", "MATLAB", "MATLAB, in parts", "MATLAB 7.3", "HDF5", "HDF5, a path"}
WHOLE |= {"safetensors", "JSON lines"}


def written(name: str, folder: Path) -> tuple[str, dict[str, Any]]:
    write, options = WRITTEN[name]
    return str(write(folder)), options


def streams(name: str) -> bool:
    return name not in READABLE or FORMATS[READABLE[name].format].streams is not None


def parts(splits: Splits) -> list[Dataset]:
    return [splits.train, splits.test] if splits.whole is None else [splits.whole]


@pytest.mark.parametrize("name", [name for name in WRITTEN if streams(name) and name not in WHOLE])
def test_what_stays_on_disk_is_what_is_read_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "STRETCHES", 4)
    monkeypatch.setattr(of_tables, "BLOCK", 100)
    source, options = written(name, tmp_path)
    whole, found = data.load(source, **options), data.load(source, stream=True, **options)
    for one, other in zip(parts(whole), parts(found), strict=True):
        assert on_disk.stays(other)
        assert torch.equal(one[:].nan_to_num(9.0), other[:].nan_to_num(9.0))
        assert one.names == other.names
    assert DataSpec.of(whole.train, whole.test, whole.schema) == DataSpec.of(found.train, found.test, found.schema)
    assert whole.notes == found.notes
    known = {row.numpy().tobytes() for part in parts(whole) for row in part[:]}
    held_out = torch.cat([part[:] for part in (*found.validation(2), found.test)])
    assert len(held_out) == sum(map(len, parts(whole)))
    assert {row.numpy().tobytes() for row in held_out} == known


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_what_cannot_stay_on_disk_says_to_make_shards(name: str, tmp_path: Path) -> None:
    source, options = written(name, tmp_path)
    with pytest.raises(DataError, match="cannot stay on disk as it is; make shards of it"):
        data.load(source, stream=True, **options)


def test_formats_that_do_not_know_it_refuse_it_and_take_its_opposite() -> None:
    with pytest.raises(DataError, match="can stay on disk as they are"):
        data.load("digits", stream=True)
    assert len(data.load("digits", stream=False).train) > 1000


# --- when ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "on_disk_then"), [(2 * GREYS.nbytes - 1, True), (2 * GREYS.nbytes + 1, False)])
def test_values_of_more_than_half_the_memory_stay_on_disk(room: int, on_disk_then: bool, tmp_path: Path, monkeypatch: Any) -> None:
    np.save(tmp_path / "a.npy", GREYS)
    monkeypatch.setattr(on_disk, "memory", lambda: room)
    found = data.load(tmp_path / "a.npy")
    assert on_disk.stays(found.train) is on_disk_then
    assert any("they stay on disk" in note for note in found.notes) is on_disk_then


GROUPS = {
    "version 2": ("0::/a/b\n", {"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "5000\n"}, 5000),
    "version 1": (
        "4:memory:/a\n3:cpu:/b\n",
        {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "700\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9000\n"},
        700,
    ),
    "seen from within": ("0::/gone\n", {"sys/fs/cgroup/memory.max": "300\n"}, 300),
    "none": ("", {}, None),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_memory_is_what_control_groups_leave(kind: str, tmp_path: Path) -> None:
    groups, limits, wanted = GROUPS[kind]
    for name, text in {"proc/self/cgroup": groups, **limits}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    of_machine = memory.memory(tmp_path / "nothing")
    assert of_machine > 2**20
    assert memory.memory(tmp_path) == (of_machine if wanted is None else wanted)


# --- a look, and what does not fit it -------------------------------------------------------------------


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at 8 rows of 2 stretches, the first and one in the middle."""
    for name, value in {"LOOK": 8, "FEWEST": 1, "BLOCKS": 2, "STRETCHES": 10}.items():
        monkeypatch.setattr(sources, name, value)


ROWS = 100
UNIT = RANDOM.random((ROWS, 3))
#: values of which the last rows are unlike the others, the options to read them by, and why they are refused
UNLIKE: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "greys among bits": (
        np.where(np.arange(ROWS)[:, None] < 90, [[0, 1, 1]], 7).astype(np.uint8),
        {},
        "this run's data are zeros and ones",
    ),
    "below zero": (np.where(np.arange(ROWS)[:, None] < 90, UNIT, -UNIT), {}, "values go from -.* those that were looked at"),
    "beyond one": (np.where(np.arange(ROWS)[:, None] < 90, UNIT, 2 + UNIT), {}, "values go from 2.* those that were looked at"),
    "missing": (np.where(np.arange(ROWS)[:, None] < 90, UNIT, [[np.nan, 0.5, 0.5]]), {"holes": True}, "values are missing"),
    "infinite": (np.where(np.arange(ROWS)[:, None] < 90, UNIT, np.inf), {}, "NaN or infinite"),
}


@pytest.mark.usefixtures("looked_at")
@pytest.mark.parametrize("kind", UNLIKE)
def test_rows_that_are_unlike_those_looked_at_are_named(kind: str, tmp_path: Path) -> None:
    values, options, why = UNLIKE[kind]
    np.save(tmp_path / "a.npy", values)
    whole = data.load(tmp_path / "a.npy", stream=True, **options).whole
    assert whole is not None
    assert torch.equal(whole[:90], torch.from_numpy(values[:90]).float())
    with pytest.raises(DataError, match=f"a.npy, rows 90 to 99: .*{why}"):
        whole[90:]


@pytest.mark.usefixtures("looked_at")
def test_counts_may_be_greater_than_those_looked_at(tmp_path: Path) -> None:
    values = np.arange(ROWS * 3).reshape(ROWS, 3)
    np.save(tmp_path / "a.npy", values)
    found = data.load(tmp_path / "a.npy", stream=True, counts=True)
    assert torch.equal(found.whole[:], torch.from_numpy(values).float())
    assert "was found in 8 of 100 rows" in found.notes[-1]


@pytest.mark.parametrize(("gone", "why"), [(True, "cannot read"), (False, "is shorter than it was")])
def test_files_that_are_lost_meanwhile(gone: bool, why: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREYS)
    whole = data.load(tmp_path / "a.npy", stream=True).whole
    (tmp_path / "a.npy").unlink()
    if not gone:
        np.save(tmp_path / "a.npy", GREYS[:2])
    with pytest.raises(DataError, match=why):
        whole[:]


def test_a_fingerprint_is_of_values_not_of_files(tmp_path: Path) -> None:
    found = []
    for name, values in {"a": GREYS, "again": GREYS, "other": GREYS[::-1], "fewer": GREYS[:-1]}.items():
        np.save(tmp_path / f"{name}.npy", values)
        found.append(fingerprint_of(data.load(tmp_path / f"{name}.npy", stream=True).train))
    assert found[0] == found[1]
    assert len(set(found)) == 3
    for number, labels in enumerate((LABELS, LABELS[::-1])):
        (tmp_path / str(number)).mkdir()
        np.save(tmp_path / str(number) / "x.npy", GREYS)
        np.save(tmp_path / str(number) / "y.npy", labels)
        found.append(fingerprint_of(data.load(tmp_path / str(number), stream=True).train))
    assert len(set(found)) == 5


# --- training --------------------------------------------------------------------------------------------


def test_a_training_goes_on_to_the_bits_that_the_same_blocks_in_shards_give(tmp_path: Path) -> None:
    """Left after 7 steps and taken up by another process's eyes; shards of the same values have the same blocks, and so the same order."""
    np.save(tmp_path / "a.npy", (data.load("digits").whole[:].flatten(1) * 255).numpy().astype(np.uint8))
    data.shard(tmp_path / "a.npy", tmp_path / "shards")
    whole, left, of_shards = vae(), vae(), vae()
    means = [record.bound for record in lb.fit(whole, data.load(tmp_path / "a.npy", stream=True).train, epochs=2, batch=100)]
    state = lb.State.new(left, 0)
    before = [
        record.bound
        for record in islice(lb.fit(left, data.load(tmp_path / "a.npy", stream=True).train, epochs=2, batch=100, state=state), 7)
    ]
    again = data.load(tmp_path / "a.npy", stream=True).train
    assert before + [record.bound for record in lb.fit(left, again, epochs=2, batch=100, state=state)] == means
    assert all(torch.equal(one, other) for one, other in zip(whole.state_dict().values(), left.state_dict().values(), strict=True))
    made, mine = data.load(tmp_path / "shards").train, again
    assert made.array.blocks.sizes.tolist() == mine.array.blocks.sizes.tolist()
    assert [record.bound for record in lb.fit(of_shards, made, epochs=2, batch=100)] == means


def test_a_run_remembers_that_its_data_stayed_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which examples are held out depends on it, so that it is kept, also where another machine would choose otherwise."""
    np.save(tmp_path / "a.npy", np.repeat(GREYS, 10, 0))
    words = ["--epochs", "1", "--network", "mlp:8", "--batch", "20"]
    for name, little in (("small", True), ("large", False)):
        with monkeypatch.context() as now:
            now.setattr(on_disk, "memory", lambda little=little: 1 if little else 2**50)
            assert main(["train", str(tmp_path / "a.npy"), *words, "-o", str(tmp_path / name)]) == 0
        with monkeypatch.context() as now:
            now.setattr(on_disk, "memory", lambda little=little: 2**50 if little else 1)
            run = lb.load(tmp_path / name)
            assert run.recipe.stream is (True if little else None)
            found = run.read()
            assert on_disk.stays(found.train) is little
            assert run.changed(found) is None
            assert main(["resume", str(tmp_path / name), "--epochs", "2"]) == 0


def test_every_format_that_may_stay_has_a_written_one() -> None:
    rows = {row.format for row in READABLE.values()} | {"a table"}
    assert {name for name, row in FORMATS.items() if row.streams is not None} <= rows
