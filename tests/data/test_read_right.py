"""What was once read wrong without a word: each is read right now, or refused in a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
import torch
from commands import answer
from readable import idx, png
from scipy import sparse
from scipy.io import savemat

from lowerbound import data
from lowerbound.errors import DataError
from lowerbound.interfaces.cli import main

RANDOM = np.random.default_rng(0)
GREYS = RANDOM.integers(0, 256, (30, 6, 6)).astype(np.uint8)
LABELS = np.arange(30) % 3


def parquet(path: Path, labels: Any, names: list[str] | None = None, rows: slice = slice(None)) -> None:
    table = pyarrow.table({"image": [{"bytes": png(one), "path": None} for one in GREYS[rows]], "label": labels})
    if names is not None:
        described = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(described)})
    pyarrow.parquet.write_table(table, path)


# --- folders of tables ---------------------------------------------------------------------------------


def test_a_part_of_another_name_is_left_out_and_the_test_part_stays(tmp_path: Path) -> None:
    for name, rows in (("train", slice(0, 20)), ("test", slice(20, 25)), ("extra", slice(25, 30))):
        parquet(tmp_path / f"{name}-00000-of-00001.parquet", LABELS[rows].tolist(), rows=rows)
    splits = data.load(tmp_path)
    assert (len(splits.train), len(splits.test)) == (20, 5)
    assert f"{tmp_path}: parts left out: extra" in splits.notes


def test_classes_in_another_order_and_files_that_are_missing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name, names in (("train", ["x", "y", "z"]), ("test", ["z", "y", "x"])):
        parquet(tmp_path / "a" / f"{name}.parquet", LABELS.tolist(), names)
    with pytest.raises(DataError, match="name the classes of 'label' in several ways"):
        data.load(tmp_path / "a")
    for number in (0, 2):
        parquet(tmp_path / "b" / f"train-0000{number}-of-00003.parquet", LABELS.tolist())
    with pytest.raises(DataError, match="has 2 files of train"):
        data.load(tmp_path / "b")


def test_a_test_part_without_labels_is_of_unknown_ones(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", LABELS.tolist())
    table = pyarrow.parquet.read_table(tmp_path / "train.parquet").drop_columns("label")
    pyarrow.parquet.write_table(table, tmp_path / "test.parquet")
    splits = data.load(tmp_path)
    assert splits.train.names[:3] == ["0", "1", "2"]
    assert set(splits.test.names) == {None}


def test_a_frame_with_an_index_and_names_is_its_vectors(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": [f"n{row}" for row in range(30)], "x": list(GREYS.reshape(30, -1) / 255.0), "label": LABELS})
    frame[frame.label > 0].to_parquet(tmp_path / "f.parquet")
    splits = data.load(tmp_path / "f.parquet")
    assert torch.allclose(splits.whole[:], torch.from_numpy(GREYS.reshape(30, -1)[LABELS > 0] / 255.0).float())
    assert "not read: name, __index_level_0__" in splits.notes[-1]


@pytest.mark.parametrize("labels", [[1.0, 2.0, None], [1, 2, None], ["1", "2", ""]])
def test_labels_of_which_some_are_missing_keep_their_names(labels: list[Any], tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", labels * 10)
    splits = data.load(tmp_path / "a.parquet")
    assert splits.whole.classes == ("1", "2")
    assert splits.whole.names[:3] == ["1", "2", None]


# --- MATLAB, HDF5 ----------------------------------------------------------------------------------------


def test_matlab_images_on_the_last_axis_are_never_cut(tmp_path: Path) -> None:
    last = GREYS.transpose(1, 2, 0)
    savemat(tmp_path / "alone.mat", {"X": last})
    with pytest.raises(DataError, match="say --shape 6x6 if its examples are on the last axis"):
        data.load(tmp_path / "alone.mat")
    savemat(tmp_path / "hot.mat", {"X": last, "y": np.eye(3)[LABELS]})
    assert np.array_equal(data.load(tmp_path / "hot.mat").whole[:].numpy()[:, 0] * 255, GREYS)
    savemat(tmp_path / "parts.mat", {"X_train": last[..., :24], "X_test": last[..., 24:], "y_train": LABELS[:24], "y_test": LABELS[24:]})
    splits = data.load(tmp_path / "parts.mat")  # of the test part, 6 × 6 × 6, its labels tell nothing
    assert np.array_equal(splits.test[:].numpy()[:, 0] * 255, GREYS[24:])


def test_cells_of_text_letters_and_sparse_matrices_of_matlab(tmp_path: Path) -> None:
    words = np.array(["cat", "dog", "cow"], object)[LABELS]
    savemat(tmp_path / "words.mat", {"X": sparse.csc_matrix(GREYS.reshape(30, -1).astype(float)), "y": words[:, None]})
    splits = data.load(tmp_path / "words.mat")
    assert splits.whole.names[:3] == ["cat", "dog", "cow"]
    assert np.array_equal(splits.whole[:].numpy(), GREYS.reshape(30, -1))
    assert any("its rows are read as examples" in note for note in data.load(tmp_path / "words.mat", shape="6x6").notes)


def test_an_empty_set_and_a_large_one_do_not_stand_in_the_way(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"], file["labels"] = GREYS, LABELS
        file["nothing"] = h5py.Empty("f")
        file.create_dataset("huge", (500, 10**6), "f8")
        file["linked"] = h5py.SoftLink("/images")
    for inside in ("images", "linked"):
        splits = data.load(f"{tmp_path / 'a.h5'}:/{inside}")
        assert np.array_equal(splits.whole[:].numpy()[:, 0] * 255, GREYS)
        assert splits.whole.names[1] == "1"


@pytest.mark.parametrize("shape", [(30, 1, 1), (30, 1), (1, 30)])
def test_labels_of_any_shape_of_one_column(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=GREYS, y=LABELS.reshape(shape))
    assert data.load(tmp_path / "a.npz").whole.names[:3] == ["0", "1", "2"]


def test_what_is_not_taken_for_labels_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=GREYS, y=LABELS.astype("M8[D]"), Y=LABELS)
    assert f"{tmp_path / 'a.npz'}: not read: y, Y" in data.load(tmp_path / "a.npz").notes
    assert data.load(tmp_path / "a.npz", label_column="Y").notes[-1].endswith("not read: y")


def test_latents_keep_the_names_of_their_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "a.npz", x=GREYS, y=np.array(["cat", "dog", "cow"])[LABELS])
    answer(capsys, "train", tmp_path / "a.npz", "--epochs", 1, "--network", "mlp:4", "--batch", 8, "--out", tmp_path / "r")
    answer(capsys, "encode", tmp_path / "r", "-o", tmp_path / "z.npz")
    assert data.load(tmp_path / "z.npz").whole.names[:3] == ["cat", "dog", "cow"]


# --- CSV ---------------------------------------------------------------------------------------------------


def test_pixels_sorted_as_text_are_put_in_order(tmp_path: Path) -> None:
    frame = pd.DataFrame(GREYS.reshape(30, -1), columns=[f"pixel{place}" for place in range(36)]).assign(label=list("abc") * 10)
    frame[sorted(frame.columns)].to_csv(tmp_path / "s.csv", index=False, quoting=1)
    splits = data.load(tmp_path / "s.csv")
    assert np.array_equal(splits.whole[:].numpy()[:, 0] * 255, GREYS)
    assert splits.whole.names[:3] == ["a", "b", "c"]


def test_rows_of_another_length_blank_lines_and_huge_labels(tmp_path: Path) -> None:
    head = ",".join(["label", *(f"pixel{place}" for place in range(4))])
    (tmp_path / "a.csv").write_text(f"{head}\n\n1,0,1,2,3\n\n2,0,1,2,255\n")
    assert len(data.load(tmp_path / "a.csv").whole) == 2
    (tmp_path / "b.csv").write_text(f"{head}\n1,0,1,2,3\n1,2,0,1,2,255\n")
    with pytest.raises(DataError, match="row 2 has 6 cells, and the first line 5"):
        data.load(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text(f"{head}\n{10**20},0,1,2,3\n1,0,1,2,255\n")
    assert data.load(tmp_path / "c.csv").whole.names == [str(10**20), "1"]


# --- cells, EMNIST, sparse -----------------------------------------------------------------------------------


def test_genes_are_taken_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = RANDOM.poisson(np.arange(1, 9), (40, 8)).astype(np.float32)
    cells = anndata.AnnData(sparse.csr_matrix(counts))
    cells.var_names = [f"gene {number}" for number in range(8)]
    cells.write_h5ad(tmp_path / "a.h5ad")
    cells[:, ::-1].copy().write_h5ad(tmp_path / "b.h5ad")
    cells[:, 1:].copy().write_h5ad(tmp_path / "c.h5ad")
    words = ("--likelihood", "poisson", "--network", "mlp:4", "--batch", 8, "--epochs", 1)
    answer(capsys, "train", tmp_path / "a.h5ad", *words, "--out", tmp_path / "r")
    means = [answer(capsys, "score", tmp_path / "r", tmp_path / f"{x}.h5ad", "-o", tmp_path / "s.csv")["mean"] for x in "ab"]
    assert means[0] == means[1]
    assert main(["score", str(tmp_path / "r"), str(tmp_path / "c.h5ad"), "-o", str(tmp_path / "s.csv")]) == 2
    assert "1 are missing, gene 0 among them" in capsys.readouterr().err


def test_emnist_of_one_part_and_a_sparse_row(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "emnist-digits-train-images-idx3-ubyte").write_bytes(idx(GREYS))
    assert len(data.load(tmp_path / "e").whole) == 30
    sparse.save_npz(tmp_path / "row.npz", sparse.coo_array(np.arange(5)))
    with pytest.raises(DataError, match="a matrix with a row for each example is needed"):
        data.load(tmp_path / "row.npz")


# --- what a run passes to other data ---------------------------------------------------------------------------


def test_a_run_reads_a_copy_of_its_data_as_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = pyarrow.table({"x": (GREYS.reshape(30, -1) / 255).tolist(), "label": LABELS.tolist()})
    pyarrow.parquet.write_table(vectors, tmp_path / "v.parquet")
    rows = np.concatenate([LABELS[:, None], GREYS.reshape(30, -1)], 1)
    np.savetxt(tmp_path / "n.csv", rows, "%d", ",")
    np.save(tmp_path / "u.npy", GREYS.astype(np.uint16) * 257)
    words = {"v.parquet": [], "n.csv": ["--no-header", "--shape", "6x6", "--label-column", "column 1"], "u.npy": []}
    for name, said in words.items():
        run = tmp_path / f"run {name}"
        answer(capsys, "train", tmp_path / name, *said, "--epochs", 1, "--network", "mlp:4", "--batch", 8, "--out", run)
        own = answer(capsys, "score", run, tmp_path / name, "-o", tmp_path / "s.csv")["mean"]
        copy = tmp_path / f"copy of {name}"
        copy.write_bytes((tmp_path / name).read_bytes())
        assert answer(capsys, "score", run, copy, "-o", tmp_path / "s.csv")["mean"] == own, name
    np.save(tmp_path / "i.npy", GREYS.astype(np.int32) * 257)
    assert answer(capsys, "score", tmp_path / "run u.npy", tmp_path / "i.npy", "-o", tmp_path / "s.csv")["mean"] == pytest.approx(own)


def test_a_range_may_begin_below_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "ct.npy", RANDOM.integers(-1024, 3000, (20, 5, 5)).astype(np.int16))
    found = answer(capsys, "data", tmp_path / "ct.npy", "--range", "-1024:3071")
    assert 0 <= found["least"] < 0.05 < 0.95 < found["greatest"] <= 1
