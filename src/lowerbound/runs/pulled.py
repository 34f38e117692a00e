"""Runs that others have pushed: looked at before anything is read, copied whole or not at all, and kept by their revision."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath

import platformdirs

from lowerbound.errors import OutputError, RunError, printable, reason
from lowerbound.runs import layout
from lowerbound.runs.places import MANIFEST, PLACES, Place, place_of
from lowerbound.system.files import make_folder, write_json

#: what is copied of a run: safetensors, JSON, TOML and pictures, of which none can do anything when it is read
FILES = (
    *(layout.RECIPE, layout.DATA, layout.COLUMNS, layout.ENVIRONMENT, layout.METRICS, layout.RESULT, layout.EVALUATION),
    *(layout.WEIGHTS, layout.BEST, layout.TRAINING),
)
PICTURE = re.compile(rf"{layout.FIGURES}/[a-z-]+\.png")
#: of files beside those, which are never copied: texts, as a card or a licence; any other is a reason to touch nothing
HARMLESS = {".safetensors", ".json", ".jsonl", ".toml", ".png", ".md", ".txt", ""}
SOURCE = "source.json"  # where a copy is from


def is_address(folder: object) -> bool:
    """Whether it is an address of a run, and no folder."""
    return isinstance(folder, str) and folder.startswith(tuple(PLACES))


def belongs(name: str) -> bool:
    """Whether a file, by its path in the folder, is one of a run's that are shared."""
    return name in FILES or PICTURE.fullmatch(name) is not None


def pulled(address: str) -> Path:
    """The folder with a copy of the run at an address, in the user's cache; one that is there already is not copied again.

    Errors: RunError where there is no run, one that is damaged, or a file of another kind; UsageError for what is no address.
    """
    place = place_of(address)
    revision = place.revision()
    target = platformdirs.user_cache_path("lowerbound") / "hub" / re.sub(r"[^\w.-]+", "--", place.name) / revision
    if (target / SOURCE).is_file():
        return target
    _must_be_harmless(address, place.names(revision))
    make_folder(target.parent)
    coming = Path(tempfile.mkdtemp(dir=target.parent, prefix=".coming-"))
    try:
        hashes = _copy(address, place, revision, coming)
        write_json(coming / SOURCE, {"address": address, "revision": revision, "sha256": hashes})
        coming.rename(target)
    except OSError as error:
        if not (target / SOURCE).is_file():  # else another process was faster
            raise OutputError(f"cannot keep {address} in {target}: {reason(error)}") from error
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    return target


def _must_be_harmless(address: str, names: list[str]) -> None:
    other = next((name for name in names if PurePosixPath(name).suffix.lower() not in HARMLESS), None)
    if other is not None:
        raise RunError(f"{address} holds {printable(other)}, and a run is safetensors, JSON, TOML and PNG alone; nothing of it was read")
    if MANIFEST not in names:
        raise RunError(f"{address} has no {MANIFEST}: it holds no run that was pushed; push one with: lowerbound push RUN {address}")


def _copy(address: str, place: Place, revision: str, folder: Path) -> dict[str, str]:
    """Copy what the manifest names, and hold it to the manifest; the SHA-256 of each file. Errors: RunError."""
    place.fetch(MANIFEST, revision, folder / MANIFEST)
    try:
        hashes: dict[str, str] = json.loads((folder / MANIFEST).read_bytes())["sha256"]
        strange = next((name for name in hashes if not belongs(name)), None)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{MANIFEST} of {address} is damaged; push the run again") from error
    if strange is not None:
        raise RunError(f"{MANIFEST} of {address} names {printable(strange)}, which is no file of a run; nothing else of it was read")
    (folder / layout.FIGURES).mkdir()
    for name, expected in hashes.items():
        target = folder / name
        place.fetch(name, revision, target)
        if sha256_of(target) != expected:
            raise RunError(f"{name} of {address} is not what was pushed, by its SHA-256; push the run again")
    return hashes


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
