"""Numbers that stop being finite in ``fit``: step, row and term are named, and the weights are those before."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

import lowerbound as lb
from lowerbound.errors import DataError, Diverged
from lowerbound.training.finite import Watch, not_finite
from lowerbound.training.processes import ProcessGroup
from lowerbound.training.state import State
from lowerbound.training.steps.plan import Plan
from lowerbound.vae.loss import of_rows

D, ROW = 6, 7
X = torch.rand(50, D, generator=torch.Generator().manual_seed(0))
LIKELIHOODS: dict[str, Callable[[], lb.likelihoods.Likelihood]] = {
    "gaussian": lambda: lb.likelihoods.Gaussian(lb.nn.mlp(2, 8, D), scale=0.1),
    "laplace": lambda: lb.likelihoods.Laplace(lb.nn.mlp(2, 8, D), scale=0.1),
    "student-t": lambda: lb.likelihoods.StudentT(lb.nn.mlp(2, 8, (2, D)), scale=0.1),
}


def model(likelihood: str = "gaussian") -> lb.VAE:
    with lb.seeding.seeded(0, "finite"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(2),
            likelihood=LIKELIHOODS[likelihood](),
            posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(D, 8, 4)),
        )


def weights(vae: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in vae.parameters()])


def with_value(value: float) -> torch.Tensor:
    x = X.clone()
    x[ROW, 3] = value
    return x


def message_of(vae: lb.VAE, data: object, **given: object) -> str:
    with pytest.raises(Diverged) as caught:
        list(lb.fit(vae, data, **{"epochs": 1, **given}))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_by_its_row(likelihood: str, value: float) -> None:
    vae = model(likelihood)
    for ask in (lambda: list(lb.fit(vae, with_value(value), epochs=1)), lambda: lb.mean_bound(vae, with_value(value))):
        with pytest.raises(DataError, match=r"^row 7: some values are NaN or infinite; fill them in"):
            ask()


@pytest.mark.parametrize("batch", [16, 128])
def test_a_square_that_overflows_is_named_and_the_weights_are_those_before(batch: int) -> None:
    vae = model()
    state = State.new(vae, 0)
    before = [weights(vae).clone()]
    state.optimizer.register_step_post_hook(lambda *_: before.append(weights(vae).clone()))
    words = message_of(vae, with_value(1e20), batch=batch, state=state)
    assert words.startswith(f"step {state.step + 1} (epoch 1, rows ")
    assert ": the reconstruction term log p(x|z) of row 7 is not finite, and row 7 has the value 1e+20; bring" in words
    assert words.endswith("the weights are those before the step")
    assert torch.equal(weights(vae), before[-1])


def test_a_gradient_that_overflows_in_adam_is_named_at_the_end() -> None:
    """Its square is infinite, so that the step is 0 from then on, and nothing else would tell."""
    words = message_of(model("laplace"), with_value(1e20))
    assert words.startswith(
        "after step 1: the optimizer's memory of posterior.network.1.weight is not finite, and it will not move any more"
    )
    assert ", and row 7 has the value 1e+20; " in words


def test_data_that_go_bad_after_they_were_looked_at_are_named() -> None:
    class Rots:
        looked = 0

        def __len__(self) -> int:
            return len(X)

        def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
            self.looked += 1
            values = X[rows]
            return values if self.looked < 12 else values.where((torch.as_tensor(rows) != ROW)[:, None], math.nan)

    assert "of row 7 is not finite, and row 7 has a value that is not; " in message_of(model(), Rots(), epochs=9, batch=16)


def test_a_weight_that_is_no_number_is_named() -> None:
    vae = model()

    def body() -> None:
        for record in lb.fit(vae, X, epochs=3, batch=16):
            if record.step == 5:
                with torch.no_grad():
                    next(vae.posterior.parameters())[0, 0] = math.nan

    with pytest.raises(Diverged, match=r"^step 6 \(epoch 2, rows .*: the weight posterior.network.1.weight is not finite, for a gradient"):
        body()


def test_the_last_step_is_looked_at_too() -> None:
    vae = model()
    state = State.new(vae, 0)
    weight = list(vae.parameters())[-1]

    def broken(*_: object) -> None:
        if state.step == 3:
            weight.grad[0] = math.nan

    state.optimizer.register_step_pre_hook(broken)
    assert message_of(vae, X, batch=16, state=state).startswith("after step 4: the weight posterior.network.3.bias is not finite")


def test_a_rate_far_too_large_is_of_all_rows() -> None:
    vae = model()
    words = message_of(vae, X, epochs=3, state=State(lb.Adam(vae.parameters(), 1e30)))
    assert "step 2 (epoch 2, " in words
    assert "the reconstruction term log p(x|z) of all rows is not finite; bring" in words


def test_which_terms_are_not_finite() -> None:
    inf, nan = math.inf, math.nan
    table = {
        (1.0, 2.0, 1.0): [],
        (-inf, 2.0, inf): [],  # of a point
        (nan, 2.0, nan): ["the KL", "the bound"],
        (-inf, -inf, 1.0): ["the reconstruction term log p(x|z)"],
        (nan, nan, 1.0): ["the reconstruction term log p(x|z)", "the bound"],
    }
    for means, terms in table.items():
        assert not_finite(torch.tensor(means)) == terms


def test_a_point_has_an_infinite_bound_and_is_trained() -> None:
    vae = model()
    vae.posterior = lb.posteriors.Dirac(lb.nn.mlp(D, 8, 2))
    records = list(lb.fit(vae, X, epochs=2, objective=lb.objectives.Reconstruction()))
    assert [math.isinf(record.bound) for record in records] == [True, True]


def test_a_device_is_waited_for_after_some_steps() -> None:
    """Steps whose means are not looked at one by one are so together, and the first that is bad is named."""
    vae = model()
    plan = Plan(vae, lb.objectives.ELBO(), lb.estimators.Pathwise(), of_rows, State.new(vae, 0), torch.float32, group=ProcessGroup())
    watch = Watch(plan)
    good, bad, rows = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([math.nan] * 3), torch.tensor([4, ROW])
    watch.steps += [(step, 0.5, rows, bad if step in (3, 4) else good) for step in range(6)]
    with pytest.raises(Diverged, match=r"^step 4 \(epoch 1, rows 4, 7 of the training data\): the rec.* row 7 has a value"):
        watch.after(with_value(math.nan), last=True)
