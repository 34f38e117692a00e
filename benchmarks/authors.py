"""Seconds an epoch of the two-level models beside their authors' code: ``python benchmarks/authors.py FOLDER``, a checkout of it.

That is https://github.com/jmtomczak/vae_vampprior, of 2017, on today's PyTorch: its ``scipy.misc.logsumexp`` is now in
``scipy.special``, and a loss's ``data[0]`` is now ``item()``; nothing else is changed. Each turn is a process of each, the same binarized
images, batches of 100, all threads; the first of three epochs is not counted. Writes results/authors-KIND.json,
KIND being that of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from speed import machine

RESULTS = Path(__file__).parent / "results"
PRIORS = {"standard": "hvae", "vampprior": "hvae-vampprior"}
EXAMPLES, EPOCHS, OF_MNIST = 5_000, 3, 60_000


def main() -> None:
    """Both priors in turns, each by both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--one", nargs=3, metavar=("WHOSE", "PRIOR", "IMAGES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        whose, prior, images = args.one
        print(json.dumps((theirs if whose == "theirs" else ours)(args.folder, prior, np.load(images))))
        return
    found = _in_turns(args.folder, args.turns)
    for prior, seconds in found.items():
        ratios = [a / b for a, b in zip(seconds["ours"], seconds["theirs"], strict=True)]
        print(prior, {whose: round(statistics.median(each), 1) for whose, each in seconds.items()}, round(statistics.median(ratios), 2))
    result = RESULTS / f"authors-{machine()['kind']}.json"
    result.write_text(json.dumps({"examples": EXAMPLES, "seconds": found}, indent=1) + "\n", encoding="utf-8")


def _in_turns(folder: Path, turns: int) -> dict[str, dict[str, list[float]]]:
    import lowerbound as lb

    found: dict[str, dict[str, list[float]]] = {prior: {"ours": [], "theirs": []} for prior in PRIORS}
    with tempfile.TemporaryDirectory() as place:
        images = Path(place) / "images.npy"
        np.save(images, lb.data.load("mnist").train.array[:EXAMPLES].numpy())
        for _ in range(turns):
            for prior, each in found.items():
                for whose, seconds in each.items():
                    words = [sys.executable, __file__, str(folder), "--one", whose, prior, str(images)]
                    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
                    seconds.append(float(said.splitlines()[-1]))
    return found


def ours(_: Path, prior: str, images: Any) -> float:
    """Seconds of an epoch of MNIST, by ``lb.fit`` with the model by name."""
    import time

    import torch

    import lowerbound as lb
    from lowerbound.recipes.zoo import ZOO

    torch.set_num_threads(os.cpu_count() or 1)
    parts = lb.build(lb.Recipe(data="mnist", **{**ZOO[PRIORS[prior]].words, "average": None}), (1, 28, 28))
    data, ends = lb.data.Dataset(torch.from_numpy(images)), []
    for record in lb.fit(parts.vae, data, epochs=EPOCHS, batch=100, objective=parts.objective, estimator=parts.estimator):
        if record.ends_epoch:
            ends.append(time.perf_counter())
    return (ends[-1] - ends[0]) / (EPOCHS - 1) * OF_MNIST / len(images)


def theirs(folder: Path, prior: str, images: Any) -> float:
    """The same by their model, optimizer and training loop."""
    import time
    import types

    import scipy.special
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    sys.path[:0] = [str(folder), str(folder / "models")]
    moved, drawing = types.ModuleType("scipy.misc"), types.ModuleType("utils.visual_evaluation")
    moved.logsumexp, drawing.plot_histogram = scipy.special.logsumexp, lambda *_: None  # type: ignore[attr-defined]
    sys.modules |= {"scipy.misc": moved, "utils.visual_evaluation": drawing}
    from HVAE_2level import VAE  # type: ignore[import-not-found]
    from utils.optimizer import AdamNormGrad  # type: ignore[import-not-found]

    training: dict[str, Any] = {}
    source = (folder / "utils" / "training.py").read_text(encoding="utf-8").replace(".data[0]", ".item()")
    exec(compile(source, "training.py", "exec"), training)  # noqa: S102 - their file, but for that
    sizes = {"input_size": [1, 28, 28], "z1_size": 40, "z2_size": 40, "number_components": 500}
    starts = {"use_training_data_init": False, "pseudoinputs_mean": -0.05, "pseudoinputs_std": 0.01}
    words = argparse.Namespace(input_type="binary", prior=prior, cuda=False, warmup=100, dynamic_binarization=True, **sizes, **starts)
    model = VAE(words)
    optimizer = AdamNormGrad(model.parameters(), lr=5e-4)
    rows = torch.utils.data.TensorDataset(torch.from_numpy(images).flatten(1).float() / 255, torch.zeros(len(images)))
    loader, ends = torch.utils.data.DataLoader(rows, batch_size=100, shuffle=True), []
    for epoch in range(EPOCHS):
        training["train_vae"](epoch + 1, words, loader, model, optimizer)
        ends.append(time.perf_counter())
    return (ends[-1] - ends[0]) / (EPOCHS - 1) * OF_MNIST / len(images)


if __name__ == "__main__":
    main()
