"""Runs that classify: calibration against closed forms, the verb, what an evaluation says of them, their figures; labels nobody knows."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import answer, complaint
from conftest import trained
from matplotlib.colors import to_rgb

import lowerbound as lb
from lowerbound.data import UNKNOWN, Splits
from lowerbound.errors import DataError, RunError
from lowerbound.evaluation import calibration
from lowerbound.evaluation.calibration import BINS, UNCALIBRATED, Calibration
from lowerbound.figures import charts, compare, report, table
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment

# --- closed forms --------------------------------------------------------------------------------------


def drawn(n: int, classes: int = 5, spread: float = 2.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """log q of n data and labels drawn from it: q is calibrated."""
    torch.manual_seed(seed)
    log_q = (spread * torch.randn(n, classes, dtype=torch.float64)).log_softmax(1)
    return log_q, torch.distributions.Categorical(logits=log_q).sample()


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_of_scaled_logits_is_their_factor(factor: float) -> None:
    log_q, labels = drawn(20_000)
    own = calibration.temperature(log_q, labels)
    assert own == pytest.approx(1.0, abs=0.03)
    assert calibration.temperature((factor * log_q).log_softmax(1), labels) == pytest.approx(factor * own, rel=1e-6)


def test_the_temperature_is_where_the_likelihood_is_greatest() -> None:
    log_q, labels = drawn(400)
    log_q = 3 * log_q
    best = calibration.temperature(log_q, labels)
    losses = [calibration.classification(log_q, labels, Calibration(t)).negative_log_likelihood for t in (best / 1.01, best, 1.01 * best)]
    assert losses[1] < min(losses[0], losses[2])


def test_two_classes_of_one_confidence_have_a_temperature_in_closed_form() -> None:
    """All predicted with confidence .9, of which 3 in 4 are right: σ(logit(.9)/T) = 3/4."""
    log_q = torch.tensor([[0.9, 0.1]], dtype=torch.float64).log().expand(100, 2)
    labels = (torch.arange(100) % 4 == 0).long()
    assert calibration.temperature(log_q, labels) == pytest.approx(math.log(9) / math.log(3), rel=1e-9)
    found = calibration.classification(log_q, labels, Calibration(calibration.temperature(log_q, labels), 100))
    assert found.calibration_error_uncalibrated == pytest.approx(0.15)
    assert found.calibration_error == pytest.approx(0, abs=1e-9)
    assert found.negative_log_likelihood == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert (found.accuracy, found.accuracy_se) == (0.75, pytest.approx(math.sqrt(0.75 * 0.25 / 100)))
    assert found.confusion == [[75, 0], [25, 0]]


def test_a_classifier_that_draws_its_labels_is_calibrated_within_sampling_error() -> None:
    n = 30_000
    log_q, labels = drawn(n)
    confidence = log_q.exp().amax(1)
    bins = calibration.reliability(log_q, labels)
    # each bin's gap is about normal with variance mean p(1 − p)/n_b; the error is the mean over data of its size
    noise = math.sqrt(2 / math.pi) * float((bins.counts * bins.confidence * (1 - bins.confidence)).sqrt().nansum()) / n
    assert bins.error < 2 * noise
    assert int(bins.counts.sum()) == n
    assert float((bins.counts * bins.confidence).nansum() / n) == pytest.approx(float(confidence.mean()))
    assert calibration.reliability((3 * log_q).log_softmax(1), labels).error > 10 * noise


def test_bins_are_of_equal_width_and_hold_their_upper_ends() -> None:
    confidence = torch.tensor([0.6, 0.61, 1.0], dtype=torch.float64)  # 9/15, in the ninth bin
    log_q = torch.stack([confidence, 1 - confidence], 1).clamp(min=1e-300).log()
    bins = calibration.reliability(log_q, torch.tensor([0, 1, 0]))
    assert bins.counts.nonzero()[:, 0].tolist() == [8, 9, BINS - 1]
    assert bins.accuracy[bins.counts > 0].tolist() == [1, 0, 1]
    assert bins.error == pytest.approx((0.4 + 0.61 + 0) / 3)


def test_certain_classes_cost_no_infinity() -> None:
    """Logits whose probabilities are 0 and 1 in single precision."""
    logits = torch.tensor([[300.0, 0, -300], [-300, 300, 0], [0, 300, -300], [300, 0, 0]])
    assert set(logits.softmax(1).flatten().tolist()) == {0.0, 1.0}
    log_q, labels = logits.log_softmax(1).double(), torch.tensor([0, 1, 2, 0])  # one is wrong, by 600 nats
    found = calibration.classification(log_q, labels, Calibration(calibration.temperature(log_q, labels), 4))
    assert found.negative_log_likelihood < 2
    assert calibration.classification(log_q, labels).negative_log_likelihood == pytest.approx(150)
    assert all(math.isfinite(value) for value in vars(found).values() if isinstance(value, float))


def test_unknown_labels_are_left_out() -> None:
    log_q, labels = drawn(200)
    hidden = labels.where(torch.arange(200) < 90, UNKNOWN)
    known = calibration.classification(log_q[:90], labels[:90])
    assert calibration.classification(log_q, hidden) == known
    assert calibration.temperature(log_q, hidden) == calibration.temperature(log_q[:90], labels[:90])
    assert torch.equal(calibration.reliability(log_q, hidden).counts, calibration.reliability(log_q[:90], labels[:90]).counts)
    assert sum(map(sum, known.confusion)) == known.labels == 90
    assert [sum(row) for row in known.confusion] == labels[:90].bincount(minlength=5).tolist()
    assert calibration.classification(log_q, torch.full((200,), UNKNOWN)) is None
    assert calibration.classification(log_q, None) is None
    with pytest.raises(DataError, match="bring labels"):
        calibration.temperature(log_q, torch.full((200,), UNKNOWN))
    with pytest.raises(DataError, match="classes 0 to 4"):
        calibration.classification(log_q, labels + 1)


# --- a run ---------------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_its_temperature_is_of_the_validation_labels_and_as_repeatable_as_its_weights(classifier_run: runs.Run, tmp_path: Path) -> None:
    run, (_, validation) = classifier_run, classifier_run.read().validation()
    found = run.calibration()
    assert found.calibrated_on == len(validation) == 161
    assert found.temperature == calibration.temperature(calibration.log_probabilities(run.vae, validation), validation.labels) != 1
    assert run.result()["classifier"] == {"temperature": found.temperature, "calibrated_on": 161}
    first = Experiment.begin(run.recipe, tmp_path / "r", device="cpu")
    list(islice(first.train(), 17))
    first.save()
    first.close()
    assert runs.load(tmp_path / "r").calibration() == UNCALIBRATED, "of a run that is not at its end"
    again = Experiment.resume(tmp_path / "r", device="cpu")
    list(again.train())
    again.finish()
    assert (tmp_path / "r" / layout.WEIGHTS).read_bytes() == (run.folder / layout.WEIGHTS).read_bytes()
    same = {key: again.run.result()[key] for key in ("test", "classifier", "notes")}
    assert same == {key: run.result()[key] for key in same}


def test_too_few_labels_teach_no_temperature(classifier_run: runs.Run) -> None:
    vae, (_, validation) = classifier_run.vae, classifier_run.read().validation()
    predicted = vae.log_classify(validation[:]).argmax(1)
    wrong = (predicted != validation.labels).nonzero()[:1, 0]
    few = torch.cat([wrong, (predicted == validation.labels).nonzero()[: calibration.LEAST - 1, 0]])
    assert calibration.calibrate(vae, validation.view(few)).calibrated_on == calibration.LEAST
    for data in (validation.view(few[1:]), validation.view(few[:0]), validation[:]):
        assert calibration.calibrate(vae, data) == UNCALIBRATED
    right = validation.view((predicted == validation.labels).nonzero()[:, 0])
    assert len(right) > calibration.LEAST
    assert calibration.calibrate(vae, right) == UNCALIBRATED, "no mistake says how sure to be"


def test_a_damaged_temperature_is_told(classifier_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(classifier_run.folder, tmp_path / "r")
    result = classifier_run.result()
    for bad in ({"temperature": 0, "calibrated_on": 3}, {"temperature": 1.0}, {"temperature": None, "calibrated_on": 3}, [1]):
        (folder / layout.RESULT).write_text(json.dumps({**result, "classifier": bad}))
        with pytest.raises(RunError, match=r"result\.json is damaged"):
            runs.load(folder).calibration()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_classify_writes_a_row_for_each_example(
    classifier_run: runs.Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"labels.{kind}"
    found = answer(capsys, "classify", classifier_run.folder, "--split", "test", "-o", path)
    names = [str(i) for i in range(10)]
    assert found["columns"] == ["row", "label", "probability", *(f"p_{name}" for name in names), "true"]
    rows = rows_of(path) if kind == "csv" else pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    assert list(rows[0]) == found["columns"]
    data = classifier_run.read().test
    expected = calibration.scaled(calibration.log_probabilities(classifier_run.vae, data), found["temperature"]).exp()
    assert torch.allclose(torch.tensor([[float(row[f"p_{name}"]) for name in names] for row in rows], dtype=torch.float64), expected)
    assert [row["label"] for row in rows] == [names[i] for i in expected.argmax(1)]
    assert [float(row["probability"]) for row in rows] == expected.amax(1).tolist()
    assert [row["true"] for row in rows] == data.names
    right = sum(row["true"] == row["label"] for row in rows) / len(rows)
    assert (found["n"], found["labels"], found["accuracy"]) == (179, 179, pytest.approx(right))
    assert found["accuracy"] == classifier_run.evaluation().to_json()["classifier"]["accuracy"]


def test_what_was_told_can_be_learned_from(classifier_run: runs.Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["classify", str(classifier_run.folder), "-o", str(tmp_path / "labels.csv")]) == 0
    assert "some of these examples were trained on" in capsys.readouterr().out
    predicted = [row["label"] for row in rows_of(tmp_path / "labels.csv")]
    words = ("--semi-supervised", "m1", "--labels", tmp_path / "labels.csv", "--epochs", 1, "--network", "mlp:8")
    answer(capsys, "train", "digits", *words, "--out", tmp_path / "r")
    assert runs.load(tmp_path / "r").read().whole.names == predicted


def test_which_data_were_trained_on_goes_by_the_split(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Not by how many there are. The run is not at its end, and says so of its temperature."""
    images = np.random.default_rng(0).integers(0, 255, (40, 4, 4)).astype(np.uint8)
    labels = np.arange(20) % 2
    np.savez(tmp_path / "d.npz", x_train=images[:20], y_train=labels, x_test=images[20:], y_test=labels)
    np.savez(tmp_path / "one.npz", x=images[:1], y=labels[:1])
    recipe = Recipe(data=str(tmp_path / "d.npz"), semi_supervised="m2", labels="4", network="mlp:4", batch=4)
    Experiment.begin(recipe, tmp_path / "r", device="cpu")
    for split, seen in (("train", True), ("test", False)):
        assert main(["classify", str(tmp_path / "r"), "--split", split, "-o", str(tmp_path / "l.csv")]) == 0
        printed = capsys.readouterr().out
        assert ("some of these examples were trained on" in printed) is seen
        assert "learned at the end of training" in printed
    assert main(["classify", str(tmp_path / "r"), str(tmp_path / "one.npz"), "-o", str(tmp_path / "l.csv")]) == 0
    assert "± – on 1 known labels" in capsys.readouterr().out, "one example says nothing of how far an accuracy is to be believed"
    assert answer(capsys, "classify", tmp_path / "r", tmp_path / "one.npz", "-o", tmp_path / "l.csv")["accuracy_se"] is None


