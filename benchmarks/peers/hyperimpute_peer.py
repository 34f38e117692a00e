"""hyperimpute's MIWAE, as it comes, on numbers with holes: a process of ``tables_ways.py``, in an environment of its own."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import torch
from hyperimpute.plugins.imputers.plugin_miwae import plugin


def main(given: str, out: str, seed: str) -> None:
    torch.set_num_threads(1)
    imputer = plugin(random_state=int(seed))
    np.save(out, np.asarray(imputer.fit_transform(pd.DataFrame(np.load(given)["values"])), float))


if __name__ == "__main__":
    main(*sys.argv[1:])
