"""The page of words is what the tables have."""

from __future__ import annotations

from pathlib import Path

from lowerbound.recipes.page import page
from lowerbound.recipes.priors import PRIORS

PAGE = Path(__file__).parents[2] / "docs" / "words.md"


def test_the_page_is_what_the_tables_have() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/words.md is old; `make words` writes it anew"


def test_every_prior_has_its_row() -> None:
    for name, row in PRIORS.items():
        assert f"| `{row.pattern(name)}` |" in page()
