"""Runs side by side: the numbers are those of the models, the page stands alone, and what cannot be compared is said."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import lowerbound as lb
from figures.test_report import Page
from lowerbound.data import Dataset, Splits
from lowerbound.errors import DataError
from lowerbound.evaluation import probes
from lowerbound.evaluation.bubbles import DRAWS, posterior_bubbles
from lowerbound.evaluation.evaluate import evaluate, reconstruction_error
from lowerbound.figures import bubbles, charts, compare, of_run, style, table
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment

DATA = lb.data.load("digits")


def trained(folder: Path, **given: object) -> runs.Run:
    experiment = Experiment.begin(Recipe(**{"epochs": 2, "network": "mlp:64", **given}), folder, device="cpu")
    list(experiment.train())
    experiment.finish()
    return runs.load(folder, device="cpu")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, runs.Run]:
    """One of each kind."""
    place = tmp_path_factory.mktemp("family")
    models = {name: ZOO[name].words for name in ("ae", "dae", "cae", "vae")}
    models["wide"] = {**ZOO["beta-vae"].words, "latent": 4}
    models["one"] = {"latent": 1}
    models["sphere"] = ZOO["svae"].words
    models["gamma"] = {**ZOO["gamma-vae"].words, "latent": 2}
    models["flow"] = {"posterior": "flow", "prior": "mixture:3"}
    models["full"] = {"posterior": "full-gaussian"}
    return {name: trained(place / name, **words) for name, words in models.items()}


@pytest.fixture(scope="module")
def sides(family: dict[str, runs.Run]) -> dict[str, compare.Side]:
    return {side.name: side for side in compare.compare(family, DATA)}


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([*map(str, words)]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1, printed
    return printed


# --- bubbles -----------------------------------------------------------------------------------------


def test_bubbles_are_the_moments_of_the_posterior() -> None:
    """Of a Gaussian they are known; those of draws are within their standard errors, for each example and dimension."""
    torch.manual_seed(0)
    vae = lb.VAE(lb.priors.StandardNormal(4), lb.likelihoods.Gaussian(nn.Linear(4, 6), 1.0), lb.posteriors.FullGaussian(nn.Linear(6, 14)))
    x = torch.randn(50, 6)
    found, law = posterior_bubbles(vae, x), vae.posterior(x)
    dims = list(found.dims)
    mean, covariance = law.mean[:, dims].detach().double(), law.covariance_matrix[:, dims][:, :, dims].detach().double()
    variance = covariance.diagonal(dim1=1, dim2=2)
    assert ((found.mean - mean).abs() < 4.5 * (variance / DRAWS).sqrt()).all()
    spread = (variance[:, :, None] * variance[:, None] + covariance**2).div(DRAWS).sqrt()
    assert ((found.covariance - covariance).abs() < 4.5 * spread).all()
    assert sorted(vae.encode(x).var(0).argsort()[-2:].tolist()) == dims
    assert found.scale == pytest.approx(float(variance.sqrt().mean()), rel=0.02)
    again = posterior_bubbles(vae, x)
    assert torch.equal(found.mean, again.mean)
    assert torch.equal(found.covariance, again.covariance)


@pytest.mark.long
def test_points_are_points(sides: dict[str, compare.Side]) -> None:
    for name, side in sides.items():
        is_point = name in ("ae", "dae", "cae")
        assert (side.bubbles.scale < 1e-6) == is_point
        assert side.bubbles.mean.shape == (179, 2)


def colored(figure) -> float:
    """The share of a figure that has a colour."""
    with Image.open(io.BytesIO(style.encode_png(figure))) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return float((np.ptp(pixels, axis=2) > 20).mean())


def test_a_bubble_covers_its_ellipse() -> None:
    """σ = (2, .5), turned by 45°, on axes from −4 to 4: π σ₁ σ₂ of 64 is coloured, and what is far out is not drawn."""
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    covariance = (turn @ np.diag([4.0, 0.25]) @ turn.T)[None]
    figure = charts.bubbles(np.zeros((1, 2)), covariance, None, (), ("a", "b"), rings=False, reach=4.0)
    box = figure.axes[0].get_window_extent()
    whole = (figure.get_figwidth() * figure.get_dpi()) * (figure.get_figheight() * figure.get_dpi())
    assert colored(figure) == pytest.approx(np.pi / 64 * box.width * box.height / whole, rel=0.1)
    away = charts.bubbles(np.full((1, 2), 9.0), covariance, None, (), ("a", "b"), rings=False, reach=4.0)
    assert colored(away) == 0


@pytest.mark.long
def test_axes_reach_the_rings_or_all(sides: dict[str, compare.Side]) -> None:
    found = [sides["vae"].bubbles]
    assert bubbles.reach(found, rings=True) == bubbles.RINGS
    assert bubbles.reach(found, rings=True, whole=True) >= bubbles.RINGS
    assert found[0].outside(bubbles.reach(found, rings=False)) < 0.02
    assert [bubbles.has_rings(sides[name].run.vae) for name in ("vae", "ae", "wide", "one", "sphere", "gamma", "flow")] == [
        *(True, True, True),
        *(False, False, False, False),
    ]


@pytest.mark.parametrize("name", ["wide", "one", "sphere", "gamma", "flow", "ae"])
def test_the_bubbles_of_any_run_are_drawn(family: dict[str, runs.Run], tmp_path: Path, name: str) -> None:
    run = family[name]
    path = table.plot("bubbles", of_run.Context(run, lambda: run.read().test), tmp_path / "b.png")
    with Image.open(path) as image:
        assert np.asarray(image.convert("L")).std() > 5


# --- numbers -----------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_an_evaluation(sides: dict[str, compare.Side], family: dict[str, runs.Run]) -> None:
    for name in ("ae", "vae"):
        values, run = sides[name].values, family[name]
        assert values["reconstruction_error"] == pytest.approx(evaluate(run.vae, DATA.test, samples=1).reconstruction_error, rel=1e-6)
        assert values["log_likelihood_term"] == pytest.approx(run.result()["test"]["log_likelihood_term"], abs=1e-4)
    assert sides["vae"].values["bound"] == pytest.approx(family["vae"].result()["test"]["bound"], abs=1e-4)
    assert not np.isfinite(sides["ae"].values["bound"])


def test_robustness_is_the_error_of_the_sound_data(sides: dict[str, compare.Side]) -> None:
    class Identity(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)

    vae = lb.VAE(lb.priors.StandardNormal(16), lb.likelihoods.Gaussian(Identity(), 1.0), lb.posteriors.Dirac(Identity()))
    vae.register_parameter("here", nn.Parameter(torch.zeros(())))
    x = torch.rand(2000, 16)
    torch.manual_seed(0)
    assert reconstruction_error(vae, x) == 0
    masked = reconstruction_error(vae, x, lb.corruptions.Masking(0.3).corrupt)
    assert masked == pytest.approx(0.3 * float(x.square().mean()), rel=0.05)
    for side in sides.values():
        assert side.values["robustness"].keys() == set(compare.DAMAGES)
        assert min(side.values["robustness"].values()) > 0.5 * side.values["reconstruction_error"]


def test_probes_tell_what_can_be_told() -> None:
    torch.manual_seed(0)
    labels = torch.arange(900) % 3
    angle = 2 * torch.pi * labels / 3
    apart = torch.stack([angle.cos(), angle.sin()], 1) * 9 + torch.randn(900, 2)
    for probe in (probes.nearest_neighbours, probes.linear):
        assert probe(apart[:600], labels[:600], apart[600:], labels[600:]) > 0.99
        chance = probe(torch.randn(600, 2), labels[:600], torch.randn(300, 2), labels[600:])
        assert abs(chance - 1 / 3) < 4 * (2 / 9 / 300) ** 0.5
    rings = torch.randn(900, 2)
    rings = rings / rings.norm(dim=1, keepdim=True) * (1 + 3 * (labels == 1))[:, None]
    two = (labels == 1).long()
    assert probes.nearest_neighbours(rings[:600], two[:600], rings[600:], two[600:]) > 0.99
    assert probes.linear(rings[:600], two[:600], rings[600:], two[600:]) < 0.75, "no line parts a ring from what is inside"
    assert probes.linear(rings[:9], torch.ones(9).long(), rings[9:12], torch.tensor([1, 1, 0])) == pytest.approx(2 / 3)


def test_what_is_of_one_law_is_not_told_apart() -> None:
    torch.manual_seed(0)
    one, other, far = torch.randn(3, 2000, 2)
    assert abs(probes.two_sample_accuracy(one, other) - 0.5) < 4 * 0.5 / 2000**0.5
    assert probes.two_sample_accuracy(one, far + 9) == 1
    assert 0.55 < probes.two_sample_accuracy(one, 1.5 * far) < 0.75


def test_draws_of_a_wrong_class_are_counted() -> None:
    """Two classes, four to one in the data, left and right of 0: of normal draws half are of each, and .3 have to change."""
    torch.manual_seed(0)
    classes = (torch.arange(1000) % 5 == 0).long()
    known = torch.where(classes == 0, -1.0, 1.0)[:, None] * torch.rand(1000, 1)
    draws = torch.randn(10_000, 1)
    assert abs(probes.class_total_variation(known, classes, draws) - 0.3) < 0.02
    assert probes.class_total_variation(known, classes, known) < 0.01


def test_the_kl_brings_latents_to_the_prior(sides: dict[str, compare.Side]) -> None:
    assert sides["vae"].values["two_sample_accuracy"] < sides["ae"].values["two_sample_accuracy"]


def test_without_labels_there_are_no_probes(family: dict[str, runs.Run]) -> None:
    plain = Splits(Dataset(DATA.train[:100]), Dataset(DATA.test[:50]))
    (side,) = compare.compare({"vae": family["vae"]}, plain)
    assert side.values["nearest_neighbours"] is side.values["linear_probe"] is side.values["class_total_variation"] is None
    assert side.values["two_sample_accuracy"] is not None
    assert compare.page([side], plain, "x")


def test_each_class_is_shown_in_turn() -> None:
    assert DATA.test.labels[compare._shown(DATA.test, 12)].tolist() == [*range(10), 0, 1]


# --- the page ----------------------------------------------------------------------------------------


def pictures(text: str) -> list[str]:
    return re.findall(r'<img[^>]* alt="([^"]+)"', text)


@pytest.mark.long
def test_the_page_holds_all_and_asks_for_nothing(sides: dict[str, compare.Side]) -> None:
    text = compare.page([*sides.values()], DATA, "digits", n=6).decode()
    page = Page(text)
    assert not page.open
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    runs_, lines = len(sides), 3
    assert len(page.addresses) == len(pictures(text)) == runs_ * 3 + (runs_ + 1) + lines * runs_
    assert not re.search(r"https?://|@import|url\(", text)
    words = re.sub(r"base64,[^\"]+", "", text)  # of an image four letters can be anything
    assert "None" not in words
    assert "nan" not in words
    for name, side in sides.items():
        assert text.count(f"<h3>{name}</h3>") == 3
        assert f"{side.values['reconstruction_error']:.4f}" in text
    few = [*sides.values()][:3]
    assert compare.page(few, DATA, "digits", n=6) == compare.page(few, DATA, "digits", n=6), "the same again"


def test_only_words_that_differ_are_told(sides: dict[str, compare.Side]) -> None:
    assert compare.differing([sides["ae"], sides["dae"]]) == {"corruption": [None, "masking:0.3"]}
    assert compare.differing([sides["ae"], sides["ae"]]) == {}


def test_names_are_escaped(sides: dict[str, compare.Side]) -> None:
    side = compare.Side("<script>", sides["vae"].run, sides["vae"].values, sides["vae"].bubbles)
    assert b"<script>" not in compare.page([side], DATA, "<script>")


# --- the command -------------------------------------------------------------------------------------


def test_compare_says_what_was_promised(capsys: pytest.CaptureFixture[str], family: dict[str, runs.Run], tmp_path: Path) -> None:
    folders = [family[name].folder for name in ("ae", "vae", "sphere")]
    found = answer(capsys, "compare", *folders, "-o", tmp_path / "c.html", "--n", 4)
    assert [row["run"] for row in found["runs"]] == ["ae", "vae", "sphere"]
    assert found["rows"] == 179
    assert found["runs"][0]["bound"] is None
    assert found["runs"][1]["bound"] == pytest.approx(family["vae"].result()["test"]["bound"], abs=1e-4)
    assert found["runs"][0]["words"]["posterior"] == "dirac"
    assert found["runs"][2].keys() >= {"reconstruction_error", "robustness", "two_sample_accuracy"}
    shares = ("nearest_neighbours", "linear_probe", "class_total_variation", "two_sample_accuracy")
    assert all(0 < found["runs"][2][key] < 1 for key in shares)
    for old, new in (("misplaced", "class_total_variation"), ("told_apart", "two_sample_accuracy")):
        assert all(row[old] == row[new] for row in found["runs"]), "the names of 0.1.0"
    assert found == answer(capsys, "compare", *folders, "digits", "-o", tmp_path / "c.html", "--n", 4) | {"data": found["data"]}
    assert main(["compare", *map(str, folders), "-o", str(tmp_path / "c.html")]) == 0
    printed = capsys.readouterr().out
    assert "reconstruction error" in printed
    assert printed.rstrip().endswith(f"179 held-out examples: {tmp_path / 'c.html'}")


def test_vectors_are_compared_without_images(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(200, 6)))
    words = {"data": str(tmp_path / "a.npy"), "likelihood": "gaussian", "scale": 1.0, "epochs": 1, "batch": 32}
    for name, latent in (("a", 2), ("b", 3)):
        trained(tmp_path / name, latent=latent, **words)
    found = answer(capsys, "compare", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "c.html")
    assert found["runs"][0]["robustness"]["salt-and-pepper:0.1"] is None
    assert found["runs"][0]["linear_probe"] is None
    assert len(pictures((tmp_path / "c.html").read_text(encoding="utf-8"))) == 4


def test_runs_of_other_data_are_told(capsys: pytest.CaptureFixture[str], family: dict[str, runs.Run], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((100, 8, 8)).astype("float32"))
    words = ["compare", *(str(family[name].folder) for name in ("ae", "vae")), str(tmp_path / "a.npy"), "-o", str(tmp_path / "c.html")]
    assert main(words) == 0
    assert "note: vae was trained on digits, and is compared on" in capsys.readouterr().err


def test_what_cannot_be_compared_is_one_line(capsys: pytest.CaptureFixture[str], family: dict[str, runs.Run], tmp_path: Path) -> None:
    one, other = family["ae"].folder, family["vae"].folder
    page = tmp_path / "c.html"
    np.save(tmp_path / "a.npy", np.zeros((90, 9, 9), "uint8"))
    small = trained(tmp_path / "small", data=str(tmp_path / "a.npy"), epochs=1, batch=16).folder
    assert "needs two runs or more" in complaint(capsys, "compare", one, "-o", page)
    assert "needs two runs or more" in complaint(capsys, "compare", one, "digits", "-o", page)
    assert "is given twice; name each run once" in complaint(capsys, "compare", one, other, f"{one}/../ae", "-o", page)
    assert "ae is for data of shape (1, 8, 8), small for (1, 9, 9)" in complaint(capsys, "compare", one, other, small, "-o", page)
    assert "give data of that shape" in complaint(capsys, "compare", one, other, tmp_path / "a.npy", "-o", page)
    assert "is no run" in complaint(capsys, "compare", one, tmp_path, other, "-o", page)
    assert "no data set, file or folder" in complaint(capsys, "compare", one, other, tmp_path / "missing", "-o", page)
    assert "FILE.html" in complaint(capsys, "compare", one, other, "-o", tmp_path / "c.png")
    assert "must be at least 2" in complaint(capsys, "compare", one, other, "--n", 1, "-o", page)
    assert not page.exists()
    with pytest.raises(DataError, match="compare runs for data of one shape"):
        compare.compare({"small": runs.load(small)}, DATA)
