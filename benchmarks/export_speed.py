"""How fast one latent is decoded by onnxruntime, beside torch: medians of calls in turn, on one thread each.

``python benchmarks/export_speed.py RUN`` takes a run, or without one trains a small one on the bundled digits.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import onnxruntime
import torch

import lowerbound as lb

CALLS, WARM = 2000, 50


def main(folder: str | None) -> None:
    """Export the run and time its decoder."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        run = lb.load(folder or _trained(Path(place) / "run"), device="cpu")
        lb.export(run, Path(place) / "model")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(Path(place) / "model" / "decoder.onnx", options)
    z = torch.randn(1, run.vae.latent)
    given, network = {"z": z.numpy()}, run.vae.likelihood.network

    @torch.inference_mode()
    def by_network() -> None:
        torch.sigmoid(network(z))

    ways: dict[str, Callable[[], object]] = {
        "onnxruntime": lambda: session.run(["expected"], given),
        "vae.decode": lambda: run.vae.decode(z),
        "its network alone, and a sigmoid": by_network,
    }
    times = in_turn(ways)
    for name, seconds in times.items():
        print(f"{name}: {1e6 * seconds:.0f} µs, {seconds / times['onnxruntime']:.1f} times onnxruntime's")


def in_turn(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of a call of each, calls taking turns so that what else a machine does falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for call in range(CALLS + WARM):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if call >= WARM:
                seconds[name].append(time.perf_counter() - begin)
    return {name: median(each) for name, each in seconds.items()}


def _trained(folder: Path) -> Path:
    experiment = lb.Experiment.begin(lb.Recipe(epochs=1), folder, device="cpu")
    for _ in experiment.train():
        pass
    experiment.finish()
    return folder


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
