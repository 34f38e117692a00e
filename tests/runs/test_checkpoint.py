"""Tensors on disk: what was written comes back to the bit, and anything else is an error that says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import lowerbound as lb
from lowerbound.errors import RunError
from lowerbound.runs import checkpoint
from lowerbound.training.adam import Adam
from lowerbound.training.state import State
from lowerbound.vae.estimators.baselines import MovingAverage

pytestmark = pytest.mark.usefixtures("validation")


def model(width: int = 5) -> lb.VAE:
    return lb.VAE(
        prior=lb.priors.StandardNormal(2),
        likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, width, 6)),
        posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(6, width, 4)),
    )


def test_weights_come_back_to_the_bit(tmp_path) -> None:
    one, other = model(), model()
    checkpoint.save_weights(tmp_path / "w", one)
    checkpoint.load_weights(tmp_path / "w", other)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_training_comes_back_to_the_bit(tmp_path) -> None:
    x = torch.rand(20, 6)
    vae = model()
    state = State(Adam(vae.parameters(), 3e-3), seed=5)
    list(lb.fit(vae, x, epochs=2, batch=8, state=state))
    baseline = MovingAverage()
    baseline.mean.fill_(3.0)
    checkpoint.save_training(tmp_path / "t", vae, baseline, state, {"seconds": 1.5})
    again = model()
    taken_up = State(Adam(again.parameters(), 3e-3))
    remembered = MovingAverage()
    assert checkpoint.load_training(tmp_path / "t", again, remembered, taken_up) == {"seconds": 1.5}
    assert float(remembered.mean) == 3.0
    assert (taken_up.seed, taken_up.step) == (5, 6)
    for v, s in ((vae, state), (again, taken_up)):
        list(lb.fit(v, x, epochs=4, batch=8, state=s))
    for a, b in zip(vae.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_shared_weights_come_back(tmp_path) -> None:
    shared = torch.nn.Linear(3, 3)
    both = torch.nn.Sequential(shared, shared)
    checkpoint.save_weights(tmp_path / "w", both)
    again = torch.nn.Sequential(shared, shared)
    checkpoint.load_weights(tmp_path / "w", again)
    assert torch.equal(again[0].weight, shared.weight)


def test_any_flipped_byte_is_noticed(tmp_path) -> None:
    path = tmp_path / "w"
    checkpoint.save_weights(path, model(2))
    good = path.read_bytes()
    for at in range(0, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :])
        with pytest.raises(RunError):
            checkpoint.load_weights(path, model(2))


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file_is_damaged(tmp_path, keep: int) -> None:
    path = tmp_path / "w"
    checkpoint.save_weights(path, model())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match="damaged"):
        checkpoint.load_weights(path, model())


def test_missing_and_foreign_weights(tmp_path) -> None:
    with pytest.raises(RunError, match="missing"):
        checkpoint.load_weights(tmp_path / "w", model())
    checkpoint.save_weights(tmp_path / "w", model(7))
    with pytest.raises(RunError, match="another model"):
        checkpoint.load_weights(tmp_path / "w", model())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.long(), "is torch.int64, not torch.float32"),
        (lambda one: one.to(torch.complex64), "is torch.complex64"),
        (lambda one: one.fill_(math.inf), "weights that are not finite"),
    ],
)
def test_weights_must_be_of_their_type_and_finite(change: Callable[[torch.Tensor], torch.Tensor], message: str, tmp_path: Path) -> None:
    vae = model()
    tensors = {name: weight.clone() for name, weight in vae.state_dict().items()}
    name = next(name for name in tensors if "network" in name)
    checkpoint.write(tmp_path / "w", {**tensors, name: change(tensors[name])}, {})
    with pytest.raises(RunError, match=message):
        checkpoint.load_weights(tmp_path / "w", vae)


def test_words_nested_without_end_are_damage(tmp_path: Path) -> None:
    header = b'{"__metadata__":{"lowerbound":"' + b"[" * 100_000 + b'"}}'
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load_weights(tmp_path / "w", model())


# --- weights of others ----------------------------------------------------------------------------------


def compiled(vae: lb.VAE) -> lb.VAE:
    vae.posterior.network = torch.compile(vae.posterior.network, backend="eager")
    return vae


def fresh() -> lb.VAE:
    """Of the same form, with other weights."""
    vae = model(2)
    for weight in vae.parameters():
        weight.data.add_(1)
    return vae


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(map(torch.equal, one.parameters(), other.parameters()))


def test_compiled_or_not_weights_have_the_same_names(tmp_path) -> None:
    for number, (change, back) in enumerate([(compiled, lambda vae: vae), (lambda vae: vae, compiled), (compiled, compiled)]):
        path, saved, loaded = tmp_path / str(number), change(model(2)), back(fresh())
        checkpoint.save_weights(path, saved)
        checkpoint.load_weights(path, loaded)
        assert same(saved, loaded)
        assert set(checkpoint.read(path)[0]) == set(model(2).state_dict())


def test_plain_safetensors_are_read_with_the_names_of_compiled_networks_or_without(tmp_path) -> None:
    for number, vae in enumerate((model(2), compiled(model(2)))):
        path, loaded = tmp_path / str(number), fresh()
        save_file(vae.state_dict(), path)
        checkpoint.load_weights(path, loaded)
        assert same(vae, loaded)
        with pytest.raises(RunError, match=r"is a safetensors file of others, without a checksum; lb.checkpoint.load_weights\('"):
            checkpoint.load_kept(path, loaded)
        with pytest.raises(RunError, match="holds the weights of another model: Missing key"):
            checkpoint.load_weights(path, torch.nn.Linear(50, 50))


def test_what_torch_saved_is_not_unpickled(tmp_path) -> None:
    for new in (True, False):
        torch.save(model(2).state_dict(), tmp_path / "w", _use_new_zipfile_serialization=new)
        with pytest.raises(RunError, match=r"is a file of torch.save, and nothing is unpickled here; model.load_state_dict\(torch.load\('"):
            checkpoint.load_weights(tmp_path / "w", model(2))
