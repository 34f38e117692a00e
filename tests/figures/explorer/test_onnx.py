"""Networks of one's own as ONNX: in a page from a disk, without a network, beside torch; skipped where onnxruntime-web is not at hand."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interfaces.explored import EVENT, D, Products, data
from pages import drag
from torch import Tensor, nn

import lowerbound as lb
from lowerbound.errors import RecipeError, UsageError
from lowerbound.figures.explorer.onnx import exported
from lowerbound.figures.explorer.onnxruntime import FILES, GET, VERSION, runtime
from lowerbound.figures.explorer.page import policy
from lowerbound.interfaces.cli import main
from lowerbound.nn.graph import NEEDED
from lowerbound.nn.networks import mlp

PACKAGE = os.environ.get("LOWERBOUND_ONNXRUNTIME")
needs_runtime = pytest.mark.skipif(PACKAGE is None, reason=f"LOWERBOUND_ONNXRUNTIME names no package; make one with: {GET}")
needs_onnx = pytest.mark.skipif(not all(map(importlib.util.find_spec, NEEDED)), reason="onnx and onnxscript are not installed")


class Attentive(nn.Module):
    """Layers that no page knows, and a look at rows of an image as words of a text."""

    def __init__(self, outputs: int):
        super().__init__()
        self.space = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.seen = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.last = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 1, H, W)`` → ``(N, outputs)``."""
        features = nn.functional.silu(self.norm(self.space(x))).flatten(2).transpose(1, 2)
        return 3 * self.last(self.seen(features).mean(1))


class Both(nn.Module):
    """A network of one's own that is given a context."""

    def __init__(self, inputs: int, *outputs: int):
        super().__init__()
        self.products = Products(inputs, *outputs)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """One after the other."""
        return self.products(torch.cat([x.flatten(1), context.flatten(1)], 1))


def gaussian(decoder: nn.Module, encoder: nn.Module, context: lb.contexts.Context | None = None, prior: Any = None) -> lb.VAE:
    prior = lb.priors.StandardNormal(2) if prior is None else prior
    return lb.VAE(prior, lb.likelihoods.Gaussian(decoder, 0.5), lb.posteriors.DiagonalGaussian(encoder), context)


SMALL = lb.contexts.Observed(EVENT, lambda n: torch.rand(n, *EVENT) < 0.6)
#: models with networks that no page computes
MODELS: dict[str, Callable[[], lb.VAE]] = {
    "both": lambda: gaussian(Products(2, *EVENT), Attentive(4)),
    "the encoder alone": lambda: gaussian(mlp(2, 16, EVENT), Attentive(4)),
    "the decoder alone": lambda: gaussian(Products(2, *EVENT), mlp(EVENT, 16, 4)),
    "given a label": lambda: gaussian(Both(5, *EVENT), Both(D + 3, 4), lb.contexts.Label(3)),
    "within a network that is known": lambda: gaussian(
        lb.nn.Joined(Products(5, *EVENT)), lb.nn.Joined(Products(D + 3, 4)), lb.contexts.Label(3)
    ),
    "given a part": lambda: gaussian(
        Both(2 + 2 * D, *EVENT), Both(3 * D, 4), SMALL, lb.priors.GivenContext(nn.Sequential(nn.Flatten(), Products(2 * D, 4)))
    ),
}


@pytest.fixture(params=[False, True], ids=["16 bits", "single precision"])
def exact(request: pytest.FixtureRequest) -> bool:
    return request.param


@needs_runtime
@needs_onnx
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_a_file_computes_networks_of_ones_own(name: str, exact: bool, opened: Callable[..., Any], tmp_path: Path) -> None:
    torch.manual_seed(4)
    vae, close = MODELS[name]().eval(), 1e-5 if exact else 1e-3
    explorer = lb.explore(vae, train=data(), exact=exact)
    with pytest.raises(RecipeError, match="--onnx"):
        explorer.write(tmp_path / "page.html")
    found = opened(path=explorer.write(tmp_path / "page.html", PACKAGE))
    for row, to in ((1, (0.3, 0.4)), (7, (0.6, 0.7))):
        found.choose(row)
        x, context = data()[[row]], None
        if vae.context is not None:
            hidden = found.of("state.label.hidden ? Array.from(state.label.hidden) : null")
            context = (
                vae.context.of(x, data().labels[[row]]) if hidden is None else SMALL.part(x, torch.tensor(hidden).view(1, *EVENT) == 0)
            )
        given = vae if context is None else vae.given(context)
        q, p = given.posterior(x), given.prior()
        np.testing.assert_allclose(
            found.of("Array.from(state.found.q.mean)"), q.mean[0], atol=close * float(q.mean.abs().max().clamp(min=1))
        )
        kl = float(torch.distributions.kl_divergence(q, p))
        assert found.of("state.found.kl") == pytest.approx(kl, abs=1e-2)
        drag(found, to)
        z = torch.tensor(found.of("Array.from(state.z)"), dtype=torch.float32)
        wanted = given.decode(z[None]).flatten()
        np.testing.assert_allclose(found.of("Array.from(view.now.values)"), wanted, atol=close * float(wanted.abs().max().clamp(min=1)))
        log_p = float(given.log_likelihood(x, z[None, None]))
        assert found.of("view.model.logLikelihood(view.now.output, 0, state.example.values)") == pytest.approx(log_p, abs=1e-2)
    assert not found.said
    assert len(found.asked) == 1


