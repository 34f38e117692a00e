"""The command line as tests call it: what it answers, and what it complains of."""

from __future__ import annotations

import json

import pytest

from lowerbound.interfaces.cli import main


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    """The JSON that a command prints, alone."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line on stderr of a command that is refused."""
    capsys.readouterr()
    assert main([*map(str, words)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    return printed.err