def test_data_without_labels_are_classified(classifier_run: runs.Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "bare.npy", classifier_run.read().test[:][:, 0].numpy())
    found = answer(capsys, "classify", classifier_run.folder, tmp_path / "bare.npy", "-o", tmp_path / "l.csv")
    assert (found["n"], found["labels"], found["accuracy"]) == (179, 0, None)
    assert "true" not in found["columns"]
    assert "no label of these data is known" in complaint(capsys, "plot", classifier_run.folder, "confusion", tmp_path / "bare.npy")
    assert "classifier" not in answer(capsys, "evaluate", classifier_run.folder, tmp_path / "bare.npy", "--samples", 5)


def test_what_is_refused(classifier_run: runs.Run, digits_run: runs.Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (["classify", digits_run.folder, "-o", tmp_path / "l.csv"], *(["plot", digits_run.folder, f] for f in NEW)):
        assert "train one that does with --semi-supervised m2 --labels N" in complaint(capsys, *words)
    assert "FILE.parquet or FILE.csv" in complaint(capsys, "classify", classifier_run.folder, "-o", tmp_path / "l.txt")
    np.savez(tmp_path / "strange.npz", x=classifier_run.read().test[:12].numpy(), y=np.arange(12))
    for verb in (["classify", "-o", tmp_path / "l.csv"], ["evaluate"]):
        assert "use data with those, or without labels" in complaint(capsys, *verb, classifier_run.folder, tmp_path / "strange.npz")
    assert not (tmp_path / "l.csv").exists()


# --- its evaluation --------------------------------------------------------------------------------------

NEW = ("confusion", "calibration")


def test_an_evaluation_says_how_classes_are_told(classifier_run: runs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    found, calibrated = classifier_run.evaluation().to_json()["classifier"], classifier_run.calibration()
    data = classifier_run.read().test
    log_q = calibration.log_probabilities(classifier_run.vae, data)
    assert found == asdict(calibration.classification(log_q, data.labels, calibrated))
    assert found.keys() >= {"accuracy", "accuracy_se", "negative_log_likelihood", "calibration_error", "calibration_error_uncalibrated"}
    assert [sum(row) for row in found["confusion"]] == data.labels.bincount(minlength=10).tolist()
    assert found["accuracy"] == pytest.approx(sum(found["confusion"][i][i] for i in range(10)) / found["labels"])
    assert main(["evaluate", str(classifier_run.folder), "--samples", "5", "--split", "all"]) == 0
    printed = capsys.readouterr().out
    for words in ("accuracy", "−log q(y|x)", "calibration error", f"T = {calibrated.temperature:.3g} from 161", "too low by about"):
        assert words in printed


def test_the_report_says_it_too(classifier_run: runs.Run, evaluated_run: runs.Run) -> None:
    assert set(NEW) <= set(table.suitable(classifier_run))
    assert not set(NEW) & set(table.suitable(evaluated_run))
    text, other = ((run.folder / layout.REPORT).read_text(encoding="utf-8") for run in (classifier_run, evaluated_run))
    found = classifier_run.evaluation().to_json()["classifier"]
    assert f"<td>{100 * found['accuracy']:.2f}%</td>" in text
    assert "calibration error" not in other
    assert f"too low by about {-evaluated_run.evaluation().to_json()['log_likelihood']['bias']:.3f}" in other


def test_files_of_before_are_read(evaluated_run: runs.Run, classifier_run: runs.Run, tmp_path: Path) -> None:
    for run in (evaluated_run, classifier_run):
        folder = shutil.copytree(run.folder, tmp_path / run.folder.name)
        evaluation, result = run.evaluation().to_json(), run.result()
        evaluation.pop("classifier", None), result.pop("classifier", None), evaluation["log_likelihood"].pop("bias")
        (folder / layout.EVALUATION).write_text(json.dumps(evaluation))
        (folder / layout.RESULT).write_text(json.dumps(result))
        old = runs.load(folder)
        text = report.write(old, old.read().test, old.read().train, result).read_text(encoding="utf-8")
        assert "Evaluation" in text
        assert "too low by" not in text
        assert old.calibration() == UNCALIBRATED


# --- labels nobody knows -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def partly_known(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """M2 of digits of which a file says every other label."""
    folder = tmp_path_factory.mktemp("partly")
    names = lb.data.load("digits").whole.names
    (folder / "labels.txt").write_text("".join(f"{name if row % 2 else ''}\n" for row, name in enumerate(names)))
    return trained(folder / "r", semi_supervised="m2", labels=str(folder / "labels.txt"), epochs=1, network="mlp:16")


def test_unknown_labels_are_empty_in_tables(partly_known: runs.Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = lb.data.load("digits").whole.names
    answer(capsys, "score", partly_known.folder, "--split", "all", "--samples", 2, "-o", tmp_path / "s.csv")
    found = answer(capsys, "classify", partly_known.folder, "-o", tmp_path / "l.csv")
    for path, column in ((tmp_path / "s.csv", "label"), (tmp_path / "l.csv", "true")):
        assert [row[column] for row in rows_of(path)] == [name if row % 2 else "" for row, name in enumerate(names)]
    assert (found["n"], found["labels"]) == (1797, 898)
    assert found["calibrated_on"] == len(partly_known.read().validation()[1].known) < 161


def test_latents_of_unknown_classes_are_encoded_and_decoded_as_a_class_that_is_said(
    partly_known: runs.Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answer(capsys, "encode", partly_known.folder, "-o", tmp_path / "z.npz")
    assert np.load(tmp_path / "z.npz")["labels"][:4].tolist() == [UNKNOWN, 1, UNKNOWN, 3]
    said = complaint(capsys, "decode", partly_known.folder, tmp_path / "z.npz", "-o", tmp_path / "x.npy")
    assert "labels that are not known" in said
    answer(capsys, "decode", partly_known.folder, tmp_path / "z.npz", "--label", 3, "-o", tmp_path / "x.npy")
    answer(capsys, "interpolate", partly_known.folder, "--split", "all", "--between", 0, 1, "--n", 2, "-o", tmp_path / "i.npy")
    answer(capsys, "reconstruct", partly_known.folder, "--split", "all", "--n", 1, "-o", tmp_path / "r.npy")
    assert np.allclose(np.load(tmp_path / "i.npy")[0], np.load(tmp_path / "r.npy")[0], atol=1e-6), "as the likeliest class"


def test_unknown_classes_are_grey() -> None:
    labels = np.array([0, UNKNOWN, 1, 1, UNKNOWN])
    points = np.random.default_rng(0).normal(size=(5, 2))
    for figure in (
        charts.scatter(points, labels, ("a", "b"), ("x", "y"), rings=False),
        charts.bubbles(points, np.zeros((5, 2, 2)), labels, ("a", "b"), ("x", "y"), False, 10.0),
    ):
        drawn_points = figure.axes[0].collections[0]
        grey = (drawn_points.get_facecolor()[:, :3] == to_rgb(charts.UNKNOWN_COLOR)).all(1)
        assert sorted(map(tuple, drawn_points.get_offsets()[grey])) == sorted(map(tuple, points[labels == UNKNOWN]))
    legend = charts.scatter(points, labels, ("a", "b"), ("x", "y"), rings=False).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "unknown"]


def test_probes_know_only_what_is_known(tmp_path: Path) -> None:
    run = trained(tmp_path / "r", epochs=1, network="mlp:16")
    splits = run.read()
    hidden = torch.where(torch.arange(1797) % 3 == 0, UNKNOWN, splits.train.targets)
    some = Splits(replace(splits.train, targets=hidden), replace(splits.test, targets=hidden))
    kept = Splits(some.train.view(some.train.known), some.test.view(some.test.known))
    of_some, of_kept = (compare.compare({"r": run}, each)[0].values for each in (some, kept))
    for name in ("nearest_neighbours", "linear_probe"):
        assert of_some[name] == of_kept[name]
    nothing = replace(splits.test, targets=torch.full((1797,), UNKNOWN))
    assert compare.compare({"r": run}, Splits(splits.train, nothing))[0].values["linear_probe"] is None
    assert UNKNOWN not in some.test.labels[compare._shown(some.test, 20)]
