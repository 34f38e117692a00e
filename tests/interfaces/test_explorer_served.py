"""Models that no page computes, in a page that is served to a real browser; and names, which are text there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rows import long_if

import lowerbound as lb
from interfaces.explored import EVENT, MODELS, data, decoder, encoder, of_modules
from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.given import is_given_values
from lowerbound.figures.explorer.page import page
from lowerbound.figures.explorer.shown import of_model, of_run
from lowerbound.interfaces.explorer.explorer import Explorer
from lowerbound.interfaces.explorer.server import Server
from lowerbound.runs import run as runs

#: those that are opened each time
QUICK = [*MODELS][:2]


@contextmanager
def opened(chromium: Any, server: Server) -> Iterator[Any]:
    """The page of a server, once it is ready; it asks for nothing but from that server, and nothing fails in it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    tab, failed, asked = context.new_page(), [], []
    tab.on("pageerror", lambda error: failed.append(str(error)))
    tab.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(server.address)
    tab.wait_for_selector("body[data-ready]", timeout=20_000)
    tab.asked = asked
    yield tab
    context.close()
    assert not failed
    assert all(url.startswith((server.address, "data:", "blob:")) for url in asked)


LOG_P = "() => { const [{ model, state, now }] = explorer.views; return model.logLikelihood(now.output, 0, state.values.example.bits); }"
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestIdleCallback(() => done()))))"


def test_a_drag_over_the_plane_decodes_by_the_users_own_modules(chromium: Any) -> None:
    vae = of_modules()
    explorer = lb.explore(vae, train=data())
    for refused in (lambda: explorer.html, lambda: explorer.write("page.html")):
        with pytest.raises(RecipeError, match=r"a Products layer cannot be computed in a page; .*\.serve\(\)"):
            refused()
    assert "<iframe" not in explorer._repr_html_()
    assert "serve()" in explorer._repr_html_()
    with explorer.serve(browser=False) as server, opened(chromium, server) as tab:
        tab.evaluate("() => explorer.views[0].choose(explorer.views[0].test.values[4], 'five', 4)")
        tab.evaluate(SETTLED)
        plane = tab.locator("canvas.plane")
        box = plane.bounding_box()
        shown = []
        tab.mouse.move(box["x"] + 60, box["y"] + 80)
        tab.mouse.down()
        tab.evaluate(SETTLED)
        for x, y in ((100, 300), (300, 120), (210, 230)):
            before = len(tab.asked)
            tab.mouse.move(box["x"] + x, box["y"] + y)
            tab.evaluate(SETTLED)
            assert len(tab.asked) - before == 1, tab.asked[before:]
            found = tab.evaluate("() => { const { state, now } = explorer.views[0]; return [[...state.values.z], [...now.values]]; }")
            pixels = tab.evaluate("() => document.querySelector('.place canvas.big').toDataURL()")
            log_p = tab.evaluate(LOG_P)
            z = torch.tensor(found[0], dtype=torch.float32)
            np.testing.assert_allclose(found[1], vae.decode(z).flatten(), atol=1e-5)
            assert log_p == pytest.approx(float(vae.log_likelihood(data()[[4]], z[None, None]).detach()), rel=1e-5)
            shown.append((tuple(found[0]), pixels))
        tab.mouse.up()
        assert len({z for z, _ in shown}) == len({picture for _, picture in shown}) == 3
    with opened_when_gone(chromium, explorer) as tab:
        assert "does not answer" in tab.locator("#said").text_content()


@contextmanager
def opened_when_gone(chromium: Any, explorer: Explorer) -> Iterator[Any]:
    """A page whose server has ended since."""
    with explorer.serve(browser=False) as server:
        context = chromium.new_context()
        tab = context.new_page()
        tab.goto(server.address)
        tab.wait_for_selector("body[data-ready]", timeout=20_000)
    tab.keyboard.press("Tab")
    tab.focus("canvas.plane")
    tab.keyboard.press("ArrowLeft")
    tab.evaluate(SETTLED)
    yield tab
    context.close()


ASKED = """() => {
  const [view] = explorer.views, { model } = view;
  return view.test.values.map((values, row) => {
    view.choose(values, `example ${row}`, row, view.test.labels[row]);
    const { found, example: { bits }, z, label } = view.state.values, { q } = found, again = q.sample(() => 0.3);
    const hidden = label?.hidden ? [...label.hidden] : null, of = label?.of ? null : label;
    return { found: { ...found, q: null }, x: [...bits], z: [...z], label: of, hidden, sd: q.sd && [...q.sd], draw: [...again],
      logQ: q.logDensity(again), logP: model.prior(label).logDensity(again),
      logX: model.logLikelihood(model.decode([again], label), 0, bits),
      prior: label?.of && [[...model.prior(label).mean], [...model.prior(label).sd]],
      image: [...model.image(again, label)], plane: q.sd && q.plane(0, 1) };
  });
}"""


def context_of(vae: lb.VAE, x: torch.Tensor, labels: torch.Tensor, hidden: list[int] | None) -> torch.Tensor:
    """What the model is given of an example; of one that is given a part, but for what is hidden."""
    return vae.contexts(x, labels) if hidden is None else vae.context.part(x, torch.tensor(hidden).view(x.shape) == 0)


