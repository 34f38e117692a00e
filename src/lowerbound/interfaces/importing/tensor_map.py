"""A mapping file: which tensors of another library's model are which of a model here, and what that is.

TOML, its tables ``recipe``, ``data`` and ``tensors``; docs/guide/coming-from.md has examples.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lowerbound.data.spec import DataSpec
from lowerbound.errors import RunError, nearest
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.likelihoods import OF_COUNTS
from lowerbound.recipes.recipe import Recipe
from lowerbound.system.arguments import is_number

#: by the layout of a library, and the number of a tensor's axes, these in torch's order: outputs, inputs, space
LAYOUTS: dict[str, dict[int, tuple[int, ...]]] = {
    "torch": {},
    "keras": {axes: (axes - 1, axes - 2, *range(axes - 2)) for axes in (2, 3, 4, 5)},
}
#: the keys of a mapping file, of its data, and of one tensor
KEYS, OF_DATA, OF_TENSOR = ("layout", "ignore", "recipe", "data", "tensors"), ("shape", "low", "high"), ("of", "shape", "axes", "times")


@dataclass(frozen=True)
class Taken:
    """One tensor of the other model: its name, the shape that it is seen in first, the order of its axes then, and what multiplies it."""

    of: str
    shape: tuple[int, ...] | None = None
    axes: tuple[int, ...] | None = None
    times: float = 1.0

    def __call__(self, tensor: Tensor, layout: Mapping[int, tuple[int, ...]]) -> Tensor:
        """The tensor as torch's layers have theirs. Errors: RunError where the shape or the axes are not its own."""
        try:
            found = tensor if self.shape is None else tensor.reshape(self.shape)
            axes = layout.get(found.dim()) if self.axes is None else self.axes
            return (found if axes is None else found.permute(axes)) * self.times
        except (RuntimeError, IndexError) as error:
            asked = " and ".join(f"{what} {value}" for what, value in (("shape", self.shape), ("axes", self.axes)) if value)
            raise RunError(f"'{self.of}' is of shape {tuple(tensor.shape)}, which the map's {asked} cannot be of") from error


@dataclass(frozen=True)
class TensorMap:
    """What a mapping file says: recipe, data, of each tensor here those that it is made of, patterns of names not to look at.

    ``names_data`` says whether the recipe names data, which its run is then evaluated with.
    """

    recipe: Recipe
    spec: DataSpec
    tensors: Mapping[str, tuple[Taken, ...]]
    layout: Mapping[int, tuple[int, ...]]
    ignore: tuple[str, ...] = ()
    names_data: bool = False

    @classmethod
    def read(cls, path: Path) -> TensorMap:
        """The map of a file. Errors: RunError for a file that is none; RecipeError for words that make no sense."""
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path} is no map of tensors (TOML): {getattr(error, 'strerror', None) or error}") from error
        for name in said:
            _must_be_known(path, name, KEYS)
        lacking = [name for name in ("data", "tensors") if not isinstance(said.get(name), dict)]
        if lacking:
            raise RunError(f"{path} has no [{lacking[0]}]: docs/guide/coming-from.md has examples")
        words = recipes.typed(_table(path, said, "recipe"), path)
        recipe = Recipe(**{"data": "imported", **words})
        layout = said.get("layout", "torch")
        _must_be_known(path, layout, LAYOUTS)
        tensors = {name: _parts(path, name, value) for name, value in said["tensors"].items()}
        ignore = said.get("ignore", [])
        if not (isinstance(ignore, list) and all(isinstance(pattern, str) for pattern in ignore)):
            raise RunError(f"{path}: ignore must be a list of names or patterns, as ['optimizer/*'], not {ignore!r}")
        return cls(recipe, _spec(path, said["data"], recipe), tensors, LAYOUTS[layout], tuple(ignore), "data" in words)


def _table(path: Path, said: dict[str, Any], name: str) -> dict[str, Any]:
    found = said.get(name, {})
    if not isinstance(found, dict):
        raise RunError(f"{path}: {name} must be a table, [{name}]")
    return found


def _must_be_known(path: Path, name: Any, known: Any) -> None:
    if name not in list(known):
        raise RunError(f"{path}: unknown word {name!r}{nearest(str(name), known)}")


def _spec(path: Path, said: dict[str, Any], recipe: Recipe) -> DataSpec:
    for name in said:
        _must_be_known(path, name, OF_DATA)
    low, high = said.get("low", 0.0), said.get("high", 1.0)
    if not (is_number(low) and is_number(high) and low < high):
        raise RunError(f"{path}: low and high, the range of the data, must be numbers, the second the larger")
    shape = _whole(path, "shape", said.get("shape"), 1)
    return DataSpec(shape, float(low), float(high), unit=1 if recipe.likelihood in OF_COUNTS else 255)


def _whole(path: Path, name: str, value: Any, least: int) -> tuple[int, ...]:
    if not (isinstance(value, list) and value and all(type(number) is int and number >= least for number in value)):
        raise RunError(f"{path}: {name} must be a list of whole numbers of {least} or more, as [1, 28, 28], not {value!r}")
    return tuple(value)


def _parts(path: Path, name: str, value: Any) -> tuple[Taken, ...]:
    return tuple(_taken(path, name, part) for part in (value if isinstance(value, list) else [value]))


def _taken(path: Path, name: str, value: Any) -> Taken:
    said = {"of": value} if isinstance(value, str) else value
    if not (isinstance(said, dict) and isinstance(said.get("of"), str)):
        raise RunError(f"{path}: '{name}' must be a name, a table with one, as {{of = 'dense/kernel'}}, or a list of these, not {value!r}")
    for key in said:
        _must_be_known(path, key, OF_TENSOR)
    times = said.get("times", 1.0)
    if not is_number(times):
        raise RunError(f"{path}: times of '{name}' must be a number, not {times!r}")
    shape, axes = (
        _whole(path, f"{key} of '{name}'", said[key], least) if key in said else None for key, least in (("shape", 1), ("axes", 0))
    )
    return Taken(said["of"], shape, axes, float(times))
