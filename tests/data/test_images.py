from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lowerbound import data
from lowerbound.data import images
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError
from lowerbound.system.quiet import quiet

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
    found = (255 * whole[0][0]).round().int().numpy()
    if mode == "1":  # dithered
        assert set(np.unique(found)) == {0, 255}
        assert abs(found.mean() - grey.mean()) < 20
    else:
        white = 255 / grey.max() if mode in ("I", "F") and grey.max() > 255 else 1
        assert np.abs(found - grey * white).max() <= 3  # CMYK and YCbCr are rounded


@pytest.mark.parametrize(
    ("values", "size", "limits", "expected", "note"),
    [
        ((0.25, 1.0), None, None, (0.25, 1.0), "floats up to 1; 1 is read as white"),
        ((0.25, 1.0), 2, None, (0.25, 1.0), "1 is read as white"),  # resized, and no brighter for it
        ((0.25, 1.0001), None, None, (0.25, 1.0), "1 is read as white"),
        ((51.0, 255.0), None, None, (0.2, 1.0), "255 is read as white"),
        ((-1.0, 1.0), None, "-1:1", (0.0, 1.0), None),
        ((np.uint16(13107), np.uint16(65535)), None, None, (0.2, 1.0), None),
        (
            (np.uint16(819), np.uint16(4095)),
            None,
            None,
            (819 / 65535, 4095 / 65535),
            "greatest value is 4095 where 65535 .* --range 0:4095",
        ),
        ((np.uint16(819), np.uint16(4095)), None, "0:4095", (0.2, 1.0), None),
        ((np.uint8(3), np.uint8(16)), None, None, (3 / 255, 16 / 255), "greatest value is 16 where 255 is read as white"),
        ((np.uint8(3), np.uint8(16)), 2, "0:16", (3 / 16, 1.0), None),
        ((np.int32(0), np.int32(70_000)), None, "0:70000", (0.0, 1.0), None),
    ],
    ids=str,
)
def test_deep_images_are_what_their_numbers_say(
    tmp_path: Path, values: tuple, size: int | None, limits: str | None, expected: tuple, note: str | None
) -> None:
    for name, value in zip("ab", values, strict=True):
        Image.fromarray(np.full((4, 4), value, getattr(value, "dtype", np.float32))).save(tmp_path / f"{name}.tif")
    splits = data.load(tmp_path, size=size, limits=limits)
    assert splits.whole[:][:, 0, 0, 0].tolist() == pytest.approx(expected, abs=1e-5)
    assert (len(splits.notes) == 0) == (note is None)
    assert note is None or re.search(note, splits.notes[0])


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "'b.tif' .* NaN"), (-2.0, "from -2 to 0.5; say which .* --range"), (1e6, "--range 0.5:1e\\+06")]
)
def test_numbers_that_can_be_no_grey_are_named(tmp_path: Path, value: float, message: str) -> None:
    for name, level in (("a", 0.5), ("b", value)):
        Image.fromarray(np.full((4, 4), level, np.float32)).save(tmp_path / f"{name}.tif")
    with pytest.raises(DataError, match=message):
        data.load(tmp_path)


def test_folders_named_as_parts_are_parts_and_the_classes_are_below(tmp_path: Path) -> None:
    for part, n in (("train", 6), ("val", 3), ("Test", 2)):
        for name in ("cats", "dogs"):
            for number in range(n):
                picture(tmp_path / part / name / f"{number}.png")
    splits = data.load(tmp_path)
    assert [len(part) for part in (splits.train, splits.test, *splits.validation())] == [12, 4, 12, 6]
    assert splits.train.classes == splits.test.classes == ("cats", "dogs")
    assert splits.test.labels.tolist() == [0, 0, 1, 1]
    assert splits.whole is None
    assert "train 12, validation 6, test 4" in splits.notes[-1]


def test_one_folder_above_all_is_no_class(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "all" / f"{number}.png")
    assert data.load(tmp_path).whole.labels is None


def test_masks_are_not_learned_from(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        picture(tmp_path / folder / "1.png")
    with pytest.raises(DataError, match="has images and masks, which are about them; give one"):
        data.load(tmp_path)
    assert len(data.load(tmp_path / "images").whole) == 1


def test_pages_are_images_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (10, 20, 250)]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.gif", save_all=True, append_images=pages[1:])
    (tmp_path / "labels.csv").write_text("a,b\n")
    (tmp_path / "README").write_text("")
    splits = data.load(tmp_path)
    assert splits.whole.array[:, 0, 0, 0].tolist() == [10, 20, 250, 10]
    assert splits.notes == ("2 later frames of animations left out", "2 files that are no images left out (1 without a suffix, 1 .csv)")


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
    assert len(images.load_folder(folder, Reading(skip_unreadable=True)).whole) == 5


def test_a_file_name_cannot_write_control_characters_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\n\x1b[31mb.png").write_bytes(b"no image")
    with pytest.raises(DataError) as error:
        images.load_folder(tmp_path)
    assert str(error.value).isprintable()


def test_colours_have_a_range_too(tmp_path: Path) -> None:
    for number, colour in enumerate([(3, 9, 1), (0, 15, 2)]):
        Image.new("RGB", (4, 4), colour).save(tmp_path / f"{number}.png")
    assert "greatest value is 15" in data.load(tmp_path).notes[0]
    assert data.load(tmp_path, limits="0:15").whole[:].amax((0, 2, 3)).tolist() == pytest.approx([0.2, 1.0, 2 / 15])


def test_a_test_part_may_have_no_classes(tmp_path: Path) -> None:
    for name in ("train/cats/1.png", "train/cats/2.png", "train/dogs/1.png", "test/1.png", "test/2.png"):
        picture(tmp_path / name)
    splits = data.load(tmp_path)
    assert splits.train.names == ["cats", "cats", "dogs"]
    assert splits.test.names == [None, None]


@pytest.mark.parametrize("stray", ["logo.png", "extra/1.png"])
def test_images_beside_the_parts_are_refused(tmp_path: Path, stray: str) -> None:
    for name in ("train/1.png", "train/2.png", "test/1.png", stray):
        picture(tmp_path / name)
    with pytest.raises(DataError, match="give the parts a folder of their own"):
        data.load(tmp_path)


def test_masks_within_parts_are_not_learned_from_either(tmp_path: Path) -> None:
    for name in ("train/images/1.png", "train/masks/1.png", "test/images/1.png", "test/masks/1.png"):
        picture(tmp_path / name)
    with pytest.raises(DataError, match="images and masks"):
        data.load(tmp_path)


def test_white_of_two_kinds_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "a.tif")
    Image.fromarray(np.full((4, 4), 65535, np.uint16)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match="of 16 bits and of floats"):
        data.load(tmp_path)
    assert data.load(tmp_path, limits="0:65535").whole[:].max() == 1
    Image.fromarray(np.full((4, 4), 128, np.uint8)).save(tmp_path / "b.png")
    assert data.load(tmp_path, color="rgb").whole[:][:, :, 0, 0].tolist() == [[0.5] * 3, pytest.approx([128 / 255] * 3)]


def test_what_a_library_of_c_prints_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"a library's own words\n")
    os.write(2, b"ours\n")
    assert capfd.readouterr().err == "ours\n"
