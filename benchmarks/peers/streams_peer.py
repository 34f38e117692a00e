"""Rows of bytes read in batches by Hugging Face's ``datasets``, or by litdata: a process of ``streams_peers.py``, in its own environment.

``write`` makes their files of the ``.npy`` shards of a folder; ``read`` gives rows a second, one epoch in an order of chance.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

BATCH, BUFFER, PIECE = 128, 10_000, 4_000  # rows: of a batch, among which datasets shuffles, of a piece that is written at once
COLUMN = "values"


def shards(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).glob("train-*.npy") if "labels" not in path.name)


def write_datasets(source: str, target: str) -> None:
    """A file of Arrow's for each shard, of a fixed number of bytes a row."""
    import pyarrow as pa

    Path(target).mkdir(parents=True, exist_ok=True)
    for path in shards(source):
        rows = np.load(path, mmap_mode="r")
        kind = pa.list_(pa.uint8(), rows.shape[1])
        with pa.OSFile(f"{target}/{path.stem}.arrow", "wb") as sink, pa.ipc.new_stream(sink, pa.schema({COLUMN: kind})) as writer:
            for start in range(0, len(rows), PIECE):
                flat = pa.array(np.array(rows[start : start + PIECE]).reshape(-1))
                writer.write_table(pa.table({COLUMN: pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])}))


def rows_of(path: str):
    yield from (torch.from_numpy(row.copy()) for row in np.load(path, mmap_mode="r"))


def write_litdata(source: str, target: str) -> None:
    """Its chunks of 64 MB."""
    import litdata

    litdata.optimize(
        rows_of, [str(path) for path in shards(source)], output_dir=target, chunk_bytes="64MB", num_workers=1, mode="overwrite"
    )


def mapped(folder: str):
    """Arrow's files, mapped into memory."""
    import datasets

    return datasets.concatenate_datasets([datasets.Dataset.from_file(str(path)) for path in sorted(Path(folder).glob("*.arrow"))])


def in_a_buffer(folder: str, workers: int):
    """Rows in turn, of 64 pieces in an order of chance, shuffled in a buffer."""
    rows = mapped(folder).to_iterable_dataset(num_shards=64).shuffle(seed=0, buffer_size=BUFFER).with_format("torch")
    return (batch[COLUMN] for batch in torch.utils.data.DataLoader(rows, batch_size=BATCH, num_workers=workers))


def by_number(folder: str, workers: int):
    """Each row from where it is."""
    rows = mapped(folder).with_format("torch")
    return (batch[COLUMN] for batch in torch.utils.data.DataLoader(rows, batch_size=BATCH, shuffle=True, num_workers=workers))


def of_litdata(folder: str, workers: int):
    """Its own loader, whose chunks and rows of each are shuffled."""
    import litdata

    rows = litdata.StreamingDataset(folder, shuffle=True, seed=0)
    return iter(litdata.StreamingDataLoader(rows, batch_size=BATCH, num_workers=workers))


def read(batches, folder: str, workers: str, most: str) -> dict[str, float]:
    """Rows a second, of as many rows at most, pixels in [0, 1]."""
    started, rows = time.perf_counter(), 0
    for batch in batches(folder, int(workers)):
        rows += len(batch.float().div(255))
        if rows >= int(most):
            break
    seconds = time.perf_counter() - started
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e3
    return {"rows_per_second": rows / seconds, "rows": rows, "MB": peak}


ACTS = {
    "write datasets": write_datasets,
    "write litdata": write_litdata,
    "read datasets in a buffer": partial(read, in_a_buffer),
    "read datasets by number": partial(read, by_number),
    "read litdata": partial(read, of_litdata),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(ACTS[sys.argv[1]](*sys.argv[2:])))
