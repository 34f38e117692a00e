"""Downloads, from a local server: only a file with the right checksum is saved, anything else leaves no file behind."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from conftest import needs

from data.test_idx import PIXELS, idx
from lowerbound.data import download, named
from lowerbound.data import idx as idx_format
from lowerbound.errors import DataError

FILES = {
    idx_format.file_name(part, kind): idx(PIXELS if kind == "images" else np.arange(6, dtype=np.uint8))
    for part in (idx_format.TRAIN, idx_format.TEST)
    for kind in idx_format.KINDS
}


class Server(BaseHTTPRequestHandler):
    """Sends the files above; under /damaged/ with a byte changed, under /cut/ half of the announced length."""

    asked: list[str] = []  # noqa: RUF012 - the server makes a handler for each request

    def do_GET(self) -> None:
        self.asked.append(self.path)
        kind, _, name = self.path[1:].partition("/")
        content = FILES.get(name.removesuffix(".gz"))
        if content is None or kind == "absent":
            self.send_error(404)
            return
        if kind == "damaged":
            content = content[:-1] + b"\xff"
        body = gzip.compress(content)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(named.ENVIRONMENT, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _: tmp_path / "cache")


def source(*mirrors: str) -> named.Idx:
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    return named.Idx("toy", mirrors=mirrors, checksums=checksums)


def test_missing_files_are_downloaded_once(server: str, tmp_path: Path) -> None:
    toy = source(f"{server}/good")
    assert len(toy.missing("toy", None)) == 4
    assert len(toy.load("toy", None).train) == 6
    assert sorted(path.name for path in (tmp_path / "cache" / "toy").iterdir()) == sorted(f"{name}.gz" for name in FILES)
    assert not toy.missing("toy", None)
    toy.load("toy", None)
    assert len(Server.asked) == 4


@pytest.mark.parametrize("bad", ["damaged", "cut", "absent"])
def test_another_mirror_is_tried(server: str, tmp_path: Path, bad: str) -> None:
    assert len(source(f"{server}/{bad}", f"{server}/good").load("toy", tmp_path).train) == 6


@pytest.mark.parametrize(("bad", "reason"), [("damaged", "SHA-256"), ("cut", "interrupted|IncompleteRead"), ("absent", "Not Found|404")])
def test_a_wrong_file_is_never_saved(server: str, tmp_path: Path, bad: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        source(f"{server}/{bad}").load("toy", tmp_path)
    assert not (tmp_path / "toy").exists() or not list((tmp_path / "toy").iterdir())


def test_offline_the_error_says_which_file_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        source("http://127.0.0.1:9").load("toy", tmp_path)
    assert str(tmp_path / "toy" / "train-images-idx3-ubyte.gz") in str(error.value)
    assert "--data-dir" in str(error.value)


def test_the_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = source("http://127.0.0.1:9")
    monkeypatch.setenv(named.ENVIRONMENT, str(tmp_path / "variable"))
    for place, data_dir in (("cache", None), ("variable", None), ("given", tmp_path / "given")):
        folder = tmp_path / place / "toy"
        folder.mkdir(parents=True)
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        assert toy.place("toy", data_dir) == str(folder)


def test_an_incomplete_folder_of_the_user_is_completed(server: str, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    name = next(iter(FILES))
    (tmp_path / "toy" / name).write_bytes(FILES[name])
    source(f"{server}/good").load("toy", tmp_path)
    assert len(Server.asked) == 3


def test_a_decompression_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LARGEST", 1000)
    assert len(download._uncompressed(gzip.compress(bytes(10_000_000)))) == 1001


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("mnist", "fashion-mnist")])
def test_the_checksums_are_those_of_the_real_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    real = named.NAMED[name]
    assert isinstance(real, named.Idx)
    folder = Path(real.place(name, None))
    for file, checksum in real.checksums.items():
        path = next(path for path in (folder / file, folder / f"{file}.gz") if path.is_file())
        assert hashlib.sha256(idx_format.content(path)).hexdigest() == checksum


def test_mirrors_are_used_over_https_only() -> None:
    for real in named.NAMED.values():
        if isinstance(real, named.Idx):
            assert all(mirror.startswith("https://") for mirror in real.mirrors)
            assert replace(real, mirrors=()).checksums == real.checksums


# --- the faces ---------------------------------------------------------------------------------------


def test_faces_are_fetched_once_as_grey_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.arange(400 * 4 * 4).reshape(400, 4, 4) % 243
    asked = []

    def fetch(data_home: str) -> SimpleNamespace:
        asked.append(data_home)
        return SimpleNamespace(images=(grey / 242).astype(np.float32), target=np.arange(400) // 10)

    monkeypatch.setattr("sklearn.datasets.fetch_olivetti_faces", fetch)
    faces = named.NAMED["olivetti"]
    assert faces.missing("olivetti", tmp_path) == ["olivetti.npz"]
    for _ in range(2):
        whole = faces.load("olivetti", tmp_path).whole
        assert whole is not None
        assert (whole[:].squeeze(1) * 255).round().int().tolist() == grey.tolist()
        assert whole.labels is not None
        assert torch.equal(whole.labels, torch.arange(40).repeat_interleave(10))
    assert len(asked) == 1
    assert not Path(asked[0]).exists()


def test_faces_offline_say_which_file_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(data_home: str) -> None:
        raise URLError("no route")

    monkeypatch.setattr("sklearn.datasets.fetch_olivetti_faces", fetch)
    with pytest.raises(DataError, match=r"no route.*olivetti\.npz"):
        named.NAMED["olivetti"].load("olivetti", tmp_path)
