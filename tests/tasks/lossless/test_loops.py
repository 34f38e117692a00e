"""Compiled loops do to the bit what constriction and NumPy's lines do, so that files are the same with them and without."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from rows import long_if
from threadpoolctl import threadpool_limits

import lowerbound as lb
from lowerbound.system import devices
from lowerbound.tasks import lossless
from lowerbound.tasks.lossless import functions, laws, layers, loops
from lowerbound.tasks.lossless.coder import ByConstriction
from lowerbound.tasks.lossless.networks import ExactNetwork
from tasks.lossless.models import EVENT, LIKELIHOODS, examples, model
from tasks.lossless.test_laws import ROWS, N

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")

LOOPS = devices.exact_loops()
pytestmark = pytest.mark.skipif(LOOPS is None, reason="there are no compiled loops here")
#: words that a stack begins with: many, and so few that it runs dry
BELOW = [2000, 3, 1, 0]
OWN: dict[str, Callable[[], laws.Law]] = {
    "some of a column": lambda: laws.Smooth(300, lambda k: k / 301),
    "far logits": lambda: laws.Bernoulli(np.linspace(-50, 50, N)),
    "logits between units": lambda: laws.Bernoulli(np.linspace(-1e-3, 1e-3, N)),
    **{name: row[0] for name, row in ROWS.items()},
}


def words(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(1, 2**32, n, dtype=np.uint32)


def both(below: int) -> tuple[ByConstriction, loops.Looped]:
    assert LOOPS is not None
    return ByConstriction(words(below)), loops.Looped(LOOPS[0], words(below))


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("name", OWN)
def test_numbers_and_words_are_those_of_constriction(name: str, below: int) -> None:
    law, stacks = OWN[name](), both(below)
    one, other = (stack.pop(law, N) for stack in stacks)
    assert (one == other).all()
    assert (stacks[0].words == stacks[1].words).all()
    numbers = np.random.default_rng(1).integers(0, one.max() + 1, N)
    for stack in stacks:
        stack.push(law, numbers)
    assert (stacks[0].words == stacks[1].words).all()
    assert (stacks[1].pop(law, N) == numbers).all()


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("bits", [1, 7, 12, 24])
def test_even_numbers_are_those_of_constriction(bits: int, below: int) -> None:
    stacks = both(below)
    one, other = (stack.pop_even(bits, 50) for stack in stacks)
    assert (one == other).all()
    for stack in stacks:
        stack.push_even(bits, np.arange(50)[::-1] % (1 << bits))
    assert (stacks[0].words == stacks[1].words).all()


def test_all_probabilities_of_a_yes_are_those_of_constriction() -> None:
    """Some of the 2²² − 1, and all next to their ends."""
    yes = np.unique(np.concatenate([np.arange(1, 500), np.geomspace(1, laws.GRID - 1, 4000).astype(int)]))
    asked = np.concatenate([yes, laws.GRID - yes]) / laws.GRID
    stacks = both(2000)
    assert (stacks[0]._answer(asked) == stacks[1]._answer(asked)).all()
    assert (stacks[0].words == stacks[1].words).all()


def test_a_draw_takes_as_many_words_of_the_counter_as_constrictions_does() -> None:
    law, stacks = OWN["bins of latents"](), both(3)
    stacks[0].initial = stacks[1].initial = 3
    assert (stacks[0].draw(law, N) == stacks[1].draw(law, N)).all()
    assert stacks[0].initial == stacks[1].initial > 3
    assert (stacks[0].words == stacks[1].words).all()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without compiled loops."""
    monkeypatch.setattr(devices, "exact_loops", lambda: None)
    loops.weights_of_zeros.cache_clear()
    yield
    loops.weights_of_zeros.cache_clear()


@pytest.mark.parametrize("name", long_if(lambda name: name not in [*LIKELIHOODS][::3], LIKELIHOODS))
def test_files_are_the_same_without_loops(name: str, request: pytest.FixtureRequest) -> None:
    x = examples(name, 20)
    content = lossless.compress(model(name), x, block=12)
    request.getfixturevalue("alone")
    assert lossless.compress(model(name), x, block=12) == content
    assert torch.equal(lossless.decompress(model(name), content), x)


def test_tables_and_sums_are_those_of_numpy(request: pytest.FixtureRequest) -> None:
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(0, 9, 4000), [np.inf, -np.inf, 0.0, -0.0, 1e300, 24.0, -24.0, 8.0]])
    sums = random.normal(0, 2.0**26, (60, 30)) * 2.0 ** random.integers(-30, 30, (60, 30))
    bias = random.integers(-(2**20), 2**20, 30) / 2.0**9

    def found() -> list[np.ndarray]:
        tables = functions.exp(), functions.sigmoid(), functions.normal_cdf()
        return [*(table(x) for table in tables), layers.settled_sums(sums.copy(), 0.25, bias)]

    by_loops = found()
    request.getfixturevalue("alone")
    for one, other in zip(by_loops, found(), strict=True):
        assert (one == other).all()


# --- exact everywhere --------------------------------------------------------------------------------


@pytest.mark.parametrize("convolutional", [False, True])
def test_what_two_threads_wrote_in_batches_one_thread_reads_row_by_row(convolutional: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    vae, x = model("bernoulli"), examples("bernoulli", 200)
    if convolutional:
        torch.manual_seed(0)
        encoder, decoder = lb.nn.convolutional_encoder(EVENT, (4, 8), 6), lb.nn.convolutional_decoder(3, (8, 4), EVENT)
        vae = lb.VAE(lb.priors.StandardNormal(3), lb.likelihoods.Bernoulli(decoder), lb.posteriors.DiagonalGaussian(encoder)).eval()
    with threadpool_limits(2):
        content = lossless.compress(vae, x)
    whole, rows = ExactNetwork.__call__, []

    def row_by_row(network: ExactNetwork, some: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        rows.append(len(some))
        return np.concatenate([whole(network, row[None], context) for row in some])

    monkeypatch.setattr(ExactNetwork, "__call__", row_by_row)
    with threadpool_limits(1):
        assert torch.equal(lossless.decompress(vae, content), x)
    assert max(rows) > 16
    assert math.fsum(rows) == 2 * len(x)
