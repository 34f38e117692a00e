"""The recipe scvi of this package on counts of single cells, their batch given: a process of ``scvi.py``."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch

import lowerbound as lb
from lowerbound.data.rows import rows_at_once
from lowerbound.recipes.recipe import read
from lowerbound.vae.observation import observe

AT_ONCE = 20  # draws of z decoded together


@torch.no_grad()
def held_out(vae: lb.VAE, data: lb.data.Dataset, draws: int) -> tuple[float, float]:
    """Means over cells of log p(x), by ``draws`` of q(z|x), and of the bound."""
    log_p, bounds = [], []
    for rows in torch.arange(len(data)).split(min(100, rows_at_once(data))):
        seen = observe(vae, data, rows)
        q, p = seen.vae.posterior(seen.x), seen.vae.prior()
        parts = []
        for some in torch.arange(draws).split(AT_ONCE):
            z = q.sample(torch.Size([len(some)]))
            parts.append(seen.vae.log_likelihood(seen.x, z) + p.log_prob(z) - q.log_prob(z))
        weights = torch.cat(parts)
        log_p.append(weights.logsumexp(0) - math.log(draws))
        bounds.append(weights.mean(0))
    return float(torch.cat(log_p).mean()), float(torch.cat(bounds).mean())


def main(counts: str, likelihood: str, epochs: str, draws: str, warm_up: str, out: str) -> None:
    train, test = (lb.data.load(f"{counts}/{part}.h5ad", counts=True, label_column="batch").whole for part in ("train", "test"))
    assert train is not None
    assert test is not None
    test = test.relabelled(train.classes)
    words = {**read("scvi"), "likelihood": likelihood, "given": "label", "epochs": int(epochs)}
    recipe = lb.Recipe(**words, **({"objective": f"beta-linear:1:{warm_up}"} if int(warm_up) else {}))
    parts = lb.build(recipe, lb.data.DataSpec.of(train, test))
    ends = [time.perf_counter()]
    for record in lb.fit(parts.vae, train, epochs=recipe.epochs, batch=recipe.batch, objective=parts.objective, loss=parts.loss):
        if record.ends_epoch:
            ends.append(time.perf_counter())
    parts.vae.eval()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    log_p, bound = held_out(parts.vae, test, int(draws))
    epochs_took = [after - before for before, after in pairwise(ends)]
    pace = len(train) / median(epochs_took[1:])
    found = {"log p": log_p, "bound": bound, "cells/s": pace, "MB": peak, "seconds of epochs": epochs_took}
    Path(out).write_text(json.dumps(found | {"MB with evaluation": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))


if __name__ == "__main__":
    main(*sys.argv[1:])
