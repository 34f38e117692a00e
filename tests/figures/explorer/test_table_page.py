"""The page of a table, in a real browser: rows, and what the rest of one may be where some of it is given."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from conftest import trained
from pages import drag

import lowerbound as lb

pytestmark = pytest.mark.long  # a page of its own in a browser; test_page.py and test_by_keys.py open one each time
GIVEN = {"kind": "b", "height": "1.4"}


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> lb.Run:
    """A run on 600 rows of two kinds that differ in all columns, a tenth of the cells missing."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 600)
    height = 1 + 0.6 * kind + 0.1 * rng.normal(size=600)
    columns = {
        "kind": np.array(["a", "b"])[kind],
        "height": height.round(2),
        "weight": np.exp(0.3 * rng.normal(size=600) + 2 * height).round(1),
        "visits": rng.poisson(2 + 6 * kind),
        "member": np.where(rng.random(600) < 0.2 + 0.6 * kind, "yes", "no"),
    }
    with (folder / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if rng.random() < 0.1 else cell for cell in row])
    return trained(folder / "run", data=str(folder / "people.csv"), likelihood="columns", network="mlp:32", latent=3, epochs=60, batch=32)


def lines(found: Any) -> dict[str, str]:
    """What is said of each column."""
    return {line.get_attribute("data-column"): line.locator("output").inner_text() for line in found.page.locator(".line").all()}


def give(found: Any, run: lb.Run) -> np.ndarray:
    """Give kind and height by their controls, and say which row that is to the model."""
    found.page.locator('.line[data-column="kind"] select').select_option(GIVEN["kind"])
    slider = found.page.locator('.line[data-column="height"] input[type=range]')
    columns = run.spec.schema.modelled
    row = np.full(len(columns), np.nan)
    for name, cell in GIVEN.items():
        place = [column.name for column in columns].index(name)
        row[place] = columns[place].numbers([cell])[0][0]
        if name == "height":
            slider.evaluate("(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", float(row[place]))
            row[place] = float(slider.input_value())
    found.settle()
    return row


def test_the_rest_of_a_row_is_what_torch_says_it_may_be(table_run: lb.Run, opened: Callable[..., Any]) -> None:
    found, vae = opened(table_run), table_run.vae
    found.press("Give nothing")
    before = lines(found)
    row = give(found, table_run)
    given = found.of("Array.from(view.asked.row, (v) => Number.isNaN(v) ? null : v)")
    np.testing.assert_allclose(np.array(given, dtype=float), row, rtol=1e-6)
    asked = found.of("view.asked.columns.map(({ probabilities, mean, low, high }) => ({ probabilities, mean, low, high }))")
    torch.manual_seed(0)
    with torch.no_grad():  # by a hundred thousand draws of the prior: kind and height leave enough of them
        z = vae.prior().sample([100_000])
        x = torch.tensor(row, dtype=torch.float32)[None]
        log = vae.log_likelihood(x, z[:, None])[:, 0]
        weight = log.softmax(0)
        assert float(1 / weight.square().sum()) > 1_000
        some = z[torch.multinomial(weight, 4_000, replacement=True)]
        draws = vae.likelihood(some).sample().double().numpy()
    for place, column in enumerate(table_run.spec.schema.modelled):
        if column.kind in ("category", "boolean"):
            share = (draws[:, place] == 1).mean()
            assert asked[place]["probabilities"][1] == pytest.approx(share, abs=0.06), column.name
        else:
            sd = draws[:, place].std()
            assert asked[place]["mean"] == pytest.approx(draws[:, place].mean(), abs=0.25 * sd), column.name
            low, high = np.quantile(draws[:, place], [0.05, 0.95])
            assert asked[place]["low"] == pytest.approx(low, abs=0.5 * sd)
            assert asked[place]["high"] == pytest.approx(high, abs=0.5 * sd)
    after = lines(found)
    assert after["kind"] == "b"
    assert float(after["weight"].split()[0]) > 8
    assert before["visits"] != after["visits"]
    found.press("Give nothing")
    assert not found.page.locator(".line input[type=checkbox]:checked").count()
    assert lines(found)["weight"] == before["weight"]
    assert not found.said


def test_a_chosen_row_is_given_whole_and_can_be_changed(table_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(table_run)
    found.choose(2)
    found.settle()
    values = found.of("Array.from(state.example.values, (v) => Number.isNaN(v) ? null : v)")
    checked = [box.is_checked() for box in found.page.locator(".line input[type=checkbox]").all()]
    assert checked == [value is not None for value in values]
    said = lines(found)
    for column, value in zip(table_run.spec.schema.modelled, values, strict=True):
        if value is not None:
            assert said[column.name] == column.text(float(value))
    found.page.locator('.line[data-column="weight"] input[type=checkbox]').click()
    found.settle()
    assert "(" in lines(found)["weight"]


def test_a_place_is_a_row(table_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(table_run)
    z = found.of("Array.from(state.z)")
    with torch.no_grad():
        wanted = table_run.vae.decode(torch.tensor(z, dtype=torch.float32)[None])
    np.testing.assert_allclose(found.of("Array.from(view.now.values)"), wanted[0].numpy(), atol=2e-3)
    shown = found.page.locator(".place tbody tr")
    assert shown.count() == 5
    assert shown.first.locator("td").first.inner_text() in ("a", "b")


def test_the_plane_of_a_table_is_saved_and_a_link_leads_back(table_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:
    found = opened(table_run)
    for name in ("Save figure (PNG)", "Save figure (SVG)"):
        with found.page.expect_download() as waiting:
            found.press(name)
        waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    drag(found, (0.3, 0.7))
    found.press("Copy link to this view")
    again = opened(path=tmp_path / "explore.html", hash_=found.page.evaluate("() => location.hash"))
    np.testing.assert_allclose(again.of("Array.from(state.z)"), found.of("Array.from(state.z)"), rtol=1e-5)
    assert not found.said + again.said


def test_a_row_is_not_looked_at_by_a_run_of_other_columns(table_run: lb.Run, digits_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(table_run, digits_run)
    found.choose(3)
    found.settle()
    assert found.of("views[0].state.values.example.row") == 3
    assert found.of("views[1].state.values.example.values.length") == 64
    assert found.of("views[1].state.values.example.row") == 0


def test_axe_finds_nothing_serious_in_a_table(table_run: lb.Run, opened: Callable[..., Any]) -> None:
    found = opened(table_run)
    found.choose(1)
    serious = [one for one in Axe().run(found.page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]
    assert not found.said
    assert Path(found.asked[0]).name == "explore.html"
