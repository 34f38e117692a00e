"""Downloading a file with a known checksum: it is saved under its name only if the checksum matches."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path

from lowerbound.errors import DataError
from lowerbound.system.files import make_folder, written

TIMEOUT = 30.0  # seconds without a byte
LARGEST = 200_000_000  # bytes, compressed or not: the largest known data set has a quarter of this
FAULTS = (urllib.error.URLError, http.client.HTTPException, OSError, EOFError, zlib.error)


def fetch(urls: Sequence[str], target: Path, sha256: str) -> Path:
    """Download to ``target`` the first of ``urls`` whose content has the checksum.

    ``sha256`` is that of the uncompressed content: mirrors compress differently.
    Errors: DataError with the answer of each mirror, and which file to put where instead.
    """
    answers = []
    for url in urls:
        try:
            raw = _body(url)
            actual = hashlib.sha256(_uncompressed(raw)).hexdigest()
        except FAULTS as error:
            answers.append(f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}")
            continue
        if actual != sha256:
            answers.append(f"{url}: damaged, its SHA-256 is {actual[:12]}… and should be {sha256[:12]}…")
            continue
        make_folder(target.parent)
        with written(target) as file:
            file.write(raw)
        return target
    raise DataError(f"cannot download {target.name} ({'; '.join(answers)}). Put it at {target} by hand, or name its folder with --data-dir")


def _body(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310 - the callers' URLs are constants
        raw: bytes = response.read(LARGEST + 1)
        promised = response.headers.get("Content-Length")
    if promised is not None and int(promised) != len(raw):
        raise OSError(f"interrupted after {len(raw):,} of {promised} bytes")
    return raw


def _uncompressed(raw: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
        return file.read(LARGEST + 1)
