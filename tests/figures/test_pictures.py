"""How examples of any shape look, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lowerbound.errors import DataError
from lowerbound.figures import pictures as looks
from lowerbound.figures.pictures import CHANNELS, HEIGHT, NARROWEST, PAPER, WIDEST, can_be_shown, pictures
from lowerbound.figures.sheets import COLORS, tile

RANDOM = np.random.default_rng(0)
#: shape of an example → that of its picture
SHAPES = {
    (1, 6, 5): (1, 6, 5),
    (3, 6, 5): (3, 6, 5),
    (2, 6, 5): (1, 6, 11),
    (4, 6, 5): (1, 6, 23),
    (13, 6, 5): (1, 6, 6 * CHANNELS - 1),
    (1, 7, 6, 5): (1, 6, 5),
    (3, 7, 6, 5): (3, 6, 5),
    (2, 7, 6, 5): (1, 6, 11),
    (1, 32): (3, HEIGHT, 64),
    (12, 5): (3, HEIGHT, 65),
    (1, 100): (3, HEIGHT, 100),
    (2, 1000): (3, HEIGHT, WIDEST),
    (1, 1): (3, HEIGHT, NARROWEST),
}


@pytest.mark.parametrize("event", SHAPES, ids=str)
def test_every_shape_has_pictures_that_can_be_laid_out(event: tuple[int, ...]) -> None:
    values = RANDOM.random((3, *event))
    found, there = pictures(values), looks.observed(values > 0.5)
    assert can_be_shown(event)
    assert found.shape == (3, *SHAPES[event])
    assert there.shape == (3, 1, *SHAPES[event][1:])
    assert tile(found, 2).shape == (2 * found.shape[2] + 1, 2 * found.shape[3] + 1, 3)


def test_vectors_have_none() -> None:
    assert not can_be_shown((5,))
    with pytest.raises(DataError, match=r"vectors of shape \(5,\), not images; write them to .npy"):
        pictures(np.zeros((2, 5)))


def test_one_and_three_channels_are_the_image_itself() -> None:
    for channels in (1, 3):
        values = RANDOM.random((2, channels, 4, 3))
        assert np.array_equal(pictures(values), values)


def test_other_channels_are_side_by_side_with_a_line_between() -> None:
    values = RANDOM.random((2, 5, 4, 3))
    found = pictures(values)[:, 0]
    for channel in range(CHANNELS):
        assert np.array_equal(found[:, :, 4 * channel : 4 * channel + 3], values[:, channel])
    assert (found[:, :, 3::4] == 1).all()


def test_a_volume_is_its_middle_slice() -> None:
    values = RANDOM.random((2, 3, 7, 4, 5))
    assert np.array_equal(pictures(values), values[:, :, 3])
    assert np.array_equal(pictures(values[:, :, :6]), values[:, :, 3])


def where(picture: np.ndarray, color: str) -> list[list[int]]:
    """The rows of a picture's pixels of this colour, column by column."""
    on = np.isclose(picture, np.reshape(to_rgb(color), (3, 1, 1))).all(0)
    return [np.flatnonzero(column).tolist() for column in on.T]


def test_a_series_is_a_curve_from_its_bottom_to_its_top() -> None:
    bottom = HEIGHT - 1
    (found,) = pictures(np.array([[[0.0, 1.0]]]))
    assert where(found, COLORS[0]) == [[bottom]] * 32 + [list(range(HEIGHT))] + [[0]] * 31
    assert ((found == np.float32(PAPER)).all(0).sum(0) == [HEIGHT - 1] * 32 + [0] + [HEIGHT - 1] * 31).all()


def test_values_beyond_black_and_white_are_at_the_edge() -> None:
    (found,) = pictures(np.array([[[-3.0, 7.0]]]))
    assert np.array_equal(found, pictures(np.array([[[0.0, 1.0]]]))[0])


def test_each_channel_has_its_colour_the_first_above() -> None:
    (found,) = pictures(np.array([[[0.0], [1.0], [0.0]]]))
    assert where(found, COLORS[0]) == [[HEIGHT - 1]] * 64
    assert where(found, COLORS[1]) == [[0]] * 64
    assert where(found, COLORS[2]) == [[]] * 64


def test_no_peak_of_a_long_series_is_lost() -> None:
    values = np.zeros((1, 1, 10 * WIDEST))
    values[0, 0, 1234] = 1.0
    found = where(pictures(values)[0], COLORS[0])
    assert found == [[HEIGHT - 1]] * 123 + [list(range(HEIGHT))] + [[HEIGHT - 1]] * (WIDEST - 124)


def test_a_curve_has_a_gap_where_nothing_is_known() -> None:
    values = np.zeros((1, 1, 64))
    values[0, 0, 10:20] = np.nan
    values[0, 0, 15] = 1.0
    found = where(pictures(values)[0], COLORS[0])
    assert found == [[HEIGHT - 1]] * 10 + [[]] * 5 + [[0]] + [[]] * 4 + [[HEIGHT - 1]] * 44


def test_where_values_are_missing_pictures_say_so() -> None:
    there = np.ones((1, 2, 4, 3), bool)
    there[0, 1, 2, 0] = False  # of one channel: the pixel is not whole
    found = looks.observed(there)[0, 0]
    assert np.argwhere(~found).tolist() == [[2, 0], [2, 4]]
    series = np.ones((1, 2, 64), bool)
    series[0, 0, 5], series[0, :, 7] = False, False
    assert np.flatnonzero(~looks.observed(series)[0, 0].any(0)).tolist() == [7]
