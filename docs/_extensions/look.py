"""Look at pages of the built site in a browser: ``python docs/_extensions/look.py build/site build/site-screenshots [PART OF A NAME …]``.

Each is opened from its file, without a network, light and dark: axe-core looks for what would keep somebody from reading it; a picture is
taken at the width of a desktop and of a telephone, where the page may not be wider than the screen. Exit code 1 where something is wrong.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, sync_playwright

WIDTHS = {"desktop": 1280, "telephone": 390}
SCHEMES = ("light", "dark")
#: a page that only leads on, and copies of files
LEFT_OUT = ("_downloads", "_static")


def pages(site: Path, parts: list[str]) -> list[Path]:
    """The pages to look at, whose names contain one of these, or all."""
    found = [path for path in sorted(site.rglob("*.html")) if not set(LEFT_OUT) & set(path.relative_to(site).parts)]
    return [path for path in found if not parts or any(part in str(path.relative_to(site)) for part in parts)]


def barriers(page: Any) -> Iterator[str]:
    """What axe-core finds serious or critical."""
    for one in Axe().run(page).response["violations"]:
        if one["impact"] in ("serious", "critical"):
            yield f"{one['id']}, {len(one['nodes'])} times: {one['nodes'][0]['html'][:160]}"


def look(page: Any, url: str, target: str) -> Iterator[str]:
    """Take the pictures of a page, and say what is wrong with it; ``target`` is the pictures' name with ``{}`` for the width."""
    page.goto(url)
    for width, pixels in WIDTHS.items():
        page.set_viewport_size({"width": pixels, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > pixels:
            yield f"{wide} pixels wide on a {width} of {pixels}"
        page.screenshot(path=target.format(width), full_page=True)
        if width == "desktop":
            yield from barriers(page)


def main(site: Path, folder: Path, parts: list[str]) -> int:
    """The command."""
    folder.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=shutil.which("chromium"))
        for scheme in SCHEMES:
            page = browser.new_context(offline=True, color_scheme=scheme).new_page()
            page.on("pageerror", lambda error: sys.stdout.write(f"script: {error}\n"))
            for path in pages(site, parts):
                name = str(path.relative_to(site).with_suffix("")).replace("/", "+")
                try:
                    found = list(look(page, path.resolve().as_uri(), str(folder / f"{name}.{{}}.{scheme}.png")))
                except Error as error:
                    found = [str(error).splitlines()[0]]
                wrong += len(found)
                sys.stdout.writelines(f"{path.relative_to(site)}, {scheme}: {line}\n" for line in found)
                sys.stdout.flush()
        browser.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