@needs_runtime
@needs_onnx
def test_a_page_that_needs_no_runtime_has_none(digits_run: lb.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = lb.explore(digits_run).write(tmp_path / "plain.html").read_bytes()
    assert lb.explore(digits_run).write(tmp_path / "page.html", PACKAGE).read_bytes() == plain
    assert main(["explore", str(digits_run.folder), "-o", str(tmp_path / "page.html"), "--onnx", str(PACKAGE)]) == 0
    assert (tmp_path / "page.html").read_bytes() == plain
    assert "wasm-unsafe-eval" not in policy(False)


@needs_runtime
@needs_onnx
def test_what_a_page_with_a_runtime_may_do(tmp_path: Path) -> None:
    explorer = lb.explore(MODELS["the decoder alone"](), train=data())
    content = explorer.write(tmp_path / "page.html", PACKAGE).read_text(encoding="utf-8")
    assert "&#39;wasm-unsafe-eval&#39;" in content
    assert "unsafe-eval" not in content.replace("wasm-unsafe-eval", "")
    assert "connect-src" not in content.partition("</head>")[0]
    assert "Copyright (c) Microsoft Corporation" in content
    assert len(content) < 6 * 2**20


# --- writing, without a browser ----------------------------------------------------------------------------


@needs_onnx
def test_any_number_of_examples_may_be_given() -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    torch.manual_seed(0)
    network = Both(5, *EVENT).eval()
    written = onnx.load_from_string(exported(network, [(2,), (3,)]))
    onnx.checker.check_model(written)
    for n in (1, 2, 5):
        x, context = torch.randn(n, 2), torch.randn(n, 3)
        (found,) = ReferenceEvaluator(written).run(None, {"x": x.numpy(), "context": context.numpy()})
        np.testing.assert_allclose(found, network(x, context).detach(), atol=1e-5)


class Fixed(nn.Module):
    """Of two examples alone."""

    def forward(self, x: Tensor) -> Tensor:
        """The one beside the other."""
        return x.reshape(2, -1)


class Counted(nn.Module):
    """Another way for other values, which no graph has."""

    def forward(self, x: Tensor) -> Tensor:
        """Doubled where they are large."""
        return 2 * x if float(x.sum().detach()) > 0 else x


class Numbered(nn.Module):
    """The size of a batch as a number of Python's."""

    def forward(self, x: Tensor) -> Tensor:
        """The same."""
        return x.reshape(len(x), -1)


@needs_onnx
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Fixed, "gives 2 rows for 3 examples"),
        (Counted, "the Counted network cannot be written as a graph"),
        (Numbered, r"batches of 2 alone: .* write x.shape\[0\]"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_line(kind: type[nn.Module], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        exported(kind(), [(6,)])
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_packages_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"ONNX needs onnx and onnxscript, .*: pip install 'lowerbound\[onnx\]'"):
        exported(Products(2, 3), [(2,)])


# --- the package -------------------------------------------------------------------------------------------


@needs_runtime
def test_the_package_is_read_from_an_archive_and_from_folders(tmp_path: Path) -> None:
    wanted = runtime(PACKAGE)
    folder = tmp_path / "node_modules" / "onnxruntime-web"
    if Path(PACKAGE).is_dir():
        shutil.copytree(PACKAGE, folder)
    else:
        with tarfile.open(PACKAGE) as archive:
            archive.extractall(tmp_path, filter="data")
        folder.parent.mkdir()
        (tmp_path / "package").rename(folder)
    for place in (tmp_path, folder, folder / "dist", folder.parent):
        assert runtime(place) == wanted


def test_what_is_no_such_package_is_refused(digits_run: lb.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.tgz").write_bytes(b"\x1f\x8b no archive")
    (tmp_path / "old").mkdir()
    for name in FILES:
        (tmp_path / "old" / name).write_bytes(b"another version")
    with tarfile.open(tmp_path / "empty.tgz", "w:gz") as archive:
        archive.add(tmp_path / "old" / next(iter(FILES)), "package/other.mjs")
    for place, said in {
        "bad.tgz": "is no npm package",
        "old": f"is not onnxruntime-web {VERSION}",
        "empty.tgz": f"has no {next(iter(FILES))}",
        ".": f"has no {next(iter(FILES))}",
        "nothing.tgz": "cannot read",
    }.items():
        assert main(["explore", str(digits_run.folder), "-o", str(tmp_path / "page.html"), "--onnx", str(tmp_path / place)]) == 2
        printed = capsys.readouterr().err
        assert said in printed
        assert f"npm pack onnxruntime-web@{VERSION}" in printed
        assert printed.count("\n") == 1 + printed.count("reading the data\n")
    assert main(["explore", str(digits_run.folder), "--onnx", "package.tgz"]) == 2
    assert "name it with -o" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
