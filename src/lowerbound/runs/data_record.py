"""What a run keeps of its data, ``data.json``, so that its model can be used without them and they are known again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lowerbound.data.dataset import Dataset, fingerprint_of
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec

#: types of numbers in files, "" where it is not known
STORED = frozenset({"", "bool", *(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64, 128))})

FORMAT = 1  # of the folder; counted up when an older program could not read it


@dataclass(frozen=True)
class DataRecord:
    """What the model knows of the data, how many there are of each part, a fingerprint of them all, and notes on how they were read."""

    spec: DataSpec
    train: int
    validation: int
    test: int
    fingerprint: str
    format: int = FORMAT
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(
        cls,
        train: Dataset,
        validation: Dataset,
        test: Dataset,
        labels: bool = False,
        schema: Schema | None = None,
        notes: tuple[str, ...] = (),
    ) -> DataRecord:
        """That of the data that a training uses; ``labels`` says whether it uses those too, ``schema`` what a table's columns are."""
        fingerprint = fingerprint_of(train, validation, test, labels=labels)
        return cls(DataSpec.of(train, test, schema), len(train), len(validation), len(test), fingerprint, notes=notes)

    @classmethod
    def read(cls, words: dict[str, Any]) -> DataRecord:
        """The record from what a file holds, but for the schema, which has a file of its own.

        Errors: TypeError, KeyError, ValueError for what it cannot be.
        """
        numbers = {name: int(words[name]) for name in ("train", "validation", "test", "format")}
        shape, classes = words["event_shape"], words["classes"]
        if not (isinstance(shape, list) and shape and all(type(side) is int and 0 < side < 10**9 for side in shape)):
            raise ValueError(f"event_shape {shape!r}")
        if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise ValueError(f"classes {classes!r}")
        low, high, holes = float(words["low"]), float(words["high"]), words.get("holes", False)  # which runs of before had not
        if not isinstance(holes, bool):
            raise ValueError(f"holes {holes!r}")
        unit, white = int(words.get("unit", 255)), words.get("white")
        if unit < 1:
            raise ValueError(f"unit {unit}")
        white = None if white is None else float(white)
        black, stored = float(words.get("black", 0.0)), words.get("stored", "")
        if stored not in STORED:
            raise ValueError(f"stored {stored!r}")
        variables = words.get("variables", [])
        if not (isinstance(variables, list) and all(isinstance(name, str) for name in variables)):
            raise ValueError("variables")
        spec = DataSpec(tuple(shape), low, high, tuple(classes), holes, None, unit, white, black, stored, tuple(variables))
        notes = words.get("notes", [])
        if not (isinstance(notes, list) and all(isinstance(note, str) for note in notes)):
            raise ValueError(f"notes {notes!r}")
        return cls(spec, fingerprint=str(words["fingerprint"]), notes=tuple(notes), **numbers)

    def words(self) -> dict[str, Any]:
        """What a file holds of it, but for the schema."""
        of_spec, own = asdict(self.spec), asdict(self)
        del of_spec["schema"], own["spec"]
        holes = of_spec.pop("holes")
        return {**of_spec, **own, "holes": holes}
