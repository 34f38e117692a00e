"""Files of every kind that the program reads, damaged at random: each is read, or refused in one line."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from faults.child import complaint, start
from faults.outcome import Outcome
from lowerbound import runs

HANG = 10.0  # seconds that a command may take
GROWTH = 2 * 2**30  # bytes that it may need more than before
PART = 50  # variants that one process tries

Words = list[list[str]]  # commands


@dataclass(frozen=True)
class Kind:
    """A kind of file: ``make`` puts one into a folder, beside finished runs, and gives it with the commands that read it."""

    name: str
    make: Callable[[Path, Path, Path], tuple[Path, Words]]


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


def _made_table(ending: str) -> Callable[[Path, Path, Path], tuple[Path, Words]]:
    def make(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
        path = place / f"t{ending}"
        shutil.copy(table.parent / f"table{ending}", path)
        return path, [*_reading(table, path, place), ["data", str(path)]]

    return make


def _made_of_run(name: str, *commands: str) -> Callable[[Path, Path, Path], tuple[Path, Words]]:
    def make(run: Path, table: Path, place: Path) -> tuple[Path, Words]:
        copy = shutil.copytree(run, place / "run")
        if name == runs.TRAINING:
            (copy / runs.BEFORE).unlink(missing_ok=True)
        told = {"sample": ["-o", str(place / "x.npy"), "-n", "2"], "resume": ["--epochs", "2"]}
        return copy / name, [[verb, str(copy), *told.get(verb, [])] + (["--device", "cpu"] if verb in told else []) for verb in commands]

    return make


KINDS = [
    Kind("IDX, images", _made_idx),
    Kind("IDX, labels", _made_labels),
    Kind("IDX, compressed (gz)", _made_gz),
    Kind("NumPy array (npy)", _made_npy),
    Kind("NumPy archive (npz)", _made_npz),
    Kind("image (png)", _made_png),
    Kind("table (csv)", _made_table(".csv")),
    Kind("table (parquet)", _made_table(".parquet")),
    Kind("weights (safetensors)", _made_of_run(runs.WEIGHTS, "sample")),
    Kind("state of a training (safetensors)", _made_of_run(runs.TRAINING, "resume")),
    Kind("recipe (toml)", _made_of_run(runs.RECIPE, "sample", "show")),
    Kind("facts of the data (json)", _made_of_run(runs.DATA, "sample", "show")),
    Kind("metrics (jsonl)", _made_of_run(runs.METRICS, "show")),
    Kind("result (json)", _made_of_run(runs.RESULT, "show")),
]


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut, doubled or put in; one time in ten all of it random."""
    made = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        at = dice.randrange(len(made)) if made else 0
        match dice.randrange(10):
            case 0 | 1 | 2 | 3:
                made[at : at + 1] = bytes([dice.randrange(256)])
            case 4 | 5:
                made[at : at + 1] = bytes([made[at] ^ (1 << dice.randrange(8))]) if made else b""
            case 6:
                del made[at : at + dice.choice((1, 4, 64, 10**6))]
            case 7:
                made[at:at] = made[at : at + dice.choice((1, 8, 100))]
            case 8:
                made[at : at + 4] = dice.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"1e99", b"nan,"))
            case _:
                made[at:at] = dice.randbytes(dice.choice((1, 4, 32)))
    return bytes(made) if dice.random() < 0.95 else dice.randbytes(dice.choice((0, 1, 10, len(content))))


def fed(kind: Kind, run: Path, table: Path, place: Path, times: int, seed: int = 5) -> Outcome:
    """So many variants of a file of this kind, each given to the commands that read it."""
    outcome = Outcome()
    place.mkdir()
    path, commands = kind.make(run, table, place)
    whole = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    for first in range(0, times, PART):
        _fed_part(kind, whole, path, commands, place, range(first, min(first + PART, times)), seed, outcome)
    return outcome


def _fed_part(
    kind: Kind, whole: dict[Path, bytes], path: Path, commands: Words, place: Path, variants: range, seed: int, outcome: Outcome
) -> None:
    """Some variants in a forked process, which tells of each as it ends: where it is silent for long, or dies, that one is to blame."""
    told = place / "told.jsonl"
    told.unlink(missing_ok=True)
    done = 0
    while done < len(variants):
        child = _Variants(whole, path, commands, variants[done:], seed, told).start(place)
        grown = _watched(child, told)
        lines = [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []
        for line in lines[done:]:
            outcome.note(line["what"], line["wrong"])
        done = len(lines)
        if grown is not None:
            outcome.note("wrong", f"{kind.name}, variant {variants[done]} of seed {seed}: {grown}")
            with told.open("a") as file:
                file.write(json.dumps({"what": "wrong", "wrong": grown}) + "\n")
            done += 1


def _watched(child: int, told: Path) -> str | None:
    """None when the process came to its end; else how it died, or what it was ended for."""
    heard, size, base = time.monotonic(), -1, None
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return None if code == 0 else f"the process died ({code})"
        memory = _memory(child)
        base = memory if base is None else base
        now = told.stat().st_size if told.exists() else 0
        heard, size = (time.monotonic(), now) if now != size else (heard, size)
        if time.monotonic() - heard > HANG or memory - base > GROWTH:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return f"over {HANG:.0f} s" if time.monotonic() - heard > HANG else f"over {GROWTH / 2**30:.0f} GB"
        time.sleep(0.02)


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


@dataclass(frozen=True)
class _Variants:
    """What the forked process does."""

    whole: dict[Path, bytes]
    path: Path
    commands: Words
    variants: range
    seed: int
    told: Path

    def start(self, place: Path) -> int:
        """Fork; its number."""
        return start([], place, self.run).pid

    def run(self) -> None:
        """Each variant by each command, then the end of the process."""
        with self.told.open("a") as file:
            for variant in self.variants:
                for path, content in self.whole.items():
                    path.write_bytes(content)
                self.path.write_bytes(damaged(self.whole[self.path], random.Random(f"{self.seed} {self.path.name} {variant}")))
                what, wrong = self._tried(variant)
                file.write(json.dumps({"what": what, "wrong": wrong}) + "\n")
                file.flush()
        os._exit(0)

    def _tried(self, variant: int) -> tuple[str, str | None]:
        codes = set()
        for words in self.commands:
            code, said = self._said(words)
            codes.add(code)
            if code not in (0, 2) or (code == 2 and complaint(said) is None):
                return "wrong", f"{self.path.name}, variant {variant} of seed {self.seed}, {words[0]}: {code} {said[-400:]}"
        return ("refused in one line" if 2 in codes else "read"), None

    def _said(self, words: list[str]) -> tuple[int, str]:
        import contextlib
        import io
        import traceback
        import warnings

        from lowerbound.cli import main

        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("default")  # each shown on stderr, where it would be a second line
            try:
                return main(words), err.getvalue()
            except BaseException:
                traceback.print_exc(file=err)
                return 1, err.getvalue()
