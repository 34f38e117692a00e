"""Images as the pixels of one sheet, and the colours of all figures: what needs no plotting."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]

COLORS = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")


def subscript(number: int) -> str:
    """The number as a subscript, as in z₁."""
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def small_png(content: bytes) -> bytes:
    """The same picture in at most 256 colours, for pages with many of them; grey pictures lose nothing."""
    with Image.open(io.BytesIO(content)) as image, io.BytesIO() as buffer:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def tile(images: Array, columns: int, gap: int = 1) -> Array:
    """Images ``(N, C, H, W)`` in [0, 1] side by side on white, ``columns`` per row: ``(H', W', 3)`` uint8."""
    n, _, height, width = images.shape
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        # grey is broadcast to the three colours; NaN, where a decoder gives no value, is white
        pixels = np.nan_to_num(image.transpose(1, 2, 0), nan=1.0).clip(0, 1)
        sheet[top : top + height, left : left + width] = (pixels * 255).round()
    return sheet


def sheet_png(images: Array, columns: int) -> bytes:
    """Images ``(N, C, H, W)`` in [0, 1] as a PNG without axes or margins, each pixel enlarged by a whole number."""
    sheet = Image.fromarray(tile(images, columns, gap=max(1, images.shape[-1] // 14)))
    factor = max(1, round(900 / max(sheet.size)))
    with io.BytesIO() as buffer:
        sheet.resize((sheet.width * factor, sheet.height * factor), Image.Resampling.NEAREST).save(buffer, "PNG")
        return buffer.getvalue()
