"""A run on a device by the command line, from its training to its completions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from accelerator import checks


@pytest.mark.long
def test_a_run_by_its_commands(device: torch.device, tmp_path: Path) -> None:
    checks.commands(device, tmp_path)
