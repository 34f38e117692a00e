"""What ``train --help`` says: every word of a recipe, in its group, by what goes there."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

from lowerbound.interfaces.cli import main
from lowerbound.recipes.contexts import MISSING
from lowerbound.recipes.recipe import GROUPS, Recipe


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    return capsys.readouterr().out


def test_options_are_grouped_by_what_they_are_of(text: str) -> None:
    assert re.findall(r"^(\w[\w ]*):$", text, re.MULTILINE) == ["positional arguments", "options", *GROUPS, "the run"]
    parts = re.split(r"^(\w[\w ]*):$", text, flags=re.MULTILINE)
    options = {
        name: re.findall(r"^  (?:-\w \w+, )?--([a-z-]+)", part, re.MULTILINE) for name, part in zip(parts[1::2], parts[2::2], strict=True)
    }
    for field in dataclasses.fields(Recipe):
        if field.name != "data":
            assert field.name.replace("_", "-") in options[field.metadata["group"]]
    assert options["prior"][0] == "prior"
    assert options["objective"] == ["objective", "kl"]


@pytest.mark.parametrize(
    "option",
    ["--network NETWORK:WIDTHS", "--likelihood LIKELIHOOD[:NUMBER]", "--objective OBJECTIVE[:NUMBER...]", "--types FILE", "--latent N"],
)
def test_an_option_says_what_goes_there(text: str, option: str) -> None:
    assert f"  {option}" in text


def test_words_are_told_with_their_usual_numbers(text: str) -> None:
    together = re.sub(r"(?<=-)\s+|\s+", lambda found: "" if text[found.start() - 1] == "-" else " ", text)
    for field in dataclasses.fields(Recipe):
        for name, row in (field.metadata["table"] or {}).items():
            assert (name if isinstance(row, str) else row.usage(name)) in together


def test_what_can_be_missing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["complete", "--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in MISSING)


@pytest.mark.parametrize("verb", ["train", "complete"])
def test_it_imports_nothing_heavy(verb: str) -> None:
    code = (
        "import sys; from lowerbound.interfaces.cli import main\n"
        f"try: main(['{verb}', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'numba', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.strip() == "[]"
