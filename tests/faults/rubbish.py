"""Files of every kind that the program reads, damaged at random: each is read, or refused in one line."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import signal
import struct
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image
from readable import READABLE

from faults.child import Child, complaint, start
from faults.damage import Whole, damaged, of_others
from faults.outcome import Outcome
from lowerbound.recipes.recipe import READING
from lowerbound.runs import layout

HANG = 10.0  # seconds that a command may take
GROWTH = 2 * 2**30  # bytes that it may need more than before

Words = list[list[str]]  # commands


@dataclass(frozen=True)
class Kind:
    """A kind of file: ``make`` puts one into a folder, beside finished runs, and gives it with the commands that read it.

    ``damage`` is what is done to it; ``same`` is a file that they write, the same as of a whole file wherever they do not refuse one.
    """

    name: str
    make: Callable[[Path, Path, Path], tuple[Path, Words]]
    damage: Callable[[Whole], st.SearchStrategy[bytes]]
    same: str = ""


def _pixels(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8), dtype=np.uint8)


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def _folder_of_idx(place: Path, ending: str, pack: Callable[[bytes], bytes]) -> Path:
    folder = place / f"idx{ending}"
    folder.mkdir()
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte{ending}").write_bytes(pack(_idx(_pixels())))
        (folder / f"{part}-labels-idx1-ubyte{ending}").write_bytes(pack(_idx(np.arange(6, dtype=np.uint8))))
    return folder


def _reading(run: Path, data: Path, place: Path) -> Words:
    return [["encode", str(run), str(data), "-o", str(place / "z.npz"), "--device", "cpu"]]


def _made_idx(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    folder = _folder_of_idx(place, "", bytes)
    return folder / "train-images-idx3-ubyte", _reading(run, folder, place)


def _made_labels(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    folder = _folder_of_idx(place, "", bytes)
    return folder / "t10k-labels-idx1-ubyte", _reading(run, folder, place)


def _made_gz(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    folder = _folder_of_idx(place, ".gz", gzip.compress)
    return folder / "t10k-images-idx3-ubyte.gz", _reading(run, folder, place)


def _made_npy(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    np.save(place / "x.npy", _pixels()[:, None])
    return place / "x.npy", _reading(run, place / "x.npy", place)


def _made_npz(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    np.savez(place / "x.npz", x=_pixels()[:, None], y=np.arange(6))
    return place / "x.npz", _reading(run, place / "x.npz", place)


def _made_png(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    (place / "images").mkdir()
    for number, pixels in enumerate(_pixels(3)):
        Image.fromarray(pixels).save(place / "images" / f"{number}.png")
    return place / "images" / "1.png", _reading(run, place / "images", place)


def _made_pixels(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    names = ",".join(["label", *(f"pixel{number}" for number in range(64))])
    rows = np.column_stack([np.arange(6), _pixels().reshape(6, 64)])
    np.savetxt(place / "p.csv", rows, "%d", ",", header=names, comments="")
    return place / "p.csv", _reading(run, place / "p.csv", place)


def _made_images(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    import pyarrow
    import pyarrow.parquet

    encoded = []
    for pixels in _pixels():
        with io.BytesIO() as file:
            Image.fromarray(pixels).save(file, "png")
            encoded.append({"bytes": file.getvalue(), "path": None})
    pyarrow.parquet.write_table(pyarrow.table({"image": encoded, "label": list(range(6))}), place / "i.parquet")
    return place / "i.parquet", _reading(run, place / "i.parquet", place)


def _made_table(ending: str) -> Callable[[Path, Path, Path], tuple[Path, Words]]:
    def make(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
        path = place / f"t{ending}"
        shutil.copy(table.parent / f"table{ending}", path)
        return path, [*_reading(table, path, place), ["data", str(path)]]

    return make


def _made_compressed(of_table: bool) -> Callable[[Path, Path, Path], tuple[Path, Words]]:
    """Two blocks and more of it, and the command that reads it."""

    def make(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
        path, chosen = place / "d.lbz", table if of_table else run
        data = [str(table.parent / "table.csv")] if of_table else ["--rows", "20"]
        child = start(["compress", str(chosen), *data, "--block", "30" if of_table else "8", "-o", str(path)], place)
        assert child.wait() == 0, child.said
        return path, [["decompress", str(path), "--run", str(chosen), "-o", str(place / f"back{'.csv' if of_table else '.npy'}")]]

    return make


def _made_compressed_holes(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
    """The same of zeros and ones of which a fifth is missing, by a model of them."""
    data, own, path = place / "x.npy", place / "own", place / "d.lbz"
    bits = (_pixels(20)[:, None] > 127).astype(np.float32)
    np.save(data, np.where(np.random.default_rng(1).random(bits.shape) < 0.2, np.nan, bits))
    words = ["--likelihood", "bernoulli", "--network", "mlp:8", "--epochs", "1", "--batch", "5", "--device", "cpu"]
    for command in (["train", str(data), "--out", str(own), *words], ["compress", str(own), str(data), "--block", "8", "-o", str(path)]):
        child = start(command, place)
        assert child.wait() == 0, child.said
    return path, [["decompress", str(path), "--run", str(own), "-o", str(place / "back.npy")]]


def _made_readable(name: str, part: str = "", *more: str) -> Callable[[Path, Path, Path], tuple[Path, Words]]:
    """The largest file of one of the small true ones, or the one whose name has ``part``; read with ``more`` options."""

    def make(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
        (place / "d").mkdir()
        row = READABLE[name]
        source = str(row.write(place / "d"))
        files = sorted(
            (file for file in (place / "d").rglob("*") if file.is_file() and part in file.name),
            key=lambda file: (file.stat().st_size, file),
        )
        options = [f"--{word.replace('_', '-')}={row.options[keyword]}" for word, keyword in READING.items() if row.options.get(keyword)]
        return files[-1], [["data", source, *options, *more]]

    return make


def _made_of_run(name: str, *commands: str) -> Callable[[Path, Path, Path], tuple[Path, Words]]:
    def make(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
        copy = shutil.copytree(run, place / "run")
        if name == layout.TRAINING:
            (copy / layout.BEFORE).unlink(missing_ok=True)
        more = {"sample": ["-o", str(place / "x.npy"), "-n", "2"], "resume": ["--epochs", "2"]}
        return copy / name, [[verb, str(copy), *more.get(verb, [])] + (["--device", "cpu"] if verb in more else []) for verb in commands]

    return make


KINDS = [
    Kind("IDX, images", _made_idx, damaged),
    Kind("IDX, labels", _made_labels, damaged),
    Kind("IDX, compressed (gz)", _made_gz, damaged),
    Kind("NumPy array (npy)", _made_npy, damaged),
    Kind("NumPy archive (npz)", _made_npz, damaged),
    Kind("image (png)", _made_png, damaged),
    Kind("images in a CSV", _made_pixels, damaged),
    Kind("images in Parquet", _made_images, damaged),
    Kind("EMNIST, images", _made_readable("EMNIST", "train-images"), damaged),
    Kind("EMNIST, mapping", _made_readable("EMNIST", "mapping"), damaged),
    Kind("CIFAR (bin)", _made_readable("CIFAR-10", "data_batch_1"), damaged),
    Kind("saved to disk (arrow)", _made_readable("save_to_disk", "arrow"), damaged),
    Kind("saved to disk, its state (json)", _made_readable("save_to_disk", "state"), damaged),
    Kind("vectors by part (parquet)", _made_readable("vectors by part"), damaged),
    Kind("one array of a folder (npy)", _made_readable("an array each"), damaged),
    Kind("shards, what they are (json)", _made_readable("shards", "shards.json"), damaged),
    Kind("shards, their labels (npy)", _made_readable("shards", "train-00000.labels"), damaged),
    *(
        Kind(f"on disk: {name}", _made_readable(name, part, "--stream"), damaged)
        for name, part in (("bits", ""), ("Parquet", ""), ("Feather", ""), ("save_to_disk", "arrow"), ("h5ad, csr", ""), ("tars", "0000"))
    ),
    Kind("examples (tar)", _made_readable("tars"), damaged),
    Kind("stack of images (tif)", _made_readable("a stack"), damaged),
    Kind("cells (h5ad)", _made_readable("h5ad, csr"), damaged),
    Kind("sparse matrix (npz)", _made_readable("sparse, csr"), damaged),
    Kind("MATLAB (mat)", _made_readable("MATLAB, in parts"), damaged),
    Kind("MATLAB 7.3 (mat)", _made_readable("MATLAB 7.3"), damaged),
    Kind("HDF5 (h5)", _made_readable("HDF5"), damaged),
    Kind("arrays (safetensors)", _made_readable("safetensors"), damaged),
    Kind("vectors (feather)", _made_readable("Feather"), damaged),
    Kind("vectors (jsonl)", _made_readable("JSON lines"), damaged),
    Kind("images in a gzipped CSV", _made_readable("CSV, gzipped"), damaged),
    Kind("table (csv)", _made_table(".csv"), damaged),
    Kind("table (parquet)", _made_table(".parquet"), damaged),
    Kind("weights (safetensors)", _made_of_run(layout.WEIGHTS, "sample"), damaged),
    Kind("state of a training (safetensors)", _made_of_run(layout.TRAINING, "resume"), damaged),
    Kind("weights that are others', with their checksum", _made_of_run(layout.WEIGHTS, "sample"), of_others),
    Kind("state that is another's, with its checksum", _made_of_run(layout.TRAINING, "resume"), of_others),
    Kind("recipe (toml)", _made_of_run(layout.RECIPE, "sample", "show"), damaged),
    Kind("facts of the data (json)", _made_of_run(layout.DATA, "sample", "show"), damaged),
    Kind("metrics (jsonl)", _made_of_run(layout.METRICS, "show"), damaged),
    Kind("result (json)", _made_of_run(layout.RESULT, "show"), damaged),
    Kind("compressed digits (lbz)", _made_compressed(False), damaged, "back.npy"),
    Kind("compressed digits with holes (lbz)", _made_compressed_holes, damaged, "back.npy"),
    Kind("compressed table (lbz)", _made_compressed(True), damaged, "back.csv"),
]


def fed(kind: Kind, run: Path, table: Path, place: Path, times: int, seed: int = 5) -> Outcome:
    """So many variants of a file of this kind, each given to the commands that read it; of what is wrong, the least damage that does it."""
    outcome = Outcome()
    place.mkdir()
    path, commands = kind.make(run, table, place)
    whole = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    right = _written(kind, commands, place) if kind.same else b""

    @hypothesis.seed(seed)
    @settings(
        max_examples=times, database=None, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink)
    )
    @given(kind.damage(Whole(whole[path])).map(Whole))  # whose repr is short, whatever is in it
    def each(damaged: Whole) -> None:
        for file in path.parent.rglob("*"):
            if file.is_file() and file not in whole:
                file.unlink()
        for file, before in whole.items():
            file.write_bytes(damaged.content if file == path else before)
        codes = {_code(words, place) for words in commands}
        assert codes != {0} or not kind.same or (place / kind.same).read_bytes() == right, f"{kind.same} is another"
        outcome.note("refused in one line" if 2 in codes else "read")

    try:
        each()
    except Exception as error:
        outcome.note("wrong", "\n".join([f"{kind.name}: {error}", *getattr(error, "__notes__", [])]))
    return outcome


def _written(kind: Kind, commands: Words, place: Path) -> bytes:
    """What the commands make of a whole file."""
    codes = {_code(words, place) for words in commands}
    assert codes == {0}, f"{kind.name}: {codes}"
    return (place / kind.same).read_bytes()


def _code(words: list[str], place: Path) -> int:
    """The exit code of a command in a process of its own, which must be 0, or 2 with one line."""
    child = start(words, place, _warn)
    code = _watched(child)
    assert code in (0, 2), f"{words[0]}: exit code {code}: {child.said[-400:]}"
    assert code == 0 or complaint(child.said) is not None, f"{words[0]}: {child.said[-400:]}"
    return code


def _warn() -> None:
    warnings.simplefilter("default")  # each shown on stderr, where it would be a second line


def _watched(child: Child) -> int:
    """Its exit code; it is ended where it takes too long or too much."""
    until, base = time.monotonic() + HANG, _memory(child.pid)
    while not child.ended():
        grown = _memory(child.pid) - base
        if time.monotonic() > until or grown > GROWTH:
            child.signal(signal.SIGKILL)
            child.wait()
            raise AssertionError(f"over {GROWTH / 2**30:.0f} GB" if grown > GROWTH else f"over {HANG:.0f} s")
        time.sleep(0.002)
    return child.wait()


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
