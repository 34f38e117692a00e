from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lowerbound import data
from lowerbound.data import images
from lowerbound.errors import DataError

RANDOM = np.random.default_rng(0)


def picture(path: Path, size: tuple[int, int] = (8, 6), mode: str = "L", **save: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    Image.fromarray(RANDOM.integers(0, 255, shape, np.uint8), mode if mode != "L" else None).save(path, **save)
    return path


def test_sub_folders_are_labels_and_nesting_below_them_is_not(tmp_path: Path) -> None:
    for name in ("cats/1.png", "cats/deep/er/2.PNG", "dogs/1.bmp", ".hidden/x.png", "dogs/.thumb.png"):
        picture(tmp_path / name)
    whole = data.load(tmp_path).whole
    assert whole.classes == ("cats", "dogs")
    assert whole.labels.tolist() == [0, 0, 1]
    assert whole.event_shape == (1, 6, 8)


def test_images_beside_folders_have_no_labels(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "more" / "b.png")
    assert data.load(tmp_path).whole.labels is None


def test_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", mode="RGB")
    whole = data.load(tmp_path).whole
    assert np.array_equal(whole.array[0].numpy(), np.asarray(Image.open(path)).transpose(2, 0, 1))


def test_grey_is_kept_where_all_are_grey_and_colour_where_asked(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    assert data.load(tmp_path).train.event_shape[0] == 1
    assert data.load(tmp_path, color="rgb").train.event_shape[0] == 3
    picture(tmp_path / "b.png", mode="RGB")
    assert data.load(tmp_path).train.event_shape[0] == 3
    assert data.load(tmp_path, color="grey").train.event_shape[0] == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    grey = np.tile(np.arange(0, 240, 30, dtype=np.uint8), (8, 1))
    name = "a.tif" if mode in ("CMYK", "YCbCr", "I", "I;16", "F") else "a.png"
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    image.save(tmp_path / name)
    whole = data.load(tmp_path, color="grey").whole
    found = whole.array[0, 0].numpy().astype(int)
    if mode == "1":  # dithered
        assert set(np.unique(found)) == {0, 255}
        assert abs(found.mean() - grey.mean()) < 20
    else:
        white = 255 / grey.max() if mode in ("I", "F") and grey.max() > 255 else 1
        assert np.abs(found - grey * white).max() <= 3  # CMYK and YCbCr are rounded


def test_16_bit_and_float_images_share_one_white_level_per_folder(tmp_path: Path) -> None:
    for name, value in (("a", 0.25), ("b", 1.0)):
        Image.fromarray(np.full((4, 4), value, np.float32)).save(tmp_path / f"{name}.tif")
    assert data.load(tmp_path).whole.array[:, 0, 0, 0].tolist() == [64, 255]
    for name, value in (("a", 200), ("b", 40_000)):
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / f"{name}.tif")
    assert data.load(tmp_path).whole.array[:, 0, 0, 0].tolist() == [1, 156]


def test_reading_leaves_the_warning_filters_alone(tmp_path: Path) -> None:
    for i in range(20):
        picture(tmp_path / f"{i}.png")
    before = list(warnings.filters)
    for _ in range(10):
        data.load(tmp_path)
    assert warnings.filters == before


def test_transparent_images_are_put_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert data.load(tmp_path).whole.array.min() == 255


def test_size_crops_the_centre_square(tmp_path: Path) -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    picture(tmp_path / "b.png", (5, 9))
    whole = data.load(tmp_path, size=4).whole
    assert whole.event_shape == (1, 4, 4)
    assert whole.array[0].min() > 200


def test_mixed_sizes_are_refused(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / f"{i}.png")
    picture(tmp_path / "odd.png", (9, 9))
    with pytest.raises(DataError, match=r"most are 8×6, 'odd.png' is 9×9; --size"):
        data.load(tmp_path)


def test_unreadable_images_are_named_counted_and_skipped_only_on_request(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "0.png").read_bytes()[:40])
    (tmp_path / "worse\n.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2 of 5 images .* cannot be read \(bad.png, worse\\n.png\); --skip-unreadable"):
        data.load(tmp_path)
    splits = data.load(tmp_path, skip_unreadable=True)
    assert len(splits.whole) == 3
    assert "2 unreadable images skipped" in splits.notes[0]


def test_all_unreadable_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bad\.png"):
        data.load(tmp_path, skip_unreadable=True)


def test_empty_folders_and_unknown_colors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no IDX files and no images"):
        data.load(tmp_path)
    picture(tmp_path / "a.png")
    with pytest.raises(DataError, match="unknown color 'gray'; did you mean 'grey'"):
        data.load(tmp_path, color="gray")


def test_a_decompression_bomb_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "a.png", (200, 200))
    monkeypatch.setattr(images.Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match="cannot be read"):
        data.load(tmp_path)


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 6), dtype=np.uint8)
    for number, one in enumerate(pixels):
        Image.fromarray(one).save((tmp_path if number == 0 else folder) / f"{number}.png")
    (folder / "inside.png").symlink_to(folder / "1.png")
    assert len(images.load_folder(folder).whole) == 5
    (folder / "outside.png").symlink_to(tmp_path / "0.png")
    with pytest.raises(DataError, match=r"outside\.png\), links that lead out of the folder among them; --skip-unreadable"):
        images.load_folder(folder)
    assert len(images.load_folder(folder, skip_unreadable=True).whole) == 5


def test_a_file_name_cannot_write_control_characters_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\n\x1b[31mb.png").write_bytes(b"no image")
    with pytest.raises(DataError) as error:
        images.load_folder(tmp_path)
    assert str(error.value).isprintable()
