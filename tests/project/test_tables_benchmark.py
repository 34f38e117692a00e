"""``make tables``: what is hidden and how it is scored, by hand; methods where the right answer is known; what is measured again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import tables
import tables_data
import tables_page
import tables_ways
from tables import Job, done, scores
from tables_data import RANDOM, SELF, Table, first_half, hidden
from tables_ways import DIRECTED, OURS, Filled

from lowerbound.errors import DataError

NAN = np.nan
JOB = Job("Boston", RANDOM, 0, OURS)


def made(tmp_path: Path, text: str) -> Table:
    path = tmp_path / "made.csv"
    path.write_text(text, encoding="utf-8")
    return tables_data.of(path)


def of_numbers(values: np.ndarray) -> Table:
    cells = [["" if np.isnan(value) else repr(float(value)) for value in row] for row in values]
    return Table(tuple(f"x{place}" for place in range(values.shape[1])), cells, ((),) * values.shape[1], values)


def correlated(rows: int = 300) -> np.ndarray:
    chance = np.random.default_rng(3)
    return chance.normal(size=(rows, 2)) @ chance.normal(size=(2, 5)) + 0.3 * chance.normal(size=(rows, 5))


@pytest.fixture
def people(tmp_path: Path) -> Table:
    return made(tmp_path, "age,sex,town\n1.50,f,a\n2,m,\n,f,c\n9,f,a\n")


# --- the table, and what is hidden of it -------------------------------------------------------------


def test_texts_and_two_values_are_classes_and_cells_may_be_missing(people: Table, tmp_path: Path) -> None:
    assert people.levels == ((), ("f", "m"), ("a", "c"))
    assert np.array_equal(people.values, [[1.5, 0, 0], [2, 1, NAN], [NAN, 0, 1], [9, 0, 0]], equal_nan=True)
    people.without(np.eye(4, 3, dtype=bool)).write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").split() == ["age,sex,town", ",f,a", "2,,", ",f,", "9,f,a"]
    assert np.array_equal(people.read(tmp_path / "out.csv"), people.without(np.eye(4, 3, dtype=bool)).values, equal_nan=True)


def test_cells_at_random_are_two_in_five_others_for_each_mask_and_never_missing_ones() -> None:
    values = correlated(2_000)
    values[:, 0] = NAN
    table = of_numbers(values)
    masks = [hidden("one", table, RANDOM, mask) for mask in (0, 0, 1)]
    assert not masks[0][:, 0].any()
    assert masks[0][:, 1:].mean() == pytest.approx(0.4, abs=0.02)  # 8,000 cells: four standard errors
    assert np.array_equal(masks[0], masks[1])
    assert (masks[0] & masks[2])[:, 1:].mean() == pytest.approx(0.16, abs=0.02)


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_self_masked_are_the_cells_above_the_mean_in_half_of_the_columns_of_numbers(columns: int) -> None:
    values = correlated()[:, :columns]
    table = Table(("c", *"vwxyz"[:columns]), [], (("a", "b"), *((),) * columns), np.column_stack([np.arange(300) % 2, values]))
    mask = hidden("one", table, SELF, 0)
    chosen = mask.any(0)
    assert chosen.sum() == max(1, columns // 2)
    assert not chosen[0]
    assert np.array_equal(mask, (table.values > table.values.mean(0)) & chosen)


def test_as_published_the_first_half_of_the_columns_is_masked() -> None:
    table = of_numbers(np.array([[1.0, 1, 9, 9, 9], [3, 9, 1, 1, 1], [2, 2, 5, 5, 5]]))
    assert first_half(table, np.random.default_rng()).tolist() == [[False] * 5, [True, True, False, False, False], [False] * 5]


# --- scores ------------------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    """σ of the number is 2; errors of 1 and 3, one of two classes right, one of two numbers within its draws' 2.5%–97.5%."""
    table = Table(
        ("x", "c"), [["1", "a"], ["5", "b"], ["1", "a"], ["5", "b"]], ((), ("a", "b")), np.array([[1.0, 0], [5, 1], [1, 0], [5, 1]])
    )
    mask = np.array([[True, True], [True, True], [False, False], [False, False]])
    filled = np.array([[2.0, 0], [2, 0], [77, 1], [77, 0]])  # what was there is not scored
    draws = np.linspace(0, 4.9, 200)[:, None, None] * np.ones((4, 2))
    found = scores(table, mask, Filled(filled, draws))
    assert found == {
        "numbers": 2,
        "categories": 2,
        "rmse": round(np.sqrt((0.5**2 + 1.5**2) / 2), 4),
        "accuracy": 0.5,
        "coverage": 0.5,
        "left empty": 0,
    }


def test_a_cell_left_empty_counts_as_the_mean_or_the_most_frequent_class() -> None:
    table = Table(("x", "c"), [["", ""]] * 4, ((), ("a", "b")), np.array([[1.0, 1], [5, 1], [3, 1], [7, 0]]))
    mask = np.array([[False, False], [False, True], [False, False], [True, True]])
    found = scores(table, mask, Filled(np.full((4, 2), NAN)))
    assert (found["rmse"], found["accuracy"], found["left empty"]) == (round(4 / 5**0.5, 4), 0.5, 3)


# --- methods -----------------------------------------------------------------------------------------


def test_codes_and_back_are_the_table(people: Table) -> None:
    whole = people.values.copy()
    whole[[1, 2], [2, 0]] = 1, 4
    assert np.allclose(tables_ways.decoded(people, tables_ways.coded(people, whole)), whole)
    assert tables_ways.coded(people, people.values).shape == (4, 5)


