"""Every public name has a docstring: a first sentence that says what it is, and an example that runs by itself and prints what it says."""

from __future__ import annotations

import doctest
import inspect
import io
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_extensions"))

from public import Name, names

PUBLIC = {name.name: name for name in names()}
#: what some examples need that is no dependency of the package itself
EXTRAS = {"tasks.lossless": "constriction"}
LONGEST = 20  # lines of an example, its output included


def docstring(name: Name) -> str:
    """Its own, and not that of a class above it."""
    return inspect.cleandoc((vars(name.what).get("__doc__") if name.is_class else name.what.__doc__) or "")


def example(name: Name) -> doctest.DocTest:
    """All of its ``>>>`` lines, in a namespace that has nothing yet."""
    return doctest.DocTestParser().get_doctest(docstring(name), {"__name__": "__main__"}, name.name, None, 0)


def test_all_have_a_first_sentence() -> None:
    first = {name: docstring(each).partition("\n\n")[0] for name, each in PUBLIC.items()}
    assert not [name for name, text in first.items() if len(text.split()) < 4 or text.startswith(">>>")]
    assert not [name for name, text in first.items() if not text.endswith((".", ":", "…"))]


def test_all_have_an_example() -> None:
    assert not [name for name, each in PUBLIC.items() if not example(each).examples]


def test_examples_are_short_and_come_last() -> None:
    for name, each in PUBLIC.items():
        text = docstring(each)
        shown = text[text.find(">>>") :]
        assert "\n\n" not in shown, f"{name}: something follows the example"
        assert len(shown.splitlines()) <= LONGEST, name


def test_examples_show_something() -> None:
    assert not [name for name, each in PUBLIC.items() if not any(step.want for step in example(each).examples)]


@pytest.mark.parametrize("name", PUBLIC)
def test_an_example_runs(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    needed = EXTRAS.get(PUBLIC[name].parent)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    said = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(example(PUBLIC[name]), out=said.write)
    assert not said.getvalue(), said.getvalue()
