"""scvi-tools' SCVI on counts of single cells, their batch as its ``batch_key``: a process of ``scvi.py``, in an environment of its own."""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import anndata
import lightning
import scvi

SEED = 0


class Clock(lightning.Callback):
    """When training began, and when each epoch ended."""

    def __init__(self):
        self.ends = []

    def on_train_start(self, trainer, module):
        self.ends.append(time.perf_counter())

    def on_train_epoch_end(self, trainer, module):
        self.ends.append(time.perf_counter())


def main(counts: str, likelihood: str, epochs: str, draws: str, warm_up: str, out: str) -> None:
    scvi.settings.seed = SEED
    train, test = (anndata.read_h5ad(f"{counts}/{part}.h5ad") for part in ("train", "test"))
    scvi.model.SCVI.setup_anndata(train, batch_key="batch")
    model, clock = scvi.model.SCVI(train, n_latent=10, gene_likelihood=likelihood), Clock()
    model.train(
        max_epochs=int(epochs),
        train_size=1.0,
        batch_size=128,
        accelerator="cpu",
        callbacks=[clock],
        enable_progress_bar=False,
        logger=False,
        plan_kwargs={"n_epochs_kl_warmup": int(warm_up) or None},
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    if int(draws) % 20:  # it would draw more, and divide by these
        raise SystemExit("scvi-tools 1.4.2 counts draws right where those of a pass divide them; give a multiple of 20")
    log_p = float(model.get_marginal_ll(test, n_mc_samples=int(draws), n_mc_samples_per_pass=20, batch_size=100))
    bound = float(model.get_elbo(test))
    epochs_took = [after - before for before, after in pairwise(clock.ends)]
    pace = train.n_obs / median(epochs_took[1:])
    found = {"log p": log_p, "bound": bound, "cells/s": pace, "MB": peak, "seconds of epochs": epochs_took}
    Path(out).write_text(json.dumps(found | {"MB with evaluation": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))


if __name__ == "__main__":
    main(*sys.argv[1:])
