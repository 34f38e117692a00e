"""The explorer of a run in Chromium, beside a gradio slider on the same decoder: ``python benchmarks/explorer.py RUN [--data-dir FOLDER]``.

RUN is the lesson's: MNIST, mlp:512, two dimensions. Measured are the file's size; milliseconds from the start of loading, from a disk
and without a network, to the first decoded image; from each of 300 moves of a pointer to the drawn image; of eight completions; and of
gradio from a move of its slider to a new image. In turns, medians and 95% quantiles. ``--page`` writes docs/explorer.md of what is in the
file of results.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from peer_environment import environment
from playwright.sync_api import Browser, Page, sync_playwright

import lowerbound as lb
from lowerbound.figures.explorer.page import page

HERE = Path(__file__).parent
RESULT, DOCS = HERE / "results" / "explorer.json", HERE.parent / "docs" / "explorer.md"
GRADIO, PORT = "gradio==6.31.0", 7861
MOVES, TURNS, SLID, COMPLETED = 300, 3, 60, 20
#: of each move of a pointer the milliseconds until its image is drawn; moves come one a frame, as a mouse's do
DRAG = """async (moves) => {
  const { state } = explorer.views[0], plane = document.querySelector('canvas.plane'), box = plane.getBoundingClientRect();
  const fire = (type, x, y) => plane.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: x, clientY: y, bubbles: true }));
  plane.setPointerCapture = () => {};
  plane.hasPointerCapture = () => true;
  const found = [];
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  let drawn = 0;
  state.on(() => drawn++);
  fire('pointerdown', box.left + box.width / 2, box.top + box.height / 2);
  for (let k = 0; k < 3; k++) await frame();  // what is moved within one frame is drawn in the next
  for (let k = 0; k < moves; k++) {
    const x = box.left + box.width * (0.5 + 0.3 * Math.cos(k / 9)), y = box.top + box.height * (0.5 + 0.3 * Math.sin(k / 7));
    const before = drawn, began = performance.now();
    fire('pointermove', x, y);
    found.push(performance.now() - began);
    if (drawn === before) throw new Error('a move was not drawn');
    await frame();
  }
  fire('pointerup', box.left, box.top);
  return found;
}"""
SLIDE = """async (value) => {
  const slider = document.querySelector('input[type=range]'), image = document.querySelector('img');
  const before = image.src, began = performance.now();
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(slider, value);
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  for (;;) {
    const now = document.querySelector('img');
    if (now && now.src !== before && now.complete) return performance.now() - began;
    if (performance.now() - began > 10000) return NaN;
    await new Promise((done) => setTimeout(done, 0));
  }
}"""


def ours(browser: Browser, path: Path) -> dict[str, Any]:
    """A page from a disk, offline."""
    tab = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
    asked: list[str] = []
    said: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.goto(path.as_uri())
    tab.wait_for_selector("body[data-ready]")
    tab.wait_for_function("() => explorer.first !== undefined")
    first = tab.evaluate("() => explorer.first")
    tab.wait_for_timeout(1_000)
    moves = np.array(tab.evaluate(DRAG, MOVES))
    tab.locator(".examples .strip button").nth(3).click()
    completions = []
    for k in range(COMPLETED):
        tab.get_by_role("button", name="Hide right half" if k % 2 else "Hide lower half").click()
        completions.append(tab.evaluate("() => explorer.views[0].completed.milliseconds"))
    tab.context.close()
    return {
        "first image": first,
        "drag to image": quantile(moves),
        "eight completions": float(np.median(completions)),
        "requests": len(asked) - 1,
        "said": len(said),
    }


def gradio(browser: Browser) -> dict[str, Any]:
    """A slider of gradio's."""
    tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    tab.goto(f"http://127.0.0.1:{PORT}")
    tab.wait_for_selector("img")
    tab.wait_for_timeout(1_500)
    slid = [slide(tab, k) for k in range(SLID)]
    tab.context.close()
    return {"slide to image": quantile(np.array(slid[5:]))}


def slide(tab: Page, k: int) -> float:
    """Milliseconds from a move to a new image."""
    return float(tab.evaluate(SLIDE, str(round(2.5 * float(np.sin(k)), 2))))


