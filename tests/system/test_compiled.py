"""Each compiled loop gives the results of the lines of torch that it replaces, for any number of threads; and everything works without."""

from __future__ import annotations

import copy
import inspect
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.distributions import bernoulli as bits
from lowerbound.distributions import counts
from lowerbound.distributions import student as students
from lowerbound.system import compiled, devices, operations
from lowerbound.training import adam
from lowerbound.training.adam import Adam
from lowerbound.training.state import State
from lowerbound.training.steps import fused, lines
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Plan
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.loss import of_rows

BF16 = torch.bfloat16
TYPES = [torch.float32, BF16]
SIZES = [1, 7, 112, 113, 784]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(params=["loops", "torch"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the compiled loops, and by the lines of torch that they stand for."""
    if request.param == "torch":
        monkeypatch.setattr(operations, "loops", lambda: None)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without compiled loops."""
    for module in (adam, operations, fused):
        monkeypatch.setattr(module, "loops", lambda: None)


def near(found: Tensor, expected: Tensor, kind: torch.dtype = torch.float32) -> None:
    """Equal to the rounding of single precision, or of bfloat16 where that is the ``kind``."""
    assert found.dtype == kind
    torch.testing.assert_close(found.double(), expected.double(), rtol=2.0**-8 if kind == BF16 else 2e-6, atol=1e-6)


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    law = torch.distributions.Bernoulli(logits=logits.double(), validate_args=False)
    return law.log_prob(x.double()).sum(-1)


# --- counts ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("wanted", [True, False])
def test_counts_and_their_slopes(wanted: bool) -> None:
    """At all means and dispersions that there are, by the loop and in double precision by torch's lines."""
    log_mean, log_dispersion = torch.linspace(-18.0, 16.0, 150)[:, None] + torch.zeros(7), torch.linspace(-9.2, 18.4, 7)
    for x in (0.0, 1.0, 2.0, 0.5, 16.0, 17.0, 400.0, 1e6):
        value, slopes = torch.full_like(log_mean, x), [torch.empty(150 if wanted else 0, 7) for _ in range(2)]
        found = [compiled.log_prob_of_counts(value, log_mean, log_dispersion, *slopes), *(slopes if wanted else [])]
        exact = counts._of_all(value.double(), log_mean.double(), log_dispersion.double(), wanted)
        for one, other in zip(found, exact, strict=True):
            scale = 1 + other.abs() + 17 * min(x, 17) + log_mean.double().exp() / (1 + (log_mean - log_dispersion).double().exp())
            assert ((one.double() - other).abs() / scale).max() < 5e-7


def test_counts_of_what_a_loop_cannot_read() -> None:
    x, none = torch.ones(4, 3), torch.empty(0)
    for value, log_mean, log_theta in ((x, x.double(), x[0]), (x, x, x[:, 0]), (x.T.contiguous().T, x, x[0]), (none, none, none)):
        assert compiled.log_prob_of_counts(value, log_mean, log_theta, none, none) is NotImplemented


# --- numbers of tables -------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads", "ways")
@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("n", [1, 7, 30])
def test_students_and_their_slopes(n: int, wanted: bool) -> None:
    """At all scales, degrees of freedom and distances that there are, beside torch's lines in double precision."""
    output = torch.randn(8, 40, 3 * n) * torch.tensor([1.0, 6.0, 12.0]).repeat_interleave(n)
    output[0, :4, 2 * n :] = torch.tensor([-90.0, 90.0, 1e6, 1e10])[:, None]
    output[0, 4:7, n : 2 * n] = torch.tensor([-90.0, 90.0, 1e4])[:, None]
    value = torch.randn(40, n) * torch.logspace(-3, 4, 40)[:, None]
    more = torch.tensor([0.0, 0.0, 60.0]).repeat(n)[:n]
    slope = torch.empty_like(output) if wanted else torch.empty(0)
    found = students.log_prob_of_students(value, output, more, 1e-3, 2.0, slope)
    assert found.dtype == slope.dtype == torch.float32
    given = value.double(), output.double(), more.double(), 1e-3, 2.0
    exact = inspect.unwrap(students.log_prob_of_students)(*given, torch.empty(0))
    assert ((found - exact).abs() / (1 + exact.abs() / 1000)).max() < 1e-3
    if wanted:
        slopes = students._slopes(*given)
        assert ((slope - slopes).abs() / (1 + slopes.abs() / 1000)).max() < 1e-3


def test_students_of_values_that_are_far_away_or_none() -> None:
    output, more = torch.zeros(1, 6), torch.zeros(2)
    for value in (1e15, -1e20, 1e37):
        x, slope = torch.tensor([[value, 0.0]]), torch.empty(1, 6)
        found = students.log_prob_of_students(x, output, more, 1e-3, 2.0, slope)
        exact = inspect.unwrap(students.log_prob_of_students)(x.double(), output.double(), more.double(), 1e-3, 2.0, torch.empty(0))
        torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)
        torch.testing.assert_close(
            slope.double(), students._slopes(x.double(), output.double(), more.double(), 1e-3, 2.0), rtol=1e-4, atol=1e-8
        )
    found = students.log_prob_of_students(torch.tensor([[math.nan, 0.0]]), output, more, 1e-3, 2.0, torch.empty(0))
    assert found.isnan().tolist() == [[True, False]]


def test_students_of_what_a_loop_cannot_read() -> None:
    x, output, none = torch.ones(4, 2), torch.ones(3, 4, 6), torch.empty(0)
    for value, numbers, least in (
        (x.double(), output, 2.0),
        (x, output.double(), 2.0),
        (x.T.contiguous().T, output, 2.0),
        (x, output, 1.0),
        (none, none, 2.0),
        (x[:, :1], output, 2.0),
    ):
        assert compiled.log_prob_of_students(value, numbers, torch.zeros(2), 1e-3, least, none) is NotImplemented


# --- bits --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads", "ways")
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [0.1, 5.0, 40.0])
def test_bits_and_their_slope(kind: torch.dtype, size: int, scale: float) -> None:
    logits, x, bias = (scale * torch.randn(5, 60, size)).to(kind), (torch.rand(60, size) < 0.3).float(), torch.randn(size)
    weights, slope = torch.randn(5, 60), torch.empty(5, 60, size, dtype=kind)
    found = bits.slope_of_bits(logits, x, weights, slope, bias)
    biased = logits.double() + bias.double()
    torch.testing.assert_close(found.double(), bernoulli(biased, x), rtol=5e-6, atol=1e-3)
    near(slope, weights.double()[..., None] * (x.double() - biased.sigmoid()), kind)
    if kind == torch.float32:
        torch.testing.assert_close(bits.log_prob_of_bits(logits, x).double(), bernoulli(logits, x), rtol=5e-6, atol=1e-3)


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("size", SIZES)
def test_grey_values_have_the_cross_entropy(size: int) -> None:
    logits, x = torch.randn(9, size), torch.rand(9, size)
    torch.testing.assert_close(bits.log_prob_of_bits(logits, x).double(), bernoulli(logits, x), rtol=5e-6, atol=1e-4)


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("logits", [500.0, -500.0, 1e30, -1e30])
def test_bits_of_extreme_logits_are_finite(logits: float) -> None:
    x = torch.tensor([[0.0], [1.0]])
    expected = torch.tensor([-max(logits, 0.0), min(logits, 0.0)])
    torch.testing.assert_close(bits.log_prob_of_bits(torch.full((2, 1), logits), x), expected)


