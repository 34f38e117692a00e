"""A folder of images: of any size, mode and nesting; the first level of sub-folders, if any, gives the classes."""

from __future__ import annotations

import io
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, ImageSequence

from lowerbound.data import folders
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.meaning import DARK, PIXEL, dark
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError, nearest
from lowerbound.system.quiet import quiet

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
#: whose pages are images of their own; of an animation the first frame is
STACKS = frozenset({".tif", ".tiff"})
DEEP = "F"  # the mode that keeps pixels of more than 8 bits until their white level is known
COLORS = {"grey": ("L",), "rgb": ("RGB",), "auto": ("L", "RGB")}
#: white levels of images in floats, of which the least that the brightest pixel allows is taken
WHITES = (1.0, 255.0, 65535.0)
#: the type of an image's numbers by the white that it says
STORED = {255.0: "uint8", 65535.0: "uint16"}
#: where an image says how the camera was held
HELD = frozenset({"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"})
#: bytes of a file below which it is small, and of how many files the size is looked at
SMALL, SAMPLE = 2**14, 100
#: how far rounding may lead beyond white
ROUNDING = 1e-3
#: names of folders of what is no image to learn from but says something of those beside it
MASKS = frozenset({"mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "label", "labels"})


@dataclass(frozen=True)
class Picture:
    """An image ``(H, W, C)``, uint8 or, with more than 8 bits, float32; its extremes before it was resized, and the white of its type."""

    pixels: np.ndarray
    low: float = 0.0
    high: float = 255.0
    white: float | None = 255.0


def load_folder(folder: Path, how: Reading = Reading()) -> Splits:  # noqa: B008 - it cannot be changed
    """The images below ``folder`` as ``(N, C, H, W)``, uint8 or with more than 8 bits float32 in [0, 1], in the order of their paths.

    Of ``how``, ``size`` crops the centre square and resizes it to ``size`` × ``size``; without it all images must have the same
    size. ``color`` is grey, rgb or auto (grey if all are). ``limits`` are the numbers that are black and white; without it those of the
    type, of floats ``white`` or, without it, 1, 255 or 65535, as the brightest allows. Transparent images are put on white. Folders
    ``train``, ``val`` and ``test`` are the parts, those below them the classes. Links that lead out of the folder are not followed.
    Errors: DataError where there are no images, sizes differ, or one is unreadable and is not to be skipped.
    """
    paths, others = folders.files(folder, SUFFIXES)
    if not paths:
        raise DataError(f"{folder} has no IDX files and no images ({', '.join(sorted(SUFFIXES))})")
    _must_be_images(folder, paths)
    inside = [(path, path) for path in paths if not _leads_out(path, folder)]
    found = _decode_all(folder, inside, how) if inside else Decoded(np.empty(0), [], [], ())
    kept, bad, notes = found.kept, found.bad, found.notes
    bad += sorted(set(paths) - {path for path, _ in inside})
    if bad:
        names = ", ".join(repr(str(path.relative_to(folder)))[1:-1] for path in bad[:3]) + (", …" if len(bad) > 3 else "")
        if not (how.skip_unreadable and kept):
            advice = "" if how.skip_unreadable else "; --skip-unreadable leaves them out"
            links = "" if len(inside) == len(paths) else ", links that lead out of the folder among them"
            raise DataError(f"{len(bad):,} of {len(paths):,} images in {folder} cannot be read ({names}){links}{advice}")
        notes = (*notes, f"{len(bad):,} unreadable images skipped: {names}")
    notes = (*notes, *folders.left_out(others, "images"))
    return folders.splits(folder, found.dataset, kept, notes)


def is_stack(path: Path) -> bool:
    """Whether it is a file of pages."""
    return path.suffix.lower() in STACKS and path.is_file()


def load_stack(path: Path, how: Reading) -> Splits:
    """The pages of a file, as ``load_folder`` has them. Errors: DataError."""
    return decoded(path, [(path, path)], how)


def decoded(source: Path, files: Sequence[File], how: Reading) -> Splits:
    """The images of some files in a source that is no folder; none of them may be unreadable, as its labels are by row."""
    found = _decode_all(source, files, how)
    if found.bad or not len(found.array):
        which = found.bad[0] if found.bad else "none is there"
        raise DataError(f"{len(found.bad):,} of {len(files):,} images in {source} cannot be read ({which})")
    return Splits.of(found.dataset, found.notes)


def _must_be_images(folder: Path, paths: Sequence[Path]) -> None:
    """Raise DataError for images beside their masks, which are no images of the same kind."""
    below = [path.relative_to(folder).parts[:-1] for path in paths]
    below = [parts[1:] if parts and parts[0].lower() in folders.PARTS else parts for parts in below]
    tops = {parts[0] for parts in below if parts}
    masks = sorted(name for name in tops if name.lower() in MASKS)
    if masks and len(tops) > 1:
        rest = sorted(tops - set(masks))
        raise DataError(f"{folder} has {', '.join(rest)} and {', '.join(masks)}, which are about them; give one of the folders alone")


def _leads_out(path: Path, folder: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(folder.resolve())


#: what an image is called, and where it is
File = tuple[Path, Path | io.BytesIO]


@dataclass(frozen=True)
class Decoded:
    """Images in one array ``(N, C, H, W)``, the path of each, the paths of those that cannot be read, and notes.

    ``white`` and ``black`` are the numbers that were read as 1 and 0 where the type does not say it, ``stored`` is that type.
    """

    array: np.ndarray
    kept: list[Path]
    bad: list[Path]
    notes: tuple[str, ...]
    white: float | None = None
    black: float = 0.0
    stored: str = ""

    @property
    def dataset(self) -> Dataset:
        """The images as data without labels."""
        return Dataset(torch.from_numpy(self.array), white=self.white, black=self.black, stored=self.stored)


def _decode_all(folder: Path, files: Sequence[File], how: Reading) -> Decoded:
    """All images that can be read. Errors: DataError for an unknown colour, several sizes, or pixels that can be no greys."""
    if how.color not in COLORS:
        raise DataError(f"unknown color '{how.color}'{nearest(how.color, COLORS)}")
    modes = COLORS[how.color]
    decode = partial(_decode, size=how.size, modes=modes)
    of_tiff = any(path.suffix.lower() in STACKS for path, _ in files)  # whose library prints what is wrong
    with quiet() if of_tiff else nullcontext(), warnings.catch_warnings():  # outside the threads: they share one list of filters
        warnings.simplefilter("ignore")  # of files that can be read nevertheless
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if _are_small(files):
            read = list(map(decode, files))
        else:
            with ThreadPoolExecutor() as pool:
                read = list(pool.map(decode, files))
    paths = [path for path, _ in files]
    bad = [path for path, found in zip(paths, read, strict=True) if found is None]
    kept = [path for path, found in zip(paths, read, strict=True) if found is not None for _ in found[0]]
    pictures = [picture for found in read if found is not None for picture in found[0]]
    frames = sum(found[1] for found in read if found is not None)
    notes = (f"{frames:,} later frames of animations left out",) if frames else ()
    read.clear()
    if not pictures:
        return Decoded(np.empty((0,)), [], bad, notes)
    black, white, more = _levels(folder, kept, pictures, how)
    _same_size(kept, [picture.pixels for picture in pictures])
    deep = any(picture.pixels.dtype != np.uint8 for picture in pictures) or (black, white) != (0.0, 255.0)
    stored = STORED.get(max((picture.white or math.inf for picture in pictures), default=math.inf), "float32")
    channels = max(picture.pixels.shape[2] for picture in pictures)
    array = np.empty((len(kept), channels, *pictures[0].pixels.shape[:2]), np.float32 if deep else np.uint8)
    for row in reversed(array):  # each image is freed once copied, so that all are in memory only once
        picture = pictures.pop()
        pixels = picture.pixels
        if deep:
            low, high = (0.0, 255.0) if picture.white == PIXEL and how.limits is None else (black, white)
            pixels = ((pixels.astype(np.float64) - low) / (high - low)).clip(0, 1)
        row[:] = pixels.transpose(2, 0, 1)  # a grey image among colour ones is broadcast to three channels
    return Decoded(array, kept, bad, (*notes, *more), white if deep else None, black, stored)


def _are_small(files: Sequence[File]) -> bool:
    """Whether files are so small that threads would wait for one another longer than they decode."""
    some = [path for path, content in files[:: max(1, len(files) // SAMPLE)] if content is path and path.is_file()]
    return bool(some) and sum(path.stat().st_size for path in some) < SMALL * len(some)


def _levels(folder: Path, paths: Sequence[Path], pictures: Sequence[Picture], how: Reading) -> tuple[float, float, tuple[str, ...]]:
    """The numbers that are black and white in images of more than 8 bits, the same for all, and a note on how they were found."""
    odd = next((path for path, one in zip(paths, pictures, strict=True) if not np.isfinite([one.low, one.high]).all()), None)
    if odd is not None:
        raise DataError(f"{odd.name!r} in {folder} has pixels that are NaN or infinite; mend it or leave it out")
    low, high = min(one.low for one in pictures), max(one.high for one in pictures)
    limits, known = how.limits, how.white
    if limits is not None:
        if low < limits.low or high > limits.high:
            raise DataError(f"{folder}: pixels go from {low:g} to {high:g}, outside the range {limits}; give a wider one")
        return limits.low, limits.high, ()
    deep = [one for one in pictures if one.white != PIXEL]
    if not deep:
        return 0.0, float(PIXEL), dark(folder, high, float(PIXEL)) if high < DARK * PIXEL else ()
    low, high = min(one.low for one in deep), max(one.high for one in deep)
    if low < 0:
        raise DataError(f"{folder}: pixels go from {low:g} to {high:g}; say which are black and white with --range {low:g}:{high:g}")
    if known is not None:
        if high > known * (1 + ROUNDING):
            raise DataError(f"{folder}: pixels go up to {high:g}, and the white of this run's data is {known:g}; bring them to its range")
        return 0.0, known, dark(folder, high, known) if high < DARK * known else ()
    types = {one.white for one in deep}
    if len(types) > 1:
        raise DataError(
            f"{folder} has images of 16 bits and of floats; give those of one kind, or say with --range what is black and white"
        )
    of_type = next(iter(types))
    if of_type is not None:
        return 0.0, of_type, dark(folder, high, of_type) if high < DARK * of_type else ()
    white = next((white for white in WHITES if high <= white * (1 + ROUNDING)), None)
    if white is None:
        raise DataError(f"{folder}: pixels go from {low:g} to {high:g}; say which are black and white with --range {low:g}:{high:g}")
    return 0.0, white, (f"{folder}: pixels are floats up to {high:g}; {white:g} is read as white; --range LOW:HIGH says otherwise",)


def _same_size(paths: Sequence[Path], images: Sequence[np.ndarray]) -> None:
    sizes = Counter(image.shape[:2] for image in images)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        odd = next(i for i, image in enumerate(images) if image.shape[:2] != usual)
        h, w = images[odd].shape[:2]
        raise DataError(
            f"images of {len(sizes)} sizes: most are {usual[1]}×{usual[0]}, {paths[odd].name!r} is {w}×{h}; --size N crops and resizes all"
        )


def _decode(file: File, size: int | None, modes: Sequence[str]) -> tuple[list[Picture], int] | None:
    """The images of a file, and how many frames of an animation are left out; None if it is unreadable."""
    path, content = file
    try:
        with Image.open(io.BytesIO(path.read_bytes()) if content is path else content) as image:
            frames = getattr(image, "n_frames", 1)
            if path.suffix.lower() not in STACKS:
                return [_picture(image, size, modes)], frames - 1
            return [_picture(page, size, modes) for page in ImageSequence.Iterator(image)], 0
    except Exception:  # damaged files make decoders raise any kind of exception
        return None


def _picture(file: Image.Image, size: int | None, modes: Sequence[str]) -> Picture:
    """One image: uint8, or float32 if it has more than 8 bits."""
    file.load()  # what says how it was held may come after its pixels
    image, white = _plain(ImageOps.exif_transpose(file) if HELD & file.info.keys() else file)
    if white == PIXEL:
        mode = "L" if image.mode in ("1", "L") and "L" in modes else modes[-1]
        image = image if image.mode == mode else image.convert(mode)
    whole = np.asarray(image)
    low, high = float(whole.min()), float(whole.max())
    pixels = whole if size is None else np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return Picture(pixels if "L" in modes or pixels.shape[2] > 1 else pixels.repeat(3, 2), low, high, white)


def _plain(image: Image.Image) -> tuple[Image.Image, float | None]:
    """The image without transparency, a palette of greys as grey, more than 8 bits as floats; and the white of its type, if it has one."""
    if image.mode.startswith("I;16"):
        signed = "S" in image.mode
        return Image.fromarray(np.asarray(image).astype(np.float32)), None if signed else 65535.0
    if image.mode in ("I", "F"):
        return image.convert(DEEP), None
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    else:
        return image, float(PIXEL)
    return (image.convert("L") if _is_grey(image) else image), float(PIXEL)


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool((pixels == pixels[..., :1]).all())
