"""The explorer as it is met: a file, a command, served, in a notebook."""

from __future__ import annotations

import html
import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lowerbound as lb
from interfaces.explored import DECODE, EVENT, data, of_modules, said
from lowerbound.errors import DataError, UsageError
from lowerbound.figures.explorer.page import page, policy
from lowerbound.interfaces.cli import main
from lowerbound.interfaces.explorer.server import Server
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment


def test_what_is_served_is_what_is_written(digits_run: runs.Run, tmp_path: Path) -> None:
    explorer = lb.explore(digits_run)
    written = explorer.write(tmp_path / "page.html").read_bytes()
    assert written == page([digits_run]).encode()
    with explorer.serve(browser=False) as server:
        status, headers, content = said(server, "GET", "/")
        assert (status, content) == (200, written)
        assert headers["content-security-policy"] == f"{policy(False)}; frame-ancestors 'none'"
        assert html.escape(policy(False), quote=True).replace("&#x27;", "&#39;").encode() in written
        assert said(server, words=DECODE)[0] in (403, 404), "there is nobody to ask"
    assert "connect-src" not in policy(False)
    shown = explorer._repr_html_()
    assert 'sandbox="allow-scripts allow-downloads"' in shown
    assert html.unescape(shown.partition('srcdoc="')[2].partition('"')[0]).encode() == written


def test_the_command(digits_run: runs.Run, by_class_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(digits_run.folder), str(by_class_run.folder)]
    assert main(["explore", *folders, "-o", str(tmp_path / "page.html"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == (tmp_path / "page.html").stat().st_size
    assert (tmp_path / "page.html").read_bytes() == page([digits_run, by_class_run]).encode()
    assert main(["explore", folders[0], "-o", str(tmp_path / "exact.html"), "--exact"]) == 0
    assert "need no server" in capsys.readouterr().out
    assert (tmp_path / "exact.html").read_bytes() == page([digits_run], exact=True).encode()


WRONG = {
    "is given twice": ["RUN", "RUN", "-o", "page.html"],
    "name the output FILE.html": ["RUN", "-o", "page.png"],
    "a file is not served": ["RUN", "-o", "page.html", "--port", "8000"],
    "must be at most 65535": ["RUN", "--port", "65536"],
    "is no run": ["nowhere"],
}


@pytest.mark.parametrize("message", WRONG)
def test_what_the_command_refuses(message: str, digits_run: runs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", *[str(digits_run.folder) if word == "RUN" else word for word in WRONG[message]]]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_the_command_serves_until_it_is_ended(
    as_json: bool, digits_run: runs.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    found: list[int] = []

    def ended(self: Server) -> None:
        found.append(said(self, "GET", "/")[0])

    monkeypatch.setattr(Server, "wait", ended)
    for more in ([], ["--no-browser"]):
        assert main(["explore", str(digits_run.folder), *more, *(["--json"] if as_json else [])]) == 0
    first = capsys.readouterr().out
    assert opened[0] in first
    assert len(opened) == 1, "and --no-browser opens none"
    assert found == [200, 200]


# --- what it takes -----------------------------------------------------------------------------------------


def test_it_ends_at_ctrl_c(digits_run: runs.Run) -> None:
    words = [sys.executable, "-m", "lowerbound", "explore", str(digits_run.folder), "--no-browser", "--json"]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines = [child.stdout.readline()]
    while lines[-1] != "}\n":
        assert lines[-1], child.communicate()
        lines.append(child.stdout.readline())
    address = json.loads("".join(lines))["address"]
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert b"<!doctype html>" in answer.read()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert out == ""
    assert err.splitlines()[-1] == "writing the page", "and nothing of the end"
    assert child.returncode == 0


#: words of runs that no page computes
REMOTE: dict[str, dict[str, Any]] = {
    "sphere": {"prior": "sphere", "posterior": "von-mises-fisher", "latent": 3},
    "flow": {"posterior": "flow"},
    "gamma": {"prior": "gamma", "posterior": "gamma"},
}


@pytest.mark.parametrize("name", REMOTE)
def test_a_run_that_no_page_computes_is_served(
    name: str, digits_run: runs.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    experiment = Experiment.begin(Recipe(epochs=1, **REMOTE[name]), tmp_path / name, device="cpu")
    for _ in experiment.train():
        pass
    capsys.readouterr()
    assert main(["explore", str(digits_run.folder), str(tmp_path / name), "-o", str(tmp_path / "page.html")]) == 2
    assert "a page that is served can show it: lowerbound explore RUN, without -o" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
    found: list[Any] = []

    def asks(self: Server) -> None:
        token = re.search(rb'"token":"([^"]*)","run":1', said(self, "GET", "/")[2])
        assert token is not None
        z = {"z": [[0.5] * REMOTE[name].get("latent", 2)], "label": None}
        found.extend(said(self, path=f"/{token[1].decode()}/decode", words=z | {"run": run})[::2] for run in (1, 0))

    monkeypatch.setattr(Server, "wait", asks)
    assert main(["explore", str(digits_run.folder), str(tmp_path / name), "--no-browser"]) == 0
    (status, content), (of_computed, _) = found
    assert (status, of_computed) == (200, 400), "of a model that the page computes there is nothing to ask"
    vae = runs.load(tmp_path / name, "cpu").vae
    wanted = vae.decode(torch.full((1, 1, vae.prior().event_shape[0]), 0.5))
    np.testing.assert_allclose(json.loads(content)["means"][0], wanted.flatten(), atol=1e-6)


def test_what_explore_takes(digits_run: runs.Run, by_class_run: runs.Run) -> None:
    both = lb.explore(digits_run, by_class_run).shown
    assert [one.name for one in both] == ["digits", "by-class"]
    vae = of_modules()
    for source in (data(), data()[:], data()[:].numpy(), list(data()[:])):
        (one,) = lb.explore(vae, train=source).shown
        assert torch.equal(one.train[:], data()[:])
        assert one.spec.event_shape == EVENT
    with pytest.raises(UsageError, match="give them"):
        lb.explore(vae)
    with pytest.raises(UsageError, match="has its own data"):
        lb.explore(digits_run, train=data())
    with pytest.raises(DataError):
        lb.explore(vae, train=torch.rand(5, 1, 7, 7))
