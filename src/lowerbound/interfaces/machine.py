"""What is chosen by measurement on this machine, and why: ``lowerbound show --machine`` and the benchmarks' pages."""

from __future__ import annotations

from typing import Any

import torch

from lowerbound.nn.convolutions import LAYOUT
from lowerbound.system import processors
from lowerbound.system.compiled.capture import LIBRARY
from lowerbound.system.compiled.sparse import SUMS
from lowerbound.system.devices import loops
from lowerbound.system.machine import Question, choice, instructions, processor
from lowerbound.system.products import PRODUCTS, fastest
from lowerbound.training.steps.small import THREADS

QUESTIONS = (PRODUCTS, SUMS, LIBRARY, LAYOUT, THREADS)


def machine() -> dict[str, Any]:
    """Processor, instructions, threads and PyTorch; and of each question the answer with the milliseconds of its ways.

    What no training has asked yet is measured now, which takes some seconds, and kept. Whether several threads pay is measured as it is
    now: ask while nothing else runs.
    """
    of_loops = loops() is not None
    needless = {SUMS, LIBRARY} if not of_loops else {LIBRARY} if fastest() == torch.float32 else set()
    return {
        "processor": processor(),
        "processors": processors.available(),
        "instructions": instructions(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "compiled loops": "yes" if of_loops else "no",
        "chosen": {asked.title: _answered(asked) for asked in QUESTIONS if asked not in needless},
    }


def _answered(asked: Question) -> dict[str, Any]:
    found = choice(asked)
    return {"answer": found.answer, "milliseconds": found.milliseconds}
