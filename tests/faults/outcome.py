"""What came of a fault that was tried."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """How often each thing happened, and what was wrong where something was."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, what: str, wrong: str | None = None) -> None:
        """It happened once more."""
        self.counts[what] += 1
        if wrong is not None:
            self.wrong.append(wrong)

    @property
    def tried(self) -> int:
        """How often."""
        return sum(self.counts.values())
