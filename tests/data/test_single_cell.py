"""Files of cells × genes: their labels, layers and latents, and that what is sparse stays so."""

from __future__ import annotations

import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from commands import answer, complaint
from scipy import sparse

from lowerbound import data
from lowerbound.data.sparse_rows import SparseRows
from lowerbound.errors import DataError
from lowerbound.interfaces.cli import main

CELLS, GENES = 200, 50


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    random = np.random.default_rng(0)
    return random.poisson(random.gamma(0.3, 1.0, (CELLS, GENES))).astype(np.float32)


@pytest.fixture
def cells(counts: np.ndarray, tmp_path: Path) -> Path:
    obs = pd.DataFrame({"batch": pd.Categorical(["a", "b"] * (CELLS // 2)), "cell_type": [None, *["T"] * (CELLS - 1)]})
    obs.index = obs.index.astype(str)
    held = anndata.AnnData(sparse.csr_matrix(np.log1p(counts)), obs=obs, layers={"counts": sparse.csr_matrix(counts)})
    held.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_counts_of_a_layer_stay_sparse(cells: Path, counts: np.ndarray) -> None:
    splits = data.load(f"{cells}:/layers/counts", counts=True)
    whole = splits.whole
    assert whole is not None
    assert isinstance(whole.array, SparseRows)
    assert (whole.array.dtype, len(whole.array.values)) == (torch.uint8, (counts > 0).sum())
    assert torch.equal(whole[:], torch.from_numpy(counts))
    assert torch.equal(whole[[7, 3, 3]], torch.from_numpy(counts[[7, 3, 3]]))
    assert torch.equal(whole.extremes, torch.tensor([0.0, float(counts.max())]))
    assert splits.notes == (f"{cells}:/layers/counts: labels may be batch, cell_type; --label-column NAME takes one",)


def test_a_column_of_cells_is_their_label_and_may_be_missing(cells: Path) -> None:
    assert data.load(cells, label_column="batch").whole.names[:3] == ["a", "b", "a"]
    assert data.load(cells, label_column="cell_type").whole.names[:2] == [None, "T"]
    with pytest.raises(DataError, match="no column 'celltype' to take labels from; did you mean 'cell_type'"):
        data.load(cells, label_column="celltype")


def test_what_is_no_count_is_refused_with_the_layer_to_take(cells: Path) -> None:
    with pytest.raises(DataError, match="no whole numbers, and the likelihood is one of counts; give the counts themselves"):
        data.load(cells, counts=True)
    with pytest.raises(DataError, match="has no layers/raw; there are X, layers/counts"):
        data.load(f"{cells}:/layers/raw")


def test_large_counts_keep_all_their_digits(tmp_path: Path) -> None:
    counts = np.zeros((20, 3), np.float32)
    counts[4, 1], counts[7, 2] = 70_001, 2**24
    anndata.AnnData(sparse.csc_matrix(counts)).write_h5ad(tmp_path / "large.h5ad")
    assert torch.equal(data.load(tmp_path / "large.h5ad", counts=True).whole[:], torch.from_numpy(counts))


def test_latents_go_back_into_the_file(cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, run = f"{cells}:/layers/counts", tmp_path / "run"
    words = ("--likelihood", "negative-binomial", "--latent", 3, "--network", "mlp:8", "--epochs", 1)
    answer(capsys, "train", source, *words, "--out", run)
    answer(capsys, "encode", run, "-o", tmp_path / "z.h5ad")
    answer(capsys, "encode", run, "-o", tmp_path / "z.npy")
    found = anndata.read_h5ad(tmp_path / "z.h5ad")
    assert np.array_equal(found.obsm["X_lowerbound"], np.load(tmp_path / "z.npy"))
    assert list(found.obs["batch"][:2]) == ["a", "b"]
    assert (found.layers["counts"] != anndata.read_h5ad(cells).layers["counts"]).nnz == 0
    assert main(["encode", str(run), "--split", "test", "-o", str(tmp_path / "y.h5ad")]) == 2
    assert "encode all, with --split all" in capsys.readouterr().err
    np.save(tmp_path / "x.npy", np.zeros((4, GENES), np.uint8))
    assert "holds cells" in complaint(capsys, "encode", run, tmp_path / "x.npy", "-o", tmp_path / "y.h5ad")


def test_without_the_library_the_extra_is_named(cells: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(DataError, match=r"needs anndata, which is not installed: pip install 'lowerbound\[anndata\]'"):
        data.load(cells)
