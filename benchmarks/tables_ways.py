"""How the holes of a table are filled in: by this project as a user would, and by what it is measured beside.

A method is a row of ``METHODS``: it takes a table with holes, a seed and an empty folder, and gives the values, NaN where it left a cell as
it was.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from peer_environment import TORCH, environment
from tables_data import Table

from lowerbound.errors import DataError
from lowerbound.runs import layout

PEERS = Path(__file__).parent / "peers"
DRAWS = 200
Values = Float[np.ndarray, "N D"]


@dataclass(frozen=True)
class Filled:
    """Values of all cells, and draws of them where a method has draws."""

    values: Values
    draws: Float[np.ndarray, "M N D"] | None = None


# --- what they have in common ------------------------------------------------------------------------


def usual(table: Table) -> Float[np.ndarray, " D"]:
    """Each column's mean, of a category the most frequent class."""
    means = np.nanmean(table.values, 0)
    for place, levels in enumerate(table.levels):
        if levels:
            there = table.values[:, place]
            means[place] = np.bincount(there[~np.isnan(there)].astype(int)).argmax()
    return means


def whole(table: Table, values: Values) -> Values:
    """The table's own values where it has them, then those given, then the usual ones."""
    filled = np.where(np.isnan(values), usual(table), values)
    return np.where(np.isnan(table.values), filled, table.values)


def coded(table: Table, values: Values) -> Values:
    """Numbers standardized by what is there, categories one-hot, NaN where a cell is missing."""
    mean, scale = np.nanmean(table.values, 0), np.nanstd(table.values, 0)
    parts = []
    for place, levels in enumerate(table.levels):
        column = values[:, place, None]
        one_hot = np.where(np.isnan(column), np.nan, column == np.arange(len(levels)))
        parts.append(one_hot if levels else (column - mean[place]) / (scale[place] or 1))
    return np.concatenate(parts, 1)


def decoded(table: Table, numbers: Float[np.ndarray, "N C"]) -> Values:
    """Values again: a category is the class whose column is largest."""
    mean, scale = np.nanmean(table.values, 0), np.nanstd(table.values, 0)
    parts = np.split(numbers, np.cumsum([len(levels) or 1 for levels in table.levels])[:-1], axis=1)
    columns = [part.argmax(1) if levels else part[:, 0] for part, levels in zip(parts, table.levels, strict=True)]
    return np.where(table.numbers, scale, 1) * np.stack(columns, 1) + np.where(table.numbers, mean, 0)


# --- those that are measured beside ------------------------------------------------------------------


def by_mean(table: Table, seed: int, folder: Path) -> Filled:
    """Each column's mean or most frequent class."""
    return Filled(whole(table, np.full_like(table.values, np.nan)))


def by_chain(table: Table, seed: int, folder: Path, *, rounds: int = 20) -> Filled:
    """Each column by a Bayesian ridge regression on the others, in turn: the equations of scikit-learn's IterativeImputer.

    Of a category each class has a regression, and the largest decides. Unlike there, no class predicts another of its category:
    they sum to one, so that each would be known from the others, and what they began with would never change.
    """
    from sklearn.linear_model import BayesianRidge

    def ridge(x: Values, y: Values, new: Values) -> Values:
        return np.stack([BayesianRidge().fit(x, column).predict(new) for column in y.T], 1)

    return in_turn(table, ridge, rounds)


