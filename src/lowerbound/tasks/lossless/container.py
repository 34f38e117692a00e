"""The file: a header, then blocks, each with a checksum, so that any can be read alone and a damaged one costs only itself.

All numbers are little-endian. ``LBZ``, a byte for the version, the length of a JSON object (2 bytes), the object, 16 bytes of the model's
hash, a CRC-32 of all that. Of a table a CRC-32 (4), and in lzma's format a JSON object, all but the cells that are coded. A block: how many
words it has (4 bytes), how many of the counter's are below them (4), a power of two for the size of groups (1), a CRC-32 (4), and the
words, 4 bytes each. Where values are missing, a mask comes before each block: its size (4), a CRC-32 (4), and in lzma's format a bit for
each value. Checksums behind the header are of the header's, the block's number, the two numbers after the first, the content's size, and
the content.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, fields
from io import BufferedIOBase
from typing import Any
from zlib import crc32

import numpy as np
from torch import Tensor

from lowerbound.errors import DataError
from lowerbound.tasks.lossless.blocks import Block
from lowerbound.tasks.lossless.laws import LATENT_BITS, Whole

MAGIC, VERSION = b"LBZ", 1
START, CHECK, BLOCK, MASK = (struct.Struct(form) for form in ("<3sBH", "<I", "<IIBI", "<II"))
DIGEST = 16
AT_ONCE = 2**24  # bytes that are read
NAME = "the file"


@dataclass(frozen=True)
class Header:
    """What a file holds: ``n`` examples of shape ``event``, whole numbers up to ``top``, so many a ``block``, by the model of ``digest``.

    ``run`` is the folder that the model was read from, as it was written; with a ``seed`` greys were binarized by it. With a ``table`` what
    is not coded by the model follows the header, so many bytes; ``particles`` are those of each example, and ``missing`` is how many values
    are; latents of a block's first example have so many ``bits``. What is as usual is not in the file.

    >>> import io
    >>> import lowerbound as lb
    >>> header = lb.tasks.lossless.Header(n=2500, block=1000, event=(1, 8, 8), top=1, digest=bytes(16))
    >>> header.blocks, header.rows(2), lb.tasks.lossless.Header.read(io.BytesIO(header.to_bytes())) == header
    (3, range(2000, 2500), True)
    """

    n: int
    block: int
    event: tuple[int, ...]
    top: int
    digest: bytes
    run: str = ""
    seed: int | None = None
    table: int | None = None
    particles: int = 1
    missing: int = 0
    bits: int = LATENT_BITS

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.n // self.block)

    def rows(self, block: int) -> range:
        """The numbers of a block's examples."""
        return range(block * self.block, min(self.n, (block + 1) * self.block))

    def to_bytes(self) -> bytes:
        """The header as it begins a file."""
        usual = {field.name: field.default for field in fields(self)}
        words = {name: value for name, value in asdict(self).items() if name != "digest" and value != usual[name]}
        text = json.dumps(words, separators=(",", ":"), ensure_ascii=False).encode()
        start = START.pack(MAGIC, VERSION, len(text)) + text + self.digest
        return start + CHECK.pack(crc32(start))

    @classmethod
    def read(cls, file: BufferedIOBase, name: str = NAME) -> Header:
        """From where a file begins. Errors: DataError for another's file, a later version's, a damaged one."""
        start = file.read(START.size)
        if start[:3] != MAGIC or len(start) < START.size:
            raise DataError(f"{name} is no file of lowerbound compress; give one")
        _, version, length = START.unpack(start)
        if version > VERSION:
            raise DataError(f"{name} was written by a later lowerbound (format {version}, this one knows {VERSION}); update this one")
        text, digest, check = file.read(length), file.read(DIGEST), file.read(CHECK.size)
        if len(check) < CHECK.size or CHECK.unpack(check)[0] != crc32(start + text + digest):
            raise DataError(f"{name} is damaged in its header; copy it anew from where it came")
        try:
            return cls._of(json.loads(text), digest)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{name} has a header that is none of lowerbound's; copy it anew from where it came") from error

    @classmethod
    def _of(cls, words: dict[str, Any], digest: bytes) -> Header:
        return cls(digest=digest, **(words | {"event": tuple(words["event"])}))

    @property
    def check(self) -> int:
        """Its own checksum, with which those of its blocks begin: a block of another file is none of this one's."""
        return int(CHECK.unpack(self.to_bytes()[-CHECK.size :])[0])


