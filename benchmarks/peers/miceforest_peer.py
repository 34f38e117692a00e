"""miceforest on a table with holes, numbers and codes of categories: a process of ``tables_ways.py``, in an environment of its own.

Five imputations of five rounds each; the mean of a number, the class that most of them have.
"""

from __future__ import annotations

import sys

import miceforest
import numpy as np
import pandas as pd

IMPUTATIONS, ROUNDS = 5, 5


def main(given: str, out: str, seed: str) -> None:
    table = np.load(given)
    frame = pd.DataFrame(table["values"], columns=[f"x{number}" for number in range(table["values"].shape[1])])
    classes = dict(zip(frame.columns, table["classes"], strict=True))
    for name, count in classes.items():
        if count:
            frame[name] = pd.Categorical(frame[name].map(lambda code: None if np.isnan(code) else str(int(code))))
    kernel = miceforest.ImputationKernel(frame, num_datasets=IMPUTATIONS, random_state=int(seed))
    kernel.mice(ROUNDS, num_threads=1)
    filled = [kernel.complete_data(number).astype(float).to_numpy() for number in range(IMPUTATIONS)]
    mean = np.mean(filled, 0)
    for place, count in enumerate(table["classes"]):
        if count:
            votes = np.stack([[draw[:, place] == code for code in range(count)] for draw in filled]).sum(0)
            mean[:, place] = votes.argmax(0)
    np.save(out, mean)


if __name__ == "__main__":
    main(*sys.argv[1:])