@pytest.mark.usefixtures("threads", "ways")
def test_nan_stays_nan() -> None:
    logits = torch.randn(4, 300)
    logits[2, 17] = math.nan
    slope = torch.empty(4, 300)
    found = bits.slope_of_bits(logits, torch.ones(4, 300), torch.tensor(1.0), slope, None)
    assert found.isnan().tolist() == [False, False, True, False]
    assert slope.isnan().nonzero().tolist() == [[2, 17]]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (130, 784), (2, 1, 28, 28)])
def test_bits_are_drawn_as_by_torch_to_the_bit(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.rand(shape)
    chance.view(-1)[0] = math.nan
    found = []
    for loops in (operations.loops, lambda: None):
        monkeypatch.setattr(operations, "loops", loops)
        torch.manual_seed(1)
        found.append(bits.drawn(chance))
    assert torch.equal(*(one.nan_to_num(7.0) for one in found))
    assert found[0].isnan().sum() == 1


def test_a_value_that_broadcasts_over_an_event_is_not_read_as_a_row() -> None:
    logits, x = torch.randn(3, 3), torch.tensor([[0.0], [1.0], [1.0]])
    near(bits.Bits(logits, 1).log_prob(x), bernoulli(logits, x.expand(3, 3)))


def test_torchs_default_type_changes_nothing() -> None:
    logits, x = torch.randn(4, 7), torch.ones(4, 7)
    vae = lb.build(lb.Recipe(latent=2), (1, 8, 8)).vae
    before, rows = bits.log_prob_of_bits(logits, x), torch.rand(50, 1, 8, 8)
    try:
        torch.set_default_dtype(torch.float64)
        assert torch.equal(bits.log_prob_of_bits(logits, x), before)
        q, noise = torch.randn(4, 6, dtype=torch.float32), torch.randn(2, 4, 3, dtype=torch.float32)
        scale, z = (q[:, 3:] / 2).exp(), q[:, :3] + (q[:, 3:] / 2).exp() * noise
        given = q, noise, scale, z, torch.ones_like(z), None, -20.0, 20.0, 0.25, 0.0
        near(lines.of_latents(*given), torch.cat([2 + 0.25 * q[:, :3], 0.5 * (scale * noise.sum(0) + 0.25 * (scale**2 - 1))], 1))
        assert -80 < [record.bound for record in lb.fit(vae, rows, epochs=2)][-1] < -30
    finally:
        torch.set_default_dtype(torch.float32)


def test_gradients_of_bits_can_be_differentiated_again() -> None:
    logits, x = torch.randn(3, 5, requires_grad=True), torch.ones(3, 5)
    law = bits.Bits(logits, 1)
    (first,) = torch.autograd.grad(law.log_prob(x).sum(), logits, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), logits)
    p = logits.detach().sigmoid()
    near(first.detach(), 1 - p)
    near(second, -p * (1 - p))


