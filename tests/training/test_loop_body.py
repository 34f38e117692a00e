"""What a caller changes between two steps holds from the next step on, whatever kind of step is taken; or all kinds refuse it alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from rows import long_if
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.utils import parametrizations, parametrize, prune

import lowerbound as lb
from lowerbound.system import compiled
from lowerbound.training.batches import batches_of
from lowerbound.training.processes import ProcessGroup, Share
from lowerbound.training.state import State
from lowerbound.training.steps import choose
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.changes import Changes
from lowerbound.training.steps.descent import LearningRates
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Plan
from lowerbound.vae.loss import of_rows

PIXELS, LATENT, ROWS, BATCH, STEPS, AT = 12, 2, 96, 16, 12, 4
DATA = torch.rand(ROWS, PIXELS, generator=torch.Generator().manual_seed(0))
KINDS = {"by hand": choose.KINDS, "plain": (ByAutograd,)}

#: what is done to a model and the state of its training before step ``AT``
Change = Callable[[lb.VAE, State], object]


def model() -> lb.VAE:
    with lb.seeding.seeded(0, "test"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(LATENT),
            likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(LATENT, 8, 8, PIXELS)),
            posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(PIXELS, 8, 2 * LATENT)),
        )


def fresh() -> tuple[lb.VAE, State]:
    vae = model()
    return vae, State(torch.optim.Adam(vae.parameters(), 1e-2))


def weights(vae: lb.VAE) -> Tensor:
    return torch.cat([weight.detach().flatten() for _, weight in sorted(vae.named_parameters())])


def by_fit(change: Change, kind: str, monkeypatch: pytest.MonkeyPatch) -> lb.VAE:
    monkeypatch.setattr(choose, "KINDS", KINDS[kind])
    vae, state = fresh()
    running = lb.fit(vae, DATA, epochs=STEPS, batch=BATCH, state=state, products=torch.float32)
    for record in islice(running, STEPS):
        if record.step == AT:
            change(vae, state)
    return vae


def by_torch(change: Change) -> lb.VAE:
    """The same steps, as one writes them without a training loop; new weights are given to the optimizer."""
    vae, state = fresh()
    vae.train()
    batches = [rows for epoch in range(STEPS) for rows in batches_of(DATA, BATCH, 0, epoch)]
    for step, rows in enumerate(batches[:STEPS]):
        if step == AT:
            change(vae, state)
            held = {weight for group in state.optimizer.param_groups for weight in group["params"]}
            if new := [weight for weight in vae.parameters() if weight not in held]:
                state.optimizer.add_param_group({"params": new})
        with ProcessGroup().noise(Share(rows, len(rows)), 0, "noise", step, device=vae.device):
            part = of_rows(vae, DATA, rows, lb.objectives.ELBO(), lb.estimators.Pathwise())
        state.optimizer.zero_grad()
        part.value.backward()
        state.optimizer.step()
    return vae


# --- the table ------------------------------------------------------------------------------------------


def decoder_layer(vae: lb.VAE) -> nn.Linear:
    layer = vae.likelihood.network[3]
    assert isinstance(layer, nn.Linear)
    return layer


def replace(owner: nn.Module, name: str, value: object) -> None:
    setattr(owner, name, value)


def patch(owner: nn.Module, name: str, change: Callable[[Any], Any]) -> None:
    """Put in place of a method one that changes what it returns."""
    method = getattr(owner, name)
    setattr(owner, name, lambda *given, **named: change(method(*given, **named)))


class Wide(lb.priors.Prior):
    """N(0, 4 I)."""

    def forward(self) -> Independent:
        return Independent(Normal(torch.zeros(LATENT), torch.full((LATENT,), 2.0)), 1)


def turned(weight: Tensor) -> None:
    """Its gradient the other way."""
    weight.grad = None if weight.grad is None else -weight.grad


def doubled(likelihood: Any) -> Callable[[Tensor], Any]:
    """p(x|2z)."""
    return lambda z: type(likelihood).forward(likelihood, 2 * z)


def pruned_for_good(vae: lb.VAE) -> None:
    prune.l1_unstructured(decoder_layer(vae), "weight", 0.5)
    prune.remove(decoder_layer(vae), "weight")


def tied(vae: lb.VAE) -> None:
    (weight,) = torch.rand(1, 8, 8)
    shared = nn.Parameter(weight - 0.5)
    first, second = decoder_layer(vae), nn.Linear(8, 8)
    first.weight = second.weight = shared
    vae.likelihood.network.insert(4, nn.Sequential(nn.ReLU(), second))


def seeded(change: Callable[[lb.VAE], object]) -> Callable[[lb.VAE], None]:
    """With the same random weights each time."""

    def changed(vae: lb.VAE) -> None:
        with lb.seeding.seeded(1, "change"):
            change(vae)

    return changed


OF_MODELS: dict[str, Callable[[lb.VAE], object]] = {
    "frozen encoder": lambda v: v.posterior.requires_grad_(False),
    "frozen decoder": lambda v: v.likelihood.requires_grad_(False),
    "frozen bias": lambda v: decoder_layer(v).bias.requires_grad_(False),
    "pruned": lambda v: prune.l1_unstructured(decoder_layer(v), "weight", 0.5),
    "pruned for good": pruned_for_good,
    "weight norm": lambda v: parametrizations.weight_norm(decoder_layer(v)),
    "spectral norm": seeded(lambda v: parametrizations.spectral_norm(decoder_layer(v))),
    "orthogonal": seeded(lambda v: parametrizations.orthogonal(decoder_layer(v))),
    "hook on a layer": lambda v: decoder_layer(v).register_forward_hook(lambda _, __, output: output / 2),
    "hook on a layer's input": lambda v: decoder_layer(v).register_forward_pre_hook(lambda _, given: (given[0] / 2,)),
    "hook on a layer's gradient": lambda v: v.likelihood.network[2].register_full_backward_hook(lambda _, given, __: (given[0] * 9,)),
    "hook on a network": lambda v: v.posterior.network.register_forward_hook(lambda _, __, output: output / 2),
    "hook on a weight": lambda v: decoder_layer(v).weight.register_hook(lambda gradient: -gradient),
    "hook on an accumulated gradient": lambda v: decoder_layer(v).weight.register_post_accumulate_grad_hook(turned),
    "hook on the posterior": lambda v: v.posterior.register_forward_pre_hook(lambda _, given: (given[0] / 2,)),
    "hook on the likelihood": lambda v: v.likelihood.register_forward_pre_hook(lambda _, given: (given[0] * 2,)),
    "hook on the prior": lambda v: v.prior.register_forward_hook(lambda *_: Wide()()),
    "replaced weight": seeded(lambda v: replace(decoder_layer(v), "weight", nn.Parameter(torch.rand(8, 8)))),
    "replaced bias, broadcast": lambda v: replace(decoder_layer(v), "bias", nn.Parameter(torch.zeros(1))),
    "no bias": lambda v: replace(decoder_layer(v), "bias", None),
    "replaced layer": seeded(lambda v: replace(v.likelihood.network, "3", nn.Linear(8, 8))),
    "replaced activation": lambda v: replace(v.likelihood.network, "2", nn.Tanh()),
    "replaced network": seeded(lambda v: replace(v.likelihood, "network", lb.nn.mlp(LATENT, 20, PIXELS))),
    "replaced posterior": seeded(lambda v: replace(v, "posterior", lb.posteriors.FullGaussian(lb.nn.mlp(PIXELS, 8, 5)))),
    "replaced prior": lambda v: replace(v, "prior", Wide()),
    "tied weights": seeded(tied),
    "dropout": lambda v: lb.nn.with_dropout(v.likelihood.network, 0.5),
    "patched posterior": lambda v: patch(v.posterior, "output", lambda output: output / 2),
    "patched forward of the likelihood": lambda v: replace(v.likelihood, "forward", doubled(v.likelihood)),
    "patched observation": lambda v: patch(v.likelihood, "observe", lambda x: 1 - x),
    "patched density": lambda v: patch(v, "log_likelihood", lambda density: 3 * density),
    "patched layer": lambda v: patch(decoder_layer(v), "forward", lambda output: output / 2),
    "patched network": lambda v: patch(v.posterior.network, "forward", lambda output: output / 2),
    "another prior's numbers": lambda v: v.prior.one.fill_(2.0),
    "another prior's buffer": lambda v: replace(v.prior, "zero", torch.ones(LATENT)),
    "weights by hand": lambda v: decoder_layer(v).weight.data.mul_(-1),
    "greys in place of bits": lambda v: replace(v.likelihood, "binarize", False),
}
OF_OPTIMIZERS: dict[str, Callable[[lb.VAE, State], object]] = {
    "learning rate": lambda _, state: state.optimizer.param_groups[0].update(lr=0.1),
    "another optimizer": lambda vae, state: replace(state, "optimizer", torch.optim.SGD(vae.parameters(), 0.1)),  # type: ignore[arg-type]
}
TABLE: dict[str, Change] = {
    **{name: lambda vae, _, change=change: change(vae) for name, change in OF_MODELS.items()},  # type: ignore[misc]
    **OF_OPTIMIZERS,
}


@pytest.fixture(scope="module")
def unchanged() -> Tensor:
    return weights(by_torch(lambda *_: None))


@pytest.mark.parametrize("name", long_if(lambda name: name not in [*TABLE][::2], TABLE))
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_honoured(name: str, kind: str, unchanged: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, found = weights(by_torch(TABLE[name])), weights(by_fit(TABLE[name], kind, monkeypatch))
    assert expected.shape != unchanged.shape or float((expected - unchanged).norm()) > 0.02, "the change makes no difference"
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_without_a_change_either_step_is_the_plain_one(unchanged: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS:
        torch.testing.assert_close(weights(by_fit(lambda *_: None, kind, monkeypatch)), unchanged, rtol=1e-3, atol=1e-4)


# --- what cannot be ---------------------------------------------------------------------------------------


def cut(vae: lb.VAE) -> None:
    decoder_layer(vae).weight.data = torch.zeros(4, 8)


REFUSED: dict[str, tuple[Callable[[lb.VAE], object], str]] = {
    "another type": (lambda v: v.double(), "a weight was replaced by one of another type"),
    "a weight of another type": (
        lambda v: replace(decoder_layer(v), "bias", nn.Parameter(torch.zeros(8).double())),
        "a weight was replaced by one of another type",
    ),
    "another shape": (cut, "changed its shape or its device"),
    "all frozen": (lambda v: v.requires_grad_(False), "all are frozen"),
    "another number of values": (
        lambda v: replace(v.likelihood, "network", lb.nn.mlp(LATENT, 8, (5, 7))),
        r"the decoder gives \(5, 7\), the data are \(12,\): the numbers of values differ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_no_step_can_honour_is_refused_in_the_same_words(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change, words = REFUSED[name]
    with pytest.raises(lb.LowerboundError, match=words):
        by_fit(lambda vae, _: change(vae), kind, monkeypatch)


# --- which step it is ---------------------------------------------------------------------------------------

FASTEST = "ByCapture" if compiled.products_are_to_be_had() else "ByHand"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The kinds of the steps that are taken."""
    kinds: list[str] = []
    for kind in choose.KINDS:
        gradient = kind.gradient

        def noted(step: Any, *given: Any, name: str = kind.__name__, gradient: Any = gradient) -> Tensor:
            kinds.append(name)
            found: Tensor = gradient(step, *given)
            return found

        monkeypatch.setattr(kind, "gradient", noted)
    return kinds


