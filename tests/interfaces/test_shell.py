"""What a shell is given: completion of words, versions, help on topics, exit codes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from commands import answer, complaint

from lowerbound.interfaces.cli import main, topics
from lowerbound.interfaces.cli.answer import EXIT_CODES
from lowerbound.interfaces.cli.parser import SHELLS, VERBS
from lowerbound.recipes.priors import PRIORS

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "command-line.md"
TYPED = """
source "$1"; shift
COMP_WORDS=(lowerbound "$@"); COMP_CWORD=$#; COMPREPLY=()
$(complete -p lowerbound | sed 's/.*-F \\([^ ]*\\).*/\\1/') lowerbound "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("shtab")
    script = tmp_path_factory.mktemp("shell") / "lowerbound.bash"
    made = subprocess.run([sys.executable, "-m", "lowerbound", "completion", "bash"], capture_output=True, check=True)
    script.write_bytes(made.stdout)
    return script


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["tr"], ["train"]),
        (["train", "digits", "--likel"], ["--likelihood"]),
        (["train", "--prior", ""], list(PRIORS)),
        (["plot", "runs/d", "sc"], ["scatter", "scores"]),
        (["train", "digits", "--log", "te"], ["tensorboard"]),
        (["completion", ""], list(SHELLS)),
        (["import", "st"], ["state"]),
        (["help", "exit"], ["exit-codes"]),
    ],
)
def test_bash_completes(bash: Path, typed: list[str], offered: list[str]) -> None:
    found = subprocess.run(["bash", "-c", TYPED, "bash", str(bash), *typed], capture_output=True, text=True, check=True).stdout.split()
    assert set(offered) <= set(found)
    assert len(found) == len(offered) or typed[-1] == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_verb(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    script = answer(capsys, "completion", shell)["script"]
    assert all(verb in script for verb in VERBS)
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert "did you mean 'bash'" in complaint(capsys, "completion", "bas")


def test_versions_of_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    found = dict(line.split(" ") for line in capsys.readouterr().out.splitlines())
    assert left.value.code == 0
    assert found["python"].startswith("3.")
    assert {name: found[name] for name in ("torch", "numpy")} == {name: metadata.version(name) for name in ("torch", "numpy")}


@pytest.mark.parametrize("words", [["--version"], ["help", "prior"], ["help"], ["completion", "bash"]], ids=" ".join)
def test_it_answers_without_what_is_heavy(words: list[str]) -> None:
    if "completion" in words:
        pytest.importorskip("shtab")
    code = (
        "import sys; from lowerbound.interfaces.cli import main\n"
        f"try: main({words})\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'numba', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.strip() == "[]"


@pytest.mark.parametrize("topic", topics.known())
def test_every_topic_is_explained(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "help", topic)
    assert found["about"]
    assert found.get("words") or f"usage: lowerbound {topic}" in found["help"]
    assert topic in answer(capsys, "help")["topics"]


def test_words_of_an_option_are_those_of_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "help", "prior")["words"] == {row.usage(name): row.help for name, row in PRIORS.items()}


def test_an_unknown_topic_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'likelihood'" in complaint(capsys, "help", "likelihod")


def test_the_guide_lists_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {int(code): text for code, text in rows} == EXIT_CODES