# --- layers and latents ------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads", "ways")
@pytest.mark.parametrize("given", TYPES)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("scaled", [False, True])
def test_relu_and_back(given: torch.dtype, kind: torch.dtype, scaled: bool) -> None:
    x, bias, gradient = torch.randn(97, 531).to(given), torch.randn(531), torch.randn(97, 531).to(given)
    output = torch.empty(97, 531, dtype=kind)
    lines.rectified(x, bias, output)
    near(output, (x.double() + bias.double()).relu(), kind)
    scale, found, sums = torch.randn(97) if scaled else None, torch.empty(97, 531, dtype=kind), torch.empty(531)
    lines.through_relu(gradient, x, scale, found, sums)
    expected = torch.where(x > 0, gradient.double(), 0.0) * (1 if scale is None else scale.double()[:, None])
    near(found, expected, kind)
    torch.testing.assert_close(sums.double(), expected.sum(0), rtol=1e-5, atol=1e-4)


def both_ways(k: int, weighted: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Means and the gradient in the encoder's output, by the loops and by autograd in double precision; log p(x|z) is −Σ z²."""
    q, noise, low_high = torch.randn(300, 10), torch.randn(k, 300, 5), LOG_VARIANCE
    q[3, 7], q[4, 8] = -50.0, 50.0  # log σ² outside its bounds
    q[4, 3] = 0.0
    bias = torch.randn(10)
    without = q - bias
    scale, z, kl, ratio = lines.latents(without, bias, noise, *low_high)
    torch.testing.assert_close(without, q, rtol=1e-6, atol=1e-5)
    q = without
    means, shares = lines.bounds(-z.square().sum(2), kl, ratio, weighted)
    share = shares if weighted else None
    of_z = 2 * z * (1 / (k * 300) if share is None else share[..., None])
    found = lines.of_latents(q, noise, scale, z, of_z, share, *low_high, *((0.0, -1 / 300) if weighted else (1 / 300, 0.0)))
    exact = q.double().requires_grad_()
    mean, log_variance = exact[:, :5], exact[:, 5:].clamp(*low_high)
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    drawn = mean + (log_variance / 2).exp() * noise.double()
    log_likelihood = -drawn.square().sum(2)
    prior = torch.distributions.Normal(torch.zeros(5).double(), 1.0)
    closed = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(torch.zeros_like(mean), 1.0)).sum(1)
    log_ratio = (prior.log_prob(drawn) - posterior.log_prob(drawn)).sum(2)
    bound = (log_likelihood + log_ratio).logsumexp(0) - math.log(k) if weighted else log_likelihood.mean(0) - closed
    expected = [bound.mean(), log_likelihood.mean(), (-log_ratio.mean(0) if weighted else closed).mean()]
    (-bound.mean()).backward()
    return [*means, found], [*(one.detach() for one in expected), exact.grad]


