"""The gallery's pictures are those of its page: each is shown, is small, and is made by a command in its own section."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gallery  # noqa: E402 - from benchmarks/, which is no package

PAGE = gallery.PAGE.read_text(encoding="utf-8")
SECTIONS = [section for section in re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE) if "](gallery/" in section]


def test_pictures_are_small_and_all_are_shown() -> None:
    kept = {picture.name for picture in gallery.PICTURES.glob("*")}
    assert kept == set(re.findall(r"\]\(gallery/([^)]*)\)", PAGE))
    for name in kept:
        assert (gallery.PICTURES / name).stat().st_size <= gallery.LARGEST, name


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0])
def test_a_picture_is_made_by_the_command_below_it(section: str) -> None:
    ((alt, name),) = re.findall(r"!\[([^\]]*)\]\(gallery/([^)]*)\)", section)
    (words,) = gallery.commands(section)
    assert gallery.picture_of(words) == name
    assert len(alt) > 30


def test_commands_use_runs_that_the_page_trains() -> None:
    trained = {words[words.index("--out") + 1] for words in gallery.commands(PAGE) if words[0] == "train"}
    used = {word for words in gallery.commands(PAGE) for word in words if word.startswith("runs/")}
    assert used == trained


def test_a_large_picture_is_made_small() -> None:
    tiles = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    with io.BytesIO() as buffer:
        Image.fromarray(tiles).save(buffer, "PNG")
        small = gallery.smaller(buffer.getvalue())
    assert len(small) <= gallery.LARGEST
