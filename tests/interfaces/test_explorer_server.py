"""What the server of a page takes, and what it refuses."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lowerbound as lb
from interfaces.explored import DECODE, EVENT, D, Products, X, Z, of_modules, said
from lowerbound.interfaces.explorer.questions import ROWS, Served
from lowerbound.interfaces.explorer.server import LONGEST, Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("<p>the page</p>", {3: Served(of_modules(), EVENT)}, "secret") as made:
        yield made


def asking(**words: Any) -> dict[str, Any]:
    return {"words": DECODE | words}


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "another host": (421, {"Host": "evil.example"}),
    "another host's page": (421, {"method": "GET", "path": "/", "Host": "evil.example:PORT"}),
    "a host without the port": (421, {"Host": "127.0.0.1"}),
    "no host": (421, {"Host": None}),
    "another origin": (403, {"Origin": "http://evil.example"}),
    "another port's origin": (403, {"Origin": "http://127.0.0.1:1"}),
    "the other name's origin": (403, {"Origin": "http://localhost:PORT"}),
    "no origin": (403, {"Origin": None}),
    "a hidden origin": (403, {"Origin": "null"}),
    "no token": (404, {"path": "/decode"}),
    "an empty token": (404, {"path": "//decode"}),
    "a wrong token": (403, {"path": "/secreT/decode"}),
    "a token beyond ASCII": (403, {"path": "/s%C3%A9cret/decode"}),
    "an unknown question": (404, {"path": "/secret/weights"}),
    "a question and more": (404, {"path": "/secret/decode/more"}),
    "an unknown path": (404, {"method": "GET", "path": "/index.html"}),
    "a way up": (404, {"method": "GET", "path": "/../etc/passwd"}),
    "a question by GET": (404, {"method": "GET"}),
    "PUT": (405, {"method": "PUT"}),
    "OPTIONS": (405, {"method": "OPTIONS"}),
    "HEAD": (405, {"method": "HEAD", "path": "/"}),
    "a method that is none": (501, {"method": "BREW"}),
    "a form": (415, {"Content-Type": "application/x-www-form-urlencoded"}),
    "plain text, which needs no leave": (415, {"Content-Type": "text/plain"}),
    "no length": (411, {"Content-Length": None}),
    "a length below 0": (411, {"Content-Length": "-1"}),
    "pieces": (411, {"Transfer-Encoding": "chunked"}),
    "too long": (413, {"Content-Length": str(LONGEST + 1)}),
    "far too long": (413, {"Content-Length": "9" * 400}),
    "no JSON": (400, {"words": b"{"}),
    "no text": (400, {"words": b"\xff\xfe"}),
    "deep": (400, {"words": b"[" * 200_000}),
    "NaN": (400, {"words": json.dumps(DECODE | {"z": [[float("nan"), 0.0]]}).encode()}),
    "infinity": (400, {"words": json.dumps(DECODE | {"z": [[float("inf"), 0.0]]}).encode()}),
    "a list of questions": (400, {"words": [DECODE]}),
    "another run": (400, asking(run=0)),
    "a run that is no number": (400, asking(run=True)),
    "a run as text": (400, asking(run="3")),
    "z of three numbers": (400, asking(z=[[1.0, 2.0, 3.0]])),
    "z without rows": (400, asking(z=[1.0, 2.0])),
    "no z": (400, asking(z=[])),
    "z of another depth": (400, asking(z=[[[1.0], [2.0]]])),
    "z as text": (400, asking(z="12")),
    "a number as text": (400, asking(z=[["1", 2.0]])),
    "a truth": (400, asking(z=[[True, 2.0]])),
    "z with a hole": (400, asking(z=[[None, 2.0]])),
    "too large a number": (400, asking(z=[[1e31, 2.0]])),
    "too large a whole number": (400, asking(z=[[10**400, 2.0]])),
    "too many latents": (400, asking(z=Z * (ROWS + 1))),
    "x of another size": (400, asking(x=[0.0] * (D - 1))),
    "x as an image": (400, asking(x=[[0.0] * 5] * 6)),
    "a label of a model that is given none": (400, asking(label=1)),
    "a context of a model that is given none": (400, asking(context=[0.0])),
    "a seed below 0": (400, asking(draw=-1)),
    "a seed with a point": (400, asking(draw=1.5)),
    "too many draws": (400, {"path": "/secret/prior", "words": {"run": 3, "n": ROWS + 1}}),
    "draws without a number": (400, {"path": "/secret/prior", "words": {"run": 3}}),
    "a posterior of nothing": (400, {"path": "/secret/posterior", "words": {"run": 3, "n": 1}}),
    "a likelihood of nothing": (400, {"path": "/secret/likelihood", "words": DECODE}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    status, asked = REFUSED[name]
    found, headers, content = said(server, **asked)
    assert found == status, content
    assert headers["content-type"].startswith("text/plain")
    assert headers["connection"] == "close"
    assert_guarded(headers)
    assert b"\n" not in content[:-1]
    assert capfd.readouterr() == ("", "")
    assert said(server)[0] == 200, "and the server goes on"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"POST /s\xe9cret/decode HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 403),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: 127.0.0.1:PORT\r\n\r\n", 421),
    ],
    ids=["of another protocol", "a token beyond ASCII", "another version", "a long address", "many headers", "two hosts"],
)
def test_what_is_hardly_a_request_is_refused(sent: bytes, status: int, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(sent.replace(b"PORT", str(server.port).encode()))
        answer = b"".join(iter(lambda: connection.recv(2**16), b""))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer
    assert b"<" not in answer.partition(b"\r\n\r\n")[2]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT"])
def test_it_is_taken(host: str, server: Server) -> None:
    """By both names of the machine: the page, and what each question gives."""
    status, headers, content = said(server, "GET", "/", Host=host)
    assert (status, content) == (200, b"<p>the page</p>")
    assert_guarded(headers)
    vae, z, x = of_modules(), torch.tensor(Z)[:, None], torch.tensor(X).view(1, *EVENT)
    for question, words in {
        "decode": DECODE | {"x": X},
        "likelihood": DECODE | {"x": X},
        "prior": DECODE,
        "posterior": DECODE | {"x": X},
    }.items():
        status, headers, content = said(server, path=f"/secret/{question}", words=words, Host=host, Origin=f"http://{host}")
        assert status == 200, content
        assert headers["content-type"] == "application/json"
        answer = json.loads(content)
        assert answer["log_p"] == pytest.approx(vae.prior().log_prob(z)[:, 0].tolist(), rel=1e-6)
        if question == "decode":
            np.testing.assert_allclose(answer["means"][0], vae.decode(z).flatten(), rtol=1e-6)
        if question in ("decode", "likelihood"):
            assert answer["log_likelihood"] == pytest.approx(vae.log_likelihood(x, z)[:, 0].tolist(), rel=1e-6)
        if question == "posterior":
            assert answer["log_q"] == pytest.approx(vae.posterior(x).log_prob(z)[:, 0].tolist(), rel=1e-6)


def test_a_model_that_fails_is_said_and_the_server_goes_on() -> None:
    class Broken(Products):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("<b>lost</b>")

    vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(Broken(2, *EVENT)), lb.posteriors.DiagonalGaussian(Products(D, 4)))
    with Server("", {3: Served(vae, EVENT)}, "secret") as server:
        assert said(server)[::2] == (500, b"KeyError: '<b>lost</b>'\n")
        assert said(server, path="/secret/prior", words={"run": 3, "n": 2})[0] == 200


def test_it_listens_on_this_machine_alone_and_ends(server: Server) -> None:
    assert server._http.server_address[0] == "127.0.0.1"
    with Server("", {}, "secret") as other:
        assert said(other, "GET", "/")[0] == 200
        with pytest.raises(lb.LowerboundError, match=f"cannot serve at port {other.port}: .*; choose another"):
            Server("", {}, "secret", other.port)
    with pytest.raises(ConnectionRefusedError):
        said(other, "GET", "/")


def assert_guarded(headers: dict[str, str]) -> None:
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control")]