def hooked(vae: lb.VAE) -> Callable[[], None]:
    return vae.posterior.register_forward_hook(lambda *_: None).remove


def frozen(vae: lb.VAE) -> Callable[[], None]:
    vae.posterior.requires_grad_(False)
    return lambda: vae.posterior.requires_grad_(True) and None


def normed(vae: lb.VAE) -> Callable[[], None]:
    parametrizations.weight_norm(decoder_layer(vae))
    return lambda: parametrize.remove_parametrizations(decoder_layer(vae), "weight") and None


def pruned(vae: lb.VAE) -> Callable[[], None]:
    prune.l1_unstructured(decoder_layer(vae), "weight", 0.5)
    return lambda: prune.remove(decoder_layer(vae), "weight") and None


def patched(vae: lb.VAE) -> Callable[[], None]:
    patch(vae.posterior, "forward", lambda law: law)
    return lambda: delattr(vae.posterior, "forward")


def evaluated(vae: lb.VAE) -> Callable[[], None]:
    vae.eval()
    return lambda: vae.train() and None


def watched(_: lb.VAE) -> Callable[[], None]:
    return register_module_forward_pre_hook(lambda *_: None).remove


@pytest.mark.parametrize("change", [hooked, frozen, normed, pruned, patched, evaluated, watched])
def test_the_step_by_hand_stands_aside_and_comes_back(change: Callable[[lb.VAE], Callable[[], None]], taken: list[str]) -> None:
    vae = model()
    running = lb.fit(vae, DATA, epochs=2, batch=BATCH)
    next(running), next(running)
    undo = change(vae)
    try:
        next(running), next(running)
    finally:
        undo()
    next(running), next(running)
    assert taken == [FASTEST] * 2 + ["ByAutograd"] * 2 + [FASTEST] * 2


