"""Models of pythae, in folders as it writes them: the run encodes and decodes to the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.interfaces.cli import exchange_options, main
from lowerbound.interfaces.cli.bring import KINDS

EVENT, LATENT, D = (1, 8, 8), 3, 64
#: of pythae 0.1.2, as its save() writes them
MODELS: dict[str, dict[str, Any]] = {
    "vae": {"name": "VAEConfig", "reconstruction_loss": "bce"},
    "beta": {"name": "BetaVAEConfig", "reconstruction_loss": "mse", "beta": 2.0},
    "iwae": {"name": "IWAEConfig", "reconstruction_loss": "mse", "number_samples": 3},
    "ae": {"name": "AEConfig"},
}


def weights(name: str) -> dict[str, Tensor]:
    """Of pythae's own networks."""
    torch.manual_seed(0)
    shapes = {"decoder.layers.0.0": (512, LATENT), "decoder.layers.1.0": (D, 512), "encoder.layers.0.0": (512, D)}
    shapes |= {"encoder.embedding": (LATENT, 512)} | ({} if name == "ae" else {"encoder.log_var": (LATENT, 512)})
    found = {}
    for layer, (outputs, inputs) in shapes.items():
        found |= {f"{layer}.weight": torch.randn(outputs, inputs) / inputs**0.5, f"{layer}.bias": torch.randn(outputs) / 10}
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "final_model", "vae")


def written(folder: Path, name: str) -> Path:
    folder.mkdir()
    words = {"input_dim": list(EVENT), "latent_dim": LATENT, "uses_default_encoder": True, "uses_default_decoder": True}
    (folder / "model_config.json").write_text(json.dumps(MODELS[name] | words), encoding="utf-8")
    (folder / "environment.json").write_text('{"name": "EnvironmentConfig", "python_version": "3.11"}', encoding="utf-8")
    torch.save({"model_state_dict": weights(name)}, folder / "model.pt")
    return folder


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_it_computes_what_pythae_does(name: str, tmp_path: Path) -> None:
    folder, own = written(tmp_path / "final_model", name), weights(name)
    assert main(["import", "pythae", str(folder), "-o", str(tmp_path / "run")]) == 0
    vae = lb.load(tmp_path / "run", device="cpu").vae

    def linear(h: Tensor, layer: str) -> Tensor:
        return h @ own[f"{layer}.weight"].T + own[f"{layer}.bias"]

    x = torch.rand(5, *EVENT)
    hidden = linear(x.flatten(1), "encoder.layers.0.0").relu()
    z = linear(hidden, "encoder.embedding")
    torch.testing.assert_close(vae.encode(x), z)
    back = linear(linear(z, "decoder.layers.0.0").relu(), "decoder.layers.1.0").sigmoid().view(x.shape)
    torch.testing.assert_close(vae.decode(z).view(x.shape), back)
    if name != "ae":
        torch.testing.assert_close(vae.posterior(x).variance.log(), linear(hidden, "encoder.log_var"), rtol=1e-4, atol=1e-5)
    if name != "vae":  # its squared error, halved, is −log p(x|z) but for a constant
        half = (back - x).square().flatten(1).sum(1) / 2
        apart = vae.log_likelihood(x, z[None])[0] + half
        torch.testing.assert_close(apart, apart[:1].expand(5), rtol=1e-5, atol=1e-4)


def complaint(capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    output = folder.parent / "run"
    assert main(["import", "pythae", str(folder), "-o", str(output)]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert not output.exists()
    return printed


def test_a_pickle_is_never_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "encoder.pkl").write_bytes(b"anything")
    assert "encoder.pkl is a pickle, which is never read here" in complaint(capsys, folder)
    (folder / "encoder.pkl").unlink()

    class Evil:
        def __reduce__(self) -> Any:
            return exec, ("raise SystemExit('it ran')",)

    torch.save({"model_state_dict": Evil()}, folder / "model.pt")
    assert "model.pt cannot be read as weights" in complaint(capsys, folder)


def test_what_is_no_such_model_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no model of pythae: model_config.json cannot be read" in complaint(capsys, tmp_path / "nowhere")
    torch.save({"model_state_dict": weights("ae")}, folder / "model.pt")
    assert "encoder.embedding and encoder.log_var are not those of pythae's own networks" in complaint(capsys, folder)
    (folder / "model_config.json").write_text(json.dumps({"name": "VQVAEConfig", "input_dim": [4], "latent_dim": 2}), encoding="utf-8")
    assert "a model of VQVAEConfig is none that is known here" in complaint(capsys, folder)


def test_the_command_line_knows_the_kinds() -> None:
    assert tuple(KINDS) == exchange_options.KINDS
