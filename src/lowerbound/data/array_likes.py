"""What counts as an array: tensors, what NumPy calls an array, images of Pillow, lists of numbers; and which is one example alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import frames
from lowerbound.errors import DataError

Array = Tensor | np.ndarray
#: modes of images whose pixels are the numbers of an array
MODES = ("1", "L", "RGB", "I;16")


def array_of(source: Any) -> Array | None:
    """The source as an array, where it is one: a tensor, what NumPy calls an array, an image, a list of numbers."""
    if isinstance(source, Tensor):
        if source.layout != torch.strided:
            raise DataError("a sparse tensor has no rows to draw; give tensor.to_dense()")
        return _with_axes(source)
    if isinstance(source, np.ma.MaskedArray):
        raise DataError("a masked array has values that are none; give array.filled(numpy.nan)")
    if isinstance(source, list) and source and isinstance(source[0], int | float | np.number):
        return np.asarray(source)
    if _is_image(source):
        return _pixels(source)
    held = hasattr(source, "__array__") and not frames.may_be(source)
    return _with_axes(np.asarray(source)) if held else None


def _with_axes(array: Array) -> Array:
    if not array.shape:
        raise DataError("one number is no example; give an array of its values")
    return array


def is_alone(shape: Sequence[int], event: Sequence[int] | None) -> bool:
    """Whether that is the shape of one example and not of several: by the shape, then by the number of values."""
    if len(shape) < 2:
        return True  # there is no axis to count examples
    if event is None or tuple(shape[1:]) == tuple(event):
        return False
    size = math.prod(event)
    return tuple(shape) == tuple(event) or math.prod(shape) == size != math.prod(shape[1:])


def is_floating(array: Array) -> bool:
    """Whether its numbers are floats."""
    return array.is_floating_point() if isinstance(array, Tensor) else array.dtype.kind == "f"


def floats(array: Array) -> Tensor:
    """Floats as a tensor, which shares the array's memory where it can."""
    if isinstance(array, Tensor):
        return array
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if native.dtype not in (np.float16, np.float32, np.float64):
        native = native.astype(np.float64)
    return torch.from_numpy(native if native.flags.writeable else native.copy())


def _is_image(source: Any) -> bool:
    """Whether it is an image of Pillow, which is not imported to find out."""
    return hasattr(source, "getbands") and hasattr(source, "mode")


def _pixels(image: Any) -> np.ndarray:
    """``(C, H, W)`` of an image. Errors: DataError for one whose numbers are no pixels."""
    if image.mode not in MODES:
        raise DataError(f"an image of the mode {image.mode} has no plain pixels; convert it, image.convert('L') or image.convert('RGB')")
    pixels = np.array(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