@dataclass(frozen=True)
class Part:
    """What comes next in a file: its header or a block of n examples, of arrays with their ``values`` and these as whole ``numbers``.

    ``content`` are the bytes of it. Of values that are missing ``values`` are NaN and ``numbers`` −1. With the ``labels`` that a
    conditional VAE is given.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:8", latent=2), (1, 8, 8)).vae
    >>> [part.n for part in lb.tasks.lossless.compressed(vae, digits.test[:20], block=8)]  # the header, and three blocks
    [0, 8, 8, 4]
    """

    header: Header
    content: bytes
    n: int
    values: Tensor | None = None
    numbers: Whole | None = None
    labels: Tensor | None = None


def block_to_bytes(header: Header, number: int, block: Block) -> bytes:
    """A block as it is in the file."""
    content = block.words.astype("<u4").tobytes()
    check = _check(header, number, block.initial, block.part, content)
    return BLOCK.pack(len(block.words), block.initial, block.part, check) + content


def read_block(header: Header, number: int, file: BufferedIOBase, name: str = NAME, skip: bool = False) -> Block:
    """The next block, which is of this ``number``; with ``skip`` it is not looked at, and the file is behind it.

    Errors: DataError, with the examples that are lost, where it is damaged or the file ends.
    """
    length, initial, part, check = _whole(header, number, file.read(BLOCK.size), BLOCK, name)
    content = _read(file, 4 * length)
    _must_be_whole(header, number, len(content) == 4 * length, name)
    if not skip and check != _check(header, number, initial, part, content):
        raise _damaged(header, number, name)
    return Block(np.frombuffer(content, "<u4").astype(np.uint32), initial, part)


def mask_to_bytes(header: Header, number: int, content: bytes) -> bytes:
    """What comes before a block of which values are missing: its size, its checksum, and the content."""
    return MASK.pack(len(content), _check(header, number, 0, 0, content)) + content


def read_mask(header: Header, number: int, file: BufferedIOBase, name: str = NAME, skip: bool = False) -> bytes:
    """The content. Errors: as for ``read_block``."""
    length, check = _whole(header, number, file.read(MASK.size), MASK, name)
    content = _read(file, length)
    _must_be_whole(header, number, len(content) == length, name)
    if not skip and check != _check(header, number, 0, 0, content):
        raise _damaged(header, number, name)
    return content


def _read(file: BufferedIOBase, size: int) -> bytes:
    """So many bytes, or those that there are: of a damaged size no memory is taken."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(min(size, AT_ONCE))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _whole(header: Header, number: int, start: bytes, form: struct.Struct, name: str) -> tuple[int, ...]:
    """The numbers before a content."""
    _must_be_whole(header, number, len(start) == form.size, name)
    return form.unpack(start)


def _must_be_whole(header: Header, number: int, whole: bool, name: str) -> None:
    if not whole:
        lost = f"{_lost(header, number)}, and all after them"
        raise DataError(f"{name} is cut short in block {number:,}: {lost}; copy it anew from where it came")


def _damaged(header: Header, number: int, name: str) -> DataError:
    return DataError(f"{name} is damaged in block {number:,}: {_lost(header, number)}; copy it anew, or ask for other rows")


def _lost(header: Header, number: int) -> str:
    rows = header.rows(number)
    return f"examples {rows.start:,} to {rows.stop - 1:,} are lost"


def words_to_bytes(header: Header, content: bytes) -> bytes:
    """What follows the header of a table's file: its checksum, and the content."""
    return CHECK.pack(_check(header, 0, 0, 0, content)) + content


def read_words(header: Header, file: BufferedIOBase, name: str = NAME) -> bytes:
    """The content. Errors: DataError where it is damaged."""
    check, content = file.read(CHECK.size), _read(file, header.table or 0)
    if len(check) < CHECK.size or CHECK.unpack(check)[0] != _check(header, 0, 0, 0, content):
        raise DataError(f"{name} is damaged in what describes its table; copy it anew from where it came")
    return content


def _check(header: Header, number: int, initial: int, part: int, content: bytes) -> int:
    return crc32(struct.pack("<IIIBI", header.check, number, initial, part, len(content)) + content)


def must_end(file: BufferedIOBase, name: str = NAME) -> None:
    """Raise DataError where something comes after the last block."""
    if file.read(1):
        raise DataError(f"{name} goes on after its last block; copy it anew from where it came")
