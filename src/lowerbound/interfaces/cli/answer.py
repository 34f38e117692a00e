"""The result of a verb, and the codes with which a command exits. Nothing heavy is imported: some verbs answer at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

FAULT, BAD_INPUT, INTERRUPTED, NO_READER = 1, 2, 130, 141
#: what each exit code says
EXIT_CODES = {
    0: "success; the answer is on stdout",
    FAULT: "a bug in lowerbound, with a traceback: please report it",
    BAD_INPUT: "an error that you can mend; one line on stderr says what to do",
    INTERRUPTED: "interrupted by Ctrl-C or SIGTERM; a training has saved everything, and `resume` goes on",
    NO_READER: "the program that read the output has ended, as `head` does",
}


@dataclass(frozen=True)
class Answer:
    """The result of a verb: as text, and as values."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    silent: bool = False  # where another process prints it

    def json(self, notes: Sequence[str] = ()) -> str:
        """One JSON object, with the ``notes`` that were printed."""
        from lowerbound.system.files import to_json  # with NumPy, which an answer in text can do without

        return to_json({**self.values, "notes": list(dict.fromkeys([*self.values.get("notes", []), *notes]))}, indent=2)
