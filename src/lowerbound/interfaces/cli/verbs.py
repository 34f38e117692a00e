"""Verbs of a line: what a run is, the models known by name, and a run put where others find it."""

from __future__ import annotations

from argparse import Namespace

from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.recipes.zoo import ZOO
from lowerbound.runs import push as pushing
from lowerbound.runs import run as runs


def show(args: Namespace) -> Answer:
    """The recipe, data, training, scores and size of a run; or this machine, and what is chosen on it."""
    if args.machine:
        from lowerbound.interfaces.machine import machine

        return console.of_machine(machine())
    return console.shown(runs.load(args.run, "cpu"))


def zoo(args: Namespace) -> Answer:
    """The models known by name."""
    return console.named(ZOO)


def push(args: Namespace) -> Answer:
    """Put a run where others find it."""
    revision = pushing.push(runs.load(args.run, "cpu"), args.address)
    text = f"{args.run} is at {args.address}, revision {revision}; anyone who may read that sees the recipe, the figures and the pictures"
    return Answer(text, {"run": args.run, "address": args.address, "revision": revision})
