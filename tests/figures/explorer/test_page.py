"""What one can do on the page, each in a real browser: its numbers and pixels beside torch's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pages import drag

import lowerbound as lb
from lowerbound.data.rows import spread
from lowerbound.figures.explorer.examples import TESTED

PIXELS = 1e-3  # how far 16 bits are from single precision, at most


def of_page(run: lb.Run) -> lb.data.Dataset:
    """The test examples of the page."""
    test = run.read().test
    return test.view(spread(len(test), TESTED))


def decoded(run: lb.Run, z: Any) -> np.ndarray:
    return run.vae.decode(torch.tensor(z, dtype=torch.float32)).flatten().numpy()


def test_a_file_without_a_network_asks_for_nothing_and_says_nothing(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    for place in (0, 3):
        found.choose(place)
    for name in ("Hide right half", "Hide lower half", "Hide nothing", "Play", "Light or dark", "Tour"):
        found.press(name)
    assert len(found.asked) == 1
    assert not found.said


def test_dragging_decodes_as_torch_does(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    before = found.pixels(".place canvas.big")
    for to in ((0.3, 0.3), (0.8, 0.45), (0.5, 0.9)):
        drag(found, to)
        z = list(found.of("Array.from(state.z)"))
        values = np.array(found.of("Array.from(view.now.values)"))
        np.testing.assert_allclose(values, decoded(digits_run, z), atol=PIXELS)
        shown = found.pixels(".place canvas.big")
        assert np.abs(shown[..., 0].flatten() - 255 * values).max() <= 1
        assert np.abs(shown - before).max() > 20
        before = shown
    far = found.of("[state.z[0], state.z[1]]")
    box = found.of("view.pixelOf([0, 0])")
    assert far[1] < 0 < box[1]  # down is down


def test_keys_and_touch_move_the_point(digits_run: lb.Run, opened: Callable[..., Any], chromium: Any, tmp_path: Path) -> None:
    found = opened(digits_run)
    found.page.locator("canvas.plane").first.focus()
    start = found.of("Array.from(state.z)")
    for key in ("ArrowRight", "ArrowUp"):
        found.page.keyboard.press(key)
    found.settle()
    one = np.subtract(found.of("Array.from(state.z)"), start)
    found.page.keyboard.press("Shift+ArrowLeft")
    found.settle()
    after = np.subtract(found.of("Array.from(state.z)"), start)
    assert one[0] > 0
    assert one[1] > 0
    np.testing.assert_allclose(after, [one[0] - 5 * one[0], one[1]], rtol=1e-6)
    window = chromium.new_context(offline=True, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800})
    page = window.new_page()
    page.goto((tmp_path / "explore.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    box = page.locator("canvas.plane").first.bounding_box()
    page.touchscreen.tap(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.wait_for_timeout(100)
    z = page.evaluate("() => Array.from(explorer.views[0].state.values.z)")
    assert z[0] < start[0]
    assert z[1] > start[1]
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")  # nothing is beyond a telephone's edge
    window.close()


def test_sliders_move_and_follow(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    slider = found.page.locator(".sliders input").first
    dim = int(slider.get_attribute("data-dimension"))
    assert dim == found.of("view.order[0]")
    slider.evaluate("(one) => { one.value = 1.5; one.dispatchEvent(new Event('input')); }")
    found.settle()
    z = found.of("Array.from(state.z)")
    assert z[dim] == pytest.approx(1.5, abs=0.02)
    np.testing.assert_allclose(found.of("Array.from(view.now.values)"), decoded(digits_run, z), atol=PIXELS)
    drag(found, (0.4, 0.6))
    assert float(slider.input_value()) == pytest.approx(found.of("Array.from(state.z)")[dim], abs=0.05)


def test_a_chosen_example_is_encoded_and_bounded_as_torch_does(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found, run = opened(digits_run), digits_run
    data = of_page(run)
    for row in (0, 7, 20):
        found.choose(row)
        grey = data[[row]]
        with torch.no_grad():
            q = run.vae.posterior(grey)
        np.testing.assert_allclose(found.of("Array.from(state.found.q.mean)"), q.mean[0].numpy(), atol=1e-3)
        np.testing.assert_allclose(found.of("Array.from(state.found.q.sd)"), q.stddev[0].numpy(), rtol=2e-3)
        x = torch.tensor(found.of("Array.from(state.example.bits)"), dtype=torch.float32).reshape(grey.shape)
        draws, noise = 64, torch.randn(64, 2, generator=torch.Generator().manual_seed(row))
        made = found.of(
            "(() => { let i = 0; const made = explorer.boundOf(view.model, state.example.bits, null, 64, () => given[0][i++]);"
            " return [made.bound, made.logP, made.kl, made.reconstruction]; })()",
            noise.flatten().tolist(),
        )
        with torch.no_grad():
            q = run.vae.posterior(x)
            z = (q.mean + q.stddev * noise)[:, None]
            terms = run.vae.log_likelihood(x, z)[:, 0]
            kl = torch.distributions.kl_divergence(q, run.vae.prior())[0]
            log_p = (terms + run.vae.prior().log_prob(z)[:, 0] - q.log_prob(z)[:, 0]).logsumexp(0) - np.log(draws)
        np.testing.assert_allclose(made, [terms.mean() - kl, log_p, kl, terms.mean()], atol=1e-2)
        assert found.shown("place", "kl") == pytest.approx(found.of("state.found.kl"), abs=0.06)
        assert found.shown("examples", "bound") == pytest.approx(float(found.of("state.found.bound")), abs=0.06)


def test_how_unusual_an_example_is(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    scores = np.array(found.of("view.test.logP"))
    own = found.of("view.test.values.map((values) => view.boundOf(values, null).logP)")
    assert np.corrcoef(scores, own)[0, 1] > 0.9  # the same estimate, by other draws of bits and of z
    assert abs(np.subtract(scores, own).mean()) < 0.5
    for row in (2, 11):
        found.choose(row)
        assert found.shown("examples", "rank") == pytest.approx(100 * (scores < found.of("state.found.logP")).mean(), abs=0.51)
    found.of("view.choose(Float64Array.from({length: 64}, (_, i) => i % 2), 'chess')")
    found.settle()
    assert found.shown("examples", "rank") == 0
    assert "unusual" in found.page.locator(".examples .plain").inner_text()


def test_density_of_codes_is_the_aggregate_posterior(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    drag(found, (0.4, 0.4))
    z = torch.tensor(found.of("Array.from(state.z)"))
    mean, sd = (torch.tensor(found.of(f"view.{name}.map((one) => Array.from(one))")) for name in ("codes", "spreads"))
    wanted = torch.distributions.Normal(mean, sd).log_prob(z).sum(1).logsumexp(0) - np.log(len(mean))
    assert found.shown("place", "density") == pytest.approx(float(wanted), abs=0.006)
    assert found.shown("place", "prior") == pytest.approx(float(-0.5 * (z**2).sum() - np.log(2 * np.pi)), abs=0.006)


def test_the_nearest_examples(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    drag(found, (0.7, 0.6))
    code = np.array(found.of("view.codes.map((one) => Array.from(one))"))[: found.of("view.shown.length")]
    row = ((code - found.of("Array.from(state.z)")) ** 2).sum(1).argmin()
    values = np.array(found.of("view.shown.map((one) => Array.from(one))"))
    near = ((values - found.of("Array.from(view.now.values)")) ** 2).sum(1).argmin()
    for place, wanted in enumerate((row, near)):
        shown = found.pixels(".place .near canvas.thumb", place + 1)[..., 0].flatten()
        np.testing.assert_allclose(shown, 255 * values[wanted], atol=1)


def test_what_one_draws_is_encoded(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    box = found.box("canvas.pad")
    mouse = found.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 15)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 15, steps=8)
    mouse.up()
    found.settle()
    values = np.array(found.of("Array.from(state.example.values)")).reshape(8, 8)
    assert values[:, 3:5].mean() > 0.25
    assert values[:, :2].max() < 0.05
    with torch.no_grad():
        mean = digits_run.vae.posterior(torch.tensor(values, dtype=torch.float32)[None, None]).mean[0].numpy()
    np.testing.assert_allclose(found.of("Array.from(state.z)"), mean, atol=1e-3)


def test_an_image_file_is_encoded_and_what_is_none_is_refused(digits_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:
    from PIL import Image

    found = opened(digits_run)
    image = (of_page(digits_run)[[5]][0, 0].numpy() * 255).round().astype(np.uint8)
    Image.fromarray(image).resize((224, 224), Image.Resampling.NEAREST).save(tmp_path / "five.png")
    (tmp_path / "no.png").write_bytes(b"no image at all")
    chooser = found.page.locator("input[type=file]")
    chooser.set_input_files(tmp_path / "five.png")
    found.page.wait_for_function("() => explorer.views[0].state.values.example !== null")
    values = np.array(found.of("Array.from(state.example.values)"))
    np.testing.assert_allclose(values, image.flatten() / 255, atol=0.06)
    chooser.set_input_files(tmp_path / "no.png")
    found.page.wait_for_function("() => document.querySelector('.own .tools [role=status]').textContent !== ''")
    assert "no image" in found.page.locator(".own .tools [role=status]").inner_text()


def test_completions_keep_what_is_seen_and_are_draws_of_the_rest(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found, run = opened(digits_run), digits_run
    found.choose(4)
    found.press("Hide lower half")
    x = np.array(found.of("Array.from(state.example.bits)"))
    seen = np.arange(64) < 32
    for place in range(8):
        shown = found.pixels(".hidden .grid canvas", place)[..., 0].flatten()
        np.testing.assert_allclose(shown[seen], 255 * np.array(found.of("Array.from(state.example.values)"))[seen], atol=1)
    assert found.of("view.completed.found.reduce((sum, one) => sum + one.weight, 0)") == pytest.approx(1)
    assert len({tuple(z) for z in found.of("view.completed.found.map((one) => Array.from(one.z))")}) == 8
    assert found.of("view.completed.effective") > 30
    # p(z|x_seen) by a fine grid of the plane, beside the mean of many resampled draws
    side = torch.linspace(-5, 5, 161)
    grid = torch.cartesian_prod(side, side)
    observed = torch.tensor(seen).reshape(1, 1, 8, 8)
    with torch.no_grad():
        bits = torch.tensor(x, dtype=torch.float32).reshape(1, 1, 8, 8)
        log = run.vae.log_likelihood(bits, grid[:, None], observed)[:, 0] + run.vae.prior().log_prob(grid)
    weight = log.softmax(0)
    mean = (weight[:, None] * grid).sum(0)
    sd = ((weight[:, None] * (grid - mean) ** 2).sum(0)).sqrt()
    each = found.of(
        "given[0].map((seed) => explorer.drawsGiven(view.model, state.example.bits.map((v, i) => i < 32 ? v : NaN), null, seed))"
        ".map(({ latents, weights }) => [latents.map((z) => Array.from(z)), weights])",
        list(range(10, 30)),
    )
    means = np.array([np.average(z, axis=0, weights=weights) for z, weights in each])
    squares = [np.average(np.subtract(z, own) ** 2, axis=0, weights=weights) for (z, weights), own in zip(each, means, strict=True)]
    spreads = np.sqrt(squares)
    assert (np.abs(means.mean(0) - mean.numpy()) < 4 * means.std(0) / np.sqrt(len(means)) + 0.01).all()
    np.testing.assert_allclose(spreads.mean(0), sd.numpy(), rtol=0.1)


def test_a_painted_mask_hides_what_is_under_the_brush(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    found.choose(1)
    box = found.box("canvas.mask")
    mouse = found.page.mouse
    mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.3 * box["height"], steps=4)
    mouse.up()
    found.settle()
    shown = found.pixels("canvas.mask")
    hidden = (shown[..., 0] != shown[..., 1]).astype(int)
    assert hidden[0, 7] == 1
    assert hidden[7, 0] == 0
    assert 0 < hidden.sum() < 40


def test_paths_begin_and_end_at_examples(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    data = of_page(digits_run)
    with torch.no_grad():
        ends = digits_run.vae.posterior(data[[0, 1]]).mean
    for way in ("straight", "spherical"):
        for place, z in ((0, ends[0]), (8, ends[1])):
            shown = found.pixels(f".path[data-way={way}] canvas", place)[..., 0].flatten()
            np.testing.assert_allclose(shown, 255 * decoded(digits_run, z.tolist()), atol=1.5)
    middle = np.array(found.of("Array.from(explorer.spherical(given[0], given[1], 0.5))", *ends.tolist()))
    assert np.linalg.norm(middle) == pytest.approx(float(ends.norm(dim=1).mean()), rel=1e-6)
    for end in ends.numpy():  # halfway in angle
        cosine = middle @ end / np.linalg.norm(middle) / np.linalg.norm(end)
        half = 0.5 * np.arccos(ends[0].numpy() @ ends[1].numpy() / np.prod(ends.norm(dim=1).numpy()))
        assert np.arccos(cosine) == pytest.approx(half, abs=1e-4)
    found.press("Play")
    places = []
    for _ in range(5):
        found.page.wait_for_timeout(60)
        places.append(found.of("Array.from(state.z)"))
    assert len({tuple(place) for place in places}) > 1
    for place in places:  # on the straight line
        along, whole = np.subtract(place, ends[0].numpy()), (ends[1] - ends[0]).numpy()
        assert abs(along[0] * whole[1] - along[1] * whole[0]) < 1e-3


def test_from_class_to_class(digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(digits_run)
    drag(found, (0.5, 0.5))
    codes, labels = np.array(found.of("view.codes.map((one) => Array.from(one))")), np.array(found.of("Array.from(view.labels)"))
    begin = np.array(found.of("Array.from(state.z)"))
    found.page.locator(".direction select").nth(0).select_option("3")
    found.page.locator(".direction select").nth(1).select_option("8")
    found.page.locator(".direction input").evaluate("(one) => { one.value = 0.5; one.dispatchEvent(new Event('input')); }")
    found.settle()
    wanted = begin + 0.5 * (codes[labels == 8].mean(0) - codes[labels == 3].mean(0))
    np.testing.assert_allclose(found.of("Array.from(state.z)"), wanted, atol=1e-5)


@torch.no_grad()
def log_p_given(run: lb.Run, x: torch.Tensor, label: int) -> torch.Tensor:
    """log p(x|y) by 1,000 draws."""
    torch.manual_seed(0)
    vae = run.vae.given(run.vae.context.numbered(torch.tensor([label])))
    q = vae.posterior(x)
    z = q.sample([1_000])
    return (vae.log_likelihood(x, z) + vae.prior().log_prob(z) - q.log_prob(z)).logsumexp(0)[0]


def test_classes_of_a_conditional_run(by_class_run: lb.Run, opened: Callable[..., Any]) -> None:
    found, run = opened(by_class_run), by_class_run
    drag(found, (0.6, 0.4))
    z = torch.tensor(found.of("Array.from(state.z)"))
    for label in (0, 4, 9):
        vae = run.vae.given(run.vae.context.numbered(torch.tensor([label])))
        wanted = vae.decode(z[None]).flatten().numpy()
        np.testing.assert_allclose(found.pixels(".classes canvas", label)[..., 0].flatten(), 255 * wanted, atol=1.5)
    right = 0
    for row in range(12):
        found.choose(row)
        shares = found.page.locator(".classes meter").evaluate_all("(all) => all.map((one) => one.value)")
        assert sum(shares) == pytest.approx(1, abs=1e-6)
        x = torch.tensor(found.of("Array.from(state.example.bits)"), dtype=torch.float32).reshape(1, 1, 8, 8)
        log_p = torch.stack([log_p_given(run, x, label) for label in range(10)])
        right += int(np.argmax(shares) == int(log_p.argmax()))
    assert right >= 10
