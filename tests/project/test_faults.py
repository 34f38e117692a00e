"""A little of each fault; ``make faults`` tries them as often as docs/reliability.md says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.table import FAULTS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_it_is_survived(fault: Fault, tmp_path: Path) -> None:
    outcome = fault.run(tmp_path, fault.little)
    assert not outcome.wrong
    assert outcome.tried
