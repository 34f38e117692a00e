"""Errors that the user can fix. The command line prints each as one line and exits with code 2.

A message says what is wrong and what to do about it. Bugs of the program itself are ordinary
exceptions and keep their traceback.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class LowerboundError(Exception):
    """The base class of the errors below: catch it to catch them all."""


class UsageError(LowerboundError):
    """The options of a command do not fit together, or an argument is none that a function can take."""


class DataError(LowerboundError):
    """Data are missing or damaged, or do not fit the model."""


class RecipeError(LowerboundError):
    """A recipe asks for something that does not exist or makes no sense."""


class RunError(LowerboundError):
    """A run folder is missing or damaged, or already there where a new one should go."""


class OutputError(LowerboundError):
    """A result cannot be written."""


class NoClosedForm(LowerboundError):
    """A Kullback-Leibler divergence was requested in closed form and has none here."""


class Diverged(LowerboundError):
    """A term of the bound is no longer finite."""


def law_name(law: object) -> str:
    """The name of a distribution of ``torch.distributions``: ``Normal`` for an ``Independent`` of it."""
    return type(getattr(law, "base_dist", law)).__name__


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'mnist'?"`` or, where no name is near, the list of known names."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(choices)}"


def printable(text: str) -> str:
    """The text with everything that cannot be printed, such as control characters, written as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def reason(error: OSError) -> str:
    """The reason the operating system gives, with what to do where that is known."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "no space left on the disk; free some or write elsewhere"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "permission denied; choose another place or change its permissions"
        case errno.EISDIR | errno.ENOTDIR:
            return "there is a folder where a file is needed, or the other way round"
        case errno.ENAMETOOLONG:
            return "that name is too long; choose a shorter one"
        case _:
            return error.strerror or str(error)
