"""A hub of models on this machine: the calls of its HTTP interface that a push and a pull make. Repositories are in memory."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit


class Repositories:
    """Name → commits, each a hash and all files of it."""

    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.asked: list[str] = []

    def add(self, name: str, files: dict[str, bytes]) -> str:
        before = self.commits.setdefault(name, [])
        merged = (before[-1][1] if before else {}) | files
        parts = [f"{path}:{hashlib.sha1(raw).hexdigest()}" for path, raw in sorted(merged.items())]
        sha = hashlib.sha1("".join(parts).encode()).hexdigest()
        before.append((sha, merged))
        return sha

    def at(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        found = self.commits.get(name, [])
        return next((commit for commit in reversed(found) if revision in ("main", commit[0])), None)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: Repositories

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), Content_Type="application/json")

    def _none(self, code: str) -> None:
        self._send(404, b"{}", X_Error_Code=code)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/").split("/")
        self.held.asked.append(f"{self.command} {'/'.join(path)}")
        if path[:2] == ["api", "models"]:
            name, revision = "/".join(path[2:4]), path[5] if path[4:5] == ["revision"] else "main"
            found = self.held.at(name, revision)
            if found is None:
                return self._none("RevisionNotFound" if name in self.held.commits else "RepoNotFound")
            return self._json({"id": name, "sha": found[0], "siblings": [{"rfilename": file} for file in found[1]]})
        name, revision, file = "/".join(path[:2]), path[3], "/".join(path[4:])
        found = self.held.at(name, revision)
        if found is None or file not in found[1]:
            return self._none("EntryNotFound")
        raw = found[1][file]
        return self._send(200, raw, ETag=f'"{hashlib.sha1(raw).hexdigest()}"', X_Repo_Commit=found[0])

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/").split("/")
        self.held.asked.append(f"POST {'/'.join(path)}")
        body = self.rfile.read(int(self.headers["Content-Length"])) if "Content-Length" in self.headers else b"".join(self._chunks())
        address = f"http://{self.headers['Host']}"
        if path == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.held.commits.setdefault(name, [])
            return self._json({"url": f"{address}/{name}", "name": name})
        if path == ["api", "validate-yaml"]:  # of a card
            return self._json({"errors": [], "warnings": []})
        name = "/".join(path[2:4])
        if path[4] == "preupload":
            files = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]]
            return self._json({"files": files})
        lines = [json.loads(line) for line in body.splitlines() if line]
        added = {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"}
        sha = self.held.add(name, added)
        return self._json({"commitUrl": f"{address}/{name}/commit/{sha}", "commitOid": sha, "success": True})

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()


@contextmanager
def serving() -> Iterator[tuple[str, Repositories]]:
    """The address of a hub, and what it holds."""
    held = Repositories()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfOne", (Handler,), {"held": held}))
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