def test_the_chain_is_scikit_learns_where_all_columns_are_numbers(tmp_path: Path) -> None:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - which lets the next line be
    from sklearn.impute import IterativeImputer

    values = correlated()
    table = of_numbers(np.where(np.random.default_rng(0).random(values.shape) < 0.3, NAN, values))
    ours = tables_ways.by_chain(table, 0, tmp_path, rounds=3).values
    with pytest.warns(match="[Ee]arly stopping"):
        theirs = IterativeImputer(max_iter=3, tol=0).fit_transform(tables_ways.coded(table, table.values))
    assert np.allclose(ours, tables_ways.decoded(table, theirs), atol=1e-6)


@pytest.mark.parametrize("method", ["chain", "forest"])
def test_a_class_that_a_number_decides_is_found(method: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    number = chance.permutation(np.repeat([-1.0, 0.0, 1.0], 50)) + 0.01 * chance.normal(size=150)
    truth = np.column_stack([number, np.round(number) + 1])
    values = truth.copy()
    values[::3, 1] = NAN
    if method == "chain":  # linear: of three classes the middle one has no linear score, and so is made of two
        truth, values = truth[truth[:, 1] != 1] // [1, 2], values[truth[:, 1] != 1]
        values[:, 1] //= 2
    table = Table(("x", "c"), [], ((), ("a", "b", "c")[: int(np.nanmax(values[:, 1])) + 1]), values)
    way = {"chain": tables_ways.by_chain, "forest": tables_ways.by_forest}[method]
    assert np.array_equal(way(table, 0, tmp_path, rounds=1).values[:, 1], truth[:, 1])


@pytest.mark.long
def test_this_project_goes_through_files_and_leaves_what_is_there(tmp_path: Path) -> None:
    values = correlated(100).round(2)
    holed = of_numbers(np.where(np.random.default_rng(0).random(values.shape) < 0.3, NAN, values))
    found = tables_ways.by_lowerbound(holed, 0, tmp_path, words=("--recipe", "miwae", "--epochs", "2", "--network", "mlp:8"), draws=3)
    assert found.draws.shape == (3, 100, 5)
    there = ~np.isnan(holed.values)
    assert np.array_equal(found.values[there], values[there])
    assert not np.isnan(found.values).any()
    assert (found.draws[0] != found.draws[1])[~there].any()


def test_a_training_that_was_stopped_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_ways, "command", lambda *words: None)
    with pytest.raises(KeyboardInterrupt):
        tables_ways.by_lowerbound(tables_data.Table(("a",), [["1"]], ((),), np.ones((1, 1))), 0, tmp_path)


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(DataError, match=r"lowerbound train ended with 2: .*epochs"):
        tables_ways.command("train", "--epochs", "many")


# --- results -----------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again_but_this_project_by_other_code() -> None:
    entry = {"rmse": 1.0, "code": "a", "epochs": None}
    assert done(entry, JOB, "a", None)
    assert not done(entry, JOB, "b", None)
    assert not done(entry, JOB, "a", 3)
    assert done(entry, JOB._replace(method="chain"), "b", 3)
    assert not done(None, JOB, "a", None)
    assert not done({**entry, "failed": "so"}, JOB._replace(method="chain"), "a", None)


def test_the_first_mask_of_all_tables_comes_first() -> None:
    found = list(tables.jobs(2, ["mean", OURS], [*tables_data.TABLES, "yeast"]))
    assert len(found) == 2 * 2 * (2 * 12 + 1)
    assert [job.mask for job in found] == [0] * 50 + [1] * 50


def test_goals_are_counted_over_the_masks_that_both_have() -> None:
    def entries(ours: tuple[float, float], best: float) -> tables_page.Entries:
        found = {JOB._replace(mask=mask).key: {"rmse": rmse} for mask, rmse in enumerate(ours)}
        return found | {JOB._replace(method="forest").key: {"rmse": best}, JOB._replace(table="Auto").key: {"rmse": 0.5}}

    line = tables_page.GOALS[0].line
    auto = JOB._replace(table="Auto", method="chain").key
    assert "| 2 of 2 | open |" in line(entries((0.6, 0.7), 0.9) | {auto: {"rmse": 0.49}})
    assert "| 1 of 2; not on Auto | open |" in line(entries((0.6, 0.7), 0.595) | {auto: {"rmse": 0.48}})
    assert "| 0 of 2; not on Auto, Boston | missed |" in line(
        entries((0.6, 0.7), 0.58) | {auto: {"rmse": 0.48}}
    )  # .65 by all, .6 on its mask
    other_mask = {JOB._replace(mask=2, method="forest").key: {"rmse": 0.1}}
    assert "| 2 of 2 | open |" in line(entries((0.6, 0.7), 0.9) | {auto: {"rmse": 0.49}} | other_mask)
    assert tables_page.cell([0.5, 0.7], "rmse") == "0.600 ± 0.100"
    twelve = {JOB._replace(table=table, method=method).key: {"rmse": 0.5} for table in tables_data.TABLES for method in (OURS, "mean")}
    assert "| 12 of 12 | met |" in line(twelve)


needs_results = pytest.mark.skipif(not tables.RESULT.exists(), reason="make tables has not begun")


@needs_results
def test_the_page_is_made_of_the_results_of_one_code() -> None:
    found = json.loads(tables.RESULT.read_text(encoding="utf-8"))
    assert tables_page.DOCS.read_text(encoding="utf-8") == tables_page.document(found)
    assert len({entry["code"] for key, entry in found.items() if key.endswith((f" / {OURS}", f" / {DIRECTED}"))}) == 1
    assert {entry["epochs"] for entry in found.values()} == {None}
