from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits

from lowerbound import data
from lowerbound.data import Dataset, Splits, fingerprint_of
from lowerbound.errors import DataError


def rows(n: int = 100) -> Dataset:
    return Dataset(torch.arange(n, dtype=torch.float32)[:, None], torch.arange(n) % 3, ("a", "b", "c"))


def test_a_view_copies_nothing_and_keeps_its_labels() -> None:
    whole = rows()
    part = whole.view(torch.tensor([5, 50, 7])).view(torch.tensor([2, 0]))
    assert part[:].flatten().tolist() == [7, 5]
    assert part.labels.tolist() == [1, 2]
    assert part.array is whole.array


def test_held_out_and_kept_examples_are_always_the_same_partition() -> None:
    kept, out = rows().hold_out(30, "test")
    values = torch.cat([kept[:], out[:]]).flatten().sort().values
    assert torch.equal(values, torch.arange(100.0))
    assert torch.equal(out[:], rows().hold_out(30, "test")[1][:])
    assert not torch.equal(out[:], rows().hold_out(30, "validation")[1][:])


def test_validation_is_5000_examples_or_a_tenth() -> None:
    for n, expected in ((100, 9), (200_000, 5_000)):
        train, held_out = Splits.of(rows(n)).validation()
        assert len(held_out) == expected
        assert len(train) + len(held_out) == n - n // 10
    assert len(Splits.of(rows()).validation(0)[1]) == 0
    with pytest.raises(DataError, match="cannot hold out 90 of 90"):
        Splits.of(rows()).validation(90)


def test_different_data_have_different_fingerprints() -> None:
    assert fingerprint_of(rows()) == fingerprint_of(rows())
    assert fingerprint_of(rows()) != fingerprint_of(rows(99))
    changed = rows()
    changed.array[3] += 1
    assert fingerprint_of(rows()) != fingerprint_of(changed)
    assert fingerprint_of(rows(), changed) != fingerprint_of(changed, rows())


@pytest.mark.parametrize("found", [True, False])
def test_digits_are_those_of_scikit_learn_wherever_its_file_lies(found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = load_digits()
    if not found:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    whole = data.load("digits").whole
    assert whole is not None
    assert whole.labels is not None
    assert torch.equal(whole[:], torch.from_numpy(digits.images * (255 / 16)).round().float().div(255)[:, None])
    assert whole.labels.tolist() == digits.target.tolist()
    assert whole.classes == tuple(map(str, digits.target_names))


def test_digits_are_bundled() -> None:
    splits = data.load("digits")
    assert splits.whole.event_shape == (1, 8, 8)
    assert len(splits.whole) == 1797
    assert splits.whole.array.max() == 255


def test_an_unknown_name_suggests_the_nearest(tmp_path) -> None:
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        data.load("mnits")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="the format of"):
        data.load(tmp_path / "a.txt")
    with pytest.raises(DataError, match="are for images"):
        data.load("digits", size=4)
