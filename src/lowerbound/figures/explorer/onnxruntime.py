"""onnxruntime-web, which computes ONNX in a browser: script and WebAssembly of its npm package, as published there, and never fetched."""

from __future__ import annotations

import base64
import hashlib
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lowerbound.errors import UsageError, reason
from lowerbound.figures.explorer.bundle import read

VERSION = "1.30.0"
SCRIPT, WASM = "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
#: SHA-256 of what a page has of the package: its functions are called as they are in this version
FILES = {
    SCRIPT: "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
GET = f"npm pack onnxruntime-web@{VERSION}"
PLACES = ("dist", ".", "package/dist", "node_modules/onnxruntime-web/dist", "onnxruntime-web/dist")  # in a folder
LARGEST = 2**26  # bytes of a file


@dataclass(frozen=True)
class Runtime:
    """A module's script, which puts what it exports where ``page/main.js`` looks for it, and the WebAssembly in base64, deflated."""

    script: str
    wasm: str


def runtime(package: str | Path) -> Runtime:
    """The runtime of an npm package, a ``.tgz`` or a folder. Errors: UsageError where it is not there, or another version."""
    path = Path(package)
    try:
        find = partial(_in_folder, path) if path.is_dir() else partial(_in_archive, path)
        script, wasm = (_known(path, name, find) for name in FILES)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} is no npm package; get onnxruntime-web with: {GET}") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}; get onnxruntime-web with: {GET}") from error
    deflate = zlib.compressobj(9, wbits=-15)
    packed = base64.b64encode(deflate.compress(wasm) + deflate.flush()).decode()
    return Runtime(f"/*\n{read('onnxruntime-web.txt')}*/\n{script.decode()}\nglobalThis.onnxruntime = ortWasmThreaded;\n", packed)


def _known(path: Path, name: str, find: Callable[[str], bytes | None]) -> bytes:
    content = find(name)
    if content is None:
        raise UsageError(f"{path} has no {name}, a file of onnxruntime-web; get it with: {GET}")
    if hashlib.sha256(content).hexdigest() != FILES[name]:
        raise UsageError(f"{path} is not onnxruntime-web {VERSION}, which this page is made for; get it with: {GET}")
    return content


def _in_folder(path: Path, name: str) -> bytes | None:
    found = next((file for place in PLACES if (file := path / place / name).is_file()), None)
    return None if found is None or found.stat().st_size > LARGEST else found.read_bytes()


def _in_archive(path: Path, name: str) -> bytes | None:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.isfile() and member.name == f"package/dist/{name}" and member.size <= LARGEST:
                file = archive.extractfile(member)
                return None if file is None else file.read()
    return None
