"""What compressors beside a model are given: all values, in as few bits as they have, and all images on one sheet."""

from __future__ import annotations

import io
import lzma

import numpy as np
import PIL.Image
import pytest

from lowerbound.tasks import lossless
from lowerbound.tasks.lossless import others


@pytest.mark.parametrize("event", [(1, 5, 8), (3, 5, 8)])
@pytest.mark.parametrize("top", [1, 15, 255])
def test_a_sheet_has_every_pixel(event: tuple[int, int, int], top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read back, it is the images in rows, levels spread from black to white."""
    pytest.importorskip("pillow_jxl", reason="pip install 'lowerbound[compression]'")
    numbers = np.random.default_rng(0).integers(0, top + 1, (7, *event))
    sheets: dict[str, np.ndarray] = {}

    def size(picture: PIL.Image.Image, **words: object) -> int:
        file = io.BytesIO()
        picture.save(file, **words)  # type: ignore[arg-type]
        sheets[str(words["format"])] = np.asarray(PIL.Image.open(file).convert(picture.mode))
        return file.tell()

    monkeypatch.setattr(others, "_size", size)
    found = lossless.General(top, event)
    for some in np.split(numbers.reshape(7, -1), [3]):
        found.add(some)
    assert set(found.end()) == {"gzip", "bz2", "lzma", "WebP, a sheet", "JPEG XL, a sheet"}
    for sheet in sheets.values():
        tiles = sheet.reshape(sheet.shape[0] // 5, 5, sheet.shape[1] // 8, 8, event[0]).transpose(0, 2, 4, 1, 3).reshape(-1, *event)
        assert (tiles[:7] == numbers * (255 // top)).all()
        assert not tiles[7:].any()


def test_too_many_images_and_what_are_none_have_no_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "SHEET", 5)
    for n, event, top in ((6, (1, 2, 2), 255), (3, (4,), 255), (3, (2, 2, 2), 255), (3, (1, 2, 2), 256)):
        found = lossless.General(top, event)
        found.add(np.zeros((n, int(np.prod(event))), np.int64))
        assert set(found.end()) == {"gzip", "bz2", "lzma"}


def test_values_are_in_bytes_or_eight_in_one() -> None:
    numbers = np.random.default_rng(0).integers(0, 2, (40, 16))
    bits, words = lossless.General(1), lossless.General(999)
    for each in (bits, words):
        each.add(numbers)
    assert bits.end()["lzma"] == len(lzma.compress(np.packbits(numbers.astype(bool)).tobytes(), preset=9))
    assert words.end()["lzma"] == len(lzma.compress(numbers.astype("<u2").tobytes(), preset=9))
