"""What a notebook shows of values: tables whose numbers are those of the value, with everything escaped."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
import torch
from trainings import SMALL, begun

import lowerbound as lb
from lowerbound.figures.report import Page
from lowerbound.interfaces.cli import main
from lowerbound.system import markup


def rows(view: str) -> dict[str, str]:
    found = re.findall(r"<tr><th[^>]*>(.*?)</th><td>(.*?)</td></tr>", view)
    return {html.unescape(name): html.unescape(text) for name, text in found}


def test_a_run_a_recipe_and_a_record(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "a<b>", epochs=1)
    assert rows(experiment.run._repr_html_())["epochs done"] == "0"
    record = list(experiment.train())[-1]
    result = experiment.finish()
    run = lb.load(tmp_path / "a<b>", device="cpu")
    shown = rows(run._repr_html_())
    assert (shown["epochs done"], shown["test bound"]) == ("1", f"{result['test']['bound']:,.5g}")
    assert "a&lt;b&gt;" in run._repr_html_()
    assert rows(run.recipe._repr_html_()) == {
        name: f"{v:,.5g}" if isinstance(v, float) else str(v) for name, v in run.recipe.words().items()
    }
    assert shown.items() >= rows(run.recipe._repr_html_()).items()
    assert rows(record._repr_html_())["bound"] == f"{record.bound:,.5g}"
    assert SMALL["network"] in run._repr_html_()


def test_a_density() -> None:
    data = lb.data.load("digits").test[:20]
    with lb.seeding.seeded(0, "views"):
        vae = lb.VAE(
            lb.priors.StandardNormal(2),
            lb.likelihoods.Bernoulli(lb.nn.mlp(2, 8, 64)),
            lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 8, 4)),
        )
    density = lb.log_likelihood(vae, data, samples=8)
    shown = rows(density._repr_html_())
    assert shown["log p(x)"] == f"{density.mean:,.5g}"
    assert shown["± over draws"] == f"{density.se_samples:,.5g}"
    assert torch.isfinite(density.log_p).all()
    assert f"log p(x) {density.mean:.3f} ± {density.se_data:.3f}" in str(density)
    assert "tensor" not in repr(density)


def test_an_evaluation_is_printed_in_the_words_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = begun(tmp_path / "run", epochs=1)
    list(experiment.train())
    experiment.finish()
    run = lb.load(tmp_path / "run", device="cpu")
    found = lb.evaluate(run.vae, run.read(None).test, samples=30, history=run.history(), calibration=run.calibration())
    assert main(["evaluate", str(run.folder), "--samples", "30"]) == 0
    said = capsys.readouterr().out
    assert str(found) in said
    assert "tensor" not in repr(found)
    for number in (f"{found.log_p.mean:.3f}", f"{found.log_p.rate:.3f}", f"{found.reconstruction_error:.5f}"):
        assert number in str(found)


def test_a_report_is_a_path_and_shows_its_page(tmp_path: Path) -> None:
    page = Page(tmp_path / "report.html")
    page.write_text('<p class="a">&</p>', encoding="utf-8")
    assert page == tmp_path / "report.html"
    assert html.unescape(re.findall(r'srcdoc="(.*)"', page._repr_html_())[0]) == page.read_text(encoding="utf-8")
    assert 'sandbox="allow-scripts allow-downloads"' in page._repr_html_()


def test_everything_is_escaped() -> None:
    view = markup.table("<b>", {"<i>": "<script>", "n": 12345, "x": 0.123456789, "yes": True})
    assert "<b>" not in view
    assert rows(view) == {"<i>": "<script>", "n": "12,345", "x": "0.12346", "yes": "True"}
