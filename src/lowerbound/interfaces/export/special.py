"""Functions that laws are made of and ONNX lacks, of ONNX's own operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

SHIFT = 7  # from here on Stirling's series has twelve digits
#: B₂ₖ/(2k (2k − 1)) of the series' terms 1/y, 1/y³, …
SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)


def functions() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Of torch's operations that ONNX lacks what to write in their place; onnxscript is imported here."""
    from onnx import TensorProto, helper
    from onnxscript import FLOAT, opset18

    op: Any = opset18  # in which torch writes, before it converts to what is asked for

    def number(value: float) -> Any:
        return op.Constant(value=helper.make_tensor("", TensorProto.DOUBLE, [], [value]))

    def lgamma(self: FLOAT) -> FLOAT:
        """log Γ(x) of x > 0, in double precision: Stirling's series at y = x + ``SHIFT``, less log x (x + 1) … (y − 1)."""
        x = op.Cast(self, to=TensorProto.DOUBLE)
        product, y = x, op.Add(x, number(float(SHIFT)))
        for shift in range(1, SHIFT):
            product = op.Mul(product, op.Add(x, number(float(shift))))
        inverse = op.Reciprocal(y)
        square, series = op.Mul(inverse, inverse), number(SERIES[-1])
        for term in SERIES[-2::-1]:
            series = op.Add(op.Mul(series, square), number(term))
        found = op.Sub(op.Mul(op.Sub(y, number(0.5)), op.Log(y)), y)
        found = op.Add(op.Add(found, number(math.log(2 * math.pi) / 2)), op.Mul(series, inverse))
        return op.CastLike(op.Sub(found, op.Log(product)), self)

    return {torch.ops.aten.lgamma.default: lgamma}
