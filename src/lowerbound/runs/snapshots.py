"""What a training keeps in its folder, and how often: its newest two states and its best weights."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lowerbound.errors import OutputError, RunError, UsageError, reason
from lowerbound.recipes import checks
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.folder import remove, rename
from lowerbound.system.files import sync_folder
from lowerbound.training.loop import Record
from lowerbound.training.state import State

SAVE_AFTER = 5.0  # seconds of training at least between states kept at the ends of epochs
SAVE_WITHIN = 120.0  # seconds of training at most between states, also in the middle of an epoch


TERMS = ("bound", "log_likelihood_term", "kl")  # of a step's means


@dataclass
class Progress:
    """What a checkpoint keeps besides weights and optimiser.

    ``sums`` are those of bound, reconstruction term and KL over the ``rows`` of the epoch under way so far, of whose steps ``skipped``
    were left out; ``seconds`` is the time spent training, without scoring and saving. ``best`` is the best held-out bound of an epoch,
    with which epoch it was. ``faults`` says what stopped being finite, each with its step.
    """

    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    rows: int = 0
    seconds: float = 0.0
    best: tuple[float, int] | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    skipped: int = 0

    @classmethod
    def read(cls, words: dict[str, Any]) -> Progress:
        """What ``asdict`` made of one. Errors: TypeError, KeyError, ValueError, OverflowError for what is none."""
        faults, best = words.get("faults", []), words.get("best")  # which older states had not
        bound, epoch = (0.0, 0) if best is None else best
        sums, seconds, bound = [_number(value) for value in words["sums"]], _number(words["seconds"]), _number(bound)
        if len(sums) != 3 or not math.isfinite(seconds) or not math.isfinite(bound):
            raise ValueError(f"sums {sums!r}, seconds {seconds!r}, best {best!r}")
        skipped = words.get("skipped", 0)
        if not all(type(count) is int and count >= 0 for count in (words["rows"], epoch, skipped)):
            raise ValueError(f"rows {words['rows']!r}, best {best!r}, skipped {skipped!r}")
        if not all(type(fault["step"]) is int and type(fault["told"]) is str for fault in faults):
            raise ValueError(f"faults {faults!r}")
        return cls(sums, words["rows"], seconds, None if best is None else (bound, epoch), [*faults], skipped)


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{value!r} is no number")
    return float(value)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Every:
    """How often a state is kept: every so many steps, or so many seconds of training."""

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, word: str) -> Every:
        """``500`` steps, ``30s`` or ``5m``. Errors: UsageError."""
        found = re.fullmatch(r"([0-9]{1,6})([sm]?)", word)
        if found is None or int(found[1]) < 1:
            raise UsageError(f"cannot save every '{word}'; write a number of steps, 500, or a time, 30s or 5m")
        number, unit = int(found[1]), found[2]
        return cls(seconds=number * {"s": 1.0, "m": 60.0}[unit]) if unit else cls(steps=number)

    def is_due(self, step: int, seconds: float) -> bool:
        """After ``step`` steps, ``seconds`` since it was last kept."""
        return (self.steps is not None and step % self.steps == 0) or (self.seconds is not None and seconds >= self.seconds)


@dataclass(frozen=True)
class Snapshots:
    """The modules of a training and its state, which are saved and taken up together.

    ``every`` says how often; without it that is at the ends of epochs and each two minutes.
    """

    folder: Path
    model: nn.Module
    estimators: nn.Module
    average: nn.Module | None
    state: State
    every: Every | None = None

    def is_due(self, record: Record, seconds: float) -> bool:
        """Whether it is time to keep the state after this step, ``seconds`` of training since the last that was kept."""
        if self.every is not None:
            return self.every.is_due(record.step, seconds)
        return seconds > (SAVE_AFTER if record.ends_epoch else SAVE_WITHIN)

    def save(self, progress: Progress, recipe: dict[str, Any], best: dict[str, Tensor] | None) -> None:
        """The state, after the best weights where they are new; what was the newest becomes the one before. Errors: OutputError."""
        if best is not None:
            checkpoint.write(self.folder / layout.BEST, best, {})
        newest, before, coming = (self.folder / name for name in (layout.TRAINING, layout.BEFORE, layout.COMING))
        words = {**asdict(progress), "recipe": recipe}
        checkpoint.save_training(coming, self.model, self.estimators, self.state, words, self.average)
        try:
            if newest.exists():
                newest.replace(before)
            coming.replace(newest)
        except OSError as error:
            raise OutputError(f"cannot write {newest}: {reason(error)}") from error
        sync_folder(self.folder)

    def take_up(self, recipe: dict[str, Any]) -> tuple[Progress, str, str | None]:
        """Fill modules and state from the newest that is whole: progress, its file's name, and a note where the newest was not.

        Errors: RunError where none is, or it is of another recipe than these words.
        """
        name = layout.TRAINING
        if not (self.folder / name).exists() and (self.folder / layout.COMING).exists():
            name = layout.COMING  # killed between two names
        try:
            return self._read(name, recipe), name, None
        except RunError as error:
            try:
                progress = self._read(layout.BEFORE, recipe)
            except RunError:
                raise error from None
            return progress, layout.BEFORE, f"{error}; went on from the checkpoint before it, after step {self.state.step:,}"

    def settle(self, taken: str) -> None:
        """Let the newest be what was taken up, so that no damaged one takes the place of a whole one. Errors: OutputError."""
        if taken == layout.COMING:
            rename(self.folder / taken, self.folder / layout.TRAINING)
        if taken == layout.BEFORE:
            remove([self.folder / layout.TRAINING])

    def _read(self, name: str, recipe: dict[str, Any]) -> Progress:
        def accept(words: dict[str, Any]) -> None:
            must_be_unchanged(recipe, dict(words.get("recipe", {})), self.folder)

        path = self.folder / name
        words = checkpoint.load_training(path, self.model, self.estimators, self.state, self.average, accept)
        try:
            if self.state.seed != recipe["seed"]:
                raise ValueError(f"seed {self.state.seed}")
            return Progress.read(words)
        except (TypeError, KeyError, ValueError, IndexError, OverflowError) as error:
            raise RunError(f"{path} is no state of this training ({str(error)[:80]}); copy it anew from where it came") from error


def must_be_unchanged(now: dict[str, Any], then: dict[str, Any], folder: Path) -> None:
    """Raise RunError where a run's recipe says something else than when it began."""
    usual = {**Recipe().words(), **checks.own(now.get("likelihood"))}
    then = {word: usual[word] for word in now if word in usual} | then  # a run from before there was a word has what is usual
    changed = [word for word in now.keys() | then.keys() if word != "epochs" and now.get(word) != then.get(word)]
    if changed:
        word = min(changed)
        raise RunError(
            f"{folder / layout.RECIPE} was changed: {word} was {then.get(word)} and is {now.get(word)}; change it back, or train anew"
        )
