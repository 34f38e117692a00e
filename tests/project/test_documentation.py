"""The documentation's site, without building it: what is public has a page and an example, pages are reachable, extensions do as they say.

``make docs`` builds it, warnings being errors, and follows every link of every page.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import lowerbound as lb

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_extensions"))

import api_pages  # noqa: E402
import code_pages  # noqa: E402
import dead_links  # noqa: E402
import docstrings  # noqa: E402
import finding_pages  # noqa: E402
import mathml  # noqa: E402
import public  # noqa: E402
import repository_links  # noqa: E402

PAGES = {path.relative_to(DOCS).with_suffix("").as_posix(): path for path in DOCS.rglob("*.md")}
NAMES = public.names()
MODULES = public.modules()


# what is public


def test_a_public_name_is_had_by_it() -> None:
    for name in NAMES:
        found = MODULES["sklearn"] if name.parent == "sklearn" else lb
        for part in name.name.removeprefix("sklearn.").split("."):
            found = getattr(found, part)
        assert found is name.what


def test_the_rule_finds_what_it_should() -> None:
    found = {name.name: name.others for name in NAMES}
    assert {"VAE", "fit", "likelihoods.Gaussian", "tasks.complete.complete", "sklearn.Imputer", "errors.DataError"} <= found.keys()
    assert "coupled.MMD" in found["objectives.MMD"]
    assert "laws" not in MODULES
    assert all(isinstance(module, ModuleType) for module in MODULES.values())
    assert not any(part.startswith("_") for name in found for part in name.split("."))
    assert len({id(name.what) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("offered", lb.PUBLIC)
def test_what_the_package_offers_is_on_a_page(offered: str) -> None:
    what = getattr(lb, offered)
    assert what in MODULES.values() or any(name.what is what for name in NAMES)


def test_every_public_name_says_what_it_is() -> None:
    assert not [name.name for name in NAMES if len(docstrings.first_sentence(name.what)) < 10]
    assert not [name for name, module in MODULES.items() if len(docstrings.first_sentence(module)) < 10]


def test_every_public_name_has_an_example() -> None:
    without = [name.name for name in NAMES if ">>> " not in (name.what.__doc__ or "")]
    assert not without, f"{len(without)} of {len(NAMES)}: {', '.join(without)}"


def test_every_constant_that_a_module_offers_is_explained() -> None:
    constants = [(f"{name}.{one}", public.comment(module, one)) for name, module in MODULES.items() for one in public.constants(module)]
    assert not [name for name, said in constants if name != "data.NAMED" and not said]


def test_pages_of_the_api_differ_where_capitals_are_no_difference() -> None:
    files = api_pages.Pages().all()
    assert len({file.lower() for file in files}) == len(files) == 1 + len(MODULES) + len(NAMES)
    listed = {entry for text in files.values() for entry in re.findall(r"^   \S+ <(.+)>$", text, re.MULTILINE)}
    assert {file.removesuffix(".rst") for file in files} - listed == {"index"}


# pages


def below(page: str) -> set[str]:
    """The pages that a page's lists name."""
    folder, found = PAGES[page].parent, set()
    for block in re.findall(r"```\{toctree\}\n(.*?)```", PAGES[page].read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            entry = re.sub(r".*<(.*)>", r"\1", line.strip())
            if entry and not entry.startswith(":"):
                paths = folder.glob(f"{entry}.md") if "*" in entry else [folder / f"{entry}.md"]
                found |= {path.resolve().relative_to(DOCS).with_suffix("").as_posix() for path in paths}
    return found


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, new = set(), {"index"}
    while new:
        reached |= new
        new = {page for known in new for page in (below(known) if known in PAGES else ())} - reached
    assert reached - {"api/index"} == PAGES.keys()


def test_the_first_page_and_the_guide_do_not_say_the_same() -> None:
    lines = [PAGES[page].read_text(encoding="utf-8").splitlines() for page in ("index", "guide/index")]
    first, guide = ({line for line in text if len(line) > 40} for text in lines)
    assert not first & guide


def test_what_the_first_page_takes_of_the_readme_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    marks = re.findall(r'^:(?:start-after|end-before): "(.*)"$', PAGES["index"].read_text(encoding="utf-8"), re.MULTILINE)
    assert len(marks) == 4
    assert all(mark.replace("\\n", "\n") in readme for mark in marks)


def test_a_stub_names_the_file_that_has_its_text() -> None:
    for page, file in [*repository_links.PAGES.items(), ("findings", "findings/README.md")]:
        assert (ROOT / file).exists()
        assert f"](../{file})" in PAGES[page].read_text(encoding="utf-8")


def test_every_term_of_the_glossary_is_short_and_leads_on() -> None:
    block = re.findall(r"```\{glossary\}\n(.*?)```", PAGES["glossary"].read_text(encoding="utf-8"), re.DOTALL)[0]
    entries = [entry for entry in re.split(r"\n\n", block) if not entry.startswith(":")]
    assert len(entries) >= 50
    for entry in entries:
        said = " ".join(line.strip() for line in entry.splitlines() if line.startswith("  "))
        assert len(said.split()) <= 60, entry
        assert re.search(r"\]\(|`lb\.|\{term\}", said), entry


def test_every_finding_has_a_version_and_what_was_expected_and_seen() -> None:
    folder = ROOT / "findings"
    listed = {row["script"] for row in finding_pages.ROW.finditer((folder / "README.md").read_text(encoding="utf-8"))}
    assert listed == {path.name for path in folder.glob("*.sh")}
    for name in listed:
        parts = finding_pages.said(folder / name)
        assert all(parts[key] for key in ("version", "guess", "seen"))
    assert {path.stem for path in (folder / "seen").glob("*")} <= {Path(name).stem for name in listed}


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in [DOCS / "conf.py", *(DOCS / "_static").rglob("*.*")]:
        assert not re.search(r"https?://|@import|//cdn", path.read_text(encoding="utf-8")), path.name


def test_what_the_site_is_made_with_is_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    assert set(extras["docs"]) <= set(extras["dev"])
    assert {re.match(r"[\w-]+", requirement)[0] for requirement in extras["docs"]} <= pinned  # type: ignore[index]


# extensions


def test_docstrings_have_no_markup_but_double_backticks() -> None:
    assert docstrings.prose("p(x|z) of ``a_``, *z and b_ c") == r"p(x\|z) of ``a_``, \*z and b\_ c"
    assert docstrings.prose("Π ``kind``(z) and 2``d``") == r"Π ``kind``\ (z) and 2\ ``d``"
    text = docstrings.restructured("It is.\nErrors: DataError.\n\n>>> a | b\n1")
    assert text == "It is.\n\n**Errors:** DataError.\n\n>>> a | b\n1"


def test_first_sentences_end_where_they_should() -> None:
    class Example:
        """σ is .5, e.g. of N(0, 1). More of it.

        Errors: none.
        """

    assert docstrings.first_sentence(Example) == "σ is .5, e.g. of N(0, 1)."


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a id="x" href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a><a href="https://a.b/">4</a>'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">b</h1><script src="https://a.b/c.js"></script><img src="a.html">')
    assert dead_links.faults(tmp_path) == [
        "a.html: b.html#gone: no such place on it",
        "a.html: c.html: no such file",
        "b.html: https://a.b/c.js: loads from elsewhere",
    ]


def test_links_of_files_that_become_pages_are_rebased() -> None:
    text = "[a](docs/words.md#prior) [b](findings/README.md) [c](https://a.b) x[0](docs)"
    assert repository_links.rebased(text, ROOT, DOCS) == "[a](words.md#prior) [b](../findings/README.md) [c](https://a.b) x[0](.)"


def test_links_from_code_lead_to_the_page_of_the_name() -> None:
    link = '<a href="../../api/errors.DataError.html#lowerbound.DataError">'
    assert code_pages.BACK.sub(code_pages.mended, link) == '<a href="../../api/errors.DataError.html#lowerbound.errors.DataError">'
    method = '<a href="../../api/VAE.html#lowerbound.x.VAE.sample">'
    assert code_pages.BACK.sub(code_pages.mended, method) == '<a href="../../api/VAE.html#lowerbound.VAE.sample">'


def test_formulas_are_mathml() -> None:
    found = mathml.mathml(r"2 \log p(x) \geq \log_2 (x)", display="block")
    assert found.startswith("<math")
    assert found.count("<mspace") == 2
