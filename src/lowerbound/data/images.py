"""A folder of images: of any size, mode and nesting; the first level of sub-folders, if any, gives the classes."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from lowerbound.data.dataset import Dataset, Splits
from lowerbound.errors import DataError, nearest, printable

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
DEEP = "F"  # the mode that keeps pixels of more than 16 bits until their white level is known
COLORS = {"grey": ("L",), "rgb": ("RGB",), "auto": ("L", "RGB")}


def load_folder(folder: Path, size: int | None = None, color: str = "auto", skip_unreadable: bool = False) -> Splits:
    """The images below ``folder`` as ``(N, C, H, W)`` uint8, in the order of their paths.

    ``size`` crops the centre square and resizes it to ``size`` × ``size``; without it all images must have the same
    size. ``color`` is grey, rgb or auto (grey if all are). Transparent images are put on white. Links that lead out of the folder are
    not followed. Errors: DataError where there are no images, sizes differ, or one is unreadable and is not to be skipped.
    """
    if color not in COLORS:
        raise DataError(f"unknown color '{color}'{nearest(color, COLORS)}")
    paths = _paths(folder)
    if not paths:
        raise DataError(f"{folder} has no IDX files and no images ({', '.join(sorted(SUFFIXES))})")
    inside = [path for path in paths if not _leads_out(path, folder)]
    array, kept, bad = _decode_all(inside, size, color) if inside else (np.empty(0), [], [])
    bad += sorted(set(paths) - set(inside))
    notes: tuple[str, ...] = ()
    if bad:
        names = ", ".join(repr(str(path.relative_to(folder)))[1:-1] for path in bad[:3]) + (", …" if len(bad) > 3 else "")
        if not (skip_unreadable and kept):
            advice = "" if skip_unreadable else "; --skip-unreadable leaves them out"
            links = "" if len(inside) == len(paths) else ", links that lead out of the folder among them"
            raise DataError(f"{len(bad):,} of {len(paths):,} images in {folder} cannot be read ({names}){links}{advice}")
        notes = (f"{len(bad):,} unreadable images skipped: {names}",)
    targets, classes = _labels(folder, kept)
    return Splits.of(Dataset(torch.from_numpy(array), targets, classes), notes)


def _paths(folder: Path) -> list[Path]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, f) for f in files if not f.startswith(".") and Path(f).suffix.lower() in SUFFIXES]
    return sorted(found)


def _leads_out(path: Path, folder: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(folder.resolve())


def _labels(folder: Path, paths: Sequence[Path]) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    parts = [path.relative_to(folder).parts for path in paths]
    if any(len(part) == 1 for part in parts):
        return None, ()
    folders = sorted({part[0] for part in parts})
    number = {name: i for i, name in enumerate(folders)}
    return torch.tensor([number[part[0]] for part in parts]), tuple(printable(name) for name in folders)


def _decode_all(paths: Sequence[Path], size: int | None, color: str) -> tuple[np.ndarray, list[Path], list[Path]]:
    """The images that can be read in one array ``(N, C, H, W)``, their paths, and the paths of the others."""
    modes = COLORS[color]
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:  # outside the threads: they share one list of filters
        warnings.simplefilter("ignore")  # of files that can be read nevertheless
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        images = list(pool.map(lambda path: _decode(path, size, modes), paths))
    kept = [path for path, image in zip(paths, images, strict=True) if image is not None]
    bad = [path for path, image in zip(paths, images, strict=True) if image is None]
    good = _shallow([image for image in images if image is not None])
    if not good:
        return np.empty((0,)), [], bad
    _same_size(kept, good)
    channels = max(image.shape[2] for image in good)
    array = np.empty((len(kept), channels, *good[0].shape[:2]), np.uint8)
    images.clear()
    for row in reversed(array):  # each image is freed once copied, so that all are in memory only once
        row[:] = good.pop().transpose(2, 0, 1)  # a grey image among colour ones is broadcast to three channels
    return array, kept, bad


def _same_size(paths: Sequence[Path], images: Sequence[np.ndarray]) -> None:
    sizes = Counter(image.shape[:2] for image in images)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        odd = next(i for i, image in enumerate(images) if image.shape[:2] != usual)
        h, w = images[odd].shape[:2]
        raise DataError(
            f"images of {len(sizes)} sizes: most are {usual[1]}×{usual[0]}, {paths[odd].name!r} is {w}×{h}; --size N crops and resizes all"
        )


def _decode(path: Path, size: int | None, modes: Sequence[str]) -> np.ndarray | None:
    """One image as ``(H, W, C)``: uint8, or float32 of still unknown white level if it has more than 16 bits; None if unreadable."""
    try:
        with Image.open(path) as file:
            image = _plain(ImageOps.exif_transpose(file))
    except Exception:  # damaged files make decoders raise any kind of exception
        return None
    if image.mode != DEEP:
        image = image.convert("L" if image.mode in ("1", "L") and "L" in modes else modes[-1])
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _plain(image: Image.Image) -> Image.Image:
    """The image without transparency; a palette of greys as grey; 16 bits reduced to 8; 32 bits as floats."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.mode in ("I", "F"):
        return image.convert(DEEP)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")
        return image.convert("L") if _is_grey(image) else image
    if image.mode == "P":
        image = image.convert("RGB")
        return image.convert("L") if _is_grey(image) else image
    return image


def _shallow(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Images of 32 bits reduced to 8, all by the same white level, the least of 1, 255 and 65535 that the brightest allows."""
    brightest = max((float(image.max()) for image in images if image.dtype != np.uint8), default=0.0)
    white = next((white for white in (1.0, 255.0) if brightest <= white), 65535.0)

    def eight(image: np.ndarray) -> np.ndarray:
        return image if image.dtype == np.uint8 else (image * (255 / white)).clip(0, 255).round().astype(np.uint8)

    return [eight(image) for image in images]


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool((pixels == pixels[..., :1]).all())
