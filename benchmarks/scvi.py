"""Single cells beside scvi-tools: ``python benchmarks/scvi.py --peer ENVIRONMENT/bin/python --out FILE.json``.

Counts are made once by ``generated``, below, and read by both, each in a process of its own, one after the other. Latent size, epochs,
batch, likelihood, learning rate, threads and the covariate, which is the cell's batch, are the same. Compared are the mean over held-out
cells of log p(x | library size, batch), of both by importance sampling from q(z|x) with as many draws; cells/s of training, by its median
epoch after the first; and the most memory that the process had by the end of training. What was measured stays in the folder, and is not
measured again.

The environment is one of Python 3.11 with scvi-tools 1.4.2 and torch for CPUs. Without one only this side is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SEED = 20260

# --- the counts --------------------------------------------------------------------------------------

GROUPS, PROGRAMS, BATCHES = 10, 8, 2
LIBRARY, LIBRARY_SPREAD = 1500.0, 0.45  # median, and σ of the log


def generated(cells: int, genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts ``(cells, genes)`` as of a 10x run, nearly nine in ten of them 0, and the batch of each cell.

    Each cell is of one of 10 groups and of one of 2 batches. It has 8 programs, N(group's centre, 0.5²), centres N(0, 1). A gene's log
    share is its base, N(0, 2.5²), + its loadings on the programs, N(0, 0.6²) and three in four of them 0, + its batch's, N(0, 0.25²);
    shares are their softmax. The library size is log-normal about 1,500, σ of the log 0.45. A count is a Poisson draw, whose rate is
    library × share × a Gamma draw of mean 1 and of the gene's shape θ, log θ normal N(0.7, 0.7²).
    """
    random = np.random.default_rng(SEED)
    base = random.normal(0, 2.5, genes)
    loadings = random.normal(0, 0.6, (PROGRAMS, genes)) * (random.random((PROGRAMS, genes)) < 0.25)
    effect, theta = random.normal(0, 0.25, (BATCHES, genes)), np.exp(random.normal(0.7, 0.7, genes))
    centres = random.normal(0, 1, (GROUPS, PROGRAMS))
    group, batch = random.integers(GROUPS, size=cells), random.integers(BATCHES, size=cells)
    programs = centres[group] + random.normal(0, 0.5, (cells, PROGRAMS))
    library = np.exp(random.normal(np.log(LIBRARY), LIBRARY_SPREAD, cells))
    counts = np.empty((cells, genes), np.uint16)
    for rows in np.array_split(np.arange(cells), max(1, cells // 1000)):
        logits = base + programs[rows] @ loadings + effect[batch[rows]]
        share = np.exp(logits - logits.max(1, keepdims=True))
        rate = library[rows, None] * share / share.sum(1, keepdims=True)
        counts[rows] = random.poisson(rate * random.gamma(theta, 1 / theta, rate.shape)).clip(0, 65535)
    return counts, batch


def written(folder: Path, cells: int, genes: int, held_out: int) -> Path:
    """A folder of two files of cells, ``train.h5ad`` and ``test.h5ad``, the last cells being the latter; made where it is not there."""
    path = folder / f"cells-{cells}-{genes}-{held_out}"
    if not (path / "test.h5ad").exists():
        import anndata
        from scipy import sparse

        counts, batch = generated(cells + held_out, genes)
        path.mkdir(parents=True, exist_ok=True)
        for name, rows in (("train", slice(cells)), ("test", slice(cells, None))):
            found = anndata.AnnData(sparse.csr_matrix(counts[rows].astype(np.float32)))
            found.obs["batch"] = [str(number) for number in batch[rows]]
            found.write_h5ad(path / f"{name}.h5ad")
    return path


def facts(path: Path) -> dict[str, Any]:
    """What the counts are like: the share of zeros, and the size of the sparse file of those trained on."""
    import anndata

    counts = anndata.read_h5ad(path / "train.h5ad").X
    return {
        "cells": counts.shape[0],
        "genes": counts.shape[1],
        "zeros": 1 - counts.nnz / np.prod(counts.shape),
        "median library": float(np.median(np.asarray(counts.sum(1)))),
        "greatest count": int(counts.max()),
        "sparse file, MB": (path / "train.h5ad").stat().st_size / 1e6,
    }


# --- both programs -----------------------------------------------------------------------------------


def measured(python: str, script: str, words: list[str], threads: int, path: Path) -> dict[str, Any]:
    """What a program in a process of its own writes, or wrote before."""
    if not path.exists():
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        subprocess.run([python, "-W", "ignore", str(HERE / "peers" / script), *words, str(path)], check=True, env=environment)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Measure, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("SCVI_PYTHON"), help="Python of an environment that has scvi-tools")
    for name, default in (("cells", 20_000), ("genes", 2000), ("held-out", 2000), ("epochs", 20), ("draws", 100), ("warm-up", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--likelihood", choices=["nb", "zinb"], default="nb")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, default=Path("runs/scvi"), help="where the counts and each measurement are kept")
    parser.add_argument("--out", type=Path, help="a JSON file for what was found")
    typed = parser.parse_args()
    counts = written(typed.folder, typed.cells, typed.genes, typed.held_out)
    words = [str(word) for word in (counts, typed.likelihood, typed.epochs, typed.draws, typed.warm_up)]
    name = f"{counts.name}-" + "-".join([*words[1:], str(typed.threads)])
    programs = {"lowerbound": (sys.executable, "scvi_ours.py")} | ({"scvi-tools": (typed.peer, "scvi_peer.py")} if typed.peer else {})
    found = {"data": facts(counts), "words": vars(typed) | {"folder": None, "out": None, "peer": None}}
    for program, (python, script) in programs.items():
        found[program] = measured(python, script, words, typed.threads, typed.folder / f"{name}-{program}.json")
        print(program, json.dumps(found[program]), flush=True)
    if typed.peer:
        ours, theirs = found["lowerbound"], found["scvi-tools"]
        worse = 1 - ours["log p"] / theirs["log p"]
        print(f"−log p {-worse:+.2%} of scvi-tools', cells/s × {ours['cells/s'] / theirs['cells/s']:.2f}")
    else:
        print("scvi-tools was not measured: give --peer, the Python of an environment that has it")
    if typed.out:
        typed.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