def quantile(values: np.ndarray) -> list[float]:
    """The median and the 95% quantile."""
    return [float(np.median(values)), float(np.quantile(values, 0.95))]


def served(run: lb.Run, folder: Path) -> subprocess.Popen[bytes]:
    """A gradio server of the run's decoder, once it answers."""
    layers = [layer for layer in run.vae.likelihood.network.modules() if hasattr(layer, "weight")]
    names = {
        f"{part}{k}": getattr(layer, word).detach().numpy()
        for k, layer in enumerate(layers, 1)
        for part, word in (("w", "weight"), ("b", "bias"))
    }
    np.savez(folder / "weights.npz", **names)
    python = environment("gradio", (GRADIO,))
    process = subprocess.Popen([python, HERE / "peers" / "gradio_slider.py", folder / "weights.npz", str(PORT)])
    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}", timeout=5)
            return process
        except OSError:
            time.sleep(0.5)
    raise SystemExit("gradio did not begin")


def measured(folder: str, data_dir: str | None) -> dict[str, Any]:
    """All of it, the two in turns."""
    run = lb.load(folder, "cpu")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        path = Path(temporary) / "explore.html"
        path.write_text(page([run], data_dir=data_dir), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        process = served(run, Path(temporary))
        try:
            turns = [{"ours": ours(browser, path), "gradio": gradio(browser)} for _ in range(TURNS)]
        finally:
            process.terminate()
        return {"browser": browser.version, "gradio": GRADIO, "bytes": path.stat().st_size, "turns": turns}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?")
    parser.add_argument("--data-dir")
    parser.add_argument("--page", action="store_true")
    typed = parser.parse_args()
    if typed.run:
        RESULT.write_text(json.dumps(measured(typed.run, typed.data_dir), indent=1) + "\n", encoding="utf-8")
    if typed.page:
        DOCS.write_text(written(json.loads(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")


def written(found: dict[str, Any]) -> str:
    """docs/explorer.md."""

    def of(who: str, what: str, place: int | None = None) -> float:
        values = [turn[who][what] for turn in found["turns"]]
        return float(np.median(values if place is None else [value[place] for value in values]))

    image, moved, slid = of("ours", "first image"), of("ours", "drag to image", 1), of("gradio", "slide to image", 1)
    completed, strange = of("ours", "eight completions"), of("ours", "requests") + of("ours", "said")
    ratio = float(np.median([turn["gradio"]["slide to image"][1] / turn["ours"]["drag to image"][1] for turn in found["turns"]]))
    size, other = found["bytes"] / 1e6, found["gradio"].replace("==", " ")
    rows = [
        ("file, MB, with 10,000 codes and 2,000 thumbnails", f"{size:.2f}", "≤ 3", size <= 3),
        ("first decoded image after the start of loading, ms", f"{image:.0f}", "≤ 500", image <= 500),
        ("from a move to the image, p95 of 300, ms", f"{moved:.1f}", "≤ 16", moved <= 16),
        ("eight completions, ms", f"{completed:.0f}", "≤ 200", completed <= 200),
        ("requests to elsewhere, and lines in the console", f"{strange:.0f}", "0", strange == 0),
        (f"p95 of a slider of {other} over that of a move", f"{ratio:.0f}×", "≥ 5×", ratio >= 5),
    ]
    table = "\n".join(f"| {name} | {value} | {goal} | {'met' if met else 'missed'} |" for name, value, goal, met in rows)
    return f"""# The explorer, measured

Made by `python benchmarks/explorer.py RUN --page`, of a run on MNIST with 512 hidden units and two latent dimensions, in Chromium
{found["browser"]} without a graphics card, {TURNS} turns. The page is opened from a disk, without a network.

| figure | measured | goal | |
|---|---|---|---|
{table}

From a move of the pointer to the drawn image it takes {of("ours", "drag to image", 0):.1f} ms (p95 {moved:.1f}), with the nearest examples,
the densities and all else that is said of the place. With a slider of {other}, which asks a server on the same machine for each
image, it takes {of("gradio", "slide to image", 0):.0f} ms (p95 {slid:.0f}) for that alone.
"""


if __name__ == "__main__":
    main()
