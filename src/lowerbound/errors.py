"""What can go wrong and is the user's to mend. The command line turns each into one line and exit code 2.

A message says what is wrong and what to do about it. Faults of the program itself are ordinary
exceptions and keep their traceback.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class LowerboundError(Exception):
    """The root of the hierarchy: catch it to catch everything below."""


class UsageError(LowerboundError):
    """The words of a command do not fit together."""


class DataError(LowerboundError):
    """Data are missing, damaged, or not what the model was made for."""


class RecipeError(LowerboundError):
    """A recipe asks for something that does not exist or makes no sense."""


class RunError(LowerboundError):
    """A run folder is missing, damaged or in the way."""


class OutputError(LowerboundError):
    """A result cannot be written."""


class NoClosedForm(LowerboundError):
    """A Kullback-Leibler divergence was asked for in closed form and has none here."""


class Diverged(LowerboundError):
    """A term of the bound stopped being finite."""


def law_name(law: object) -> str:
    """What to call a ``torch.distributions`` law: ``Normal`` for an ``Independent`` of it."""
    return type(getattr(law, "base_dist", law)).__name__


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'mnist'?"`` or, where nothing is near, the list of what is known."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(choices)}"


def printable(text: str) -> str:
    """The text with control characters, and what is no character at all, written out as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def reason(error: OSError) -> str:
    """What the operating system said, with what to do where that is known."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "no room left on the disk; free some or write elsewhere"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "not allowed there; choose another place or mend its permissions"
        case errno.EISDIR | errno.ENOTDIR:
            return "a folder stands where a file is wanted, or the other way round"
        case errno.ENAMETOOLONG:
            return "that name is too long; choose a shorter one"
        case _:
            return error.strerror or str(error)