def test_what_changes_nothing_leaves_the_step_as_it_is(taken: list[str]) -> None:
    vae = model()
    for _ in lb.fit(vae, DATA, epochs=2, batch=BATCH):
        lb.mean_bound(vae, DATA)
        vae.sample(3)
        vae.zero_grad()
    assert set(taken) == {FASTEST}


# --- modes, rates and gradients -------------------------------------------------------------------------------


def test_the_mode_is_the_callers() -> None:
    """Training at the start; after ``eval()`` evaluation, until ``train()``."""
    vae = model()
    vae.posterior.network.insert(2, norm := nn.BatchNorm1d(8))
    vae.eval()
    for record in lb.fit(vae, DATA, epochs=2, batch=BATCH):
        if record.step == 4:
            vae.eval()
        if record.step == 9:
            vae.train()
    assert norm.num_batches_tracked == 4 + 3
    assert record.step == 12


def test_a_callers_learning_rate_holds_under_a_schedule_too() -> None:
    optimizer, rates, seen = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0), LearningRates(), []
    (group,) = optimizer.param_groups
    for step, factor in enumerate([1.0, 0.5, 0.5, 0.25, 0.125]):
        if step == 2:
            assert group["lr"] == 0.5
            group["lr"] = 0.1
        rates.set(optimizer, factor)
        seen.append(group["lr"])
    assert seen == pytest.approx([1.0, 0.5, 0.1, 0.05, 0.025])