@pytest.mark.usefixtures("threads", "ways")
@pytest.mark.parametrize("k", [1, 20])
@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_and_the_gradient_of_latents(k: int, weighted: bool) -> None:
    (*means, found), (*expected, exact) = both_ways(k, weighted)
    for one, other in zip(means, expected, strict=True):
        assert float(one) == pytest.approx(float(other), rel=1e-5)
    ordinary = exact.abs() < 1e3  # where σ² is e^20 nothing is exact in single precision
    torch.testing.assert_close(found.double()[ordinary], exact[ordinary], rtol=1e-4, atol=1e-5)
    assert found[3, 7] == found[4, 8] == 0


# --- Adam --------------------------------------------------------------------------------------------

SHAPES = [(300, 200), (200,), (7, 3), ()]


def descended(optimizer: Any, kind: torch.dtype, steps: int) -> list[Tensor]:
    torch.manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    made = optimizer(weights)
    for _ in range(steps):
        for weight in weights:
            gradient = torch.randn(weight.shape).to(kind)
            weight.grad_dtype = None
            weight.grad = gradient.float() if type(made) is torch.optim.Adam else gradient
        made.param_groups[0]["lr"] *= 0.9
        made.step()
    return [
        tensor.detach() for weight in weights for tensor in (weight, *(made.state[weight][name] for name in sorted(made.state[weight])))
    ]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("kind", TYPES)
def test_adam_is_that_of_torch(kind: torch.dtype) -> None:
    ours, torchs = descended(Adam, kind, 12), descended(lambda weights: torch.optim.Adam(weights, fused=True), kind, 12)
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_the_number_of_threads_changes_no_bit() -> None:
    found, before = [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(descended(Adam, torch.float32, 5))
    torch.set_num_threads(before)
    assert all(torch.equal(one, other) for more in found[1:] for one, other in zip(found[0], more, strict=True))


@pytest.mark.usefixtures("threads")
def test_moments_that_decay_end_at_nothing_and_nan_stays() -> None:
    """Numbers too small to be normal are slow, and torch's moments stay there for ever."""
    weight = torch.nn.Parameter(torch.ones(3))
    adam, gradient = Adam([weight], learning_rate=1e-3), torch.tensor([1.0, 1e-30, 1.0])
    for step in range(1200):
        weight.grad = gradient if step == 0 else torch.tensor([0.0, 1e-30, torch.nan if step == 1000 else 0.0])
        adam.step()
    moment, square = adam.state[weight]["exp_avg"], adam.state[weight]["exp_avg_sq"]
    assert moment[:2].tolist() == [0.0, pytest.approx(1e-30, rel=1e-3)]
    assert float(square[0]) > 0.0 == float(square[1])
    assert weight[1].isfinite()
    assert bool(torch.stack([moment[2], square[2], weight[2]]).isnan().all())


@pytest.mark.usefixtures("alone")
def test_without_loops_adam_is_exactly_that_of_torch() -> None:
    for one, other in zip(descended(Adam, BF16, 3), descended(lambda weights: torch.optim.Adam(weights, fused=True), BF16, 3), strict=True):
        assert torch.equal(one, other)


def test_weights_that_are_not_contiguous_are_left_to_torch() -> None:
    weight = torch.nn.Parameter(torch.randn(5, 4).t())
    weight.grad = torch.ones_like(weight)
    expected = weight.detach() - 2e-3
    optimizer = Adam([weight])
    for _ in range(2):
        optimizer.step()
    torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("option", [{"weight_decay": 0.1}, {"amsgrad": True}, {"maximize": True}])
def test_options_that_the_loop_lacks_are_left_to_torch(option: dict[str, Any]) -> None:
    found = []
    for optimizer in (Adam, torch.optim.Adam):
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(5))
        made = optimizer([weight])
        made.param_groups[0].update(option)
        for _ in range(5):
            weight.grad = torch.randn(5)
            made.step()
        found.append(weight.detach())
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


def test_adam_reads_gradients_of_any_strides() -> None:
    """Which torch's fused step does not (findings/fused-adam-strides.sh)."""
    found = []
    for transposed in (False, True):
        weight = torch.nn.Parameter(torch.ones(3, 4))
        optimizer = Adam([weight], 0.1)
        for step in range(3):
            gradient = torch.arange(12.0).view(4, 3).t() - 5 + step
            weight.grad = gradient if transposed else gradient.contiguous()
            optimizer.step()
        found.append(weight.detach())
    torch.testing.assert_close(*found)


