"""Firefox, driven by its own protocol, Marionette: messages of JSON, each after its length, over a connection on this machine.

It needs no driver and no package. Source: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

EXECUTABLE = next((found for name in ("firefox-esr", "firefox") if (found := shutil.which(name))), None)
PATIENCE = 90.0  # seconds to start, and for an answer
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # how WebDriver names one
KEYS = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Space": " "}

#: in the browser's own window: what was asked of a network since, and errors of pages
WATCH = """
  this.asked = [];
  this.watcher = { observe: (channel) => asked.push(channel.QueryInterface(Ci.nsIHttpChannel).URI.spec) };
  Services.obs.addObserver(watcher, "http-on-modify-request");
  Services.io.offline = true;
  Services.console.reset();
"""
SAID = """
  const errors = Services.console.getMessageArray().filter((one) => one instanceof Ci.nsIScriptError);
  return errors.filter((one) => one.sourceName.startsWith(arguments[0])).map((one) => one.errorMessage);
"""
ASKED = 'return this.asked.filter((url) => !url.includes("mozilla"))'  # its own errands are refused too: there is no network


class Firefox:
    """A Firefox without a screen, and one tab in it; what pages ask of a network fails, and is noted."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "user.js").write_text(f'user_pref("marionette.port", {port});\n', encoding="utf-8")
        words = [str(EXECUTABLE), "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", str(folder)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(words, stdout=quiet, stderr=quiet, env=os.environ | {"HOME": str(folder)})
        self._connection = self._connected(port)
        self._stream = self._connection.makefile("rb")
        self._number = 0
        self._read()  # its greeting
        self.ask("WebDriver:NewSession", capabilities={})
        self.ask("WebDriver:SetWindowRect", width=1280, height=900)
        self.chrome(WATCH)

    def _connected(self, port: int) -> socket.socket:
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            except OSError:
                if time.monotonic() > ends or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def _read(self) -> Any:
        length = b""
        while (sign := self._stream.read(1)) not in (b":", b""):
            length += sign
        return json.loads(self._stream.read(int(length)))

    def ask(self, command: str, **given: Any) -> Any:
        """The answer to a command."""
        self._number += 1
        message = json.dumps([0, self._number, command, given]).encode()
        self._connection.sendall(f"{len(message)}:".encode() + message)
        _, number, error, found = self._read()
        assert number == self._number
        assert error is None, error
        return found["value"] if isinstance(found, dict) and set(found) == {"value"} else found

    def chrome(self, script: str, *given: Any) -> Any:
        """What a script of the browser itself returns."""
        self.ask("Marionette:SetContext", value="chrome")
        try:
            return self.ask("WebDriver:ExecuteScript", script=script, args=list(given), newSandbox=False, sandbox="system")
        finally:
            self.ask("Marionette:SetContext", value="content")

    def run(self, script: str, *given: Any) -> Any:
        """What a script returns that runs in the page, once that is drawn."""
        done = "const done = arguments[arguments.length - 1]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));"
        self.ask("WebDriver:ExecuteAsyncScript", script=done, args=[])
        return self.ask("WebDriver:ExecuteScript", script=script, args=list(given))

    def open(self, path: Path) -> None:
        """Open a file, and wait until the explorer in it is there."""
        self.ask("WebDriver:Navigate", url=path.as_uri())
        ready = "const done = arguments[0], look = () => (document.body.dataset.ready === '' ? done() : setTimeout(look, 20)); look();"
        self.ask("WebDriver:ExecuteAsyncScript", script=ready, args=[])

    def element(self, selector: str) -> dict[str, str]:
        """The first of some elements."""
        return {ELEMENT: self.ask("WebDriver:FindElement", using="css selector", value=selector)[ELEMENT]}

    def click(self, selector: str) -> None:
        """Click on an element."""
        self.ask("WebDriver:ElementClick", id=self.element(selector)[ELEMENT])

    def press(self, selector: str, *keys: str) -> None:
        """Press keys on an element, ``Shift+`` before some."""
        actions = []
        for key in keys:
            *held, last = key.split("+") if len(key) > 1 else [key]
            each = [*["\ue008"] * len(held), KEYS.get(last, last)]
            actions += [{"type": "keyDown", "value": one} for one in each] + [{"type": "keyUp", "value": one} for one in reversed(each)]
        self.run("document.querySelector(arguments[0]).focus()", selector)
        self.ask("WebDriver:PerformActions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def drag(self, selector: str, *places: tuple[float, float]) -> None:
        """Drag over an element from place to place, in pixels from its middle."""
        origin = self.element(selector)
        moves = [{"type": "pointerMove", "origin": origin, "x": round(x), "y": round(y), "duration": 0} for x, y in places]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        self.ask("WebDriver:PerformActions", actions=[{"type": "pointer", "id": "mouse", "actions": actions}])

    def wheel(self, selector: str, place: tuple[int, int], turned: int) -> None:
        """Turn the wheel at a place of an element, in pixels from its middle."""
        turn = {"type": "scroll", "origin": self.element(selector), "x": place[0], "y": place[1], "deltaX": 0, "deltaY": turned}
        self.ask("WebDriver:PerformActions", actions=[{"type": "wheel", "id": "wheel", "actions": [turn]}])

    def said(self, path: Path) -> list[str]:
        """Errors and warnings on the page of a file, those of its security policy too."""
        return list(self.chrome(SAID, path.as_uri()))

    def asked(self) -> list[str]:
        """What pages asked of a network."""
        return list(self.chrome(ASKED))

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        return base64.b64decode(self.ask("WebDriver:TakeScreenshot", full=True))

    def close(self) -> None:
        """End it."""
        try:
            self.ask("Marionette:Quit", flags=["eForceQuit"])
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._connection.close()