@pytest.mark.parametrize("name", long_if(lambda name: name not in QUICK, MODELS))
def test_a_model_that_no_page_computes_is_in_a_served_page_what_it_is_in_torch(name: str, chromium: Any) -> None:
    torch.manual_seed(5)
    vae, of_test = MODELS[name]().eval(), data(24)
    with pytest.raises(RecipeError, match="served"):
        page([of_model(vae, data(), of_test)])
    with lb.explore(vae, train=data(), test=of_test).serve(browser=False) as server, opened(chromium, server) as tab:
        rows = tab.evaluate(ASKED)
        tab.evaluate(SETTLED)
        by_draws = tab.evaluate("() => explorer.views[0].test.logP")
        dimension = "z1·1" if name == "levels" else "z1"
        assert tab.locator(".sliders .labelled > span").filter(has_text=re.compile(f"^{dimension}$")).count() == 1
        assert ("Dashed" in tab.locator(".plane .about").inner_text()) == is_given_values(vae)
        if not is_given_values(vae):
            tab.get_by_role("button", name="Hide right half").click()
            weights = tab.evaluate("() => explorer.views[0].completed.found.map((one) => one.weight)")
            assert all(0 <= weight <= 1 for weight in weights)
    for k, row in enumerate(rows):
        x, z = torch.tensor(row["x"], dtype=torch.float32).view(1, *EVENT), torch.tensor(row["draw"])[None, None]
        with torch.no_grad():
            given = vae if vae.context is None else vae.given(context_of(vae, of_test[[k]], of_test.labels[[k]], row["hidden"]))
            assert row["label"] == (int(of_test.labels[k]) if isinstance(vae.context, lb.contexts.Label) else None)
            q, p = given.posterior(of_test[[k]]), given.prior()
            np.testing.assert_allclose(row["z"], given.posterior.centre(q)[0], atol=1e-5, rtol=1e-5)
            np.testing.assert_allclose(row["image"], given.decode(z).flatten(), atol=1e-5)
            assert row["logP"] == pytest.approx(float(p.log_prob(z)), rel=1e-4, abs=1e-4)
            assert row["logX"] == pytest.approx(float(given.log_likelihood(x, z)), rel=1e-5)
            if row["prior"]:  # p(z|c), dashed on the plane
                np.testing.assert_allclose(row["prior"], [p.mean[0], p.stddev[0]], rtol=1e-4, atol=1e-5)
            assert bool(row["prior"]) == is_given_values(vae)
            if name == "a point":
                assert row["logQ"] is row["found"]["logP"] is None
                continue
            assert row["logQ"] == pytest.approx(float(q.log_prob(z)), rel=1e-4, abs=1e-4)
            if row["sd"]:
                np.testing.assert_allclose(row["sd"], q.stddev[0], rtol=1e-5)
                both = q.covariance_matrix[0] if name == "full gaussian" else q.variance[0].diag()
                np.testing.assert_allclose(row["plane"], [both[0, 0], both[0, 1], both[1, 1]], rtol=1e-4, atol=1e-7)
    if name == "a point":
        assert by_draws is None
        return
    # by other draws of the same laws: the same on average
    gaps = np.array([row["found"]["logP"] for row in rows]) - np.array(by_draws)
    assert abs(gaps.mean()) < 4 * gaps.std() / np.sqrt(len(gaps)) + 1e-2
    assert all(row["found"]["bound"] <= row["found"]["logP"] + 5 * row["found"]["se"] for row in rows)


# --- what is written in names runs nothing -----------------------------------------------------------------

STRANGE = "<script>window.ran=1</script><img src=x onerror=window.ran=2>\"'&amp;</title></script><!--${window.ran=3}"


@pytest.mark.parametrize("served", [False, True], ids=["computed", "asked for"])
def test_names_are_text(served: bool, chromium: Any, tmp_path: Path) -> None:
    """Of classes and of the model, in a page that is opened and in one in a notebook's frame."""
    vae = (
        of_modules()
        if served
        else lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(decoder()), lb.posteriors.DiagonalGaussian(encoder(4)))
    )
    named = replace(data(), classes=(STRANGE, "</script>", '"&'))
    explorer = Explorer([of_model(vae, named, name=STRANGE)])
    with explorer.serve(browser=False) as server, opened(chromium, server) as tab:
        assert tab.evaluate("() => window.ran") is None
        assert tab.title().endswith(STRANGE)
        assert tab.locator(".run strong").text_content() == STRANGE
        assert [text.strip() for text in tab.locator("ul.legend li").all_text_contents()] == list(named.classes)
        assert tab.locator("main img").count() == 0
        assert tab.locator("script").count() == 4
    if served:
        return
    context = chromium.new_context(offline=True)
    tab = context.new_page()
    (tmp_path / "notebook.html").write_text(f"<title>notebook</title>{explorer._repr_html_()}<p id=after>after</p>", encoding="utf-8")
    tab.goto((tmp_path / "notebook.html").as_uri())
    frame = tab.frame_locator("iframe")
    assert frame.locator(".run strong").text_content() == STRANGE
    assert tab.locator("#after").text_content() == "after"
    assert tab.evaluate("() => [window.ran, window.length]") == [None, 1]
    context.close()


def test_a_folders_name_is_text(digits_run: runs.Run, chromium: Any, tmp_path: Path) -> None:
    folder = tmp_path / '<img src=x onerror=window.ran=1>"&'
    shutil.copytree(digits_run.folder, folder)
    with Explorer([of_run(runs.load(folder, "cpu"))]).serve(browser=False) as server, opened(chromium, server) as tab:
        assert tab.locator(".run strong").text_content() == folder.name
        assert tab.evaluate("() => window.ran") is None
        assert tab.locator("main img").count() == 0
