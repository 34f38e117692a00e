"""Compressors beside a model: general ones, at their strongest, of values, each in a byte or eight zeros and ones, and of a file's bytes;
and formats of images without loss, of all images as one contact sheet.
"""

from __future__ import annotations

import bz2
import io
import lzma
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lowerbound.tasks.lossless.laws import Whole

SHEET = 10_000  # images on a contact sheet, at most
SIDE = 16_383  # pixels on a side of a WebP image, at most


class General:
    """What gzip, bz2 and lzma make of values that come block by block, at their strongest; of images WebP and JPEG XL too.

    ``event`` is the shape of an example. There is a sheet of up to ``SHEET`` grey or coloured images of up to 256 levels.

    >>> import numpy as np
    >>> import lowerbound as lb
    >>> others = lb.tasks.lossless.General(top=1)
    >>> others.add(np.zeros((1000, 64), dtype=np.int64))  # 64,000 bits, all of them 0
    >>> {name: size < 200 for name, size in others.end().items()}
    {'gzip': True, 'bz2': True, 'lzma': True}
    """

    def __init__(self, top: int, event: Sequence[int] = ()):
        self.top, self.event = top, tuple(event)
        self.images: list[Whole] | None = [] if len(event) == 3 and event[0] in (1, 3) and top < 2**8 else None
        self.compressors: dict[str, Any] = {"gzip": zlib.compressobj(9), "bz2": bz2.BZ2Compressor(9), "lzma": lzma.LZMACompressor(preset=9)}
        self.sizes = dict.fromkeys(self.compressors, 0)

    def add(self, numbers: Whole) -> None:
        """Further values ``(n, D)``; −1, where one is missing, is ``top``, a level more than there are."""
        numbers = np.where(numbers < 0, self.top, numbers)
        kind = np.uint8 if self.top < 2**8 else np.uint16
        content = np.packbits(numbers.astype(bool)) if self.top == 1 else numbers.astype(kind)
        for name, compressor in self.compressors.items():
            self.sizes[name] += len(compressor.compress(content.tobytes()))
        if self.images is not None:
            self.images.append(numbers.astype(np.uint8))
            if sum(map(len, self.images)) > SHEET:
                self.images = None

    def end(self) -> dict[str, int]:
        """How many bytes each needs for all of them."""
        for name, compressor in self.compressors.items():
            self.sizes[name] += len(compressor.flush())
        return self.sizes if not self.images else self.sizes | of_a_sheet(np.concatenate(self.images), self.top, self.event)


def of_a_sheet(numbers: npt.NDArray[np.uint8], top: int, event: Sequence[int]) -> dict[str, int]:
    """How many bytes images ``(n, D)`` need as one WebP, and as one JPEG XL where Pillow can write them (pillow-jxl-plugin).

    ``top`` is the greatest of their numbers, ``event`` the shape of an image ``(C, H, W)``.

    >>> import numpy as np
    >>> import lowerbound as lb
    >>> sizes = lb.tasks.lossless.of_a_sheet(np.zeros((100, 64), dtype=np.uint8), top=1, event=(1, 8, 8))
    >>> sizes["WebP, a sheet"] < 200  # a hundred images that are black
    True
    """
    import PIL.Image

    channels, height, width = event
    images = (numbers.reshape(-1, *event) * (255 // top)).transpose(0, 2, 3, 1)
    across = min(len(images), SIDE // width, math.ceil(math.sqrt(len(images) * height / width)))
    images = np.concatenate([images, np.zeros((-len(images) % across, *images.shape[1:]), np.uint8)])
    sheet = images.reshape(-1, across, height, width, channels).swapaxes(1, 2).reshape(-1, across * width, channels)
    picture = PIL.Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
    return {f"{name}, a sheet": _size(picture, **words) for name, words in _formats(picture)}


def _formats(picture: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Formats, and how they are written."""
    if picture.height <= SIDE:
        yield "WebP", {"format": "webp", "lossless": True, "quality": 100, "method": 4}
    try:
        import pillow_jxl  # noqa: F401 - it registers its format
    except ImportError:
        return
    yield "JPEG XL", {"format": "jxl", "lossless": True, "effort": 7}


def _size(picture: Any, **words: Any) -> int:
    file = io.BytesIO()
    picture.save(file, **words)
    return len(file.getvalue())


def general(content: bytes) -> dict[str, int]:
    """How many bytes gzip, bz2 and lzma, at their strongest, need for the ``content`` of a file.

    >>> import lowerbound as lb
    >>> {name: size < 200 for name, size in lb.tasks.lossless.general(bytes(10_000)).items()}
    {'gzip': True, 'bz2': True, 'lzma': True}
    """
    return {"gzip": len(zlib.compress(content, 9)), "bz2": len(bz2.compress(content, 9)), "lzma": len(lzma.compress(content, preset=9))}
