"""Runs that classify: calibration against closed forms, the verb, what an evaluation says of them, their figures; labels nobody knows."""

from __future__ import annotations

import math

import pytest
import torch

from lowerbound import calibration
from lowerbound.calibration import BINS, Calibration
from lowerbound.data import UNKNOWN
from lowerbound.errors import DataError

# --- closed forms --------------------------------------------------------------------------------------


def drawn(n: int, classes: int = 5, spread: float = 2.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """log q of n data and labels drawn from it: q is calibrated."""
    torch.manual_seed(seed)
    log_q = (spread * torch.randn(n, classes, dtype=torch.float64)).log_softmax(1)
    return log_q, torch.distributions.Categorical(logits=log_q).sample()


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_of_scaled_logits_is_their_factor(factor: float) -> None:
    log_q, labels = drawn(20_000)
    own = calibration.temperature(log_q, labels)
    assert own == pytest.approx(1.0, abs=0.03)
    assert calibration.temperature((factor * log_q).log_softmax(1), labels) == pytest.approx(factor * own, rel=1e-6)


def test_the_temperature_is_where_the_likelihood_is_greatest() -> None:
    log_q, labels = drawn(400)
    log_q = 3 * log_q
    best = calibration.temperature(log_q, labels)
    told = [calibration.classification(log_q, labels, Calibration(t)).negative_log_likelihood for t in (best / 1.01, best, 1.01 * best)]
    assert told[1] < min(told[0], told[2])


def test_two_classes_of_one_confidence_have_a_temperature_in_closed_form() -> None:
    """All told with confidence .9, of which 3 in 4 are right: σ(logit(.9)/T) = 3/4."""
    log_q = torch.tensor([[0.9, 0.1]], dtype=torch.float64).log().expand(100, 2)
    labels = (torch.arange(100) % 4 == 0).long()
    assert calibration.temperature(log_q, labels) == pytest.approx(math.log(9) / math.log(3), rel=1e-9)
    found = calibration.classification(log_q, labels, Calibration(calibration.temperature(log_q, labels), 100))
    assert found.calibration_error_uncalibrated == pytest.approx(0.15)
    assert found.calibration_error == pytest.approx(0, abs=1e-9)
    assert found.negative_log_likelihood == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert (found.accuracy, found.accuracy_se) == (0.75, pytest.approx(math.sqrt(0.75 * 0.25 / 100)))
    assert found.confusion == [[75, 0], [25, 0]]


def test_a_classifier_that_draws_its_labels_is_calibrated_within_sampling_error() -> None:
    n = 30_000
    log_q, labels = drawn(n)
    confidence = log_q.exp().amax(1)
    bins = calibration.reliability(log_q, labels)
    # each bin's gap is about normal with variance mean p(1 − p)/n_b; the error is the mean over data of its size
    noise = math.sqrt(2 / math.pi) * float((bins.counts * bins.confidence * (1 - bins.confidence)).sqrt().nansum()) / n
    assert bins.error < 2 * noise
    assert int(bins.counts.sum()) == n
    assert float((bins.counts * bins.confidence).nansum() / n) == pytest.approx(float(confidence.mean()))
    assert calibration.reliability((3 * log_q).log_softmax(1), labels).error > 10 * noise


def test_bins_are_of_equal_width_and_hold_their_upper_ends() -> None:
    confidence = torch.tensor([0.6, 0.61, 1.0], dtype=torch.float64)  # 9/15, in the ninth bin
    log_q = torch.stack([confidence, 1 - confidence], 1).clamp(min=1e-300).log()
    bins = calibration.reliability(log_q, torch.tensor([0, 1, 0]))
    assert bins.counts.nonzero()[:, 0].tolist() == [8, 9, BINS - 1]
    assert bins.accuracy[bins.counts > 0].tolist() == [1, 0, 1]
    assert bins.error == pytest.approx((0.4 + 0.61 + 0) / 3)


def test_certain_classes_cost_no_infinity() -> None:
    """Logits whose probabilities are 0 and 1 in single precision."""
    logits = torch.tensor([[300.0, 0, -300], [-300, 300, 0], [0, 300, -300], [300, 0, 0]])
    assert set(logits.softmax(1).flatten().tolist()) == {0.0, 1.0}
    log_q, labels = logits.log_softmax(1).double(), torch.tensor([0, 1, 2, 0])  # one is wrong, by 600 nats
    found = calibration.classification(log_q, labels, Calibration(calibration.temperature(log_q, labels), 4))
    assert found.negative_log_likelihood < 2
    assert calibration.classification(log_q, labels).negative_log_likelihood == pytest.approx(150)
    assert all(math.isfinite(value) for value in vars(found).values() if isinstance(value, float))


def test_unknown_labels_are_left_out() -> None:
    log_q, labels = drawn(200)
    hidden = labels.where(torch.arange(200) < 90, UNKNOWN)
    known = calibration.classification(log_q[:90], labels[:90])
    assert calibration.classification(log_q, hidden) == known
    assert calibration.temperature(log_q, hidden) == calibration.temperature(log_q[:90], labels[:90])
    assert torch.equal(calibration.reliability(log_q, hidden).counts, calibration.reliability(log_q[:90], labels[:90]).counts)
    assert sum(map(sum, known.confusion)) == known.labels == 90
    assert [sum(row) for row in known.confusion] == labels[:90].bincount(minlength=5).tolist()
    assert calibration.classification(log_q, torch.full((200,), UNKNOWN)) is None
    assert calibration.classification(log_q, None) is None
    with pytest.raises(DataError, match="bring labels"):
        calibration.temperature(log_q, torch.full((200,), UNKNOWN))
    with pytest.raises(DataError, match="classes 0 to 4"):
        calibration.classification(log_q, labels + 1)
