"""A server for one page and the models that it asks about, on this machine alone.

Other pages of the browser, and whoever has not the page, are kept out: it listens on 127.0.0.1, and takes questions only by the names of
itself (``Host``), from the page (``Origin``) and with the page's token, as JSON of a bounded length.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NoReturn

from lowerbound.errors import LowerboundError, OutputError, printable, reason
from lowerbound.figures.explorer.page import policy
from lowerbound.interfaces.explorer.questions import QUESTIONS, Malformed, Served, answer
from lowerbound.system.files import to_json

LOCAL = "127.0.0.1"
LONGEST = 2**24  # bytes of a question
PATIENCE = 30.0  # seconds for a request to come in
SAID = 300  # characters of a reason
LOG = logging.getLogger(__name__)


def new_token() -> str:
    """A word that nobody guesses."""
    return secrets.token_urlsafe(24)


class Refused(Exception):
    """A request that gets no answer, with its status."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Server:
    """The page at ``address``, from now until ``close``; a thread of its own answers, so that a notebook goes on.

    ``models`` are those that the page asks about with its ``token``. Errors: OutputError where a port is taken.
    """

    def __init__(self, html: str, models: Mapping[int, Served], token: str, port: int = 0):
        page = Page(html.encode(), models, token)
        try:
            self._http = _Listener((LOCAL, port), partial(_Handler, page))
        except (OSError, OverflowError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            raise OutputError(f"cannot serve at port {port}: {why}; choose another with --port, or none") from error
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    @property
    def address(self) -> str:
        """What to open in a browser of this machine."""
        return f"http://{LOCAL}:{self.port}/"

    def wait(self) -> None:
        """Return when it is closed, or at Ctrl-C, which closes it."""
        try:
            while self._thread.is_alive():
                self._thread.join(0.5)
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """End it."""
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"the explorer at {self.address}, until .close()"


class Page:
    """What is served: the page, and its models, one question after the other."""

    def __init__(self, html: bytes, models: Mapping[int, Served], token: str):
        self.html, self.models, self.token = html, dict(models), token
        self.policy = f"{policy(bool(models))}; frame-ancestors 'none'"
        self._turn = threading.Lock()  # models draw from torch's random numbers, of which there is one state

    def question(self, path: str) -> str | None:
        """Which question is at a path; None for another path. Errors: Refused for the wrong token."""
        token, _, question = path.removeprefix("/").partition("/")
        if not path.startswith("/") or question not in QUESTIONS:
            return None
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "the page is another one's; open the address anew")
        return question

    def answer(self, question: str, content: bytes) -> bytes:
        """The answer in JSON. Errors: Refused."""
        try:
            words = json.loads(content.decode(), parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "the question is no JSON") from error
        try:
            with self._turn:
                return to_json(answer(question, words, self.models)).encode()
        except Malformed as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
        except LowerboundError as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        except Exception as error:  # a model is anyone's code, and the server goes on
            LOG.debug("a model failed", exc_info=True)
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


class _Listener(ThreadingHTTPServer):
    """A thread for each connection; with the server they all end."""

    daemon_threads = True

    def __init__(self, *given: Any):
        self.connections: set[Any] = set()
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End one."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """End all: a browser keeps some open."""
        super().server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is nobody's concern."""
        LOG.debug("a connection broke off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # an answer has headers, to whatever came
    server_version, sys_version = "lowerbound", ""
    timeout = PATIENCE
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer goes out as a whole

    def __init__(self, page: Page, *given: Any):
        self.page = page
        super().__init__(*given)

    def do_GET(self) -> None:
        """The page."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """A question."""
        self._answered(self._post)

    def _other(self) -> None:
        self._answered(self._neither)

    do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _other

    def _get(self) -> tuple[bytes, str]:
        if self.path != "/":
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing but the page")
        return self.page.html, "text/html; charset=utf-8"

    def _post(self) -> tuple[bytes, str]:
        question = self.page.question(self.path)
        if question is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such question")
        if self.headers.get_all("Origin") != [f"http://{self.headers['Host']}"]:
            raise Refused(HTTPStatus.FORBIDDEN, "the question is not from the page")
        return self.page.answer(question, self._content()), "application/json"

    def _neither(self) -> NoReturn:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "the methods are GET and POST")

    def _content(self) -> bytes:
        """What was sent. Errors: Refused."""
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question is application/json")
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or not (lengths[0].isascii() and lengths[0].isdigit()) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a question says how long it is")
        if len(lengths[0]) > 12 or int(lengths[0]) > LONGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a question has {LONGEST:,} bytes at most")
        return self.rfile.read(int(lengths[0]))

    def _answered(self, act: Any) -> None:
        """Send what a method gives, or why it gives nothing."""
        try:
            if self.headers.get_all("Host") not in [[f"{name}:{self.server.server_address[1]}"] for name in (LOCAL, "localhost")]:  # type: ignore[index]
                raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
            content, kind = act()
            self._send(HTTPStatus.OK, content, kind)
        except Refused as error:
            self._refuse(error.status, str(error))

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what else was sent is not read
        self._send(status, f"{printable(' '.join(why.split()))[:SAID]}\n".encode(), "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": self.page.policy,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        if self.close_connection:
            headers["Connection"] = "close"
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET, POST"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request at all, as Python's server found."""
        self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is Python's
        """Nowhere."""
