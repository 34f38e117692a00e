"""The pictures of docs/gallery.md, each made by the command that the page shows: ``python benchmarks/gallery.py [PICTURE …]``.

The page is the list. Its commands are run in their order in build/gallery, and each picture that one of them writes (``-o NAME.png``) is
made smaller and put into docs/gallery. A training or an evaluation that was done by the same words is not done again, and one that was
interrupted goes on. With names, as ``manifold.png``, only these pictures are made, and trainings.
"""

from __future__ import annotations

import argparse
import io
import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PAGE, PICTURES, BUILD = DOCS / "gallery.md", DOCS / "gallery", HERE.parent / "build" / "gallery"
LARGEST = 60_000  # bytes of a picture
COLORS, WIDTHS = (256, 64, 16, 8), (1200, 1000, 800, 640, 560)  # that are tried, widths first, until a picture is small enough
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The words after ``lowerbound`` of each command that the page shows."""
    lines = [line.removeprefix("$ ") for block in CONSOLE.findall(page) for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def picture_of(words: list[str]) -> str | None:
    """The name of the picture that a command writes, if it writes one."""
    written = [after for word, after in itertools.pairwise(words) if word == "-o"]
    return written[0] if written else None


def smaller(content: bytes) -> bytes:
    """The same picture in at most ``LARGEST`` bytes: narrower, or with fewer colours. Errors: SystemExit where it cannot be."""
    with Image.open(io.BytesIO(content)) as image:
        picture = image.convert("RGB")
    for colors, width in itertools.product(COLORS, WIDTHS):
        fitted = picture
        if picture.width > width:
            fitted = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        with io.BytesIO() as buffer:
            fitted.quantize(colors, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
            if len(buffer.getvalue()) <= LARGEST:
                return buffer.getvalue()
    raise SystemExit("a picture cannot be made small enough")


def run(words: list[str]) -> None:
    """One command, in the folder of the runs. Errors: CalledProcessError."""
    print("lowerbound", shlex.join(words), flush=True)
    subprocess.run([sys.executable, "-m", "lowerbound", *words], cwd=BUILD, check=True)


def work(words: list[str]) -> None:
    """A training or an evaluation, unless it was done by the same words."""
    folder = BUILD / (words[words.index("--out") + 1] if "--out" in words else words[1])
    done = folder / ("result.json" if words[0] == "train" else "evaluation.json")
    said, line = folder.with_suffix(f".{words[0]}"), shlex.join(words)
    same = said.is_file() and said.read_text(encoding="utf-8") == line
    if same and done.is_file():
        return
    said.parent.mkdir(parents=True, exist_ok=True)
    said.write_text(line, encoding="utf-8")
    if words[0] != "train":
        run(words)
    elif same and (folder / "checkpoint.safetensors").is_file():
        run(["resume", str(folder)])
    else:
        run([*words, "--overwrite"])


def main() -> None:
    """Run the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE")
    asked = parser.parse_args().pictures
    BUILD.mkdir(parents=True, exist_ok=True)
    PICTURES.mkdir(exist_ok=True)
    for words in commands(PAGE.read_text(encoding="utf-8")):
        name = picture_of(words)
        if name is None:
            work(words)
        elif not asked or name in asked:
            run(words)
            (PICTURES / name).write_bytes(smaller((BUILD / name).read_bytes()))


if __name__ == "__main__":
    main()
