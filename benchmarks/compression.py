"""Runs as compressors: ``python benchmarks/compression.py RUN … [--out FILE.json] [--page]``.

Each run's test data are compressed and decompressed, and come back. Measured are bytes, −bound of what was written, seconds to encode and
decode (one thread, without reading and training), the price of fixed point, and a file of the first 100 examples alone. Beside them are
gzip, bz2 and lzma of the values, WebP of each image, WebP and JPEG XL of a sheet, and how long it takes to code an image value by value
in a Python loop. Of a run of a table its whole file is compressed, and comes back to the byte. ``--page`` writes docs/compression.md
of what is in the file.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lowerbound as lb
from lowerbound.errors import DataError
from lowerbound.system import devices
from lowerbound.tasks import lossless
from lowerbound.tasks.lossless import laws
from lowerbound.tasks.lossless.coder import ByConstriction
from lowerbound.tasks.lossless.model import ArrayCode, ExactModel

HERE = Path(__file__).parent
OUT, PAGE = HERE / "results" / "compression.json", HERE.parent / "docs" / "compression.md"
CODERS = HERE / "results" / "coders.json"  # of coders.py
FEW, LOOPED, PARTICLES = 100, 5, 8  # examples alone, examples by the loop, draws of the latent


def measured(folder: str) -> dict[str, Any]:
    """All figures of a run. Errors: DataError where values do not come back."""
    run = lb.load(folder, "cpu")
    return of_arrays(run) if run.spec.schema is None else of_table(run)


def described(run: lb.Run) -> dict[str, Any]:
    """Which run it is, and how long it was trained."""
    recipe = run.recipe
    named = f"{Path(recipe.data).name}, {recipe.likelihood}, {recipe.network}, z{recipe.latent}, {recipe.epochs} epochs"
    return {"run": named, "training_s": (run.result() or {}).get("seconds"), "loops": devices.exact_loops() is not None}


def of_table(run: lb.Run) -> dict[str, Any]:
    """Bytes of the table that it was trained on, and seconds. Errors: DataError where they do not come back."""
    path = Path(run.recipe.data)
    began = time.perf_counter()
    content = lossless.compress(run, path)
    encoded = time.perf_counter()
    back = lossless.decompress(run, content)
    decoded = time.perf_counter()
    if back != path.read_bytes():
        raise DataError(f"{path} did not come back")
    seconds = {"encode_s": encoded - began, "decode_s": decoded - encoded}
    sizes = {"file": len(content), **lossless.general(path.read_bytes()), "as it is": path.stat().st_size}
    return described(run) | {"n": lossless.Header.read(io.BytesIO(content)).n, "bytes": sizes} | seconds


def of_arrays(run: lb.Run) -> dict[str, Any]:
    """All figures of a run of arrays."""
    data = run.read(None).test
    lossless.compress(run, data[:2])  # makes tables of functions
    began = time.perf_counter()
    parts = list(lossless.compressed(run, data))
    encoded = time.perf_counter()
    content = b"".join(part.content for part in parts)
    back = lossless.decompress(run, content)
    decoded = time.perf_counter()
    values = torch.cat([part.values for part in parts if part.values is not None])
    if not isinstance(back, torch.Tensor) or not torch.equal(back, values):
        raise DataError(f"the test data of {run.folder} did not come back")
    n, size = len(values), values[0].numel()
    numbers = np.concatenate([part.numbers for part in parts if part.numbers is not None])
    top, event = parts[0].header.top, tuple(values.shape[1:])
    general = lossless.General(top, event)
    general.add(numbers)
    sizes = {"file": len(content), **general.end(), **webp(numbers, top, event)}
    bounds = [lb.mean_bound(run.vae, values, seed=seed).bound for seed in range(3)]
    return described(run) | {
        "n": n,
        "bits_per_dim": {name: 8 * bytes_ / (n * size) for name, bytes_ in sizes.items()},
        "bound": -float(np.mean(bounds)) / math.log(2) / size,
        "particles": 8 * len(lossless.compress(run, data, particles=PARTICLES)) / (n * size),
        "few": 8 * len(lossless.compress(run, data[:FEW])) / (FEW * size),
        "encode_s": encoded - began,
        "decode_s": decoded - encoded,
        "loop_s": looped(run, numbers[:LOOPED], top) * n / LOOPED,
        "price": price(run, values),
    }


def webp(numbers: np.ndarray, top: int, event: tuple[int, ...]) -> dict[str, int]:
    """Bytes of each image alone, without loss, by some of them. Nothing for what are no grey images of up to 256 levels."""
    if len(event) != 3 or event[0] != 1 or top > 255:
        return {}
    sizes = [lossless.of_a_sheet(image[None].astype(np.uint8), top, event)["WebP, a sheet"] for image in numbers[:FEW]]
    return {"WebP, each": sum(sizes) * len(numbers) // len(sizes)}


def looped(run: lb.Run, numbers: np.ndarray, top: int) -> float:
    """Seconds to put values on a stack one by one in a Python loop, by the same laws."""
    code, stack = ArrayCode(ExactModel.of(run.vae), top, holes=False), ByConstriction()
    began = time.perf_counter()
    for row in numbers:
        bins, z = code.posterior(row[None], laws.LATENT_BITS).drawn(stack.draw)
        law = code._likelihood(z, row[None, code.model.values :], None)
        given, asked = laws.answers(law, row)
        for bit in reversed(range(law.bits)):
            for value in reversed(range(len(row))):
                stack.coder.encode_reverse(given[bit, value : value + 1], stack.bernoulli, asked[bit, value : value + 1])
        stack.push_even(laws.LATENT_BITS, bins)
    return time.perf_counter() - began


def price(run: lb.Run, values: torch.Tensor) -> float:
    """By which share a code of x given z is longer than −log p(x|z) in single precision, of the same z, draws of q."""
    exact, some = ExactModel.of(run.vae), values[:FEW]
    numbers = np.rint(some.double().numpy() * exact.symbols.steps).astype(np.int64).reshape(len(some), -1)
    _, z = ArrayCode(exact, exact.symbols.top or 0, holes=False).posterior(numbers, laws.LATENT_BITS).drawn(ByConstriction().draw)
    law = exact.symbols.of(exact.decoder(z).reshape(len(some), -1, exact.values), None, int(numbers.max(initial=1)))
    length = laws.costs(law, numbers.reshape(-1)).sum() / laws.COST
    with torch.no_grad():
        log_p = run.vae.likelihood(torch.from_numpy(z).float()).log_prob(some.reshape(FEW, *exact.event_shape)).double().sum()
    return float(length / -log_p) - 1


# --- the page ----------------------------------------------------------------------------------------


def page(found: list[dict[str, Any]]) -> str:
    """docs/compression.md."""
    arrays, tables = ([row for row in found if ("bytes" in row) == table] for table in (False, True))
    beside = coders_page(json.loads(CODERS.read_text(encoding="utf-8"))) if CODERS.exists() else []
    return "\n".join([*arrays_page(arrays), *(tables_page(tables) if tables else []), *beside]) + "\n"


def coders_page(found: dict[str, Any]) -> list[str]:
    """Seconds beside craystack's."""
    head = ["", "## Beside craystack", ""]
    head += [
        "Made by `python benchmarks/coders.py`: 10,000 binarized test images of MNIST by the network of craystack's example",
        f"(784-100-40), on one thread, one after the other, {found['rounds']} times; medians of seconds, and of how many times as long",
        f"craystack took. Other work was on the machine's two cores (load {found['load']:.0f}), and is in the clock's seconds.",
        "",
    ]
    rows = []
    for name in ("craystack", "lowerbound"):
        rows.append([name, f"{found[name]['bits_per_dim']:.4f}", *(f"{found[name][key]:.2f}" for key in found["times"])])
    times = ["times", "", *(f"**{found['times'][key]:.1f}**" for key in found["times"])]
    return [*head, *table(["", "bits/dim", "encode, s", "decode, s", "encode, s of the processor", "decode, the same"], [*rows, times])]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table."""
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]


def without_loops(found: list[dict[str, Any]]) -> list[str]:
    """What is said of seconds that were measured where numbers were pushed without compiled loops."""
    names = " and ".join(row["run"].split(",")[0] for row in found if not row.get("loops"))
    return ["", f"Seconds of {names} were measured without the compiled loops of today; the files are the same."] if names else []


def seconds(row: dict[str, Any], *names: str) -> list[str]:
    """Seconds of these names, and of training."""
    return [f"{row[name] or math.nan:,.1f}" for name in (*names, "training_s")]


def tables_page(found: list[dict[str, Any]]) -> list[str]:
    """Whole files of tables."""
    said = "The file that a run was trained on, in bytes, all counted; the same bytes came back. Seconds are of one thread."
    names = list(found[0]["bytes"])
    head = ["run", "rows", *names, "of lzma's", "encode, s", "decode, s", "training, s"]
    rows = [
        [
            row["run"],
            f"{row['n']:,}",
            *(f"{row['bytes'][name]:,}" for name in names),
            f"{row['bytes']['file'] / row['bytes']['lzma']:.3f}",
            *seconds(row, "encode_s", "decode_s"),
        ]
        for row in found
    ]
    return ["", "## Tables", "", said, "", *table(head, rows), *without_loops(found)]


def arrays_page(found: list[dict[str, Any]]) -> list[str]:
    """Test data of runs of arrays."""
    lines = [
        "# Runs as compressors",
        "",
        "Made by `python benchmarks/compression.py RUN … --page`. Test data of each run, all bytes counted, in bits/dim; they came back",
        "exactly. Seconds are of one thread and of all test data. The loop puts each value on the stack by a call of its own. The price of",
        "fixed point is the length of the code of x given z over −log p(x|z) in single precision, of the same z.",
        "",
    ]
    head = ["run", "−bound", "file", "over it", f"{PARTICLES} particles", "fixed point", f"{FEW} examples"]
    rows = [
        [
            row["run"],
            f"{row['bound']:.4f}",
            f"{row['bits_per_dim']['file']:.4f}",
            f"{row['bits_per_dim']['file'] / row['bound'] - 1:.2%}",
            f"{row['particles']:.4f}",
            f"{row['price']:.3%}",
            f"{row['few']:.4f}",
            *seconds(row, "encode_s", "decode_s", "loop_s"),
        ]
        for row in found
    ]
    lines += [*table([*head, "encode, s", "decode, s", "loop, s", "training, s"], rows), *without_loops(found)]
    if busy := [row["run"] for row in found if row.get("beside other work")]:
        lines += ["", f"Seconds were measured beside other work: {'; '.join(busy)}."]
    names = list(dict.fromkeys(name for row in found for name in row["bits_per_dim"]))
    sizes = [[f"{row['bits_per_dim'][name]:.4f}" if name in row["bits_per_dim"] else "–" for name in names] for row in found]
    return [*lines, "", *table(["run", *names], [[row["run"], *each] for row, each in zip(found, sizes, strict=True)])]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", action="store_true")
    args = parser.parse_args()
    known = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else []
    for folder in args.runs:
        row = measured(folder)
        print(json.dumps(row, indent=1, ensure_ascii=False))
        known = [*(each for each in known if each["run"] != row["run"]), row]
        args.out.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.page:
        PAGE.write_text(page(known), encoding="utf-8")


if __name__ == "__main__":
    main()
