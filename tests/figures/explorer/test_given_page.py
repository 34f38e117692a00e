"""Models that are given a part of an example, or the example made small: what one can do with them on the page, beside torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import trained
from pages import drag

import lowerbound as lb
from lowerbound.data.rows import spread
from lowerbound.figures.explorer.examples import TESTED
from lowerbound.vae.contexts import Observed
from lowerbound.vae.model import VAE

pytestmark = pytest.mark.long  # a page of its own in a browser; test_page.py and test_by_keys.py open one each time
PIXELS = 1e-3
RUNS: dict[str, dict[str, Any]] = {
    "a part": {"given": "observed", "prior": "given-context:32", "network": "mlp:64"},
    "a part, convolutions": {"given": "observed", "prior": "given-context:32", "network": "conv:8-16"},
    "made small": {"given": "low-resolution:4", "prior": "given-context:32", "network": "conv:8-16"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], lb.Run]:
    """Name → a run of digits, trained when it is first asked for."""
    made: dict[str, lb.Run] = {}

    def run(name: str) -> lb.Run:
        if name not in made:
            made[name] = trained(tmp_path_factory.mktemp("runs") / "given", **RUNS[name])
        return made[name]

    return run


def given(found: Any, run: lb.Run, x: torch.Tensor) -> VAE:
    """The model given what the page gives it, of these values."""
    context = run.vae.context
    if not isinstance(context, Observed):
        return run.vae.given(context.of(x, None))
    hidden = torch.tensor(found.of("Array.from(state.label.hidden)")).reshape(1, 1, 8, 8)
    return run.vae.given(context.part(x, hidden == 0))


def image(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 8, 8)


def of_example(found: Any, name: str = "values") -> torch.Tensor:
    return image(found.of(f"Array.from(state.example.{name})"))


@pytest.mark.parametrize("name", RUNS)
@torch.no_grad()
def test_everything_is_said_of_p_given_c(name: str, runs: Callable[[str], lb.Run], opened: Callable[..., Any]) -> None:
    run = runs(name)
    found = opened(run)
    data = run.read().test
    data = data.view(spread(len(data), TESTED))
    for row, to in ((1, (0.3, 0.4)), (6, (0.7, 0.6))):
        found.choose(row)
        vae = given(found, run, data[[row]])
        q, p = vae.posterior(data[[row]]), vae.prior()
        np.testing.assert_allclose(found.of("Array.from(state.z)"), q.mean[0], atol=1e-3)
        np.testing.assert_allclose(found.of("Array.from(view.model.prior(state.label).mean)"), p.mean[0], atol=1e-3)
        np.testing.assert_allclose(found.of("Array.from(view.model.prior(state.label).sd)"), p.stddev[0], rtol=2e-3)
        drag(found, to)
        z = torch.tensor(found.of("Array.from(state.z)"), dtype=torch.float32)
        wanted = vae.decode(z[None]).flatten().numpy()
        np.testing.assert_allclose(found.of("Array.from(view.now.values)"), wanted, atol=PIXELS)
        np.testing.assert_allclose(found.pixels(".place canvas.big")[..., 0].flatten(), 255 * wanted, atol=1.3)
        assert found.shown("place", "prior") == pytest.approx(float(p.log_prob(z[None])[0]), abs=0.02)
        assert found.shown("place", "likelihood") == pytest.approx(float(vae.log_likelihood(data[[row]], z[None, None])), abs=0.06)
        for place, made in enumerate(found.of("view.supposed.map(({ z, values }) => [Array.from(z), Array.from(values)])")):
            back = given(found, run, of_example(found, "bits")).decode(torch.tensor(made[0])[None].float())
            back = vae.context.put(vae.posterior.context, back)  # greys are given as zeros and ones, and shown as they are
            np.testing.assert_allclose(made[1], back.flatten(), atol=PIXELS)
            np.testing.assert_allclose(found.pixels(".given .prior canvas", place)[..., 0].flatten(), 255 * back.flatten(), atol=1.3)


@pytest.mark.parametrize("name", RUNS)
@torch.no_grad()
def test_the_bound_is_that_of_torch_on_fifty_examples(name: str, runs: Callable[[str], lb.Run], opened: Callable[..., Any]) -> None:
    run = runs(name)
    found = opened(run)
    noise = torch.randn(50, 16, 2, generator=torch.Generator().manual_seed(1))
    made = found.of(
        "given[0].map((noise, row) => { let i = 0; view.choose(view.test.values[row], 'one', row);"
        " const { example, label } = view.state.values, found = explorer.boundOf(view.model, example.bits, label, 16, () => noise[i++]);"
        " return [Array.from(example.bits), label.hidden && Array.from(label.hidden), found.bound, found.logP, found.kl]; })",
        noise.flatten(1).tolist(),
    )
    assert len(made) == 50
    for (bits, hidden, *numbers), e in zip(made, noise, strict=True):
        x = image(bits)
        context = run.vae.context
        vae = run.vae.given(context.of(x, None) if hidden is None else context.part(x, image(hidden) == 0))
        q, p = vae.posterior(x), vae.prior()
        z = (q.mean + q.stddev * e)[:, None]
        terms = vae.log_likelihood(x, z)[:, 0]
        kl = torch.distributions.kl_divergence(q, p)[0]
        log_p = (terms + p.log_prob(z)[:, 0] - q.log_prob(z)[:, 0]).logsumexp(0) - np.log(16)
        np.testing.assert_allclose(numbers, [terms.mean() - kl, log_p, kl], atol=1e-2)


@torch.no_grad()
def test_another_mask_is_painted(runs: Callable[[str], lb.Run], opened: Callable[..., Any]) -> None:
    run = runs("a part")
    found = opened(run)
    found.choose(3)
    assert 0 <= found.shown("examples", "rank") <= 100
    found.press("Hide nothing")
    assert found.of("state.found.bound") == pytest.approx(-found.of("state.found.kl"), abs=1e-9)
    assert found.page.locator(".examples dd[data-number=rank]").inner_text() == "–"  # log p of another part than the others'
    before = found.of("Array.from(view.model.prior(state.label).mean)")
    box = found.box("canvas.given")
    mouse = found.page.mouse
    mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.1 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.4 * box["height"], steps=5)
    mouse.up()
    found.settle()
    hidden = np.array(found.of("Array.from(state.label.hidden)")).reshape(8, 8)
    assert hidden[1, 6] == 1
    assert hidden[7, 0] == 0
    assert 4 < hidden.sum() < 50
    shown = found.pixels("canvas.given")
    np.testing.assert_array_equal(shown[..., 0] != shown[..., 1], hidden == 1)  # what is not given is shown apart
    grey = of_example(found)
    np.testing.assert_allclose(shown[hidden == 0][:, 0], 255 * grey[0, 0].numpy()[hidden == 0], atol=1)
    p = given(found, run, grey).prior()
    np.testing.assert_allclose(found.of("Array.from(view.model.prior(state.label).mean)"), p.mean[0], atol=1e-3)
    assert np.abs(np.array(before) - p.mean[0].numpy()).max() > 0.01
    for place in range(6):  # what is given is the same in each, to the level
        each = found.pixels(".given .here canvas", place)[..., 0]
        np.testing.assert_allclose(each[hidden == 0], 255 * grey[0, 0].numpy()[hidden == 0], atol=1)
        assert set(np.unique(each[hidden == 1])) <= {0, 255}  # draws of a Bernoulli
    found.press("Hide all")
    assert found.of("state.label.context.data.every((value) => value === 0)")
    found.press("As in the test data")
    assert 0 <= found.shown("examples", "rank") <= 100


@torch.no_grad()
def test_another_mask_is_painted_by_keys_and_goes_with_a_link(
    runs: Callable[[str], lb.Run], opened: Callable[..., Any], tmp_path: Path
) -> None:
    run = runs("a part")
    found = opened(run)
    found.choose(3)
    found.press("Copy link to this view")
    assert "mask" not in found.page.evaluate("() => location.hash")  # as in the test data
    found.press("Hide nothing")
    found.page.locator(".given input[type=range]").fill("1")
    found.page.locator("canvas.given").focus()
    press = found.page.keyboard.press
    for key in ("ArrowLeft", "Space", "Shift+ArrowUp", "ArrowRight", "Delete"):
        press(key)
    found.settle()
    wanted = np.zeros((8, 8), bool)
    wanted[4, [2, 3, 4]] = wanted[3, [2, 3, 4]] = wanted[[5, 2], 3] = True  # a brush of one pixel about (4, 3) and (3, 3)
    wanted[3, [3, 4, 5]] = wanted[[2, 4], 4] = False  # and away about (3, 4)
    hidden = np.array(found.of("Array.from(state.label.hidden)")).reshape(8, 8) == 1
    np.testing.assert_array_equal(hidden, wanted)
    assert found.page.locator(".given .where").inner_text() == "Column 5 of 8, row 4 of 8: seen"
    p = given(found, run, of_example(found)).prior()
    np.testing.assert_allclose(found.of("Array.from(view.model.prior(state.label).mean)"), p.mean[0], atol=1e-3)
    for name in (None, "Hide all", "Hide nothing"):
        if name is not None:
            found.press(name)
        drag(found, (0.6, 0.3))
        found.press("Copy link to this view")
        other = opened(path=tmp_path / "explore.html", hash_=found.page.evaluate("() => location.hash"))
        for same in ("state.label.hidden", "state.label.context.data", "view.model.prior(state.label).mean"):
            assert other.of(f"Array.from({same})") == found.of(f"Array.from({same})")
        np.testing.assert_allclose(other.of("Array.from(state.z)"), found.of("Array.from(state.z)"), rtol=1e-5)
        assert other.of("[state.found.bound, state.example.row]") == pytest.approx(found.of("[state.found.bound, state.example.row]"))
        np.testing.assert_array_equal(other.pixels("canvas.given"), found.pixels("canvas.given"))
    found.press("As in the test data")
    found.press("Copy link to this view")
    assert "mask" not in found.page.evaluate("() => location.hash")


@torch.no_grad()
def test_draws_at_the_cross_are_of_its_law(runs: Callable[[str], lb.Run], opened: Callable[..., Any]) -> None:
    """By many draws of the page's noise: each pixel's share of ones beside its mean."""
    run = runs("made small")
    found = opened(run)
    found.choose(2)
    drag(found, (0.4, 0.5))
    z = torch.tensor(found.of("Array.from(state.z)"), dtype=torch.float32)
    wanted = given(found, run, of_example(found)).decode(z[None]).flatten().numpy()
    n = 4000
    share = found.of(
        "(() => { let state = 7; const uniform = () => (state = (state * 16807) % 2147483647) / 2147483647, sums = new Float64Array(64);"
        " for (let k = 0; k < given[0]; k++)"
        " view.model.draw(view.now.output, 0, { uniform }).forEach((one, i) => (sums[i] += one / given[0]));"
        " return Array.from(sums); })()",
        n,
    )
    assert (np.abs(share - wanted) < 4.5 * np.sqrt(wanted * (1 - wanted) / n) + 1e-3).all()
    drawn = [found.pixels(".given .here canvas", place)[..., 0] for place in range(6)]
    assert len({one.tobytes() for one in drawn}) > 1


@torch.no_grad()
def test_the_coarse_image_is_shown_and_ellipses_of_its_prior(runs: Callable[[str], lb.Run], opened: Callable[..., Any]) -> None:
    run = runs("made small")
    found = opened(run)
    for row in (0, 5):
        found.choose(row)
        small = torch.nn.functional.avg_pool2d(of_example(found), 4)
        np.testing.assert_allclose(found.pixels("canvas.given")[..., 0].flatten(), 255 * small.flatten(), atol=1)
        prior = given(found, run, of_example(found)).prior()
        mean, sd = prior.mean[0].numpy(), prior.stddev[0].numpy()
        drag(found, (0.02, 0.98))  # the cross away from where the ellipses are
        found.of("view.state.set({ found: null })")  # and no posterior's
        found.settle()
        ink = found.pixels("canvas.plane")
        dark = (ink[..., :3].sum(-1) < 150) & (ink[..., 3] > 150)
        inked = [around(dark, found.of("given[0].map((z) => view.pixelOf(z))", ring(mean, k * sd).tolist())) for k in (1, 1.5, 2)]
        assert min(inked[0], inked[2]) > 0.5  # they are dashed
        assert inked[1] < 0.2


def ring(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 400)[:, None]
    return mean + sd * np.concatenate([np.cos(angle), np.sin(angle)], 1)


def around(dark: np.ndarray, places: Any) -> float:
    """The share of places of the plane that have something dark within a pixel."""
    x, y = np.array(places).round().astype(int).T
    assert min(x.min(), y.min()) > 0
    assert max(x.max(), y.max()) < 459
    return float(np.any([dark[y + dy, x + dx] for dx in (-1, 0, 1) for dy in (-1, 0, 1)], axis=0).mean())


def test_what_suits_no_such_model_is_not_there(runs: Callable[[str], lb.Run], opened: Callable[..., Any], tmp_path: Path) -> None:
    found = opened(runs("made small"))
    assert found.page.locator(".card.hidden, .card.paths").count() == 0
    assert found.page.locator(".card.given button").count() == 0  # an image made small is not painted
    found.choose(4)
    found.page.evaluate("() => navigator.clipboard.writeText('')")
    found.press("Copy link to this view")
    link = found.page.url
    assert "context" not in link
    other = opened(path=tmp_path / "explore.html", hash_=f"#{link.partition('#')[2]}")
    assert other.of("state.example.row") == 4
    np.testing.assert_allclose(other.of("Array.from(state.z)"), found.of("Array.from(state.z)"), rtol=1e-5)
