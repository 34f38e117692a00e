"""What is done to a file: bytes changed at random, or a whole file of tensors that are not those it should hold."""

from __future__ import annotations

import copy
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import torch

from lowerbound.runs import checkpoint

BYTE = st.binary(min_size=1, max_size=1)
STRIKING = st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"1e99", b"nan,"))


@dataclass(frozen=True, repr=False)
class Whole:
    """What was in a file."""

    content: bytes

    def __repr__(self) -> str:  # it is long
        return f"<{len(self.content):,} bytes>"


@st.composite
def damaged(draw: st.DrawFn, whole: Whole) -> bytes:
    """Some bytes changed, cut, doubled or put in; one time in twenty all of it random."""
    if draw(st.integers(0, 19)) == 19:
        return draw(st.binary(max_size=min(len(whole.content), 1_000)))
    made = bytearray(whole.content)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4, 16)))):
        at = draw(st.integers(0, max(0, len(made) - 1)))
        gone, put = draw(_changes(made, at))
        made[at : at + gone] = put
    return bytes(made)


def _changes(made: bytearray, at: int) -> st.SearchStrategy[tuple[int, bytes]]:
    """How many bytes go there, and which come in their place."""
    flipped = st.integers(0, 7).map(lambda bit: bytes(byte ^ (1 << bit) for byte in made[at : at + 1]))
    doubled = st.sampled_from((1, 8, 100)).map(lambda length: bytes(made[at : at + length]))
    return st.one_of(
        st.tuples(st.just(1), BYTE),
        st.tuples(st.just(1), flipped),
        st.tuples(st.sampled_from((1, 4, 64, 10**6)), st.just(b"")),
        st.tuples(st.just(0), doubled),
        st.tuples(st.just(4), STRIKING),
        st.tuples(st.just(0), st.binary(min_size=1, max_size=32)),
    )


STRANGE = st.sampled_from((None, True, -1, 0, 3, 1e308, math.nan, math.inf, "", "x", [], [1], {}, {"a": 1}, [[1, 2]], 10**30))


@st.composite
def of_others(draw: st.DrawFn, whole: Whole) -> bytes:
    """Tensors of another shape, type or name, or not finite, or other words beside them, and the checksum of that."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "file"
        path.write_bytes(whole.content)
        tensors, meta = checkpoint.read(path)
        for _ in range(draw(st.integers(1, 3))):
            if meta and draw(st.booleans()):
                meta = _otherwise(draw, meta)
            elif tensors:
                name = draw(st.sampled_from(sorted(tensors)))
                tensors |= draw(st.sampled_from(_other(name, tensors.pop(name))))
        checkpoint.write(path, tensors, meta)
        return path.read_bytes()


def _otherwise(draw: st.DrawFn, words: Any) -> Any:
    """The same words, but for one somewhere in them, which is another or is missing."""
    keys = list(words) if isinstance(words, dict) else list(range(len(words)))
    at, made = draw(st.sampled_from(keys)), copy.copy(words)
    inner = made.pop(at)
    if isinstance(inner, (dict, list)) and inner and draw(st.integers(0, 3)):
        inner = _otherwise(draw, inner)
    elif draw(st.integers(0, 4)):
        inner = draw(STRANGE)
    else:
        return made
    if isinstance(made, dict):
        made[at] = inner
    else:
        made.insert(at, inner)
    return made


def _other(name: str, tensor: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """What may stand in place of a tensor."""
    tensor = tensor.real if tensor.is_complex() else tensor
    kinds = (torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.complex64, torch.uint8)
    shapes = (tensor[None], tensor.flatten()[:1], tensor.flatten()[:0], tensor.flatten(), torch.cat([tensor.flatten()] * 2))
    values = (torch.full(tensor.shape, value) for value in (math.nan, math.inf, 1e38, 0.0))
    names = ("", "x", f"{name}.x", f"{name}9", name.replace("0", "7"), "optimizer.999.exp_avg", "optimizer.x.step")
    made = [{}, *({name: tensor.to(kind)} for kind in kinds), *({name: one} for one in (*shapes, *values))]
    return made + [{other: tensor} for other in names]