def test_fit_honours_a_callers_learning_rate_under_a_schedule() -> None:
    vae, state = fresh()
    for record in lb.fit(vae, DATA, epochs=2, batch=BATCH, state=state, rate=lambda epoch: 0.5 if epoch < 1 else 0.25):
        if record.step == 2:
            state.optimizer.param_groups[0]["lr"] = 0.0
            held = weights(vae)
    assert torch.equal(weights(vae), held)


def test_a_rate_that_began_at_nothing_can_be_set() -> None:
    optimizer, rates = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0), LearningRates()
    rates.set(optimizer, 0.0)
    optimizer.param_groups[0]["lr"] = 0.3
    rates.set(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.15)


def large() -> lb.VAE:
    return lb.VAE(
        prior=lb.priors.StandardNormal(2),
        likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 512, 64)),
        posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 512, 4)),
    )


def gradient_types(vae: lb.VAE) -> set[torch.dtype]:
    return {weight.grad.dtype for weight in vae.parameters() if weight.grad is not None}


#: steps whose gradients may be in bfloat16, as a captured one's are not
ROUNDING = (ByHand, ByAutograd)


def test_who_breaks_out_of_the_loop_finds_gradients_in_the_types_of_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "KINDS", ROUNDING)
    vae, rounded = large(), set[torch.dtype]()
    for record in lb.fit(vae, torch.rand(64, 64), epochs=9, batch=16, products=torch.bfloat16):
        rounded = gradient_types(vae)
        if record.step == 3:
            break
    assert rounded == {torch.float32, torch.bfloat16}
    assert gradient_types(vae) == {torch.float32}
    vae.likelihood.network[1].weight.sum().backward()  # as any other code would add to them


SUSPENDED = """
import torch
import lowerbound as lb
from lowerbound.training.steps import autograd, choose, fused
choose.KINDS = (fused.ByHand, autograd.ByAutograd)
vae = lb.VAE(
    prior=lb.priors.StandardNormal(2),
    likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 512, 64)),
    posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 512, 4)),
)
running = lb.fit(vae, torch.rand(64, 64), epochs=9, batch=16, products=torch.bfloat16)
next(running), next(running)
"""


def test_python_may_end_within_the_loop() -> None:
    done = subprocess.run([sys.executable, "-c", SUSPENDED], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_error_in_a_step_leaves_gradients_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "KINDS", ROUNDING)
    vae = large()
    running = lb.fit(vae, torch.rand(64, 64), epochs=9, batch=16, products=torch.bfloat16)
    next(running)
    vae.likelihood.network = lb.nn.mlp(2, 512, 63)
    with pytest.raises(lb.LowerboundError):
        next(running)
    assert gradient_types(vae) <= {torch.float32}


def test_the_plain_step_after_one_by_hand_has_whole_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "KINDS", ROUNDING)
    vae = large()
    running = lb.fit(vae, torch.rand(64, 64), epochs=9, batch=16, products=torch.bfloat16)
    next(running)
    vae.posterior.register_forward_hook(lambda *_: None)
    next(running)
    assert gradient_types(vae) == {torch.float32}


def test_a_caller_that_forbids_gradients_does_not_forbid_them_to_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for kinds in KINDS.values():
        monkeypatch.setattr(choose, "KINDS", kinds)
        vae = model()
        with torch.no_grad():
            list(lb.fit(vae, DATA, epochs=1, batch=BATCH, products=torch.float32))
        found.append(weights(vae))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)


def test_a_weight_of_one_number_replaced_by_an_equal_one_is_noticed() -> None:
    parts = lb.build(lb.Recipe(likelihood="gaussian", scale="learned", network="mlp:8"), (1, 8, 8))
    changes = Changes(Plan(parts.vae, parts.objective, parts.estimator, of_rows, lb.State.new(parts.vae, 0), torch.float32))
    assert [changes.any(), changes.any()] == [True, False]
    name, weight = next((name, weight) for name, weight in parts.vae.named_parameters() if weight.numel() == 1)
    owner, _, last = name.rpartition(".")
    parts.vae.get_submodule(owner)._parameters[last] = nn.Parameter(weight.detach().clone())
    assert [changes.any(), changes.any()] == [True, False]
