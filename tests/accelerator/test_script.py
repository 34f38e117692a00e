"""benchmarks/accelerator.py: what it measures and writes, of the CPU and in small; and that it says so where there is no device."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from accelerator import checks
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.model import terms_of

FOLDER = Path(__file__).parents[2] / "benchmarks"
CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"networks": ("lesson", "deep"), "turns": 2, "turn": 0.01, "rows": 256}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("accelerator_script", FOLDER / "accelerator.py")
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "accelerator_script", made)  # where its dataclass looks for its own names
    spec.loader.exec_module(made)
    monkeypatch.setattr(made, "WARM", 1)
    return made


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_device_it_says_so() -> None:
    done = subprocess.run([sys.executable, str(FOLDER / "accelerator.py")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "no CUDA device on this machine: nothing to measure\n"), done.stderr


@pytest.mark.long  # a quarter of a minute of measuring, on a CPU
def test_it_measures_each_way_and_asks_each_check(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str, device: torch.device) -> None:
        raise AssertionError(f"{name} is not as it should be")

    monkeypatch.setattr(checks, "CHECKS", {"samples": checks.samples, "fails": fails})
    ran: list[torch.device] = []
    monkeypatch.setattr(checks, "commands", lambda device, folder: ran.append(device))  # test_commands runs them
    path = tmp_path / "accelerator.json"
    result = script.measure(CPU, path, names=("vae", "m2"), **SMALL)
    assert json.loads(path.read_text()) == result
    assert (result["skipped"], ran) == ([], [CPU])
    assert set(result["faults"]) == {"vae: fails", "m2: fails"}
    assert result["faults"]["m2: fails"][-1] == "AssertionError: m2 is not as it should be"
    for network in SMALL["networks"]:
        rates = result["images/s"][network]
        assert all(len(values) == SMALL["turns"] and min(values) > 0 for values in rates.values())
        assert {"lowerbound", "lowerbound, float32", "PyTorch loop, DataLoader", "PyTorch loop, data on the device"} <= set(rates)
        assert set(result["memory"][network]) == set(rates)
    text = script.page(result)
    assert "| vae | passed | **failed** |" in text
    assert "m2 is not as it should be" in text
    assert f"Data: {result['data']}." in text
    rows = [line for line in text.splitlines() if line.startswith("| lowerbound |")]
    assert len(rows) == 2, "a row of rates and one of memory"
    assert f"{sorted(result['images/s']['lesson']['lowerbound'])[0]:,.0f} to" in rows[0]


def test_what_there_is_no_time_for_is_named(script: ModuleType, tmp_path: Path) -> None:
    result = script.measure(CPU, tmp_path / "a.json", seconds=0.0, names=("vae",), **SMALL)
    assert (result["parts"], result["images/s"]["lesson"], result["faults"]) == ({}, {}, {})
    assert "lesson: timing" in result["skipped"]
    assert {f"vae: {check}" for check in checks.CHECKS} < set(result["skipped"])
    text = script.page(result)
    assert "No time was left for" in text
    assert "| vae | no time |" in text


def test_the_page_is_written_of_the_file(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script.measure(CPU, tmp_path / "a.json", seconds=0.0, names=(), **SMALL)
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    assert script.main(["--page", "--out", str(tmp_path / "a.json")]) == 0
    assert script.main(["--page", "--out", str(tmp_path / "none.json")]) == 0
    assert (tmp_path / "page.md").read_text().startswith("# On an accelerator")


def test_without_mnist_images_are_random_and_it_is_said(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOWERBOUND_DATA", str(tmp_path))
    images, source = script.greys(10)
    assert (images.shape, images.dtype, source) == ((10, 784), torch.uint8, "random, MNIST is not here")


@pytest.mark.long
def test_each_way_trains_each_network(script: ModuleType) -> None:
    images, _ = script.greys(256)
    ways = sys.modules["accelerator_ways"]
    for network in ways.ASKED:
        assert all(way(network, images, CPU)(1) > 0 for name, way in ways.WAYS.items() if name != "pythae")


@pytest.mark.parametrize("network", ["lesson", "deep, K = 50"])
def test_the_plain_loop_descends_the_bound_that_ours_does(script: ModuleType, network: str) -> None:
    """At a posterior that is the prior both losses are −E[log p(x|z)], and the networks are the same."""
    ways = sys.modules["accelerator_ways"]
    made, k = ways.parts(network), ways.draws(network)
    x = torch.bernoulli(torch.full((64, 1, 28, 28), 0.3))
    encoder = lambda x: torch.zeros(len(x), 2 * made.vae.prior().event_shape[0])  # noqa: E731
    decoder = made.vae.likelihood.network
    with torch.no_grad():
        found = torch.stack([ways._loss(encoder, decoder, x, k) for _ in range(50)])
        q = made.vae.prior().expand([64])
        draws = [made.objective.bound(terms_of(made.vae, x, Pathwise().sampler(k), q)).mean() for _ in range(50)]
    other = -torch.stack(draws)
    error = (found.var() / 50 + other.var() / 50).sqrt()
    assert abs(float(found.mean() - other.mean())) <= 4 * float(error) + 1e-4 * float(other.mean())
