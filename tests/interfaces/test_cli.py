"""The command line as a user meets it: every verb, its JSON, its errors in one line, and Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lowerbound.data.named import NAMED
from lowerbound.figures.table import FIGURES as DRAWN
from lowerbound.interfaces.cli import main
from lowerbound.interfaces.cli.parser import FIGURES, VERBS, parse
from lowerbound.interfaces.machine import QUESTIONS
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.system import machine as measured
from lowerbound.system.compiled.capture import LIBRARY
from lowerbound.system.products import PRODUCTS

#: of evaluation.json since version 0.1.0
KEYS = [
    "rows",
    "log_likelihood",
    "active_units",
    "latent",
    "posterior_mean_variance",
    "kl_per_dimension",
    "mutual_information",
    "aggregate_gap",
    "aggregated",
    "reconstruction_error",
    "findings",
    "note",
    "samples",
    "ess",
    "ess_least",
    "bits_per_dim",
    "bound",
    "bound_se",
    "rate",
    "distortion",
    "curve",
    "histogram",
]
COMMAND = [sys.executable, "-m", "lowerbound"]


@pytest.fixture
def run(digits_run: runs.Run) -> str:
    return str(digits_run.folder)


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    """What the verb says with --json: one object, alone."""
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line on stderr of a command that fails as it should."""
    assert main([*map(str, words)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1, printed.err
    assert printed.err.startswith("lowerbound: ")
    return printed.err


# --- training --------------------------------------------------------------------------------------


def test_train_says_what_was_promised(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = answer(capsys, "train", "digits", "--epochs", 2, "--latent", 3, "--seed", 4, "--out", tmp_path / "r")
    assert found["run"] == str(tmp_path / "r")
    assert found["test"].keys() >= {"bound", "log_likelihood_term", "kl", "bits_per_dim"}
    assert found["test"]["bound"] == pytest.approx(found["test"]["log_likelihood_term"] - found["test"]["kl"], abs=1e-4)
    assert found["seconds"] > 0
    assert found["images_per_second"] > 0
    recipe = runs.load(tmp_path / "r").recipe
    assert (recipe.epochs, recipe.latent, recipe.seed) == (2, 3, 4)


def test_train_speaks_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["train", "digits", "--epochs", "2", "--out", str(tmp_path / "r")]) == 0
    printed = capsys.readouterr()
    assert "epoch 2/2  bound -" in printed.err
    assert "examples/s" in printed.err
    assert printed.out.splitlines()[-1] == f"report: {tmp_path / 'r' / 'report.html'}"


def test_a_recipe_repeats_a_run_and_typed_words_win(capsys: pytest.CaptureFixture[str], digits_run: runs.Run, tmp_path: Path) -> None:
    recipe = digits_run.folder / layout.RECIPE
    answer(capsys, "train", "--recipe", recipe, "--out", tmp_path / "same")
    assert (tmp_path / "same" / layout.WEIGHTS).read_bytes() == (digits_run.folder / layout.WEIGHTS).read_bytes()
    answer(capsys, "train", "--recipe", recipe, "--epochs", 1, "--likelihood", "gaussian", "--out", tmp_path / "shorter")
    assert runs.load(tmp_path / "shorter").recipe.epochs == 1


def test_resume_extends(capsys: pytest.CaptureFixture[str], digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    assert answer(capsys, "resume", folder, "--epochs", 4)["epochs"] == 4


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_saves_and_can_be_resumed_to_the_same_bits(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "r"
    words = ["train", "digits", "--epochs", "12", "--latent", "2", "--network", "mlp:64"]
    child = subprocess.Popen([*COMMAND, *words, "--out", str(folder), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / layout.METRICS).is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    found = json.loads(out)
    assert found["interrupted"]
    assert 0 < found["step"] < 12 * 12
    assert "Traceback" not in err
    assert main(["sample", str(folder), "-o", str(tmp_path / "s.npy")]) == 0
    assert main(["resume", str(folder)]) == 0
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    assert (folder / layout.WEIGHTS).read_bytes() == (tmp_path / "whole" / layout.WEIGHTS).read_bytes()


# --- using a run -----------------------------------------------------------------------------------


def test_sample(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path) -> None:
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        answer(capsys, "sample", run, "--n", 9, "--seed", seed, "-o", tmp_path / f"{name}.npy")
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert a.shape == (9, 1, 8, 8)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    answer(capsys, "sample", run, "--n", 9, "-o", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == image.height
    answer(capsys, "sample", run, "-n", 9, "--draw", "-o", tmp_path / "d.npy")
    assert set(np.unique(np.load(tmp_path / "d.npy"))) == {0, 255}  # as the data have them


def test_reconstruct(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path) -> None:
    found = answer(capsys, "reconstruct", run, "digits", "--n", 5, "-o", tmp_path / "r.npy")
    assert np.load(tmp_path / "r.npy").shape == (5, 1, 8, 8)
    assert 0 < found["mean_squared_error"] < 0.2
    answer(capsys, "reconstruct", run, "digits", "--n", 5, "-o", tmp_path / "r.png")


def test_encode_and_decode_are_compression_and_reconstruction(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path) -> None:
    assert answer(capsys, "encode", run, "digits", "-o", tmp_path / "z.npz")["n"] == 1797
    with np.load(tmp_path / "z.npz", allow_pickle=False) as found:
        assert found["latents"].shape == (1797, 2)
        assert found["labels"][:10].tolist() == list(range(10)), "rows in their order"
        assert found["classes"].tolist() == [str(i) for i in range(10)]
    answer(capsys, "decode", run, tmp_path / "z.npz", "-o", tmp_path / "x.npy")
    answer(capsys, "reconstruct", run, "digits", "--split", "all", "--n", 1797, "-o", tmp_path / "r.npy")
    assert np.allclose(np.load(tmp_path / "x.npy"), np.load(tmp_path / "r.npy"), atol=1e-6)
    answer(capsys, "encode", run, "digits", "--split", "test", "--draw", "-o", tmp_path / "t.npy")
    assert np.load(tmp_path / "t.npy").shape == (179, 2)


def test_interpolate(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path) -> None:
    answer(capsys, "interpolate", run, "digits", "--between", 3, 17, "--n", 7, "-o", tmp_path / "p.npy")
    answer(capsys, "reconstruct", run, "digits", "--n", 18, "-o", tmp_path / "r.npy")
    path, ends = np.load(tmp_path / "p.npy"), np.load(tmp_path / "r.npy")
    assert path.shape == (7, 1, 8, 8)
    assert np.allclose(path[[0, -1]], ends[[3, 17]], atol=1e-5)
    answer(capsys, "interpolate", run, "digits", "--between", 3, 17, "-o", tmp_path / "p.png")


@pytest.mark.parametrize("figure", FIGURES)
def test_plot(capsys: pytest.CaptureFixture[str], run_for: Callable[[str], runs.Run], tmp_path: Path, figure: str) -> None:
    capsys.readouterr()  # what its evaluation said
    path = tmp_path / ("f.gif" if figure == "traversal" else "f.png")
    assert answer(capsys, "plot", run_for(figure).folder, figure, "-o", path)["output"] == str(path)
    assert path.stat().st_size > 1000


def test_the_help_names_the_figures_that_there_are() -> None:
    assert set(FIGURES) == set(DRAWN)


def test_show_says_what_is_faster_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(measured, "TURNS", 1)
    measured.choice.cache_clear()
    found = answer(capsys, "show", "--machine")
    assert found["torch"] == torch.__version__
    assert {asked.title for asked in QUESTIONS} - set(found["chosen"]) <= {LIBRARY.title}  # of processors that round
    assert found["chosen"][PRODUCTS.title]["milliseconds"]["float32"] > 0
    assert main(["show", "--machine"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n{asked.title}: " in text for asked in QUESTIONS if asked is not LIBRARY)
    measured.choice.cache_clear()


def test_show_and_data(capsys: pytest.CaptureFixture[str], run: str) -> None:
    found = answer(capsys, "show", run)
    assert found["recipe"]["latent"] == 2
    assert found["weights"] == 64 * 512 + 512 + 512 * 4 + 4 + 2 * 512 + 512 + 512 * 64 + 64
    assert found["result"]["test"]["rows"] == 179
    assert {row["name"] for row in answer(capsys, "data")["data"]} == set(NAMED)
    assert answer(capsys, "recipes")["recipes"]["iwae"]["words"]["objective"] == "iwae:5"
    for words in (["show", run], ["data"]):
        assert main(words) == 0
        assert "digits" in capsys.readouterr().out


def test_a_run_takes_data_of_other_sources(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (1, 8, 8), np.uint8)
    np.save(tmp_path / "one.npy", values)
    assert answer(capsys, "encode", run, tmp_path / "one.npy", "-o", tmp_path / "z.npy")["n"] == 1
    (tmp_path / "folder").mkdir()
    Image.fromarray(values[0]).convert("RGB").save(tmp_path / "folder" / "a.png")
    answer(capsys, "encode", run, tmp_path / "folder", "-o", tmp_path / "y.npy")
    assert np.allclose(np.load(tmp_path / "z.npy"), np.load(tmp_path / "y.npy"), atol=1e-6)


# --- mistakes --------------------------------------------------------------------------------------

MISTAKES = [
    ("smaple", "unknown verb 'smaple'; did you mean 'sample'"),
    ("train mnits", "did you mean 'mnist'"),
    ("train digits --epoch 3", "unknown option '--epoch' of train; did you mean '--epochs'"),
    ("--foo show RUN", "unknown option '--foo'"),
    ("interpolate RUN digits --n 1 -o s.png", "must be at least 2"),
    ("train digits --device meta", "the device 'meta' is not available"),
    ("encode RUN RANGE.npy -o s.npz", "the run's from 0 to 1"),
    ("train digits more", "does not know what to do with 'more'"),
    ("train digits --epochs three", "invalid int value: 'three'"),
    ("train digits --latent 0", "latent must be at least 1"),
    ("train digits --likelihood gaussian --scale 0", "scale, the σ of the likelihood, must be a positive number"),
    ("train digits --likelihood gaussian --scale -1", "must be a positive number"),
    ("train digits --likelihood gausian", "did you mean 'gaussian'"),
    ("train digits --network mpl", "did you mean 'mlp'"),
    ("train digits --validation 99999", "ask for fewer"),
    ("train digits --device gpu9", "the device 'gpu9' is not available"),
    ("train EMPTY", "has no IDX files and no images"),
    ("train MISSING/x.npy", "no data set, file or folder is called"),
    ("train digits --recipe MISSING", "no file and no recipe is called"),
    ("train digits --out RUN", "holds a run already"),
    ("train digits --out EMPTY/file/r", "cannot create the folder"),
    ("resume EMPTY", "is no run"),
    ("resume RUN", "already has its 3 epochs"),
    ("sample MISSING -o s.png", "is no run"),
    ("sample RUN", "required: -o/--output"),
    ("sample RUN -o s.jpg", "name the output FILE.png or FILE.npy"),
    ("sample RUN -o MISSING/s.png", "does not exist; create it first"),
    ("sample RUN --n 0 -o s.png", "must be at least 1"),
    ("sample RUN --n 99999999999999999999 -o s.png", "at most 1,000,000"),
    ("train digits --latent 1000000000000", "latent must be at most 1,000,000"),
    ("train digits --network mlp:99999999999", "is not understood"),
    ("train " + "a" * 300, "that name is too long"),
    ("show a\x1b[31mb", "a\\x1b[31mb is no run"),
    ("reconstruct RUN digits --n 99999 -o s.png", "there are only 179 examples"),
    ("reconstruct RUN digits --split tset -o s.png", "unknown split 'tset'; did you mean 'test'"),
    ("interpolate RUN digits --between 0 99999 -o s.png", "there is no row 99999"),
    ("decode RUN BAD.npy -o s.png", "and this model decodes (N, 2)"),
    ("encode RUN BAD.npy -o s.npz", "this run's model is for (1, 8, 8)"),
    ("complete RUN digits -o s.png", "required: --missing"),
    ("complete RUN digits --missing lft -o s.png", "did you mean 'left'"),
    ("complete RUN digits --missing left --method gibs -o s.png", "did you mean 'gibbs'"),
    ("complete RUN digits --missing left --rows 99999 -o s.png", "there are only 179 examples"),
    ("complete RUN digits --missing left -n 9 --samples 8 -o s.png", "9 completions need as many samples"),
    ("complete RUN digits --missing nan -o s.png", "nothing is missing"),
    ("complete RUN digits --missing left -o s.npy", "name the output FILE.png or FILE.npz"),
    ("complete RUN digits --missing BAD.npy -o s.png", "mark the values of one example, or of each"),
    ("plot RUN manyfold", "did you mean 'manifold'"),
    ("plot RUN scatter -o s.gif", "scatter is written as .png"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_gets_one_line(
    capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "EMPTY" / "file").write_text("")
    np.save(tmp_path / "BAD.npy", np.zeros((4, 7)))
    np.save(tmp_path / "RANGE.npy", np.full((4, 8, 8), 7.0))
    before = sorted(tmp_path.rglob("*"))
    assert message in complaint(capsys, *(run if word == "RUN" else word for word in line.split()))
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left half-written"


def test_a_damaged_run_gets_one_line(capsys: pytest.CaptureFixture[str], digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    content = bytearray((folder / layout.WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / layout.WEIGHTS).write_bytes(content)
    assert "its checksum does not match" in complaint(capsys, "sample", folder, "-o", tmp_path / "s.png")


# --- the program itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert f"usage: lowerbound {verb}" in capsys.readouterr().out


def test_every_verb_takes_json(capsys: pytest.CaptureFixture[str]) -> None:
    for name, verb in VERBS.items():
        assert callable(getattr(import_module(f"lowerbound.interfaces.cli.{verb.module}"), verb.function))
        with pytest.raises(SystemExit):
            parse([name, "--help"])
        assert "--json" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from lowerbound.interfaces.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'sklearn', 'rich', 'PIL', 'numba', 'scipy', 'pyarrow', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.strip() == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("lowerbound 0.")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    child = subprocess.Popen([*COMMAND, "data", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    child.stdout.close()
    child.stdout = None
    assert b"Traceback" not in child.communicate(timeout=60)[1]
    assert child.returncode == 141


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.long)])
def test_a_terminal_without_the_letters_gets_escapes(encoding: str) -> None:
    for words in (["--help"], ["data"]):
        done = subprocess.run([*COMMAND, *words], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


# --- evaluating --------------------------------------------------------------------------------------


def test_a_posterior_without_a_density_has_no_bound_to_tell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("--posterior", "dirac", "--objective", "reconstruction", "--likelihood", "gaussian", "--epochs", 1, "--latent", 2)
    assert answer(capsys, "train", "digits", *words, "--out", tmp_path / "r")["test"]["bound"] is None
    assert main(["show", str(tmp_path / "r")]) == 0
    assert "test bound – nats" in capsys.readouterr().out
    assert answer(capsys, "evaluate", tmp_path / "r")["log_likelihood"] is None


def test_evaluate_says_what_was_promised(capsys: pytest.CaptureFixture[str], digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    found = answer(capsys, "evaluate", folder, "--samples", 200)
    assert found["log_likelihood"].keys() == {"mean", "se_data", "se_samples", "bias"}
    assert found.keys() == {"run", "seed", "density", "scored", "notes", *KEYS}
    assert found.keys() >= {"ess", "bound", "rate", "distortion", "bits_per_dim", "active_units"}
    assert found["bound"] < found["log_likelihood"]["mean"] < 0
    assert found["bound"] == pytest.approx(digits_run.result()["test"]["bound"], abs=1.5)
    assert json.loads((folder / layout.EVALUATION).read_text()) == found
    assert {path.name for path in (folder / layout.FIGURES).iterdir()} >= {"density.png", "dimensions.png"}
    assert main(["evaluate", str(folder), "--samples", "20"]) == 0
    printed = capsys.readouterr().out
    assert "log p(x)" in printed
    assert "no problems found" in printed or "found: " in printed
    assert "Pixels are binarized" in printed


def test_other_data_are_evaluated_and_not_kept(capsys: pytest.CaptureFixture[str], digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((20, 8, 8)).astype("float32"))
    strange = answer(capsys, "evaluate", folder, tmp_path / "a.npy", "--samples", 50, "--split", "all")
    assert strange["rows"] == 20
    assert not (folder / layout.EVALUATION).exists()
    assert strange["log_likelihood"]["mean"] < answer(capsys, "evaluate", folder, "--samples", 50)["log_likelihood"]["mean"] - 10


def test_grey_pixels_are_told_to_be_no_density(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    answer(capsys, "train", "digits", "--epochs", 1, "--pixels", "grey", "--out", tmp_path / "r")
    assert "Grey pixels are kept" in answer(capsys, "evaluate", tmp_path / "r", "--samples", 20)["note"]


@pytest.mark.parametrize("kind", ["csv", pytest.param("parquet", marks=pytest.mark.long)])
def test_score_writes_a_row_for_each_example(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"s.{kind}"
    found = answer(capsys, "score", run, "digits", "--split", "test", "--samples", 50, "--regret", "-o", path)
    assert found["columns"] == ["row", "label", "log_p", "log_p_se", "ess", "elbo", "regret"]
    if kind == "csv":
        names, *rows = [line.split(",") for line in path.read_text().splitlines()]
        log_p = [float(row[2]) for row in rows]
    else:
        table = pytest.importorskip("pyarrow.parquet").read_table(path)
        names, log_p = table.column_names, table["log_p"].to_pylist()
    assert names == found["columns"]
    assert len(log_p) == found["n"] == 179
    assert float(np.mean(log_p)) == pytest.approx(found["mean"], rel=1e-5)


def test_bad_evaluations_are_one_line(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path) -> None:
    assert "must be at least 1" in complaint(capsys, "evaluate", run, "--samples", 0)
    assert "must be at least 1" in complaint(capsys, "evaluate", run, "--memory", 0)
    assert "FILE.parquet or FILE.csv" in complaint(capsys, "score", run, "digits", "-o", tmp_path / "s.txt")
    assert "create it first" in complaint(capsys, "score", "no-run-is-read", "-o", tmp_path / "none" / "s.csv")
    np.save(tmp_path / "a.npy", np.zeros((5, 9, 9), "uint8"))
    assert "give data of that shape" in complaint(capsys, "evaluate", run, tmp_path / "a.npy")
    assert "unknown split" in complaint(capsys, "evaluate", run, "--split", "tets")


# --- runs that are given labels -----------------------------------------------------------------------


@pytest.fixture
def by_class(by_class_run: runs.Run) -> str:
    return str(by_class_run.folder)


def test_a_run_given_labels_is_asked_for_a_class(by_class: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "styles" in {path.stem for path in (Path(by_class) / layout.FIGURES).iterdir()}
    answer(capsys, "sample", by_class, "--label", 7, "--n", 5, "-o", tmp_path / "7.npy")
    answer(capsys, "sample", by_class, "--n", 20, "-o", tmp_path / "all.npy")
    sevens, every = np.load(tmp_path / "7.npy"), np.load(tmp_path / "all.npy")
    assert sevens.shape == (5, 1, 8, 8)
    assert np.square(sevens - every[7]).mean() < np.square(sevens - every[0]).mean(), "classes come in turn"
    plain = answer(capsys, "reconstruct", by_class, "--n", 30, "-o", tmp_path / "r.npy")
    other = answer(capsys, "reconstruct", by_class, "--n", 30, "--as-label", 3, "-o", tmp_path / "r.npy")
    assert plain["mean_squared_error"] < other["mean_squared_error"]
    answer(capsys, "encode", by_class, "-o", tmp_path / "z.npz")
    answer(capsys, "decode", by_class, tmp_path / "z.npz", "-o", tmp_path / "own.npy")
    answer(capsys, "decode", by_class, tmp_path / "z.npz", "--label", 4, "-o", tmp_path / "four.npy")
    own, four = np.load(tmp_path / "own.npy"), np.load(tmp_path / "four.npy")
    same = np.load(tmp_path / "z.npz")["labels"] == 4
    assert np.allclose(own[same], four[same], atol=1e-6)
    assert not np.allclose(own[~same], four[~same], atol=1e-2)
    answer(capsys, "interpolate", by_class, "-o", tmp_path / "i.png")


def test_labels_that_cannot_be_given(by_class: str, run: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = ["-o", tmp_path / "x.npy"]
    assert "no class '12'" in complaint(capsys, "sample", by_class, "--label", 12, *output)
    assert "not given labels" in complaint(capsys, "sample", run, "--label", 7, *output)
    assert "not given labels" in complaint(capsys, "reconstruct", run, "--as-label", 7, *output)
    assert "not given labels" in complaint(capsys, "plot", run, "styles")
    assert "plot styles" in complaint(capsys, "plot", by_class, "manifold")
    assert "compare runs that are not" in complaint(capsys, "compare", run, by_class)
    assert "without a context" in complaint(capsys, "lab", "evidence", by_class, "-o", tmp_path / "e.png")
    x = np.random.default_rng(0).random((40, 8, 8))
    np.save(tmp_path / "bare.npy", x)
    np.savez(tmp_path / "one.npz", x=x, labels=np.zeros(40, int))
    np.savez(tmp_path / "strange.npz", x=x, labels=np.arange(40))
    assert "no labels" in complaint(capsys, "encode", by_class, tmp_path / "bare.npy", *output)
    assert "class '10' of these data is not one" in complaint(capsys, "encode", by_class, tmp_path / "strange.npz", *output)
    for source, message in (("bare.npy", "no labels"), ("one.npz", "all labels of these data are the same")):
        assert message in complaint(capsys, "train", tmp_path / source, "--given", "label", "--batch", 16, "--out", tmp_path / "r")
    assert "add --given label" in complaint(capsys, "train", "digits", "--prior", "given-context", "--out", tmp_path / "r")
    np.save(tmp_path / "z.npy", np.zeros((3, 2), np.float32))
    assert "say which with --label" in complaint(capsys, "decode", by_class, tmp_path / "z.npy", *output)
    assert not (tmp_path / "r").exists()