def by_forest(table: Table, seed: int, folder: Path, *, rounds: int = 5) -> Filled:
    """Each column by 100 trees of a random forest on the others, in turn.

    Source: Stekhoven and Bühlmann, "MissForest", 2012, https://arxiv.org/abs/1105.0828.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    def forest(x: Values, y: Values, new: Values) -> Values:
        if y.shape[1] == 1:
            return RandomForestRegressor(random_state=seed).fit(x, y[:, 0]).predict(new)[:, None]
        return np.eye(y.shape[1])[RandomForestClassifier(random_state=seed).fit(x, y.argmax(1)).predict(new)]

    return in_turn(table, forest, rounds)


def in_turn(table: Table, predicted: Callable[[Values, Values, Values], Values], rounds: int) -> Filled:
    """Holes begin as means; then each column is predicted from all others, those with the fewest holes first."""
    given, holes = coded(table, table.values), np.isnan(table.values)
    codes = np.where(np.isnan(given), np.nanmean(given, 0), given)
    owner = np.repeat(np.arange(len(table.levels)), [len(levels) or 1 for levels in table.levels])
    places = [place for place in holes.sum(0).argsort(kind="stable") if holes[:, place].any()]
    for _ in range(rounds):
        for place in places:
            missing, own = holes[:, place], owner == place
            others = codes[:, ~own]
            codes[np.ix_(missing, own)] = predicted(others[~missing], codes[np.ix_(~missing, own)], others[missing])
    return Filled(whole(table, decoded(table, codes)))


def by_miceforest(table: Table, seed: int, folder: Path) -> Filled:
    """miceforest 6.0.5, with the last LightGBM that it runs with."""
    python = environment("miceforest", ("miceforest==6.0.5", "lightgbm==4.5.0"))
    return Filled(whole(table, by_peer(python, "miceforest_peer.py", table.values, table, seed, folder)))


def by_hyperimpute(table: Table, seed: int, folder: Path) -> Filled:
    """hyperimpute 0.1.17's MIWAE with its own settings, on what the chain is given."""
    needs = ("scikit-learn", "pandas<3", "numpy", "optuna", "loguru==0.6.0", "xgboost", "lightgbm", "catboost", "cloudpickle", "geomloss")
    python = environment("hyperimpute", (TORCH, *needs, "redis", "pydantic"), ("hyperimpute==0.1.17", "miracle-imputation"))
    found = by_peer(python, "hyperimpute_peer.py", coded(table, table.values), table, seed, folder)
    return Filled(whole(table, decoded(table, found)))


def by_peer(python: Path, script: str, values: np.ndarray, table: Table, seed: int, folder: Path) -> np.ndarray:
    """The array that a process in an environment of its own makes of one with holes."""
    np.savez(folder / "given.npz", values=values, classes=[len(levels) for levels in table.levels])
    command = [python, "-W", "ignore", PEERS / script, folder / "given.npz", folder / "filled.npy", str(seed)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return np.load(folder / "filled.npy")


# --- this project ------------------------------------------------------------------------------------


def by_lowerbound(table: Table, seed: int, folder: Path, *, words: tuple[str, ...] = ("--recipe", "miwae"), draws: int = DRAWS) -> Filled:
    """``lowerbound train`` and ``lowerbound impute`` of a CSV file, and nothing that the commands do not say."""
    given, filled = folder / "given.csv", folder / "filled.csv"
    table.write(given)
    command("train", given, *words, "--seed", seed, "--out", folder / "run")
    if not (folder / "run" / layout.RESULT).exists():
        raise KeyboardInterrupt  # a training that is stopped ends well, and this is to end with it
    command("impute", folder / "run", given, "--draws", draws, "-o", filled)
    several = [table.read(folder / f"filled-{number}.csv") for number in range(1, draws + 1)]
    return Filled(table.read(filled), np.stack(several))


def command(*words: object) -> None:
    """A command, in this process. Errors: DataError with what it said, where it fails."""
    from lowerbound.interfaces.cli import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main([str(word) for word in words])
    if code:
        raise DataError(f"lowerbound {words[0]} ended with {code}: {said.getvalue().strip().splitlines()[-1]}")


OURS, DIRECTED = "lowerbound", "lowerbound, self:high"
SELF_HIGH = ("--recipe", "miwae", "--missingness", "self:high", "--epochs", "60")
METHODS: dict[str, Callable[[Table, int, Path], Filled]] = {
    OURS: by_lowerbound,
    DIRECTED: partial(by_lowerbound, words=SELF_HIGH),
    "mean": by_mean,
    "chain": by_chain,
    "forest": by_forest,
    "miceforest": by_miceforest,
    "hyperimpute": by_hyperimpute,
}


def methods(epochs: int | None) -> dict[str, Callable[[Table, int, Path], Filled]]:
    """All of them, this project with other than the recipe's epochs where wanted."""
    if epochs is None:
        return METHODS
    return METHODS | {OURS: partial(by_lowerbound, words=("--recipe", "miwae", "--epochs", str(epochs)))}
