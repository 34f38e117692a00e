"""Errors that the user can fix. The command line prints each as one line and exits with code 2.

A message says what is wrong and what to do about it. Bugs of the program itself are ordinary
exceptions and keep their traceback.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class LowerboundError(Exception):
    """The base class of the errors below, which are those that a user can mend: catch it to catch them all.

    >>> import lowerbound as lb
    >>> try:
    ...     lb.load("no-such-folder")
    ... except lb.LowerboundError as error:
    ...     print(type(error).__name__)
    RunError
    """


class UsageError(LowerboundError):
    """The options of a command do not fit together, or an argument is none that a function can take: a size of 0, an unknown format.

    >>> import lowerbound as lb
    >>> lb.priors.StandardNormal(0)
    Traceback (most recent call last):
        ...
    lowerbound.errors.UsageError: the size of a prior must be a whole number of 1 or more, not 0
    """


class DataError(LowerboundError):
    """Data are missing or damaged, or do not fit the model: an unknown name, a file that cannot be read, values that a likelihood has not.

    >>> import lowerbound as lb
    >>> lb.data.load("mnits")
    Traceback (most recent call last):
        ...
    lowerbound.errors.DataError: no data set, file or folder is called 'mnits'; did you mean 'mnist'?
    """


class RecipeError(LowerboundError):
    """A recipe, or what a model is made of, asks for something that does not exist or makes no sense.

    >>> import lowerbound as lb
    >>> lb.Recipe(objective="iwea")
    Traceback (most recent call last):
        ...
    lowerbound.errors.RecipeError: unknown objective 'iwea'; did you mean 'iwae'?
    """


class RunError(LowerboundError):
    """A run folder is missing or damaged, or already there where a new one should go.

    >>> import lowerbound as lb
    >>> lb.load("no-such-folder")
    Traceback (most recent call last):
        ...
    lowerbound.errors.RunError: no-such-folder is no run: it has no recipe.toml; train one with: lowerbound train --out no-such-folder
    """


class OutputError(LowerboundError):
    """A result cannot be written: the folder is not empty, the disk is full, or there is no permission.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lb.data.shard([[0.0, 1.0]] * 20, f"{folder}/shards").rows
    ...     try:
    ...         lb.data.shard([[0.0, 1.0]] * 20, f"{folder}/shards")
    ...     except lb.errors.OutputError as error:
    ...         print(str(error).removeprefix(folder))
    {'train': 20}
    /shards is not empty; give a new folder
    """


class NoClosedForm(LowerboundError):
    """A Kullback–Leibler divergence was asked for in closed form, and has none here.

    ``lb.objectives.SampledKL`` estimates it from draws.

    >>> import lowerbound as lb
    >>> prior = lb.priors.GaussianMixture(2, components=3)
    >>> posterior = lb.posteriors.DiagonalGaussian(lb.nn.mlp(4, 4))
    >>> vae = lb.VAE(prior, lb.likelihoods.Bernoulli(lb.nn.mlp(2, 4)), posterior)
    >>> lb.mean_bound(vae, [[0.0, 1.0, 1.0, 0.0]] * 10, objective=lb.objectives.ELBO())
    Traceback (most recent call last):
        ...
    lowerbound.errors.NoClosedForm: KL(Normal ‖ Mixture) has no closed form here; choose the sampled one
    """


class Diverged(LowerboundError):
    """A term of the bound is no longer finite, so that training cannot go on; the message names the step, the row and the term.

    >>> import torch
    >>> import lowerbound as lb
    >>> decoder, encoder = lb.nn.mlp(2, 4), lb.nn.mlp(4, 4)
    >>> vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(decoder), lb.posteriors.DiagonalGaussian(encoder))
    >>> _ = torch.nn.init.constant_(decoder[1].bias, 1e30)
    >>> try:
    ...     list(lb.fit(vae, torch.zeros(10, 4), epochs=1))
    ... except lb.errors.Diverged as error:
    ...     print(str(error).split(": ")[1].split(";")[0])
    the reconstruction term log p(x|z) of all rows is not finite
    """


def law_name(law: object) -> str:
    """The name of a distribution of ``torch.distributions``: ``Normal`` for an ``Independent`` of it.

    >>> import torch
    >>> import lowerbound as lb
    >>> lb.errors.law_name(lb.priors.StandardNormal(2)())
    'Normal'
    """
    return type(getattr(law, "base_dist", law)).__name__


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown ``name``: the known one that is nearest, or where none is near, the list of known names.

    >>> import lowerbound as lb
    >>> lb.errors.nearest("mnits", ["mnist", "digits"]), lb.errors.nearest("xyz", ["mnist", "digits"])
    ("; did you mean 'mnist'?", '; known: digits, mnist')
    """
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(choices)}"


def printable(text: str) -> str:
    r"""The text with everything that cannot be printed, such as control characters, written as escapes: for names of files in messages.

    >>> import lowerbound as lb
    >>> lb.errors.printable("one" + chr(9) + "two")
    'one\\ttwo'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def reason(error: OSError) -> str:
    """The reason that the operating system gives for an ``error``, with what to do where that is known.

    >>> import errno
    >>> import lowerbound as lb
    >>> lb.errors.reason(OSError(errno.ENOSPC, ""))
    'no space left on the disk; free some or write elsewhere'
    """
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
