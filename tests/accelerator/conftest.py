"""The devices that the checks run on: an accelerator where there is one, and everywhere one that is pretended."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from accelerator import pretended

ACCELERATOR = "cuda"
#: a device that is pretended stays with torch for the whole process, where other tests would meet it: it is asked for by this variable
ASKED = "LOWERBOUND_PRETENDED" in os.environ
collect_ignore = [] if ASKED else ["test_pretended.py"]


@pytest.fixture(
    params=[
        pytest.param(
            ACCELERATOR,
            marks=[pytest.mark.accelerator, pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")],
        ),
        pytest.param(
            pretended.NAME,
            marks=pytest.mark.skipif(not ASKED, reason="set LOWERBOUND_PRETENDED=1"),
        ),
    ]
)
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    if request.param == ACCELERATOR:
        yield torch.device(ACCELERATOR)
        return
    with pretended.present() as there:
        yield there
