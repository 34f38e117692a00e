"""Arrays in a page: numbers side by side as bytes, deflated and in base64, and a table that says where each begins.

Weights are whole numbers of 16 bits times a scale for each row, the first axis: of the same size as half precision, and several times as
exact, since the weights of a row are of about one size.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lowerbound.errors import RecipeError

Numbers = npt.NDArray[Any]
LARGEST = 2**15 - 1
AFTER = 8  # each array begins at a multiple of so many bytes, as views of numbers ask for


def rows_of_16_bits(values: Numbers) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
    """A scale for each row, and whole numbers that times it are ``values``, to 1/65,000 of the row's largest."""
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    scale = (np.abs(flat).max(1, initial=0) / LARGEST).astype(np.float32)
    whole = np.rint(flat / np.where(scale > 0, scale, 1)[:, None].astype(np.float64))
    return scale, whole.clip(-LARGEST, LARGEST).astype(np.int16)


def numbers_of(values: Tensor) -> npt.NDArray[np.float32]:
    """A tensor in single precision, wherever it is."""
    made: npt.NDArray[np.float32] = values.detach().cpu().float().numpy()
    return made


@dataclass
class Arrays:
    """What is put in, one after the other; with ``exact`` weights are in single precision."""

    exact: bool = False
    table: list[dict[str, Any]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def weights(self, values: Numbers) -> int:
        """Put in weights ``(rows, …)``, and say which array they are. Errors: RecipeError where some are not finite."""
        values = np.asarray(values, np.float32)
        if not np.isfinite(values).all():
            raise RecipeError("some of the model's weights are not finite; go back to an earlier state of the run")
        if self.exact or values.ndim < 2:
            return self.numbers(values, np.float32)
        scale, whole = rows_of_16_bits(values)
        rows = self.numbers(scale, np.float32)
        return self._add({"type": "int16", "shape": list(values.shape), "scale": rows}, whole.tobytes())

    def numbers(self, values: Numbers, kind: type[np.generic] = np.float32) -> int:
        """Put in numbers of a type, float32, uint8 or int32, and say which array they are."""
        values = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))
        return self._add({"type": values.dtype.name, "shape": list(values.shape)}, values.tobytes())

    def _add(self, row: dict[str, Any], content: bytes) -> int:
        gap = -self.size % AFTER
        self.parts.append(bytes(gap) + content)
        self.table.append(row | {"offset": self.size + gap})
        self.size += gap + len(content)
        return len(self.table) - 1

    def packed(self) -> str:
        """All bytes, deflated without a header, in base64."""
        deflate = zlib.compressobj(wbits=-15)
        return base64.b64encode(deflate.compress(b"".join(self.parts)) + deflate.flush()).decode()