def test_moments_of_another_shape_are_not_read() -> None:
    small, large = torch.nn.Parameter(torch.randn(3, 4)), torch.nn.Parameter(torch.randn(300, 400))
    first, second = Adam([small]), Adam([large])
    small.grad = torch.ones_like(small)
    first.step()
    second.load_state_dict(first.state_dict())
    large.grad = torch.ones_like(large)
    assert not second._by_loop()


def test_a_copied_optimizer_goes_on() -> None:
    weight = torch.nn.Parameter(torch.randn(3))
    weight.grad, optimizer = torch.ones(3), Adam([weight])
    optimizer.step()
    again = copy.deepcopy(optimizer)
    for weight in again.param_groups[0]["params"]:
        weight.grad = torch.ones(3)
    again.step()


def test_a_step_is_seen_by_autograd() -> None:
    weight = torch.nn.Parameter(torch.randn(3))
    weight.grad, optimizer = torch.ones(3), Adam([weight])
    optimizer.step()
    product = weight.square().sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


# --- all of it ---------------------------------------------------------------------------------------

TRAINING = """
import lowerbound as lb
vae = lb.build(lb.Recipe(latent=2), (1, 8, 8)).vae
print([record.bound for record in lb.fit(vae, lb.data.load("digits").train, epochs=6)][-1])
"""


def bound_after(**environment: str) -> float:
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, check=True, env=os.environ | environment)
    assert not done.stderr
    return float(done.stdout)


@pytest.mark.long
def test_training_without_a_cache_or_without_compilation_learns_the_same(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise ImportError('not here')\n")
    usual = bound_after()
    assert bound_after(NUMBA_CACHE_DIR="/dev/null/nowhere") == usual
    assert bound_after(PYTHONPATH=str(tmp_path)) == pytest.approx(usual, abs=0.2)


@pytest.mark.usefixtures("alone")
def test_without_loops_the_usual_model_is_left_to_autograd() -> None:
    parts = lb.build(lb.Recipe(latent=2), (1, 8, 8))
    state = State(Adam(parts.vae.parameters()))
    assert not ByHand.takes(Plan(parts.vae, parts.objective, parts.estimator, of_rows, state, torch.float32))


@pytest.mark.skipif(sys.platform != "linux", reason="torch's threads can be used on Linux only")
def test_this_machine_has_compiled_loops() -> None:
    assert devices.loops() is compiled


def test_bits_of_unsuitable_layout_shape_or_type_are_left_to_torch() -> None:
    logits, x = torch.randn(6, 4), torch.rand(4)
    assert compiled.log_prob_of_bits(logits, x).shape == (6,)
    for given in (
        (logits.t().contiguous().t(), x),
        (logits.double(), x),
        (logits, x.double()),
        (logits, torch.rand(3, 4)),
        (torch.randn(6, 0), torch.rand(0)),
    ):
        assert compiled.log_prob_of_bits(*given) is NotImplemented
    assert compiled.slope_of_bits(logits, x, torch.ones(6), torch.empty(6, 4, dtype=torch.float64), None) is NotImplemented


def test_an_operation_takes_its_arguments_by_name_too() -> None:
    logits, x, bias, found = torch.randn(6, 4), torch.rand(6, 4), torch.randn(4), torch.empty(6, 4)
    by_place = bits.slope_of_bits(logits, x, torch.ones(1), found, bias)
    assert torch.equal(bits.slope_of_bits(logits, x, torch.ones(1), torch.empty(6, 4), bias=bias), by_place)
    assert not torch.equal(bits.slope_of_bits(logits, x, torch.ones(1), torch.empty(6, 4)), by_place)


def test_an_operation_is_one_of_torch_and_the_lines_alone_where_nothing_is_compiled() -> None:
    """So that another device's own is one more registration, and a model that is traced keeps it."""
    logits, x = torch.randn(6, 4), torch.rand(6, 4)
    assert torch.equal(torch.ops.lowerbound.log_prob_of_bits(logits, x), bits.log_prob_of_bits(logits, x))
    assert torch.ops.lowerbound.log_prob_of_bits(logits.to("meta"), x.to("meta")).shape == (6,)
    kinds = {name: torch._C._dispatch_dump(f"lowerbound::{name}") for name in dir(torch.ops.lowerbound) if not name.startswith("_")}
    names = {name for name in kinds if name != "name"}
    assert names >= {"log_prob_of_bits", "slope_of_bits", "drawn_bits", "latents", "bounds", "of_latents", "rectified", "through_relu"}
    assert all(hasattr(compiled, name) for name in names)
